//! Which images a reference means: the manifests behind it, fetched in weir's own name.

use weir_scanner::oci::{Digest, Document, Index, MediaType, Platform, Reference, Selector};

use super::failure::Failure;
use crate::pull::{Accept, FetchReason, Identity, Location, ManifestAnswer, Puller, Purpose};

/// Images of one index that are scanned, where no platform is asked for.
const MOST_IMAGES: usize = 16;

/// The images `reference` means: a manifest itself; of an index, the images of `platform`, else those of every platform.
/// Their manifests are stored when this returns.
///
/// # Errors
/// The upstream cannot be asked in weir's own name, or does not have what was asked for.
pub(super) async fn fetch(
    puller: &Puller,
    reference: &Reference,
    platform: Option<&Platform>,
) -> Result<(Location, Vec<Digest>), Failure> {
    if !puller.knows(&reference.upstream) {
        let detail = format!("{:?} is not a configured upstream of this mirror", reference.upstream);
        return Err(Failure::new(FetchReason::UnknownUpstream, detail));
    }
    let location = Location { upstream: reference.upstream.clone(), repository: reference.repository.clone() };
    if puller.is_restricted(&location) {
        let detail =
            format!("{} is read with its clients' credentials, and weir has none of its own", location.upstream);
        return Err(Failure::new(FetchReason::CredentialsNeeded, detail));
    }
    let selector = reference
        .selector()
        .ok_or_else(|| Failure::new(FetchReason::BadReference, "the reference has neither tag nor digest"))?;
    let answer = manifest(puller, &location, &selector).await?;
    let images = match document(&answer)? {
        Document::Index(index) => children(puller, &location, &index, platform).await?,
        document => vec![image(&answer, &document)?],
    };
    Ok((location, images))
}

async fn manifest(puller: &Puller, location: &Location, selector: &Selector) -> Result<ManifestAnswer, Failure> {
    let identity = Identity::new(None);
    let answer = puller.manifest(location, selector, &Accept::anything(), &identity, Purpose::Scan).await;
    answer.map_err(|error| Failure::from(&error))
}

fn document(answer: &ManifestAnswer) -> Result<Document, Failure> {
    Document::parse(&answer.bytes).map_err(|error| Failure::new(FetchReason::NotAnImage, error.to_string()))
}

fn image(answer: &ManifestAnswer, document: &Document) -> Result<Digest, Failure> {
    match document {
        Document::Image(manifest) if manifest.is_image() => Ok(answer.digest),
        _ => {
            let detail = format!("{} is {}, which is no container image", answer.digest, answer.media_type);
            Err(Failure::new(FetchReason::NotAnImage, detail))
        }
    }
}

async fn children(
    puller: &Puller,
    location: &Location,
    index: &Index,
    platform: Option<&Platform>,
) -> Result<Vec<Digest>, Failure> {
    let wanted = wanted(index, platform)?;
    let (mut images, mut failure) = (Vec::new(), None);
    for digest in wanted {
        let child = match manifest(puller, location, &Selector::Digest(digest)).await {
            Ok(answer) => document(&answer).and_then(|document| image(&answer, &document)),
            Err(failure) => Err(failure),
        };
        match child {
            Ok(image) => images.push(image),
            // Registries hold indexes of which only some images were ever copied to them, and artifacts beside images.
            Err(cause) if matches!(cause.kind, FetchReason::NotFound | FetchReason::NotAnImage) => {
                failure = Some(cause);
            }
            Err(cause) => return Err(cause),
        }
    }
    match failure {
        Some(failure) if images.is_empty() => Err(failure),
        _ => Ok(images),
    }
}

