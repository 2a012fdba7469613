//! `images`: every image weir has seen, and those that run unseen, newest first.

use std::collections::BTreeSet;

use hyper::Response;
use serde::Serialize;
use weir_scanner::image::ScanStatus;
use weir_scanner::oci::Digest;
use weir_scanner::verdict::{SeverityCounts, Verdict};
use weir_storage::index::{ImageCursor, ImageRecord, Index, IndexError};

use super::filter::{ImageFacts, ImageFilter, ImageStatus, OF_IMAGES, OF_WORKLOADS};
use super::fleet::{FleetView, Known, RunningImage};
use super::list::{Page, limit, reference};
use super::problem::Problem;
use super::{Parameters, Report, json};
use crate::clock::rfc3339;
use crate::http::Body;

/// Rows a filtered page looks through at most; a page that found less than it may still says where to go on.
pub(super) const MOST_LOOKED_AT: usize = 10_000;

/// One image in a list.
#[derive(Serialize)]
pub(super) struct ImageItem {
    digest: Digest,
    reference: Option<String>,
    repositories: Vec<String>,
    platform: Option<String>,
    /// `running`, `idle` or `retired`.
    image_status: &'static str,
    /// Workloads that run it now.
    running_resources: usize,
    /// The clusters they are in.
    clusters: Vec<String>,
    scan_status: ScanStatus,
    /// Why weir could not fetch it.
    reason: Option<&'static str>,
    detail: Option<String>,
    first_seen: String,
    /// When a client last pulled it through weir; `null` if none ever did.
    last_pulled: Option<String>,
    /// When it last ran; `null` if it never did.
    last_run: Option<String>,
    matched_at: Option<String>,
    /// Distinct vulnerabilities by severity; `null` until the image was read and matched.
    vulnerabilities: Option<SeverityCounts>,
    /// How many of them a newer version fixes.
    fixable: Option<u64>,
}

/// What an image in a list is made with.
pub(super) struct ImageContext<'a> {
    pub(super) index: &'a Index,
    pub(super) view: &'a FleetView,
    pub(super) idle_seconds: i64,
    pub(super) now: i64,
}

/// How an image is used, told once for the filter and the item.
struct Use<'a> {
    running: Option<&'a RunningImage>,
    status: ImageStatus,
    last_run: Option<i64>,
}

