//! One fetch of one blob: upstream's bytes into the writer, resumed by Range when the body is cut, unseen by readers.

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntCounter;
use weir_scanner::oci::Digest;
use weir_storage::blob::{BlobError, BlobWriter, Committed};

use super::Location;
use super::{PullError, Upstream};
use crate::upstream::{BlobReply, ClientAuth, Retry, UpstreamError};

/// Cuts in a row without a single new byte before the fetch is given up.
const FRUITLESS_RESUMES: u32 = 4;
/// Cuts in all, so that an upstream that sends one byte at a time ends too.
const RESUMES: u32 = 64;
/// The first pause before a resume; doubled each time without progress, with jitter.
const PAUSE: Duration = Duration::from_millis(100);

/// What to fetch, for whom.
pub(super) struct Fetch {
    pub(super) upstream: Arc<Upstream>,
    pub(super) location: Location,
    pub(super) digest: Digest,
    /// The size a manifest's descriptor states.
    pub(super) described: Option<u64>,
    pub(super) credentials: ClientAuth,
    /// Counts bytes received.
    pub(super) received: IntCounter,
    /// Counts blobs that were passed on and not kept.
    pub(super) not_stored: IntCounter,
}

impl Fetch {
    /// Fetches until the blob is committed or has failed; readers learn of either through the writer.
    pub(super) async fn run(self, mut writer: BlobWriter) {
        let outcome = match self.fill(&mut writer).await {
            Ok(()) => writer.commit().await.map_err(PullError::Blob),
            Err(error) => {
                let error = Arc::new(error);
                writer.fail(self.cause(&error));
                Err(PullError::Blob(self.cause(&error)))
            }
        };
        match outcome {
            Ok(Committed { len, stored: true }) => {
                tracing::info!(image.repository = %self.location, blob.digest = %self.digest, size_bytes = len, "blob stored");
            }
            Ok(Committed { len, stored: false }) => {
                self.not_stored.inc();
                tracing::warn!(image.repository = %self.location, blob.digest = %self.digest, size_bytes = len, "blob passed on, the disk is full");
            }
            Err(error) => {
                tracing::warn!(image.repository = %self.location, blob.digest = %self.digest, %error, "blob not stored")
            }
        }
    }

    /// The error readers get: the store's own as it is, everything else as the upstream's with its whole cause.
    fn cause(&self, error: &Arc<PullError>) -> BlobError {
        match &**error {
            PullError::Blob(error) => error.clone(),
            _ => BlobError::Upstream(Arc::clone(error) as Arc<dyn std::error::Error + Send + Sync>),
        }
    }

    async fn fill(&self, writer: &mut BlobWriter) -> Result<(), PullError> {
        let mut fruitless = 0;
        for resumed in 0..=RESUMES {
            let before = writer.position();
            let cut = match self.request(writer).await {
                Ok(reply) => match self.copy(reply, before, writer).await? {
                    None => return Ok(()),
                    Some(cut) => cut,
                },
                // Before the first byte the client has retried what may be retried.
                Err(error) if before == 0 => return Err(error.into()),
                Err(error) => error,
            };
            // Only an outage may heal. A body cut before its first byte is one too: readers may have its length already.
            if matches!(cut.retry(), Retry::Never) {
                return Err(cut.into());
            }
            fruitless = if writer.position() > before { 0 } else { fruitless + 1 };
            if fruitless > FRUITLESS_RESUMES || resumed == RESUMES {
                return Err(cut.into());
            }
            tracing::info!(blob.digest = %self.digest, position = writer.position(), error = %cut, "resuming a cut body");
            let pause = PAUSE * 2_u32.pow(fruitless);
            tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
        }
        Ok(())
    }

    async fn request(&self, writer: &mut BlobWriter) -> Result<BlobReply, UpstreamError> {
        let start = writer.position();
        let from = (start > 0).then_some(start);
        self.upstream.client.blob(&self.location.repository, &self.digest, from, &self.credentials).await
    }

    /// Copies one body. `None` when the blob is whole; the error that cut it otherwise.
    async fn copy(
        &self,
        mut reply: BlobReply,
        position: u64,
        writer: &mut BlobWriter,
    ) -> Result<Option<UpstreamError>, PullError> {
        if position == 0 {
            let announced = reply.len.or(self.described);
            if let (Some(actual), Some(expected)) = (announced, self.described)
                && actual != expected
            {
                return Err(self.wrong(format!("{actual} bytes are announced where the manifest states {expected}")));
            }
            if let Some(len) = announced {
                writer.set_expected_len(len).map_err(PullError::Blob)?;
            }
        }
        // A body that ends with its connection looks whole wherever it ends, unless it is known how long it must be.
        reply.len = reply.len.or(self.described);
        // A registry that ignores Range starts again; what is already there is passed over.
        let mut skip = position
            .checked_sub(reply.start)
            .ok_or_else(|| self.wrong("a range starts behind what was asked for".into()))?;
        loop {
            let mut bytes = match reply.chunk().await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break,
                Err(error) => return Ok(Some(error)),
            };
            self.received.inc_by(bytes.len() as u64);
            let passed = usize::try_from(skip).map_or(bytes.len(), |skip| skip.min(bytes.len()));
            let bytes = bytes.split_off(passed);
            skip -= passed as u64;
            if !bytes.is_empty() {
                writer.append(bytes).await.map_err(PullError::Blob)?;
            }
        }
        Ok(None)
    }

    fn wrong(&self, detail: String) -> PullError {
        PullError::Content { upstream: self.upstream.name.clone(), what: "a blob", detail }
    }
}
