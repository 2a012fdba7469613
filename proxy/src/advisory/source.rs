//! Where feeds come from: a directory or a URL laid out as the public OSV bucket, `<Ecosystem>/all.zip`.
//!
//! Over HTTP the archive is fetched with conditional requests into a nameless file, so a fetch that breaks leaves nothing behind.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use hyper::{Request, Response, StatusCode};
use url::Url;
use weir_storage::index::ImportRecord;

use super::import::FeedArchive;
use crate::upstream::{HttpClient, plain_client};

/// Largest archive taken, in bytes: the bucket's largest is a few hundred MB.
const MAX_ARCHIVE: u64 = 4 << 30;
/// Largest list of ecosystems, in bytes.
const MAX_LIST: usize = 1 << 20;
/// Without a byte for this long, a fetch has failed.
const IDLE: Duration = Duration::from_secs(60);

/// Why a source or a feed of it cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Neither a directory that is there nor an http or https URL.
    #[error("{0:?} is neither a directory nor an http or https URL")]
    Unknown(String),
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

/// A source of feeds.
#[derive(Clone)]
pub struct FeedSource(Kind);

#[derive(Clone)]
enum Kind {
    Directory(PathBuf),
    Url { base: Url, client: Box<HttpClient>, scratch: PathBuf },
}

/// What asking for one feed gave.
pub(super) enum Fetched {
    /// What is stored is what the source has.
    Unchanged,
    /// The source has no feed of this name.
    Absent,
    /// The archive.
    Archive(FeedArchive),
}

impl FeedSource {
    /// A directory.
    pub const fn directory(path: PathBuf) -> Self {
        Self(Kind::Directory(path))
    }

    /// A URL; archives pass through files in `scratch`. Nothing is contacted yet.
    ///
    /// # Errors
    /// No client can be made: the system's certificate authorities cannot be read.
    pub fn url(base: Url, scratch: PathBuf) -> Result<Self, SourceError> {
        let client =
            plain_client().map_err(|error| SourceError::Client { url: base.clone(), detail: error.to_string() })?;
        Ok(Self(Kind::Url { base, client: Box::new(client), scratch }))
    }

    /// What a person wrote: a URL, or a directory that is there.
    ///
    /// # Errors
    /// It is neither, or no client can be made for it.
    pub fn parse(text: &str, scratch: &Path) -> Result<Self, SourceError> {
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Self::url(url, scratch.to_owned()),
            _ if Path::new(text).is_dir() => Ok(Self::directory(text.into())),
            _ => Err(SourceError::Unknown(text.to_owned())),
        }
    }

    /// The ecosystems the source has, sorted.
    ///
    /// # Errors
    /// The directory or `ecosystems.txt` cannot be read.
    pub async fn ecosystems(&self) -> Result<Vec<String>, SourceError> {
        let mut names = match &self.0 {
            Kind::Directory(path) => folders(path)?,
            Kind::Url { base, client, .. } => listed(client, &join(base, &["ecosystems.txt"])).await?,
        };
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The archive of one ecosystem, unless it is what was imported last.
    pub(super) async fn fetch(&self, ecosystem: &str, known: Option<&ImportRecord>) -> Result<Fetched, SourceError> {
        match &self.0 {
            Kind::Directory(path) => open(&path.join(ecosystem).join("all.zip"), known),
            Kind::Url { base, client, scratch } => {
                download(client, &join(base, &[ecosystem, "all.zip"]), scratch, known).await
            }
        }
    }
}

