//! The watched kinds as the API server knows them: where they are, and how they are asked for.

use kube::Client;
use kube::api::{ListParams, WatchParams};
use kube::core::Request;
use serde::Deserialize;
use weir_storage::index::WatchedKind;

use super::error::WatchError;

/// The version of an API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerVersion {
    /// As it writes it: `v1.31.2+k3s1`.
    pub text: String,
    /// Major and minor version, where they can be read.
    pub number: Option<(u32, u32)>,
}

/// A request of the API; the body is empty.
pub(super) type ApiRequest = hyper::Request<Vec<u8>>;

impl ServerVersion {
    /// Whether a list may be asked for as a stream; 1.27 was the first that knew of them, and newer ones may still refuse.
    pub(super) fn may_stream(&self) -> bool {
        self.number.is_some_and(|number| number >= (1, 27))
    }
}

/// Asks for the server's version.
pub(super) async fn server_version(client: &Client) -> Result<ServerVersion, WatchError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Form {
        #[serde(default)]
        major: String,
        #[serde(default)]
        minor: String,
        #[serde(default)]
        git_version: String,
    }
    let request = hyper::Request::get("/version").body(Vec::new()).map_err(kube::Error::HttpError)?;
    let form: Form = client.request(request).await?;
    // Some write "27+".
    let number = |text: &str| text.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok();
    let number = number(&form.major).zip(number(&form.minor));
    Ok(ServerVersion { text: form.git_version, number })
}

/// The name of the task that watches a kind.
pub(super) const fn task_name(kind: WatchedKind) -> &'static str {
    match kind {
        WatchedKind::Pod => "watch-pods",
        WatchedKind::Node => "watch-nodes",
        WatchedKind::ReplicaSet => "watch-replicasets",
        WatchedKind::Deployment => "watch-deployments",
        WatchedKind::StatefulSet => "watch-statefulsets",
        WatchedKind::DaemonSet => "watch-daemonsets",
        WatchedKind::Job => "watch-jobs",
        WatchedKind::CronJob => "watch-cronjobs",
        WatchedKind::Rollout => "watch-rollouts",
    }
}

/// Whether a cluster may lack the kind, or keep it from weir. Without pods and nodes there is no report.
pub(super) const fn is_optional(kind: WatchedKind) -> bool {
    !matches!(kind, WatchedKind::Pod | WatchedKind::Node)
}

/// Asks for one page of a kind, of the newest state or after `token`.
pub(super) fn list(kind: WatchedKind, limit: Option<u32>, token: Option<String>) -> Result<ApiRequest, WatchError> {
    // No resourceVersion: the newest state, read past the server's cache. With one, the server would ignore the limit.
    let parameters = ListParams { limit, continue_token: token, ..ListParams::default() };
    let request = Request::new(path(kind));
    built(if is_optional(kind) { request.list_metadata(&parameters) } else { request.list(&parameters) })
}

/// Asks for what happened since a version; with `initial`, for the list as the watch's first events.
pub(super) fn watch(
    kind: WatchedKind,
    version: &str,
    initial: bool,
    timeout_seconds: u32,
) -> Result<ApiRequest, WatchError> {
    let parameters = WatchParams {
        bookmarks: true,
        send_initial_events: initial,
        timeout: Some(timeout_seconds),
        ..WatchParams::default()
    };
    let request = Request::new(path(kind));
    built(if is_optional(kind) {
        request.watch_metadata(&parameters, version)
    } else {
        request.watch(&parameters, version)
    })
}

fn built(request: Result<ApiRequest, kube::core::request::Error>) -> Result<ApiRequest, WatchError> {
    request.map_err(|error| kube::Error::BuildRequest(error).into())
}

/// Where the kind is, over all namespaces.
const fn path(kind: WatchedKind) -> &'static str {
    match kind {
        WatchedKind::Pod => "/api/v1/pods",
        WatchedKind::Node => "/api/v1/nodes",
        WatchedKind::ReplicaSet => "/apis/apps/v1/replicasets",
        WatchedKind::Deployment => "/apis/apps/v1/deployments",
        WatchedKind::StatefulSet => "/apis/apps/v1/statefulsets",
        WatchedKind::DaemonSet => "/apis/apps/v1/daemonsets",
        WatchedKind::Job => "/apis/batch/v1/jobs",
        WatchedKind::CronJob => "/apis/batch/v1/cronjobs",
        WatchedKind::Rollout => "/apis/argoproj.io/v1alpha1/rollouts",
    }
}
