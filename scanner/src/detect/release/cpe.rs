//! `etc/system-release-cpe`: the distribution as a CPE name, in the form of CPE 2.2 or 2.3.

use super::super::stanza::lines;
use super::MAX_VALUE;
use crate::package::Distribution;

/// Vendor and product of a CPE name, and the `ID` the same distribution has in os-release(5).
const PRODUCTS: [(&str, &str, &str); 10] = [
    ("almalinux", "almalinux", "almalinux"),
    ("amazon", "amazon_linux", "amzn"),
    ("amazon", "linux", "amzn"),
    ("centos", "centos", "centos"),
    ("centos", "linux", "centos"),
    ("fedoraproject", "fedora", "fedora"),
    ("oracle", "linux", "ol"),
    ("redhat", "enterprise_linux", "rhel"),
    ("rocky", "rocky", "rocky"),
    ("rocky", "rocky_linux", "rocky"),
];

/// The distribution, where its name is known, and the CPE name itself.
pub(super) fn system_release(bytes: &[u8]) -> (Option<Distribution>, Option<String>) {
    let line = lines(bytes).next().unwrap_or_default().trim_ascii();
    let Some(cpe) = std::str::from_utf8(line).ok().filter(|cpe| cpe.starts_with("cpe:") && cpe.len() <= MAX_VALUE)
    else {
        return (None, None);
    };
    (distribution(cpe), Some(cpe.to_owned()))
}

fn distribution(cpe: &str) -> Option<Distribution> {
    // "cpe:/o:VENDOR:PRODUCT:VERSION" or "cpe:2.3:o:VENDOR:PRODUCT:VERSION".
    let system = cpe.strip_prefix("cpe:/o:").or_else(|| cpe.strip_prefix("cpe:2.3:o:"))?;
    let mut parts = system.split(':');
    let (vendor, product, version) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
    let (.., id) = PRODUCTS.iter().find(|(known, of, _)| (*known, *of) == (vendor, product))?;
    let version = if version.starts_with(|first: char| first.is_ascii_digit()) { version } else { "" };
    Some(Distribution { id: (*id).to_owned(), version: version.to_owned(), pretty_name: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_products_are_distributions() {
        for (cpe, expected) in [
            ("cpe:/o:redhat:enterprise_linux:8::baseos", Some(("rhel", "8"))),
            ("cpe:2.3:o:redhat:enterprise_linux:9.3:*:baseos:*:*:*:*:*", Some(("rhel", "9.3"))),
            ("cpe:2.3:o:amazon:amazon_linux:2", Some(("amzn", "2"))),
            ("cpe:/o:rocky:rocky:9::baseos", Some(("rocky", "9"))),
            ("cpe:/o:almalinux:almalinux:9::baseos", Some(("almalinux", "9"))),
            ("cpe:/o:centos:centos:9", Some(("centos", "9"))),
            ("cpe:/o:fedoraproject:fedora:39", Some(("fedora", "39"))),
            ("cpe:/o:oracle:linux:8:9:server", Some(("ol", "8"))),
            ("cpe:/o:fedoraproject:fedora:-", Some(("fedora", ""))),
            ("cpe:/a:redhat:enterprise_linux:8", None),
            ("cpe:/o:unknown", None),
        ] {
            let (found, name) = system_release(format!("{cpe}\n").as_bytes());
            assert_eq!(found.as_ref().map(|found| (&*found.id, &*found.version)), expected, "{cpe}");
            assert_eq!(name.as_deref(), Some(cpe));
        }
        assert_eq!(system_release(b"<html>"), (None, None));
    }
}
