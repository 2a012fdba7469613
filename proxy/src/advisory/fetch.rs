//! Gets files from a directory or over HTTP, where they changed since they were had last.
//!
//! Over HTTP a body goes into a nameless file, so a fetch that breaks leaves nothing behind. A body that ends before its length, and
//! one that stops coming, are errors.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION};
use hyper::{Request, Response, StatusCode};
use url::Url;
use weir_storage::index::Validators;

use crate::http::chain;
use crate::upstream::{HttpClient, plain_client};

/// Without a byte for this long, a fetch has failed.
const IDLE: Duration = Duration::from_secs(60);
/// Redirects followed one after another.
const MAX_REDIRECTS: usize = 5;

/// Why a source or a file of it cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// None of the forms a source has.
    #[error(
        "{0:?} is neither a directory, nor an http or https URL, nor an artifact (oci:DIR[:TAG], oci://HOST/REPOSITORY[:TAG])"
    )]
    Unknown(String),
    /// An artifact cannot be had, or is none of advisories.
    #[error("{place}: {detail}")]
    Artifact {
        /// Where it is.
        place: String,
        /// What is wrong.
        detail: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The client cannot be made.
    #[error("no client for {url}: {detail}")]
    Client {
        /// The source.
        url: Url,
        /// Why.
        detail: String,
    },
    /// The server cannot be reached or broke off.
    #[error("{url}: {detail}")]
    Http {
        /// What was asked for.
        url: Url,
        /// What went wrong.
        detail: String,
    },
}

/// What asking for a file gave.
pub(super) enum Fetched {
    /// It is the version that is known.
    Unchanged,
    /// There is none.
    Absent,
    /// The file, at its beginning.
    File(FetchedFile),
}

/// A file with what its source says to recognise this version of it by.
pub struct FetchedFile {
    /// The bytes.
    pub file: File,
    /// For the next conditional request.
    pub validators: Validators,
}

/// Opens a file. Its size and the time of its last change stand in for an entity tag.
pub(super) fn open(path: &Path, known: &Validators) -> Result<Fetched, SourceError> {
    let failed = |source| SourceError::Io { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Fetched::Absent),
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().map_err(failed)?;
    let etag = format!("file {} {}.{}", metadata.len(), metadata.mtime(), metadata.mtime_nsec());
    if known.etag.as_deref() == Some(&etag) {
        return Ok(Fetched::Unchanged);
    }
    Ok(Fetched::File(FetchedFile { file, validators: Validators { etag: Some(etag), last_modified: None } }))
}

