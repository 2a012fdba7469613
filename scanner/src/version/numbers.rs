//! Versions that are lists of numbers: R's `package_version`, numbers joined by `.` and `-`, and Haskell's Package
//! Versioning Policy, numbers joined by dots.
//!
//! Number by number; where one list starts the other, the longer is above, so `1.0` is before `1.0.0`. Neither allows
//! words; a part that is no number stands before the end of the list, by its bytes.

use std::cmp::Ordering;

use super::digits;

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (parts(a), parts(b));
    loop {
        let (x, y) = (Part::of(a.next()), Part::of(b.next()));
        let order = match (x, y) {
            (Part::Number(x), Part::Number(y)) => digits::compare(x, y),
            _ => x.cmp(&y),
        };
        if order != Ordering::Equal || x == Part::End {
            return order;
        }
    }
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.trim().split(['.', '-'])
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    Text(&'a str),
    End,
    Number(&'a str),
}

impl<'a> Part<'a> {
    fn of(part: Option<&'a str>) -> Self {
        match part {
            Some(number) if digits::only(number) => Self::Number(number),
            Some(text) => Self::Text(text),
            None => Self::End,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_as_lists_of_numbers() {
        super::super::table::check(
            compare,
            "
            1.0 < 1.0.0                # compareVersion of R, compare of Haskell's Data.Version
            1.2 < 1.10
            1.2-3 = 1.2.3
            1.2-3 < 1.2-4
            1.2.3 < 1.2-3-1
            01.2 = 1.2
            2.0 > 1.99.99
            0.6.4.1 < 0.6.5
            100000000000000000000 > 99999999999999999999
            1.0.rc < 1.0               # no number
            1.0.x < 1.0.y
            x < 0
            1. < 1
            ",
        );
    }
}
