//! Whether the mirror answers a node.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use url::Url;

use super::super::hosts::origin;
use crate::http::chain;
use crate::upstream::report_client;

/// How long the mirror may take: a node waits for it before each pull.
const TIME: Duration = Duration::from_secs(3);

/// Asks the mirror for `/v2/`, verified by the authority in a file of this process where there is one.
///
/// # Errors
/// It does not answer in time, does not prove itself, or is no registry.
pub(super) async fn mirror(mirror: &Url, authority: Option<PathBuf>) -> Result<(), String> {
    let place = format!("{}/v2/", origin(mirror));
    let ask = async {
        let client = report_client(mirror, authority).map_err(|error| chain(&error))?;
        let request = Request::get(&place).body(Full::new(Bytes::new())).map_err(|error| error.to_string())?;
        client.request(request).await.map(|answer| answer.status()).map_err(|error| chain(&error))
    };
    match tokio::time::timeout(TIME, ask).await {
        Ok(Ok(StatusCode::OK | StatusCode::UNAUTHORIZED)) => Ok(()),
        Ok(Ok(status)) => Err(format!("{place} answers {status}, which no registry does")),
        Ok(Err(error)) => Err(format!("{place}: {error}")),
        Err(_) => Err(format!("{place}: no answer within {TIME:?}")),
    }
}
