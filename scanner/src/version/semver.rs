//! Semantic Versioning 2.0.0, section 11, read as leniently as npm's loose mode and a bit more: blanks, a leading `v`
//! or `=`, missing numbers (zero), further numbers, and a pre-release without its hyphen.
//!
//! Build metadata does not count, except to [`compare_with_build`]. Text that does not start with a number stands
//! before every version, by its bytes.

use std::cmp::Ordering;

use super::digits;

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    compare_read(a, b, |_, _| Ordering::Equal)
}

/// The order of Dart's pub and of Julia, where build metadata counts: below any is none, and otherwise it compares as a
/// pre-release does.
pub(super) fn compare_with_build(a: &str, b: &str) -> Ordering {
    compare_read(a, b, |a, b| match (a.build, b.build) {
        (Some(a), Some(b)) => compare_identifiers(a.split('.'), b.split('.'), str::cmp),
        (a, b) => a.is_some().cmp(&b.is_some()),
    })
}

fn compare_read(a: &str, b: &str, build: impl Fn(&Version<'_>, &Version<'_>) -> Ordering) -> Ordering {
    match (Version::of(a), Version::of(b)) {
        (Some(x), Some(y)) => digits::compare_dotted(x.numbers, y.numbers)
            .then_with(|| match (x.prerelease, y.prerelease) {
                (Some(a), Some(b)) => compare_identifiers(a.split('.'), b.split('.'), str::cmp),
                // A pre-release is below its release.
                (a, b) => b.is_some().cmp(&a.is_some()),
            })
            .then_with(|| build(&x, &y)),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => a.cmp(b),
    }
}

/// A version in its parts.
pub(super) struct Version<'a> {
    /// Digits and dots, starting with a digit.
    pub(super) numbers: &'a str,
    pub(super) prerelease: Option<&'a str>,
    build: Option<&'a str>,
}

impl<'a> Version<'a> {
    /// Reads text that starts with a number, after what may stand before it.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let text = text.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, 'v' | 'V' | '=')).trim_end();
        let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        let end = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (numbers, rest) = text.split_at(end);
        if !numbers.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let prerelease = (!rest.is_empty()).then(|| rest.strip_prefix('-').unwrap_or(rest));
        Some(Self { numbers, prerelease, build })
    }
}

/// Compares the parts of pre-releases: numbers are below words, fewer parts below more; an empty part, which the
/// specification refuses and Julia puts first, is below numbers.
pub(super) fn compare_identifiers<'a>(
    mut a: impl Iterator<Item = &'a str>,
    mut b: impl Iterator<Item = &'a str>,
    words: impl Fn(&str, &str) -> Ordering,
) -> Ordering {
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(x), Some(y)) => match (kind(x), kind(y)) {
                (Kind::Number, Kind::Number) => digits::compare(x, y),
                (Kind::Word, Kind::Word) => words(x, y),
                (x, y) => x.cmp(&y),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Empty,
    Number,
    Word,
}

fn kind(identifier: &str) -> Kind {
    if identifier.is_empty() {
        Kind::Empty
    } else if digits::only(identifier) {
        Kind::Number
    } else {
        Kind::Word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_as_semantic_versioning_orders_them() {
        super::super::table::check(
            compare,
            "
            1.0.0 < 2.0.0
            2.0.0 < 2.1.0
            2.1.0 < 2.1.1
            1.0.0-alpha < 1.0.0          # section 11.3 and 11.4, the specification's own chain
            1.0.0-alpha < 1.0.0-alpha.1
            1.0.0-alpha.1 < 1.0.0-alpha.beta
            1.0.0-alpha.beta < 1.0.0-beta
            1.0.0-beta < 1.0.0-beta.2
            1.0.0-beta.2 < 1.0.0-beta.11
            1.0.0-beta.11 < 1.0.0-rc.1
            1.0.0-rc.1 < 1.0.0
            1.0.0-RC < 1.0.0-rc          # ASCII order
            1.0.0-1 < 1.0.0-a
            1.0.0-a-b > 1.0.0-a
            1.0.0+build1 = 1.0.0+build2
            1.0.0-rc.1+a = 1.0.0-rc.1
            1.0.0+a-b = 1.0.0            # a hyphen in the build is no pre-release
            v1.2.3 = 1.2.3
            =v1.2.3 = 1.2.3
            1 = 1.0.0
            1.2 < 1.2.1
            1.2.3.4 > 1.2.3
            1.2.3beta < 1.2.3
            1.2.3beta = 1.2.3-beta
            1.2.3- < 1.2.3-0
            1.10.0 > 1.9.0
            99999999999999999999.0.0 < 100000000000000000000.0.0
            latest < 0.0.0
            latest > beta
            ",
        );
    }

    #[test]
    fn builds_count_for_pub_and_julia() {
        super::super::table::check(
            compare_with_build,
            "
            1.0.0-alpha < 1.0.0-alpha+1  # pub's documentation, and isless of Julia's VersionNumber
            1.0.0-alpha+1 < 1.0.0
            1.0.0 < 1.0.0+1
            1.0.0+1 < 1.0.0+2
            1.0.0+2 < 1.0.0+10
            1.0.0+10 < 1.0.0+a
            1.0.0+a < 1.0.0+a.0
            1.0.0+a < 1.0.1
            1.0.0- < 1.0.0-0             # Julia's bound below every pre-release
            1.0.0+ > 1.0.0
            1.0.0+ < 1.0.0+0
            3.0.14+0 > 3.0.13+1
            1.0.0+1 = v1.0.0+01
            ",
        );
    }
}
