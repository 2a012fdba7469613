//! What changed lately: digests whose image, findings, aliases, tags or manifest was written, in memory.
//!
//! Owns a ring that every batch passes after it was written, whatever the engine. Who keeps a view of the index reads
//! it once and then what changed: take [`Changes::next`] first and read the index after it, and no change is missed,
//! since a change is in the index before it is in the ring. The ring is of this process alone: an index open to be read
//! has none of what its writer does.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use weir_scanner::oci::Digest;

use super::engine::{Batch, Change, Table};
use super::{Index, TagRecord, key, record};

/// Digests remembered; some 70 bytes each. A whole rematch of a large fleet is more, and is as well answered by reading
/// all.
const RING_DIGESTS: usize = 4096;

/// What changed since a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The number to ask with next.
    pub next: u64,
    /// What changed.
    pub digests: Changed,
}

/// Which digests changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// These, each once, in order. Of an edge of the alias graph both ends are among them.
    These(Vec<Digest>),
    /// More than is remembered: anything may have.
    Many,
}

/// What changed lately.
pub struct Recent<'a> {
    index: &'a Index,
}

impl<'a> Recent<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// The number to ask with from now on: another one than before means that something changed.
    pub fn next(&self) -> u64 {
        self.index.recent.lock().next
    }

    /// What changed since [`Changes::next`] was this number. Numbers begin at 0 with each opening of the index. Answers
    /// from memory.
    pub fn since(&self, number: u64) -> Changes {
        self.index.recent.since(number)
    }
}

/// The ring.
#[derive(Default)]
pub(super) struct RecentRing(Mutex<Ring>);

#[derive(Default)]
struct Ring {
    /// The number the next digest gets.
    next: u64,
    /// The digests with the numbers before it, in order.
    digests: VecDeque<Digest>,
}

impl RecentRing {
    /// Notes what a batch changed, once it was written.
    pub(super) fn note(&self, digests: BTreeSet<Digest>) {
        if digests.is_empty() {
            return;
        }
        let mut ring = self.lock();
        ring.next += digests.len() as u64;
        ring.digests.extend(digests);
        let over = ring.digests.len().saturating_sub(RING_DIGESTS);
        ring.digests.drain(..over);
    }

