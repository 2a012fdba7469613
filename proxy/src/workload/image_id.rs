//! What a runtime calls an image: the forms of `imageID`, none of which is a key.
//!
//! Docker says `docker-pullable://repository@digest`, containerd `repository@digest` with the digest of the index or, for what
//! was loaded, the bare digest of the configuration, CRI-O the same digest without its algorithm. The repository may be another
//! than the one the pod names: containerd takes the first it knows the content by.

use weir_scanner::oci::{Algorithm, Digest};

/// A form of `imageID`; the names are label values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageIdForm {
    /// `repository@sha256:…`.
    RepositoryDigest,
    /// `sha256:…`.
    Digest,
    /// 64 hexadecimal digits.
    BareId,
    /// A name without a digest.
    Name,
    /// Anything else.
    Other,
}

impl ImageIdForm {
    /// Every form.
    pub const ALL: [Self; 5] = [Self::RepositoryDigest, Self::Digest, Self::BareId, Self::Name, Self::Other];

    /// The name in metrics and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RepositoryDigest => "repository_digest",
            Self::Digest => "digest",
            Self::BareId => "bare_id",
            Self::Name => "name",
            Self::Other => "other",
        }
    }
}

/// A parsed `imageID`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageId<'a> {
    /// Its form.
    pub form: ImageIdForm,
    /// The repository it names, registry included.
    pub repository: Option<&'a str>,
    /// The digest it names: of an index, a manifest or a configuration.
    pub digest: Option<Digest>,
}

impl<'a> ImageId<'a> {
    /// Parses what a runtime says. Every text has a form.
    pub fn parse(text: &'a str) -> Self {
        // The scheme is the runtime's: docker-pullable, docker, containerd, cri-o.
        let text = text.split_once("://").map_or(text, |(_, rest)| rest);
        if let Some((repository, digest)) = text.split_once('@') {
            let digest = Digest::parse(digest).ok();
            let form = if digest.is_some() { ImageIdForm::RepositoryDigest } else { ImageIdForm::Other };
            return Self { form, repository: Some(repository), digest };
        }
        if let Ok(digest) = Digest::parse(text) {
            return Self { form: ImageIdForm::Digest, repository: None, digest: Some(digest) };
        }
        if let Ok(digest) = Digest::parse(&format!("{}:{text}", Algorithm::Sha256.name())) {
            return Self { form: ImageIdForm::BareId, repository: None, digest: Some(digest) };
        }
        let is_name = text.parse::<weir_scanner::oci::Reference>().is_ok();
        let form = if is_name { ImageIdForm::Name } else { ImageIdForm::Other };
        Self { form, repository: is_name.then_some(text), digest: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_runtimes_report_is_told_apart() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let digest = Some(Digest::of(b""));
        for (text, form, repository, parsed) in [
            (format!("docker-pullable://nginx@sha256:{hex}"), ImageIdForm::RepositoryDigest, Some("nginx"), digest),
            (
                format!("docker.io/library/nginx@sha256:{hex}"),
                ImageIdForm::RepositoryDigest,
                Some("docker.io/library/nginx"),
                digest,
            ),
            (format!("sha256:{hex}"), ImageIdForm::Digest, None, digest),
            (format!("docker://sha256:{hex}"), ImageIdForm::Digest, None, digest),
            (hex.to_owned(), ImageIdForm::BareId, None, digest),
            ("docker.io/library/nginx:1".to_owned(), ImageIdForm::Name, Some("docker.io/library/nginx:1"), None),
            ("nginx@sha256:12".to_owned(), ImageIdForm::Other, Some("nginx"), None),
            ("a b".to_owned(), ImageIdForm::Other, None, None),
        ] {
            assert_eq!(ImageId::parse(&text), ImageId { form, repository, digest: parsed }, "{text}");
        }
    }
}
