//! Versions in ConanCenter, after Conan 2's documentation: parts joined by dots, then `-` and a pre-release, then `+`
//! and a build.
//!
//! Any number of parts, numbers or words; zeros at the end do not count. A pre-release is below its release, a build
//! above none. Conan compares a number with a word as text, under which 9 < 10 < 5x < 9; here numbers are below words.

use std::cmp::Ordering;

use super::semver::compare_identifiers;

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (Version::of(a), Version::of(b));
    compare_parts(a.parts, b.parts)
        .then_with(|| match (a.prerelease, b.prerelease) {
            (Some(a), Some(b)) => compare_parts(a, b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        })
        .then_with(|| match (a.build, b.build) {
            (Some(a), Some(b)) => compare_parts(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        })
}

struct Version<'a> {
    parts: &'a str,
    prerelease: Option<&'a str>,
    build: Option<&'a str>,
}

impl<'a> Version<'a> {
    fn of(text: &'a str) -> Self {
        let text = text.trim();
        let (text, build) = text.rsplit_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        let (parts, prerelease) = text.rsplit_once('-').map_or((text, None), |(parts, last)| (parts, Some(last)));
        Self { parts, prerelease, build }
    }
}

fn compare_parts(a: &str, b: &str) -> Ordering {
    compare_identifiers(without_zeros(a).split('.'), without_zeros(b).split('.'), str::cmp)
}

/// The text without its last parts that are zero; the first part stays.
fn without_zeros(mut text: &str) -> &str {
    while let Some((rest, last)) = text.rsplit_once('.')
        && !last.is_empty()
        && last.bytes().all(|byte| byte == b'0')
    {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_as_conan_orders_them() {
        super::super::table::check(
            compare,
            "
            1.2 < 1.10
            1.0 = 1
            1.0.0.0 = 1
            1.0.1 > 1
            1.2.3.4.5 > 1.2.3.4
            1.1.1a > 1.1.1
            1.1.1t < 1.1.1u
            1.0-alpha < 1.0
            1.0-alpha = 1.0.0-alpha
            1.0-alpha < 1.0-beta
            1.0-rc.2 < 1.0-rc.10
            1.0 < 1.0+1
            1.0+1 < 1.0+2
            1.0-rc+1 < 1.0
            cci.20200101 < cci.20210101
            9 < 10
            10 < 5x                    # numbers below words
            9 < 5x
            ",
        );
    }
}
