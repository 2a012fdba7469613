//! NuGet versions: up to four numbers, then Semantic Versioning's labels without regard to case.
//!
//! Missing numbers are zero and build metadata does not count. Labels of digits are numbers whatever their length;
//! NuGet itself reads those above 2^31 as words, against the specification it names. A leading `v` is passed over.
//! Text that does not start with a number stands before every version, by its bytes.

use std::cmp::Ordering;

use super::semver::{Version, compare_identifiers};
use super::{compare_ignoring_case, digits};

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    match (Version::of(a), Version::of(b)) {
        (Some(a), Some(b)) => {
            digits::compare_dotted(a.numbers, b.numbers).then_with(|| match (a.prerelease, b.prerelease) {
                (Some(a), Some(b)) => compare_identifiers(a.split('.'), b.split('.'), compare_ignoring_case),
                (a, b) => b.is_some().cmp(&a.is_some()),
            })
        }
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_as_nuget_orders_them() {
        super::super::table::check(
            compare,
            "
            1.0 = 1.0.0.0
            1.0.0 < 1.0.0.1
            1.0.0.9 < 1.0.0.10
            1.0.0.1-rc > 1.0.0
            1.0.0.1-rc < 1.0.0.1
            01.02.03 = 1.2.3
            1.0.0-alpha < 1.0.0
            1.0.0-ALPHA = 1.0.0-alpha
            1.0.0-Beta > 1.0.0-alpha
            1.0.0-beta < 1.0.0-RC
            1.0.0-alpha.2 < 1.0.0-alpha.10
            1.0.0-alpha10 < 1.0.0-alpha2    # one label, a word
            1.0.0-1 < 1.0.0-a
            1.0.0-a < 1.0.0-a.1
            1.0.0-a-b > 1.0.0-a
            1.0.0+one = 1.0.0+two
            1.0.0-rc+one = 1.0.0-RC
            v1.0 = 1.0
            4.3.1-preview1-24530-04 < 4.3.1
            6.0.0-preview.7.21377.19 < 6.0.0-rc.1.21451.13
            99999999999999999999 < 100000000000000000000
            latest < 0
            ",
        );
    }
}
