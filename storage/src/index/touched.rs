//! What imports touched and no match has answered yet: folders, packages, and names of vulnerabilities.
//!
//! Owns three tables of reminders. A row is written in the batch of the change it tells of, so a process that dies between the change
//! and the match forgets nothing. Each note carries a fresh value, and [`Touched::done`] takes a row away only where its value
//! is still the one that was taken: a change that came while its package was being matched is matched again.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use weir_scanner::advisory::Advisory;
use weir_scanner::finding::leading_names;

use super::engine::{Batch, Scan, Table};
use super::{Index, IndexError, decode_key, key, lock};

/// The tables of what was touched.
pub struct Touched<'a> {
    index: &'a Index,
}

/// What a change touched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touch {
    /// Everything a folder of advisories speaks of, and all that shares a name with it: it was imported for the first time.
    Folder(String),
    /// Every package of the ecosystem of this name: whether anything speaks for its releases has changed.
    Ecosystem(String),
    /// One package, keyed as its advisories key it.
    Package {
        /// The ecosystem's name, without a release.
        ecosystem: String,
        /// The package's key.
        package: String,
    },
    /// Every vulnerability: more names changed than are worth telling apart.
    AllNames,
    /// One name of a vulnerability: an id, an alias, an upstream, a CVE whose ratings changed.
    Name(String),
}

/// A row to match and then to hand back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TouchedRow {
    /// What was touched.
    pub touch: Touch,
    /// Which note of it this is.
    stamp: Vec<u8>,
}

impl<'a> Touched<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// Up to `limit` rows, folders first, then packages, in the order of their keys. They stay until they are [`Touched::done`].
    pub fn take(&self, limit: usize) -> Result<Vec<TouchedRow>, IndexError> {
        let mut taken = Vec::new();
        for row in self.index.rows(Scan::prefix(Table::TouchedFolders, Vec::new())).take(limit) {
            let row = row?;
            let folder = decode_key(Table::TouchedFolders, &row.key)?;
            taken.push(TouchedRow { touch: Touch::Folder(folder), stamp: row.value });
        }
        let left = limit - taken.len();
        for row in self.index.rows(Scan::prefix(Table::Touched, Vec::new())).take(left) {
            let row = row?;
            let (ecosystem, package): (String, String) = decode_key(Table::Touched, &row.key)?;
            let touch =
                if package.is_empty() { Touch::Ecosystem(ecosystem) } else { Touch::Package { ecosystem, package } };
            taken.push(TouchedRow { touch, stamp: row.value });
        }
        let left = limit - taken.len();
        for row in self.index.rows(Scan::prefix(Table::TouchedNames, Vec::new())).take(left) {
            let row = row?;
            let name: String = decode_key(Table::TouchedNames, &row.key)?;
            let touch = if name.is_empty() { Touch::AllNames } else { Touch::Name(name) };
            taken.push(TouchedRow { touch, stamp: row.value });
        }
        Ok(taken)
    }

    /// Notes that everything is to be matched again.
    pub fn all(&self) -> Result<(), IndexError> {
        let _guard = lock(&self.index.locks.advisories);
        let mut batch = Batch::new();
        note_one(&mut batch, &Touch::AllNames);
        self.index.write(batch)
    }

    /// Forgets rows whose matching is done, except those noted again since they were taken.
    pub fn done(&self, rows: &[TouchedRow]) -> Result<(), IndexError> {
        // Notes are written under the lock of advisories: none comes between the comparison and the removal.
        let _guard = lock(&self.index.locks.advisories);
        let mut batch = Batch::new();
        for row in rows {
            let (table, key) = place(&row.touch);
            if self.index.engine.get(table, &key)?.as_ref() == Some(&row.stamp) {
                batch.delete(table, key);
            }
        }
        self.index.write(batch)
    }

    /// Whether nothing is left to match.
    pub fn is_empty(&self) -> Result<bool, IndexError> {
        Ok(self.take(1)?.is_empty())
    }
}

