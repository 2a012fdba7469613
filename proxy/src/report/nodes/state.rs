//! Whether a node pulls through weir: what speaks for it, what speaks against it, and what is not known.
//!
//! Pure: handed everything that is known of one node, and the time. The invariant: no node is said to pull through weir without something
//! that says so, and none to go past it without something that cannot be otherwise but for the cases docs/kubernetes.md names.

use std::fmt;
use std::sync::Arc;

use weir_storage::index::{NodeCheckRecord, NodeFindingLevel};

use super::pulled::LastPull;
use super::told::{CHECK_SECONDS, says_through};
use crate::clock::rfc3339;
use crate::workload::Latest;

/// Seconds that an image must have begun to run after everything that explains it: a large cluster takes minutes to be listed, and an
/// image may be pulled long before it starts.
const SLACK_SECONDS: i64 = 3600;

/// Whether a node pulls through weir.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::report) enum NodeState {
    /// It does.
    ThroughWeir,
    /// It does not.
    Bypasses,
    /// It is not known.
    Unknown,
}

impl NodeState {
    /// Every state.
    pub(in crate::report) const ALL: [Self; 3] = [Self::ThroughWeir, Self::Bypasses, Self::Unknown];

    /// The name in the API.
    pub(in crate::report) const fn name(self) -> &'static str {
        match self {
            Self::ThroughWeir => "through_weir",
            Self::Bypasses => "bypasses",
            Self::Unknown => "unknown",
        }
    }
}

/// An image that began to run, and that the node did not pull through weir.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::report) struct Newcomer {
    image: Arc<str>,
    /// When it began, seconds since the epoch.
    at: i64,
    /// Whether others pulled it through weir.
    others_pulled: bool,
}

/// Why a node has its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::report) enum Reason {
    /// Its check found something that keeps images from coming through weir.
    CheckFound { code: String, detail: String },
    /// Its check says that it does not pull through weir.
    CheckDenies,
    /// Images run on it that came past weir, and it pulled none through weir.
    NothingPulled(Newcomer),
    /// It pulled through weir, and something runs on it that came past it later.
    PulledAndPast(Arc<LastPull>, Newcomer),
    /// It pulled through weir.
    Pulled(Arc<LastPull>),
    /// Its check says so, and nothing was pulled yet.
    CheckSays,
    /// Its last check was too long ago.
    CheckIsOld { at: i64 },
    /// The list of pulls is still being read.
    Reading,
    /// Nothing was heard.
    Silence,
}

impl fmt::Display for Newcomer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = if self.others_pulled { "this node" } else { "anyone" };
        write!(
            f,
            "{} runs here, began to run at {} and was not pulled through weir by {who}",
            self.image,
            rfc3339(self.at)
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CheckFound { code, detail } => write!(f, "its check found {code}: {detail}"),
            Self::CheckDenies => f.write_str("its check says that it is not set up to pull through weir"),
            Self::NothingPulled(newcomer) => write!(f, "it never pulled through weir, and {newcomer}"),
            Self::PulledAndPast(pull, newcomer) => {
                write!(f, "it pulled {} through weir at {}, but {newcomer}", pull.reference, rfc3339(pull.at))
            }
            Self::Pulled(pull) => write!(f, "it pulled {} through weir at {}", pull.reference, rfc3339(pull.at)),
            Self::CheckSays => {
                f.write_str("its check says that it is set up to pull through weir; it pulled nothing yet")
            }
            Self::CheckIsOld { at } => {
                write!(
                    f,
                    "its last check was told at {}, which is too long ago, and it never pulled through weir",
                    rfc3339(*at)
                )
            }
            Self::Reading => f.write_str("weir has just started and still reads who pulled what"),
            Self::Silence => f.write_str("it never pulled through weir, and no check was told"),
        }
    }
}

/// What is known of a node.
#[derive(Clone, Copy, Default)]
pub(super) struct Evidence<'a> {
    /// Since when its cluster is heard of, and it has pods, seconds since the epoch; `None` where either is not known.
    pub(super) known_since: Option<i64>,
    /// Of the images that run there and that weir has, the one that began to run last.
    pub(super) newest: Option<Latest<'a>>,
    /// The same of those that nobody ever pulled through weir.
    pub(super) newest_unpulled: Option<Latest<'a>>,
    /// Its last pull through weir.
    pub(super) last_pull: Option<&'a Arc<LastPull>>,
    /// When somebody pulled who may have been this node, seconds since the epoch.
    pub(super) stray_at: Option<i64>,
    /// Whether all pulls there were have been looked at.
    pub(super) pulls_are_whole: bool,
    /// What it told last.
    pub(super) check: Option<&'a Arc<NodeCheckRecord>>,
}

