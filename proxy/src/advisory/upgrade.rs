//! Images of an earlier version of weir: their packages' names are written for matching again, and all are matched again.

use weir_scanner::finding::MATCHER_VERSION;
use weir_storage::index::{Index, IndexError};

/// The stamp that holds the version of the matching rules every stored image was prepared for.
const STAMP: &str = "matcher";
/// Images listed at a time.
const PAGE: usize = 64;

/// Prepares the stored images for this version's rules, unless they are. Stopped midway, it begins anew. Blocks.
pub(super) fn upgrade(index: &Index) -> Result<(), IndexError> {
    let version = i64::from(MATCHER_VERSION);
    if index.stamps().get(STAMP)?.is_some_and(|stamp| stamp.at == version) {
        return Ok(());
    }
    let mut after = None;
    loop {
        let page = index.images().list(after.as_ref(), PAGE)?;
        for (digest, _) in page.images {
            if let Some(record) = index.inventories().get(&digest)? {
                index.package_users().restore(&digest, &record.inventory)?;
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    index.touched().all()?;
    index.stamps().put(STAMP, version, b"")
}
