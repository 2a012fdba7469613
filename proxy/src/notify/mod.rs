//! Tells others what happens: notifications in the form they read, signed, and sent until they are taken.
//!
//! Owns the forms of a notification, its signature, one try to send it and what an answer means, and the order and times of tries.
//! What waits lies in the index (`weir_storage::index::Webhooks`), so a restart loses none. Leaves to the report what is told and whom it
//! concerns. Invariants: a notification keeps its id and its bytes over every try; a webhook has one try open at a time; no log line, status
//! or error holds a receiver's path, which for many is the secret.

mod answer;
mod form;
mod notice;
mod request;
mod sender;
mod slack;
mod status;

use std::sync::Arc;
use std::time::Duration;

use weir_config::WebhookSection;
use weir_storage::index::Index;

use crate::clock::Clock;
use crate::metrics::NotifyMetrics;
use crate::tasks::Tasks;
use crate::upstream::InvalidUpstream;

pub(crate) use notice::cut;

pub use answer::Attempt;
pub use form::{Rendered, render};
pub use notice::{
    ClusterNotice, ExceptionNotice, FeedNotice, FindingTotals, Notice, NoticeImage, NoticeItem, NoticePackage,
    NoticeWorkload, VulnerabilityNotice,
};
pub use request::signature;
pub use sender::Webhook;
pub use status::{WebhookState, WebhookStatus};

/// Notifications that wait for one webhook at most; beyond it the oldest go.
pub const MOST_WAITING: usize = 200;

/// How long tries may take, and how long it waits between them.
#[derive(Clone, Copy, Debug)]
pub struct NotifyPace {
    /// After the first try that fails.
    pub first_wait: Duration,
    /// However often it fails, and whatever the receiver asks for.
    pub longest_wait: Duration,
    /// From the beginning of a try to the end of its answer.
    pub answer_time: Duration,
}

impl Default for NotifyPace {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_secs(5),
            longest_wait: Duration::from_secs(15 * 60),
            answer_time: Duration::from_secs(15),
        }
    }
}

/// What webhooks are made from.
pub struct NotifierParts {
    /// The settings.
    pub webhooks: Vec<WebhookSection>,
    /// Where what waits lies.
    pub index: Index,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: NotifyMetrics,
    /// How long things may take.
    pub pace: NotifyPace,
    /// Owner of the tasks.
    pub tasks: Tasks,
}

/// A webhook whose settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{name}")]
pub struct InvalidWebhook {
    /// Its name.
    pub name: String,
    /// What is wrong.
    #[source]
    pub source: InvalidUpstream,
}

/// All webhooks. Clones share them.
#[derive(Clone)]
pub struct Notifier(Arc<[Arc<Webhook>]>);

impl Notifier {
    /// Makes every webhook; nothing is contacted.
    ///
    /// # Errors
    /// The certificate authorities of one cannot be used.
    pub fn new(parts: &NotifierParts) -> Result<Self, InvalidWebhook> {
        let webhooks = parts.webhooks.iter().map(|settings| Ok(Arc::new(Webhook::new(settings.clone(), parts)?)));
        Ok(Self(webhooks.collect::<Result<_, _>>()?))
    }

    /// Every webhook, in the order of the settings.
    pub fn all(&self) -> &[Arc<Webhook>] {
        &self.0
    }

    /// A webhook by its name.
    pub fn get(&self, name: &str) -> Option<&Arc<Webhook>> {
        self.0.iter().find(|webhook| webhook.settings().name == name)
    }

    /// Starts sending what waits.
    pub fn start(&self, tasks: &Tasks) {
        for webhook in self.all() {
            tasks.spawn("webhook", Arc::clone(webhook).run());
        }
    }
}