impl<'a> ImageContext<'a> {
    fn use_of(&self, digest: &Digest, record: &ImageRecord) -> Result<Use<'a>, IndexError> {
        if let Some(running) = self.view.images.get(digest) {
            let last_run = Some(self.view.inventory.at);
            return Ok(Use { running: Some(running), status: ImageStatus::Running, last_run });
        }
        let lives = self.index.life().of_image(digest).map(|row| Ok::<_, IndexError>(row?.1.last_seen));
        let last_run = lives.collect::<Result<Vec<_>, _>>()?.into_iter().max();
        let last = record.last_pulled.max(last_run).unwrap_or(record.first_seen);
        Ok(Use { running: None, status: status_at_rest(last, self.idle_seconds, self.now), last_run })
    }

    /// Whether an image is meant.
    pub(super) fn takes(&self, filter: &ImageFilter, digest: &Digest) -> Result<bool, IndexError> {
        if let Some(image) = self.view.images.get(digest) {
            return Ok(self.takes_running(filter, image));
        }
        if !filter.workloads.is_empty() {
            return Ok(false);
        }
        let Some(record) = self.index.images().get(digest)? else { return Ok(false) };
        Ok(filter.takes(&facts_at_rest(&record, &self.use_of(digest, &record)?)))
    }

    fn takes_running(&self, filter: &ImageFilter, image: &RunningImage) -> bool {
        filter.takes(&facts_of_running(image))
            && image.users.iter().any(|place| filter.workloads.takes(self.view.workload(*place)))
    }

    /// The item of an image that weir has seen.
    pub(super) fn item(&self, digest: Digest, record: &ImageRecord) -> Result<ImageItem, IndexError> {
        let used = self.use_of(&digest, record)?;
        self.seen(digest, record, &used)
    }

    fn seen(&self, digest: Digest, record: &ImageRecord, used: &Use<'_>) -> Result<ImageItem, IndexError> {
        let read = matches!(record.status, ScanStatus::Complete | ScanStatus::Partial);
        let findings = if read { self.index.findings().get(&digest)? } else { None };
        let verdict =
            findings.filter(|found| !found.findings.feeds.is_empty()).map(|found| Verdict::of(&found.findings));
        let names = record.names.iter().map(|(upstream, repository)| format!("{upstream}/{repository}"));
        Ok(ImageItem {
            digest,
            reference: reference(self.index, digest, record)?,
            repositories: names.collect(),
            platform: record.platform.as_ref().map(ToString::to_string),
            image_status: used.status.name(),
            running_resources: used.running.map_or(0, |running| running.users.len()),
            clusters: self.view.clusters_of(&digest),
            scan_status: record.status,
            reason: None,
            detail: None,
            first_seen: rfc3339(record.first_seen),
            last_pulled: record.last_pulled.map(rfc3339),
            last_run: used.last_run.map(rfc3339),
            matched_at: record.matched_at.map(rfc3339),
            vulnerabilities: verdict.as_ref().map(|verdict| verdict.vulnerabilities),
            fixable: verdict.as_ref().map(|verdict| verdict.fixable),
        })
    }

    /// The item of an image that runs and that weir has not seen.
    pub(super) fn unseen(&self, digest: Digest, image: &RunningImage) -> ImageItem {
        let uses = image.users.iter().flat_map(|place| &self.view.workload(*place).uses);
        let uses: Vec<_> = uses.filter(|used| super::fleet::image_of(used) == Some(digest)).collect();
        let named: BTreeSet<String> = uses
            .iter()
            .filter_map(|used| used.image.parse::<weir_scanner::oci::Reference>().ok())
            .map(|name| format!("{}/{}", name.upstream, name.repository))
            .collect();
        let state = match &image.known {
            Known::Unseen(state) => state.as_ref(),
            Known::Seen(_) => None,
        };
        ImageItem {
            digest,
            reference: uses.first().map(|used| used.image.to_string()),
            repositories: named.into_iter().collect(),
            platform: uses.first().and_then(|used| used.platform.as_ref()).map(ToString::to_string),
            image_status: ImageStatus::Running.name(),
            running_resources: image.users.len(),
            clusters: self.view.clusters_of(&digest),
            scan_status: image.status(),
            reason: state.and_then(|state| state.reason).map(|reason| reason.name()),
            detail: state.map(|state| state.detail.clone()).filter(|detail| !detail.is_empty()),
            first_seen: rfc3339(image.first_seen),
            last_pulled: None,
            last_run: Some(rfc3339(self.view.inventory.at)),
            matched_at: None,
            vulnerabilities: None,
            fixable: None,
        }
    }

    /// A page of the images that run, of workloads that are meant.
    fn running(
        &self,
        filter: &ImageFilter,
        after: Option<&ImageCursor>,
        limit: usize,
    ) -> Result<Page<ImageItem>, IndexError> {
        let images = self.view.images.iter().filter(|(_, image)| self.takes_running(filter, image));
        let mut places: Vec<ImageCursor> = images
            .map(|(digest, image)| ImageCursor::new(first_seen(image), *digest))
            .filter(|place| after.is_none_or(|after| after.is_before(place)))
            .collect();
        places.sort_by(ImageCursor::order);
        let next_cursor = if places.len() > limit { places.get(limit - 1).map(ToString::to_string) } else { None };
        let items = places.iter().take(limit).map(|place| {
            let image = &self.view.images[&place.digest()];
            match image.posture() {
                Some(posture) => self.item(place.digest(), &posture.record),
                None => Ok(self.unseen(place.digest(), image)),
            }
        });
        Ok(Page { items: items.collect::<Result<_, _>>()?, next_cursor })
    }

    /// A page of all images that are meant.
    fn all(
        &self,
        filter: &ImageFilter,
        after: Option<ImageCursor>,
        limit: usize,
    ) -> Result<Page<ImageItem>, IndexError> {
        let unseen = self.view.images.iter().filter(|(_, image)| image.posture().is_none());
        let unseen = unseen.filter(|(_, image)| filter.takes(&facts_of_running(image)));
        let mut unseen: Vec<ImageCursor> = unseen
            .map(|(digest, image)| ImageCursor::new(image.first_seen, *digest))
            .filter(|place| after.as_ref().is_none_or(|after| after.is_before(place)))
            .collect();
        unseen.sort_by(ImageCursor::order);
        let mut unseen = unseen.into_iter().peekable();
        let (mut items, mut looked_at, mut after, mut last) = (Vec::new(), 0, after, None);
        loop {
            let page = self.index.images().list(after.as_ref(), limit)?;
            for (digest, record) in &page.images {
                let place = ImageCursor::new(record.first_seen, *digest);
                while let Some(next) = unseen.next_if(|next| items.len() < limit && next.is_before(&place)) {
                    items.push(self.unseen(next.digest(), &self.view.images[&next.digest()]));
                    last = Some(next);
                }
                if items.len() == limit || looked_at >= MOST_LOOKED_AT {
                    return Ok(Page { items, next_cursor: last.map(|last| last.to_string()) });
                }
                looked_at += 1;
                last = Some(place);
                // Its row may be newer than the view, which has it among those that run unseen.
                if self.view.images.get(digest).is_some_and(|image| image.posture().is_none()) {
                    continue;
                }
                let used = self.use_of(digest, record)?;
                if filter.takes(&facts_at_rest(record, &used)) {
                    items.push(self.seen(*digest, record, &used)?);
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for next in unseen.by_ref() {
            if items.len() == limit {
                return Ok(Page { items, next_cursor: last.map(|last| last.to_string()) });
            }
            items.push(self.unseen(next.digest(), &self.view.images[&next.digest()]));
            last = Some(next);
        }
        Ok(Page { items, next_cursor: None })
    }
}

/// When an image was first seen: by its row, or to run.
fn first_seen(image: &RunningImage) -> i64 {
    image.posture().map_or(image.first_seen, |posture| posture.record.first_seen)
}

/// How an image that does not run now is used, last used at `last` (seconds since the epoch).
fn status_at_rest(last: i64, idle_seconds: i64, now: i64) -> ImageStatus {
    if now.saturating_sub(last) <= idle_seconds { ImageStatus::Idle } else { ImageStatus::Retired }
}

/// What a filter looks at in an image that has a row.
fn facts_at_rest(record: &ImageRecord, used: &Use<'_>) -> ImageFacts {
    ImageFacts {
        status: used.status,
        scan_status: record.status,
        pulled: record.last_pulled.is_some(),
        ran: used.last_run.is_some(),
    }
}

/// What a filter looks at in an image that runs.
pub(super) fn facts_of_running(image: &RunningImage) -> ImageFacts {
    ImageFacts {
        status: ImageStatus::Running,
        scan_status: image.status(),
        pulled: image.posture().is_some_and(|posture| posture.record.last_pulled.is_some()),
        ran: true,
    }
}

impl Report {
    pub(super) async fn images(&self, parameters: &Parameters) -> Result<Response<Body>, Problem> {
        let known = [&OF_WORKLOADS[..], &OF_IMAGES[..], &["limit", "cursor"]].concat();
        parameters.only(&known)?;
        let (filter, limit) = (ImageFilter::parse(parameters)?, limit(parameters)?);
        let cursor = parameters.get("cursor").map(str::parse::<ImageCursor>).transpose();
        let cursor = cursor.map_err(|error| Problem::bad_request(format!("cursor: {error}")))?;
        let (view, idle_seconds, now) = (self.fleet.view(), self.idle_seconds(), self.clock.now());
        let load = move |index: &Index| -> Result<_, IndexError> {
            let context = ImageContext { index, view: &view, idle_seconds, now };
            if filter.is_of_running() {
                context.running(&filter, cursor.as_ref(), limit)
            } else {
                context.all(&filter, cursor, limit)
            }
        };
        json(&self.index.run(load).await?)
    }
}
