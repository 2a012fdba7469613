//! Matches one stored inventory with the stored advisories. Nothing is fetched or decoded for it.

use weir_scanner::finding::{Answers, MATCHER_VERSION, Stale, rematch_image};
use weir_scanner::oci::Digest;
use weir_storage::index::{FindingEvent, ImageRecord, Index, IndexError, Matching};

/// Matches the image `digest` at `now` (seconds since the epoch) where what is `stale` may give something else than its last
/// matching, stores its findings, and answers with what changed; `None` where it has no inventory. `answers` holds what
/// the same advisories said before.
///
/// Blocks: call it through [`Index::run`] or on a thread that may.
pub fn match_image(
    index: &Index,
    digest: &Digest,
    now: i64,
    answers: &mut Answers,
    stale: &Stale,
) -> Result<Option<Vec<FindingEvent>>, IndexError> {
    let Some(record) = index.inventories().get(digest)? else { return Ok(None) };
    let by = format!("{}/{MATCHER_VERSION}", record.fingerprint);
    let (inventory, source) = (&record.inventory, index.advisories().source());
    let matching = Matching { at: now, by, inventory };
    let find = |earlier| rematch_image(inventory, &source, answers, earlier, stale);
    let events = index.findings().update(digest, matching, find)?;
    index.images().update(digest, |old| {
        // An inventory that came meanwhile has not been matched whole yet, and must not look so.
        let old = old.filter(|old| stale.is_everything() || old.matched_at.is_some())?;
        Some(ImageRecord { matched_at: Some(now), ..old.clone() })
    })?;
    Ok(Some(events))
}
