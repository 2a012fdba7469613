//! Stored form of events.

use serde::{Deserialize, Serialize};

use super::common::{StoredDigest, StoredSeverity, all, mirrored};
use super::{Record, Unreadable, first_version, seal, unseal};
use crate::index::{ClosedReason, EventKind, EventRecord, FindingEvent, OpenedReason};

mirrored! {
    StoredOpenedReason = OpenedReason { NewImage, Advisory, DetectorChanged }
}

mirrored! {
    StoredClosedReason = ClosedReason { FixedInFeed, Withdrawn, ImageChanged, DetectorChanged }
}

#[derive(Debug, Serialize, Deserialize)]
enum StoredKind {
    Opened(StoredOpenedReason),
    Rerated(StoredSeverity),
    Closed(StoredClosedReason),
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredChange {
    kind: StoredKind,
    id: String,
    package: String,
    severity: StoredSeverity,
    fixed_version: Option<String>,
}

impl From<&FindingEvent> for StoredChange {
    fn from(event: &FindingEvent) -> Self {
        let FindingEvent { kind, id, package, severity, fixed_version } = event.clone();
        let kind = match kind {
            EventKind::Opened(reason) => StoredKind::Opened(reason.into()),
            EventKind::Rerated(from) => StoredKind::Rerated(from.into()),
            EventKind::Closed(reason) => StoredKind::Closed(reason.into()),
        };
        Self { kind, id, package, severity: severity.into(), fixed_version }
    }
}

impl From<StoredChange> for FindingEvent {
    fn from(stored: StoredChange) -> Self {
        let StoredChange { kind, id, package, severity, fixed_version } = stored;
        let kind = match kind {
            StoredKind::Opened(reason) => EventKind::Opened(reason.into()),
            StoredKind::Rerated(from) => EventKind::Rerated(from.into()),
            StoredKind::Closed(reason) => EventKind::Closed(reason.into()),
        };
        Self { kind, id, package, severity: severity.into(), fixed_version }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredEventV1 {
    at: i64,
    image: StoredDigest,
    changes: Vec<StoredChange>,
}

impl From<&EventRecord> for StoredEventV1 {
    fn from(event: &EventRecord) -> Self {
        Self { at: event.at, image: (&event.image).into(), changes: all(&event.changes) }
    }
}

impl From<StoredEventV1> for EventRecord {
    fn from(stored: StoredEventV1) -> Self {
        Self { at: stored.at, image: stored.image.into(), changes: all(stored.changes) }
    }
}

first_version!(EventRecord as StoredEventV1);
