//! The image another one was built on.

use std::collections::BTreeMap;

use crate::oci::Digest;

/// The annotation with the base's reference (OCI image specification, "Annotations").
const BASE_NAME: &str = "org.opencontainers.image.base.name";
/// The annotation with the digest of the base's manifest or index.
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// An image that may be another one's base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownImage<'a> {
    /// Its manifest's digest.
    pub digest: Digest,
    /// A reference it is known under.
    pub name: Option<&'a str>,
    /// Digests of its uncompressed layers, bottom first.
    pub diff_ids: &'a [Digest],
}

/// The image another one was built on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Its reference, where one is known.
    pub name: Option<String>,
    /// Its digest, where one is known.
    pub digest: Option<Digest>,
    /// How many of the image's layers are its; `None` where only an annotation names it.
    pub layers: Option<u32>,
}

/// Finds the base of an image with these layers and annotations.
///
/// The known image that the annotations name counts first, by digest or else by name, then the one that shares most layers; each must
/// be a true beginning of this image. Without one the annotations' word stands alone, and no layer is known to
/// be the base's.
pub fn find_base(
    diff_ids: &[Digest],
    annotations: &BTreeMap<String, String>,
    known: &[KnownImage<'_>],
) -> Option<Base> {
    let text = |key: &str| annotations.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let (name, digest) = (text(BASE_NAME), text(BASE_DIGEST).and_then(|digest| Digest::parse(digest).ok()));
    let beginnings = known.iter().filter(|image| {
        let shared = image.diff_ids;
        !shared.is_empty() && shared.len() < diff_ids.len() && diff_ids.starts_with(shared)
    });
    // Of equals the first by digest, so that the answer does not hang on the order of what is known.
    let best = beginnings.max_by_key(|image| {
        let (same_digest, same_name) = (digest == Some(image.digest), name.is_some() && name == image.name);
        (same_digest, same_name, image.diff_ids.len(), std::cmp::Reverse(image.digest))
    });
    if let Some(image) = best {
        let annotated = digest == Some(image.digest);
        return Some(Base {
            name: image.name.or(name.filter(|_| annotated)).map(str::to_owned),
            digest: Some(image.digest),
            layers: u32::try_from(image.diff_ids.len()).ok(),
        });
    }
    (name.is_some() || digest.is_some()).then(|| Base { name: name.map(str::to_owned), digest, layers: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: u8) -> Digest {
        Digest::of(&[n])
    }

    fn annotations(name: Option<&str>, digest: Option<String>) -> BTreeMap<String, String> {
        let name = name.map(|name| (BASE_NAME.to_owned(), name.to_owned()));
        name.into_iter().chain(digest.map(|digest| (BASE_DIGEST.to_owned(), digest))).collect()
    }

    #[test]
    fn a_base_is_what_is_annotated_or_shares_most_layers() {
        let layers = [digest(1), digest(2), digest(3), digest(4)];
        let image = |id: u8, name: &'static str, count: usize| KnownImage {
            digest: digest(id),
            name: Some(name),
            diff_ids: &layers[..count],
        };
        let other = [digest(9), digest(2)];
        let known = [
            image(10, "debian:12", 1),
            image(20, "python:3", 3),
            image(30, "self", 4),
            image(40, "scratch", 0),
            KnownImage { digest: digest(50), name: Some("other"), diff_ids: &other },
        ];
        let found = |annotations: &BTreeMap<String, String>, known: &[KnownImage<'_>]| {
            find_base(&layers, annotations, known).map(|base| (base.name.unwrap_or_default(), base.digest, base.layers))
        };
        let none = annotations(None, None);
        assert_eq!(found(&none, &known), Some(("python:3".into(), Some(digest(20)), Some(3))));
        let by_digest = annotations(None, Some(digest(10).to_string()));
        assert_eq!(found(&by_digest, &known), Some(("debian:12".into(), Some(digest(10)), Some(1))));
        let by_name = annotations(Some("debian:12"), Some(digest(77).to_string()));
        assert_eq!(found(&by_name, &known), Some(("debian:12".into(), Some(digest(10)), Some(1))));
        // A known image that is no beginning of this one is not believed to be.
        let wrong = annotations(Some("other"), Some(digest(50).to_string()));
        assert_eq!(found(&wrong, &known), Some(("python:3".into(), Some(digest(20)), Some(3))));
        assert_eq!(found(&wrong, &known[3..]), Some(("other".into(), Some(digest(50)), None)));
        assert_eq!(found(&annotations(Some("a"), Some("nonsense".into())), &[]), Some(("a".into(), None, None)));
        assert_eq!(found(&annotations(Some(""), None), &[]), None);
        assert_eq!(found(&none, &known[2..]), None);
    }

    #[test]
    fn the_order_of_known_images_does_not_matter() {
        let layers = [digest(1), digest(2)];
        let image = |id| KnownImage { digest: digest(id), name: None, diff_ids: &layers[..1] };
        let none = annotations(None, None);
        let (a, b) =
            (find_base(&layers, &none, &[image(7), image(8)]), find_base(&layers, &none, &[image(8), image(7)]));
        assert!(a.is_some() && a == b);
    }
}
