//! Answers for blobs: a claim decides whether the bytes come from the store, from a fetch under way, or from a fetch begun here.
//!
//! A blob is served to a repository's readers only where that repository is known to hold it; otherwise the upstream is asked
//! first, so that a digest learned elsewhere opens nothing.

use weir_scanner::oci::Digest;
use weir_storage::blob::{BlobError, BlobReader, Claim};
use weir_storage::index::{LinkKind, LinkRecord};

use super::Location;
use super::access::missing_digest;
use super::fetch::Fetch;
use super::{Identity, PullError, Puller, Seen, Upstream};
use crate::metrics::BlobResult;
use crate::upstream::UpstreamError;

/// On whose behalf a blob is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A client's request: counted, and announced to the scanner.
    Client,
    /// weir's own reading: the reader may run ahead of verification, its result waits for it.
    Scan,
}

/// A blob to answer with.
pub struct BlobAnswer {
    /// The reader, at the start.
    pub reader: BlobReader,
    /// The length in bytes, where it is known yet.
    pub len: Option<u64>,
    /// Where the bytes come from.
    pub result: BlobResult,
}

/// Waits until the blob's bytes are certain to come. An empty one has no last byte to hold back, so its end is waited for:
/// otherwise an upstream that sends nothing would be believed before the digest is checked.
async fn begun(reader: &mut BlobReader) -> Result<Option<u64>, BlobError> {
    let len = reader.started().await?;
    if len == Some(0) {
        reader.next_chunk().await?;
    }
    Ok(len)
}

impl Puller {
    /// A reader of the blob, once its first bytes are certain to come.
    ///
    /// # Errors
    /// What the upstream refused or how the fetch failed before it began.
    pub async fn blob(
        &self,
        location: &Location,
        digest: Digest,
        identity: &Identity,
        purpose: Purpose,
    ) -> Result<BlobAnswer, PullError> {
        let answer = self.claim_blob(location, digest, identity, purpose).await;
        if purpose == Purpose::Client {
            let result = answer.as_ref().map_or(BlobResult::Error, |answer| answer.result);
            self.0.metrics.blob_request(&location.upstream, result);
        }
        answer
    }

    /// The blob's length in bytes, for HEAD.
    ///
    /// # Errors
    /// As [`Puller::blob`].
    pub async fn blob_size(
        &self,
        location: &Location,
        digest: Digest,
        identity: &Identity,
    ) -> Result<Option<u64>, PullError> {
        let upstream = self.upstream(location);
        let described = self.membership(&upstream, location, digest, identity).await?;
        if let Some(stored) = self.0.blobs.stored(&digest).await {
            return Ok(Some(stored.size));
        }
        let head = self.head_blob(&upstream, location, digest, identity).await?;
        Ok(head.or(described))
    }

    async fn claim_blob(
        &self,
        location: &Location,
        digest: Digest,
        identity: &Identity,
        purpose: Purpose,
    ) -> Result<BlobAnswer, PullError> {
        let upstream = self.upstream(location);
        let described = self.membership(&upstream, location, digest, identity).await?;
        // A fetch joined under another identity may fail for reasons that are that identity's: then this one tries itself.
        let mut tries = if upstream.client_access { 2 } else { 1 };
        loop {
            tries -= 1;
            let (mut reader, result) = match self.0.blobs.claim(&digest).await {
                Claim::Stored(reader) => (reader, BlobResult::Stored),
                Claim::Joined(reader) => (reader, BlobResult::Joined),
                Claim::Fetch(writer, reader) => {
                    let fetch = Fetch {
                        upstream: std::sync::Arc::clone(&upstream),
                        location: location.clone(),
                        digest,
                        described,
                        credentials: Self::credentials(&upstream, identity),
                        received: self.0.metrics.bytes_fetched(&upstream.name),
                        not_stored: self.0.metrics.blobs_not_stored(&upstream.name),
                    };
                    // A task of its own: a client that leaves stops only its own body.
                    self.0.tasks.spawn("blob-fetch", fetch.run(writer));
                    if purpose == Purpose::Client {
                        self.announce(Seen::BlobStarted { digest });
                    }
                    (reader, BlobResult::Fetched)
                }
            };
            match begun(&mut reader).await {
                Ok(len) => return Ok(BlobAnswer { reader, len, result }),
                Err(_) if result == BlobResult::Joined && tries > 0 => {}
                Err(error) => {
                    self.remember_missing(&upstream, location, digest, &error);
                    return Err(PullError::Blob(error));
                }
            }
        }
    }

    fn remember_missing(&self, upstream: &Upstream, location: &Location, digest: Digest, error: &BlobError) {
        if let BlobError::Upstream(cause) = error
            && let Some(PullError::Upstream(UpstreamError::NotFound { authoritative: true, .. })) = cause.downcast_ref()
            && !upstream.client_access
        {
            self.0.missing.remember(missing_digest(location, &digest), self.0.clock.now());
        }
    }

    /// Makes sure that `location` holds the blob and `identity` may read it; returns the size a manifest gave, if any.
    async fn membership(
        &self,
        upstream: &Upstream,
        location: &Location,
        digest: Digest,
        identity: &Identity,
    ) -> Result<Option<u64>, PullError> {
        if self.may_read(upstream, location, identity) {
            let place = location.clone();
            let link = self
                .lookup("a blob's place", move |index| index.links().get(&place.upstream, &place.repository, &digest))
                .await;
            if let Some(link) = link {
                return Ok(link.size);
            }
        }
        let size = self.head_blob(upstream, location, digest, identity).await?;
        // The size is what an unverified answer says: it guides this fetch, and is not kept to be held against later ones.
        let record = LinkRecord { kind: LinkKind::Blob, seen_at: self.0.clock.now(), size: None, media_type: None };
        let place = location.clone();
        self.record("a blob's place", move |index| {
            index.links().put(&place.upstream, &place.repository, &digest, &record)
        })
        .await;
        Ok(size)
    }

    async fn head_blob(
        &self,
        upstream: &Upstream,
        location: &Location,
        digest: Digest,
        identity: &Identity,
    ) -> Result<Option<u64>, PullError> {
        let key = missing_digest(location, &digest);
        if !upstream.client_access && self.0.missing.holds(&key, self.0.clock.now()) {
            return Err(Self::remembered_404(location, "blobs", digest));
        }
        let credentials = Self::credentials(upstream, identity);
        let answer = upstream.client.blob_head(&location.repository, &digest, &credentials).await;
        self.note_access(upstream, location, identity, &answer);
        if let Err(UpstreamError::NotFound { authoritative: true, .. }) = &answer
            && !upstream.client_access
        {
            self.0.missing.remember(key, self.0.clock.now());
        }
        Ok(answer?.len)
    }
}
