//! Images in a registry, over the mirror's own pull path: its credentials, its retries, its verification.

use weir_scanner::layer::{Reason, ReasonCode};
use weir_scanner::oci::{Digest, Document, ImageConfig, MAX_MANIFEST_BYTES, Platform, Reference, Selector, Tag};

use tokio::io::AsyncReadExt as _;

use super::blob::Blob;
use super::layout::{child, described};
use super::{OpenImage, TargetError};
use crate::pull::{Accept, Identity, Location, Puller, Purpose};

/// Indexes followed from one to the next.
const MOST_INDEXES: usize = 4;

/// Opens the image a reference names, for a platform where it is an index.
pub(super) async fn open(
    puller: &Puller,
    reference: &Reference,
    platform: Option<&Platform>,
) -> Result<OpenImage, TargetError> {
    let location = Location { upstream: reference.upstream.clone(), repository: reference.repository.clone() };
    let latest = || Selector::Tag(Tag::parse("latest").expect("latest is a tag after the specification"));
    let mut selector = reference.selector().unwrap_or_else(latest);
    let identity = Identity::new(None);
    for _ in 0..MOST_INDEXES {
        let answer = puller.manifest(&location, &selector, &Accept::anything(), &identity, Purpose::Scan).await?;
        let document = Document::parse(&answer.bytes)
            .map_err(|source| TargetError::Document { path: reference.to_string(), source })?;
        let manifest = match document {
            Document::Image(manifest) if manifest.is_image() => manifest,
            Document::Index(index) => {
                selector = Selector::Digest(child(&index, platform, &reference.to_string())?.digest);
                continue;
            }
            _ => {
                let detail = format!("no image: {}", answer.media_type);
                return Err(TargetError::NotThat { place: reference.to_string(), detail });
            }
        };
        let config = config(puller, &location, manifest.config.digest, &identity).await;
        let blob = |digest| Blob::Registry(Box::new((puller.clone(), location.clone(), digest)));
        return Ok(OpenImage {
            reference: reference.to_string(),
            digest: Some(answer.digest),
            layers: manifest.layers.iter().map(|layer| (described(layer), blob(layer.digest))).collect(),
            annotations: manifest.annotations,
            config: Some(config),
        });
    }
    Err(TargetError::NotThat { place: reference.to_string(), detail: "a chain of indexes".into() })
}

async fn config(
    puller: &Puller,
    location: &Location,
    digest: Digest,
    identity: &Identity,
) -> Result<ImageConfig, Reason> {
    let failed = |detail: String| Reason::new(ReasonCode::FetchFailed, format!("the image's configuration: {detail}"));
    let blob = puller.blob(location, digest, identity, Purpose::Scan).await;
    let blob = blob.map_err(|error| failed(error.to_string()))?;
    let mut bytes = Vec::new();
    let limit = MAX_MANIFEST_BYTES as u64 + 1;
    blob.reader.take(limit).read_to_end(&mut bytes).await.map_err(|error| failed(error.to_string()))?;
    ImageConfig::parse(&bytes).map_err(|error| failed(error.to_string()))
}
