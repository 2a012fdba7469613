//! Go versions: Semantic Versioning as `golang.org/x/mod/semver` compares it, with or without the `v`, and the names of
//! Go's own releases.
//!
//! A pseudo-version is a pre-release like any other; `+incompatible` is build metadata and does not count. A release
//! of Go is read as Go's vulnerability database writes it: `go1.22rc1` is `1.22.0-rc.1`, `go1.22` is `1.22.0`. What
//! follows a blank or a hyphen in such a name says how it was built. `devel go1.25-…` is on its way to 1.25, before
//! its first beta, and reads as `1.25.0-0`. Other text, such as `(devel)`, stands before every version, by its bytes.

use std::cmp::Ordering;

use super::digits;
use super::semver::compare_identifiers;

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    match (Version::of(a), Version::of(b)) {
        (Some(a), Some(b)) => {
            digits::compare_dotted(a.numbers, b.numbers).then_with(|| match (a.prerelease, b.prerelease) {
                (Some(a), Some(b)) => compare_identifiers(a.identifiers(), b.identifiers(), str::cmp),
                (a, b) => b.is_some().cmp(&a.is_some()),
            })
        }
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => a.cmp(b),
    }
}

struct Version<'a> {
    numbers: &'a str,
    prerelease: Option<Prerelease<'a>>,
}

/// `rc.1` in one piece, `rc1` of a release of Go in two.
#[derive(Clone, Copy)]
struct Prerelease<'a> {
    words: &'a str,
    number: Option<&'a str>,
}

impl<'a> Prerelease<'a> {
    const DEVELOPMENT: Self = Self { words: "0", number: None };

    fn identifiers(self) -> impl Iterator<Item = &'a str> {
        self.words.split('.').chain(self.number)
    }
}

impl<'a> Version<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let (development, text) = match text.strip_prefix("devel ") {
            Some(rest) => (true, rest.trim_start()),
            None => (false, text),
        };
        let (release, text) = match text.strip_prefix("go") {
            Some(rest) => (true, rest.split_whitespace().next()?),
            None => (false, text.strip_prefix('v').unwrap_or(text)),
        };
        let text = text.split('+').next().unwrap_or(text);
        let end = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (numbers, rest) = text.split_at(end);
        if !numbers.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let prerelease = match rest.strip_prefix('-') {
            _ if development => Some(Prerelease::DEVELOPMENT),
            Some(_) if release => None,
            Some(words) => Some(Prerelease { words, number: None }),
            None if rest.is_empty() => None,
            None => {
                let (words, rest) = rest.split_at(rest.bytes().take_while(|byte| !byte.is_ascii_digit()).count());
                let number = digits::split(rest).0;
                Some(Prerelease { words, number: (!number.is_empty()).then_some(number) })
            }
        };
        Some(Self { numbers, prerelease })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_as_go_orders_them() {
        super::super::table::check(
            compare,
            "
            v1.2.3 < v1.10.0
            v1.2.3 = 1.2.3               # the database leaves the v out
            v1 = v1.0.0
            v1.2 = v1.2.0
            v2.0.0+incompatible = v2.0.0
            v2.0.0+incompatible < v2.0.1
            v1.0.0-alpha < v1.0.0
            v1.0.0-alpha.2 < v1.0.0-alpha.10
            v1.0.0-rc1 > v1.0.0-rc.10    # words, not a release of Go
            v0.0.0-20190101000000-abcdefabcdef < v0.0.0-20200101000000-000000000000
            v0.0.0-20200101000000-000000000000 < v0.0.0
            v1.2.4-0.20200101000000-000000000000 > v1.2.3
            v1.2.4-0.20200101000000-000000000000 < v1.2.4-rc.1
            v1.2.4-rc.1.0.20200101000000-000000000000 > v1.2.4-rc.1
            v1.2.4-rc.1.0.20200101000000-000000000000 < v1.2.4
            0.0.0-20220314234659-1baeb1ce4c0b > v0.0.0-20220314234658-ffffffffffff
            go1.21.3 = 1.21.3
            go1.21.3 < go1.21.10
            go1.22 = 1.22.0
            go1.22rc1 = 1.22.0-rc.1
            go1.22rc1 > 1.22.0-0
            go1.22beta1 < go1.22rc1
            go1.22rc2 < go1.22rc10
            go1.22rc2 < go1.22
            1.22rc2 = go1.22rc2          # a go.mod's line
            go1.9.2rc2 < go1.9.2
            go1.21.3-custom = go1.21.3
            go1.24.0+auto = go1.24.0
            (devel) < v0.0.0-0
            unknown < go1
            99999999999999999999.0.0 < 100000000000000000000.0.0
            ",
        );
        for (a, order, b) in [
            ("go1.22.3 X:boringcrypto", Ordering::Equal, "1.22.3"),
            ("devel go1.25-abcdef Thu Jan 2 03:04:05 2025 +0000", Ordering::Equal, "1.25.0-0"),
            ("devel go1.25-abcdef", Ordering::Less, "go1.25beta1"),
            ("devel go1.25-abcdef", Ordering::Greater, "go1.24.9"),
            ("devel +abcdef Thu Jan 2 03:04:05 2014 +0000", Ordering::Less, "go1"),
            ("go", Ordering::Less, "go1"),
        ] {
            assert_eq!(compare(a, b), order, "{a} {b}");
            assert_eq!(compare(b, a), order.reverse(), "{b} {a}");
        }
    }
}