fn place(touch: &Touch) -> (Table, Vec<u8>) {
    match touch {
        Touch::Folder(folder) => (Table::TouchedFolders, key::encode(folder)),
        Touch::Ecosystem(ecosystem) => (Table::Touched, key::encode(&(ecosystem, ""))),
        Touch::Package { ecosystem, package } => (Table::Touched, key::encode(&(ecosystem, package))),
        Touch::AllNames => (Table::TouchedNames, key::encode("")),
        Touch::Name(name) => (Table::TouchedNames, key::encode(name)),
    }
}

/// Adds a note of one thing to a batch. The caller holds the lock of advisories.
pub(super) fn note_one(batch: &mut Batch, touch: &Touch) {
    // Every RandomState differs from every other one, in this process and the next.
    let stamp = RandomState::new().build_hasher().finish();
    let (table, key) = place(touch);
    batch.put(table, key, stamp.to_be_bytes().to_vec());
}

/// Adds notes of a record's change from `old` to `new` to a batch: every package either speaks of, and every name either has,
/// since another record may share it and be rated by this one. The caller holds the lock of advisories.
pub(super) fn note(batch: &mut Batch, old: Option<&Advisory>, new: Option<&Advisory>) {
    let mut touches = BTreeSet::new();
    for record in old.into_iter().chain(new) {
        for affected in &record.affected {
            let (ecosystem, package) = (affected.ecosystem.name().to_owned(), affected.package.clone());
            touches.insert(Touch::Package { ecosystem, package });
        }
        touches.extend(leading_names(record).into_iter().map(|name| Touch::Name(name.to_owned())));
    }
    for touch in touches {
        // An entry without a name keeps out of the rows that mean all.
        if !matches!(&touch, Touch::Package { package: name, .. } | Touch::Name(name) if name.is_empty()) {
            note_one(batch, &touch);
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_scanner::fixture::AdvisoryBuilder;

    use super::*;

    fn write(index: &Index, old: Option<&Advisory>, new: Option<&Advisory>) {
        let mut batch = Batch::new();
        note(&mut batch, old, new);
        index.write(batch).unwrap();
    }

    fn touches(index: &Index) -> Vec<Touch> {
        index.touched().take(100).unwrap().into_iter().map(|row| row.touch).collect()
    }

    fn package(ecosystem: &str, package: &str) -> Touch {
        Touch::Package { ecosystem: ecosystem.into(), package: package.into() }
    }

    #[test]
    fn a_change_touches_what_was_and_what_is() {
        let index = Index::in_memory();
        let old = AdvisoryBuilder::new("A").affects("Debian:12", "old", &["0"]).build();
        let new = AdvisoryBuilder::new("A").alias("CVE-1").affects("Debian:12", "new", &["0"]).build();
        write(&index, Some(&old), Some(&new));
        let names = ["A", "CVE-1"].map(|name| Touch::Name(name.into()));
        let [id, alias] = names;
        assert_eq!(touches(&index), [package("Debian", "new"), package("Debian", "old"), id, alias]);
        assert_eq!(index.touched().take(1).unwrap().len(), 1);
        let rows = index.touched().take(9).unwrap();
        index.touched().done(&rows).unwrap();
        assert!(index.touched().is_empty().unwrap());
    }

    #[test]
    fn what_is_touched_again_while_it_is_matched_stays() {
        let index = Index::in_memory();
        let record = AdvisoryBuilder::new("A").affects("npm", "a", &["0"]).affects("npm", "b", &["0"]).build();
        write(&index, None, Some(&record));
        let taken = index.touched().take(10).unwrap();
        assert_eq!(taken.len(), 3, "two packages and the id: {taken:?}");
        write(&index, Some(&AdvisoryBuilder::new("A").affects("npm", "b", &["0"]).build()), None);
        index.touched().done(&taken).unwrap();
        assert_eq!(touches(&index), [package("npm", "b"), Touch::Name("A".into())]);
    }

    #[test]
    fn folders_all_of_an_ecosystem_and_all_names_are_rows_of_their_own() {
        let index = Index::in_memory();
        let mut batch = Batch::new();
        let all = [Touch::Folder("npm".into()), Touch::Ecosystem("npm".into()), Touch::AllNames];
        for touch in &all {
            note_one(&mut batch, touch);
        }
        index.write(batch).unwrap();
        assert_eq!(touches(&index), all);
        assert_eq!(index.touched().take(2).unwrap().len(), 2);
    }
}
