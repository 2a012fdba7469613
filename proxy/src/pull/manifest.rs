//! Answers for manifests: digests from the store for ever, tags while they are fresh, both from upstream otherwise.
//!
//! A tag past its freshness is revalidated by a HEAD and served stale, marked so, while the upstream fails. Bytes are kept as
//! they came and verified against their digest before anything is stored or answered.

use bytes::Bytes;
use weir_scanner::oci::{Algorithm, Digest, DigestHasher, Document, MediaType, Selector, Tag};
use weir_storage::index::{ChildKind, ChildLink, Index, IndexError, ManifestPut, TagRecord};

use super::Location;
use super::access::missing_key;
use super::{Accept, Identity, PullError, Puller, Purpose, Seen, Upstream};
use crate::clock::rfc3339;
use crate::upstream::{ClientAuth, Fault, ManifestReply, Method, UpstreamError};

/// A manifest to answer with.
#[derive(Clone, Debug)]
pub struct ManifestAnswer {
    /// Its digest.
    pub digest: Digest,
    /// Its media type, without parameters.
    pub media_type: MediaType,
    /// Its bytes, as they came.
    pub bytes: Bytes,
    /// Why it may be out of date, where it may.
    pub warning: Option<String>,
}

impl Puller {
    /// The manifest that is asked for. A client's is announced to the scanner; weir's own reading leaves that to whoever reads.
    ///
    /// # Errors
    /// What the upstream refused or how it failed, where nothing stored may answer instead.
    pub async fn manifest(
        &self,
        location: &Location,
        selector: &Selector,
        accept: &Accept,
        identity: &Identity,
        purpose: Purpose,
    ) -> Result<ManifestAnswer, PullError> {
        let answer = match selector {
            Selector::Digest(digest) => self.manifest_by_digest(location, *digest, identity).await?,
            Selector::Tag(tag) => self.manifest_by_tag(location, tag, accept, identity).await?,
        };
        if purpose == Purpose::Client {
            self.announce(Seen::Manifest { location: location.clone(), digest: answer.digest });
        }
        Ok(answer)
    }

    async fn manifest_by_digest(
        &self,
        location: &Location,
        digest: Digest,
        identity: &Identity,
    ) -> Result<ManifestAnswer, PullError> {
        let upstream = self.upstream(location);
        if self.may_read(&upstream, location, identity)
            && let Some(answer) = self.stored_manifest(location, digest).await
        {
            return Ok(answer);
        }
        // Followers of the first asker find the manifest stored when their turn comes.
        let turn = if upstream.client_access {
            None
        } else {
            Some(self.0.turns.take(missing_key(location, &digest.to_string())).await)
        };
        if turn.is_some()
            && let Some(answer) = self.stored_manifest(location, digest).await
        {
            return Ok(answer);
        }
        self.fetch_manifest(&upstream, location, &Selector::Digest(digest), &Accept::anything(), identity).await
    }

    async fn manifest_by_tag(
        &self,
        location: &Location,
        tag: &Tag,
        accept: &Accept,
        identity: &Identity,
    ) -> Result<ManifestAnswer, PullError> {
        let upstream = self.upstream(location);
        let may_read = self.may_read(&upstream, location, identity);
        if may_read && let Some(answer) = self.fresh_tag(&upstream, location, tag, accept).await {
            return Ok(answer);
        }
        let _turn = if may_read { Some(self.0.turns.take(missing_key(location, tag.as_str())).await) } else { None };
        if may_read && let Some(answer) = self.fresh_tag(&upstream, location, tag, accept).await {
            return Ok(answer);
        }
        let known = self.stored_tag(location, tag).await.filter(|row| accept.takes(&row.media_type));
        let error = match self.revalidate(&upstream, location, tag, known.as_ref(), accept, identity).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        // Only an outage may be bridged; a refusal or a 404 is the upstream's word.
        let outage =
            matches!(&error, PullError::Upstream(cause) if cause.fault() == Fault::Upstream && !cause.is_refusal());
        match known {
            Some(row) if outage && self.may_read(&upstream, location, identity) => {
                let Some(mut answer) = self.stored_manifest(location, row.digest).await else { return Err(error) };
                let checked = rfc3339(row.checked_at);
                tracing::warn!(image.reference = %format_args!("{location}:{tag}"), %error, "tag served stale, last checked {checked}");
                answer.warning = Some(format!("{location}:{tag} was last checked at {checked}: {error}"));
                Ok(answer)
            }
            _ => Err(error),
        }
    }

