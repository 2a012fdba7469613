//! What `docker save` writes: a tar file with a `manifest.json`, a configuration and uncompressed layers.

use serde::Deserialize;
use weir_scanner::oci::{Digest, ImageConfig, MediaType};
use weir_storage::index::ImageLayer;

use super::archive::Files;
use super::blob::Blob;
use super::{OpenImage, Target, TargetError};

/// An entry of `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Opens the one image of an archive. It has no manifest, and so no digest to be known by.
pub(super) fn open(files: &Files, target: &Target) -> Result<OpenImage, TargetError> {
    let not_that = |detail: String| TargetError::NotThat { place: files.place(), detail };
    let saved: Vec<Saved> = serde_json::from_slice(&files.read("manifest.json")?)
        .map_err(|error| not_that(format!("no archive of docker's: manifest.json: {error}")))?;
    let names = |saved: &Saved| saved.repo_tags.clone().unwrap_or_default();
    let one = match &saved[..] {
        [one] => one,
        [] => return Err(not_that("an archive without an image".into())),
        several => {
            let names = several.iter().flat_map(names).collect::<Vec<_>>().join(", ");
            return Err(TargetError::Several { place: files.place(), names });
        }
    };
    let path = format!("{}: {}", files.place(), one.config);
    let config =
        ImageConfig::parse(&files.read(&one.config)?).map_err(|source| TargetError::Document { path, source })?;
    let stated = &config.rootfs.diff_ids;
    if stated.len() != one.layers.len() {
        return Err(not_that(format!(
            "an archive of {} layers whose configuration lists {}",
            one.layers.len(),
            stated.len()
        )));
    }
    let layers = one.layers.iter().zip(stated).map(|(name, diff_id)| layer(files, name, *diff_id));
    Ok(OpenImage {
        reference: names(one).into_iter().next().unwrap_or_else(|| target.to_string()),
        digest: None,
        annotations: std::collections::BTreeMap::new(),
        layers: layers.collect::<Result<_, TargetError>>()?,
        config: Some(Ok(config)),
    })
}

/// A layer as it was saved: its digest is that of its files, which is what its bytes are compared with.
fn layer(files: &Files, name: &str, diff_id: Digest) -> Result<(ImageLayer, Blob), TargetError> {
    let region = files.find(name).ok_or_else(|| TargetError::File {
        path: format!("{}: {name}", files.place()),
        source: std::io::ErrorKind::NotFound.into(),
    })?;
    let media_type = MediaType::new("application/vnd.docker.image.rootfs.diff.tar");
    let layer = ImageLayer { digest: diff_id, size: region.length, media_type, diff_id: Some(diff_id) };
    Ok((layer, Blob::Region(region)))
}
