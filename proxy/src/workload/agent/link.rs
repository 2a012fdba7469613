//! The way to the server: one message at a time, repeated until it is answered.
//!
//! Owns the connection, the token, the waits between tries and what is logged of them. Leaves to the agent what is said.
//! Invariant: the token goes to the configured server alone, encrypted wherever it leaves the machine.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use hyper::{Request, StatusCode};
use serde::Deserialize;
use tokio::time::Instant;
use url::{Host, Url};

use super::AgentPace;
use crate::auth::is_cluster_name;
use crate::http::chain;
use crate::upstream::{HttpClient, InvalidUpstream, report_client};
use crate::workload::intake::Message;
use crate::workload::wire::Accepted;

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 << 10;
/// How often the same trouble is logged.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// How often a token that was refused is compared with its file.
const TOKEN_EVERY: Duration = Duration::from_secs(1);

/// Where an agent reports, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSettings {
    /// The cluster's name.
    pub cluster: String,
    /// The server's report, `https://weir.example` or with a path before `/api/v1`.
    pub report: Url,
    /// The file that holds the token; read at each use.
    pub token_file: PathBuf,
    /// Certificate authorities the server may prove itself by, in place of the system's; read again when the file changes.
    pub ca_file: Option<PathBuf>,
    /// The version of the cluster's API server, where it is known.
    pub kubernetes_version: Option<String>,
}

/// Why an agent cannot work with its settings.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The cluster cannot have that name.
    #[error("--cluster {0:?}: expected at most 63 letters, digits, '-', '_' and '.'")]
    Cluster(String),
    /// The URL is not one a report can have.
    #[error("--report {0}: expected https:// with a host and without credentials, query or fragment")]
    Url(Url),
    /// Plain HTTP over a network.
    #[error(
        "--report {0}: http:// would send the token in the clear, so it is for loopback addresses (http://127.0.0.1:8080); use https://"
    )]
    Plain(Url),
    /// The token cannot be read.
    #[error("--token-file {path}: {detail}")]
    Token {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// The authorities cannot be used.
    #[error("--ca")]
    Authorities(#[from] InvalidUpstream),
}

/// The answer that ends the repeating of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It counts.
    Accepted(Accepted),
    /// Only a new snapshot helps, for this reason.
    Resync(String),
}

/// What one try gave.
enum Answer {
    Final(Verdict),
    /// The server does not want this token, or this cluster.
    Refused(String),
    /// The server does not take this message, however often it comes.
    Useless(String),
    /// No answer, or one that says to come again.
    Failed(String),
}

pub(super) struct Link {
    client: HttpClient<Full<Bytes>>,
    snapshot: String,
    deltas: String,
    token_file: PathBuf,
    pace: AgentPace,
    trouble: Mutex<Trouble>,
}

/// What was logged of the tries that failed since the last that did not.
#[derive(Default)]
struct Trouble {
    logged: Option<Instant>,
    since: Option<Instant>,
}

#[derive(Deserialize)]
struct ProblemDocument {
    detail: Option<String>,
    #[serde(default)]
    resync: bool,
}

impl Link {
    pub(super) fn new(settings: &AgentSettings, pace: AgentPace) -> Result<Self, AgentError> {
        if !is_cluster_name(&settings.cluster) {
            return Err(AgentError::Cluster(settings.cluster.clone()));
        }
        let url = check_report(&settings.report)?;
        token_of(&settings.token_file)?;
        let client = report_client(url, settings.ca_file.clone())?;
        let place = format!("{}/api/v1/agents/{}", url.as_str().trim_end_matches('/'), settings.cluster);
        Ok(Self {
            client,
            snapshot: format!("{place}/snapshot"),
            deltas: format!("{place}/deltas"),
            token_file: settings.token_file.clone(),
            pace,
            trouble: Mutex::default(),
        })
    }

    /// Sends a gzipped message until it is answered.
    pub(super) async fn deliver(&self, message: Message, gzipped: Bytes) -> Verdict {
        let mut wait = self.pace.first_wait;
        loop {
            match self.attempt(message, gzipped.clone()).await {
                Answer::Final(verdict) => {
                    self.answered();
                    return verdict;
                }
                Answer::Refused(detail) => {
                    if self.is_due() {
                        tracing::error!("the server refuses this agent: {detail}");
                    }
                    self.wait_for_another_token(jittered(self.pace.slow_wait)).await;
                }
                Answer::Useless(detail) => {
                    if self.is_due() {
                        tracing::error!("the server does not take what this agent sends: {detail}");
                    }
                    tokio::time::sleep(jittered(self.pace.slow_wait)).await;
                    return Verdict::Resync(detail);
                }
                Answer::Failed(detail) => {
                    if self.is_due() {
                        tracing::warn!("the server cannot be reported to, trying again: {detail}");
                    }
                    tokio::time::sleep(jittered(wait)).await;
                    wait = (wait * 2).min(self.pace.longest_wait);
                }
            }
        }
    }

    async fn attempt(&self, message: Message, gzipped: Bytes) -> Answer {
        let token = match token_of(&self.token_file) {
            Ok(token) => token,
            Err(error) => return Answer::Failed(error.to_string()),
        };
        let limit = self.pace.answer_time;
        match tokio::time::timeout(limit, self.exchange(message, gzipped, &token)).await {
            Ok(Ok((status, body))) => read(status, &body),
            Ok(Err(error)) => Answer::Failed(chain(error.as_ref())),
            Err(_) => Answer::Failed(format!("no answer within {limit:?}")),
        }
    }

