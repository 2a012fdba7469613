//! The way of one request: fetch its manifests, hand its images to the scanner, and follow them until they are read.

use std::time::Duration;

use tokio::time::Instant;
use weir_scanner::image::ScanStatus;
use weir_scanner::oci::{Digest, InvalidReference, Reference};
use weir_storage::index::{ImageRecord, Index, IndexError, ScanRequestRecord, ScanRequestState};

use super::failure::Failure;
use super::images::{fetch, is_other};
use super::{ScanRequests, Taken};
use crate::pull::FetchReason;
use crate::pull::Location;
use crate::scan::Requested;
use crate::tasks::TaskError;

/// How often the images of a request are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long a request's images may take to be read.
const DEADLINE: Duration = Duration::from_secs(3600);
/// How long a worker waits for another request before it looks for one by itself.
const IDLE: Duration = Duration::from_secs(60);

impl ScanRequests {
    /// One worker: request after request until cancelled.
    pub(super) async fn work(self) {
        let token = self.0.parts.tasks.token();
        while !token.is_cancelled() {
            let outcome = match self.next().await {
                Ok(Some(taken)) => {
                    // The next one may wait already, and one notice wakes one worker.
                    self.0.added.notify_one();
                    self.process(taken).await
                }
                Ok(None) => {
                    self.wait().await;
                    Ok(())
                }
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                tracing::error!(%error, "scan requests cannot be read or written");
                token.run_until_cancelled(tokio::time::sleep(IDLE)).await;
            }
        }
    }

    async fn wait(&self) {
        let token = self.0.parts.tasks.token();
        let notice = tokio::time::timeout(IDLE, self.0.added.notified());
        // Both ends of the wait mean the same: look again.
        let _: Option<Result<(), _>> = token.run_until_cancelled(notice).await;
    }

    /// Carries a request out in a task of its own; one that panics has failed, and is not tried for ever.
    async fn process(&self, taken: Taken) -> Result<(), IndexError> {
        let (requests, record) = (self.clone(), taken.record.clone());
        let token = self.0.parts.tasks.token();
        let work = async move { token.run_until_cancelled(requests.carry_out(record)).await.unwrap_or(Ok(())) };
        match self.0.parts.tasks.spawn("scan-request", work).await {
            Err(error @ TaskError::Panicked { .. }) => {
                let failure = Failure::new(FetchReason::Failed, error.to_string());
                self.note(&mut taken.record.clone(), failed(failure)).await
            }
            // One that was stopped is taken up again by the next start.
            Err(TaskError::Stopped { .. }) => Ok(()),
            Ok(outcome) => outcome,
        }
    }

    async fn carry_out(&self, mut record: ScanRequestRecord) -> Result<(), IndexError> {
        let state = match self.scan(&mut record).await {
            Ok(()) => ScanRequestState::Done,
            Err(failure) => {
                tracing::info!(image.reference = %record.reference, code = failure.kind.name(), "requested image cannot be scanned: {}", failure.detail);
                failed(failure)
            }
        };
        self.note(&mut record, state).await
    }

    async fn scan(&self, record: &mut ScanRequestRecord) -> Result<(), Failure> {
        let reference: Reference = record
            .reference
            .parse()
            .map_err(|error: InvalidReference| Failure::new(FetchReason::BadReference, error.to_string()))?;
        self.note(record, ScanRequestState::Fetching).await?;
        let (location, images) = fetch(&self.0.parts.puller, &reference, record.platform.as_ref()).await?;
        record.images.clone_from(&images);
        self.note(record, ScanRequestState::Scanning).await?;
        let read = self.follow(&location, images).await?;
        match (&record.platform, read.as_slice()) {
            // What an index says of its images was looked at before; a manifest says nothing of itself.
            (Some(wanted), [image]) if image.platform.as_ref().is_some_and(|found| is_other(found, wanted)) => {
                let found = image.platform.as_ref().map(ToString::to_string).unwrap_or_default();
                let detail = format!("there is no image for {wanted}; this one is for {found}");
                Err(Failure::new(FetchReason::NotFound, detail))
            }
            _ => Ok(()),
        }
    }

    /// Has the images read, and waits until they are.
    async fn follow(&self, location: &Location, images: Vec<Digest>) -> Result<Vec<ImageRecord>, Failure> {
        let (scanner, end) = (&self.0.parts.scanner, Instant::now() + DEADLINE);
        let mut waiting = images.clone();
        loop {
            waiting = self.begin(location, waiting).await?;
            let reading = images.iter().any(|digest| scanner.is_reading(digest));
            let wanted = images.clone();
            let rows = self.0.parts.index.run(move |index| rows(index, &wanted)).await?;
            if let Some(rows) = rows.filter(|rows| waiting.is_empty() && !reading && rows.iter().all(is_read)) {
                return Ok(rows);
            }
            if Instant::now() >= end {
                let detail = format!("not read within {} minutes", DEADLINE.as_secs() / 60);
                return Err(Failure::new(FetchReason::Failed, detail));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Has images read; answers with those that must wait.
    async fn begin(&self, location: &Location, images: Vec<Digest>) -> Result<Vec<Digest>, Failure> {
        let mut waiting = Vec::new();
        for digest in images {
            match self.0.parts.scanner.request(location, digest).await? {
                Requested::Reading => {}
                Requested::Busy => waiting.push(digest),
                Requested::NotStored => {
                    let detail = format!("the manifest {digest} could not be stored");
                    return Err(Failure::new(FetchReason::Failed, detail));
                }
            }
        }
        Ok(waiting)
    }

    async fn note(&self, record: &mut ScanRequestRecord, state: ScanRequestState) -> Result<(), IndexError> {
        record.state = state;
        record.updated_at = self.0.parts.clock.now();
        let record = record.clone();
        self.0.parts.index.run(move |index| index.scan_requests().put(&record)).await
    }
}

fn failed(failure: Failure) -> ScanRequestState {
    ScanRequestState::Failed { code: failure.kind.name().to_owned(), detail: failure.detail }
}

/// The images' rows, once each has one.
fn rows(index: &Index, images: &[Digest]) -> Result<Option<Vec<ImageRecord>>, IndexError> {
    images.iter().map(|digest| index.images().get(digest)).collect()
}

fn is_read(image: &ImageRecord) -> bool {
    matches!(image.status, ScanStatus::Complete | ScanStatus::Partial | ScanStatus::Failed | ScanStatus::Unsupported)
}
