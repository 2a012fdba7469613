//! Composer versions: normalised as `Composer\Semver\VersionParser` does, then compared as PHP's `version_compare`.
//!
//! PHP orders the pieces `dev`, `alpha`, `beta`, `RC`, nothing, a number, `patch`. Composer pads to four numbers,
//! which dates are spared, and turns `1.x-dev` into 1.9999999.9999999.9999999-dev. What Composer refuses but starts
//! with a number, such as `1.0-5`, is compared by its pieces as PHP does, words it does not know first. Branches
//! (`dev-main`), which Composer does not order, stand before that, and any other text before them, by its bytes.

mod normal;

use std::cmp::Ordering;

use self::normal::{Pieces, Reading};
use super::digits;

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    match (Reading::of(a), Reading::of(b)) {
        (Reading::Version(a), Reading::Version(b)) => compare_pieces(a, b),
        (a, b) => a.rank().cmp(&b.rank()).then_with(|| a.text().cmp(b.text())),
    }
}

/// A piece of a version, in PHP's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece<'a> {
    Unknown(&'a str),
    Dev,
    Alpha,
    Beta,
    Candidate,
    End,
    Number(&'a str),
    Patch,
}

fn compare_pieces(mut a: Pieces<'_>, mut b: Pieces<'_>) -> Ordering {
    loop {
        let (x, y) = (a.next_piece(), b.next_piece());
        let order = match (x, y) {
            (Piece::Number(x), Piece::Number(y)) => digits::compare(x, y),
            _ => x.cmp(&y),
        };
        if order != Ordering::Equal || x == Piece::End {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_as_composer_orders_them() {
        super::super::table::check(
            compare,
            "
            1.0 = 1.0.0.0
            v1.0 = 1.0
            1.2 < 1.10
            1.0.0-dev < 1.0.0-alpha
            1.0.0-alpha < 1.0.0-beta
            1.0.0-alpha1 < 1.0.0-alpha2
            1.0.0-beta < 1.0.0-RC
            1.0.0-RC2 < 1.0.0-RC10
            1.0.0-RC < 1.0.0
            1.0.0 < 1.0.0-p1
            1.0.0-p1 < 1.0.0.1
            1.0.0-patch2 = 1.0-pl2
            1.0.0a1 = 1.0.0-alpha.1
            1.0.0_B2 = 1.0.0-beta2
            1.0-beta < 1.0-beta1
            1.0-rc1-dev < 1.0-rc1
            1.0-stable = 1.0
            1.0+build = 1.0
            1.0-beta+a.b = 1.0-beta
            1.0@stable = 1.0
            1.0-RC1@beta = 1.0-RC1
            1.x-dev > 1.99.3
            1.x-dev < 2.0
            1.x-dev = 1.9999999.9999999.9999999-dev
            1.2.x-dev < 1.3.0-alpha
            dev-main < 0.0.1-dev
            dev-a < dev-b
            master = dev-master
            2010.01.02 = 2010.1.2.0
            20100102 < 20100103
            20100102-203040-p1 > 20100102-203040
            2010-01-02-10-20-30.5 > 2010-01-02-10-20-30
            100000000000 > 9
            1.0-5 > 1.0                # refused by Composer: by pieces
            8.x-1.0 < 8.0
            1.0.foo < 1.0
            main < dev-main
            x < y
            99999.0 < 999999.0
            ",
        );
        for (a, b) in [("1.0 as 2.0", "1.0"), (" 1.0\n", "1.0"), ("1.0-", "1.0"), ("1.X.DEV", "1.x-dev")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }
}
