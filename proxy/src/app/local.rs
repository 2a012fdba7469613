//! What commands may ask of the running process over the data directory's socket.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use weir_storage::index::{AuditEntry, CveSourceRecord, Index, IndexError};

use super::staging::Staging;
use crate::admin::local::{LocalAnswer, LocalRequest};
use crate::advisory::{AdvisoryService, FeedSource, RefreshLine};
use crate::auth::{CreateError, NewToken, Tokens};
use crate::clock::Clock;
use crate::tasks::Tasks;
use crate::upstream::UpstreamClient;

/// One feed or source of CVEs, as the status shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedLine {
    /// The ecosystem with its release; `kev`, `epss` or `cvss` for what is known of single CVEs.
    pub source: String,
    /// Its records.
    pub records: u64,
    /// The newest record's time, where it has one, seconds since the epoch.
    pub as_of: Option<i64>,
    /// When it was last fetched or confirmed, seconds since the epoch; `None` where it never was.
    pub fetched_at: Option<i64>,
    /// Why the last refresh failed, where it did.
    pub error: Option<String>,
}

/// What requests are answered from.
#[derive(Clone)]
pub(super) struct LocalParts {
    pub(super) advisories: AdvisoryService,
    /// The registries advisories may be fetched from.
    pub(super) registries: Vec<UpstreamClient>,
    pub(super) index: Index,
    pub(super) clock: Clock,
}

pub(super) fn listen(data: &Path, tasks: &Tasks, parts: LocalParts) -> io::Result<()> {
    let data_directory = data.to_owned();
    crate::admin::local::listen(data, tasks, move |request, answers, left| {
        let (parts, data) = (parts.clone(), data_directory.clone());
        async move {
            let end = match answer(request, &data, &parts, &answers, left).await {
                Ok(result) => LocalAnswer::Done { result },
                Err(message) => LocalAnswer::Error { message },
            };
            // A command that left does not want the answer any more.
            let _: Result<(), _> = answers.send(end).await;
        }
    })
}

async fn answer(
    request: LocalRequest,
    data: &Path,
    parts: &LocalParts,
    answers: &mpsc::Sender<LocalAnswer>,
    left: CancellationToken,
) -> Result<serde_json::Value, String> {
    let LocalParts { advisories, registries, index, clock } = parts;
    let now = clock.now();
    match request {
        LocalRequest::ImportAdvisories { source } => {
            let source = FeedSource::parse(&source, data, registries).map_err(|error| error.to_string())?;
            let lines =
                import(advisories, &source, |text| answers.try_send(LocalAnswer::Progress { text }).unwrap_or(()))
                    .await?;
            advisories.settle().await;
            serde_json::to_value(lines).map_err(|error| error.to_string())
        }
        LocalRequest::RefreshAdvisories => {
            serde_json::to_value(refresh(advisories).await).map_err(|error| error.to_string())
        }
        LocalRequest::AdvisoryStatus => {
            let feeds = index.run(feed_lines).await.map_err(|error| error.to_string())?;
            serde_json::to_value(feeds).map_err(|error| error.to_string())
        }
        LocalRequest::CreateToken { token } => {
            let made: Result<_, CreateError> = index.run(move |index| create_token(index, token, now)).await;
            made.map(serde_json::Value::String).map_err(|error| error.to_string())
        }
        LocalRequest::ListTokens => {
            let lines = index.run(|index| Tokens::new(index.clone()).list()).await;
            serde_json::to_value(lines.map_err(|error| error.to_string())?).map_err(|error| error.to_string())
        }
        LocalRequest::Checkpoint => {
            let data = data.to_owned();
            let copy = index.run(move |index| checkpoint(index, &data)).await?;
            let text = copy.path().join("index").display().to_string();
            answers.send(LocalAnswer::Progress { text }).await.map_err(|error| error.to_string())?;
            left.cancelled().await;
            Ok(serde_json::Value::Null)
        }
        LocalRequest::RevokeToken { id } => {
            let revoked = index.run(move |index| revoke_token(index, &id, now)).await;
            revoked.map(serde_json::Value::Bool).map_err(|error| error.to_string())
        }
    }
}

