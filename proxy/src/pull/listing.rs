//! Tags and referrers: passed through from the upstream, never kept, since either may change at any time.

use weir_scanner::oci::Digest;

use super::{Identity, Location, PullError, Puller};
use crate::upstream::ListAnswer;

/// A list as the upstream gave it.
pub type Listing = ListAnswer;

impl Puller {
    /// A repository's tags. `query` is the client's, without `ns`.
    ///
    /// # Errors
    /// What the upstream refused or how it failed.
    pub async fn tags(&self, location: &Location, query: &str, identity: &Identity) -> Result<Listing, PullError> {
        let upstream = self.upstream(location);
        let answer = upstream.client.tags(&location.repository, query, &Self::credentials(&upstream, identity)).await;
        self.note_access(&upstream, location, identity, &answer);
        Ok(answer?)
    }

    /// The manifests that refer to `digest`. An upstream without the endpoint answers 404, which is passed on so that the client
    /// looks for the fallback tag; an empty list is never made up.
    ///
    /// # Errors
    /// As [`Puller::tags`].
    pub async fn referrers(
        &self,
        location: &Location,
        digest: Digest,
        query: &str,
        identity: &Identity,
    ) -> Result<Listing, PullError> {
        let upstream = self.upstream(location);
        let answer = upstream
            .client
            .referrers(&location.repository, &digest, query, &Self::credentials(&upstream, identity))
            .await;
        self.note_access(&upstream, location, identity, &answer);
        Ok(answer?)
    }
}
