//! Tells a distribution's packages from those of other publishers' repositories, by who packaged them.
//!
//! A feed of the distribution says nothing of a package somebody else built under the same name. The test errs towards
//! the distribution: individuals maintain its packages from addresses of every kind, so only publishers known to run
//! repositories of their own are told apart, none of whose addresses maintains a package of Debian 12.

use crate::package::Package;

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

/// Whether the package comes from somebody else than the distribution.
pub(super) fn is_third_party(package: &Package) -> bool {
    let domain = package.packager.as_deref().and_then(mail_domain);
    domain.is_some_and(|domain| PUBLISHERS.iter().any(|publisher| publisher.eq_ignore_ascii_case(domain)))
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
    use crate::package::PackageType;

    #[test]
    fn only_known_publishers_are_third_parties() {
        for (packager, version, third_party) in [
            (Some("Docker <support@docker.com>"), "5:24.0.7-1~debian.12~bookworm", true),
            (Some("NGINX Packaging <nginx-packaging@f5.com>"), "1.25.3-1~bookworm", true),
            (Some("MySQL Release Engineering <mysql-build@oss.oracle.com>"), "8.0.35-1debian12", true),
            (Some("Debian PostgreSQL Maintainers <team+postgresql@tracker.debian.org>"), "16.1-1.pgdg120+1", true),
            (Some("Debian PostgreSQL Maintainers <team+postgresql@tracker.debian.org>"), "15.5-0+deb12u1", false),
            (Some("Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>"), "1.0-1ubuntu1", false),
            (Some("A Maintainer <someone@googlemail.com>"), "1.0-1", false),
            (Some("somebody"), "1.0-1", false),
            (None, "1.0-1", false),
        ] {
            let package = Package {
                package_type: PackageType::Deb,
                name: "a".into(),
                version: version.into(),
                architecture: None,
                source: None,
                packager: packager.map(str::to_owned),
                module: None,
            };
            assert_eq!(is_third_party(&package), third_party, "{packager:?} {version}");
        }
    }
}
