//! `webhooks`: how each does, and what one would send.

use std::sync::Arc;

use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use schemars::JsonSchema;
use serde::Serialize;
use weir_config::{NoticeKind, WebhookFormat, WebhookSection};
use weir_storage::index::IndexError;

use super::list::{Page, limit};
use super::notices::{base, sample};
use super::problem::Problem;
use super::{Parameters, Report, json, unwritten};
use crate::auth::Caller;
use crate::clock::rfc3339;
use crate::http::{Body, full};
use crate::notify::{Webhook, WebhookStatus, render};

/// One webhook.
#[derive(Serialize, JsonSchema)]
pub(super) struct WebhookItem {
    name: String,
    /// Where it is: scheme, host and port. What follows them is a secret with many receivers.
    origin: String,
    /// `json` or `slack`.
    format: &'static str,
    kinds: Vec<&'static str>,
    /// The lowest severity that is told.
    severity: &'static str,
    known_exploited: bool,
    clusters: Vec<String>,
    namespaces: Vec<String>,
    only_running: bool,
    /// Whether what it is sent is signed.
    signed: bool,
    /// `idle`, `sending`, `retrying` or `stopped`.
    state: &'static str,
    /// Notifications that wait.
    pending: usize,
    /// Tries of the oldest of them.
    attempts: u32,
    next_attempt_at: Option<String>,
    delivered: u64,
    /// Notifications that were given up, or had to leave because too many waited.
    dropped: u64,
    last_success_at: Option<String>,
    last_error: Option<ErrorPart>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ErrorPart {
    at: String,
    detail: String,
}

/// What trying a webhook out led to.
#[derive(Serialize, JsonSchema)]
pub(super) struct TestResult {
    /// The id it was sent under.
    id: String,
    kind: &'static str,
    /// Whether the receiver took it.
    delivered: bool,
    /// The answer's status; `null` without an answer.
    status: Option<u16>,
    duration_ms: u64,
    /// The beginning of the answer's body.
    response: String,
    /// Why there is no answer.
    error: Option<String>,
}

impl Report {
    pub(super) async fn list_webhooks(&self, parameters: &Parameters) -> Result<Page<WebhookItem>, Problem> {
        parameters.only(&["limit", "cursor"])?;
        let limit = limit(parameters)?;
        let webhooks = self.notifier.clone();
        // In the order of the settings; a cursor is the last name before.
        let start = match parameters.get("cursor") {
            None => 0,
            Some(cursor) => {
                let known = webhooks.all().iter().position(|webhook| webhook.settings().name == cursor);
                known.ok_or_else(|| Problem::bad_request("cursor: it is none of this list"))? + 1
            }
        };
        let items = self.index.run(move |_| {
            let asked = webhooks.all().iter().skip(start).take(limit + 1);
            asked.map(|webhook| Ok(item(webhook.settings(), webhook.status()?))).collect::<Result<Vec<_>, IndexError>>()
        });
        let mut items = items.await?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| more).map(|item| item.name.clone());
        Ok(Page { items, next_cursor })
    }

    /// Sends a sample now, or answers with what would be sent.
    pub(super) async fn test_webhook(
        &self,
        name: &str,
        parameters: &Parameters,
        caller: &Caller,
    ) -> Result<Response<Body>, Problem> {
        parameters.only(&["kind", "dry_run"])?;
        let Some(webhook) = self.notifier.get(name).map(Arc::clone) else {
            return Err(Problem::not_found(format!("the webhook {name:?}")));
        };
        let kind = kind(parameters, &webhook)?;
        let is_dry = match parameters.get("dry_run") {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => {
                return Err(Problem::bad_request(format!("dry_run: expected true or false, found {other:?}")));
            }
        };
        let settings = webhook.settings();
        let report = base(self.public_url.as_ref());
        let notice = sample(kind, self.clock.now(), report.as_deref());
        let rendered = render(&notice, name, settings.format, report.as_deref()).map_err(unwritten)?;
        if is_dry {
            let mut response = Response::new(full(rendered.body));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return Ok(response);
        }
        let id = rendered.id.clone();
        let attempt = webhook.try_out(rendered).await;
        let delivered = attempt.status.is_some_and(|status| status.is_success());
        let outcome = attempt.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        self.audit(&caller.name, "webhook.test", name, &outcome).await;
        json(&TestResult {
            id,
            kind: kind.name(),
            delivered,
            status: attempt.status.map(|status| status.as_u16()),
            duration_ms: u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
            response: attempt.response,
            error: attempt.error,
        })
    }
}

/// The kind that is asked for, else the first that the webhook is told.
fn kind(parameters: &Parameters, webhook: &Webhook) -> Result<NoticeKind, Problem> {
    let told = &webhook.settings().kinds;
    let Some(text) = parameters.get("kind") else {
        return Ok(told.first().copied().unwrap_or(NoticeKind::Opened));
    };
    NoticeKind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
        let names = NoticeKind::ALL.map(NoticeKind::name).join(", ");
        Problem::bad_request(format!("kind: expected one of {names}, found {text:?}"))
    })
}

fn item(settings: &WebhookSection, status: WebhookStatus) -> WebhookItem {
    WebhookItem {
        name: settings.name.clone(),
        origin: settings.url.origin().ascii_serialization(),
        format: match settings.format {
            WebhookFormat::Json => "json",
            WebhookFormat::Slack => "slack",
        },
        kinds: settings.kinds.iter().map(|kind| kind.name()).collect(),
        severity: match settings.severity {
            Some(weir_config::Severity::Critical) => "critical",
            Some(weir_config::Severity::High) => "high",
            Some(weir_config::Severity::Medium) => "medium",
            Some(weir_config::Severity::Low) => "low",
            None => "unknown",
        },
        known_exploited: settings.known_exploited,
        clusters: settings.clusters.clone(),
        namespaces: settings.namespaces.clone(),
        only_running: settings.only_running,
        signed: settings.secret_file.is_some(),
        state: status.state.name(),
        pending: status.waiting,
        attempts: status.oldest.map_or(0, |(attempts, _)| attempts),
        next_attempt_at: status.oldest.map(|(_, at)| rfc3339(at)),
        delivered: status.delivered,
        dropped: status.dropped,
        last_success_at: status.last_success_at.map(rfc3339),
        last_error: status.last_failure.map(|failure| ErrorPart { at: rfc3339(failure.at), detail: failure.detail }),
    }
}
