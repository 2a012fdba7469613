//! Stored forms of exceptions, of their ends, of the documents they came from, and of the audit.

use serde::{Deserialize, Serialize};
use weir_scanner::exception::{Cancelled, Exception, Justification, Kind, Scope, Target};

use super::common::{StoredDigest, mirrored};
use super::{Record, Unreadable, first_version, seal, unseal};
use crate::index::{AuditEntry, VexDocumentRecord};

mirrored! { StoredTarget = Target { Repository, Vulnerability } }

mirrored! { StoredKind = Kind { FalsePositive, AcceptedRisk, UnderInvestigation } }

mirrored! {
    StoredJustification = Justification {
        ComponentNotPresent, VulnerableCodeNotPresent, VulnerableCodeNotInExecutePath, VulnerableCodeCannotBeControlledByAdversary,
        InlineMitigationsAlreadyExist,
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredScope {
    cluster: Option<String>,
    namespace: Option<String>,
    labels: Vec<String>,
    repository: Option<String>,
    image: Option<StoredDigest>,
    package: Option<String>,
}

impl From<Scope> for StoredScope {
    fn from(scope: Scope) -> Self {
        let Scope { cluster, namespace, labels, repository, image, package } = scope;
        Self { cluster, namespace, labels, repository, image: image.as_ref().map(Into::into), package }
    }
}

impl From<StoredScope> for Scope {
    fn from(stored: StoredScope) -> Self {
        let StoredScope { cluster, namespace, labels, repository, image, package } = stored;
        Self { cluster, namespace, labels, repository, image: image.map(Into::into), package }
    }
}

/// A decision without its id, which is its key, and without its end, which is a row of its own.
#[derive(Debug, Serialize, Deserialize)]
struct StoredExceptionV1 {
    target: StoredTarget,
    kind: StoredKind,
    vulnerability: Vec<String>,
    scope: StoredScope,
    justification: Option<StoredJustification>,
    reason: String,
    created_by: String,
    created_at: i64,
    expires_at: Option<i64>,
    expire_on_fix: bool,
    document: Option<String>,
}

impl From<&Exception> for StoredExceptionV1 {
    fn from(exception: &Exception) -> Self {
        let Exception {
            id: _,
            target,
            kind,
            vulnerability,
            scope,
            justification,
            reason,
            created_by,
            created_at,
            expires_at,
            expire_on_fix,
            cancelled: _,
            document,
        } = exception.clone();
        Self {
            target: target.into(),
            kind: kind.into(),
            vulnerability,
            scope: scope.into(),
            justification: justification.map(Into::into),
            reason,
            created_by,
            created_at,
            expires_at,
            expire_on_fix,
            document,
        }
    }
}

impl From<StoredExceptionV1> for Exception {
    fn from(stored: StoredExceptionV1) -> Self {
        Self {
            id: String::new(),
            target: stored.target.into(),
            kind: stored.kind.into(),
            vulnerability: stored.vulnerability,
            scope: stored.scope.into(),
            justification: stored.justification.map(Into::into),
            reason: stored.reason,
            created_by: stored.created_by,
            created_at: stored.created_at,
            expires_at: stored.expires_at,
            expire_on_fix: stored.expire_on_fix,
            cancelled: None,
            document: stored.document,
        }
    }
}

first_version!(Exception as StoredExceptionV1);

#[derive(Debug, Serialize, Deserialize)]
struct StoredCancelledV1 {
    at: i64,
    by: String,
    reason: String,
}

impl From<&Cancelled> for StoredCancelledV1 {
    fn from(cancelled: &Cancelled) -> Self {
        let Cancelled { at, by, reason } = cancelled.clone();
        Self { at, by, reason }
    }
}

impl From<StoredCancelledV1> for Cancelled {
    fn from(stored: StoredCancelledV1) -> Self {
        let StoredCancelledV1 { at, by, reason } = stored;
        Self { at, by, reason }
    }
}

first_version!(Cancelled as StoredCancelledV1);

#[derive(Debug, Serialize, Deserialize)]
struct StoredAuditEntryV1 {
    at: i64,
    by: String,
    action: String,
    subject: String,
    detail: String,
}

impl From<&AuditEntry> for StoredAuditEntryV1 {
    fn from(entry: &AuditEntry) -> Self {
        let AuditEntry { at, by, action, subject, detail } = entry.clone();
        Self { at, by, action, subject, detail }
    }
}

impl From<StoredAuditEntryV1> for AuditEntry {
    fn from(stored: StoredAuditEntryV1) -> Self {
        let StoredAuditEntryV1 { at, by, action, subject, detail } = stored;
        Self { at, by, action, subject, detail }
    }
}

first_version!(AuditEntry as StoredAuditEntryV1);

#[derive(Debug, Serialize, Deserialize)]
struct StoredVexDocumentV1 {
    version: u64,
    issued_at: Option<i64>,
    imported_at: i64,
    imported_by: String,
}

impl From<&VexDocumentRecord> for StoredVexDocumentV1 {
    fn from(document: &VexDocumentRecord) -> Self {
        let VexDocumentRecord { version, issued_at, imported_at, imported_by } = document.clone();
        Self { version, issued_at, imported_at, imported_by }
    }
}

impl From<StoredVexDocumentV1> for VexDocumentRecord {
    fn from(stored: StoredVexDocumentV1) -> Self {
        let StoredVexDocumentV1 { version, issued_at, imported_at, imported_by } = stored;
        Self { version, issued_at, imported_at, imported_by }
    }
}

first_version!(VexDocumentRecord as StoredVexDocumentV1);
