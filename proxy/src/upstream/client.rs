//! The client of one upstream: what may be asked of it, and the way of a request from authorization to a typed answer.

use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK,
    RANGE,
};
use hyper::{Response, StatusCode};
use serde::Deserialize;
use url::Url;
use weir_scanner::oci::{Digest, MAX_MANIFEST_BYTES, MediaType, Repository, Selector};

use super::answer::{BlobHead, BlobReply, ListAnswer, ManifestReply};
use super::breaker::Breaker;
use super::credential::CredentialSource;
use super::error::{Asked, UpstreamError};
use super::request::Ask;
use super::settings::{InvalidUpstream, UpstreamSettings};
use super::token::Authorizer;
use super::transport::{Purpose, Transport};
use crate::clock::Clock;

const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// Whose credentials a request carries.
#[derive(Clone, PartialEq, Eq)]
pub enum ClientAuth {
    /// Weir's own, or an anonymous token: for upstreams whose access is shared.
    Own,
    /// The client's `Authorization` header as it came, or none. Challenges are returned for the client to answer.
    Relayed(Option<String>),
}

impl std::fmt::Debug for ClientAuth {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Own => "Own",
            Self::Relayed(None) => "Relayed(anonymous)",
            Self::Relayed(Some(_)) => "Relayed(***)",
        })
    }
}

/// How a manifest is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Its headers only.
    Head,
    /// The whole.
    Get,
}

impl Method {
    fn http(self) -> hyper::Method {
        match self {
            Self::Head => hyper::Method::HEAD,
            Self::Get => hyper::Method::GET,
        }
    }
}

/// The client of one upstream. Clones share connections, tokens and the breaker.
#[derive(Clone)]
pub struct UpstreamClient(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) name: String,
    pub(super) url: Url,
    pub(super) transport: Transport,
    pub(super) authorizer: Authorizer,
    pub(super) breaker: Mutex<Breaker>,
    pub(super) clock: Clock,
}

impl std::fmt::Debug for UpstreamClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("UpstreamClient").field("name", &self.0.name).field("url", &self.0.url.as_str()).finish()
    }
}

impl UpstreamClient {
    /// A client by these settings. Contacts nothing.
    ///
    /// # Errors
    /// A URL no registry can have, an unreadable entry of `redirect_hosts`, or certificate authorities that cannot be used.
    pub fn new(settings: UpstreamSettings) -> Result<Self, InvalidUpstream> {
        let url = &settings.url;
        let clean =
            url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !clean {
            return Err(InvalidUpstream::Url);
        }
        let transport = Transport::new(&settings)?;
        let UpstreamSettings {
            name, url, username, password_file, credential_command, token_hosts, limits, clock, ..
        } = settings;
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let credentials = CredentialSource::new(
            username,
            password_file,
            credential_command,
            host,
            limits.command_timeout,
            clock.clone(),
        );
        let authorizer = Authorizer::new(url.clone(), token_hosts, credentials, clock.clone());
        Ok(Self(Arc::new(Inner {
            name,
            url,
            transport,
            authorizer,
            breaker: Mutex::new(Breaker::new(limits.breaker)),
            clock,
        })))
    }

    /// What nodes call this upstream.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether it failed so often in a row that it is asked by single probes only.
    pub fn is_failing(&self) -> bool {
        self.breaker().is_open()
    }

    /// A manifest, by tag or digest. `accept` goes upstream as it is. The digest is not verified.
    ///
    /// # Errors
    /// Whatever kept the upstream from answering 200 with a manifest of a bearable size.
    pub async fn manifest(
        &self,
        repository: &Repository,
        selector: &Selector,
        method: Method,
        accept: &str,
        auth: &ClientAuth,
    ) -> Result<ManifestReply, UpstreamError> {
        let mut ask = self.ask(method.http(), Purpose::Api, repository, &format!("manifests/{selector}"), auth);
        if let Ok(accept) = HeaderValue::from_str(accept) {
            ask.headers.insert(ACCEPT, accept);
        }
        let response = self.request(&ask).await?;
        refuse_page(&response, &ask.asked)?;
        let digest = text(response.headers(), &DIGEST).and_then(|digest| Digest::parse(digest).ok());
        let announced = length(response.headers());
        let content_type = text(response.headers(), &CONTENT_TYPE).map(MediaType::new);
        if method == Method::Head {
            return Ok(ManifestReply {
                digest,
                media_type: content_type.unwrap_or_else(|| MediaType::new("")),
                len: announced,
                bytes: bytes::Bytes::new(),
            });
        }
        let bytes = self.small_body(response, MAX_MANIFEST_BYTES, &ask.asked).await?;
        let media_type = content_type.unwrap_or_else(|| own_media_type(&bytes));
        Ok(ManifestReply { digest, media_type, len: Some(bytes.len() as u64), bytes })
    }

