//! What a client accepts, as far as it decides whether a stored manifest may answer it.

use weir_scanner::oci::MediaType;

/// The kinds a manifest can be of today; asked of the upstream where a client does not say.
const ALL: [&str; 4] =
    [MediaType::OCI_INDEX, MediaType::DOCKER_LIST, MediaType::OCI_MANIFEST, MediaType::DOCKER_MANIFEST];

/// A client's `Accept` headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accept(Vec<String>);

impl Accept {
    /// Reads `Accept` header values; weights are not needed, since a registry picks by what it has.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let types =
            values.into_iter().flat_map(|value| value.split(',')).map(|item| MediaType::new(item).as_str().to_owned());
        Self(types.filter(|media_type| !media_type.is_empty()).collect())
    }

    /// Everything weir knows.
    pub fn anything() -> Self {
        Self(Vec::new())
    }

    /// Whether the client takes `media_type`. A client that says nothing takes everything.
    pub fn takes(&self, media_type: &MediaType) -> bool {
        self.0.is_empty()
            || self.0.iter().any(|item| matches!(item.as_str(), "*/*" | "application/*") || item == media_type.as_str())
    }

    /// Whether the answer to this client is the one every modern client gets: only then may it stand for the tag.
    pub fn is_whole(&self) -> bool {
        ALL.iter().all(|media_type| self.takes(&MediaType::new(media_type)))
    }

    /// The value to send upstream.
    pub fn header(&self) -> String {
        if self.is_whole() {
            let others = self.0.iter().map(String::as_str).filter(|item| !ALL.contains(item) && *item != "*/*");
            ALL.into_iter().chain(others).chain(["*/*"]).collect::<Vec<_>>().join(", ")
        } else {
            self.0.join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_stars_accept_everything() {
        for accept in [Accept::new([]), Accept::new(["*/*"]), Accept::new(["text/plain, */*;q=0.1"])] {
            assert!(accept.is_whole(), "{accept:?}");
            assert!(accept.header().starts_with(MediaType::OCI_INDEX));
        }
    }

    #[test]
    fn an_old_client_is_not_given_what_it_cannot_read() {
        let accept = Accept::new([MediaType::DOCKER_MANIFEST]);
        assert!(!accept.takes(&MediaType::new(MediaType::OCI_INDEX)) && !accept.is_whole());
        assert_eq!(accept.header(), MediaType::DOCKER_MANIFEST);
    }

    #[test]
    fn containerd_s_list_is_whole() {
        let sent = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, \
                    application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*";
        assert!(Accept::new([sent]).is_whole());
    }
}
