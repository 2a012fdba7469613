//! Media types of manifests and layers: OCI, Docker schema 2, and how a layer's bytes are encoded.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A media type as it was written, compared without parameters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaType(String);

/// How a layer's tar stream is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerEncoding {
    /// Plain tar.
    Plain,
    /// gzip, possibly several members (RFC 1952).
    Gzip,
    /// zstd frames (RFC 8878).
    Zstd,
}

impl MediaType {
    /// The OCI image manifest.
    pub const OCI_MANIFEST: &'static str = "application/vnd.oci.image.manifest.v1+json";
    /// The OCI image index.
    pub const OCI_INDEX: &'static str = "application/vnd.oci.image.index.v1+json";
    /// Docker's schema 2 manifest.
    pub const DOCKER_MANIFEST: &'static str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker's manifest list.
    pub const DOCKER_LIST: &'static str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker's schema 1 manifest, signed: passed on, never scanned.
    pub const DOCKER_SCHEMA1: &'static str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

    /// Takes a `Content-Type` or `mediaType` value; parameters after `;` are dropped.
    pub fn new(text: &str) -> Self {
        Self(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    /// The type without parameters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this names an index or a manifest list.
    pub fn is_index(&self) -> bool {
        matches!(self.as_str(), Self::OCI_INDEX | Self::DOCKER_LIST)
    }

    /// Whether this names a manifest of any kind, so that a body so labelled is not a web page.
    pub fn is_manifest(&self) -> bool {
        self.is_index()
            || matches!(
                self.as_str(),
                Self::OCI_MANIFEST
                    | Self::DOCKER_MANIFEST
                    | Self::DOCKER_SCHEMA1
                    | "application/vnd.docker.distribution.manifest.v1+json"
                    | "application/vnd.oci.artifact.manifest.v1+json"
            )
    }

    /// How a layer of this type is encoded; `None` for what is not a tar layer (encrypted, Helm charts, signatures).
    pub fn layer_encoding(&self) -> Option<LayerEncoding> {
        match self.as_str() {
            "application/vnd.oci.image.layer.v1.tar"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar"
            | "application/vnd.docker.image.rootfs.diff.tar" => Some(LayerEncoding::Plain),
            "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" => Some(LayerEncoding::Gzip),
            "application/vnd.oci.image.layer.v1.tar+zstd"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Some(LayerEncoding::Zstd),
            _ => None,
        }
    }

    /// Whether the layer is encrypted (the suffix ocicrypt writes).
    pub fn is_encrypted(&self) -> bool {
        self.0.ends_with("+encrypted")
    }

    /// Whether the layer lies elsewhere by definition (foreign, non-distributable): clients fetch it past a mirror.
    pub fn is_foreign(&self) -> bool {
        self.0.contains(".nondistributable.") || self.0.contains(".foreign.")
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_case_do_not_change_a_media_type() {
        let media_type = MediaType::new("Application/vnd.oci.image.index.v1+json; charset=utf-8");
        assert!(media_type.is_index() && media_type.is_manifest());
        assert_eq!(media_type.as_str(), MediaType::OCI_INDEX);
        assert!(!MediaType::new("text/html").is_manifest());
    }

    #[test]
    fn layers_say_their_encoding_and_encrypted_ones_have_none() {
        let gzip = MediaType::new("application/vnd.docker.image.rootfs.diff.tar.gzip");
        assert_eq!(gzip.layer_encoding(), Some(LayerEncoding::Gzip));
        let encrypted = MediaType::new("application/vnd.oci.image.layer.v1.tar+gzip+encrypted");
        assert!(encrypted.is_encrypted() && !gzip.is_encrypted());
        assert_eq!(encrypted.layer_encoding(), None);
        assert!(MediaType::new("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip").is_foreign());
    }
}