    /// Whether `identity` may be served stored content of `location` without asking upstream.
    pub(super) fn may_read(&self, upstream: &Upstream, location: &Location, identity: &Identity) -> bool {
        !upstream.client_access || self.0.proofs.holds(location, identity, self.0.clock.now())
    }

    /// The credentials a request for `identity` carries upstream.
    pub(super) fn credentials(upstream: &Upstream, identity: &Identity) -> ClientAuth {
        if upstream.client_access { identity.credentials() } else { ClientAuth::Own }
    }

    /// Notes what an upstream's answer says about a client's access.
    pub(super) fn note_access<T>(
        &self,
        upstream: &Upstream,
        location: &Location,
        identity: &Identity,
        answer: &Result<T, UpstreamError>,
    ) {
        if !upstream.client_access {
            return;
        }
        match answer {
            Ok(_) => self.0.proofs.remember(location, identity, self.0.clock.now()),
            Err(error) if error.is_refusal() => self.0.proofs.forget(location, identity),
            Err(_) => {}
        }
    }

    async fn stored_tag(&self, location: &Location, tag: &Tag) -> Option<TagRecord> {
        let (place, tag) = (location.clone(), tag.clone());
        self.lookup("a tag", move |index| index.tags().get(&place.upstream, &place.repository, &tag)).await
    }

    async fn fresh_tag(
        &self,
        upstream: &Upstream,
        location: &Location,
        tag: &Tag,
        accept: &Accept,
    ) -> Option<ManifestAnswer> {
        let row = self.stored_tag(location, tag).await?;
        let age = self.0.clock.now().saturating_sub(row.checked_at);
        let fresh = u64::try_from(age).is_ok_and(|age| age < upstream.tag_ttl.as_secs());
        if fresh && accept.takes(&row.media_type) { self.stored_manifest(location, row.digest).await } else { None }
    }

    /// A stored manifest, where this repository of this upstream is known to hold it.
    pub(super) async fn stored_manifest(&self, location: &Location, digest: Digest) -> Option<ManifestAnswer> {
        let place = location.clone();
        let find = move |index: &Index| -> Result<_, IndexError> {
            match index.links().get(&place.upstream, &place.repository, &digest)? {
                Some(_) => index.manifests().get(&digest),
                None => Ok(None),
            }
        };
        let record = self.lookup("a manifest", find).await?;
        Some(ManifestAnswer { digest, media_type: record.media_type, bytes: record.bytes.into(), warning: None })
    }

    /// Asks upstream what a tag names now: by HEAD where something is known, so that an unchanged tag costs no transfer.
    async fn revalidate(
        &self,
        upstream: &Upstream,
        location: &Location,
        tag: &Tag,
        known: Option<&TagRecord>,
        accept: &Accept,
        identity: &Identity,
    ) -> Result<ManifestAnswer, PullError> {
        let selector = Selector::Tag(tag.clone());
        if let Some(row) = known {
            let head = self.ask(upstream, location, &selector, Method::Head, accept, identity).await?;
            if head.digest == Some(row.digest)
                && let Some(answer) = self.stored_manifest(location, row.digest).await
            {
                self.touch_tag(location, tag, row).await;
                return Ok(answer);
            }
        }
        self.fetch_manifest(upstream, location, &selector, accept, identity).await
    }

