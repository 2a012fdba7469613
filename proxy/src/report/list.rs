//! What lists have in common: pages, their size, and the names images are shown under.

use serde::Serialize;
use weir_scanner::oci::Digest;
use weir_storage::index::{ImageRecord, Index, IndexError};

use super::Parameters;
use super::problem::Problem;

/// Items of a page unless `limit` says otherwise, and the most it may say.
const LIMIT: usize = 100;
const MOST: usize = 1000;
/// Tags of a repository looked through for a name to show.
const TAGS: usize = 256;

/// A page of a list.
#[derive(Serialize)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next_cursor: Option<String>,
}

/// A name to show an image under: a tag that leads to it, else its repository and digest.
pub(super) fn reference(index: &Index, digest: Digest, record: &ImageRecord) -> Result<Option<String>, IndexError> {
    let mut leading = vec![digest];
    leading.extend(index.aliases().parents(&digest)?.into_iter().map(|edge| edge.parent));
    for (upstream, repository) in &record.names {
        let tags = index.tags().list(upstream, repository, None, TAGS)?;
        if let Some((tag, _)) = tags.into_iter().find(|(_, row)| leading.contains(&row.digest)) {
            return Ok(Some(format!("{upstream}/{repository}:{tag}")));
        }
    }
    Ok(record.names.first().map(|(upstream, repository)| format!("{upstream}/{repository}@{digest}")))
}

pub(super) fn limit(parameters: &Parameters) -> Result<usize, Problem> {
    let Some(text) = parameters.get("limit") else { return Ok(LIMIT) };
    let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    limit.ok_or_else(|| Problem::bad_request(format!("limit: a number from 1 to {MOST} is needed")))
}
