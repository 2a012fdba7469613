//! Which token realms an upstream's credentials may be sent to.
//!
//! The realm comes from the upstream's own answer; whoever can change that answer could otherwise have the credentials sent
//! anywhere (CVE-2026-33540 in distribution).

use url::{Host, Url};

/// Suffixes below which unrelated parties hold names, with two labels: the domain of a host is one label longer.
/// The country ones follow the usual second-level names; the rest are hosting services that registries run on.
const SHARED_SUFFIXES: [&str; 40] = [
    "ac.uk",
    "co.uk",
    "gov.uk",
    "org.uk",
    "com.au",
    "gov.au",
    "net.au",
    "org.au",
    "co.nz",
    "govt.nz",
    "co.jp",
    "ne.jp",
    "or.jp",
    "co.kr",
    "co.in",
    "gov.in",
    "com.br",
    "gov.br",
    "com.cn",
    "net.cn",
    "com.tw",
    "com.hk",
    "com.sg",
    "com.tr",
    "com.mx",
    "com.ar",
    "co.za",
    "co.il",
    "amazonaws.com",
    "azurecr.io",
    "azurewebsites.net",
    "cloudfront.net",
    "windows.net",
    "appspot.com",
    "run.app",
    "pkg.dev",
    "github.io",
    "herokuapp.com",
    "ondigitalocean.app",
    "fly.dev",
];

/// Whether `realm` may have the credentials of `upstream`. It may where the host is the same, lies under the upstream's
/// domain (its last two labels, or three below a suffix that unrelated parties share), or is in `token_hosts` as `host` or
/// `host:port`; and never by plain HTTP unless the upstream itself is plain.
pub(crate) fn trusts(upstream: &Url, realm: &Url, token_hosts: &[String]) -> bool {
    let scheme = realm.scheme() == "https" || (realm.scheme() == "http" && upstream.scheme() == "http");
    let clean = realm.username().is_empty() && realm.password().is_none();
    scheme && clean && (listed(realm, token_hosts) || same_domain(upstream, realm))
}

fn listed(realm: &Url, token_hosts: &[String]) -> bool {
    let Some(host) = realm.host_str() else { return false };
    let with_port = realm.port_or_known_default().map(|port| format!("{host}:{port}"));
    token_hosts.iter().any(|trusted| {
        trusted.eq_ignore_ascii_case(host)
            || with_port.as_deref().is_some_and(|place| trusted.eq_ignore_ascii_case(place))
    })
}

fn same_domain(upstream: &Url, realm: &Url) -> bool {
    match (upstream.host(), realm.host()) {
        (Some(Host::Domain(upstream)), Some(Host::Domain(realm))) => {
            upstream == realm
                || domain(upstream).is_some_and(|domain| {
                    realm.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                })
        }
        (upstream, realm) => upstream.is_some() && upstream == realm,
    }
}

/// The part of a name that one party holds, or `None` where the name is that short itself or shorter.
fn domain(host: &str) -> Option<&str> {
    let host = host.trim_end_matches('.');
    let last = |labels: usize| host.rmatch_indices('.').nth(labels - 1).map_or(host, |(at, _)| &host[at + 1..]);
    if !host.contains('.') {
        return None;
    }
    let two = last(2);
    if SHARED_SUFFIXES.contains(&two) { (two != host).then(|| last(3)) } else { Some(two) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn realms() {
        let listed = ["login.example".to_owned(), "tokens.example:8443".to_owned()];
        for (upstream, realm, trusted) in [
            ("https://registry-1.docker.io", "https://auth.docker.io/token", true),
            ("https://ghcr.io", "https://ghcr.io/token", true),
            ("https://quay.io", "https://quay.io/v2/auth", true),
            ("https://r.example.com:5000", "https://r.example.com:5001/token", true),
            ("https://registry-1.docker.io", "https://docker.io/token", true),
            ("https://registry-1.docker.io", "https://evildocker.io/token", false),
            ("https://registry-1.docker.io", "https://docker.io.evil.example/token", false),
            ("https://registry-1.docker.io", "http://auth.docker.io/token", false),
            ("https://registry-1.docker.io", "https://user@auth.docker.io/token", false),
            ("https://r.corp.co.uk", "https://auth.corp.co.uk/", true),
            ("https://r.corp.co.uk", "https://auth.other.co.uk/", false),
            ("https://corp.co.uk", "https://auth.corp.co.uk/", true),
            ("https://mine.azurecr.io", "https://mine.azurecr.io/oauth2/token", true),
            ("https://mine.azurecr.io", "https://yours.azurecr.io/oauth2/token", false),
            ("https://azurecr.io", "https://yours.azurecr.io/oauth2/token", false),
            ("https://registry", "https://registry/token", true),
            ("https://registry", "https://auth.registry/token", false),
            ("https://registry", "https://elsewhere/token", false),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token", true),
            ("http://127.0.0.1:5000", "http://10.0.0.1/token", false),
            ("https://10.0.0.1", "https://11.0.0.1/token", false),
            ("https://r.example.com", "https://login.example/token", true),
            ("https://r.example.com", "https://login.example:444/token", true),
            ("https://r.example.com", "https://tokens.example:8443/token", true),
            ("https://r.example.com", "https://tokens.example/token", false),
            ("https://r.example.com", "http://login.example/token", false),
            ("https://r.example.com", "file:///etc/passwd", false),
        ] {
            assert_eq!(
                trusts(&upstream.parse().unwrap(), &realm.parse().unwrap(), &listed),
                trusted,
                "{upstream} {realm}"
            );
        }
    }
}
