//! Packages as detectors find them: their type, their names, the ecosystems advisories speak of, and package URLs.

mod distribution;
mod ecosystem;
mod end_of_life;
mod purl;
mod purl_identity;
mod purl_parse;
mod python;

pub use distribution::Distribution;
pub use ecosystem::Ecosystem;
pub use end_of_life::{EndOfLife, end_of_life, end_of_life_table_date, runtime_end_of_life};
pub use purl::package_url;
pub use purl_identity::PackageIdentity;
pub use purl_parse::{PackageUrl, PurlError};
pub(crate) use python::python_name;

/// A package's type, named as the package URL specification names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PackageType {
    /// Arch Linux's package.
    Alpm,
    /// Alpine's package.
    Apk,
    /// A component of a Bitnami image.
    Bitnami,
    /// A Rust crate.
    Cargo,
    /// A PHP package.
    Composer,
    /// A C or C++ package.
    Conan,
    /// A conda package.
    Conda,
    /// An R package.
    Cran,
    /// Debian's package.
    Deb,
    /// Gentoo's package.
    Ebuild,
    /// A Ruby gem.
    Gem,
    /// Software without a package manager.
    Generic,
    /// A Go module.
    Golang,
    /// An Elixir or Erlang package.
    Hex,
    /// A Julia package.
    Julia,
    /// A Lua rock.
    Luarocks,
    /// A Java library.
    Maven,
    /// A package of the Nix store.
    Nix,
    /// A Node.js package.
    Npm,
    /// .NET's package.
    Nuget,
    /// OpenWrt's package.
    Opkg,
    /// An Erlang application.
    Otp,
    /// A PEAR or PECL package.
    Pear,
    /// A Dart package.
    Pub,
    /// A Python distribution.
    Pypi,
    /// An RPM package.
    Rpm,
    /// A snap.
    Snap,
    /// A Swift package.
    Swift,
    /// A WordPress plugin.
    WordpressPlugin,
}

impl PackageType {
    /// The name in a package URL and in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alpm => "alpm",
            Self::Apk => "apk",
            Self::Bitnami => "bitnami",
            Self::Cargo => "cargo",
            Self::Composer => "composer",
            Self::Conan => "conan",
            Self::Conda => "conda",
            Self::Cran => "cran",
            Self::Deb => "deb",
            Self::Ebuild => "ebuild",
            Self::Gem => "gem",
            Self::Generic => "generic",
            Self::Golang => "golang",
            Self::Hex => "hex",
            Self::Julia => "julia",
            Self::Luarocks => "luarocks",
            Self::Maven => "maven",
            Self::Nix => "nix",
            Self::Npm => "npm",
            Self::Nuget => "nuget",
            Self::Opkg => "opkg",
            Self::Otp => "otp",
            Self::Pear => "pear",
            Self::Pub => "pub",
            Self::Pypi => "pypi",
            Self::Rpm => "rpm",
            Self::Snap => "snap",
            Self::Swift => "swift",
            Self::WordpressPlugin => "wordpress-plugin",
        }
    }

    /// The type of a name; `None` for types this version does not know.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Every type.
    pub const ALL: [Self; 29] = [
        Self::Alpm,
        Self::Apk,
        Self::Bitnami,
        Self::Cargo,
        Self::Composer,
        Self::Conan,
        Self::Conda,
        Self::Cran,
        Self::Deb,
        Self::Ebuild,
        Self::Gem,
        Self::Generic,
        Self::Golang,
        Self::Hex,
        Self::Julia,
        Self::Luarocks,
        Self::Maven,
        Self::Nix,
        Self::Npm,
        Self::Nuget,
        Self::Opkg,
        Self::Otp,
        Self::Pear,
        Self::Pub,
        Self::Pypi,
        Self::Rpm,
        Self::Snap,
        Self::Swift,
        Self::WordpressPlugin,
    ];

    /// Whether a distribution's package manager installs it, so that the distribution's feed speaks for it.
    pub const fn is_system(self) -> bool {
        matches!(
            self,
            Self::Alpm | Self::Apk | Self::Deb | Self::Ebuild | Self::Nix | Self::Opkg | Self::Rpm | Self::Snap
        )
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
    /// The module and stream a modular RPM belongs to (`MODULARITYLABEL`: `nodejs:18:8080020230718:63b34585`).
    pub module: Option<String>,
}

impl Package {
    /// A package of which nothing but name and version is known.
    pub fn new(package_type: PackageType, name: impl Into<String>, version: impl Into<String>) -> Self {
        let (name, version) = (name.into(), version.into());
        Self { package_type, name, version, architecture: None, source: None, packager: None, module: None }
    }
}
