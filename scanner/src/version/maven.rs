//! Maven versions, after `ComparableVersion` of Maven 3.8 and the version order specification of its POM reference.
//!
//! A version is a list of numbers and qualifiers; a hyphen, and a change between digits and letters, opens a list
//! inside the list. At one place a qualifier is below a list and a list below a number. Missing parts are null, which
//! a zero and the qualifiers `ga`, `final` and `release` equal, and nulls before an inner list or the end do not count.
//! A list that then holds only a list is that list, as the reference has it (`1-ga-1 = 1-1`); Maven prints both alike
//! but compares them as different.
//!
//! That alone is no order: `1 < 1-1`, `1-1 < 1.0.alpha.1` and `1.0.alpha.1 < 1` all hold in Maven, because the kinds
//! are compared even where one side is below null and the other above it. Here the side of null is compared before
//! the kind, which is total, changes nothing between a version and its own beginning, and differs from Maven only
//! where two versions lie on different sides of their common beginning.

mod token;

use std::cmp::Ordering;

use self::token::{Token, Tokens};
use super::{compare_ignoring_case, digits};

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (Rest::of(a.trim()), Rest::of(b.trim()));
    loop {
        let side = a.side();
        let order = side.cmp(&b.side());
        if order != Ordering::Equal || side == Ordering::Equal {
            return order;
        }
        let order = match (a.next_item(), b.next_item()) {
            (Some(Token::Number(x)), Some(Token::Number(y))) => digits::compare(x, y),
            (Some(Token::Qualifier(x)), Some(Token::Qualifier(y))) => rank(x)
                .cmp(&rank(y))
                .then_with(|| if rank(x) == UNKNOWN { compare_ignoring_case(x, y) } else { Ordering::Equal }),
            (x, y) => kind(x).cmp(&kind(y)),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

const fn kind(item: Option<Token<'_>>) -> u8 {
    match item {
        None => 0,
        Some(Token::Qualifier(_)) => 1,
        Some(Token::List) => 2,
        Some(Token::Number(_)) => 3,
    }
}

/// Known qualifiers with their places; others follow them all, in the order of their letters.
const QUALIFIERS: [(&str, u8); 11] = [
    ("alpha", 0),
    ("beta", 1),
    ("milestone", 2),
    ("rc", 3),
    ("cr", 3),
    ("snapshot", 4),
    ("", RELEASED),
    ("ga", RELEASED),
    ("final", RELEASED),
    ("release", RELEASED),
    ("sp", 6),
];
const RELEASED: u8 = 5;
const UNKNOWN: u8 = 7;

fn rank(qualifier: &str) -> u8 {
    QUALIFIERS.iter().find(|(name, _)| name.eq_ignore_ascii_case(qualifier)).map_or(UNKNOWN, |(_, rank)| *rank)
}

/// Where one item stands against null; a list says nothing by itself.
fn item_side(item: Token<'_>) -> Ordering {
    match item {
        Token::Number(number) if number.bytes().all(|byte| byte == b'0') => Ordering::Equal,
        Token::Number(_) => Ordering::Greater,
        Token::Qualifier(qualifier) => rank(qualifier).cmp(&RELEASED),
        Token::List => Ordering::Equal,
    }
}

/// What is left of a version, without the nulls that do not count.
#[derive(Clone, Copy)]
struct Rest<'a> {
    tokens: Tokens<'a>,
    /// How many of the nulls that follow are known to count.
    kept_nulls: usize,
    /// The last item opened a list.
    opened: bool,
    /// The side of null of what is left, once asked for.
    side: Option<Ordering>,
}

impl<'a> Rest<'a> {
    const fn of(text: &'a str) -> Self {
        Self { tokens: Tokens::of(text), kept_nulls: 0, opened: false, side: None }
    }

    /// Where what is left stands against nothing: as its first item that is not null.
    fn side(&mut self) -> Ordering {
        if let Some(side) = self.side {
            return side;
        }
        let mut ahead = self.tokens;
        let side = loop {
            match ahead.next_token().map(item_side) {
                None => break Ordering::Equal,
                Some(Ordering::Equal) => {}
                Some(side) => break side,
            }
        };
        self.side = Some(side);
        side
    }

    fn next_item(&mut self) -> Option<Token<'a>> {
        loop {
            let item = self.next_counting();
            let opens = item == Some(Token::List);
            if !(opens && self.opened) {
                self.opened = opens;
                return item;
            }
        }
    }

    fn next_counting(&mut self) -> Option<Token<'a>> {
        let mut item = self.tokens.next_token()?;
        if item != Token::List && item_side(item).is_eq() {
            if self.kept_nulls > 0 {
                self.kept_nulls -= 1;
                return Some(item);
            }
            let mut ahead = self.tokens;
            let mut nulls = 0;
            let after = loop {
                match ahead.next_token() {
                    Some(next) if next != Token::List && item_side(next).is_eq() => nulls += 1,
                    next => break next,
                }
            };
            match after {
                None | Some(Token::List) => {
                    self.tokens = ahead;
                    item = after?;
                }
                Some(_) => self.kept_nulls = nulls,
            }
        }
        if item_side(item).is_ne() {
            self.side = None;
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_as_maven_orders_them() {
        super::super::table::check(
            compare,
            "
            1 = 1.0
            1 = 1.0.0
            1 = 1-0
            1 = 1.0-0
            1 = 1-ga                     # from here the POM reference's own end of version
            1 = 1-final
            1 = 1.RELEASE
            1.0-ga-1 = 1-1
            1-alpha < 1-beta
            1-beta < 1-milestone
            1-milestone < 1-rc
            1-rc = 1-cr
            1-rc < 1-snapshot
            1-SNAPSHOT < 1
            1 < 1-sp
            1-sp < 1-abc
            1-abc < 1-def
            1-def < 1-1
            1-1 < 1.1
            1-a1 = 1-alpha-1
            1a1 = 1-alpha-1
            1-b2 = 1-beta-2
            1-m3 = 1-milestone-3
            1-a < 1-b                    # without a number they are words
            1-a > 1-sp
            1.foo = 1-foo
            1.0.foo = 1-foo
            1.foo < 1-1
            1-foo10 > 1-foo2
            1-rc2 < 1-rc10
            1.0-alpha-1 < 1.0-alpha-2
            1.0.0.X1 < 1.0.0-X2          # MNG-7701 and the tests of ComparableVersion
            1-0.alpha < 1
            1.2.3-SNAPSHOT < 1.2.3
            2.0.1-xyz > 2.0.1
            2.0.1-xyz < 2.0.1-123
            1.0.2 > 1.0-1
            20190126.230843 > 2.0.1
            27.0-jre > 27.0-android
            31.1-jre < 32.0.0-android
            5.3.0.RELEASE = 5.3
            5.3.0.RELEASE < 5.3.1.RELEASE
            5.3.0.RC1 < 5.3.0.RELEASE
            9.4.1.v20170120 > 9.4.1
            9.4.1.v20170120 < 9.4.1.v20180619
            4.1.108.Final < 4.1.109.Final
            2.9.10.8 > 2.9.10
            1.0-FOO = 1.0-foo
            100000000000000000000 > 99999999999999999999
            01.02 = 1.2
            1 < 1-1                      # no order in Maven: see above
            1.0.alpha.1 < 1
            1.0.alpha.1 < 1-1
            1--alpha = 1-alpha
            1-0.1 = 1--0.1
            1-sp-1 < 1-ga-1
            1-sp.1 > 1-ga.1
            ",
        );
    }
}
