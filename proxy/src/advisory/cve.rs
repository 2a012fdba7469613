//! Keeps what is known of single CVEs fresh: CISA's catalogue, FIRST's scores, CVSS vectors.
//!
//! Each source is a file, plain or gzipped, fetched by conditional requests; the vectors may also be one file for each year, as NVD
//! publishes them. A refresh that fails leaves the stored set and its reason beside it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::bufread::MultiGzDecoder;
use url::Url;
use weir_config::Source;
use weir_scanner::advisory::epss::CsvError;
use weir_scanner::advisory::{cve_score, epss, kev};
use weir_storage::index::{CveCounts, CveFinish, CveImport, CveImportError, CveKind, Index, IndexError, Validators};

use super::artifact::{Artifact, CVSS, EPSS, KEV};
use super::fetch::{Fetched, FetchedFile, Fetcher, SourceError, join, open};

/// Largest file taken, in bytes.
const MAX_FILE: u64 = 512 << 20;
/// Most bytes read out of one file once it is decompressed; NVD's largest year has some 300 MB.
const MAX_UNPACKED: u64 = 4 << 30;
/// The first year NVD has a file of.
const FIRST_YEAR: u16 = 2002;

/// Where a source of CVEs is.
#[derive(Clone)]
pub struct CveSource(Place);

#[derive(Clone)]
enum Place {
    Path(PathBuf),
    Url(Url, Box<Fetcher>),
    /// A file of an artifact, or a folder of such files.
    Artifact {
        artifact: Artifact,
        title: String,
        is_folder: bool,
    },
}

/// The configured sources.
#[derive(Clone, Default)]
pub struct CveSources {
    /// CISA's catalogue of known exploited vulnerabilities.
    pub kev: Option<CveSource>,
    /// FIRST's exploit prediction scores.
    pub epss: Option<CveSource>,
    /// CVSS vectors: a table, an NVD file, or a place with NVD's yearly files.
    pub scores: Option<CveSource>,
}

/// What a refresh of one source came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CveRefreshed {
    /// The source has nothing newer.
    Unchanged,
    /// Its set was replaced.
    Imported(CveCounts),
    /// It failed, and why.
    Failed(String),
}

