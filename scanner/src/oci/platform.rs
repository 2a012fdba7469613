//! Platforms: operating system, architecture and variant, as image indexes name them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A platform such as `linux/arm64/v8`, as the OCI image index's `platform` object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`, `windows`, …
    pub os: String,
    /// Go's name of the architecture: `amd64`, `arm64`, …
    pub architecture: String,
    /// The architecture's variant, where it has one: `v7`, `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// Whether an index uses this entry for an attestation rather than an image (`unknown/unknown`).
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }

    /// Whether this is the platform that is asked for. One asked for without a variant takes any.
    pub fn is_for(&self, wanted: &Self) -> bool {
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && wanted.variant.as_ref().is_none_or(|variant| self.variant.as_ref() == Some(variant))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// A text that is not `os/architecture` or `os/architecture/variant`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a platform needs the form os/architecture[/variant]")]
pub struct InvalidPlatform;

impl FromStr for Platform {
    type Err = InvalidPlatform;
    fn from_str(text: &str) -> Result<Self, InvalidPlatform> {
        let mut parts = text.split('/');
        let (Some(os), Some(architecture), variant, None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidPlatform);
        };
        if os.is_empty() || architecture.is_empty() || variant == Some("") {
            return Err(InvalidPlatform);
        }
        Ok(Self { os: os.into(), architecture: architecture.into(), variant: variant.map(Into::into) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_asked_for_without_a_variant_takes_any() {
        let is_for = |found: &str, wanted: &str| found.parse::<Platform>().unwrap().is_for(&wanted.parse().unwrap());
        assert!(is_for("linux/arm/v7", "linux/arm") && is_for("linux/arm/v7", "linux/arm/v7"));
        assert!(!is_for("linux/arm", "linux/arm/v7") && !is_for("linux/arm64", "linux/arm"));
    }

    #[test]
    fn a_platform_reads_as_it_prints() {
        for text in ["linux/amd64", "linux/arm/v7"] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), text);
        }
        for bad in ["linux", "linux/", "a/b/c/d", ""] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }
}