/// `base` with path segments added, each encoded.
pub(super) fn join(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// Fetches over HTTP.
#[derive(Clone)]
pub(super) struct Fetcher {
    client: HttpClient,
    scratch: PathBuf,
    idle: Duration,
}

impl Fetcher {
    /// One whose files pass through `scratch`. `url` is what it is for; nothing is contacted.
    pub(super) fn new(url: &Url, scratch: PathBuf) -> Result<Self, SourceError> {
        let client =
            plain_client().map_err(|error| SourceError::Client { url: url.clone(), detail: error.to_string() })?;
        Ok(Self { client, scratch, idle: IDLE })
    }

    /// The same with another limit of silence.
    pub(super) fn with_idle(self, idle: Duration) -> Self {
        Self { idle, ..self }
    }

    /// The file at `url`, at most `limit` bytes of it, unless it is the version that is `known`.
    pub(super) async fn file(&self, url: &Url, limit: u64, known: &Validators) -> Result<Fetched, SourceError> {
        let unwritable = |source| SourceError::Io { path: self.scratch.clone(), source };
        let mut file = tempfile::tempfile_in(&self.scratch).map_err(unwritable)?;
        // A few hundred KiB at a time into the page cache: too short to be worth another thread.
        let fetched = self.body(url, limit, known, |bytes| file.write_all(bytes).map_err(unwritable)).await?;
        Ok(match fetched {
            Body::Unchanged => Fetched::Unchanged,
            Body::Absent => Fetched::Absent,
            Body::Whole(validators) => {
                file.seek(SeekFrom::Start(0)).map_err(unwritable)?;
                Fetched::File(FetchedFile { file, validators })
            }
        })
    }

    /// The bytes at `url`, at most `limit`; `None` where there is nothing.
    pub(super) async fn bytes(&self, url: &Url, limit: u64) -> Result<Option<Vec<u8>>, SourceError> {
        let (mut all, unknown) = (Vec::new(), Validators::default());
        let fetched = self.body(url, limit, &unknown, |bytes| {
            all.extend_from_slice(bytes);
            Ok(())
        });
        let fetched = fetched.await?;
        Ok(matches!(fetched, Body::Whole(_)).then_some(all))
    }

    async fn body(
        &self,
        url: &Url,
        limit: u64,
        known: &Validators,
        mut take: impl FnMut(&[u8]) -> Result<(), SourceError>,
    ) -> Result<Body, SourceError> {
        let failed = |detail: String| SourceError::Http { url: url.clone(), detail };
        let response = self.follow(url, known).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED => return Ok(Body::Unchanged),
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(Body::Absent),
            status => return Err(failed(format!("answered {status}"))),
        }
        let header =
            |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let validators = Validators { etag: header(ETAG), last_modified: header(LAST_MODIFIED) };
        let (mut body, mut length) = (response.into_body(), 0_u64);
        loop {
            let frame = tokio::time::timeout(self.idle, body.frame()).await;
            let frame = frame.map_err(|_| failed(format!("no byte came for {} s", self.idle.as_secs_f64())))?;
            let Some(frame) = frame else { return Ok(Body::Whole(validators)) };
            let frame = frame.map_err(|error| failed(chain(&error)))?;
            let Some(bytes) = frame.data_ref() else { continue };
            length += bytes.len() as u64;
            if length > limit {
                return Err(failed(format!("it is over {limit} bytes")));
            }
            take(bytes)?;
        }
    }

    /// The answer at the end of redirects, of which none leads from https to http.
    async fn follow(&self, url: &Url, known: &Validators) -> Result<Response<Incoming>, SourceError> {
        let failed = |detail: String| SourceError::Http { url: url.clone(), detail };
        let mut at = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.get(&at, known).await?;
            let redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            if !redirect {
                return Ok(response);
            }
            let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let target = target.and_then(|target| at.join(target).ok());
            let target = target.ok_or_else(|| failed("was redirected nowhere".into()))?;
            if !matches!(target.scheme(), "http" | "https") || (at.scheme() == "https" && target.scheme() == "http") {
                return Err(failed(format!("was redirected to {target}, which is less safe")));
            }
            at = target;
        }
        Err(failed(format!("was redirected more than {MAX_REDIRECTS} times")))
    }

    async fn get(&self, url: &Url, known: &Validators) -> Result<Response<Incoming>, SourceError> {
        let failed = |detail: String| SourceError::Http { url: url.clone(), detail };
        let mut request = Request::get(url.as_str());
        for (name, value) in [(IF_NONE_MATCH, &known.etag), (IF_MODIFIED_SINCE, &known.last_modified)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| failed(error.to_string()))?;
        let answer = tokio::time::timeout(self.idle, self.client.request(request)).await;
        let answer = answer.map_err(|_| failed(format!("no answer came for {} s", self.idle.as_secs_f64())))?;
        answer.map_err(|error| failed(chain(&error)))
    }
}

enum Body {
    Unchanged,
    Absent,
    Whole(Validators),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_blanks_are_encoded() {
        let base = Url::parse("https://feeds.example/osv/").unwrap();
        assert_eq!(
            join(&base, &["Azure Linux", "all.zip"]).as_str(),
            "https://feeds.example/osv/Azure%20Linux/all.zip"
        );
    }

    #[test]
    fn a_file_is_known_by_its_size_and_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("all.zip");
        std::fs::write(&path, b"x").unwrap();
        let Fetched::File(first) = open(&path, &Validators::default()).unwrap() else { panic!("not opened") };
        assert!(matches!(open(&path, &first.validators).unwrap(), Fetched::Unchanged));
        std::fs::write(&path, b"xy").unwrap();
        assert!(matches!(open(&path, &first.validators).unwrap(), Fetched::File(_)));
        assert!(matches!(open(&directory.path().join("none"), &first.validators).unwrap(), Fetched::Absent));
    }
}
