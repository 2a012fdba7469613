//! One webhook: sends what waits, oldest first, until each is taken or given up.
//!
//! Owns when the next try is. What is not taken keeps its place: a receiver gets things in the order in which they happened, and one that
//! is down is asked about one notification, not about all.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use weir_config::WebhookSection;
use weir_storage::index::{DeliveryOutcome, Gathered, Index, IndexError, WebhookDelivery, WebhookFailure};

use super::answer::{Attempt, Meaning};
use super::status::{State, WebhookStatus};
use super::{InvalidWebhook, MOST_WAITING, NotifierParts, NotifyPace, Rendered, request};
use crate::clock::Clock;
use crate::metrics::{DeliveryResult, NotifyMetrics};
use crate::upstream::{HttpClient, report_client};

/// Tries of what the receiver refuses, before it is given up.
const TRIES_OF_REFUSED: u32 = 3;
/// How long a try that is open at a shutdown may go on.
const LAST: Duration = Duration::from_secs(3);

/// One webhook.
pub struct Webhook {
    settings: WebhookSection,
    client: HttpClient<Full<Bytes>>,
    index: Index,
    clock: Clock,
    metrics: NotifyMetrics,
    pace: NotifyPace,
    token: CancellationToken,
    /// Something was put up.
    wake: Notify,
    state: Mutex<State>,
}

impl Webhook {
    pub(super) fn new(settings: WebhookSection, parts: &NotifierParts) -> Result<Self, InvalidWebhook> {
        let client = report_client(&settings.url, settings.ca_file.clone())
            .map_err(|source| InvalidWebhook { name: settings.name.clone(), source })?;
        parts.metrics.begin(&settings.name);
        Ok(Self {
            settings,
            client,
            index: parts.index.clone(),
            clock: parts.clock.clone(),
            metrics: parts.metrics.clone(),
            pace: parts.pace,
            token: parts.tasks.token(),
            wake: Notify::new(),
            state: Mutex::default(),
        })
    }

    /// Its settings.
    pub fn settings(&self) -> &WebhookSection {
        &self.settings
    }

    /// Whether the receiver said that it wants nothing any more.
    pub fn is_stopped(&self) -> bool {
        self.with_state(|state| state.stopped)
    }

