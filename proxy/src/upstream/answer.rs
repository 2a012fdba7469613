//! What upstreams answer, and how bodies are read: small ones whole and bounded, blobs piece by piece.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use weir_scanner::oci::{Digest, MediaType};

use super::error::{Asked, UpstreamError};

/// A manifest, or what is known of it after a HEAD.
#[derive(Clone, Debug)]
pub struct ManifestReply {
    /// `Docker-Content-Digest`, where it is there and is a digest. Not verified.
    pub digest: Option<Digest>,
    /// Its media type: the `Content-Type`, else what the body says of itself, else empty.
    pub media_type: MediaType,
    /// Its length in bytes: of the body after a GET, the `Content-Length` after a HEAD.
    pub len: Option<u64>,
    /// Its bytes as they came; empty after a HEAD.
    pub bytes: Bytes,
}

/// A list as the upstream gave it: tags, or an index of referrers.
#[derive(Clone, Debug)]
pub struct ListAnswer {
    /// The JSON.
    pub bytes: Bytes,
    /// `Content-Type`.
    pub content_type: String,
    /// `Link`, for the next page.
    pub link: Option<String>,
    /// `OCI-Filters-Applied`.
    pub filters_applied: Option<String>,
}

/// What is known of a blob after a HEAD: that it is there, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobHead {
    /// The blob's length, where the upstream says it.
    pub len: Option<u64>,
}

/// A blob's body as it arrives.
#[derive(Debug)]
pub struct BlobReply {
    /// The whole blob's length, where the upstream says it.
    pub len: Option<u64>,
    /// Where in the blob the body starts: what was asked for, or 0 where the upstream ignored the range.
    pub start: u64,
    body: Incoming,
    received: u64,
    idle: Duration,
    asked: Arc<Asked>,
}

impl BlobReply {
    pub(super) fn new(body: Incoming, len: Option<u64>, start: u64, idle: Duration, asked: Arc<Asked>) -> Self {
        Self { len, start, body, received: 0, idle, asked }
    }

    /// The next bytes, or `None` at the end of the blob.
    ///
    /// # Errors
    /// [`UpstreamError::Cut`] when the connection ends before the announced end, [`UpstreamError::Timeout`] when nothing
    /// comes for too long. The rest can then be asked for from where it stopped.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        loop {
            let frame = tokio::time::timeout(self.idle, self.body.frame()).await;
            let frame = frame.map_err(|_| UpstreamError::Timeout {
                asked: self.asked.clone(),
                stage: "further bytes",
                limit: self.idle,
            })?;
            match frame {
                None => return if self.is_short() { Err(self.cut(None)) } else { Ok(None) },
                Some(Err(error)) => return Err(self.cut(Some(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if bytes.is_empty() => {}
                    Ok(bytes) => {
                        self.received += bytes.len() as u64;
                        return Ok(Some(bytes));
                    }
                    // Trailers say nothing about a blob.
                    Err(_) => {}
                },
            }
        }
    }

    /// A body delimited by the connection's end alone looks whole wherever it ends.
    fn is_short(&self) -> bool {
        self.len.is_some_and(|len| self.start + self.received < len)
    }

    fn cut(&self, cause: Option<hyper::Error>) -> UpstreamError {
        UpstreamError::Cut {
            asked: self.asked.clone(),
            received: self.received,
            cause: cause.map(|cause| Arc::new(cause) as _),
        }
    }
}

/// Reads a body into memory: at most `limit` bytes, within `whole` time.
pub(super) async fn read_whole(
    mut body: Incoming,
    limit: usize,
    whole: Duration,
    asked: &Arc<Asked>,
) -> Result<Bytes, UpstreamError> {
    let read = async {
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|cause| UpstreamError::Cut {
                asked: asked.clone(),
                received: bytes.len() as u64,
                cause: Some(Arc::new(cause)),
            })?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > limit {
                return Err(UpstreamError::TooLarge { asked: asked.clone(), limit });
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes.freeze())
    };
    tokio::time::timeout(whole, read)
        .await
        .unwrap_or_else(|_| Err(UpstreamError::Timeout { asked: asked.clone(), stage: "whole body", limit: whole }))
}
