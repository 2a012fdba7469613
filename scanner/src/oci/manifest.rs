//! Manifests and indexes: the parts weir acts on, read from bytes that are kept as they came.
//!
//! Follows the OCI image specification 1.1 and Docker's schema 2. Schema 1 and artifacts this version does not know are
//! [`Document::Other`]: they pass through and are never scanned.

use serde::Deserialize;

use super::{Digest, MediaType, Platform};

/// Largest manifest accepted, in bytes: what containerd resolves (4 × 1048 × 1048).
pub const MAX_MANIFEST_BYTES: usize = 4 * 1048 * 1048;

/// A pointer to content: type, digest and size, as the specification's descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    pub media_type: MediaType,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The platform, in an index's entries.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// Where a foreign layer lies instead.
    #[serde(default)]
    pub urls: Vec<String>,
    /// Free annotations.
    #[serde(default, deserialize_with = "null_as_default")]
    pub annotations: std::collections::BTreeMap<String, String>,
}

/// An index: one entry for each platform.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Index {
    /// The entries, in order; attestations among them.
    pub manifests: Vec<Descriptor>,
    /// Free annotations.
    #[serde(default, deserialize_with = "null_as_default")]
    pub annotations: std::collections::BTreeMap<String, String>,
}

/// An image manifest: its configuration and its layers, bottom first.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    /// The image configuration, or an artifact's.
    pub config: Descriptor,
    /// The layers, bottom first.
    pub layers: Vec<Descriptor>,
    /// What an artifact is, where this is one.
    #[serde(default)]
    pub artifact_type: Option<String>,
    /// The manifest this one refers to (a signature's image).
    #[serde(default)]
    pub subject: Option<Descriptor>,
    /// Free annotations.
    #[serde(default, deserialize_with = "null_as_default")]
    pub annotations: std::collections::BTreeMap<String, String>,
}

/// What a manifest's bytes turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// An index or manifest list.
    Index(Index),
    /// An image (or artifact) manifest.
    Image(Box<ImageManifest>),
    /// Something that passes through unread: schema 1, unknown kinds.
    Other,
}

/// Why bytes are not a manifest.
#[derive(Debug, thiserror::Error)]
pub enum InvalidManifest {
    /// Over [`MAX_MANIFEST_BYTES`].
    #[error("a manifest of {size} bytes is over the limit of {MAX_MANIFEST_BYTES}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// Not the JSON it should be.
    #[error("not a manifest: {0}")]
    Json(#[from] serde_json::Error),
    /// Both an index and an image manifest, which the specification forbids (CVE-2021-41190).
    #[error("a document with both \"manifests\" and \"layers\" is ambiguous")]
    Ambiguous,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    layers: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    config: Option<serde::de::IgnoredAny>,
}

impl Document {
    /// Reads the bytes of a manifest of any kind. The document's own `mediaType` and shape decide; a `Content-Type`
    /// is a claim about them and is not needed.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidManifest> {
        if bytes.len() > MAX_MANIFEST_BYTES {
            return Err(InvalidManifest::TooLarge { size: bytes.len() });
        }
        let shape: Shape = serde_json::from_slice(bytes)?;
        if shape.manifests.is_some() && (shape.layers.is_some() || shape.config.is_some()) {
            return Err(InvalidManifest::Ambiguous);
        }
        let declared = shape.media_type.as_deref().map(MediaType::new);
        let known = declared.as_ref().is_none_or(|d| d.is_manifest() && d.as_str() != MediaType::DOCKER_SCHEMA1);
        Ok(match shape {
            _ if !known => Self::Other,
            Shape { manifests: Some(_), .. } => Self::Index(serde_json::from_slice(bytes)?),
            Shape { layers: Some(_), config: Some(_), .. } => Self::Image(serde_json::from_slice(bytes)?),
            _ => Self::Other,
        })
    }
}

impl ImageManifest {
    /// Whether this is a container image rather than an artifact (chart, signature, attestation) in a manifest's form.
    pub fn is_image(&self) -> bool {
        matches!(
            self.config.media_type.as_str(),
            "application/vnd.oci.image.config.v1+json" | "application/vnd.docker.container.image.v1+json"
        ) && self.artifact_type.is_none()
            && !self.layers.iter().any(|layer| layer.media_type.as_str() == "application/vnd.in-toto+json")
    }
}

/// Builders write `null` for empty lists and maps.
pub(super) fn null_as_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(media_type: &str) -> String {
        format!(r#"{{"mediaType":"{media_type}","digest":"{}","size":2}}"#, Digest::of(b"{}"))
    }

    fn image(config: &str) -> String {
        let layer = descriptor("application/vnd.oci.image.layer.v1.tar+gzip");
        format!(r#"{{"schemaVersion":2,"config":{},"layers":[{layer}],"annotations":null}}"#, descriptor(config))
    }

    #[test]
    fn an_image_manifest_without_a_media_type_is_known_by_its_shape() {
        let text = image("application/vnd.oci.image.config.v1+json");
        let Document::Image(manifest) = Document::parse(text.as_bytes()).unwrap() else { panic!("not an image") };
        assert!(manifest.is_image());
        assert_eq!(manifest.layers[0].digest, Digest::of(b"{}"));
    }

    #[test]
    fn a_chart_is_a_manifest_but_not_an_image() {
        let text = image("application/vnd.cncf.helm.config.v1+json");
        let Document::Image(manifest) = Document::parse(text.as_bytes()).unwrap() else { panic!("not an image") };
        assert!(!manifest.is_image());
    }

    #[test]
    fn an_index_lists_platforms_and_schema_1_passes_unread() {
        let entry = descriptor(MediaType::OCI_MANIFEST)
            .replace('}', r#","platform":{"os":"linux","architecture":"arm64","variant":"v8"}}"#);
        let text = format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{entry}]}}"#, MediaType::OCI_INDEX);
        let Document::Index(index) = Document::parse(text.as_bytes()).unwrap() else { panic!("not an index") };
        assert_eq!(index.manifests[0].platform.as_ref().unwrap().to_string(), "linux/arm64/v8");
        assert_eq!(Document::parse(br#"{"schemaVersion":1,"fsLayers":[]}"#).unwrap(), Document::Other);
    }

    #[test]
    fn a_document_that_is_two_things_is_refused() {
        let text = format!(r#"{{"manifests":[],"layers":[],"config":{}}}"#, descriptor("a/b"));
        assert!(matches!(Document::parse(text.as_bytes()), Err(InvalidManifest::Ambiguous)));
        assert!(matches!(Document::parse(b"<html>"), Err(InvalidManifest::Json(_))));
        assert!(matches!(Document::parse(&vec![b' '; MAX_MANIFEST_BYTES + 1]), Err(InvalidManifest::TooLarge { .. })));
    }
}
