//! Release files that are one line of text.

use super::{MAX_VALUE, major_only};
use crate::package::Distribution;

/// How the line of `etc/redhat-release` and its kind begins, the `ID` of the same distribution in os-release(5), and whether its
/// `VERSION_ID` is the first component of the version alone.
const NAMES: [(&str, &str, bool); 11] = [
    ("Red Hat Enterprise Linux", "rhel", false),
    ("CentOS", "centos", true),
    ("Rocky Linux", "rocky", false),
    ("AlmaLinux", "almalinux", false),
    ("Fedora", "fedora", false),
    ("Oracle Linux", "ol", false),
    ("Amazon Linux AMI", "amzn", false),
    ("Amazon Linux", "amzn", true),
    ("Scientific Linux", "scientific", false),
    ("Virtuozzo Linux", "virtuozzo", false),
    ("openEuler", "openeuler", false),
];

/// A file that states a version and nothing else; a text that is no number leaves the version empty.
pub(super) fn version_file(id: &str, bytes: &[u8]) -> Option<Distribution> {
    let text = String::from_utf8_lossy(bytes.trim_ascii());
    let numbered = text.starts_with(|first: char| first.is_ascii_digit()) && text.len() <= MAX_VALUE;
    let version = if numbered { text.lines().next().unwrap_or_default().to_owned() } else { String::new() };
    (!text.is_empty()).then(|| Distribution { id: id.to_owned(), version, pretty_name: None })
}

/// `NAME release VERSION (CODENAME)`, of a distribution whose name is known.
pub(super) fn release_line(bytes: &[u8]) -> Option<Distribution> {
    let text = String::from_utf8_lossy(bytes.trim_ascii());
    let line = text.lines().next().filter(|line| line.len() <= MAX_VALUE)?.trim_end();
    let (_, id, major) = NAMES.iter().find(|(name, ..)| line.starts_with(name))?;
    let version = line.split_once(" release ").and_then(|(_, rest)| rest.split_whitespace().next()).unwrap_or_default();
    let version = if version.starts_with(|first: char| first.is_ascii_digit()) { version } else { "" };
    let release =
        Distribution { id: (*id).to_owned(), version: version.to_owned(), pretty_name: Some(line.to_owned()) };
    Some(if *major { major_only(release) } else { release })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_line_is_a_name_and_a_version() {
        for (line, expected) in [
            ("Red Hat Enterprise Linux Server release 7.9 (Maipo)", Some(("rhel", "7.9"))),
            ("Red Hat Enterprise Linux release 9.3 (Plow)", Some(("rhel", "9.3"))),
            ("CentOS Linux release 7.9.2009 (Core)", Some(("centos", "7"))),
            ("CentOS release 6.10 (Final)", Some(("centos", "6"))),
            ("CentOS Stream release 9", Some(("centos", "9"))),
            ("Rocky Linux release 9.3 (Blue Onyx)", Some(("rocky", "9.3"))),
            ("AlmaLinux release 8.9 (Midnight Oncilla)", Some(("almalinux", "8.9"))),
            ("Fedora release 39 (Thirty Nine)", Some(("fedora", "39"))),
            ("Fedora release Rawhide (Rawhide)", Some(("fedora", ""))),
            ("Oracle Linux Server release 8.9", Some(("ol", "8.9"))),
            ("Amazon Linux release 2 (Karoo)", Some(("amzn", "2"))),
            ("Amazon Linux release 2023.3.20240131 (Amazon Linux)", Some(("amzn", "2023"))),
            ("Amazon Linux AMI release 2018.03", Some(("amzn", "2018.03"))),
            ("openEuler release 22.03 (LTS-SP3)", Some(("openeuler", "22.03"))),
            ("Plan 9 release 4", None),
            ("", None),
        ] {
            let found = release_line(format!("{line}\n").as_bytes());
            assert_eq!(found.as_ref().map(|found| (&*found.id, &*found.version)), expected, "{line}");
        }
    }
}