    fn since(&self, number: u64) -> Changes {
        let ring = self.lock();
        let asked = ring.next.checked_sub(number).and_then(|asked| usize::try_from(asked).ok());
        let digests = match asked.and_then(|asked| ring.digests.len().checked_sub(asked)) {
            Some(start) => {
                let digests: BTreeSet<_> = ring.digests.range(start..).copied().collect();
                Changed::These(digests.into_iter().collect())
            }
            // Older than the ring, or of another opening of the index.
            None => Changed::Many,
        };
        Changes { next: ring.next, digests }
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        // No code that can panic runs while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The digests that a batch is about.
pub(super) fn digests(batch: &Batch) -> BTreeSet<Digest> {
    let mut digests = BTreeSet::new();
    for Change { table, key, value } in batch.changes() {
        match table {
            Table::Images | Table::Findings | Table::Manifests => digests.extend(key::decode::<Digest>(key)),
            Table::AliasChildren | Table::AliasParents => {
                if let Some((from, to)) = key::decode::<(Digest, Digest)>(key) {
                    digests.extend([from, to]);
                }
            }
            // Where a tag points now; where it pointed before is told by the repository they share.
            Table::Tags => {
                let target = value.as_ref().and_then(|value| record::decode::<TagRecord>(*table, key, value).ok());
                digests.extend(target.map(|target| target.digest));
            }
            _ => {}
        }
    }
    digests
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::engine::{FaultyEngine, MemoryEngine};
    use super::super::{AliasEdge, EdgeKind, alias, record};
    use super::*;

    fn number(n: u64) -> Digest {
        Digest::of(&n.to_be_bytes())
    }

    fn write(index: &Index, table: Table, digests: &[Digest]) {
        let mut batch = Batch::new();
        for digest in digests {
            batch.put(table, key::encode(digest), Vec::new());
        }
        index.write(batch).unwrap();
    }

    fn sorted(mut digests: Vec<Digest>) -> Changed {
        digests.sort();
        Changed::These(digests)
    }

    #[test]
    fn every_change_of_an_image_is_told_once_to_each_who_asks() {
        let directory = tempfile::tempdir().unwrap();
        for index in [Index::in_memory(), Index::open(directory.path()).unwrap()] {
            assert_eq!(index.recent().since(0), Changes { next: 0, digests: Changed::These(Vec::new()) });
            write(&index, Table::Images, &[number(1)]);
            write(&index, Table::Findings, &[number(2), number(1)]);
            write(&index, Table::Manifests, &[number(3)]);
            write(&index, Table::ImageInventories, &[number(4)]);
            let changes = index.recent().since(0);
            assert_eq!(changes, Changes { next: 4, digests: sorted(vec![number(1), number(2), number(3)]) });
            write(&index, Table::Images, &[number(1)]);
            assert_eq!(index.recent().since(changes.next).digests, sorted(vec![number(1)]));
            assert_eq!(index.recent().since(5).digests, sorted(Vec::new()));
        }
    }

    #[test]
    fn both_ends_of_an_edge_changed_and_a_row_that_goes_changed_too() {
        let index = Index::in_memory();
        let edge =
            AliasEdge { parent: number(1), child: number(2), kind: EdgeKind::Config, platform: None, position: 0 };
        let mut batch = Batch::new();
        alias::put(&mut batch, &edge);
        batch.delete(Table::Images, key::encode(&number(3)));
        batch.put(Table::Stamps, key::encode("a"), record::encode(&super::super::StampRecord { at: 1, value: vec![] }));
        index.write(batch).unwrap();
        assert_eq!(index.recent().since(0).digests, sorted(vec![number(1), number(2), number(3)]));
    }

    #[test]
    fn more_than_is_remembered_is_many_to_those_who_asked_too_long_ago() {
        let index = Index::in_memory();
        let all: Vec<_> = (0..RING_DIGESTS as u64).map(number).collect();
        write(&index, Table::Images, &all);
        assert_eq!(index.recent().since(0).digests, sorted(all.clone()), "a ring that is just full");
        write(&index, Table::Images, &[number(u64::MAX)]);
        let changes = index.recent().since(0);
        assert_eq!((changes.next, changes.digests), (RING_DIGESTS as u64 + 1, Changed::Many));
        assert!(matches!(index.recent().since(1).digests, Changed::These(digests) if digests.len() == RING_DIGESTS));
        let more: Vec<_> = (0..RING_DIGESTS as u64 + 1).map(number).collect();
        write(&index, Table::Images, &more);
        assert_eq!(index.recent().since(changes.next).digests, Changed::Many, "one batch of more than all");
        assert_eq!(index.recent().since(u64::MAX).digests, Changed::Many, "a number of another opening");
    }

    #[test]
    fn what_was_not_written_did_not_change_and_clones_share_the_ring() {
        let engine = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::default())));
        let index = Index::new(engine.clone());
        engine.fail_writes(true);
        let mut batch = Batch::new();
        batch.put(Table::Images, key::encode(&number(1)), Vec::new());
        assert!(index.write(batch).is_err());
        assert_eq!(index.recent().since(0).next, 0);
        engine.fail_writes(false);
        write(&index.clone(), Table::Images, &[number(1)]);
        assert_eq!(index.recent().since(0).next, 1);
    }

    #[test]
    fn an_index_open_to_be_read_has_no_changes() {
        let directory = tempfile::tempdir().unwrap();
        let writer = Index::open(directory.path()).unwrap();
        write(&writer, Table::Images, &[number(1)]);
        let reader = Index::open_read_only(directory.path()).unwrap();
        assert_eq!(reader.recent().since(0), Changes { next: 0, digests: Changed::These(Vec::new()) });
    }
}
