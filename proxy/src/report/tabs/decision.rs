//! The decisions a finding of one image stands under, for the workloads that are meant.

use std::sync::Arc;

use weir_scanner::exception::{Place, Rules, Subject};
use weir_scanner::finding::{Finding, FixState};

use super::ask::Ask;
use super::facts::OneImage;
use crate::report::FleetView;
use crate::report::exceptions::place;
use crate::report::shape::FindingException;

/// Every decision, with what runs where at one time.
#[derive(Clone)]
pub(in crate::report) struct Decisions {
    rules: Arc<Rules>,
    view: Arc<FleetView>,
    /// Seconds since the epoch.
    now: i64,
}

/// The decisions about one image.
pub(super) struct OfImage<'a> {
    decisions: &'a Decisions,
    image: &'a OneImage,
    repositories: Vec<String>,
    /// The workloads that are meant and run it.
    places: Vec<Place<'a>>,
}

/// What was decided about a finding.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Decision {
    pub(super) shown: Option<FindingException>,
    /// Whether it excepts the finding for every workload that is meant.
    pub(super) excepts: bool,
}

impl Decisions {
    pub(in crate::report) fn new(rules: Arc<Rules>, view: Arc<FleetView>, now: i64) -> Self {
        Self { rules, view, now }
    }

    /// Those about one image.
    pub(super) fn of<'a>(&'a self, image: &'a OneImage, ask: &Ask) -> OfImage<'a> {
        let users = self.view.images.get(&image.digest).into_iter().flat_map(|running| &running.users);
        let workloads = users.map(|place| self.view.workload(*place)).filter(|workload| ask.workloads.takes(workload));
        let names = image.record.iter().flat_map(|record| &record.names);
        OfImage {
            decisions: self,
            image,
            repositories: names.map(|(upstream, repository)| format!("{upstream}/{repository}")).collect(),
            places: workloads.map(place).collect(),
        }
    }
}

impl OfImage<'_> {
    /// What was decided about a finding: by what excepts it, else by who looks at it.
    pub(super) fn about(&self, finding: &Finding) -> Decision {
        let Decisions { rules, now, .. } = self.decisions;
        let names: Vec<&str> = [&finding.id].into_iter().chain(&finding.aliases).map(String::as_str).collect();
        let repositories: Vec<&str> = self.repositories.iter().map(String::as_str).collect();
        let subject = Subject {
            names: &names,
            package: &finding.package,
            fixable: finding.fix_state == FixState::Fixed,
            image: &self.image.digest,
            repositories: &repositories,
        };
        let excepting = rules.of_finding_in(&subject, self.places.iter().copied(), *now);
        let shown = excepting.or_else(|| rules.note_of_finding_in(&subject, self.places.iter().copied(), *now));
        Decision { shown: shown.map(FindingException::from), excepts: excepting.is_some() }
    }

    /// The decision that excepts the whole image, by its repositories.
    pub(super) fn about_image(&self) -> Option<FindingException> {
        let Decisions { rules, now, .. } = self.decisions;
        let repositories: Vec<&str> = self.repositories.iter().map(String::as_str).collect();
        let found = rules.of_repository_in(&repositories, &self.image.digest, self.places.iter().copied(), *now);
        found.map(FindingException::from)
    }
}
