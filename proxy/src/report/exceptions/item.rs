//! Decisions and the audit as they are shown.

use weir_scanner::exception::{Exception, Place, Scope};
use weir_storage::index::AuditEntry;

use crate::clock::rfc3339;
use crate::report::shape::{AuditItem, CancelledItem, ExceptionItem, FindingException, ScopeItem};
use crate::workload::Workload;

impl ExceptionItem {
    /// A decision as it is at `now` (seconds since the epoch).
    pub(in crate::report) fn of(exception: &Exception, now: i64) -> Self {
        let Exception { id, target, kind, vulnerability, scope, justification, reason, .. } = exception.clone();
        let mut names = vulnerability.into_iter();
        Self {
            id,
            target: target.name().to_owned(),
            kind: kind.name().to_owned(),
            state: exception.state(now).name().to_owned(),
            vulnerability: names.next(),
            aliases: names.collect(),
            scope: scope.into(),
            justification: justification.map(|justification| justification.name().to_owned()),
            reason,
            created_by: exception.created_by.clone(),
            created_at: rfc3339(exception.created_at),
            expires_at: exception.expires_at.map(rfc3339),
            expire_on_fix: exception.expire_on_fix,
            cancelled: exception.cancelled.as_ref().map(|cancelled| CancelledItem {
                at: rfc3339(cancelled.at),
                by: cancelled.by.clone(),
                reason: cancelled.reason.clone(),
            }),
            document: exception.document.clone(),
        }
    }
}

/// A workload as decisions ask about it.
pub(in crate::report) fn place(workload: &Workload) -> Place<'_> {
    let (cluster, namespace) = (workload.key.cluster.as_str(), workload.key.namespace.as_str());
    Place { cluster, namespace, labels: &workload.labels }
}

impl From<Scope> for ScopeItem {
    fn from(scope: Scope) -> Self {
        let Scope { cluster, namespace, labels, repository, image, package } = scope;
        Self { cluster, namespace, labels, repository, image: image.map(|image| image.to_string()), package }
    }
}

impl From<&Exception> for FindingException {
    fn from(exception: &Exception) -> Self {
        Self {
            id: exception.id.clone(),
            kind: exception.kind.name().to_owned(),
            reason: exception.reason.clone(),
            by: exception.created_by.clone(),
            at: rfc3339(exception.created_at),
            expires_at: exception.expires_at.map(rfc3339),
        }
    }
}

impl From<(u64, AuditEntry)> for AuditItem {
    fn from((id, entry): (u64, AuditEntry)) -> Self {
        let AuditEntry { at, by, action, subject, detail } = entry;
        Self { id, at: rfc3339(at), by, action, subject, detail }
    }
}
