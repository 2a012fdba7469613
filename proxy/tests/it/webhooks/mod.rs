//! Notifications over sockets: a receiver that answers as a test tells it to, and weir with what happens in it.

mod delivery;
mod edges;
mod findings;
mod receiver;
mod stream;
mod trial;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use weir_proxy::app::Overrides;
use weir_proxy::notify::NotifyPace;
use weir_scanner::exception::{Exception, Kind, Scope, Target};
use weir_storage::index::{ExceptionChange, Gathered, Index, WebhookDelivery, WebhookMarks};

use crate::scan::{advisory, write_feed};
use crate::support::{Weir, eventually, get, post};
pub(crate) use receiver::{Delivery, Receiver};

/// Waits that a test can wait for.
pub(crate) fn brisk() -> NotifyPace {
    NotifyPace {
        first_wait: Duration::from_millis(20),
        longest_wait: Duration::from_millis(200),
        answer_time: Duration::from_secs(5),
    }
}

/// The settings of the first webhook, at a receiver, with more of them.
fn webhook(receiver: &Receiver, more: &[(&str, &str)]) -> Vec<(String, String)> {
    numbered(0, "ops", &receiver.url(), more)
}

fn numbered(number: usize, name: &str, url: &str, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = [("NAME", name), ("URL", url), ("BATCH", "30ms")];
    let all = own.iter().chain(more);
    all.map(|(key, value)| (format!("WEBHOOK__{number}__{key}"), (*value).to_owned())).collect()
}

/// weir over an index of the test's, with nothing but webhooks.
async fn over(index: &Index, settings: &[(String, String)]) -> Weir {
    over_in(tempfile::tempdir().unwrap(), index, settings).await
}

/// The same over a directory that may hold feeds.
async fn over_in(directory: TempDir, index: &Index, settings: &[(String, String)]) -> Weir {
    let settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let overrides = Overrides { index: Some(index.clone()), notify_pace: Some(brisk()), ..Overrides::default() };
    Weir::start_with(directory, &settings, overrides).await
}

/// Puts up notifications for the webhook `ops`, as a round of gathering does.
fn put_up(index: &Index, ids: &[&str]) {
    let delivery = |id: &&str| WebhookDelivery {
        id: (*id).to_owned(),
        kind: "opened".to_owned(),
        created_at: 1_790_000_000,
        attempts: 0,
        next_attempt_at: 1_790_000_000,
        body: format!("{{\"id\":\"{id}\"}}").into_bytes(),
    };
    if index.webhooks().get("ops").unwrap().is_none() {
        index.webhooks().begin("ops", "", &WebhookMarks::new()).unwrap();
    }
    let gathered = Gathered { deliveries: ids.iter().map(delivery).collect(), ..Gathered::default() };
    index.webhooks().gather("ops", gathered, 100).unwrap();
}

/// The webhook's item once it is as the test wants it.
async fn until(weir: &Weir, is: impl Fn(&Value) -> bool) -> Value {
    eventually("the webhook's state", || async {
        let item = get(weir.report, "/api/v1/webhooks").await.json()["items"][0].clone();
        is(&item).then_some(item)
    })
    .await
}

/// Decides about a vulnerability.
fn except(index: &Index, vulnerability: &str, expires_at: Option<i64>) {
    let exception = Exception {
        id: String::new(),
        target: Target::Vulnerability,
        kind: Kind::AcceptedRisk,
        vulnerability: vec![vulnerability.to_owned()],
        scope: Scope::default(),
        justification: None,
        reason: "lived with".to_owned(),
        created_by: "ann".to_owned(),
        created_at: 1_790_000_000,
        expires_at,
        expire_on_fix: false,
        cancelled: None,
        document: None,
    };
    let change = ExceptionChange { created: vec![exception], ..ExceptionChange::default() };
    index.exceptions().change(change).unwrap();
}

/// Makes the feed of Debian of these advisories, each a package and a CVE of 2026; weir reads it at once where it runs.
async fn publish(directory: &Path, weir: Option<&Weir>, records: &[(&str, u32)]) {
    let record = |(package, number): &(&str, u32)| {
        advisory(&format!("DSA-{number}-1"), &format!("CVE-2026-{number:04}"), "Debian:12", package, "9")
    };
    write_feed(&directory.join("feeds/Debian"), &records.iter().map(record).collect::<Vec<_>>());
    if let Some(weir) = weir {
        assert_eq!(post(weir.report, "/api/v1/advisories/refresh", &[], b"").await.status, 202);
    }
}

/// The ids of a notification's items.
fn told(delivery: &Delivery) -> Vec<String> {
    let items = delivery.json()["items"].as_array().unwrap().clone();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}
