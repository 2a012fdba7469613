//! Questions for packages a distribution installed: by which names and versions its feed knows them.

use super::packager::is_third_party;
use super::{Coverage, Host, QueryName, asked};
use crate::advisory::key::package_key;
use crate::package::{Distribution, Ecosystem, Package, PackageType};

/// By which names a distribution's feed knows a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// By its source's, with the source's version.
    Source,
    /// By its own.
    Binary,
    /// By either.
    Both,
}

/// Feeds of distributions: the packages their package manager installs, and the names they go by there.
///
/// Alpine's and BellSoft's are by origin; Wolfi's and Chainguard's say origin and list packages too. AlmaLinux's name binary packages,
/// whatever the OSV schema says of them; Red Hat's and Rocky's name either. SUSE's name sources, and the binaries beside them.
const FEEDS: [(&str, PackageType, Names); 17] = [
    ("AlmaLinux", PackageType::Rpm, Names::Binary),
    ("Alpaquita", PackageType::Apk, Names::Source),
    ("Alpine", PackageType::Apk, Names::Source),
    ("Azure Linux", PackageType::Rpm, Names::Both),
    ("BellSoft Hardened Containers", PackageType::Apk, Names::Source),
    ("Chainguard", PackageType::Apk, Names::Both),
    ("Debian", PackageType::Deb, Names::Source),
    ("Mageia", PackageType::Rpm, Names::Source),
    ("MinimOS", PackageType::Apk, Names::Both),
    ("Photon OS", PackageType::Rpm, Names::Both),
    ("Red Hat", PackageType::Rpm, Names::Both),
    ("Rocky Linux", PackageType::Rpm, Names::Both),
    ("SUSE", PackageType::Rpm, Names::Source),
    ("Ubuntu", PackageType::Deb, Names::Source),
    ("Wolfi", PackageType::Apk, Names::Both),
    ("openEuler", PackageType::Rpm, Names::Source),
    ("openSUSE", PackageType::Rpm, Names::Source),
];

pub(super) fn query(package: &Package, host: &Host<'_>) -> Coverage {
    let Some(ecosystem) = host.ecosystem.clone() else {
        return Coverage::NoFeed(missing_name(package.package_type, host.distribution));
    };
    let Some((_, _, by)) =
        FEEDS.iter().find(|(name, installs, _)| *name == ecosystem.name() && *installs == package.package_type)
    else {
        // A package manager foreign to the distribution, such as rpm on Debian.
        return Coverage::NoFeed(package.package_type.name().to_owned());
    };
    if is_third_party(package, &ecosystem) {
        return Coverage::ThirdParty(ecosystem.to_string());
    }
    let names = names(package, *by, &ecosystem);
    let releases = host.releases.clone().for_version(ecosystem.release(), &names[0].version);
    let lists_binaries = matches!(ecosystem.name(), "SUSE" | "openSUSE");
    match asked(ecosystem, releases, names) {
        Coverage::Asked(mut query) => {
            query.module = package.module.as_deref().and_then(stream);
            query.binary = lists_binaries.then(|| package.name.clone());
            Coverage::Asked(query)
        }
        other => other,
    }
}

/// The source's name first.
fn names(package: &Package, by: Names, ecosystem: &Ecosystem) -> Vec<QueryName> {
    let key = |name: &str| package_key(ecosystem.name(), name).into_owned();
    let own = QueryName::new(key(&package.name), &*package.version);
    let Some(source) = package.source.as_ref().filter(|_| by != Names::Binary) else { return vec![own] };
    let rpm = package.package_type == PackageType::Rpm;
    // A source RPM has the binary's epoch as a rule, but none in its file's name. Its namesake's is known to be the binary's own.
    if rpm && source.name == package.name && own.version.ends_with(&source.version) {
        return vec![own];
    }
    let source = QueryName { without_epoch: rpm, ..QueryName::new(key(&source.name), &*source.version) };
    if by == Names::Both && source.key != own.key { vec![source, own] } else { vec![source] }
}

/// Module and stream of a modularity label, `NAME:STREAM:VERSION:CONTEXT`.
fn stream(label: &str) -> Option<String> {
    let mut parts = label.split(':');
    let (name, stream) = (parts.next()?, parts.next()?);
    (!name.is_empty() && !stream.is_empty()).then(|| format!("{name}:{stream}"))
}

/// A distribution without a feed by its own id and version; without any distribution, the kind of package.
fn missing_name(package_type: PackageType, distribution: Option<&Distribution>) -> String {
    match distribution {
        Some(distribution) if distribution.version.is_empty() => distribution.id.clone(),
        Some(distribution) => format!("{}:{}", distribution.id, distribution.version),
        None => package_type.name().to_owned(),
    }
}