/// Copies the index as it is now into the staging room. Blocks.
fn checkpoint(index: &Index, data: &Path) -> Result<Staging, LendError> {
    let staging = Staging::new(data)?;
    index.checkpoint(&staging.path().join("index"))?;
    Ok(staging)
}

/// Why the index was not copied.
#[derive(Debug, thiserror::Error)]
enum LendError {
    #[error("there is no room for a copy of the index: {0}")]
    Room(#[from] io::Error),
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl From<LendError> for String {
    fn from(error: LendError) -> Self {
        error.to_string()
    }
}

/// Makes a token for one who may run commands here, at `now` (seconds since the epoch), and writes that down; its text. Blocks.
///
/// # Errors
/// As [`Tokens::create`].
pub fn create_token(index: &Index, new: NewToken, now: i64) -> Result<String, CreateError> {
    let made = Tokens::new(index.clone()).issue(new, now)?;
    let detail = format!("{:?}, role {}", made.line.name, made.line.role);
    index.audit().append(&by_command(now, "token.create", &made.line.id, detail))?;
    Ok(made.text)
}

/// Revokes a token for one who may run commands here, at `now` (seconds since the epoch), and writes that down; `false` where there is none
/// of that id. Blocks.
///
/// # Errors
/// The index failed.
pub fn revoke_token(index: &Index, id: &str, now: i64) -> Result<bool, IndexError> {
    let revoked = Tokens::new(index.clone()).revoke(id, now)?;
    if revoked {
        index.audit().append(&by_command(now, "token.revoke", id, String::new()))?;
    }
    Ok(revoked)
}

/// What a command did, for the audit: who may reach the data directory is not told apart.
fn by_command(at: i64, action: &str, subject: &str, detail: String) -> AuditEntry {
    AuditEntry { at, by: "command line".to_owned(), action: action.to_owned(), subject: subject.to_owned(), detail }
}

/// Imports every ecosystem of a source, and what an artifact brings of single CVEs; `progress` hears the name of each before it begins.
///
/// # Errors
/// The source's list of ecosystems cannot be read. A feed that fails has its own line and does not stop the others.
pub async fn import(
    advisories: &AdvisoryService,
    source: &FeedSource,
    mut progress: impl FnMut(String),
) -> Result<Vec<RefreshLine>, String> {
    let ecosystems = source.ecosystems().await.map_err(|error| error.to_string())?;
    let total = ecosystems.len();
    let mut lines = Vec::with_capacity(total);
    for (done, ecosystem) in (1..).zip(ecosystems) {
        progress(format!("{done}/{total} {ecosystem}"));
        let outcome = advisories.refresh_from(source, &ecosystem).await;
        lines.push(RefreshLine::of_feed(ecosystem, outcome));
    }
    lines.extend(advisories.import_cves(source).await);
    Ok(lines)
}

/// Asks the configured source for what changed, and matches again what that touched.
pub async fn refresh(advisories: &AdvisoryService) -> Vec<RefreshLine> {
    let lines = advisories.refresh_all().await;
    advisories.settle().await;
    lines
}

/// The stored feeds, what is known of single CVEs, and folders of which nothing could be imported. Blocks.
pub fn feed_lines(index: &Index) -> Result<Vec<FeedLine>, IndexError> {
    let mut lines = Vec::new();
    let feeds = index.advisories().feeds()?;
    for (folder, import) in index.advisories().imports()? {
        let error = import.failure.map(|failure| failure.error);
        let mut known = feeds.iter().filter(|feed| feed.ecosystem.name() == folder).peekable();
        if known.peek().is_none() {
            let fetched_at = import.checked_at;
            lines.push(FeedLine { source: folder.clone(), records: 0, as_of: None, fetched_at, error: error.clone() });
        }
        lines.extend(known.map(|feed| FeedLine {
            source: feed.ecosystem.to_string(),
            records: feed.records,
            as_of: feed.as_of,
            fetched_at: Some(feed.fetched_at),
            error: error.clone(),
        }));
    }
    lines.extend(index.cves().sources()?.into_iter().map(|CveSourceRecord { kind, state }| FeedLine {
        source: kind.to_string(),
        records: state.records,
        as_of: None,
        fetched_at: state.fetched_at,
        error: state.failure.map(|failure| failure.error),
    }));
    Ok(lines)
}
