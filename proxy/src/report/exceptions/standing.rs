//! Marks the findings of a result that stand under a decision.

use weir_scanner::exception::{Exception, Place, Rules, Subject};
use weir_scanner::finding::FixState;
use weir_scanner::oci::Digest;

use crate::clock::rfc3339;
use crate::report::document::{ExceptionPart, ResultDocument, VulnerabilityPart};

/// Marks every finding of an image's result with the decision it stands under at `now` (seconds since the epoch): one that excepts it for
/// all of `places`, else one that excepts the image's repositories, else one by which it is looked at.
pub(in crate::report) fn stand(
    document: &mut ResultDocument,
    rules: &Rules,
    (image, repositories): (&Digest, &[&str]),
    places: &[Place<'_>],
    now: i64,
) {
    if rules.is_empty() {
        return;
    }
    let whole = rules.of_repository_in(repositories, image, places.iter().copied(), now).map(part);
    for finding in document.vulnerabilities.iter_mut().flatten() {
        let names: Vec<&str> = names(finding).collect();
        let subject = Subject {
            names: &names,
            package: &finding.package,
            fixable: finding.fix_state == FixState::Fixed,
            image,
            repositories,
        };
        let own = rules.of_finding_in(&subject, places.iter().copied(), now).map(part);
        let found = own.or_else(|| whole.clone());
        let found = found.or_else(|| rules.note_of_finding_in(&subject, places.iter().copied(), now).map(part));
        drop(names);
        finding.exception = found;
    }
}

fn names(finding: &VulnerabilityPart) -> impl Iterator<Item = &str> {
    std::iter::once(&finding.id).chain(&finding.aliases).map(String::as_str)
}

fn part(exception: &Exception) -> ExceptionPart {
    ExceptionPart {
        id: exception.id.clone(),
        target: exception.target,
        kind: exception.kind,
        justification: exception.justification,
        reason: exception.reason.clone(),
        by: exception.created_by.clone(),
        at: rfc3339(exception.created_at),
        expires_at: exception.expires_at.map(rfc3339),
    }
}