    async fn exchange(
        &self,
        message: Message,
        gzipped: Bytes,
        token: &str,
    ) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let place = match message {
            Message::Snapshot => &self.snapshot,
            Message::Deltas => &self.deltas,
        };
        let mut authorization = HeaderValue::try_from(format!("Bearer {token}"))?;
        authorization.set_sensitive(true);
        let request = Request::post(place)
            .header(AUTHORIZATION, authorization)
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_ENCODING, "gzip")
            .body(Full::new(gzipped))?;
        let response = self.client.request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await?;
        Ok((status, body.to_bytes()))
    }

    /// Waits, but no longer than until the file holds another token than now.
    async fn wait_for_another_token(&self, wait: Duration) {
        let refused = token_of(&self.token_file).ok();
        let end = Instant::now() + wait;
        while Instant::now() < end {
            tokio::time::sleep(TOKEN_EVERY.min(end - Instant::now())).await;
            if token_of(&self.token_file).is_ok_and(|token| Some(&token) != refused.as_ref()) {
                tracing::info!("the token file holds another token");
                return;
            }
        }
    }

    fn answered(&self) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = trouble.since.take() {
            tracing::info!("the server answers again, after {} s", since.elapsed().as_secs());
        }
        trouble.logged = None;
    }

    /// Whether a failed try is to be logged.
    fn is_due(&self) -> bool {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        trouble.since.get_or_insert(now);
        let due = trouble.logged.is_none_or(|logged| now - logged >= LOG_EVERY);
        if due {
            trouble.logged = Some(now);
        }
        due
    }
}

/// What an answer says.
fn read(status: StatusCode, body: &[u8]) -> Answer {
    let problem = serde_json::from_slice::<ProblemDocument>(body).ok();
    let resync = problem.as_ref().is_some_and(|problem| problem.resync);
    let detail = match problem.and_then(|problem| problem.detail) {
        Some(detail) => format!("{status}: {detail}"),
        None => status.to_string(),
    };
    match status {
        StatusCode::OK => match serde_json::from_slice(body) {
            Ok(accepted) => Answer::Final(Verdict::Accepted(accepted)),
            Err(_) => Answer::Failed("what answers there is no weir".to_owned()),
        },
        StatusCode::CONFLICT if resync => Answer::Final(Verdict::Resync(detail)),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Answer::Refused(detail),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Answer::Failed(detail),
        status if status.is_client_error() => Answer::Useless(detail),
        _ => Answer::Failed(detail),
    }
}

/// Between half of a wait and all of it.
pub(super) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// The URL, where a report can be at it.
pub(crate) fn check_report(url: &Url) -> Result<&Url, AgentError> {
    let bare =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    };
    match url.scheme() {
        "https" if bare && url.has_host() => Ok(url),
        "http" if bare && loopback => Ok(url),
        "http" if bare => Err(AgentError::Plain(url.clone())),
        _ => Err(AgentError::Url(url.clone())),
    }
}

/// The token in a file.
pub(crate) fn token_of(path: &Path) -> Result<String, AgentError> {
    let unusable = |detail: String| AgentError::Token { path: path.to_owned(), detail };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unusable("it holds no token".to_owned()));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(report: &str, token: &str) -> (tempfile::TempDir, AgentSettings) {
        let directory = tempfile::tempdir().unwrap();
        let token_file = directory.path().join("token");
        std::fs::write(&token_file, token).unwrap();
        let report = report.parse().unwrap();
        (
            directory,
            AgentSettings { cluster: "east".into(), report, token_file, ca_file: None, kubernetes_version: None },
        )
    }

    fn error(settings: &AgentSettings) -> String {
        Link::new(settings, AgentPace::default()).err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn settings_that_cannot_work_are_told_apart() {
        for (report, word) in [
            ("https://weir.example/behind/a/path", ""),
            ("http://127.0.0.1:8080", ""),
            ("http://[::1]:8080/", ""),
            ("http://weir.example", "in the clear"),
            ("http://10.0.0.1", "in the clear"),
            ("ftp://weir.example", "expected https"),
            ("https://user:secret@weir.example", "expected https"),
            ("https://weir.example?a=b", "expected https"),
        ] {
            let (_directory, settings) = settings(report, "weir_a_b\n");
            let error = error(&settings);
            assert!(error.contains(word) && (word.is_empty() == error.is_empty()), "{report}: {error}");
        }
        assert!(error(&settings("https://a", " \n").1).contains("token"));
        let (_directory, good) = settings("https://a", "t");
        assert!(error(&AgentSettings { cluster: "a/b".into(), ..good.clone() }).contains("63"));
        assert!(error(&AgentSettings { ca_file: Some("/nowhere".into()), ..good }).contains("--ca"));
    }

    #[test]
    fn answers_say_whether_to_come_again() {
        let says = |status: u16, body: &str| match read(StatusCode::from_u16(status).unwrap(), body.as_bytes()) {
            Answer::Final(Verdict::Accepted(accepted)) => format!("accepted {}", accepted.sequence),
            Answer::Final(Verdict::Resync(_)) => "resync".into(),
            Answer::Refused(_) => "refused".into(),
            Answer::Useless(_) => "useless".into(),
            Answer::Failed(_) => "failed".into(),
        };
        for (status, body, said) in [
            (200, r#"{"sequence": 7}"#, "accepted 7"),
            (200, "<html>", "failed"),
            (409, r#"{"resync": true, "detail": "x"}"#, "resync"),
            (409, "", "useless"),
            (401, "", "refused"),
            (403, "{}", "refused"),
            (400, "", "useless"),
            (404, "", "useless"),
            (413, "", "useless"),
            (408, "", "failed"),
            (429, "", "failed"),
            (500, "", "failed"),
            (503, "", "failed"),
            (302, "", "failed"),
        ] {
            assert_eq!(says(status, body), said, "{status} {body}");
        }
    }
}
