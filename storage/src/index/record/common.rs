//! Stored forms of what several tables hold: digests, platforms, reasons, packages.

use serde::{Deserialize, Serialize};
use weir_scanner::layer::{Reason, ReasonCode};
use weir_scanner::oci::{Algorithm, Digest, Platform};
use weir_scanner::package::{Distribution, Package, PackageType, SourcePackage};

/// A stored enum with the variants of a domain one, in the order that is on disk: new variants go to the end.
macro_rules! mirrored {
    ($(#[$doc:meta])* $stored:ident = $domain:ty { $($variant:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Serialize, Deserialize)]
        pub(super) enum $stored { $($variant),* }

        impl From<$domain> for $stored {
            fn from(domain: $domain) -> Self {
                match domain { $(<$domain>::$variant => Self::$variant),* }
            }
        }

        impl From<$stored> for $domain {
            fn from(stored: $stored) -> Self {
                match stored { $($stored::$variant => Self::$variant),* }
            }
        }
    };
}
pub(super) use mirrored;

/// Digests take 33 or 65 bytes; serde has arrays up to 32.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum StoredDigest {
    Sha256([u8; 32]),
    Sha512([u8; 32], [u8; 32]),
}

impl From<&Digest> for StoredDigest {
    fn from(digest: &Digest) -> Self {
        let half = |at: usize| -> [u8; 32] { std::array::from_fn(|i| digest.bytes()[at + i]) };
        match digest.algorithm() {
            Algorithm::Sha256 => Self::Sha256(half(0)),
            Algorithm::Sha512 => Self::Sha512(half(0), half(32)),
        }
    }
}

impl From<StoredDigest> for Digest {
    fn from(stored: StoredDigest) -> Self {
        match stored {
            StoredDigest::Sha256(value) => Self::from_bytes(Algorithm::Sha256, &value),
            StoredDigest::Sha512(low, high) => Self::from_bytes(Algorithm::Sha512, &[low, high].concat()),
        }
        .expect("the arrays have the algorithms' lengths")
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredPlatform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

impl From<&Platform> for StoredPlatform {
    fn from(platform: &Platform) -> Self {
        let Platform { os, architecture, variant } = platform.clone();
        Self { os, architecture, variant }
    }
}

impl From<StoredPlatform> for Platform {
    fn from(stored: StoredPlatform) -> Self {
        let StoredPlatform { os, architecture, variant } = stored;
        Self { os, architecture, variant }
    }
}

mirrored! {
    StoredReasonCode = ReasonCode {
        TooManyEntries, BadPath, FileTooLarge, LayerTooLarge, RatioTooHigh, DecodeFailed, ArchiveBroken, DiffIdMismatch, UnreadDatabase,
        MalformedDatabase, UnsupportedMediaType, ForeignLayer, MissingLayers, FetchFailed, ScannerFailed,
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredReason {
    code: StoredReasonCode,
    path: Option<String>,
    detail: String,
}

impl From<&Reason> for StoredReason {
    fn from(reason: &Reason) -> Self {
        let Reason { code, path, detail } = reason.clone();
        Self { code: code.into(), path, detail }
    }
}

impl From<StoredReason> for Reason {
    fn from(stored: StoredReason) -> Self {
        let StoredReason { code, path, detail } = stored;
        Self { code: code.into(), path, detail }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredDistribution {
    id: String,
    version: String,
    pretty_name: Option<String>,
}

impl From<&Distribution> for StoredDistribution {
    fn from(distribution: &Distribution) -> Self {
        let Distribution { id, version, pretty_name } = distribution.clone();
        Self { id, version, pretty_name }
    }
}

impl From<StoredDistribution> for Distribution {
    fn from(stored: StoredDistribution) -> Self {
        let StoredDistribution { id, version, pretty_name } = stored;
        Self { id, version, pretty_name }
    }
}

mirrored! { StoredPackageType = PackageType { Apk, Deb, Npm, Pypi, Rpm } }

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredPackage {
    package_type: StoredPackageType,
    name: String,
    version: String,
    architecture: Option<String>,
    /// Name and version of the source package.
    source: Option<(String, String)>,
    packager: Option<String>,
}

impl From<&Package> for StoredPackage {
    fn from(package: &Package) -> Self {
        let Package { package_type, name, version, architecture, source, packager } = package.clone();
        let source = source.map(|source| (source.name, source.version));
        Self { package_type: package_type.into(), name, version, architecture, source, packager }
    }
}

impl From<StoredPackage> for Package {
    fn from(stored: StoredPackage) -> Self {
        let StoredPackage { package_type, name, version, architecture, source, packager } = stored;
        let source = source.map(|(name, version)| SourcePackage { name, version });
        Self { package_type: package_type.into(), name, version, architecture, source, packager }
    }
}

/// Converts every element.
pub(super) fn all<A, B: From<A>>(items: impl IntoIterator<Item = A>) -> Vec<B> {
    items.into_iter().map(B::from).collect()
}
