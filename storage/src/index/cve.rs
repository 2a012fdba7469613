//! What is known of single CVEs beside the advisories: known exploitation, the likelihood of it, and CVSS vectors.
//!
//! Owns the sets of the sources and their replacement. A set is written under a generation of its own and becomes the current one in
//! a single batch, so a reader sees the old set or the new one, whenever an import is cut. Rows of any other generation are
//! leftovers that the next import of the source removes.

use std::collections::HashSet;
use std::fmt;

use weir_scanner::advisory::Rating;
use weir_scanner::advisory::epss::EpssScore;
use weir_scanner::advisory::kev::KevEntry;

use super::cve_import::{BATCH_ROWS, CveImport};
use super::engine::{Batch, Scan, Table};
use super::import_record::{SourceFailure, Validators};
use super::touched::{Touch, note_one};
use super::{Index, IndexError, decode_key, exploitation, key, lock, record};

/// The first year NVD has a file of; older CVEs are in it.
const FIRST_YEAR: u16 = 2002;

/// What a source tells of CVEs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CveKind {
    /// That it is known to be exploited.
    Kev,
    /// How likely it is to be.
    Epss,
    /// How severe it is, in one file.
    Scores,
    /// How severe it is, in one file for each year.
    YearScores(u16),
}

impl CveKind {
    /// The source of the year whose file a CVE is in, after the year in its id.
    fn year_of(cve: &str) -> Option<Self> {
        let year: u16 = cve.strip_prefix("CVE-")?.get(..4)?.parse().ok()?;
        Some(Self::YearScores(year.max(FIRST_YEAR)))
    }

    /// Its name on disk.
    pub(super) fn key(self) -> String {
        match self {
            Self::Kev => "kev".to_owned(),
            Self::Epss => "epss".to_owned(),
            Self::Scores => "cvss".to_owned(),
            Self::YearScores(year) => format!("cvss-{year:04}"),
        }
    }

    fn parse(key: &str) -> Option<Self> {
        match key {
            "kev" => Some(Self::Kev),
            "epss" => Some(Self::Epss),
            "cvss" => Some(Self::Scores),
            _ => key.strip_prefix("cvss-")?.parse().ok().map(Self::YearScores),
        }
    }

    /// What it tells, in the report: `kev`, `epss` or `cvss`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kev => "kev",
            Self::Epss => "epss",
            Self::Scores | Self::YearScores(_) => "cvss",
        }
    }

    /// Whether its rows are ratings.
    pub(super) const fn is_scores(self) -> bool {
        matches!(self, Self::Scores | Self::YearScores(_))
    }
}

impl fmt::Display for CveKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key())
    }
}

/// What is known of one CVE.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CveRecord {
    /// The catalogue's entry, where it has one.
    pub known_exploited: Option<KevEntry>,
    /// The likelihood of exploitation, where it was computed.
    pub epss: Option<EpssScore>,
    /// CVSS vectors with who gave them.
    pub ratings: Vec<Rating>,
}

/// The state of a source's refreshes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CveState {
    /// The generation of the set that is read.
    pub current: Option<u64>,
    /// The generation of the import that began last.
    pub generation: u64,
    /// CVEs in the current set.
    pub records: u64,
    /// The time the set says it is of, as it writes it.
    pub as_of: Option<String>,
    /// When the source last answered, with a new set or none, seconds since the epoch.
    pub fetched_at: Option<i64>,
    /// Where it was fetched from.
    pub location: Option<String>,
    /// What to recognise the current set by.
    pub validators: Validators,
    /// Why the last refresh failed; `None` after one that did not.
    pub failure: Option<SourceFailure>,
}

/// A source with its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CveSourceRecord {
    /// What it tells.
    pub kind: CveKind,
    /// How its refreshes went.
    pub state: CveState,
}

/// The tables of CVEs.
pub struct Cves<'a> {
    index: &'a Index,
}

