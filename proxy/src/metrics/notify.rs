//! Instruments of webhooks. `webhook` is a name of the settings.

use prometheus::{
    IntCounterVec, IntGaugeVec, Opts, register_int_counter_vec_with_registry, register_int_gauge_vec_with_registry,
};

use super::catalogue::Catalogue;

/// The webhooks' instruments.
#[derive(Clone)]
pub struct NotifyMetrics {
    deliveries: IntCounterVec,
    waiting: IntGaugeVec,
    last_success: IntGaugeVec,
}

/// What became of a try, or of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryResult {
    /// It was taken.
    Delivered,
    /// It is tried again.
    Retried,
    /// It is given up.
    Failed,
    /// It had to leave, because too many waited.
    Dropped,
}

impl DeliveryResult {
    const ALL: [Self; 4] = [Self::Delivered, Self::Retried, Self::Failed, Self::Dropped];

    const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retried => "retried",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

impl NotifyMetrics {
    pub(super) fn register(registry: &Catalogue) -> Result<Self, prometheus::Error> {
        Ok(Self {
            deliveries: register_int_counter_vec_with_registry!(
                Opts::new(
                    "weir_webhook_deliveries_total",
                    "Tries to send a notification (delivered, retried, failed for good), and notifications dropped because too many waited."
                ),
                &["webhook", "result"],
                registry
            )?,
            waiting: register_int_gauge_vec_with_registry!(
                Opts::new("weir_webhook_pending", "Notifications that wait to be taken."),
                &["webhook"],
                registry
            )?,
            last_success: register_int_gauge_vec_with_registry!(
                Opts::new("weir_webhook_last_success_timestamp_seconds", "When a notification was last taken."),
                &["webhook"],
                registry
            )?,
        })
    }

    /// Shows a webhook's series from the start on, so that a first failure is an increase.
    pub fn begin(&self, webhook: &str) {
        for result in DeliveryResult::ALL {
            self.deliveries(webhook, result, 0);
        }
        self.waiting(webhook, 0);
    }

    /// Counts tries and notifications by what became of them.
    pub fn deliveries(&self, webhook: &str, result: DeliveryResult, count: u64) {
        self.deliveries.with_label_values(&[webhook, result.name()]).inc_by(count);
    }

    /// Says how many wait.
    pub fn waiting(&self, webhook: &str, count: usize) {
        self.waiting.with_label_values(&[webhook]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Says when a notification was last taken, seconds since the epoch.
    pub fn succeeded(&self, webhook: &str, at: i64) {
        self.last_success.with_label_values(&[webhook]).set(at);
    }
}
