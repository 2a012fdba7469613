//! Finds what was left: images whose scan was queued, interrupted, cut short by an outage, or made with older detectors.

use weir_scanner::image::{ImageReason, ScanStatus};
use weir_scanner::layer::ReasonCode;
use weir_scanner::oci::Digest;
use weir_storage::index::{ImageRecord, IndexError};

use super::{Occasion, Scanner};
use crate::pull::Location;

/// Images looked at in one sweep of one status.
const PAGE: usize = 64;

impl Scanner {
    pub(super) async fn sweep(&self) {
        for status in [ScanStatus::Queued, ScanStatus::Scanning, ScanStatus::Partial, ScanStatus::Failed] {
            if let Err(error) = self.sweep_status(status).await {
                tracing::error!(%error, status = status.name(), "unfinished images could not be listed");
            }
        }
    }

    async fn sweep_status(&self, status: ScanStatus) -> Result<(), IndexError> {
        let mut after = None;
        loop {
            let from = after.take();
            let page =
                self.0.index.run(move |index| index.images().list_by_status(status, from.as_ref(), PAGE)).await?;
            for (digest, record) in page.images {
                self.resume(digest, &record);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn resume(&self, digest: Digest, record: &ImageRecord) {
        let current = record.inventory_fingerprint.as_deref() == Some(self.fingerprint());
        let finished = matches!(record.status, ScanStatus::Partial | ScanStatus::Failed);
        if finished && current && !record.reasons.iter().any(may_heal) {
            return;
        }
        let known = record.names.iter().find(|(upstream, _)| self.0.puller.knows(upstream));
        if let Some((upstream, repository)) = known {
            self.start(Location { upstream: upstream.clone(), repository: repository.clone() }, digest, Occasion::Left);
        }
    }
}

/// Whether another try may give more.
fn may_heal(reason: &ImageReason) -> bool {
    matches!(reason.reason.code, ReasonCode::FetchFailed | ReasonCode::MissingLayers)
}
