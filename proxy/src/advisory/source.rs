//! Where feeds come from: a directory or a URL laid out as the public OSV bucket, or an artifact of such files.
//!
//! `<Ecosystem>/all.zip` holds every record, `<Ecosystem>/modified_id.csv` the time of each, `<Ecosystem>/<ID>.json` one of them. A
//! directory need have only the archive; single records are then read out of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinSet;
use url::Url;
use weir_scanner::advisory::osv::MAX_RECORD_BYTES;
use weir_storage::index::Validators;

use super::artifact::Artifact;
use super::cve::CveSources;
use super::fetch::{Fetched, Fetcher, SourceError, join, open};
use super::records::{Records, Spool};
use crate::upstream::UpstreamClient;

/// Largest archive taken, in bytes: the bucket's largest is a few hundred MB.
const MAX_ARCHIVE: u64 = 4 << 30;
/// Largest list of changes, in bytes.
const MAX_CHANGES: u64 = 256 << 20;
/// Largest list of ecosystems, in bytes.
const MAX_LIST: u64 = 1 << 20;
/// Single records asked for at the same time.
const AT_ONCE: usize = 8;

/// A source of feeds.
#[derive(Clone)]
pub struct FeedSource(Kind);

#[derive(Clone)]
enum Kind {
    Directory(PathBuf),
    Url { base: Url, fetcher: Box<Fetcher>, scratch: PathBuf },
    Artifact(Artifact),
}

impl FeedSource {
    /// A directory.
    pub const fn directory(path: PathBuf) -> Self {
        Self(Kind::Directory(path))
    }

    /// A URL; files pass through `scratch`. Nothing is contacted yet.
    ///
    /// # Errors
    /// No client can be made: the system's certificate authorities cannot be read.
    pub fn url(base: Url, scratch: PathBuf) -> Result<Self, SourceError> {
        let fetcher = Box::new(Fetcher::new(&base, scratch.clone())?);
        Ok(Self(Kind::Url { base, fetcher, scratch }))
    }

    /// An artifact in a registry: `HOST/REPOSITORY[:TAG][@DIGEST]`, `HOST` being one of `registries`. Nothing is contacted yet.
    ///
    /// # Errors
    /// It is no reference, or to a registry that is none of these.
    pub fn artifact(text: &str, registries: &[UpstreamClient], scratch: PathBuf) -> Result<Self, SourceError> {
        Ok(Self(Kind::Artifact(Artifact::registry(text, registries, scratch)?)))
    }