/// Why a refresh failed.
#[derive(Debug, thiserror::Error)]
enum CveError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{0} is not there")]
    Absent(String),
    #[error("{0} holds no file nvdcve-2.0-<year>.json.gz")]
    NoYears(String),
    #[error("it cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("it is not what it should be: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it is not what it should be: {0}")]
    Csv(#[from] CsvError),
    #[error(transparent)]
    Import(#[from] CveImportError),
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl CveSource {
    /// A source at `place`; what comes over HTTP passes through files in `scratch`. Nothing is contacted yet.
    ///
    /// # Errors
    /// No client can be made for a URL.
    pub fn new(place: Source, scratch: PathBuf) -> Result<Self, SourceError> {
        Ok(Self(match place {
            Source::Url(url) => {
                let fetcher = Box::new(Fetcher::new(&url, scratch)?);
                Place::Url(url, fetcher)
            }
            Source::Directory(path) => Place::Path(path),
            Source::Artifact(text) => return Err(SourceError::Unknown(text)),
        }))
    }

    /// The same source, which gives up a server that sends nothing for `idle`.
    pub fn with_idle(self, idle: Duration) -> Self {
        match self.0 {
            Place::Url(url, fetcher) => Self(Place::Url(url, Box::new(fetcher.with_idle(idle)))),
            other => Self(other),
        }
    }

    /// Whether it is a place of many files rather than a file.
    pub(super) fn is_folder(&self) -> bool {
        match &self.0 {
            Place::Path(path) => path.is_dir(),
            Place::Url(url, _) => {
                let last = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
                ![".json", ".csv", ".gz"].iter().any(|end| last.ends_with(end))
            }
            Place::Artifact { is_folder, .. } => *is_folder,
        }
    }

    /// The file `name` in the place.
    fn inside(&self, name: &str) -> Self {
        Self(match &self.0 {
            Place::Path(path) => Place::Path(path.join(name)),
            Place::Url(url, fetcher) => Place::Url(join(url, &[name]), fetcher.clone()),
            Place::Artifact { artifact, title, .. } => {
                Place::Artifact { artifact: artifact.clone(), title: format!("{title}/{name}"), is_folder: false }
            }
        })
    }

    fn location(&self) -> String {
        match &self.0 {
            Place::Path(path) => path.display().to_string(),
            Place::Url(url, _) => url.to_string(),
            Place::Artifact { artifact, title, .. } => format!("{} {title}", artifact.location()),
        }
    }

    async fn file(&self, known: &Validators) -> Result<Fetched, SourceError> {
        match &self.0 {
            Place::Path(path) => open(path, known),
            Place::Url(url, fetcher) => fetcher.file(url, MAX_FILE, known).await,
            Place::Artifact { artifact, title, .. } => artifact.file(title, MAX_FILE, known).await,
        }
    }

    /// The files of the source as they are, with their names.
    pub(super) async fn files(&self, now: i64) -> Result<Vec<(String, File)>, SourceError> {
        let mut files = Vec::new();
        let names: Vec<String> = if self.is_folder() {
            (FIRST_YEAR..=year_of(now)).flat_map(year_names).collect()
        } else {
            let location = self.location();
            let name = location.rsplit('/').next().unwrap_or_default().to_owned();
            let name = if name.is_empty() { "file".to_owned() } else { name };
            let Fetched::File(file) = self.file(&Validators::default()).await? else {
                return Err(SourceError::Artifact { place: location, detail: "it is not there".to_owned() });
            };
            return Ok(vec![(name, file.file)]);
        };
        for name in names {
            if let Fetched::File(file) = self.inside(&name).file(&Validators::default()).await? {
                files.push((name, file.file));
            }
        }
        Ok(files)
    }
}

impl CveSources {
    /// The same, with what an artifact brings where nothing is set.
    pub(super) async fn completed(&self, artifact: &Artifact) -> Result<Self, SourceError> {
        let contents = artifact.contents().await?;
        let file = |folder| {
            let title = contents.folder(folder).next()?.to_owned();
            Some(CveSource(Place::Artifact { artifact: artifact.clone(), title, is_folder: false }))
        };
        let years = || {
            let is_years = contents.folder(CVSS).any(|title| title.contains("/nvdcve-"));
            let title = CVSS.to_owned();
            is_years.then(|| CveSource(Place::Artifact { artifact: artifact.clone(), title, is_folder: true }))
        };
        Ok(Self {
            kev: self.kev.clone().or_else(|| file(KEV)),
            epss: self.epss.clone().or_else(|| file(EPSS)),
            scores: self.scores.clone().or_else(years).or_else(|| file(CVSS)),
        })
    }
}

/// Refreshes every configured source at `now` (seconds since the epoch); each one's outcome comes with what it tells.
pub async fn refresh_cves(index: &Index, sources: &CveSources, now: i64) -> Vec<(CveKind, CveRefreshed)> {
    let mut outcomes = Vec::new();
    for (kind, source) in [(CveKind::Kev, &sources.kev), (CveKind::Epss, &sources.epss)] {
        if let Some(source) = source {
            outcomes.push((kind, refresh_cve(index, kind, source, now).await));
        }
    }
    match &sources.scores {
        Some(source) if source.is_folder() => outcomes.extend(refresh_years(index, source, now).await),
        Some(source) => outcomes.push((CveKind::Scores, refresh_cve(index, CveKind::Scores, source, now).await)),
        None => {}
    }
    outcomes
}

/// Refreshes the yearly files of a place. A year whose file is not there, as the newest in early January, is passed over.
async fn refresh_years(index: &Index, source: &CveSource, now: i64) -> Vec<(CveKind, CveRefreshed)> {
    let mut outcomes = Vec::new();
    for year in FIRST_YEAR..=year_of(now) {
        let kind = CveKind::YearScores(year);
        for name in year_names(year) {
            match refresh(index, kind, &source.inside(&name), now).await {
                Err(CveError::Absent(_)) => {}
                outcome => {
                    outcomes.push((kind, kept(index, kind, outcome, now).await));
                    break;
                }
            }
        }
    }
    if outcomes.is_empty() {
        let outcome = Err(CveError::NoYears(source.location()));
        outcomes.push((CveKind::Scores, kept(index, CveKind::Scores, outcome, now).await));
    }
    outcomes
}

/// Refreshes one source from one file at `now` (seconds since the epoch).
pub async fn refresh_cve(index: &Index, kind: CveKind, source: &CveSource, now: i64) -> CveRefreshed {
    let outcome = refresh(index, kind, source, now).await;
    kept(index, kind, outcome, now).await
}

/// The outcome, with the reason of a failure kept beside what is stored.
async fn kept(index: &Index, kind: CveKind, outcome: Result<CveRefreshed, CveError>, now: i64) -> CveRefreshed {
    let error = match outcome {
        Ok(outcome) => return outcome,
        Err(error) => error.to_string(),
    };
    let reason = error.clone();
    match index.run(move |index| index.cves().failed(kind, now, &reason)).await {
        Ok(()) => CveRefreshed::Failed(error),
        Err(unkept) => CveRefreshed::Failed(format!("{error}; and the index: {unkept}")),
    }
}

async fn refresh(index: &Index, kind: CveKind, source: &CveSource, now: i64) -> Result<CveRefreshed, CveError> {
    let location = source.location();
    let stored = index.run(move |index| index.cves().source(kind)).await?.unwrap_or_default();
    let known = if stored.location.as_deref() == Some(&location) { stored.validators } else { Default::default() };
    let began = Instant::now();
    let fetched = source.file(&known).await?;
    // What was found while it came was found before it.
    let now = now.saturating_add(i64::try_from(began.elapsed().as_secs()).unwrap_or_default());
    match fetched {
        Fetched::Absent => Err(CveError::Absent(location)),
        Fetched::Unchanged => {
            index.run(move |index| index.cves().unchanged(kind, now)).await?;
            Ok(CveRefreshed::Unchanged)
        }
        Fetched::File(file) => {
            let counts = index.run(move |index| import(index, kind, file, location, now));
            Ok(CveRefreshed::Imported(counts.await?))
        }
    }
}

/// Replaces the set of a source by what a file holds. Blocks.
fn import(
    index: &Index,
    kind: CveKind,
    fetched: FetchedFile,
    location: String,
    now: i64,
) -> Result<CveCounts, CveError> {
    let FetchedFile { file, validators } = fetched;
    let mut import = index.cves().begin(kind)?;
    let as_of = read(&mut import, kind, file)?;
    Ok(import.finish(CveFinish { as_of, location, validators, now })?)
}

/// Reads a file into `import`; returns the time it says it is of.
fn read(import: &mut CveImport, kind: CveKind, file: File) -> Result<Option<String>, CveError> {
    let mut reader = unpacked(file)?;
    let as_of = match kind {
        CveKind::Kev => kev::read(reader, |cve, entry| import.put_kev(&cve, &entry))??,
        CveKind::Epss => epss::read(reader, |cve, score| import.put_epss(cve, score))??,
        CveKind::Scores | CveKind::YearScores(_) => {
            // A JSON document begins with a brace, the table with its header's name.
            if reader.fill_buf()?.first() == Some(&b'c') {
                cve_score::read_table(reader, |cve, ratings| import.put_ratings(&cve, ratings))??;
                None
            } else {
                cve_score::read_nvd(reader, |cve, ratings| import.put_ratings(&cve, ratings))??
            }
        }
    };
    Ok(as_of)
}

/// The bytes of a file, decompressed where it is gzipped, up to a limit; a longer one ends as a cut one does.
fn unpacked(file: File) -> std::io::Result<BufReader<Box<dyn Read>>> {
    let mut reader = BufReader::with_capacity(64 << 10, file);
    let gzipped = reader.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let reader: Box<dyn Read> = if gzipped {
        Box::new(MultiGzDecoder::new(reader).take(MAX_UNPACKED))
    } else {
        Box::new(reader.take(MAX_UNPACKED))
    };
    Ok(BufReader::with_capacity(64 << 10, reader))
}

/// What NVD calls the file of a year, packed and not.
fn year_names(year: u16) -> [String; 2] {
    [format!("nvdcve-2.0-{year}.json.gz"), format!("nvdcve-2.0-{year}.json")]
}

fn year_of(now: i64) -> u16 {
    let year = time::OffsetDateTime::from_unix_timestamp(now).map_or(0, |time| time.year());
    u16::try_from(year).unwrap_or_default()
}

/// The place of a file or directory, for commands and tests.
impl From<&Path> for CveSource {
    fn from(path: &Path) -> Self {
        Self(Place::Path(path.to_owned()))
    }
}
