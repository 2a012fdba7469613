//! Life: when a workload had an image.
//!
//! Owns the rule that a first time never moves forward and a last time never back, in whatever order they are told: a
//! pod that restarts, an agent that tells again and a server that was away change nothing. Rows outlive the workload
//! and the image.

use std::collections::BTreeMap;

use weir_scanner::oci::Digest;

use super::engine::{Batch, Scan, Table};
use super::key::{DecodeKey, EncodeKey};
use super::{Index, IndexError, decode_key, key, lock, record};

/// The name of a workload: what a pod's owners lead to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadKey {
    /// Its cluster.
    pub cluster: String,
    /// Its namespace.
    pub namespace: String,
    /// Its API group; empty for the core group.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl EncodeKey for WorkloadKey {
    fn put(&self, out: &mut Vec<u8>) {
        (&self.cluster, &self.namespace, &self.group, &self.kind, &self.name).put(out);
    }
}

impl DecodeKey for WorkloadKey {
    fn take(input: &mut &[u8]) -> Option<Self> {
        let (cluster, namespace, group, kind, name) = DecodeKey::take(input)?;
        Some(Self { cluster, namespace, group, kind, name })
    }
}

/// When a workload had an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LifeRecord {
    /// When it was first seen to, seconds since the epoch.
    pub first_seen: i64,
    /// When it was last seen to, seconds since the epoch.
    pub last_seen: i64,
}

impl LifeRecord {
    /// The span that holds both.
    fn and(self, other: Self) -> Self {
        Self { first_seen: self.first_seen.min(other.first_seen), last_seen: self.last_seen.max(other.last_seen) }
    }
}

/// The tables of workloads' lives.
pub struct Life<'a> {
    index: &'a Index,
}

