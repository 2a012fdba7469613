//! The replacement of one source's set of CVEs.
//!
//! Owns its order: rows under a new generation, then one batch that makes it the current one, then the removal of every other
//! generation. A set that has shrunk to nothing is refused. Where ratings changed, the CVEs are noted as touched in the batch that
//! makes the change visible, and so is what became known of exploitation.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use weir_scanner::advisory::Rating;
use weir_scanner::advisory::epss::EpssScore;
use weir_scanner::advisory::kev::KevEntry;

use super::cve::{CveKind, CveRatings, CveState, put_state, sweep};
use super::engine::{Batch, Row, Scan, Table};
use super::import_record::Validators;
use super::touched::{Touch, note_one};
use super::{Index, IndexError, decode_key, exploitation, key, lock, record};

/// Rows written together.
pub(super) const BATCH_ROWS: usize = 1024;
/// CVEs whose change is noted one by one. Where ratings of more of them changed, everything is touched; where the catalogue of exploited
/// vulnerabilities has or lacks more of them than before, it is another catalogue, which is no news.
const NOTED: usize = 2000;
/// Ratings of one CVE that are kept.
const MAX_RATINGS: usize = 64;

/// Why a set was not taken.
#[derive(Debug, thiserror::Error)]
pub enum CveImportError {
    /// The set is empty, or a small part of what it replaces.
    #[error("the new set has {records} CVEs where the stored one has {stored}: it is not taken")]
    Shrunken {
        /// CVEs in the new set.
        records: u64,
        /// CVEs in the stored one.
        stored: u64,
    },
    /// The index refused.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// What finishing needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CveFinish {
    /// The time the set says it is of, as it writes it.
    pub as_of: Option<String>,
    /// Where it was fetched from.
    pub location: String,
    /// What to recognise it by.
    pub validators: Validators,
    /// When it was fetched, seconds since the epoch.
    pub now: i64,
}

/// What a replacement did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CveCounts {
    /// CVEs in the set.
    pub records: u64,
    /// Whether ratings changed, so that images have to be matched again.
    pub touched: bool,
}

/// A replacement under way. Blocks, as every import does.
pub struct CveImport {
    index: Index,
    kind: CveKind,
    generation: u64,
    records: u64,
    pending: BTreeMap<String, Vec<u8>>,
}

impl CveImport {
    pub(super) fn begin(index: &Index, kind: CveKind) -> Result<Self, IndexError> {
        let state = {
            let _guard = lock(&index.locks.cves);
            let mut state = index.cves().source(kind)?.unwrap_or_default();
            state.generation += 1;
            let mut batch = Batch::new();
            put_state(&mut batch, kind, &state);
            index.write(batch)?;
            state
        };
        let import =
            Self { index: index.clone(), kind, generation: state.generation, records: 0, pending: BTreeMap::new() };
        import.sweep(state.current)?;
        Ok(import)
    }

    /// Takes an entry of the catalogue of known exploited vulnerabilities.
    pub fn put_kev(&mut self, cve: &str, entry: &KevEntry) -> Result<(), IndexError> {
        self.put(cve, record::encode(entry))
    }

    /// Takes a likelihood of exploitation.
    pub fn put_epss(&mut self, cve: &str, score: EpssScore) -> Result<(), IndexError> {
        self.put(cve, record::encode(&score))
    }

    /// Takes ratings; those a CVE already has in this set stay.
    pub fn put_ratings(&mut self, cve: &str, ratings: Vec<Rating>) -> Result<(), IndexError> {
        let key = self.key(cve);
        let stored = match self.pending.get(cve) {
            Some(pending) => Some(record::decode(Table::Cves, &key, pending)?),
            None => self.index.get(Table::Cves, &key)?,
        };
        let CveRatings(mut all) = stored.unwrap_or_default();
        for rating in ratings {
            if all.len() < MAX_RATINGS && !all.contains(&rating) {
                all.push(rating);
            }
        }
        self.put(cve, record::encode(&CveRatings(all)))
    }

    /// Ends the replacement: the new set is the current one, and the old one's rows go.
    ///
    /// # Errors
    /// [`CveImportError::Shrunken`] where the set is no whole one; the old one stays. [`IndexError::Superseded`] where a later
    /// replacement began, and what reading and writing meet.
    pub fn finish(mut self, finish: CveFinish) -> Result<CveCounts, CveImportError> {
        self.flush()?;
        let stored = self.index.cves().source(self.kind)?.unwrap_or_default();
        // Sources grow; one that lost half of its CVEs at once was cut off somewhere.
        if self.records < (stored.records / 2).max(1) {
            return Err(CveImportError::Shrunken { records: self.records, stored: stored.records });
        }
        let touched = if self.kind.is_scores() { self.rated(stored.current)? } else { Vec::new() };
        let exploitation = if self.kind == CveKind::Kev { self.listed(stored.current)? } else { Vec::new() };
        let counts = CveCounts { records: self.records, touched: !touched.is_empty() };
        {
            // Notes are written under the lock of advisories, as every note is.
            let _notes = lock(&self.index.locks.advisories);
            let _guard = lock(&self.index.locks.cves);
            let state = self.check_current()?;
            let mut batch = Batch::new().durable();
            for touch in &touched {
                note_one(&mut batch, touch);
            }
            let CveFinish { as_of, location, validators, now } = finish;
            exploitation::note(&mut batch, exploitation, now);
            let state = CveState {
                current: Some(self.generation),
                records: self.records,
                as_of,
                fetched_at: Some(now),
                location: Some(location),
                validators,
                failure: None,
                ..state
            };
            put_state(&mut batch, self.kind, &state);
            self.index.write(batch)?;
        }
        self.sweep(Some(self.generation))?;
        Ok(counts)
    }

