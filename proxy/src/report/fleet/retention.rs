//! Images that nobody has used for as long as events are remembered go, with all that is only theirs; so do the times at which
//! workloads ran them. Until then a retired image is there to be compared with.

use std::time::Duration;

use weir_scanner::oci::Digest;
use weir_storage::index::{ImageCursor, ImageRecord, Index, IndexError};

use super::Fleet;
use crate::clock::Clock;
use crate::tasks::{PermitClass, Tasks};

/// How often it is looked for.
const EVERY: Duration = Duration::from_secs(3600);
/// Images looked at, and rows removed, in one go.
const STEP: usize = 256;

/// What forgetting is given.
pub struct RetentionParts {
    /// What runs.
    pub fleet: Fleet,
    /// The index.
    pub index: Index,
    /// How long after its last use an image is kept.
    pub keep: Duration,
    /// Owner of its task.
    pub tasks: Tasks,
    /// The time.
    pub clock: Clock,
}

/// Forgets what is out of use, from time to time, until cancelled. The first round waits as long as every other, so that what runs
/// has been told by then.
pub async fn forget_unused(parts: RetentionParts) {
    let RetentionParts { fleet, index, keep, tasks, clock } = parts;
    let (token, class) = (tasks.token(), PermitClass::new("retention", 1));
    let keep = i64::try_from(keep.as_secs()).unwrap_or(i64::MAX);
    while token.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        let before = clock.now().saturating_sub(keep);
        let (mut after, mut removed) = (None, 0);
        loop {
            let (fleet, index) = (fleet.clone(), index.clone());
            let step = tasks.blocking("retention", &class, move || step(&fleet, &index, before, after.as_ref())).await;
            match step {
                Ok(Ok(Step { next: Some(next), removed: more })) => {
                    removed += more;
                    after = Some(next);
                }
                Ok(Ok(Step { next: None, removed: more })) => {
                    removed += more;
                    break;
                }
                Ok(Err(error)) => {
                    tracing::error!(%error, "images out of use could not be forgotten; the next round tries again");
                    break;
                }
                Err(_) => return,
            }
            if token.is_cancelled() {
                return;
            }
        }
        if removed > 0 {
            tracing::info!(removed, "images out of use were forgotten");
        }
    }
}

struct Step {
    next: Option<ImageCursor>,
    removed: usize,
}

/// Looks at some images, and at the end at the times of workloads.
fn step(fleet: &Fleet, index: &Index, before: i64, after: Option<&ImageCursor>) -> Result<Step, IndexError> {
    let view = fleet.view();
    let page = index.images().list(after, STEP)?;
    let mut removed = 0;
    for (digest, record) in &page.images {
        if view.images.contains_key(digest) || !is_unused(index, digest, record, before)? {
            continue;
        }
        // It may have been pulled since it was looked at.
        let is_due = |now: &ImageRecord| last_use(now) < before;
        removed += usize::from(index.images().remove(digest, is_due)?);
    }
    if page.next.is_none() {
        while index.life().trim(before, STEP)? == STEP {}
    }
    Ok(Step { next: page.next, removed })
}

fn is_unused(index: &Index, digest: &Digest, record: &ImageRecord, before: i64) -> Result<bool, IndexError> {
    if last_use(record) >= before {
        return Ok(false);
    }
    for life in index.life().of_image(digest) {
        if life?.1.last_seen >= before {
            return Ok(false);
        }
    }
    Ok(true)
}

/// When an image was last pulled, or came to be known where it never was.
fn last_use(record: &ImageRecord) -> i64 {
    record.last_pulled.unwrap_or(record.first_seen)
}

#[cfg(test)]
mod tests {
    use weir_storage::index::{LifeRecord, WorkloadKey};

    use super::super::sample::image_record;
    use super::*;

    fn image(first_seen: i64, last_pulled: Option<i64>) -> ImageRecord {
        ImageRecord { first_seen, last_pulled, ..image_record() }
    }

    #[test]
    fn what_was_neither_pulled_nor_ran_for_long_goes_and_all_else_stays() {
        let index = Index::in_memory();
        let put = |name: &str, first_seen, last_pulled| {
            index.images().put(&Digest::of(name.as_bytes()), image(first_seen, last_pulled)).unwrap();
            Digest::of(name.as_bytes())
        };
        let (old, pulled, ran) = (put("old", 10, Some(20)), put("pulled", 10, Some(100)), put("ran", 10, None));
        let workload = WorkloadKey {
            cluster: "c".into(),
            namespace: "n".into(),
            group: String::new(),
            kind: "Pod".into(),
            name: "p".into(),
        };
        let life = |last_seen| LifeRecord { first_seen: 10, last_seen };
        index.life().note(&[(workload.clone(), ran, life(100)), (workload, old, life(30))]).unwrap();

        let removed = step(&Fleet::default(), &index, 50, None).unwrap();
        assert_eq!((removed.removed, removed.next), (1, None));
        let left = |digest: &Digest| index.images().get(digest).unwrap().is_some();
        assert_eq!([left(&old), left(&pulled), left(&ran)], [false, true, true]);
        assert_eq!(index.life().all().count(), 1, "the times of what is gone go too");

        step(&Fleet::default(), &index, 200, None).unwrap();
        assert_eq!([left(&pulled), left(&ran)], [false, false]);
    }
}
