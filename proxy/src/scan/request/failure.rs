//! Why a requested image cannot be scanned, with what is to be said of it.

use weir_storage::index::IndexError;

use crate::http::chain;
use crate::pull::{FetchReason, PullError};

/// A failure with what is to be said of it.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) kind: FetchReason,
    pub(super) detail: String,
}

impl Failure {
    pub(super) fn new(kind: FetchReason, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

impl From<IndexError> for Failure {
    fn from(error: IndexError) -> Self {
        Self::new(FetchReason::StoreFailed, chain(&error))
    }
}

impl From<&PullError> for Failure {
    fn from(error: &PullError) -> Self {
        Self::new(FetchReason::of(error), chain(error))
    }
}
