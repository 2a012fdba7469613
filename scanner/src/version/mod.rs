//! How versions compare: one comparator per ecosystem behind one entry point.
//!
//! Each comparator follows its own specification and is total over any text: what the specification does not call a
//! version still has one fixed place, so that sorting and matching never depend on who asks first. No comparator panics,
//! recurses or allocates more than its input is long.

mod apk;
mod digits;
mod dpkg;
mod pep440;
mod semver;

use std::cmp::Ordering;

use crate::package::Ecosystem;

/// A way of comparing versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Alpine's apk-tools.
    Apk,
    /// dpkg, after deb-version(7).
    Dpkg,
    /// Python, after PEP 440.
    Pep440,
    /// npm, after Semantic Versioning 2.0.0, read leniently.
    SemVer,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 4] = [Self::Apk, Self::Dpkg, Self::Pep440, Self::SemVer];

    /// The scheme of an ecosystem, where this version knows one; the release does not matter.
    pub fn of(ecosystem: &Ecosystem) -> Option<Self> {
        match ecosystem.name() {
            "Alpine" => Some(Self::Apk),
            "Debian" | "Ubuntu" => Some(Self::Dpkg),
            "PyPI" => Some(Self::Pep440),
            "npm" => Some(Self::SemVer),
            _ => None,
        }
    }
}

/// Compares two versions. Different texts may be equal (`1.0` and `1.0.0` in Python).
pub fn compare(scheme: Scheme, a: &str, b: &str) -> Ordering {
    match scheme {
        Scheme::Apk => apk::compare(a, b),
        Scheme::Dpkg => dpkg::compare(a, b),
        Scheme::Pep440 => pep440::compare(a, b),
        Scheme::SemVer => semver::compare(a, b),
    }
}

#[cfg(test)]
pub(crate) mod table {
    //! Reads tables of comparisons, one `A < B` a line; `#` starts a comment.

    use std::cmp::Ordering;

    /// Checks every line both ways round.
    pub(crate) fn check(compare: fn(&str, &str) -> Ordering, table: &str) {
        let mut lines = 0;
        for line in table.lines().map(|line| line.split('#').next().unwrap().trim()).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [a, sign, b] = words[..] else { panic!("not a comparison: {line}") };
            let expected = match sign {
                "<" => Ordering::Less,
                "=" => Ordering::Equal,
                ">" => Ordering::Greater,
                _ => panic!("not a comparison: {line}"),
            };
            assert_eq!(compare(a, b), expected, "{line}");
            assert_eq!(compare(b, a), expected.reverse(), "{line}, turned round");
            lines += 1;
        }
        assert!(lines > 0, "the table is empty");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any text, and text that looks like versions, so that the grammars' deeper branches are met.
    fn version() -> impl Strategy<Value = String> {
        prop_oneof![
            1 => any::<String>(),
            2 => "[0-9a-z.~+:_!*-]{0,10}",
            3 => "v?([01]!)?[0-9]{1,2}(\\.[0-9]{1,2}){0,3}[a-c]?((-|_|\\.)?(a|b|rc|alpha|beta|pre|post|p|dev|r)[0-9]{0,2}){0,2}(~[0-9a-f]{1,3})?(-r?[0-9]{1,2})?(\\+[0-9a-z.]{1,3})?",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn every_order_is_total(a in version(), b in version(), c in version()) {
            for scheme in Scheme::ALL {
                let (ab, bc, ac) = (compare(scheme, &a, &b), compare(scheme, &b, &c), compare(scheme, &a, &c));
                prop_assert_eq!(compare(scheme, &a, &a), Ordering::Equal);
                prop_assert_eq!(ab, compare(scheme, &b, &a).reverse());
                if ab == bc {
                    prop_assert_eq!(ac, ab, "{:?}: {:?} {:?} {:?}", scheme, a, b, c);
                }
                if ab == Ordering::Equal {
                    prop_assert_eq!(ac, bc);
                }
            }
        }
    }

    #[test]
    fn an_ecosystem_has_its_scheme_whatever_the_release() {
        for (ecosystem, scheme) in [
            ("Debian:12", Some(Scheme::Dpkg)),
            ("Ubuntu:22.04:LTS", Some(Scheme::Dpkg)),
            ("Alpine:v3.20", Some(Scheme::Apk)),
            ("PyPI", Some(Scheme::Pep440)),
            ("npm", Some(Scheme::SemVer)),
            ("Plan9", None),
        ] {
            assert_eq!(Scheme::of(&Ecosystem::parse(ecosystem)), scheme, "{ecosystem}");
        }
    }
}
