//! Package URLs, after the package URL specification (ECMA-427) and its types' rules.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::{Distribution, Package, PackageType};

/// The package URL of `package`, with a distribution's namespace and qualifiers for packages it installs:
/// `pkg:deb/debian/libssl3@3.0.11-1~deb12u1?arch=amd64&distro=debian-12`.
pub fn package_url(package: &Package, distribution: Option<&Distribution>) -> String {
    let kind = package.package_type;
    let (namespace, name) = split_name(kind, &package.name);
    let namespace = if is_vendors(kind) { Some(vendor(kind, distribution)) } else { namespace };
    let (epoch, version) = split_epoch(kind, &package.version);
    let mut url = format!("pkg:{}/", kind.name());
    for segment in namespace.into_iter().flat_map(|namespace| namespace.split('/')).filter(|part| !part.is_empty()) {
        encode(&mut url, &spelled(kind, segment, is_lowercase(kind) || is_vendors(kind)));
        url.push('/');
    }
    encode(&mut url, &spelled(kind, name, is_lowercase(kind)));
    if !version.is_empty() {
        url.push('@');
        encode(&mut url, version);
    }
    let release = distribution.filter(|release| is_vendors(kind) && !release.version.is_empty());
    let distro = release.map(|release| format!("{}-{}", release.id, release.version));
    let architecture = package.architecture.as_deref().filter(|_| kind.is_system());
    // Qualifiers are sorted by key.
    let qualifiers = [("arch", architecture), ("distro", distro.as_deref()), ("epoch", epoch)];
    let qualifiers =
        qualifiers.into_iter().filter_map(|(key, value)| Some((key, value.filter(|text| !text.is_empty())?)));
    for ((key, value), separator) in qualifiers.zip(std::iter::once('?').chain(std::iter::repeat('&'))) {
        url.push(separator);
        url.push_str(key);
        url.push('=');
        encode(&mut url, value);
    }
    url
}

/// A name's own namespace and the rest of it, for types whose names have one.
fn split_name(kind: PackageType, name: &str) -> (Option<&str>, &str) {
    use PackageType::{Composer, Conan, Ebuild, Golang, Hex, Luarocks, Maven, Npm, Pear, Swift};
    let parts = match kind {
        Maven => name.rsplit_once(':'),
        Composer | Conan | Ebuild | Golang | Hex | Luarocks | Npm | Pear | Swift => name.rsplit_once('/'),
        _ => None,
    };
    parts.filter(|(_, name)| !name.is_empty()).map_or((None, name), |(namespace, name)| (Some(namespace), name))
}

/// An RPM's epoch is a qualifier of its own; none and zero are one.
fn split_epoch(kind: PackageType, version: &str) -> (Option<&str>, &str) {
    let parts = version.split_once(':').filter(|_| kind == PackageType::Rpm);
    match parts.filter(|(epoch, _)| !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit())) {
        Some((epoch, version)) => (Some(epoch).filter(|epoch| epoch.bytes().any(|byte| byte != b'0')), version),
        None => (None, version),
    }
}

/// Whether the namespace is the distribution that built the package.
pub(super) fn is_vendors(kind: PackageType) -> bool {
    use PackageType::{Alpm, Apk, Deb, Opkg, Rpm};
    matches!(kind, Alpm | Apk | Deb | Opkg | Rpm)
}

/// Whether the type's names are written in lower case. npm's are not: the registry has old names that differ in case alone.
pub(super) fn is_lowercase(kind: PackageType) -> bool {
    use PackageType::{Alpm, Apk, Bitnami, Composer, Deb, Golang, Hex, Luarocks, Otp, Pub, Pypi};
    matches!(kind, Alpm | Apk | Bitnami | Composer | Deb | Golang | Hex | Luarocks | Otp | Pub | Pypi)
}

/// A component of the name as the type spells it.
fn spelled(kind: PackageType, text: &str, lowercase: bool) -> Cow<'_, str> {
    match kind {
        PackageType::Pypi => Cow::Owned(text.to_lowercase().replace('_', "-")),
        _ if lowercase => Cow::Owned(text.to_lowercase()),
        _ => Cow::Borrowed(text),
    }
}

