//! `images`: a list, a page at a time.

use hyper::Response;
use serde::Serialize;
use weir_scanner::image::ScanStatus;
use weir_scanner::oci::Digest;
use weir_scanner::verdict::{SeverityCounts, Verdict};
use weir_storage::index::{ImageCursor, ImageRecord, Index, IndexError};

use super::problem::Problem;
use super::{Parameters, Report, json};
use crate::clock::rfc3339;
use crate::http::Body;

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

/// One image in a list.
#[derive(Serialize)]
pub(super) struct ImageItem {
    digest: Digest,
    reference: Option<String>,
    repositories: Vec<String>,
    platform: Option<String>,
    scan_status: ScanStatus,
    first_seen: String,
    /// `null` where no client ever pulled it through weir.
    last_pulled: Option<String>,
    matched_at: Option<String>,
    /// Distinct vulnerabilities by severity; `null` until the image was read and matched.
    vulnerabilities: Option<SeverityCounts>,
    /// How many of them a newer version fixes.
    fixable: Option<u64>,
}

impl ImageItem {
    pub(super) fn load(index: &Index, digest: Digest, record: &ImageRecord) -> Result<Self, IndexError> {
        let read = matches!(record.status, ScanStatus::Complete | ScanStatus::Partial);
        let findings = if read { index.findings().get(&digest)? } else { None };
        let verdict =
            findings.filter(|found| !found.findings.feeds.is_empty()).map(|found| Verdict::of(&found.findings));
        Ok(Self {
            digest,
            reference: reference(index, digest, record)?,
            repositories: record
                .names
                .iter()
                .map(|(upstream, repository)| format!("{upstream}/{repository}"))
                .collect(),
            platform: record.platform.as_ref().map(ToString::to_string),
            scan_status: record.status,
            first_seen: rfc3339(record.first_seen),
            last_pulled: record.last_pulled.map(rfc3339),
            matched_at: record.matched_at.map(rfc3339),
            vulnerabilities: verdict.as_ref().map(|verdict| verdict.vulnerabilities),
            fixable: verdict.as_ref().map(|verdict| verdict.fixable),
        })
    }
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

impl Report {
    pub(super) async fn images(&self, parameters: &Parameters) -> Result<Response<Body>, Problem> {
        parameters.only(&["limit", "cursor"])?;
        let limit = limit(parameters)?;
        let cursor = parameters.get("cursor").map(str::parse::<ImageCursor>).transpose();
        let cursor = cursor.map_err(|error| Problem::bad_request(format!("cursor: {error}")))?;
        let load = move |index: &Index| -> Result<_, IndexError> {
            let page = index.images().list(cursor.as_ref(), limit)?;
            let items = page.images.iter().map(|(digest, record)| ImageItem::load(index, *digest, record));
            Ok(Page { items: items.collect::<Result<_, _>>()?, next_cursor: page.next.map(|next| next.to_string()) })
        };
        json(&self.index.run(load).await?)
    }
}

pub(super) fn limit(parameters: &Parameters) -> Result<usize, Problem> {
    let Some(text) = parameters.get("limit") else { return Ok(LIMIT) };
    let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    limit.ok_or_else(|| Problem::bad_request(format!("limit: a number from 1 to {MOST} is needed")))
}
