//! What webhooks are told: gathers what happened since the last time, for each webhook by itself, and puts it up to be sent.
//!
//! Owns the rounds and a webhook's place in what happens. That place moves in the same batch that puts up what it led to
//! (`weir_storage::index::Webhooks`), so nothing is gathered twice and nothing is passed over, whenever weir ends. Leaves sending to
//! `crate::notify`.

mod edges;
mod findings;
mod image;
mod round;
mod sample;
mod scope;

use std::sync::Arc;
use std::time::Duration;

use url::Url;
use weir_storage::index::{Index, IndexError, WebhookMark};

use super::exceptions::Exceptions;
use super::fleet::Fleet;
use crate::clock::Clock;
use crate::notify::{Notifier, Webhook};
use crate::tasks::{PermitClass, Tasks};
use crate::workload::Clusters;

pub(super) use edges::SILENT;
use round::{Round, RoundParts};
pub(super) use sample::sample;

/// How long a webhook waits to begin after the index failed.
const BEGIN_AGAIN: Duration = Duration::from_secs(60);
/// Rounds that run at once: they read the index, and nobody waits for them.
const ROUNDS: usize = 1;

/// What notices are gathered from.
#[derive(Clone)]
pub struct NoticesParts {
    /// The webhooks.
    pub notifier: Notifier,
    /// The index.
    pub index: Index,
    /// What was decided.
    pub exceptions: Exceptions,
    /// What runs where.
    pub fleet: Fleet,
    /// Which clusters are heard of.
    pub clusters: Clusters,
    /// The age after which a feed is too old.
    pub stale_after: Duration,
    /// Where people reach the report.
    pub public_url: Option<Url>,
    /// Owner of the tasks.
    pub tasks: Tasks,
    /// The time.
    pub clock: Clock,
}

/// Starts gathering for every webhook.
pub fn gather_notices(parts: &NoticesParts) {
    let class = PermitClass::new("notices", ROUNDS);
    for webhook in parts.notifier.all() {
        let gatherer = Gatherer { webhook: Arc::clone(webhook), parts: parts.clone(), class: class.clone() };
        parts.tasks.spawn("notices", gatherer.run());
    }
    let parts = parts.clone();
    let tasks = parts.tasks.clone();
    tasks.spawn("notices-forget", async move { forget_others(&parts).await });
}

/// Where people reach the report, without a slash at its end.
pub(super) fn base(url: Option<&Url>) -> Option<String> {
    url.map(|url| url.as_str().trim_end_matches('/').to_owned())
}

/// That something of a kind was told.
fn mark(kind: &str, subject: impl Into<String>) -> WebhookMark {
    WebhookMark { kind: kind.to_owned(), subject: subject.into() }
}

struct Gatherer {
    webhook: Arc<Webhook>,
    parts: NoticesParts,
    class: PermitClass,
}

impl Gatherer {
    async fn run(self) {
        let token = self.parts.tasks.token();
        // Without what runs where, every image would seem to have ended.
        if token.run_until_cancelled(self.parts.fleet.made()).await.is_none() {
            return;
        }
        let name = self.webhook.settings().name.clone();
        while let Err(error) = self.round(|round| round.begin()).await {
            tracing::error!(webhook = name, %error, "a webhook cannot begin");
            if token.run_until_cancelled(tokio::time::sleep(BEGIN_AGAIN)).await.is_none() {
                return;
            }
        }
        let mut more = false;
        loop {
            let pause = if more { Duration::ZERO } else { self.webhook.settings().batch };
            if token.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() || self.webhook.is_stopped() {
                return;
            }
            more = match self.round(|round| round.gather()).await {
                Ok(more) => more,
                Err(error) => {
                    tracing::error!(webhook = name, %error, "what is to be told cannot be gathered, it is tried again");
                    false
                }
            };
        }
    }

    /// One round, in a thread that gives way; whether there is more to gather.
    async fn round(&self, work: fn(&Round<'_>) -> Result<bool, IndexError>) -> Result<bool, IndexError> {
        let parts = RoundParts {
            webhook: Arc::clone(&self.webhook),
            index: self.parts.index.clone(),
            view: self.parts.fleet.view(),
            rules: self.parts.exceptions.rules(),
            statuses: self.parts.clusters.statuses(self.parts.clock.now()),
            stale_after: self.parts.stale_after,
            public_url: base(self.parts.public_url.as_ref()),
            now: self.parts.clock.now(),
        };
        let done = self.parts.tasks.blocking("notices", &self.class, move || work(&Round::new(&parts)?));
        // The log has the panic; a round that ended so wrote nothing.
        done.await.unwrap_or(Ok(false))
    }
}

/// Forgets webhooks that are not configured any more, with what waits for them.
async fn forget_others(parts: &NoticesParts) {
    let configured: Vec<String> = parts.notifier.all().iter().map(|webhook| webhook.settings().name.clone()).collect();
    let forgotten = parts.index.run(move |index| {
        for name in index.webhooks().names()?.into_iter().filter(|name| !configured.contains(name)) {
            let mut dropped = 0;
            loop {
                let (removed, left) = index.webhooks().remove(&name)?;
                dropped += removed;
                if !left {
                    break;
                }
            }
            tracing::warn!(
                webhook = name,
                dropped,
                "the webhook is not configured any more: what waited for it is dropped"
            );
        }
        Ok::<_, IndexError>(())
    });
    if let Err(error) = forgotten.await {
        tracing::error!(%error, "webhooks that are not configured any more cannot be forgotten");
    }
}