    fn key(&self, cve: &str) -> Vec<u8> {
        key::encode(&(self.kind.key(), self.generation, cve))
    }

    fn put(&mut self, cve: &str, encoded: Vec<u8>) -> Result<(), IndexError> {
        self.pending.insert(cve.to_owned(), encoded);
        if self.pending.len() >= BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), IndexError> {
        let _guard = lock(&self.index.locks.cves);
        self.check_current()?;
        let mut batch = Batch::new();
        for (cve, encoded) in std::mem::take(&mut self.pending) {
            let key = key::encode(&(self.kind.key(), self.generation, &cve));
            // A source that lists a CVE twice counts it once.
            if self.index.engine.get(Table::Cves, &key)?.is_none() {
                self.records += 1;
            }
            batch.put(Table::Cves, key, encoded);
        }
        self.index.write(batch)
    }

    /// What is to be matched again: CVEs whose ratings differ, or everything where they are many or there was no old set.
    fn rated(&self, old: Option<u64>) -> Result<Vec<Touch>, IndexError> {
        let differs = |old: Option<&Row>, new: Option<&Row>| old.map(|row| &row.value) != new.map(|row| &row.value);
        let changed = old.map(|old| self.changed(old, differs)).transpose()?.flatten();
        Ok(match changed {
            Some(changed) => changed.into_iter().map(|(cve, _)| Touch::Name(cve)).collect(),
            None => vec![Touch::AllNames],
        })
    }

    /// The CVEs that the new set has and the old one lacks, or the other way round, and whether it has them. Without an old set nothing
    /// is news.
    fn listed(&self, old: Option<u64>) -> Result<Vec<(String, bool)>, IndexError> {
        let differs = |old: Option<&Row>, new: Option<&Row>| old.is_some() != new.is_some();
        let changed = old.map(|old| self.changed(old, differs)).transpose()?.flatten();
        Ok(changed.unwrap_or_default())
    }

    /// The CVEs of which the two sets differ, and whether the new one has them; `None` where they are many.
    fn changed(
        &self,
        old: u64,
        differs: impl Fn(Option<&Row>, Option<&Row>) -> bool,
    ) -> Result<Option<Vec<(String, bool)>>, IndexError> {
        let mut changed = Vec::new();
        let [mut old, mut new] =
            [old, self.generation].map(|generation| self.index.rows(self.scan(generation)).peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some(Ok(a)), Some(Ok(b))) => cve_of(a)?.cmp(&cve_of(b)?),
                (Some(_), None) | (Some(Err(_)), _) => std::cmp::Ordering::Less,
                (None, Some(_)) | (_, Some(Err(_))) => std::cmp::Ordering::Greater,
            };
            let before = if order.is_le() { old.next().transpose()? } else { None };
            let after = if order.is_ge() { new.next().transpose()? } else { None };
            if differs(before.as_ref(), after.as_ref())
                && let Some(row) = after.as_ref().or(before.as_ref())
            {
                changed.push((cve_of(row)?, after.is_some()));
            }
            if changed.len() > NOTED {
                return Ok(None);
            }
        }
        Ok(Some(changed))
    }

    fn scan(&self, generation: u64) -> Scan {
        Scan::prefix(Table::Cves, key::encode(&(self.kind.key(), generation)))
    }

    /// Removes the source's rows of every generation but `kept` and this one's.
    fn sweep(&self, kept: Option<u64>) -> Result<(), IndexError> {
        sweep(&self.index, self.kind, |generation| generation == self.generation || Some(generation) == kept)
    }

    fn check_current(&self) -> Result<CveState, IndexError> {
        let state = self.index.cves().source(self.kind)?.unwrap_or_default();
        if state.generation == self.generation {
            Ok(state)
        } else {
            Err(IndexError::Superseded { ecosystem: self.kind.key() })
        }
    }
}

fn cve_of(row: &Row) -> Result<String, IndexError> {
    let (_, _, cve): (String, u64, String) = decode_key(Table::Cves, &row.key)?;
    Ok(cve)
}
