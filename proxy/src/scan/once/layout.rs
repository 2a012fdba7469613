//! Images in the OCI image layout, in a folder or a tar file.

use weir_scanner::layer::{Reason, ReasonCode};
use weir_scanner::oci::{Descriptor, Digest, Document, ImageConfig, ImageManifest, Index, Platform};
use weir_storage::index::ImageLayer;

use super::archive::Files;
use super::blob::Blob;
use super::{OpenImage, Target, TargetError};

/// Indexes followed from one to the next.
const MOST_INDEXES: usize = 4;
/// The annotation that names an image of a layout.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Opens the image a tag names, or the only one there is.
pub(super) fn open(
    files: &Files,
    target: &Target,
    tag: Option<&str>,
    platform: Option<&Platform>,
) -> Result<OpenImage, TargetError> {
    let index = match document(files, "index.json")? {
        Document::Index(index) => index,
        _ => {
            let detail = "no OCI image layout: its index.json is no index".to_owned();
            return Err(TargetError::NotThat { place: files.place(), detail });
        }
    };
    let (digest, manifest) = manifest(files, chosen(files, &index, tag)?, platform)?;
    let config = files
        .read(&blob_name(&manifest.config.digest))
        .map_err(|error| error.to_string())
        .and_then(|bytes| ImageConfig::parse(&bytes).map_err(|error| error.to_string()))
        .map_err(|error| Reason::new(ReasonCode::FetchFailed, format!("the image's configuration: {error}")));
    let layers = manifest.layers.iter().map(|layer| Ok((described(layer), blob(files, layer)?)));
    Ok(OpenImage {
        reference: target.to_string(),
        digest: Some(digest),
        layers: layers.collect::<Result<_, TargetError>>()?,
        annotations: manifest.annotations,
        config: Some(config),
    })
}

/// What the index's entry for a layer keeps of its descriptor.
pub(super) fn described(layer: &Descriptor) -> ImageLayer {
    ImageLayer { digest: layer.digest, size: layer.size, media_type: layer.media_type.clone(), diff_id: None }
}

/// Where a layer lies. A foreign one may lie nowhere here: it is not read.
fn blob(files: &Files, layer: &Descriptor) -> Result<Blob, TargetError> {
    let name = blob_name(&layer.digest);
    match files.find(&name) {
        Some(region) => Ok(Blob::Region(region)),
        None if layer.media_type.is_foreign() => Ok(Blob::Tree(std::path::PathBuf::new())),
        None => Err(TargetError::File {
            path: format!("{}: {name}", files.place()),
            source: std::io::ErrorKind::NotFound.into(),
        }),
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

fn document(files: &Files, name: &str) -> Result<Document, TargetError> {
    let path = format!("{}: {name}", files.place());
    Document::parse(&files.read(name)?).map_err(|source| TargetError::Document { path, source })
}

fn chosen<'i>(files: &Files, index: &'i Index, tag: Option<&str>) -> Result<&'i Descriptor, TargetError> {
    let named = |entry: &&Descriptor| match (tag, entry.annotations.get(REF_NAME)) {
        (None, _) => true,
        (Some(tag), Some(name)) => name == tag || name.rsplit_once(':').is_some_and(|(_, end)| end == tag),
        (Some(_), None) => false,
    };
    let found: Vec<&Descriptor> = index.manifests.iter().filter(named).collect();
    match found[..] {
        [one] => Ok(one),
        [] => {
            let detail = match tag {
                Some(tag) => format!("a layout without an image named {tag}; it has {}", names(index)),
                None => "a layout without an image".to_owned(),
            };
            Err(TargetError::NotThat { place: files.place(), detail })
        }
        _ => Err(TargetError::Several { place: files.place(), names: names(index) }),
    }
}

fn names(index: &Index) -> String {
    let names = index.manifests.iter().map(|entry| match entry.annotations.get(REF_NAME) {
        Some(name) => name.clone(),
        None => entry.digest.to_string(),
    });
    names.collect::<Vec<_>>().join(", ")
}

/// The image manifest an entry leads to, through indexes.
fn manifest(
    files: &Files,
    entry: &Descriptor,
    platform: Option<&Platform>,
) -> Result<(Digest, ImageManifest), TargetError> {
    let mut digest = entry.digest;
    for _ in 0..MOST_INDEXES {
        let name = blob_name(&digest);
        let bytes = files.read(&name)?;
        let path = format!("{}: {name}", files.place());
        let actual = Digest::of(&bytes);
        if digest.algorithm() == actual.algorithm() && digest != actual {
            return Err(TargetError::NotThat { place: path, detail: format!("damaged: its bytes are {actual}") });
        }
        match Document::parse(&bytes).map_err(|source| TargetError::Document { path: path.clone(), source })? {
            Document::Image(manifest) => return Ok((digest, *manifest)),
            Document::Index(index) => digest = child(&index, platform, &files.place())?.digest,
            Document::Other => {
                return Err(TargetError::NotThat {
                    place: path,
                    detail: "of a kind this version does not read".into(),
                });
            }
        }
    }
    Err(TargetError::NotThat { place: files.place(), detail: "a chain of indexes".into() })
}

/// The entry of an index for a platform, by default this machine's; a single entry is taken as it is.
pub(super) fn child<'i>(
    index: &'i Index,
    platform: Option<&Platform>,
    place: &str,
) -> Result<&'i Descriptor, TargetError> {
    let images: Vec<&Descriptor> = index
        .manifests
        .iter()
        .filter(|entry| entry.platform.as_ref().is_none_or(|platform| !platform.is_unknown()))
        .collect();
    if let ([one], None) = (&images[..], platform) {
        return Ok(one);
    }
    let wanted = platform.cloned().unwrap_or_else(this_machine);
    let fits = |entry: &&&Descriptor| {
        entry.platform.as_ref().is_some_and(|found| {
            (&found.os, &found.architecture) == (&wanted.os, &wanted.architecture)
                && (wanted.variant.is_none() || wanted.variant == found.variant)
        })
    };
    images.iter().find(fits).copied().ok_or_else(|| {
        let known = images.iter().filter_map(|entry| entry.platform.as_ref().map(ToString::to_string));
        TargetError::Platform {
            place: place.to_owned(),
            platform: wanted.clone(),
            known: known.collect::<Vec<_>>().join(", "),
        }
    })
}

/// Linux on this machine's processor, by Go's name of it.
fn this_machine() -> Platform {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    };
    Platform { os: "linux".into(), architecture: architecture.into(), variant: None }
}
