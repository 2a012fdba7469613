//! Snapshots that are on their way: their parts, kept as they came until the last is there.
//!
//! Parts are kept gzipped, a tenth of what their objects take, and read again when they are used. Bounded in all directions:
//! objects of one snapshot, objects of all, and how many there are; one whose agent went away makes room for others.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use weir_storage::index::ClusterObject;

use super::IntakeError;
use crate::workload::wire::SnapshotPart;

/// Most objects of one snapshot, and of all that are on their way.
const MAX_OBJECTS: usize = 500_000;
/// Most bytes of one snapshot's parts, gzipped.
const MAX_BYTES: usize = 256 << 20;
/// Most snapshots on their way.
const MAX_STAGINGS: usize = 64;
/// Seconds after which a snapshot that does not go on makes room for others.
const STALE_SECONDS: i64 = 120;

/// One snapshot on its way.
#[derive(Debug)]
pub(super) struct Staging {
    session: String,
    parts: Vec<Bytes>,
    objects: usize,
    touched_at: i64,
}

/// All of them, one for each cluster at most.
#[derive(Debug, Default)]
pub(super) struct Stagings(Mutex<HashMap<String, Staging>>);

/// The objects of a complete snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotObjects {
    parts: Vec<Bytes>,
    objects: usize,
}

impl Stagings {
    /// Takes out the snapshot that `part` continues, a new one for the first part. `None`: the part was kept before.
    ///
    /// # Errors
    /// The part does not come next.
    pub(super) fn resume(&self, cluster: &str, part: &SnapshotPart) -> Result<Option<Staging>, IntakeError> {
        let mut stagings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if part.part == 0 {
            stagings.remove(cluster);
            return Ok(Some(Staging { session: part.session.clone(), parts: Vec::new(), objects: 0, touched_at: 0 }));
        }
        let next = stagings
            .get(cluster)
            .filter(|staging| staging.session == part.session)
            .and_then(|staging| u32::try_from(staging.parts.len()).ok());
        match next {
            Some(next) if next == part.part => Ok(stagings.remove(cluster)),
            // The answer to it was lost.
            Some(next) if next.checked_sub(1) == Some(part.part) && !part.last => Ok(None),
            _ => Err(IntakeError::Resync("the parts of this snapshot before this one are not here")),
        }
    }

    /// Keeps a snapshot until its next part comes.
    ///
    /// # Errors
    /// There is no room; the snapshot is dropped.
    pub(super) fn keep(&self, cluster: String, staging: Staging, now: i64) -> Result<(), IntakeError> {
        let mut stagings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |stagings: &HashMap<String, Staging>| {
            let objects: usize = stagings.values().map(|staging| staging.objects).sum();
            stagings.len() >= MAX_STAGINGS || objects + staging.objects > MAX_OBJECTS
        };
        if full(&stagings) {
            stagings.retain(|_, staging| now - staging.touched_at < STALE_SECONDS);
        }
        if full(&stagings) {
            return Err(IntakeError::Busy);
        }
        stagings.insert(cluster, staging);
        Ok(())
    }
}

impl Staging {
    /// Adds the next part, which holds `objects`.
    pub(super) fn push(&mut self, part: Bytes, objects: usize, now: i64) -> Result<(), IntakeError> {
        self.check(&part, objects)?;
        self.parts.push(part);
        self.objects += objects;
        self.touched_at = now;
        Ok(())
    }

    /// The whole snapshot, with its last part; the staging stays as it was.
    pub(super) fn with_last(&self, part: Bytes, objects: usize) -> Result<SnapshotObjects, IntakeError> {
        self.check(&part, objects)?;
        let parts = self.parts.iter().cloned().chain([part]).collect();
        Ok(SnapshotObjects { parts, objects: self.objects + objects })
    }

    fn check(&self, part: &Bytes, objects: usize) -> Result<(), IntakeError> {
        let bytes: usize = self.parts.iter().map(Bytes::len).sum();
        if self.objects + objects > MAX_OBJECTS || bytes + part.len() > MAX_BYTES {
            return Err(IntakeError::TooManyObjects(MAX_OBJECTS));
        }
        Ok(())
    }
}

impl SnapshotObjects {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.objects
    }

    /// Whether the cluster is empty.
    pub fn is_empty(&self) -> bool {
        self.objects == 0
    }

    /// The objects, read as the iterator advances.
    pub fn iter(&self) -> impl Iterator<Item = ClusterObject> {
        self.parts.iter().flat_map(|part| SnapshotPart::read(part).expect("a part: it was read when it came").objects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(session: &str, number: u32) -> SnapshotPart {
        SnapshotPart {
            agent_version: String::new(),
            kubernetes_version: None,
            session: session.into(),
            part: number,
            last: false,
            objects: Vec::new(),
        }
    }

    fn take(
        stagings: &Stagings,
        cluster: &str,
        part: &SnapshotPart,
        objects: usize,
        now: i64,
    ) -> Result<(), IntakeError> {
        let Some(mut staging) = stagings.resume(cluster, part)? else { return Ok(()) };
        staging.push(Bytes::new(), objects, now)?;
        stagings.keep(cluster.into(), staging, now)
    }

    #[test]
    fn parts_come_in_order_and_may_be_repeated() {
        let stagings = Stagings::default();
        assert!(matches!(take(&stagings, "east", &part("a", 1), 1, 0), Err(IntakeError::Resync(_))));
        for number in [0, 1, 1, 2, 2] {
            take(&stagings, "east", &part("a", number), 1, 0).unwrap();
        }
        for wrong in [part("a", 1), part("a", 4), part("b", 3)] {
            assert!(matches!(take(&stagings, "east", &wrong, 1, 0), Err(IntakeError::Resync(_))));
        }
        let staging = stagings.resume("east", &part("a", 3)).unwrap().unwrap();
        assert_eq!((staging.parts.len(), staging.objects), (3, 3));
    }

    #[test]
    fn room_is_bounded_and_those_that_stopped_make_some() {
        let stagings = Stagings::default();
        take(&stagings, "east", &part("a", 0), MAX_OBJECTS - 1, 1_000).unwrap();
        assert!(matches!(
            take(&stagings, "east", &part("a", 1), 2, 1_000),
            Err(IntakeError::TooManyObjects(MAX_OBJECTS))
        ));
        take(&stagings, "east", &part("b", 0), MAX_OBJECTS - 1, 1_000).unwrap();
        assert!(matches!(take(&stagings, "west", &part("c", 0), 2, 1_119), Err(IntakeError::Busy)));
        take(&stagings, "west", &part("c", 0), 2, 1_120).unwrap();
        for number in 1..MAX_STAGINGS {
            take(&stagings, &number.to_string(), &part("d", 0), 1, 1_120).unwrap();
        }
        assert!(matches!(take(&stagings, "north", &part("e", 0), 1, 1_120), Err(IntakeError::Busy)));
    }
}
