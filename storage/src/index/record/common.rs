//! Stored forms of what several tables hold: digests, platforms, reasons, packages, risks.

use serde::{Deserialize, Serialize};
use weir_scanner::finding::Severity;
use weir_scanner::layer::{Channel, ChannelKind, Reason, ReasonCode};
use weir_scanner::oci::{Algorithm, Digest, Platform};
use weir_scanner::package::{Distribution, Package, PackageType, SourcePackage};
use weir_scanner::risk::{Risk, RiskKind};

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
        MalformedDatabase, UnsupportedMediaType, ForeignLayer, MissingLayers, FetchFailed, ScannerFailed, EncryptedLayer, ArchiveLimit,
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

mirrored! {
    StoredPackageType = PackageType {
        Apk, Deb, Npm, Pypi, Rpm, Alpm, Bitnami, Cargo, Composer, Conan, Conda, Cran, Ebuild, Gem, Generic, Golang, Hex, Luarocks, Maven,
        Nix, Nuget, Opkg, Otp, Pear, Pub, Snap, Swift, WordpressPlugin, Julia,
    }
}

/// A package as the first forms of layers and inventories hold it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredPackageV1 {
    package_type: StoredPackageType,
    name: String,
    version: String,
    architecture: Option<String>,
    /// Name and version of the source package.
    source: Option<(String, String)>,
    packager: Option<String>,
}

impl From<StoredPackageV1> for Package {
    fn from(stored: StoredPackageV1) -> Self {
        let StoredPackageV1 { package_type, name, version, architecture, source, packager } = stored;
        let source = source.map(|(name, version)| SourcePackage { name, version });
        Self { package_type: package_type.into(), name, version, architecture, source, packager, module: None }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredPackage {
    first: StoredPackageV1,
    module: Option<String>,
}

impl From<&Package> for StoredPackage {
    fn from(package: &Package) -> Self {
        let Package { package_type, name, version, architecture, source, packager, module } = package.clone();
        let source = source.map(|source| (source.name, source.version));
        let first =
            StoredPackageV1 { package_type: package_type.into(), name, version, architecture, source, packager };
        Self { first, module }
    }
}

impl From<StoredPackage> for Package {
    fn from(stored: StoredPackage) -> Self {
        Self { module: stored.module, ..stored.first.into() }
    }
}

mirrored! { StoredSeverity = Severity { Unknown, None, Low, Medium, High, Critical } }

mirrored! { StoredChannelKind = ChannelKind { ContentSet, ApkRepository, UbuntuPro, Cpe } }

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredChannel {
    kind: StoredChannelKind,
    name: String,
}

impl From<&Channel> for StoredChannel {
    fn from(channel: &Channel) -> Self {
        Self { kind: channel.kind.into(), name: channel.name.clone() }
    }
}

impl From<StoredChannel> for Channel {
    fn from(stored: StoredChannel) -> Self {
        Self { kind: stored.kind.into(), name: stored.name }
    }
}

mirrored! { StoredRiskKind = RiskKind { Secret, Configuration, Permission } }

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredRisk {
    kind: StoredRiskKind,
    rule: String,
    severity: StoredSeverity,
    detail: String,
    line: Option<u32>,
}

impl From<&Risk> for StoredRisk {
    fn from(risk: &Risk) -> Self {
        let Risk { kind, rule, severity, detail, line } = risk.clone();
        Self { kind: kind.into(), rule, severity: severity.into(), detail, line }
    }
}

impl From<StoredRisk> for Risk {
    fn from(stored: StoredRisk) -> Self {
        let StoredRisk { kind, rule, severity, detail, line } = stored;
        Self { kind: kind.into(), rule, severity: severity.into(), detail, line }
    }
}

/// Converts every element.
pub(super) fn all<A, B: From<A>>(items: impl IntoIterator<Item = A>) -> Vec<B> {
    items.into_iter().map(B::from).collect()
}
