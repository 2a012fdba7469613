//! Matches one stored inventory with the stored advisories. Nothing is fetched or decoded for it.

use std::collections::BTreeSet;

use weir_scanner::finding::query::{Coverage, query};
use weir_scanner::image::ImageInventory;
use weir_scanner::oci::Digest;
use weir_scanner::package::Ecosystem;
use weir_storage::index::{ImageRecord, Index, IndexError};

/// Matches the image `digest` at `now` (seconds since the epoch) and stores its findings; `false` where it has no inventory.
///
/// Blocks: call it through [`Index::run`] or on a thread that may.
pub fn match_image(index: &Index, digest: &Digest, now: i64) -> Result<bool, IndexError> {
    let Some(record) = index.inventories().get(digest)? else { return Ok(false) };
    let findings = weir_scanner::finding::match_image(&record.inventory, &index.advisories().source())?;
    index.findings().put(digest, findings, now)?;
    index.images().update(digest, |old| old.map(|old| ImageRecord { matched_at: Some(now), ..old.clone() }))?;
    Ok(true)
}

/// The ecosystems whose advisories can speak for an inventory's packages.
pub fn ecosystems(inventory: &ImageInventory) -> Vec<Ecosystem> {
    let asked =
        inventory.packages.iter().filter_map(|found| match query(&found.package, inventory.distribution.as_ref()) {
            Coverage::Asked(query) => Some(query.ecosystem),
            Coverage::NoFeed(_) | Coverage::ThirdParty => None,
        });
    asked.collect::<BTreeSet<_>>().into_iter().collect()
}
