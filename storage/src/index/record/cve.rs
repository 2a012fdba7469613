//! Stored forms of what sources say of CVEs, and of the state of those sources.

use serde::{Deserialize, Serialize};
use weir_scanner::advisory::epss::EpssScore;
use weir_scanner::advisory::kev::KevEntry;

use super::advisory::StoredRating;
use super::common::{StoredDigest, all};
use super::event::StoredExploitation;
use super::import::{StoredFailure, StoredValidators};
use super::{Record, Unreadable, first_version, seal, unseal};
use crate::index::cve::CveRatings;
use crate::index::{CveState, ExploitationChange};

#[derive(Debug, Serialize, Deserialize)]
struct StoredKevV1 {
    date_added: String,
    due_date: Option<String>,
    ransomware: bool,
    name: String,
}

impl From<&KevEntry> for StoredKevV1 {
    fn from(entry: &KevEntry) -> Self {
        let KevEntry { date_added, due_date, ransomware, name } = entry.clone();
        Self { date_added, due_date, ransomware, name }
    }
}

impl From<StoredKevV1> for KevEntry {
    fn from(stored: StoredKevV1) -> Self {
        let StoredKevV1 { date_added, due_date, ransomware, name } = stored;
        Self { date_added, due_date, ransomware, name }
    }
}

first_version!(KevEntry as StoredKevV1);

/// Score and percentile.
#[derive(Debug, Serialize, Deserialize)]
struct StoredEpssV1(f64, f64);

impl From<&EpssScore> for StoredEpssV1 {
    fn from(score: &EpssScore) -> Self {
        Self(score.score, score.percentile)
    }
}

impl From<StoredEpssV1> for EpssScore {
    fn from(StoredEpssV1(score, percentile): StoredEpssV1) -> Self {
        Self { score, percentile }
    }
}

first_version!(EpssScore as StoredEpssV1);

#[derive(Debug, Serialize, Deserialize)]
struct StoredCveRatingsV1(Vec<StoredRating>);

impl From<&CveRatings> for StoredCveRatingsV1 {
    fn from(CveRatings(ratings): &CveRatings) -> Self {
        Self(all(ratings))
    }
}

impl From<StoredCveRatingsV1> for CveRatings {
    fn from(StoredCveRatingsV1(ratings): StoredCveRatingsV1) -> Self {
        Self(all(ratings))
    }
}

first_version!(CveRatings as StoredCveRatingsV1);

#[derive(Debug, Serialize, Deserialize)]
struct StoredCveStateV1 {
    current: Option<u64>,
    generation: u64,
    records: u64,
    as_of: Option<String>,
    fetched_at: Option<i64>,
    location: Option<String>,
    validators: StoredValidators,
    failure: Option<StoredFailure>,
}

impl From<&CveState> for StoredCveStateV1 {
    fn from(state: &CveState) -> Self {
        Self {
            current: state.current,
            generation: state.generation,
            records: state.records,
            as_of: state.as_of.clone(),
            fetched_at: state.fetched_at,
            location: state.location.clone(),
            validators: (&state.validators).into(),
            failure: state.failure.as_ref().map(Into::into),
        }
    }
}

impl From<StoredCveStateV1> for CveState {
    fn from(stored: StoredCveStateV1) -> Self {
        Self {
            current: stored.current,
            generation: stored.generation,
            records: stored.records,
            as_of: stored.as_of,
            fetched_at: stored.fetched_at,
            location: stored.location,
            validators: stored.validators.into(),
            failure: stored.failure.map(Into::into),
        }
    }
}

first_version!(CveState as StoredCveStateV1);

#[derive(Debug, Serialize, Deserialize)]
struct StoredExploitationChangeV1 {
    at: i64,
    exploitation: StoredExploitation,
    told: Option<StoredDigest>,
}

impl From<&ExploitationChange> for StoredExploitationChangeV1 {
    fn from(change: &ExploitationChange) -> Self {
        let ExploitationChange { at, exploitation, told } = change;
        Self { at: *at, exploitation: (*exploitation).into(), told: told.as_ref().map(Into::into) }
    }
}

impl From<StoredExploitationChangeV1> for ExploitationChange {
    fn from(stored: StoredExploitationChangeV1) -> Self {
        let StoredExploitationChangeV1 { at, exploitation, told } = stored;
        Self { at, exploitation: exploitation.into(), told: told.map(Into::into) }
    }
}

first_version!(ExploitationChange as StoredExploitationChangeV1);
