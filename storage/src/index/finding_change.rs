//! What changed between two matchings of one image.
//!
//! Owns which findings are the same one: of the same package, with a name in common, since the id of a record becomes an
//! alias once a CVE is assigned. Why a finding closed is told from what is known then: a package that is not there was taken
//! by the image or by the detectors, else the advisories decide.

use std::collections::{HashMap, HashSet};

use weir_scanner::finding::Finding;

use super::event::{ClosedReason, EventKind, FindingEvent, OpenedReason};

/// One side of a comparison.
pub(super) struct Side<'a> {
    /// What was found.
    pub(super) findings: &'a [Finding],
    /// What read the image and matched it.
    pub(super) matched_by: &'a str,
}

/// The names a finding may have had before.
pub(super) fn names(finding: &Finding) -> impl Iterator<Item = &str> {
    std::iter::once(&finding.id).chain(&finding.aliases).map(String::as_str)
}

/// The changes from `old`, which is `None` where the image was never matched, to `new`: closed first, then the others in the order of `new`. `holds` tells whether a package
/// URL is in the image now, `is_gone` whether an advisory was withdrawn or removed.
///
/// # Errors
/// What `is_gone` meets.
pub(super) fn changes<E>(
    old: Option<&Side<'_>>,
    new: &Side<'_>,
    holds: impl Fn(&str) -> bool,
    is_gone: impl Fn(&str) -> Result<bool, E>,
) -> Result<Vec<FindingEvent>, E> {
    let same_makers = old.is_none_or(|old| old.matched_by == new.matched_by);
    let opened = match old {
        None => OpenedReason::NewImage,
        Some(_) if same_makers => OpenedReason::Advisory,
        Some(_) => OpenedReason::DetectorChanged,
    };
    let old = old.map_or(&[][..], |old| old.findings);
    let known = by_name(old);
    let mut continued: HashSet<usize> = HashSet::new();
    let mut told: HashSet<(&str, &str)> = HashSet::new();
    let mut after = Vec::new();
    for finding in new.findings {
        let same: Vec<usize> =
            names(finding).filter_map(|name| known.get(&(name, finding.package.as_str()))).flatten().copied().collect();
        continued.extend(&same);
        // A package in two layers is one package.
        if !told.insert((&finding.id, &finding.package)) {
            continue;
        }
        match same.first().map(|index| old[*index].severity) {
            None => after.push(event(EventKind::Opened(opened), finding)),
            Some(severity) if severity != finding.severity => {
                after.push(event(EventKind::Rerated(severity), finding));
            }
            Some(_) => {}
        }
    }
    let mut changes = Vec::new();
    let mut closed: HashSet<(&str, &str)> = HashSet::new();
    for (index, finding) in old.iter().enumerate() {
        if continued.contains(&index) || !closed.insert((&finding.id, &finding.package)) {
            continue;
        }
        let reason = if !same_makers {
            ClosedReason::DetectorChanged
        } else if !holds(&finding.package) {
            ClosedReason::ImageChanged
        } else if all_gone(finding, &is_gone)? {
            ClosedReason::Withdrawn
        } else {
            ClosedReason::FixedInFeed
        };
        changes.push(event(EventKind::Closed(reason), finding));
    }
    changes.append(&mut after);
    Ok(changes)
}

fn all_gone<E>(finding: &Finding, is_gone: impl Fn(&str) -> Result<bool, E>) -> Result<bool, E> {
    for advisory in &finding.advisories {
        if !is_gone(advisory)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The places of findings by each of their names and their package.
fn by_name(findings: &[Finding]) -> HashMap<(&str, &str), Vec<usize>> {
    let mut places: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for (index, finding) in findings.iter().enumerate() {
        for name in names(finding) {
            places.entry((name, finding.package.as_str())).or_default().push(index);
        }
    }
    places
}

fn event(kind: EventKind, finding: &Finding) -> FindingEvent {
    FindingEvent {
        kind,
        id: finding.id.clone(),
        package: finding.package.clone(),
        severity: finding.severity,
        fixed_version: finding.fixed_version.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use weir_scanner::finding::Severity;
    use weir_scanner::fixture::finding;

    use super::*;

    const PACKAGE: &str = "pkg:npm/a@1";

    /// What changed, a line each: `opened CVE-1`.
    fn told(old: Option<(&[Finding], &str)>, new: (&[Finding], &str), held: &[&str], gone: &[&str]) -> Vec<String> {
        let side = |(findings, matched_by)| Side { findings, matched_by };
        let old = old.map(side);
        let is_gone = |id: &str| Ok::<_, Infallible>(gone.contains(&id));
        let changes = changes(old.as_ref(), &side(new), |package| held.contains(&package), is_gone).unwrap();
        let line = |event: &FindingEvent| {
            let reason = event.kind.reason().map(|reason| format!(" {reason}")).unwrap_or_default();
            format!("{} {}{reason} {}", event.kind.name(), event.id, event.severity.name())
        };
        changes.iter().map(line).collect()
    }

    #[test]
    fn a_first_matching_opens_everything_once() {
        let twice = [finding("CVE-1", &[], PACKAGE), finding("CVE-1", &[], PACKAGE)];
        assert_eq!(told(None, (&twice, "1"), &[PACKAGE], &[]), ["opened CVE-1 new_image high"]);
    }

    #[test]
    fn a_new_name_is_no_change_and_a_new_rating_is_one() {
        let before = [finding("GHSA-1", &[], PACKAGE)];
        let mut after = [finding("CVE-1", &["GHSA-1"], PACKAGE)];
        assert_eq!(told(Some((&before, "1")), (&after, "1"), &[PACKAGE], &[]), Vec::<String>::new());
        after[0].severity = Severity::Low;
        assert_eq!(told(Some((&before, "1")), (&after, "1"), &[PACKAGE], &[]), ["rerated CVE-1 low"]);
    }

    #[test]
    fn what_is_gone_says_why() {
        let before = [finding("CVE-1", &[], PACKAGE)];
        for (held, by, gone, line) in [
            (&[PACKAGE][..], "1", &[][..], "closed CVE-1 fixed_in_feed high"),
            (&[PACKAGE], "1", &["CVE-1"], "closed CVE-1 withdrawn high"),
            (&[], "1", &[], "closed CVE-1 image_changed high"),
            (&[], "2", &[], "closed CVE-1 detector_changed high"),
            (&[PACKAGE], "2", &["CVE-1"], "closed CVE-1 detector_changed high"),
        ] {
            assert_eq!(told(Some((&before, "1")), (&[], by), held, gone), [line]);
        }
    }

    #[test]
    fn one_vulnerability_of_another_package_is_another_finding() {
        let before = [finding("CVE-1", &[], PACKAGE)];
        let after = [finding("CVE-1", &[], PACKAGE), finding("CVE-1", &[], "pkg:npm/b@1")];
        assert_eq!(told(Some((&before, "1")), (&after, "1"), &[PACKAGE], &[]), ["opened CVE-1 advisory high"]);
    }
}
