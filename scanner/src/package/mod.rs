//! Packages as detectors find them: their type, their names, the ecosystems advisories speak of, and package URLs.

mod distribution;
mod ecosystem;
mod purl;

use serde::{Deserialize, Serialize};

pub use distribution::Distribution;
pub use ecosystem::Ecosystem;
pub use purl::package_url;

/// A package's type, named as the package URL specification names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageType {
    /// Alpine's package.
    Apk,
    /// Debian's package.
    Deb,
    /// A Node.js package.
    Npm,
    /// A Python distribution.
    Pypi,
    /// An RPM package.
    Rpm,
}

impl PackageType {
    /// The name in a package URL and in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apk => "apk",
            Self::Deb => "deb",
            Self::Npm => "npm",
            Self::Pypi => "pypi",
            Self::Rpm => "rpm",
        }
    }

    /// Whether a distribution's package manager installs it, so that the distribution's feed speaks for it.
    pub const fn is_system(self) -> bool {
        matches!(self, Self::Apk | Self::Deb | Self::Rpm)
    }
}

/// The source package a binary package was built from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourcePackage {
    /// The source's name.
    pub name: String,
    /// The source's version; differs from the binary's for binary-only rebuilds.
    pub version: String,
}

/// A package as one database or manifest in a layer states it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Package {
    /// Its type.
    pub package_type: PackageType,
    /// Its name, as advisories spell it: `openssl`, `@scope/name`, a PEP 503 name for Python.
    pub name: String,
    /// Its version, as installed.
    pub version: String,
    /// The architecture it was built for, where the database says so.
    pub architecture: Option<String>,
    /// Its source package, where the type has such (deb, apk's origin, rpm); the binary's own name where none is written.
    pub source: Option<SourcePackage>,
    /// Who packaged it (dpkg's `Maintainer`, rpm's `Vendor`): tells a distribution's packages from a third party's.
    pub packager: Option<String>,
}