fn folders(path: &Path) -> Result<Vec<String>, SourceError> {
    let failed = |source| SourceError::Io { path: path.to_owned(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if let (true, Ok(name)) = (entry.path().join("all.zip").is_file(), entry.file_name().into_string()) {
            names.push(name);
        }
    }
    Ok(names)
}

/// A file's identity stands in for an entity tag: its size and the time of its last change.
fn open(path: &Path, known: Option<&ImportRecord>) -> Result<Fetched, SourceError> {
    let failed = |source| SourceError::Io { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Fetched::Absent),
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().map_err(failed)?;
    let etag = format!("file {} {}.{}", metadata.len(), metadata.mtime(), metadata.mtime_nsec());
    if known.is_some_and(|known| known.etag.as_deref() == Some(&etag)) {
        return Ok(Fetched::Unchanged);
    }
    Ok(Fetched::Archive(FeedArchive { file, etag: Some(etag), last_modified: None }))
}

/// `base` with path segments added, each encoded.
fn join(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

async fn get(client: &HttpClient, url: &Url, known: Option<&ImportRecord>) -> Result<Response<Incoming>, SourceError> {
    let failed = |detail: String| SourceError::Http { url: url.clone(), detail };
    let mut request = Request::get(url.as_str());
    let conditions = [
        (IF_NONE_MATCH, known.and_then(|known| known.etag.as_ref())),
        (IF_MODIFIED_SINCE, known.and_then(|known| known.last_modified.as_ref())),
    ];
    for (name, value) in conditions {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| failed(error.to_string()))?;
    let answer = tokio::time::timeout(IDLE, client.request(request)).await;
    answer.map_err(|_| failed("no answer within a minute".into()))?.map_err(|error| failed(chain(&error)))
}

async fn listed(client: &HttpClient, url: &Url) -> Result<Vec<String>, SourceError> {
    let failed = |detail: String| SourceError::Http { url: url.clone(), detail };
    let response = get(client, url, None).await?;
    if response.status() != StatusCode::OK {
        return Err(failed(format!("answered {}", response.status())));
    }
    let body = http_body_util::Limited::new(response.into_body(), MAX_LIST).collect();
    let bytes = tokio::time::timeout(IDLE, body).await.map_err(|_| failed("the list stopped coming".into()))?;
    let bytes = bytes.map_err(|error| failed(error.to_string()))?.to_bytes();
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

async fn download(
    client: &HttpClient,
    url: &Url,
    scratch: &Path,
    known: Option<&ImportRecord>,
) -> Result<Fetched, SourceError> {
    let failed = |detail: String| SourceError::Http { url: url.clone(), detail };
    let response = get(client, url, known).await?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED => return Ok(Fetched::Unchanged),
        StatusCode::NOT_FOUND => return Ok(Fetched::Absent),
        status => return Err(failed(format!("answered {status}"))),
    }
    let header =
        |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (etag, last_modified) = (header(ETAG), header(LAST_MODIFIED));
    let unwritable = |source| SourceError::Io { path: scratch.to_owned(), source };
    let mut file = tempfile::tempfile_in(scratch).map_err(unwritable)?;
    let (mut body, mut length) = (response.into_body(), 0_u64);
    loop {
        let frame =
            tokio::time::timeout(IDLE, body.frame()).await.map_err(|_| failed("the archive stopped coming".into()))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| failed(chain(&error)))?;
        let Some(bytes) = frame.data_ref() else { continue };
        length += bytes.len() as u64;
        if length > MAX_ARCHIVE {
            return Err(failed(format!("the archive is over {MAX_ARCHIVE} bytes")));
        }
        // A few hundred KiB at a time into the page cache: too short to be worth another thread.
        file.write_all(bytes).map_err(unwritable)?;
    }
    file.seek(SeekFrom::Start(0)).map_err(unwritable)?;
    Ok(Fetched::Archive(FeedArchive { file, etag, last_modified }))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_lists_its_feeds_and_knows_what_was_imported() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["PyPI", "Azure Linux"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
            std::fs::write(directory.path().join(name).join("all.zip"), b"x").unwrap();
        }
        std::fs::create_dir(directory.path().join("empty")).unwrap();
        let mut names = folders(directory.path()).unwrap();
        names.sort();
        assert_eq!(names, ["Azure Linux", "PyPI"]);
        let path = directory.path().join("PyPI/all.zip");
        let Fetched::Archive(archive) = open(&path, None).unwrap() else { panic!("not fetched") };
        let known = ImportRecord { etag: archive.etag, ..ImportRecord::default() };
        assert!(matches!(open(&path, Some(&known)).unwrap(), Fetched::Unchanged));
        std::fs::write(&path, b"xy").unwrap();
        assert!(matches!(open(&path, Some(&known)).unwrap(), Fetched::Archive(_)));
        assert!(matches!(open(&directory.path().join("npm/all.zip"), None).unwrap(), Fetched::Absent));
    }

    #[test]
    fn names_with_blanks_are_encoded() {
        let base = Url::parse("https://feeds.example/osv/").unwrap();
        assert_eq!(
            join(&base, &["Azure Linux", "all.zip"]).as_str(),
            "https://feeds.example/osv/Azure%20Linux/all.zip"
        );
    }
}
