//! Values of the samples of exceptions and of the audit.

use weir_scanner::exception::{Cancelled, Exception, Justification, Kind, Scope, Target};

use super::sha512;
use crate::index::{AuditEntry, VexDocumentRecord};

pub(super) fn exceptions() -> Vec<(&'static str, Exception)> {
    let full = Exception {
        id: String::new(),
        target: Target::Vulnerability,
        kind: Kind::FalsePositive,
        vulnerability: vec!["CVE-2026-0001".into(), "GHSA-aaaa-bbbb-cccc".into()],
        scope: Scope {
            cluster: Some("default".into()),
            namespace: Some("shop".into()),
            labels: vec!["app=web".into(), "tier".into()],
            repository: Some("docker.io/library/nginx".into()),
            image: Some(sha512()),
            package: Some("pkg:deb/debian/libssl3@3.0.11-1".into()),
        },
        justification: Some(Justification::InlineMitigationsAlreadyExist),
        reason: "the port is closed".into(),
        created_by: "ada".into(),
        created_at: 1_700_000_000,
        expires_at: Some(1_800_000_000),
        expire_on_fix: true,
        cancelled: None,
        document: Some("https://vex.example/1".into()),
    };
    let bare = Exception {
        target: Target::Repository,
        kind: Kind::AcceptedRisk,
        vulnerability: Vec::new(),
        scope: Scope { repository: Some("docker.io/library/nginx".into()), ..Scope::default() },
        justification: None,
        expires_at: None,
        expire_on_fix: false,
        document: None,
        ..full.clone()
    };
    vec![("exception", full), ("exception-repository", bare)]
}

pub(super) fn cancelled() -> Cancelled {
    Cancelled { at: 1_750_000_000, by: "bob".into(), reason: "it is fixed".into() }
}

pub(super) fn audit_entry() -> AuditEntry {
    AuditEntry {
        at: -1,
        by: "ada".into(),
        action: "exception.create".into(),
        subject: "1".into(),
        detail: "CVE-2026-0001 everywhere".into(),
    }
}

pub(super) fn vex_document() -> VexDocumentRecord {
    VexDocumentRecord {
        version: 300,
        issued_at: Some(1_700_000_000),
        imported_at: 1_750_000_000,
        imported_by: "ada".into(),
    }
}