/// The state of a node at `now` (seconds since the epoch).
pub(super) fn judge(evidence: &Evidence<'_>, now: i64) -> (NodeState, Reason) {
    let check = evidence.check.filter(|check| now.saturating_sub(check.at) < CHECK_SECONDS);
    if let Some(check) = check.filter(|check| !says_through(check.through_weir, &check.findings)) {
        let error = check.findings.iter().find(|finding| finding.level == NodeFindingLevel::Error);
        let reason = error.map_or(Reason::CheckDenies, |error| Reason::CheckFound {
            code: error.code.clone(),
            detail: error.detail.clone(),
        });
        return (NodeState::Bypasses, reason);
    }
    match (newcomer(evidence, check), evidence.last_pull) {
        (Some(newcomer), Some(pull)) => (NodeState::Unknown, Reason::PulledAndPast(Arc::clone(pull), newcomer)),
        (None, Some(pull)) => (NodeState::ThroughWeir, Reason::Pulled(Arc::clone(pull))),
        (Some(_), None) if !evidence.pulls_are_whole => (NodeState::Unknown, Reason::Reading),
        (Some(newcomer), None) => (NodeState::Bypasses, Reason::NothingPulled(newcomer)),
        (None, None) if check.is_some() => (NodeState::ThroughWeir, Reason::CheckSays),
        (None, None) if !evidence.pulls_are_whole => (NodeState::Unknown, Reason::Reading),
        (None, None) => {
            let reason = evidence.check.map_or(Reason::Silence, |check| Reason::CheckIsOld { at: check.at });
            (NodeState::Unknown, reason)
        }
    }
}

/// The image that came past weir, where one did: it runs on the node and began to run, there or elsewhere, well after all that could
/// explain how the node has it. `check` says that the node is set up well, where there is one.
fn newcomer(evidence: &Evidence<'_>, check: Option<&Arc<NodeCheckRecord>>) -> Option<Newcomer> {
    let pulled_at = evidence.last_pull.map(|pull| pull.at);
    let since = [Some(evidence.known_since?), pulled_at, check.map(|check| check.since)].into_iter().max().flatten()?;
    // Who once pulled may have pulled earlier what runs now; and where somebody pulled without a name, that was this node, perhaps.
    let others_may_explain = pulled_at.is_some() || evidence.stray_at.is_some_and(|at| at >= since);
    let newest = if others_may_explain { evidence.newest_unpulled } else { evidence.newest };
    let (at, image) = newest.filter(|(at, _)| at.saturating_sub(since) > SLACK_SECONDS)?;
    let others_pulled = evidence.newest_unpulled != newest;
    Some(Newcomer { image: Arc::clone(image), at, others_pulled })
}

#[cfg(test)]
mod tests {
    use weir_scanner::oci::Digest;
    use weir_storage::index::NodeFinding;

    use super::NodeState::{Bypasses, ThroughWeir, Unknown};
    use super::*;

    /// When the cluster was first heard of, and the time it is.
    const HEARD: i64 = 1_000_000;
    const NOW: i64 = HEARD + 100_000;
    /// Enough for an image to be new.
    const LATER: i64 = SLACK_SECONDS + 1;

    fn pull(at: i64) -> Arc<LastPull> {
        Arc::new(LastPull { at, reference: "docker.io/team/app:1".into(), image: Digest::of(b"app") })
    }

    fn check(at: i64, since: i64, through_weir: bool) -> Arc<NodeCheckRecord> {
        checked(at, since, through_weir, Vec::new())
    }

    fn checked(at: i64, since: i64, through_weir: bool, findings: Vec<NodeFinding>) -> Arc<NodeCheckRecord> {
        Arc::new(NodeCheckRecord {
            at,
            since,
            runtime: "containerd".into(),
            version: None,
            config_path: None,
            through_weir,
            findings,
        })
    }

    fn found(level: NodeFindingLevel) -> NodeFinding {
        NodeFinding { level, code: "config_path_missing".into(), detail: "no config_path".into() }
    }