/// The index's entries that are images of the platform, or of any where none is asked for.
fn wanted(index: &Index, platform: Option<&Platform>) -> Result<Vec<Digest>, Failure> {
    let images = || {
        index.manifests.iter().filter(|entry| {
            entry.media_type.is_manifest()
                && entry.media_type.as_str() != MediaType::DOCKER_SCHEMA1
                && !entry.media_type.is_index()
                && !entry.platform.as_ref().is_some_and(Platform::is_unknown)
        })
    };
    let of_platform =
        |found: Option<&Platform>| platform.is_none_or(|wanted| found.is_some_and(|found| found.is_for(wanted)));
    let mut found: Vec<Digest> = Vec::new();
    for entry in images().filter(|entry| of_platform(entry.platform.as_ref())) {
        if found.len() < MOST_IMAGES && !found.contains(&entry.digest) {
            found.push(entry.digest);
        }
    }
    if !found.is_empty() {
        return Ok(found);
    }
    let listed: Vec<String> = images().filter_map(|entry| Some(entry.platform.as_ref()?.to_string())).collect();
    Err(match platform {
        Some(platform) if !listed.is_empty() => {
            let detail = format!("there is no image for {platform}; there are {}", listed.join(", "));
            Failure::new(FetchReason::NotFound, detail)
        }
        _ => Failure::new(FetchReason::NotAnImage, "the index lists no container image"),
    })
}

/// Whether an image's own word on its platform speaks against the one asked for. Configurations often leave the variant out.
pub(super) fn is_other(platform: &Platform, wanted: &Platform) -> bool {
    let bare = platform.variant.is_none() && wanted.variant.is_some();
    let wanted = if bare { &Platform { variant: None, ..wanted.clone() } } else { wanted };
    !platform.is_for(wanted)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn index(entries: &[(&str, Option<&str>)]) -> Index {
        let entry = |(name, platform): &(&str, Option<&str>)| {
            let mut entry =
                json!({"mediaType": MediaType::OCI_MANIFEST, "digest": Digest::of(name.as_bytes()), "size": 1});
            if let Some((os, architecture)) = platform.and_then(|platform| platform.split_once('/')) {
                let (architecture, variant) = architecture.split_once('/').unwrap_or((architecture, ""));
                entry["platform"] = json!({"os": os, "architecture": architecture});
                if !variant.is_empty() {
                    entry["platform"]["variant"] = variant.into();
                }
            }
            entry
        };
        serde_json::from_value(json!({"manifests": entries.iter().map(entry).collect::<Vec<_>>()})).unwrap()
    }

    #[test]
    fn an_image_without_a_variant_may_be_of_any() {
        for (own, wanted, other) in [
            ("linux/arm64", "linux/arm64/v8", false),
            ("linux/arm64/v8", "linux/arm64", false),
            ("linux/arm/v6", "linux/arm/v7", true),
            ("linux/amd64", "linux/arm64", true),
            ("windows/amd64", "linux/amd64", true),
        ] {
            assert_eq!(is_other(&own.parse().unwrap(), &wanted.parse().unwrap()), other, "{own} {wanted}");
        }
    }

    #[test]
    fn every_image_of_an_index_is_meant_unless_a_platform_is() {
        let entries = [
            ("amd", Some("linux/amd64")),
            ("arm6", Some("linux/arm/v6")),
            ("arm7", Some("linux/arm/v7")),
            ("proof", Some("unknown/unknown")),
            ("bare", None),
        ];
        let meant = |platform: Option<&str>| {
            let platform = platform.map(|platform| platform.parse().unwrap());
            wanted(&index(&entries), platform.as_ref()).map_err(|failure| failure.kind.name())
        };
        let named = |names: &[&str]| Ok(names.iter().map(|name| Digest::of(name.as_bytes())).collect::<Vec<_>>());
        assert_eq!(meant(None), named(&["amd", "arm6", "arm7", "bare"]));
        assert_eq!(meant(Some("linux/amd64")), named(&["amd"]));
        assert_eq!(meant(Some("linux/arm")), named(&["arm6", "arm7"]));
        assert_eq!(meant(Some("linux/arm/v7")), named(&["arm7"]));
        assert_eq!(meant(Some("windows/amd64")), Err("not_found"));
        let none = index(&[("proof", Some("unknown/unknown"))]);
        assert_eq!(wanted(&none, None).unwrap_err().kind.name(), "not_an_image");
        let names: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), Some("linux/amd64"))).collect();
        assert_eq!(wanted(&index(&many), None).unwrap().len(), MOST_IMAGES);
    }
}
