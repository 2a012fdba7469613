//! Owns `[[webhook]]`: whom weir tells what happens, what of it, and how.
//!
//! Names are unique. Plain HTTP goes no further than this machine and private networks, and never without a warning.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use super::report::Severity;
use crate::location::web_url;
use crate::problem::quoted;
use crate::reader::Table;

/// The longest name of a webhook: it stands in paths and labels.
const LONGEST_NAME: usize = 63;
/// The longest time findings may be gathered.
const LONGEST_BATCH: Duration = Duration::from_secs(24 * 60 * 60);
/// Most webhooks: each reads every event for itself.
const MOST: usize = 64;

/// Someone who is told what happens.
#[derive(Clone, Debug)]
pub struct WebhookSection {
    /// What it is called: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Where notifications are sent: `https`, or `http` to a loopback or private place.
    pub url: Url,
    /// In which form.
    pub format: WebhookFormat,
    /// The file that holds the key requests are signed with, to be read at each use.
    pub secret_file: Option<PathBuf>,
    /// The file that holds the value of `Authorization`, to be read at each use.
    pub authorization_file: Option<PathBuf>,
    /// Certificate authorities in PEM in place of the system's, to be read again when they change.
    pub ca_file: Option<PathBuf>,
    /// What is told; never empty.
    pub kinds: BTreeSet<NoticeKind>,
    /// The lowest severity that is told; `None` for all.
    pub severity: Option<Severity>,
    /// Whether findings that are known to be exploited are told whatever their severity.
    pub known_exploited: bool,
    /// Clusters whose workloads and whose silence are told; empty for all.
    pub clusters: Vec<String>,
    /// Namespaces whose workloads are told; empty for all.
    pub namespaces: Vec<String>,
    /// Whether only findings of images that run are told. Always so where clusters or namespaces are given.
    pub only_running: bool,
    /// How long what happens is gathered; over 0.
    pub batch: Duration,
    /// How long before its end an exception is told to expire; over 0.
    pub expiring_within: Duration,
    /// How long a notification that is not taken is sent again; over 0.
    pub retry_for: Duration,
}

/// The form of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookFormat {
    /// weir's own document.
    Json,
    /// A message with text and blocks.
    Slack,
}

/// What a notification is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeKind {
    /// Findings that were not there before.
    Opened,
    /// Findings whose severity changed.
    Rerated,
    /// Findings that are there no longer.
    Closed,
    /// Exceptions that will end soon.
    ExceptionExpiring,
    /// Clusters that are not heard of, or are again.
    AgentSilent,
    /// Feeds that are too old, or no longer.
    FeedStale,
}

impl NoticeKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Opened, Self::Rerated, Self::Closed, Self::ExceptionExpiring, Self::AgentSilent, Self::FeedStale];

    /// The name in settings and notifications.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Rerated => "rerated",
            Self::Closed => "closed",
            Self::ExceptionExpiring => "exception_expiring",
            Self::AgentSilent => "agent_silent",
            Self::FeedStale => "feed_stale",
        }
    }
}

/// Reads the list; empty where none is written.
pub(crate) fn read(root: &mut Table<'_>) -> Option<Vec<WebhookSection>> {
    let mut names = BTreeSet::new();
    let read = root.sections("webhook", |table| {
        let webhook = read_one(table)?;
        if !names.insert(webhook.name.clone()) {
            table.mistake("name", format!("{} is configured twice", webhook.name));
        }
        Some(webhook)
    });
    let read = read.unwrap_or_default();
    if read.len() > MOST {
        root.mistake("webhook", format!("at most {MOST} webhooks can be configured, found {}", read.len()));
    }
    read.into_iter().collect()
}

