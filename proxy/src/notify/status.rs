//! How a webhook does, for those who look at it.

use weir_storage::index::{WebhookDelivery, WebhookFailure, WebhookRecord};

/// What only the process knows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    /// The receiver said that it wants nothing any more.
    pub(super) stopped: bool,
    /// The last try failed and is repeated.
    pub(super) retrying: bool,
}

/// How a webhook does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookStatus {
    /// In a word.
    pub state: WebhookState,
    /// Notifications that wait.
    pub waiting: usize,
    /// Tries of the oldest of them, and when the next is, seconds since the epoch.
    pub oldest: Option<(u32, i64)>,
    /// Notifications that were taken.
    pub delivered: u64,
    /// Notifications that were given up.
    pub dropped: u64,
    /// When one was last taken, seconds since the epoch.
    pub last_success_at: Option<i64>,
    /// How the last try that failed did.
    pub last_failure: Option<WebhookFailure>,
}

/// How a webhook does, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookState {
    /// What there was is sent.
    Idle,
    /// Something waits to be sent.
    Sending,
    /// The last try failed and is repeated.
    Retrying,
    /// The receiver wants nothing any more.
    Stopped,
}

impl WebhookState {
    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Sending => "sending",
            Self::Retrying => "retrying",
            Self::Stopped => "stopped",
        }
    }
}

impl WebhookStatus {
    pub(super) fn new(state: State, row: WebhookRecord, first: Option<&WebhookDelivery>, waiting: usize) -> Self {
        // After a restart the row alone knows of tries.
        let is_retried = state.retrying || first.is_some_and(|first| first.attempts > 0);
        let word = match (state.stopped, waiting) {
            (true, _) => WebhookState::Stopped,
            (false, 0) => WebhookState::Idle,
            (false, _) if is_retried => WebhookState::Retrying,
            (false, _) => WebhookState::Sending,
        };
        Self {
            state: word,
            waiting,
            oldest: first.map(|first| (first.attempts, first.next_attempt_at)),
            delivered: row.delivered,
            dropped: row.dropped,
            last_success_at: row.last_success_at,
            last_failure: row.last_failure,
        }
    }
}