    async fn touch_tag(&self, location: &Location, tag: &Tag, row: &TagRecord) {
        let (place, tag, digest, now) = (location.clone(), tag.clone(), row.digest, self.0.clock.now());
        let confirm = move |index: &Index| {
            index.tags().confirm(&place.upstream, &place.repository, &tag, &digest, now).map(|_| ())
        };
        self.record("a tag's check", confirm).await;
    }

    async fn ask(
        &self,
        upstream: &Upstream,
        location: &Location,
        selector: &Selector,
        method: Method,
        accept: &Accept,
        identity: &Identity,
    ) -> Result<ManifestReply, PullError> {
        let key = missing_key(location, &selector.to_string());
        if !upstream.client_access && self.0.missing.holds(&key, self.0.clock.now()) {
            return Err(Self::remembered_404(location, "manifests", selector));
        }
        let credentials = Self::credentials(upstream, identity);
        let answer =
            upstream.client.manifest(&location.repository, selector, method, &accept.header(), &credentials).await;
        self.note_access(upstream, location, identity, &answer);
        if let Err(UpstreamError::NotFound { authoritative: true, .. }) = &answer
            && !upstream.client_access
            && accept.is_whole()
        {
            self.0.missing.remember(key, self.0.clock.now());
        }
        Ok(answer?)
    }

    async fn fetch_manifest(
        &self,
        upstream: &Upstream,
        location: &Location,
        selector: &Selector,
        accept: &Accept,
        identity: &Identity,
    ) -> Result<ManifestAnswer, PullError> {
        let reply = self.ask(upstream, location, selector, Method::Get, accept, identity).await?;
        let wrong = |detail: String| PullError::Content { upstream: upstream.name.clone(), what: "a manifest", detail };
        let claimed = match selector {
            Selector::Digest(digest) => Some(*digest),
            Selector::Tag(_) => reply.digest,
        };
        let mut hasher = DigestHasher::new(claimed.map_or(Algorithm::Sha256, |digest| digest.algorithm()));
        hasher.update(&reply.bytes);
        let digest = hasher.finish();
        if let Some(claimed) = claimed.filter(|claimed| *claimed != digest) {
            return Err(wrong(format!("its digest is {digest}, not {claimed}")));
        }
        let document = Document::parse(&reply.bytes).map_err(|error| wrong(error.to_string()))?;
        let media_type = reply.media_type;
        let now = self.0.clock.now();
        // What an old client is given must not stand for the tag: others would be given it too.
        let tag = match selector {
            Selector::Tag(tag) if accept.is_whole() => Some(tag.clone()),
            _ => None,
        };
        let put = ManifestPut {
            upstream: location.upstream.clone(),
            repository: location.repository.clone(),
            digest,
            media_type: media_type.clone(),
            bytes: reply.bytes.to_vec(),
            tag,
            children: children(&document),
            link_children: !upstream.client_access,
            now,
        };
        self.record("a manifest", move |index| index.manifests().put(put)).await;
        tracing::info!(image.reference = %format_args!("{location}"), %selector, %digest, "manifest stored");
        Ok(ManifestAnswer { digest, media_type, bytes: reply.bytes, warning: None })
    }
}

/// What a manifest points at.
fn children(document: &Document) -> Vec<ChildLink> {
    let link = |kind, descriptor: &weir_scanner::oci::Descriptor| ChildLink {
        digest: descriptor.digest,
        kind,
        platform: descriptor.platform.clone(),
        size: descriptor.size,
        media_type: descriptor.media_type.clone(),
    };
    match document {
        Document::Index(index) => index.manifests.iter().map(|child| link(ChildKind::Manifest, child)).collect(),
        Document::Image(image) => {
            let layers = image.layers.iter().map(|layer| link(ChildKind::Layer, layer));
            std::iter::once(link(ChildKind::Config, &image.config)).chain(layers).collect()
        }
        Document::Other => Vec::new(),
    }
}