fn read_one(table: &mut Table<'_>) -> Option<WebhookSection> {
    let name = table.text("name", name);
    let url = table.text("url", receiver);
    let format = table.word("format", &[("json", WebhookFormat::Json), ("slack", WebhookFormat::Slack)]);
    let secret_file = table.path("secret_file");
    let authorization_file = table.path("authorization_file");
    let ca_file = table.path("ca_file");
    let kinds: BTreeSet<_> = table.list("kinds", kind).into_iter().collect();
    let severity = table.word("severity", SEVERITIES);
    let known_exploited = table.boolean("known_exploited");
    let clusters = table.list("clusters", some_text);
    let namespaces = table.list("namespaces", some_text);
    let only_running = table.boolean("only_running");
    let batch = table.positive_duration("batch");
    let expiring_within = table.positive_duration("expiring_within");
    let retry_for = table.positive_duration("retry_for");
    if kinds.is_empty() {
        table.mistake("kinds", "must name what is told");
    }
    if batch.is_some_and(|batch| batch > LONGEST_BATCH) {
        table.mistake("batch", "at most 24h");
    }
    if only_running == Some(false) && !(clusters.is_empty() && namespaces.is_empty()) {
        table.mistake("only_running", "clusters and namespaces mean what runs there; leave them out, or this");
    }
    warn_of_exposure(table, url.as_ref()?, format?, secret_file.is_some() || authorization_file.is_some());
    Some(WebhookSection {
        name: name?,
        url: url?,
        format: format?,
        secret_file,
        authorization_file,
        ca_file,
        kinds,
        severity: severity?,
        known_exploited: known_exploited?,
        clusters,
        namespaces,
        only_running: only_running?,
        batch: batch?,
        expiring_within: expiring_within?,
        retry_for: retry_for?,
    })
}

const SEVERITIES: &[(&str, Option<Severity>)] = &[
    ("critical", Some(Severity::Critical)),
    ("high", Some(Severity::High)),
    ("medium", Some(Severity::Medium)),
    ("low", Some(Severity::Low)),
    ("unknown", None),
];

fn name(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.len() <= LONGEST_NAME && text.chars().all(allowed) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
    {
        return Ok(text.to_owned());
    }
    Err(format!(
        "expected at most {LONGEST_NAME} letters, digits, '-', '_' and '.', a letter or digit first, found {}",
        quoted(text)
    ))
}

fn kind(text: &str) -> Result<NoticeKind, String> {
    NoticeKind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
        let names = NoticeKind::ALL.map(NoticeKind::name).join(", ");
        format!("expected one of {names}, found {}", quoted(text))
    })
}

fn some_text(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() { Err("must not be empty") } else { Ok(text.to_owned()) }
}

/// The place of a receiver. No message repeats it, since for many receivers the path is the secret.
fn receiver(text: &str) -> Result<Url, String> {
    let url = web_url(text)?;
    if url.scheme() == "http" && !is_private(&url) {
        return Err("expected https, or http to a loopback or private address".to_owned());
    }
    Ok(url)
}

/// Whether a host is this machine or, as far as its name says, of a private network: an address of RFC 1918 or RFC 4193, a name
/// without a dot, or one under a domain that is never public (RFC 6762, RFC 8375, ICANN's `.internal`, Kubernetes' services).
fn is_private(url: &Url) -> bool {
    const NEVER_PUBLIC: [&str; 7] =
        [".localhost", ".local", ".internal", ".home.arpa", ".svc", ".cluster.local", ".lan"];
    match url.host() {
        Some(Host::Domain(name)) => !name.contains('.') || NEVER_PUBLIC.iter().any(|under| name.ends_with(under)),
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_private(),
        Some(Host::Ipv6(address)) => is_private_v6(address),
        None => false,
    }
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.segments()[0] & 0xfe00 == 0xfc00,
    }
}

/// Warns of what is allowed but can be read or made up by others.
fn warn_of_exposure(table: &Table<'_>, url: &Url, format: WebhookFormat, has_secret: bool) {
    if url.scheme() == "http" {
        table.warn("url", "plain http: notifications, and with them what is vulnerable, travel unencrypted");
    }
    if format == WebhookFormat::Json && !has_secret {
        table.warn("", "the receiver cannot tell weir's notifications from others'; set secret_file");
    }
}
