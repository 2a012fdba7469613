//! Why something in a layer or image could not be read: a stable code for machines, a sentence for people.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A stable code; scripts and metrics rely on the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// More entries than the limit.
    TooManyEntries,
    /// A path longer than the limit, or one that leaves the root.
    BadPath,
    /// A file of interest over the file limit.
    FileTooLarge,
    /// More uncompressed bytes than the limit.
    LayerTooLarge,
    /// An expansion ratio over the limit.
    RatioTooHigh,
    /// The compressed stream is broken.
    DecodeFailed,
    /// The tar archive is broken or ends early.
    ArchiveBroken,
    /// The uncompressed bytes do not match the diff ID the image's configuration states.
    DiffIdMismatch,
    /// A database whose format this version cannot read.
    UnreadDatabase,
    /// A database or manifest that breaks its own format.
    MalformedDatabase,
    /// A media type that is not a tar layer (encrypted, unknown).
    UnsupportedMediaType,
    /// A foreign layer, which lies outside the registry.
    ForeignLayer,
    /// A layer that could not be had.
    MissingLayers,
    /// The bytes stopped coming: the fetch failed.
    FetchFailed,
    /// The scanner itself failed.
    ScannerFailed,
    /// An encrypted layer.
    EncryptedLayer,
    /// An archive inside a file that is nested too deep, or unpacks to more than the limit.
    ArchiveLimit,
}

impl ReasonCode {
    /// The code as text, as in JSON and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooManyEntries => "too_many_entries",
            Self::BadPath => "bad_path",
            Self::FileTooLarge => "file_too_large",
            Self::LayerTooLarge => "layer_too_large",
            Self::RatioTooHigh => "ratio_too_high",
            Self::DecodeFailed => "decode_failed",
            Self::ArchiveBroken => "archive_broken",
            Self::DiffIdMismatch => "diff_id_mismatch",
            Self::UnreadDatabase => "unread_database",
            Self::MalformedDatabase => "malformed_database",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::ForeignLayer => "foreign_layer",
            Self::MissingLayers => "missing_layers",
            Self::FetchFailed => "fetch_failed",
            Self::ScannerFailed => "scanner_failed",
            Self::EncryptedLayer => "encrypted_layer",
            Self::ArchiveLimit => "archive_limit",
        }
    }
}

/// A code with what and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reason {
    /// The stable code.
    pub code: ReasonCode,
    /// The path in the layer it concerns, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// One sentence for people.
    pub detail: String,
}

impl Reason {
    /// A reason about the layer as a whole.
    pub fn new(code: ReasonCode, detail: impl Into<String>) -> Self {
        Self { code, path: None, detail: detail.into() }
    }

    /// A reason about one path.
    pub fn at(code: ReasonCode, path: &str, detail: impl Into<String>) -> Self {
        Self { code, path: Some(path.to_owned()), detail: detail.into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}: {path}: {}", self.code.name(), self.detail),
            None => write!(f, "{}: {}", self.code.name(), self.detail),
        }
    }
}
