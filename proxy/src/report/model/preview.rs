//! What an exception would cover, before it is made.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use weir_scanner::exception::{Exception, Kind, Rules, Target};

use super::Model;
use super::except::{Asked, Decisions, Hold};
use super::finding::FindingRow;
use crate::report::exceptions::warning;
use crate::report::shape::{Preview, PreviewExample};

/// Images that are named.
const EXAMPLES: usize = 10;

impl Model {
    /// What an exception would cover by itself, whatever others cover already. One that only says that something is being looked at
    /// is shown what it would speak of.
    pub(in crate::report) fn preview(&self, exception: &Exception) -> Preview {
        let kind = if exception.kind == Kind::UnderInvestigation { Kind::AcceptedRisk } else { exception.kind };
        let rules = Rules::new(vec![Exception { kind, cancelled: None, ..exception.clone() }]);
        let asked = Asked::of(self, &rules);
        let (mut preview, mut seen) = (Preview::default(), Seen::default());
        let mut examples: BTreeMap<(Reverse<u64>, u32), PreviewExample> = BTreeMap::new();
        for number in 0..self.images.len() as u32 {
            let Some(decisions) = asked.image(self, &rules, number) else { continue };
            let (covered, workloads) = self.covered(number, &decisions, &mut seen);
            preview.images += 1;
            preview.findings += covered.len() as u64;
            seen.repositories.extend(&self.image(number).row.repositories);
            let first = covered.first().filter(|_| exception.target == Target::Vulnerability);
            examples.insert((Reverse(workloads), number), self.example(number, first));
            if examples.len() > EXAMPLES {
                examples.pop_last();
            }
        }
        preview.repositories = seen.repositories.len() as u64;
        preview.vulnerabilities = seen.vulnerabilities.len() as u64;
        preview.workloads = seen.workloads.len() as u64;
        preview.warning = warning(exception, preview.images);
        preview.examples = examples.into_values().collect();
        preview
    }

    /// An image of which something is covered, and one of its findings unless all of them are.
    fn example(&self, number: u32, finding: Option<&FindingRow>) -> PreviewExample {
        let row = &self.image(number).row;
        let vulnerability = finding.map(|finding| &self.catalog.vulnerabilities[finding.vulnerability as usize]);
        let package = finding.map(|finding| &self.catalog.packages[finding.package as usize]);
        PreviewExample {
            image: row.digest.to_string(),
            repository: row.repositories.first().map(|repository| self.repository_name(*repository).to_owned()),
            vulnerability: vulnerability.map(|known| known.id.to_string()),
            package: package.map(|package| package.purl.to_string()),
        }
    }

    /// The findings of an image that are covered somewhere, and at how many workloads any is.
    fn covered(&self, number: u32, decisions: &Decisions, seen: &mut Seen) -> (Vec<FindingRow>, u64) {
        let findings = self.image(number).row.findings();
        let own = decisions.findings.iter().map(|(position, _)| findings.row(*position as usize));
        let is_whole = decisions.repositories.iter().any(Option::is_some);
        let all = findings.counting().map(|(_, row)| row);
        let covered: Vec<FindingRow> = if is_whole { all.collect() } else { own.collect() };
        seen.vulnerabilities.extend(covered.iter().map(|row| row.vulnerability));
        let holds: Vec<&Hold> =
            decisions.findings.iter().map(|(_, hold)| hold).chain(decisions.repositories.iter().flatten()).collect();
        let mut workloads = 0;
        for (position, user) in self.users_of(number).iter().enumerate() {
            if holds.iter().any(|hold| hold.holds_at(position)) {
                workloads += 1;
                seen.workloads.insert(*user);
            }
        }
        (covered, workloads)
    }
}

/// Distinct things that are covered.
#[derive(Default)]
struct Seen {
    repositories: BTreeSet<u32>,
    vulnerabilities: BTreeSet<u32>,
    workloads: BTreeSet<u32>,
}