/// The namespace of a distribution's package: the distribution, by its vendor where several share one, else the one the
/// type is named for.
fn vendor(kind: PackageType, distribution: Option<&Distribution>) -> &str {
    match (distribution, kind) {
        (Some(distribution), PackageType::Rpm) => match distribution.id.as_str() {
            "rhel" => "redhat",
            "ol" => "oracle",
            id if id.starts_with("opensuse") => "opensuse",
            id if id.starts_with("sle") || id == "sl-micro" => "suse",
            id => id,
        },
        (Some(distribution), _) => &distribution.id,
        (None, PackageType::Alpm) => "arch",
        (None, PackageType::Apk) => "alpine",
        (None, PackageType::Opkg) => "openwrt",
        (None, PackageType::Rpm) => "redhat",
        (None, _) => "debian",
    }
}

/// Percent-encodes all but letters, digits, `.-_~` and the colon.
pub(super) fn encode(url: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => url.push(char::from(byte)),
            _ => write!(url, "%{byte:02X}").expect("a String takes every write"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The URL of a package, given with its architecture, of a release given as `ID VERSION`.
    fn url(package_type: PackageType, name: &str, version: &str, architecture: &str, release: &str) -> String {
        let architecture = Some(architecture.to_owned()).filter(|architecture| !architecture.is_empty());
        let package = Package { architecture, ..Package::new(package_type, name, version) };
        let distribution = release.split_once(' ').map(|(id, version)| Distribution {
            id: id.into(),
            version: version.into(),
            pretty_name: None,
        });
        package_url(&package, distribution.as_ref())
    }

    #[test]
    fn a_distributions_packages_carry_its_name() {
        use PackageType::{Alpm, Apk, Deb, Opkg, Rpm};
        for (kind, name, version, architecture, release, expected) in [
            (Deb, "curl", "7.50.3-1", "i386", "debian ", "pkg:deb/debian/curl@7.50.3-1?arch=i386"),
            (
                Deb,
                "dpkg",
                "1.19.0.4",
                "amd64",
                "ubuntu 20.04",
                "pkg:deb/ubuntu/dpkg@1.19.0.4?arch=amd64&distro=ubuntu-20.04",
            ),
            (
                Deb,
                "libssl3",
                "3.0.11-1~deb12u1",
                "amd64",
                "debian 12",
                "pkg:deb/debian/libssl3@3.0.11-1~deb12u1?arch=amd64&distro=debian-12",
            ),
            (Deb, "g++", "4:12.2.0-3", "amd64", "debian ", "pkg:deb/debian/g%2B%2B@4:12.2.0-3?arch=amd64"),
            (Deb, "a", "1+b1", "amd64", "", "pkg:deb/debian/a@1%2Bb1?arch=amd64"),
            (Apk, "curl", "7.83.0-r0", "x86", "", "pkg:apk/alpine/curl@7.83.0-r0?arch=x86"),
            (Apk, "apk", "2.12.9-r3", "x86", "alpine 3.16", "pkg:apk/alpine/apk@2.12.9-r3?arch=x86&distro=alpine-3.16"),
            (Alpm, "pacman", "6.0.1-1", "x86_64", "arch ", "pkg:alpm/arch/pacman@6.0.1-1?arch=x86_64"),
            (
                Alpm,
                "containers-common",
                "1:0.47.4-4",
                "x86_64",
                "",
                "pkg:alpm/arch/containers-common@1:0.47.4-4?arch=x86_64",
            ),
            (
                Rpm,
                "curl",
                "7.50.3-1.fc25",
                "i386",
                "fedora 25",
                "pkg:rpm/fedora/curl@7.50.3-1.fc25?arch=i386&distro=fedora-25",
            ),
            (
                Rpm,
                "centerim",
                "1:4.22.10-1.el6",
                "i686",
                "fedora 25",
                "pkg:rpm/fedora/centerim@4.22.10-1.el6?arch=i686&distro=fedora-25&epoch=1",
            ),
            (
                Rpm,
                "NetworkManager",
                "0:1.36-1.el9",
                "",
                "rhel 9.3",
                "pkg:rpm/redhat/NetworkManager@1.36-1.el9?distro=rhel-9.3",
            ),
            (Rpm, "bash", "5-1", "", "opensuse-leap 15.5", "pkg:rpm/opensuse/bash@5-1?distro=opensuse-leap-15.5"),
            (Rpm, "bash", "5-1", "", "sles 15.5", "pkg:rpm/suse/bash@5-1?distro=sles-15.5"),
            (Opkg, "libc", "1.2.4-4", "x86_64", "", "pkg:opkg/openwrt/libc@1.2.4-4?arch=x86_64"),
        ] {
            assert_eq!(url(kind, name, version, architecture, release), expected);
        }
    }

    #[test]
    fn other_packages_follow_their_types_rules() {
        use PackageType::*;
        for (kind, name, version, expected) in [
            (Bitnami, "wordpress", "6.2.0", "pkg:bitnami/wordpress@6.2.0"),
            (Cargo, "structopt", "0.3.11", "pkg:cargo/structopt@0.3.11"),
            (Composer, "Laravel/Laravel", "5.5.0", "pkg:composer/laravel/laravel@5.5.0"),
            (Conan, "openssl", "3.0.3", "pkg:conan/openssl@3.0.3"),
            (Conan, "openssl.org/openssl", "3.0.3", "pkg:conan/openssl.org/openssl@3.0.3"),
            (Conda, "absl-py", "0.4.1", "pkg:conda/absl-py@0.4.1"),
            (Cran, "A3", "0.9.1", "pkg:cran/A3@0.9.1"),
            (Ebuild, "dev-libs/openssl", "3.0.13-r2", "pkg:ebuild/dev-libs/openssl@3.0.13-r2"),
            (Gem, "ruby-advisory-db-check", "0.12.4", "pkg:gem/ruby-advisory-db-check@0.12.4"),
            (Generic, "openssl", "1.1.10g", "pkg:generic/openssl@1.1.10g"),
            (Golang, "github.com/Gorilla/Context", "v1.1.1", "pkg:golang/github.com/gorilla/context@v1.1.1"),
            (Golang, "google.golang.org/genproto", "v0.0.0+x", "pkg:golang/google.golang.org/genproto@v0.0.0%2Bx"),
            (Golang, "stdlib", "1.21.4", "pkg:golang/stdlib@1.21.4"),
            (Hex, "Jason", "1.1.2", "pkg:hex/jason@1.1.2"),
            (Hex, "acme/foo", "2.3.", "pkg:hex/acme/foo@2.3."),
            (Luarocks, "LuaSocket", "3.1.0-1", "pkg:luarocks/luasocket@3.1.0-1"),
            (Luarocks, "hisham/luafilesystem", "1.8.0-1", "pkg:luarocks/hisham/luafilesystem@1.8.0-1"),
            (Maven, "org.apache.xmlgraphics:batik-anim", "1.9.1", "pkg:maven/org.apache.xmlgraphics/batik-anim@1.9.1"),
            (Maven, "artifact-alone", "1", "pkg:maven/artifact-alone@1"),
            (Nix, "openssl", "3.0.13", "pkg:nix/openssl@3.0.13"),
            (Npm, "foobar", "12.3.1", "pkg:npm/foobar@12.3.1"),
            (Npm, "@angular/animation", "12.3.1", "pkg:npm/%40angular/animation@12.3.1"),
            (Npm, "JSONStream", "1.0.0", "pkg:npm/JSONStream@1.0.0"),
            (Nuget, "EnterpriseLibrary.Common", "6.0.1304", "pkg:nuget/EnterpriseLibrary.Common@6.0.1304"),
            (Otp, "Stdlib", "3.17", "pkg:otp/stdlib@3.17"),
            (Pear, "pear.php.net/Archive_Tar", "1.4.14", "pkg:pear/pear.php.net/Archive_Tar@1.4.14"),
            (Pub, "Characters", "1.2.0", "pkg:pub/characters@1.2.0"),
            (Pypi, "django-allauth", "12.23", "pkg:pypi/django-allauth@12.23"),
            (Pypi, "Django_Thing", "1.11.1", "pkg:pypi/django-thing@1.11.1"),
            (Snap, "core22", "20240111", "pkg:snap/core22@20240111"),
            (
                Swift,
                "github.com/RxSwiftCommunity/RxFlow",
                "2.12.4",
                "pkg:swift/github.com/RxSwiftCommunity/RxFlow@2.12.4",
            ),
            (WordpressPlugin, "akismet", "5.3", "pkg:wordpress-plugin/akismet@5.3"),
            // What is unknown is left out, and nothing of a name can be mistaken for another part.
            (Generic, "a/b?c#d@e f", "", "pkg:generic/a%2Fb%3Fc%23d%40e%20f"),
            (Golang, "//a//b", "1/2", "pkg:golang/a/b@1%2F2"),
            (Golang, "a/", "1", "pkg:golang/a%2F@1"),
        ] {
            assert_eq!(url(kind, name, version, "", "debian 12"), expected);
        }
    }
}