impl<'a> Life<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// Notes that workloads had images, by the manifests' digests, in one batch. Of what was known and what is told,
    /// the smallest first time and the largest last time stay.
    pub fn note(&self, seen: &[(WorkloadKey, Digest, LifeRecord)]) -> Result<(), IndexError> {
        let mut spans: BTreeMap<(&WorkloadKey, &Digest), LifeRecord> = BTreeMap::new();
        for (workload, image, life) in seen {
            let span = spans.entry((workload, image)).or_insert(*life);
            *span = span.and(*life);
        }
        let _guard = lock(&self.index.locks.life);
        let mut batch = Batch::new();
        for ((workload, image), told) in spans {
            let key = key::encode(&(workload, image));
            let known: Option<LifeRecord> = self.index.get(Table::WorkloadLife, &key)?;
            let life = known.map_or(told, |known| known.and(told));
            if known == Some(life) {
                continue;
            }
            if known.is_none() {
                batch.put(Table::ImageLife, key::encode(&(image, workload)), Vec::new());
            }
            batch.put(Table::WorkloadLife, key, record::encode(&life));
        }
        self.index.write(batch)
    }

    /// When a workload had an image, by the manifest's digest.
    pub fn get(&self, workload: &WorkloadKey, image: &Digest) -> Result<Option<LifeRecord>, IndexError> {
        self.index.get(Table::WorkloadLife, &key::encode(&(workload, image)))
    }

    /// Every workload that had an image, by the manifest's digest, in order. Rows are read as the iterator advances.
    pub fn of_image(
        &self,
        image: &Digest,
    ) -> impl Iterator<Item = Result<(WorkloadKey, LifeRecord), IndexError>> + use<'a> {
        let (index, image) = (self.index, *image);
        let scan = Scan::prefix(Table::ImageLife, key::encode(&image)).keys_only();
        index.rows(scan).filter_map(move |row| {
            let read = |key: &[u8]| -> Result<_, IndexError> {
                let (_, workload): (Digest, WorkloadKey) = decode_key(Table::ImageLife, key)?;
                let life = index.get(Table::WorkloadLife, &key::encode(&(&workload, image)))?;
                // Trimming may take a row between the two reads.
                Ok(life.map(|life| (workload, life)))
            };
            row.and_then(|row| read(&row.key)).transpose()
        })
    }

    /// Every workload with every image it had, in order of the workloads. Rows are read as the iterator advances.
    pub fn all(&self) -> impl Iterator<Item = Result<(WorkloadKey, Digest, LifeRecord), IndexError>> + use<'a> {
        self.index.rows(Scan::prefix(Table::WorkloadLife, Vec::new())).map(|row| {
            let row = row?;
            let (workload, image) = decode_key(Table::WorkloadLife, &row.key)?;
            Ok((workload, image, record::decode(Table::WorkloadLife, &row.key, &row.value)?))
        })
    }

    /// Removes up to `limit` rows last seen before `before` (seconds since the epoch), in one batch; answers with how
    /// many, fewer than `limit` once none is left. Reads every row on its way.
    pub fn trim(&self, before: i64, limit: usize) -> Result<usize, IndexError> {
        let _guard = lock(&self.index.locks.life);
        let old = self.all().filter(|row| row.as_ref().map_or(true, |(_, _, life)| life.last_seen < before));
        let old = old.take(limit).collect::<Result<Vec<_>, _>>()?;
        let mut batch = Batch::new();
        for (workload, image, _) in &old {
            batch.delete(Table::WorkloadLife, key::encode(&(workload, image)));
            batch.delete(Table::ImageLife, key::encode(&(image, workload)));
        }
        self.index.write(batch)?;
        Ok(old.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(name: &str) -> WorkloadKey {
        let [cluster, namespace, group, kind] = ["c", "n", "apps", "Deployment"].map(str::to_owned);
        WorkloadKey { cluster, namespace, group, kind, name: name.into() }
    }

    fn seen(name: &str, image: &str, first_seen: i64, last_seen: i64) -> (WorkloadKey, Digest, LifeRecord) {
        (workload(name), Digest::of(image.as_bytes()), LifeRecord { first_seen, last_seen })
    }

    fn all(index: &Index) -> Vec<(WorkloadKey, Digest, LifeRecord)> {
        index.life().all().collect::<Result<_, _>>().unwrap()
    }

    fn of_image(index: &Index, image: &str) -> Vec<(String, i64)> {
        let rows = index.life().of_image(&Digest::of(image.as_bytes()));
        rows.map(|row| row.map(|(workload, life)| (workload.name, life.last_seen)).unwrap()).collect()
    }

    #[test]
    fn the_smallest_first_time_and_the_largest_last_time_stay() {
        let index = Index::in_memory();
        index.life().note(&[seen("a", "1", 10, 10), seen("a", "1", 12, 20), seen("a", "1", 11, 15)]).unwrap();
        assert_eq!(all(&index), [seen("a", "1", 10, 20)], "what is told twice in one call");
        index.life().note(&[seen("a", "1", 15, 15)]).unwrap();
        assert_eq!(all(&index), [seen("a", "1", 10, 20)], "what is told late");
        index.life().note(&[seen("a", "1", 5, 30)]).unwrap();
        assert_eq!(all(&index), [seen("a", "1", 5, 30)]);
    }

    #[test]
    fn rows_are_found_by_image_and_of_one_workload_in_one_place() {
        let index = Index::in_memory();
        index.life().note(&[seen("b", "1", 1, 1), seen("a", "1", 1, 2), seen("a", "2", 1, 3)]).unwrap();
        assert_eq!(of_image(&index, "1"), [("a".into(), 2), ("b".into(), 1)]);
        assert_eq!(of_image(&index, "2"), [("a".into(), 3)]);
        assert_eq!(of_image(&index, "3"), []);
        let workloads: Vec<_> = all(&index).into_iter().map(|(workload, _, _)| workload.name).collect();
        assert_eq!(workloads, ["a", "a", "b"]);
    }

    #[test]
    fn two_writers_at_a_time_lose_nothing() {
        let index = Index::in_memory();
        std::thread::scope(|scope| {
            for start in 0..4 {
                let index = &index;
                scope.spawn(move || {
                    for at in (start..400).step_by(4) {
                        index.life().note(&[seen("a", "1", 1000 - at, 1000 + at)]).unwrap();
                    }
                });
            }
        });
        assert_eq!(all(&index), [seen("a", "1", 601, 1399)]);
    }

    #[test]
    fn what_was_last_seen_too_long_ago_goes_some_at_a_time() {
        let index = Index::in_memory();
        let rows: Vec<_> = (0..10).map(|at| seen(&format!("w{at}"), "1", 0, at)).collect();
        index.life().note(&rows).unwrap();
        assert_eq!(index.life().trim(5, 3).unwrap(), 3);
        assert_eq!(index.life().trim(5, 3).unwrap(), 2);
        assert_eq!(index.life().trim(5, 3).unwrap(), 0);
        assert_eq!(all(&index), rows[5..]);
        assert_eq!(of_image(&index, "1").len(), 5);
    }
}