    /// How it does. Blocks.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn status(&self) -> Result<WebhookStatus, IndexError> {
        let name = &self.settings.name;
        // Before the rows, which are written first: what a state says has happened is in them.
        let state = self.with_state(|state| *state);
        let row = self.index.webhooks().get(name)?.unwrap_or_default();
        let first = self.index.webhooks().first(name)?.map(|(_, delivery)| delivery);
        let waiting = self.index.webhooks().waiting(name)?;
        Ok(WebhookStatus::new(state, row, first.as_ref(), waiting))
    }

    /// Puts up what a round of gathering led to, and moves the webhook's place. Blocks.
    ///
    /// # Errors
    /// The index cannot be written; then nothing moved.
    pub fn put_up(&self, gathered: Gathered) -> Result<(), IndexError> {
        let gone = self.index.webhooks().gather(&self.settings.name, gathered, MOST_WAITING)?;
        if gone > 0 {
            self.metrics.deliveries(&self.settings.name, DeliveryResult::Dropped, gone as u64);
            tracing::warn!(
                webhook = self.settings.name,
                dropped = gone,
                "more than {MOST_WAITING} notifications wait, the oldest were dropped"
            );
        }
        self.wake.notify_one();
        Ok(())
    }

    /// Sends something now that waits nowhere and is not sent again.
    pub async fn try_out(&self, rendered: Rendered) -> Attempt {
        self.attempt(&rendered.id, rendered.body.into()).await
    }

    /// Sends what waits, until cancelled or the receiver wants nothing any more.
    pub(super) async fn run(self: Arc<Self>) {
        let mut after_failure: Option<(u64, Instant)> = None;
        self.count().await;
        while !self.token.is_cancelled() && !self.is_stopped() {
            let (number, delivery) = match self.first().await {
                Ok(Some(first)) => first,
                Ok(None) => {
                    let _ = self.token.run_until_cancelled(self.wake.notified()).await;
                    self.count().await;
                    continue;
                }
                Err(error) => {
                    tracing::error!(webhook = self.settings.name, %error, "what waits to be sent cannot be read");
                    let _ = self.token.run_until_cancelled(tokio::time::sleep(self.pace.longest_wait)).await;
                    continue;
                }
            };
            let due = match after_failure {
                Some((failed, due)) if failed == number => due,
                // Of before a restart.
                _ => Instant::now() + self.left(delivery.next_attempt_at),
            };
            if self.token.run_until_cancelled(tokio::time::sleep_until(due)).await.is_none() {
                return;
            }
            let Some(attempt) = self.attempt_unless_stopping(&delivery).await else { return };
            after_failure = self.settle(number, &delivery, &attempt).await.map(|wait| (number, Instant::now() + wait));
            self.count().await;
        }
    }

    /// Notes what a try led to; how long to wait for the next one of the same notification, where there is one.
    async fn settle(&self, number: u64, delivery: &WebhookDelivery, attempt: &Attempt) -> Option<Duration> {
        let (name, now) = (self.settings.name.clone(), self.clock.now());
        let wait = self.wait(delivery.attempts, attempt.retry_after);
        let meaning = attempt.meaning();
        let outcome = self.outcome(delivery, attempt, wait, now);
        let again = matches!(outcome, DeliveryOutcome::Again { .. });
        self.tell(delivery, attempt, &outcome);
        let noted = self.index.run(move |index| index.webhooks().tried(&name, number, outcome)).await;
        self.with_state(|state| {
            state.retrying = again;
            state.stopped |= meaning == Meaning::Gone;
        });
        if let Err(error) = noted {
            // It will be sent again, which is better than not at all.
            tracing::error!(webhook = self.settings.name, %error, "what became of a notification cannot be written");
            return Some(self.pace.longest_wait);
        }
        again.then_some(wait)
    }

    /// What becomes of a notification after a try that ended at `now`, where the next one would be `wait` later.
    fn outcome(&self, delivery: &WebhookDelivery, attempt: &Attempt, wait: Duration, now: i64) -> DeliveryOutcome {
        let next = now.saturating_add(seconds(wait));
        let is_over = match attempt.meaning() {
            Meaning::Taken => return DeliveryOutcome::Taken { at: now },
            Meaning::Gone => true,
            Meaning::Refused => delivery.attempts + 1 >= TRIES_OF_REFUSED,
            Meaning::Failed => next > delivery.created_at.saturating_add(seconds(self.settings.retry_for)),
        };
        let failure = WebhookFailure { at: now, detail: attempt.detail() };
        if is_over {
            return DeliveryOutcome::GivenUp { failure };
        }
        // Rounded up: a restart must not make it come early.
        DeliveryOutcome::Again { next_attempt_at: next.saturating_add(1), failure }
    }

    /// Counts and logs a try.
    fn tell(&self, delivery: &WebhookDelivery, attempt: &Attempt, outcome: &DeliveryOutcome) {
        let (name, WebhookDelivery { id, kind, .. }) = (&self.settings.name, delivery);
        let result = match outcome {
            DeliveryOutcome::Taken { at } => {
                self.metrics.succeeded(name, *at);
                tracing::debug!(webhook = name, delivery = id, kind, "a notification was taken");
                DeliveryResult::Delivered
            }
            DeliveryOutcome::Again { failure, .. } => {
                tracing::warn!(webhook = name, delivery = id, kind, "a notification was not taken: {}", failure.detail);
                DeliveryResult::Retried
            }
            DeliveryOutcome::GivenUp { failure } => {
                tracing::error!(webhook = name, delivery = id, kind, "a notification is given up: {}", failure.detail);
                DeliveryResult::Failed
            }
        };
        self.metrics.deliveries(name, result, 1);
        if attempt.meaning() == Meaning::Gone {
            tracing::error!(
                webhook = name,
                "the receiver wants nothing any more: nothing is sent until weir is started again"
            );
        }
    }

    async fn attempt(&self, id: &str, body: Bytes) -> Attempt {
        let (now, limit) = (self.clock.now(), self.pace.answer_time);
        request::attempt(&self.client, &self.settings, id, body, now, limit).await
    }

    /// One try, which a shutdown gives a moment to end; `None` where that was not enough.
    async fn attempt_unless_stopping(&self, delivery: &WebhookDelivery) -> Option<Attempt> {
        let stopping = async {
            self.token.cancelled().await;
            tokio::time::sleep(LAST).await;
        };
        tokio::select! {
            attempt = self.attempt(&delivery.id, delivery.body.clone().into()) => Some(attempt),
            () = stopping => None,
        }
    }

    async fn first(&self) -> Result<Option<(u64, WebhookDelivery)>, IndexError> {
        let name = self.settings.name.clone();
        self.index.run(move |index| index.webhooks().first(&name)).await
    }

    /// Puts how many wait into the metrics.
    async fn count(&self) {
        let name = self.settings.name.clone();
        let read = self.index.run(move |index| {
            let row = index.webhooks().get(&name)?;
            Ok::<_, IndexError>((index.webhooks().waiting(&name)?, row.and_then(|row| row.last_success_at)))
        });
        // What cannot be read is logged where it is to be sent.
        if let Ok((waiting, last_success_at)) = read.await {
            self.metrics.waiting(&self.settings.name, waiting);
            if let Some(at) = last_success_at {
                self.metrics.succeeded(&self.settings.name, at);
            }
        }
    }

    /// Twice as long after each try, between half of that and all of it, or what the receiver asks for.
    fn wait(&self, attempts: u32, asked: Option<Duration>) -> Duration {
        let full = self.pace.first_wait.saturating_mul(1 << attempts.min(16)).min(self.pace.longest_wait);
        let jittered = full.mul_f64(0.5 + fastrand::f64() / 2.0);
        asked.map_or(jittered, |asked| asked.min(self.pace.longest_wait).max(jittered))
    }

    /// How long it is until a time of the clock.
    fn left(&self, at: i64) -> Duration {
        let left = at.saturating_sub(self.clock.now());
        Duration::from_secs(left.max(0).unsigned_abs()).min(self.pace.longest_wait)
    }

    fn with_state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}
