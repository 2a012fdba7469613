//! The image another one was built on, among those weir has seen.

use std::collections::BTreeMap;

use weir_scanner::image::{Base, KnownImage, find_base};
use weir_scanner::oci::Digest;
use weir_storage::index::{ImageRecord, Index, IndexError};

/// Images looked at that begin with the same layer.
const MOST_CANDIDATES: usize = 256;
/// Layers looked at that hold the same files as the first.
const MOST_TWINS: usize = 16;

/// An image's digest, its row, and the digests of its uncompressed layers.
type Candidate = (Digest, ImageRecord, Vec<Digest>);

/// What an image was built on.
#[derive(Default)]
pub(super) struct Found {
    pub(super) base: Option<Base>,
    /// How many steps of the image's history are the base's.
    pub(super) history: usize,
}

/// Finds the base of the image `digest` with these layers and annotations. Blocks.
pub(super) fn find(
    index: &Index,
    digest: &Digest,
    diff_ids: &[Digest],
    annotations: &BTreeMap<String, String>,
) -> Result<Found, IndexError> {
    let candidates: Vec<Candidate> = match diff_ids.first() {
        Some(first) => candidates(index, digest, first)?,
        None => Vec::new(),
    };
    let names: Vec<Option<String>> = candidates
        .iter()
        .map(|(_, record, _)| record.names.first().map(|(upstream, repository)| format!("{upstream}/{repository}")))
        .collect();
    let known: Vec<KnownImage<'_>> = candidates
        .iter()
        .zip(&names)
        .map(|((digest, _, diff_ids), name)| KnownImage { digest: *digest, name: name.as_deref(), diff_ids })
        .collect();
    let base = find_base(diff_ids, annotations, &known);
    let steps = base.as_ref().and_then(|base| {
        let (_, record, _) = candidates.iter().find(|(digest, ..)| Some(*digest) == base.digest)?;
        Some(record.history.len())
    });
    Ok(Found { base, history: steps.unwrap_or_default() })
}

/// Other images whose first layer holds the files with the digest `first`, where the digests of all their layers are known.
fn candidates(index: &Index, digest: &Digest, first: &Digest) -> Result<Vec<Candidate>, IndexError> {
    let mut found: Vec<Candidate> = Vec::new();
    for layer in index.layers().twins(first, MOST_TWINS)? {
        for user in index.layers().users(&layer, MOST_CANDIDATES)? {
            if user == *digest || found.iter().any(|(known, ..)| *known == user) || found.len() >= MOST_CANDIDATES {
                continue;
            }
            let Some(record) = index.images().get(&user)? else { continue };
            let diff_ids: Option<Vec<Digest>> = record.layers.iter().map(|layer| layer.diff_id).collect();
            if let Some(diff_ids) = diff_ids {
                found.push((user, record, diff_ids));
            }
        }
    }
    Ok(found)
}
