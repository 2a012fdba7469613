//! Stored form of workloads' lives.

use serde::{Deserialize, Serialize};

use super::{Record, Unreadable, first_version, seal, unseal};
use crate::index::LifeRecord;

#[derive(Debug, Serialize, Deserialize)]
struct StoredLifeV1 {
    first_seen: i64,
    last_seen: i64,
}

impl From<&LifeRecord> for StoredLifeV1 {
    fn from(life: &LifeRecord) -> Self {
        let LifeRecord { first_seen, last_seen } = *life;
        Self { first_seen, last_seen }
    }
}

impl From<StoredLifeV1> for LifeRecord {
    fn from(stored: StoredLifeV1) -> Self {
        let StoredLifeV1 { first_seen, last_seen } = stored;
        Self { first_seen, last_seen }
    }
}

first_version!(LifeRecord as StoredLifeV1);
