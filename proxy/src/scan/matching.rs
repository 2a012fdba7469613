//! Matches one stored inventory with the stored advisories. Nothing is fetched or decoded for it.

use weir_scanner::finding::{Answers, MATCHER_VERSION, match_image_with};
use weir_scanner::oci::Digest;
use weir_storage::index::{FindingEvent, ImageRecord, Index, IndexError, Matched};

/// Matches the image `digest` at `now` (seconds since the epoch), stores its findings, and answers with what changed; `None`
/// where it has no inventory. `answers` holds what the same advisories said before.
///
/// Blocks: call it through [`Index::run`] or on a thread that may.
pub fn match_image(
    index: &Index,
    digest: &Digest,
    now: i64,
    answers: &mut Answers,
) -> Result<Option<Vec<FindingEvent>>, IndexError> {
    let Some(record) = index.inventories().get(digest)? else { return Ok(None) };
    let findings = match_image_with(&record.inventory, &index.advisories().source(), answers)?;
    let by = format!("{}/{MATCHER_VERSION}", record.fingerprint);
    let events = index.findings().put(digest, Matched { findings, at: now, by, inventory: &record.inventory })?;
    index.images().update(digest, |old| old.map(|old| ImageRecord { matched_at: Some(now), ..old.clone() }))?;
    Ok(Some(events))
}
