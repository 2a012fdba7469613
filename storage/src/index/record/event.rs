//! Stored forms of events.
//!
//! The second form knows one more kind of change, so it reads the first as well.

use serde::{Deserialize, Serialize};

use super::common::{StoredDigest, StoredSeverity, all, mirrored};
use super::{Record, Unreadable, seal, unseal};
use crate::index::{ClosedReason, EventKind, EventRecord, Exploitation, FindingEvent, OpenedReason};

mirrored! {
    StoredOpenedReason = OpenedReason { NewImage, Advisory, DetectorChanged }
}

mirrored! {
    StoredClosedReason = ClosedReason { FixedInFeed, Withdrawn, ImageChanged, DetectorChanged }
}

mirrored! {
    StoredExploitation = Exploitation { Known, Withdrawn }
}

#[derive(Debug, Serialize, Deserialize)]
enum StoredKind {
    Opened(StoredOpenedReason),
    Rerated(StoredSeverity),
    Closed(StoredClosedReason),
    /// Since the second form.
    Exploitation(StoredExploitation),
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
            EventKind::Exploitation(exploitation) => StoredKind::Exploitation(exploitation.into()),
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
            StoredKind::Exploitation(exploitation) => EventKind::Exploitation(exploitation.into()),
            StoredKind::Closed(reason) => EventKind::Closed(reason.into()),
        };
        Self { kind, id, package, severity: severity.into(), fixed_version }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredEvent {
    at: i64,
    image: StoredDigest,
    changes: Vec<StoredChange>,
}

impl From<&EventRecord> for StoredEvent {
    fn from(event: &EventRecord) -> Self {
        Self { at: event.at, image: (&event.image).into(), changes: all(&event.changes) }
    }
}

impl From<StoredEvent> for EventRecord {
    fn from(stored: StoredEvent) -> Self {
        Self { at: stored.at, image: stored.image.into(), changes: all(stored.changes) }
    }
}

impl Record for EventRecord {
    const VERSION: u8 = 2;

    fn write(&self, out: Vec<u8>) -> Vec<u8> {
        seal(&StoredEvent::from(self), out)
    }

    fn read(version: u8, body: &[u8]) -> Result<Self, Unreadable> {
        match version {
            1 | 2 => Ok(unseal::<StoredEvent>(body)?.into()),
            _ => Err(Unreadable::Version),
        }
    }
}
