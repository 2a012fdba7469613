//! Tells a distribution's packages from those of other publishers' repositories, by who packaged them.
//!
//! A feed of the distribution says nothing of a package somebody else built under the same name. The test errs towards
//! the distribution: individuals maintain its packages from addresses of every kind, so only publishers known to run
//! repositories of their own are told apart, none of whose addresses maintains a package of Debian 12. RPMs say who built
//! them, so there the distribution's own are known.

use crate::package::{Ecosystem, Package, PackageType};

/// Mail domains of publishers with apt repositories of their own.
const PUBLISHERS: [&str; 23] = [
    "chromium.org",
    "clickhouse.com",
    "cloudflare.com",
    "confluent.io",
    "datadoghq.com",
    "docker.com",
    "elastic.co",
    "f5.com",
    "github.com",
    "gitlab.com",
    "grafana.com",
    "hashicorp.com",
    "influxdata.com",
    "kubernetes.io",
    "microsoft.com",
    "mongodb.com",
    "newrelic.com",
    "nginx.com",
    "nginx.org",
    "nodesource.com",
    "oss.oracle.com",
    "percona.com",
    "redis.com",
];

/// Marks in versions of repositories whose maintainers are also the distribution's: PostgreSQL's, PHP's, Node.js's.
const VERSION_MARKS: [&str; 4] = [".pgdg", "nodesource", "sury", "dotdeb"];

/// Words in an RPM's vendor, in lower case, that a distribution's own packages have.
const VENDORS: [(&str, &[&str]); 9] = [
    ("AlmaLinux", &["almalinux"]),
    ("Azure Linux", &["microsoft", "azurelinux", "mariner"]),
    ("Mageia", &["mageia"]),
    ("Photon OS", &["vmware", "photon", "broadcom"]),
    ("Red Hat", &["red hat", "redhat", "rhel"]),
    ("Rocky Linux", &["rocky"]),
    ("SUSE", &["suse"]),
    ("openEuler", &["openeuler"]),
    ("openSUSE", &["suse"]),
];

/// Namespaces of package URLs by which a bill of materials names the distribution of a package, for those of one package manager.
const NAMESPACES: [&str; 12] = [
    "alpaquita",
    "alpine",
    "bellsoft-hardened-containers",
    "chainguard",
    "debian",
    "kali",
    "linuxmint",
    "minimos",
    "postmarketos",
    "raspbian",
    "ubuntu",
    "wolfi",
];

/// Whether the package comes from somebody else than the distribution of `ecosystem`.
pub(super) fn is_third_party(package: &Package, ecosystem: &Ecosystem) -> bool {
    let packager = package.packager.as_deref().unwrap_or_default();
    if package.package_type == PackageType::Rpm {
        // An RPM without a vendor was built without the distribution's macros, or its database does not keep it: no evidence.
        let vendor = packager.to_lowercase();
        let own = VENDORS.iter().find(|(name, _)| *name == ecosystem.name());
        return !vendor.is_empty() && own.is_some_and(|(_, words)| !words.iter().any(|word| vendor.contains(word)));
    }
    let own = ecosystem.name().to_lowercase().replace(' ', "-");
    let other_distribution = NAMESPACES.contains(&packager) && !own.starts_with(packager);
    let domain = mail_domain(packager);
    other_distribution
        || domain.is_some_and(|domain| PUBLISHERS.iter().any(|publisher| publisher.eq_ignore_ascii_case(domain)))
        || VERSION_MARKS.iter().any(|mark| package.version.contains(mark))
}

/// The domain of `Name <user@domain>` or `user@domain`.
fn mail_domain(packager: &str) -> Option<&str> {
    let address = packager.rsplit_once('<').map_or(packager, |(_, address)| address);
    let (_, domain) = address.rsplit_once('@')?;
    Some(domain.trim_end().trim_end_matches('>'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_publishers_are_third_parties_of_debs() {
        for (packager, version, third_party) in [
            (Some("Docker <support@docker.com>"), "5:24.0.7-1~debian.12~bookworm", true),
            (Some("NGINX Packaging <nginx-packaging@f5.com>"), "1.25.3-1~bookworm", true),
            (Some("MySQL Release Engineering <mysql-build@oss.oracle.com>"), "8.0.35-1debian12", true),
            (Some("Debian PostgreSQL Maintainers <team+postgresql@tracker.debian.org>"), "16.1-1.pgdg120+1", true),
            (Some("Debian PostgreSQL Maintainers <team+postgresql@tracker.debian.org>"), "15.5-0+deb12u1", false),
            (Some("Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>"), "1.0-1ubuntu1", false),
            (Some("A Maintainer <someone@googlemail.com>"), "1.0-1", false),
            (Some("somebody"), "1.0-1", false),
            (Some("debian"), "1.0-1", false),
            (Some("ubuntu"), "1.0-1", true), // a bill of materials names another distribution
            (None, "1.0-1", false),
        ] {
            let packager = packager.map(str::to_owned);
            let package = Package { packager, ..Package::new(PackageType::Deb, "a", version) };
            let debian = Ecosystem::parse("Debian:12");
            assert_eq!(is_third_party(&package, &debian), third_party, "{:?} {version}", package.packager);
        }
    }

    #[test]
    fn an_apk_of_a_known_publisher_is_a_third_partys() {
        let alpine = Ecosystem::parse("Alpine:v3.20");
        for (packager, third_party) in
            [("NGINX Packaging <nginx-packaging@f5.com>", true), ("Natanael Copa <ncopa@alpinelinux.org>", false)]
        {
            let package =
                Package { packager: Some(packager.into()), ..Package::new(PackageType::Apk, "nginx", "1-r0") };
            assert_eq!(is_third_party(&package, &alpine), third_party, "{packager}");
        }
    }

    #[test]
    fn an_rpms_vendor_is_the_distribution_or_somebody_else() {
        for (ecosystem, vendor, third_party) in [
            ("AlmaLinux:9", Some("AlmaLinux"), false),
            ("AlmaLinux:9", Some("Fedora Project"), true), // EPEL
            ("Rocky Linux:9", Some("Rocky Enterprise Software Foundation"), false),
            ("Rocky Linux:8", Some("Remi's RPM repository <https://rpms.remirepo.net/>"), true),
            ("Red Hat:enterprise_linux:9", Some("Red Hat, Inc."), false),
            ("Red Hat:enterprise_linux:9", Some("centos"), true), // a bill of materials
            ("SUSE:Linux Enterprise Server 15 SP5", Some("SUSE LLC <https://www.suse.com/>"), false),
            ("openSUSE:Leap 15.5", Some("openSUSE"), false),
            ("openSUSE:Leap 15.5", Some("NVIDIA"), true),
            ("Azure Linux:3", Some("Microsoft Corporation"), false),
            ("openEuler:22.03-LTS", Some("http://openeuler.org"), false),
            ("AlmaLinux:9", None, false),
        ] {
            let packager = vendor.map(str::to_owned);
            let package = Package { packager, ..Package::new(PackageType::Rpm, "a", "1-1") };
            assert_eq!(is_third_party(&package, &Ecosystem::parse(ecosystem)), third_party, "{ecosystem} {vendor:?}");
        }
    }
}
