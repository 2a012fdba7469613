//! Stored forms of webhooks and of what waits for them.

use serde::{Deserialize, Serialize};

use super::{Record, Unreadable, first_version, seal, unseal};
use crate::index::{WebhookDelivery, WebhookFailure, WebhookRecord};

#[derive(Debug, Serialize, Deserialize)]
struct StoredFailure {
    at: i64,
    detail: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredWebhookV1 {
    settings: String,
    sequence: u64,
    next_number: u64,
    delivered: u64,
    dropped: u64,
    last_success_at: Option<i64>,
    last_failure: Option<StoredFailure>,
}

impl From<&WebhookRecord> for StoredWebhookV1 {
    fn from(webhook: &WebhookRecord) -> Self {
        let WebhookRecord { settings, sequence, next_number, delivered, dropped, last_success_at, last_failure } =
            webhook.clone();
        let last_failure = last_failure.map(|WebhookFailure { at, detail }| StoredFailure { at, detail });
        Self { settings, sequence, next_number, delivered, dropped, last_success_at, last_failure }
    }
}

impl From<StoredWebhookV1> for WebhookRecord {
    fn from(stored: StoredWebhookV1) -> Self {
        let StoredWebhookV1 { settings, sequence, next_number, delivered, dropped, last_success_at, last_failure } =
            stored;
        let last_failure = last_failure.map(|StoredFailure { at, detail }| WebhookFailure { at, detail });
        Self { settings, sequence, next_number, delivered, dropped, last_success_at, last_failure }
    }
}

first_version!(WebhookRecord as StoredWebhookV1);

#[derive(Debug, Serialize, Deserialize)]
struct StoredDeliveryV1 {
    id: String,
    kind: String,
    created_at: i64,
    attempts: u32,
    next_attempt_at: i64,
    body: Vec<u8>,
}

impl From<&WebhookDelivery> for StoredDeliveryV1 {
    fn from(delivery: &WebhookDelivery) -> Self {
        let WebhookDelivery { id, kind, created_at, attempts, next_attempt_at, body } = delivery.clone();
        Self { id, kind, created_at, attempts, next_attempt_at, body }
    }
}

impl From<StoredDeliveryV1> for WebhookDelivery {
    fn from(stored: StoredDeliveryV1) -> Self {
        let StoredDeliveryV1 { id, kind, created_at, attempts, next_attempt_at, body } = stored;
        Self { id, kind, created_at, attempts, next_attempt_at, body }
    }
}

first_version!(WebhookDelivery as StoredDeliveryV1);
