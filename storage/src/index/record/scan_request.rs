//! Stored form of requests to scan an image.

use serde::{Deserialize, Serialize};

use super::common::{StoredDigest, StoredPlatform, all};
use super::{Record, Unreadable, first_version, seal, unseal};
use crate::index::{ScanRequestRecord, ScanRequestState};

#[derive(Debug, Serialize, Deserialize)]
enum StoredState {
    Queued,
    Fetching,
    Scanning,
    Done,
    Failed { code: String, detail: String },
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredScanRequestV1 {
    id: String,
    reference: String,
    platform: Option<StoredPlatform>,
    requested_at: i64,
    updated_at: i64,
    state: StoredState,
    images: Vec<StoredDigest>,
}

impl From<&ScanRequestRecord> for StoredScanRequestV1 {
    fn from(request: &ScanRequestRecord) -> Self {
        let state = match request.state.clone() {
            ScanRequestState::Queued => StoredState::Queued,
            ScanRequestState::Fetching => StoredState::Fetching,
            ScanRequestState::Scanning => StoredState::Scanning,
            ScanRequestState::Done => StoredState::Done,
            ScanRequestState::Failed { code, detail } => StoredState::Failed { code, detail },
        };
        Self {
            id: request.id.clone(),
            reference: request.reference.clone(),
            platform: request.platform.as_ref().map(Into::into),
            requested_at: request.requested_at,
            updated_at: request.updated_at,
            state,
            images: all(&request.images),
        }
    }
}

impl From<StoredScanRequestV1> for ScanRequestRecord {
    fn from(stored: StoredScanRequestV1) -> Self {
        let state = match stored.state {
            StoredState::Queued => ScanRequestState::Queued,
            StoredState::Fetching => ScanRequestState::Fetching,
            StoredState::Scanning => ScanRequestState::Scanning,
            StoredState::Done => ScanRequestState::Done,
            StoredState::Failed { code, detail } => ScanRequestState::Failed { code, detail },
        };
        Self {
            id: stored.id,
            reference: stored.reference,
            platform: stored.platform.map(Into::into),
            requested_at: stored.requested_at,
            updated_at: stored.updated_at,
            state,
            images: all(stored.images),
        }
    }
}

first_version!(ScanRequestRecord as StoredScanRequestV1);