    /// What a person wrote: a URL, an artifact in a layout or one of the registries, or a directory that is there.
    ///
    /// # Errors
    /// It is none of them, or no client can be made for it.
    pub fn parse(text: &str, scratch: &Path, registries: &[UpstreamClient]) -> Result<Self, SourceError> {
        if let Some(reference) = text.strip_prefix("oci://") {
            return Self::artifact(reference, registries, scratch.to_owned());
        }
        if let Some(layout) = text.strip_prefix("oci:") {
            return Ok(Self(Kind::Artifact(Artifact::layout(layout, scratch.to_owned()))));
        }
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Self::url(url, scratch.to_owned()),
            _ if Path::new(text).is_dir() => Ok(Self::directory(text.into())),
            _ => Err(SourceError::Unknown(text.to_owned())),
        }
    }

    /// The same source, which gives up a server that sends nothing for `idle`.
    pub fn with_idle(self, idle: Duration) -> Self {
        match self.0 {
            Kind::Url { base, fetcher, scratch } => {
                Self(Kind::Url { base, fetcher: Box::new(fetcher.with_idle(idle)), scratch })
            }
            other @ (Kind::Directory(_) | Kind::Artifact(_)) => Self(other),
        }
    }

    /// Where it is, for people and to tell one source's validators from another's.
    pub fn location(&self) -> String {
        match &self.0 {
            Kind::Directory(path) => path.display().to_string(),
            Kind::Url { base, .. } => base.to_string(),
            Kind::Artifact(artifact) => artifact.location(),
        }
    }

    /// The sources of what is known of single CVEs: those of the settings, and for each that these leave out what an artifact brings.
    ///
    /// # Errors
    /// The artifact's manifest cannot be had.
    pub(super) async fn cves(&self, set: &CveSources) -> Result<CveSources, SourceError> {
        match &self.0 {
            Kind::Directory(_) | Kind::Url { .. } => Ok(set.clone()),
            Kind::Artifact(artifact) => set.completed(artifact).await,
        }
    }

    /// Whether it is an artifact.
    pub(super) const fn is_artifact(&self) -> bool {
        matches!(self.0, Kind::Artifact(_))
    }

    /// The ecosystems the source has, sorted.
    ///
    /// # Errors
    /// The directory or `ecosystems.txt` cannot be read.
    pub async fn ecosystems(&self) -> Result<Vec<String>, SourceError> {
        let mut names = match &self.0 {
            Kind::Directory(path) => folders(path)?,
            Kind::Artifact(artifact) => artifact.contents().await?.ecosystems(),
            Kind::Url { base, fetcher, .. } => {
                let url = join(base, &["ecosystems.txt"]);
                let absent = || SourceError::Http { url: url.clone(), detail: "there is none".into() };
                let bytes = fetcher.bytes(&url, MAX_LIST).await?.ok_or_else(absent)?;
                let text = String::from_utf8_lossy(&bytes);
                text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
            }
        };
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The archive of one ecosystem, unless it is the version that is `known`.
    pub(super) async fn archive(&self, ecosystem: &str, known: &Validators) -> Result<Fetched, SourceError> {
        self.file(ecosystem, "all.zip", MAX_ARCHIVE, known).await
    }

    /// The list of changes of one ecosystem, unless it is the version that is `known`.
    pub(super) async fn list(&self, ecosystem: &str, known: &Validators) -> Result<Fetched, SourceError> {
        self.file(ecosystem, "modified_id.csv", MAX_CHANGES, known).await
    }

    async fn file(&self, ecosystem: &str, name: &str, limit: u64, known: &Validators) -> Result<Fetched, SourceError> {
        match &self.0 {
            Kind::Directory(path) => open(&path.join(ecosystem).join(name), known),
            Kind::Url { base, fetcher, .. } => fetcher.file(&join(base, &[ecosystem, name]), limit, known).await,
            Kind::Artifact(artifact) => artifact.file(&format!("{ecosystem}/{name}"), limit, known).await,
        }
    }

    /// Gets the single records `ids`. Those that cannot be had are missing from the answer; nothing else may be.
    pub(super) async fn records(&self, ecosystem: &str, ids: Vec<String>) -> Result<Records, SourceError> {
        let (base, fetcher, scratch) = match &self.0 {
            Kind::Directory(path) => return Ok(Records::folder(path.join(ecosystem), ids)),
            Kind::Artifact(artifact) => {
                let title = format!("{ecosystem}/all.zip");
                return match artifact.file(&title, MAX_ARCHIVE, &Validators::default()).await? {
                    Fetched::File(archive) => Ok(Records::archive(archive.file, title, ids)),
                    Fetched::Absent | Fetched::Unchanged => {
                        let place = artifact.location();
                        Err(SourceError::Artifact { place, detail: format!("it lists records, but has no {title}") })
                    }
                };
            }
            Kind::Url { base, fetcher, scratch } => (base, fetcher, scratch),
        };
        let mut spool = Spool::new(scratch)?;
        let mut asked = JoinSet::new();
        let mut ids = ids.into_iter();
        loop {
            while asked.len() < AT_ONCE
                && let Some(id) = ids.next()
            {
                let (url, fetcher) = (join(base, &[ecosystem, &format!("{id}.json")]), fetcher.clone());
                asked.spawn(async move {
                    let bytes = fetcher.bytes(&url, MAX_RECORD_BYTES as u64).await;
                    bytes.map(|bytes| (id, bytes))
                });
            }
            let Some(answer) = asked.join_next().await else { return Ok(Records::spooled(spool)) };
            // They are aborted by this function's own end alone, so what is left is a panic.
            let (id, bytes) = answer.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
            if let Some(bytes) = bytes {
                spool.push(id, &bytes)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_lists_its_feeds() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["PyPI", "Azure Linux"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
            std::fs::write(directory.path().join(name).join("all.zip"), b"x").unwrap();
        }
        std::fs::create_dir(directory.path().join("empty")).unwrap();
        let mut names = folders(directory.path()).unwrap();
        names.sort();
        assert_eq!(names, ["Azure Linux", "PyPI"]);
    }
}