    /// A blob, whole or `from` a byte on. An upstream that ignores the range is visible in [`BlobReply::start`].
    ///
    /// # Errors
    /// Whatever kept the upstream from starting its body.
    pub async fn blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        from: Option<u64>,
        auth: &ClientAuth,
    ) -> Result<BlobReply, UpstreamError> {
        let mut ask = self.ask(hyper::Method::GET, Purpose::Blob, repository, &format!("blobs/{digest}"), auth);
        if let Some(from) = from {
            ask.headers
                .insert(RANGE, HeaderValue::try_from(format!("bytes={from}-")).expect("digits are visible characters"));
        }
        let response = self.request(&ask).await?;
        let wrong = |what| UpstreamError::Protocol { asked: ask.asked.clone(), what, cause: None };
        if text(response.headers(), &CONTENT_ENCODING)
            .is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity"))
        {
            return Err(wrong("its body is encoded although identity was asked for"));
        }
        let (start, len) = match (response.status(), from) {
            (StatusCode::PARTIAL_CONTENT, Some(from)) => {
                let (start, total) = text(response.headers(), &CONTENT_RANGE)
                    .and_then(parse_content_range)
                    .ok_or_else(|| wrong("its Content-Range cannot be read"))?;
                if start != from {
                    return Err(wrong("its Content-Range is not the one asked for"));
                }
                (start, total.or_else(|| length(response.headers()).and_then(|rest| rest.checked_add(start))))
            }
            (StatusCode::PARTIAL_CONTENT, None) => {
                return Err(wrong("it answers a part although the whole was asked for"));
            }
            _ => (0, length(response.headers())),
        };
        Ok(BlobReply::new(response.into_body(), len, start, self.0.transport.limits().body_idle_timeout, ask.asked))
    }

    /// What is known of a blob by HEAD.
    ///
    /// # Errors
    /// Whatever kept the upstream from answering 200.
    pub async fn blob_head(
        &self,
        repository: &Repository,
        digest: &Digest,
        auth: &ClientAuth,
    ) -> Result<BlobHead, UpstreamError> {
        let ask = self.ask(hyper::Method::HEAD, Purpose::Blob, repository, &format!("blobs/{digest}"), auth);
        Ok(BlobHead { len: length(self.request(&ask).await?.headers()) })
    }

    /// A repository's tags; `query` as the client wrote it, without the question mark.
    ///
    /// # Errors
    /// Whatever kept the upstream from answering 200 with a list of a bearable size.
    pub async fn tags(
        &self,
        repository: &Repository,
        query: &str,
        auth: &ClientAuth,
    ) -> Result<ListAnswer, UpstreamError> {
        self.list(repository, "tags/list", query, auth).await
    }

    /// What refers to a digest; `query` as for [`UpstreamClient::tags`].
    ///
    /// # Errors
    /// As [`UpstreamClient::tags`]; an upstream without this endpoint answers 404.
    pub async fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
        query: &str,
        auth: &ClientAuth,
    ) -> Result<ListAnswer, UpstreamError> {
        self.list(repository, &format!("referrers/{digest}"), query, auth).await
    }

    async fn list(
        &self,
        repository: &Repository,
        tail: &str,
        query: &str,
        auth: &ClientAuth,
    ) -> Result<ListAnswer, UpstreamError> {
        let mut ask = self.ask(hyper::Method::GET, Purpose::Api, repository, tail, auth);
        ask.url.set_query((!query.is_empty()).then_some(query));
        let response = self.request(&ask).await?;
        refuse_page(&response, &ask.asked)?;
        let header = |name| text(response.headers(), &name).map(str::to_owned);
        let (content_type, link, filters_applied) =
            (header(CONTENT_TYPE).unwrap_or_default(), header(LINK), header(FILTERS_APPLIED));
        let bytes = self.small_body(response, MAX_MANIFEST_BYTES, &ask.asked).await?;
        Ok(ListAnswer { bytes, content_type, link, filters_applied })
    }

    fn ask<'a>(
        &self,
        method: hyper::Method,
        purpose: Purpose,
        repository: &'a Repository,
        tail: &str,
        auth: &'a ClientAuth,
    ) -> Ask<'a> {
        let mut url = self.0.url.clone();
        url.set_path(&format!("{}/v2/{repository}/{tail}", self.0.url.path().trim_end_matches('/')));
        let shown = if method == hyper::Method::HEAD { "HEAD" } else { "GET" };
        let asked = Arc::new(Asked { upstream: self.0.name.clone(), method: shown, path: url.path().to_owned() });
        Ask { method, purpose, url, headers: HeaderMap::new(), repository, auth, asked }
    }
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn length(headers: &HeaderMap) -> Option<u64> {
    text(headers, &CONTENT_LENGTH).and_then(|length| length.parse().ok())
}

/// A web page is what captive portals and misconfigured balancers answer with 200.
fn refuse_page(response: &Response<Incoming>, asked: &Arc<Asked>) -> Result<(), UpstreamError> {
    let essence =
        text(response.headers(), &CONTENT_TYPE).unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let page = essence.eq_ignore_ascii_case("text/html") || essence.eq_ignore_ascii_case("application/xhtml+xml");
    if page {
        Err(UpstreamError::NotRegistry { asked: asked.clone(), content_type: essence.to_ascii_lowercase() })
    } else {
        Ok(())
    }
}

/// `bytes a-b/total` or `bytes a-b/*` (RFC 9110 section 14.4): the first position and the total.
fn parse_content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    (first <= last && total.is_none_or(|total| last < total)).then_some((first, total))
}

/// The media type a manifest states within itself.
fn own_media_type(bytes: &[u8]) -> MediaType {
    #[derive(Deserialize)]
    struct Stated {
        #[serde(rename = "mediaType")]
        media_type: Option<MediaType>,
    }
    serde_json::from_slice::<Stated>(bytes)
        .ok()
        .and_then(|stated| stated.media_type)
        .unwrap_or_else(|| MediaType::new(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        assert_eq!(parse_content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(parse_content_range("bytes 0-0/*"), Some((0, None)));
        for broken in ["", "bytes */10", "bytes 9-5/10", "bytes 5-10/10", "items 0-1/2", "bytes -1-2/3"] {
            assert_eq!(parse_content_range(broken), None, "{broken}");
        }
    }
}