impl<'a> Cves<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// What is known of a CVE; empty where nothing is.
    pub fn get(&self, cve: &str) -> Result<CveRecord, IndexError> {
        Ok(CveRecord {
            known_exploited: self.row(CveKind::Kev, cve)?,
            epss: self.row(CveKind::Epss, cve)?,
            ratings: self.ratings(cve)?,
        })
    }

    /// Every CVE that is known to be exploited.
    pub fn known_exploited(&self) -> Result<HashSet<String>, IndexError> {
        let current = || Ok::<_, IndexError>(self.source(CveKind::Kev)?.and_then(|state| state.current));
        let mut generation = current()?;
        loop {
            let Some(read) = generation else { return Ok(HashSet::new()) };
            let scan = Scan::prefix(Table::Cves, key::encode(&(CveKind::Kev.key(), read))).keys_only();
            let names = self.index.rows(scan).map(|row| {
                let (_, _, cve): (String, u64, String) = decode_key(Table::Cves, &row?.key)?;
                Ok(cve)
            });
            let names = names.collect::<Result<_, IndexError>>()?;
            // The set may have been replaced, and swept, while it was read.
            generation = current()?;
            if generation == Some(read) {
                return Ok(names);
            }
        }
    }

    /// The likelihood that a CVE is exploited, where it was computed.
    pub fn likelihood(&self, cve: &str) -> Result<Option<EpssScore>, IndexError> {
        self.row(CveKind::Epss, cve)
    }

    /// What is known of several, in their order; empty where nothing is.
    pub fn get_all(&self, cves: &[&str]) -> Result<Vec<CveRecord>, IndexError> {
        cves.iter().map(|cve| self.get(cve)).collect()
    }

    /// The CVSS vectors of a CVE from the score sources, each with who gave it.
    pub fn ratings(&self, cve: &str) -> Result<Vec<Rating>, IndexError> {
        let mut ratings = Vec::new();
        for kind in [Some(CveKind::Scores), CveKind::year_of(cve)].into_iter().flatten() {
            let CveRatings(row) = self.row(kind, cve)?.unwrap_or_default();
            ratings.extend(row);
        }
        Ok(ratings)
    }

    /// Every source there has been, with its state.
    pub fn sources(&self) -> Result<Vec<CveSourceRecord>, IndexError> {
        let mut sources = Vec::new();
        for row in self.index.rows(Scan::prefix(Table::CveSources, Vec::new())) {
            let row = row?;
            let name: String = decode_key(Table::CveSources, &row.key)?;
            // A kind this version does not know is a newer one's affair.
            if let Some(kind) = CveKind::parse(&name) {
                sources.push(CveSourceRecord { kind, state: record::decode(Table::CveSources, &row.key, &row.value)? });
            }
        }
        Ok(sources)
    }

    /// The state of one source.
    pub fn source(&self, kind: CveKind) -> Result<Option<CveState>, IndexError> {
        self.index.get(Table::CveSources, &key::encode(&kind.key()))
    }

    /// Begins the replacement of a source's set. Dropping it instead of finishing leaves the set as it was. Beginning another one
    /// of the same source ends this one.
    pub fn begin(&self, kind: CveKind) -> Result<CveImport, IndexError> {
        CveImport::begin(self.index, kind)
    }

    /// Forgets a source and its set. What it rated is to be matched again. Stopped midway, it is to be called again; the set is out of force
    /// from the first.
    pub fn remove(&self, kind: CveKind) -> Result<(), IndexError> {
        {
            let _notes = lock(&self.index.locks.advisories);
            let _guard = lock(&self.index.locks.cves);
            let Some(state) = self.source(kind)? else { return Ok(()) };
            let mut batch = Batch::new().durable();
            if state.current.is_some() && kind.is_scores() {
                note_one(&mut batch, &Touch::AllNames);
            }
            if kind == CveKind::Kev {
                exploitation::forget(self.index, &mut batch)?;
            }
            // A replacement that is under way ends, since its generation is not the last any more.
            put_state(&mut batch, kind, &CveState { generation: state.generation + 1, ..CveState::default() });
            self.index.write(batch)?;
        }
        sweep(self.index, kind, |_| false)?;
        let _guard = lock(&self.index.locks.cves);
        let mut batch = Batch::new();
        batch.delete(Table::CveSources, key::encode(&kind.key()));
        self.index.write(batch)
    }

    /// Notes that the source answered "unchanged" at `now` (seconds since the epoch).
    pub fn unchanged(&self, kind: CveKind, now: i64) -> Result<(), IndexError> {
        self.update(kind, |state| CveState { fetched_at: Some(now), failure: None, ..state })
    }

    /// Notes that a refresh failed at `now` (seconds since the epoch), and why. The set stays.
    pub fn failed(&self, kind: CveKind, now: i64, error: &str) -> Result<(), IndexError> {
        let failure = Some(SourceFailure { at: now, error: error.to_owned() });
        self.update(kind, |state| CveState { failure, ..state })
    }

    fn update(&self, kind: CveKind, change: impl FnOnce(CveState) -> CveState) -> Result<(), IndexError> {
        let _guard = lock(&self.index.locks.cves);
        let state = change(self.source(kind)?.unwrap_or_default());
        let mut batch = Batch::new();
        put_state(&mut batch, kind, &state);
        self.index.write(batch)
    }

    /// A row of a source's current set.
    fn row<R: record::Record>(&self, kind: CveKind, cve: &str) -> Result<Option<R>, IndexError> {
        let mut current = self.source(kind)?.and_then(|state| state.current);
        loop {
            let Some(generation) = current else { return Ok(None) };
            let row = self.index.get(Table::Cves, &key::encode(&(kind.key(), generation, cve)))?;
            if row.is_some() {
                return Ok(row);
            }
            // The set may have been replaced, and swept, between the two reads.
            let now = self.source(kind)?.and_then(|state| state.current);
            if now == current {
                return Ok(None);
            }
            current = now;
        }
    }
}

/// The ratings of one CVE, as a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CveRatings(pub(super) Vec<Rating>);

/// Removes the rows of a source whose generation is not kept, some at a time.
pub(super) fn sweep(index: &Index, kind: CveKind, is_kept: impl Fn(u64) -> bool) -> Result<(), IndexError> {
    let mut batch = Batch::new();
    for row in index.rows(Scan::prefix(Table::Cves, key::encode(&kind.key())).keys_only()) {
        let key = row?.key;
        let (_, generation, _): (String, u64, String) = decode_key(Table::Cves, &key)?;
        if !is_kept(generation) {
            batch.delete(Table::Cves, key);
        }
        if batch.len() >= BATCH_ROWS {
            index.write(std::mem::take(&mut batch))?;
        }
    }
    index.write(batch)
}

pub(super) fn put_state(batch: &mut Batch, kind: CveKind, state: &CveState) {
    batch.put(Table::CveSources, key::encode(&kind.key()), record::encode(state));
}
