//! npm versions, after Semantic Versioning 2.0.0 section 11, read as leniently as npm's loose mode and a bit more:
//! blanks, a leading `v` or `=`, missing numbers (zero), further numbers, and a pre-release without its hyphen.
//!
//! Text that does not start with a number sorts before every version, by its bytes.

use std::cmp::Ordering;

use super::digits;

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    match (Version::of(a), Version::of(b)) {
        (Some(x), Some(y)) => {
            digits::compare_dotted(x.numbers, y.numbers).then_with(|| compare_prerelease(x.prerelease, y.prerelease))
        }
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => a.cmp(b),
    }
}

struct Version<'a> {
    numbers: &'a str,
    prerelease: Option<&'a str>,
}

impl<'a> Version<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == 'v' || c == '=').trim_end();
        // Build metadata has no place in the order.
        let text = text.split('+').next().unwrap_or(text);
        let end = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (numbers, rest) = text.split_at(end);
        if !numbers.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let prerelease = (!rest.is_empty()).then(|| rest.strip_prefix('-').unwrap_or(rest));
        Some(Self { numbers, prerelease })
    }
}

/// A version with a pre-release is below the one without; numbers are below words, fewer fields below more.
fn compare_prerelease(a: Option<&str>, b: Option<&str>) -> Ordering {
    let (a, b) = match (a, b) {
        (None, None) => return Ordering::Equal,
        (None, Some(_)) => return Ordering::Greater,
        (Some(_), None) => return Ordering::Less,
        (Some(a), Some(b)) => (a, b),
    };
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(x), Some(y)) => match (digits::only(x), digits::only(y)) {
                (true, true) => digits::compare(x, y),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => x.cmp(y),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
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
            v1.2.3 = 1.2.3
            =v1.2.3 = 1.2.3
            1 = 1.0.0
            1.2 < 1.2.1
            1.2.3.4 > 1.2.3
            1.2.3beta < 1.2.3
            1.2.3beta = 1.2.3-beta
            1.10.0 > 1.9.0
            99999999999999999999.0.0 < 100000000000000000000.0.0
            latest < 0.0.0
            latest > beta
            ",
        );
    }
}
