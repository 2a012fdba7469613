//! Tells a weir elsewhere what was found of a node.
//!
//! Invariant: what goes wrong here is answered to the caller, and stops nothing.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use url::Url;

use super::check::Checked;
use super::finding::{Code, Finding, Level};
use crate::auth::is_cluster_name;
use crate::http::chain;
use crate::upstream::{HttpClient, report_client};
use crate::workload::agent::{check_report, token_of};
use crate::workload::is_node_name;

/// How long the server may take.
const TIME: Duration = Duration::from_secs(10);
/// The most that is read of an answer, in bytes.
const MAX_ANSWER: usize = 64 << 10;

/// What the server takes at most: findings, characters of a detail. Errors come first.
const MAX_FINDINGS: usize = 40;
const MAX_DETAIL: usize = 1_000;

/// The way to the server.
pub(super) struct Reporter {
    client: HttpClient<Full<Bytes>>,
    place: String,
    token_file: PathBuf,
}

#[derive(Serialize)]
struct Message<'a> {
    runtime: &'a str,
    version: Option<&'a str>,
    config_path: Option<&'a str>,
    through_weir: bool,
    findings: Vec<Told>,
}

#[derive(Serialize)]
struct Told {
    level: Level,
    code: Code,
    detail: String,
}

impl Told {
    /// A finding, cut to what the server takes.
    fn of(finding: &Finding) -> Self {
        let plain = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
        let detail = finding.detail.chars().take(MAX_DETAIL).map(plain).collect();
        Self { level: finding.level, code: finding.code, detail }
    }
}

impl Reporter {
    /// Reports as `node` of `cluster`. Nothing is contacted.
    ///
    /// # Errors
    /// It cannot work so.
    pub(super) fn new(
        report: &Url,
        cluster: &str,
        node: &str,
        token_file: PathBuf,
        authority: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(
            is_cluster_name(cluster),
            "--cluster {cluster:?}: expected at most 63 letters, digits, '-', '_' and '.'"
        );
        anyhow::ensure!(
            is_node_name(node),
            "--node {node:?}: expected a node's name: at most 253 small letters, digits, '-' and '.'"
        );
        let report = check_report(report)?;
        token_of(&token_file)?;
        let client = report_client(report, authority).context("--report-ca")?;
        let place = format!("{}/api/v1/agents/{cluster}/nodes/{node}", report.as_str().trim_end_matches('/'));
        Ok(Self { client, place, token_file })
    }

    /// Sends what was found.
    ///
    /// # Errors
    /// It was not taken.
    pub(super) async fn send(&self, checked: &Checked) -> anyhow::Result<()> {
        let message = Message {
            runtime: checked.runtime,
            version: checked.version.as_deref(),
            config_path: checked.config_path.as_deref(),
            through_weir: checked.through_weir,
            findings: checked.findings.iter().take(MAX_FINDINGS).map(Told::of).collect(),
        };
        let body = serde_json::to_vec(&message)?;
        let token = token_of(&self.token_file)?;
        let mut authorization = HeaderValue::try_from(format!("Bearer {token}"))?;
        authorization.set_sensitive(true);
        let request = Request::post(&self.place)
            .header(AUTHORIZATION, authorization)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| anyhow::anyhow!(chain(&error)))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            Ok::<_, anyhow::Error>((status, body.map(|body| body.to_bytes()).unwrap_or_default()))
        };
        let answer = tokio::time::timeout(TIME, exchange).await;
        let (status, body) = answer.with_context(|| format!("{}: no answer within {TIME:?}", self.place))??;
        let problem: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
        let detail = problem.as_ref().and_then(|problem| problem["detail"].as_str()).unwrap_or_default();
        anyhow::ensure!(status.is_success(), "{}: {status} {detail}", self.place);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_finding_is_cut_to_what_the_server_takes() {
        let told = Told::of(&Finding::error(Code::HostsTomlInvalid, "é\r\n".repeat(1_000)));
        assert_eq!((told.detail.chars().count(), told.detail.contains('\r')), (MAX_DETAIL, false));
    }
}
