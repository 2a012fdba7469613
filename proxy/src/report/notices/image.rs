//! What is known of one image when its findings are told: which are still there, are exploited, or stand under an exception.

use weir_scanner::exception::{self, Exception, Kind, Rules, Subject, Target};
use weir_scanner::finding::{Finding, FixState};
use weir_scanner::oci::Digest;
use weir_storage::index::{EventKind, Exploitation, FindingEvent, FindingsRecord, Index, IndexError, ListedEvent};

use crate::report::current::Current;
use crate::report::fleet::{FleetView, Place};

/// One image.
pub(super) struct ImageFacts {
    digest: Digest,
    found: Option<FindingsRecord>,
    current: Current,
    repositories: Vec<String>,
}

/// Who looks at an image, and when.
pub(super) struct Asker<'a> {
    pub(super) rules: &'a Rules,
    pub(super) view: &'a FleetView,
    /// The workloads that count; none for an image that is looked at by itself.
    pub(super) users: &'a [Place],
    /// Seconds since the epoch.
    pub(super) now: i64,
}

impl ImageFacts {
    pub(super) fn read(index: &Index, digest: Digest) -> Result<Self, IndexError> {
        let found = index.findings().get(&digest)?;
        let current = Current::read(index, found.as_ref())?;
        let repositories = repositories(index, &digest)?;
        Ok(Self { digest, found, current, repositories })
    }

    pub(super) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Its findings, without those that a distribution's feed covers.
    pub(super) fn findings(&self) -> impl Iterator<Item = &Finding> {
        let all = self.found.iter().flat_map(|found| &found.findings.findings);
        all.filter(|finding| finding.covered_by.is_none())
    }

    /// The finding of a vulnerability in a package, where it is there.
    pub(super) fn finding(&self, id: &str, package: &str) -> Option<&Finding> {
        let mut all = self.found.iter().flat_map(|found| &found.findings.findings);
        all.find(|finding| finding.id == id && finding.package == package)
    }

    /// Whether a finding is known to be exploited; `None` where nobody was asked.
    pub(super) fn exploited(&self, finding: &Finding) -> Option<bool> {
        self.current.exploited(finding)
    }

    /// The decision under which a vulnerability of a package stands, for all workloads that count. One whose finding is gone is known by
    /// its id alone.
    pub(super) fn decision<'a>(
        &self,
        id: &str,
        package: &str,
        finding: Option<&Finding>,
        asker: &Asker<'a>,
    ) -> Option<&'a Exception> {
        if asker.rules.is_empty() {
            return None;
        }
        let mut names = vec![id];
        names.extend(finding.iter().flat_map(|finding| &finding.aliases).map(String::as_str));
        let repositories: Vec<&str> = self.repositories.iter().map(String::as_str).collect();
        let subject = Subject {
            names: &names,
            package,
            fixable: finding.is_some_and(|finding| finding.fix_state == FixState::Fixed),
            image: &self.digest,
            repositories: &repositories,
        };
        let places = asker.users.iter().map(|place| {
            let workload = asker.view.workload(*place);
            exception::Place {
                cluster: &workload.key.cluster,
                namespace: &workload.key.namespace,
                labels: &workload.labels,
            }
        });
        let whole = asker.rules.of_repository_in(&repositories, &self.digest, places.clone(), asker.now);
        whole.or_else(|| asker.rules.of_finding_in(&subject, places, asker.now))
    }
}

/// Whether an event is still so, by the finding as it is now and whether that is exploited, and of one that counts: what opened and
/// closed since is not told as open.
pub(super) fn holds(event: &FindingEvent, finding: Option<&Finding>, known_exploited: Option<bool>) -> bool {
    let counts = finding.is_some_and(|finding| finding.covered_by.is_none());
    match event.kind {
        EventKind::Opened(_) | EventKind::Rerated(_) => counts,
        EventKind::Exploitation(Exploitation::Known) => counts && known_exploited == Some(true),
        EventKind::Exploitation(Exploitation::Withdrawn) => counts && known_exploited == Some(false),
        EventKind::Closed(_) => finding.is_none(),
    }
}

/// Whether an event is told in spite of a decision: a risk was accepted before it was known to be exploited. One of a whole repository was
/// accepted whatever is in it.
pub(super) fn is_told_despite(listed: &ListedEvent, decision: &Exception) -> bool {
    listed.event.kind == EventKind::Exploitation(Exploitation::Known)
        && decision.kind == Kind::AcceptedRisk
        && decision.target == Target::Vulnerability
        && decision.created_at <= listed.at
}

/// The repositories an image was seen in, `<upstream>/<repository>`.
pub(super) fn repositories(index: &Index, digest: &Digest) -> Result<Vec<String>, IndexError> {
    let names = index.images().get(digest)?.map(|record| record.names).unwrap_or_default();
    Ok(names.into_iter().map(|(upstream, repository)| format!("{upstream}/{repository}")).collect())
}

#[cfg(test)]
mod tests {
    use weir_scanner::exception::Scope;
    use weir_scanner::finding::Severity;
    use weir_storage::index::EventCursor;

    use super::*;

    #[test]
    fn a_risk_accepted_before_it_was_known_to_be_exploited_is_told_and_nothing_else() {
        let known = EventKind::Exploitation(Exploitation::Known);
        let is_told = |kind, created_at, decided, target| {
            let event = FindingEvent {
                kind,
                id: "CVE-1".into(),
                package: "pkg:npm/a@1".into(),
                severity: Severity::Low,
                fixed_version: None,
            };
            let cursor = EventCursor { sequence: 1, position: 0 };
            let listed = ListedEvent { cursor, at: 100, image: Digest::of(b"image"), event };
            let decision = Exception {
                id: "1".into(),
                target,
                kind: decided,
                vulnerability: vec!["CVE-1".into()],
                scope: Scope::default(),
                justification: None,
                reason: "r".into(),
                created_by: "ada".into(),
                created_at,
                expires_at: None,
                expire_on_fix: false,
                cancelled: None,
                document: None,
            };
            is_told_despite(&listed, &decision)
        };
        assert!(is_told(known, 99, Kind::AcceptedRisk, Target::Vulnerability));
        assert!(!is_told(known, 101, Kind::AcceptedRisk, Target::Vulnerability), "accepted knowing that");
        assert!(!is_told(known, 99, Kind::FalsePositive, Target::Vulnerability));
        assert!(!is_told(known, 99, Kind::AcceptedRisk, Target::Repository));
        assert!(!is_told(EventKind::Rerated(Severity::Low), 99, Kind::AcceptedRisk, Target::Vulnerability));
    }
}