    fn silent() -> Evidence<'static> {
        Evidence { known_since: Some(HEARD), pulls_are_whole: true, ..Evidence::default() }
    }

    fn state(evidence: &Evidence<'_>) -> NodeState {
        judge(evidence, NOW).0
    }

    #[test]
    fn without_evidence_nothing_is_said() {
        assert_eq!(judge(&silent(), NOW), (Unknown, Reason::Silence));
        assert_eq!(judge(&Evidence { pulls_are_whole: false, ..silent() }, NOW), (Unknown, Reason::Reading));
        let old = check(NOW - CHECK_SECONDS, HEARD, true);
        assert_eq!(
            judge(&Evidence { check: Some(&old), ..silent() }, NOW),
            (Unknown, Reason::CheckIsOld { at: old.at })
        );
        let old = check(NOW - CHECK_SECONDS, HEARD, false);
        assert_eq!(
            state(&Evidence { check: Some(&old), ..silent() }),
            Unknown,
            "an old check does not speak against it either"
        );
    }

    #[test]
    fn a_pull_or_a_check_speaks_for_a_node() {
        let pull = pull(HEARD + 5);
        assert_eq!(state(&Evidence { last_pull: Some(&pull), ..silent() }), ThroughWeir);
        let good = check(NOW - CHECK_SECONDS + 1, HEARD, true);
        assert_eq!(judge(&Evidence { check: Some(&good), ..silent() }, NOW), (ThroughWeir, Reason::CheckSays));
        let warned = checked(NOW, HEARD, true, vec![found(NodeFindingLevel::Warning)]);
        assert_eq!(state(&Evidence { check: Some(&warned), ..silent() }), ThroughWeir);
    }

    #[test]
    fn what_a_check_found_speaks_against_it_whatever_was_pulled() {
        let pull = pull(NOW - 1);
        let denies = check(NOW, NOW, false);
        let evidence = Evidence { last_pull: Some(&pull), check: Some(&denies), ..silent() };
        assert_eq!(judge(&evidence, NOW), (Bypasses, Reason::CheckDenies));
        let findings = vec![found(NodeFindingLevel::Warning), found(NodeFindingLevel::Error)];
        let broken = checked(NOW, NOW, true, findings);
        let (state, reason) = judge(&Evidence { check: Some(&broken), ..evidence }, NOW);
        assert_eq!(
            (state, reason.to_string()),
            (Bypasses, "its check found config_path_missing: no config_path".into())
        );
    }

    #[test]
    fn what_began_to_run_and_was_not_pulled_came_past_weir() {
        let app = Arc::from("docker.io/team/app:2");
        let new = Some((HEARD + LATER, &app));
        let evidence = || Evidence { newest: new, newest_unpulled: new, ..silent() };
        assert_eq!(state(&evidence()), Bypasses);
        assert_eq!(state(&Evidence { newest_unpulled: None, ..evidence() }), Bypasses, "others pulled it");
        let at_once = Some((HEARD + SLACK_SECONDS, &app));
        assert_eq!(state(&Evidence { newest: at_once, newest_unpulled: at_once, ..silent() }), Unknown);
        assert_eq!(
            state(&Evidence { known_since: None, ..evidence() }),
            Unknown,
            "the node is not known to have been there"
        );
        assert_eq!(state(&Evidence { known_since: Some(HEARD + 10), ..evidence() }), Unknown, "the node came later");
        assert_eq!(judge(&Evidence { pulls_are_whole: false, ..evidence() }, NOW), (Unknown, Reason::Reading));
        let (_, reason) = judge(&evidence(), NOW);
        assert_eq!(
            reason.to_string(),
            "it never pulled through weir, and docker.io/team/app:2 runs here, began to run at 1970-01-12T14:46:41Z and was not \
             pulled through weir by anyone"
        );
    }

    #[test]
    fn what_others_pulled_says_nothing_where_pulls_have_no_names() {
        let app = Arc::from("docker.io/team/app:2");
        let new = Some((HEARD + LATER, &app));
        let evidence = || Evidence { newest: new, stray_at: Some(NOW - 5), ..silent() };
        assert_eq!(judge(&evidence(), NOW), (Unknown, Reason::Silence));
        assert_eq!(state(&Evidence { newest_unpulled: new, ..evidence() }), Bypasses, "nobody pulled this one");
        assert_eq!(state(&Evidence { stray_at: Some(HEARD - 1), ..evidence() }), Bypasses, "that was before");
    }

    #[test]
    fn a_node_that_was_set_up_later_is_judged_from_there_on() {
        let app = Arc::from("docker.io/team/app:2");
        let new = Some((HEARD + LATER, &app));
        let evidence = || Evidence { newest: new, newest_unpulled: new, ..silent() };
        let good = check(NOW, HEARD + 10, true);
        assert_eq!(state(&Evidence { check: Some(&good), ..evidence() }), ThroughWeir);
        let good = check(NOW, HEARD - 10, true);
        assert_eq!(
            state(&Evidence { check: Some(&good), ..evidence() }),
            Bypasses,
            "set up, and images come past it all the same"
        );
    }

    #[test]
    fn for_and_against_is_unknown() {
        let app = Arc::from("docker.io/team/app:2");
        let new = Some((HEARD + LATER, &app));
        let (before, after) = (pull(HEARD - 1), pull(HEARD + LATER));
        let evidence = || Evidence { newest: new, newest_unpulled: new, ..silent() };
        let both = Evidence { last_pull: Some(&before), ..evidence() };
        assert_eq!(state(&both), Unknown);
        assert!(
            judge(&both, NOW)
                .1
                .to_string()
                .starts_with("it pulled docker.io/team/app:1 through weir at 1970-01-12T13:46:39Z, but ")
        );
        assert_eq!(state(&Evidence { last_pull: Some(&after), ..evidence() }), ThroughWeir);
        let others = Evidence { newest_unpulled: None, last_pull: Some(&before), ..evidence() };
        assert_eq!(state(&others), ThroughWeir, "it may have pulled that before");
    }
}
