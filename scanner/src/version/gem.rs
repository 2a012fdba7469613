//! Ruby versions, after `Gem::Version`: runs of digits and of letters, whatever separates them; a hyphen reads as
//! `.pre.`.
//!
//! Letters are before numbers, a missing number is zero, and zeros before the first letters or the end do not count.
//! `Gem::Version` refuses what is not dotted; here such text is read the same way as long as it starts with a digit.
//! Other text stands before every version, by its bytes; no text at all is version 0, as in Ruby.

use std::cmp::Ordering;

use super::digits;

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim(), b.trim());
    match (is_version(a), is_version(b)) {
        (true, true) => compare_segments(Segments::of(a), Segments::of(b)),
        (false, false) => a.cmp(b),
        (a, b) => a.cmp(&b),
    }
}

fn is_version(text: &str) -> bool {
    text.bytes().next().is_none_or(|byte| byte.is_ascii_digit())
}

fn compare_segments(mut a: Segments<'_>, mut b: Segments<'_>) -> Ordering {
    loop {
        let order = match (a.next_segment(), b.next_segment()) {
            (None, None) => return Ordering::Equal,
            (x, y) => match (x.unwrap_or(Segment::ZERO), y.unwrap_or(Segment::ZERO)) {
                (Segment::Number(x), Segment::Number(y)) => digits::compare(x, y),
                (x, y) => x.cmp(&y),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Segment<'a> {
    Letters(&'a str),
    Number(&'a str),
}

impl Segment<'_> {
    const ZERO: Self = Self::Number("");

    fn is_zero(self) -> bool {
        matches!(self, Self::Number(number) if number.bytes().all(|byte| byte == b'0'))
    }
}

#[derive(Clone, Copy)]
struct Segments<'a> {
    rest: &'a str,
    letters_seen: bool,
    /// How many of the zeros that follow are known to stand before a number that counts.
    kept_zeros: usize,
}

impl<'a> Segments<'a> {
    const fn of(rest: &'a str) -> Self {
        Self { rest, letters_seen: false, kept_zeros: 0 }
    }

    fn next_segment(&mut self) -> Option<Segment<'a>> {
        let mut segment = self.read()?;
        if segment.is_zero() && !self.letters_seen {
            if self.kept_zeros > 0 {
                self.kept_zeros -= 1;
                return Some(segment);
            }
            let mut ahead = *self;
            let mut zeros = 0;
            let after = loop {
                match ahead.read() {
                    Some(next) if next.is_zero() => zeros += 1,
                    next => break next,
                }
            };
            match after {
                Some(Segment::Number(_)) => self.kept_zeros = zeros,
                Some(letters) => (*self, segment) = (ahead, letters),
                None => return None,
            }
        }
        self.letters_seen |= matches!(segment, Segment::Letters(_));
        Some(segment)
    }

    fn read(&mut self) -> Option<Segment<'a>> {
        let text = self.rest.trim_start_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let (segment, rest) = match text.bytes().next()? {
            b'-' => (Segment::Letters("pre"), &text[1..]),
            b'0'..=b'9' => {
                let (number, rest) = digits::split(text);
                (Segment::Number(number), rest)
            }
            _ => {
                let (letters, rest) = text.split_at(text.bytes().take_while(u8::is_ascii_alphabetic).count());
                (Segment::Letters(letters), rest)
            }
        };
        self.rest = rest;
        Some(segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_as_rubygems_orders_them() {
        super::super::table::check(
            compare,
            "
            1.0 = 1
            1.0.0 = 1
            1.2 < 1.10
            1.0.a < 1.0
            1.a = 1.0.0.a              # zeros before letters do not count
            1.a < 1.b
            1.0.0.0.1 > 1
            1.a.1 > 1.a
            1.a.0 = 1.a
            1.a.0.1 > 1.a
            1.0.beta1 < 1.0.beta2
            1.0.beta1 < 1.0.beta.10
            1.0.beta.2 < 1.0.beta.10
            1.0.beta10 = 1.0.beta.10
            1.0.alpha < 1.0.beta
            1.0.B < 1.0.a              # ASCII order
            1.0-1 = 1.0.pre.1
            1.0-1 < 1.0
            1.0-a < 1.0-b
            1.0.rc1 < 1.0.rc2
            1.0.pre < 1.0.rc
            5.2.4.3 > 5.2.4.rc1
            5.0.0.beta1.1 > 5.0.0.beta1
            01.02 = 1.2
            100000000000000000000 > 99999999999999999999
            0 < 0.0.1
            0.a < 0
            0 > x
            x < y
            ",
        );
        assert_eq!(compare("", "0"), Ordering::Equal);
        assert_eq!(compare(" 1.0\n", "1.0"), Ordering::Equal);
    }
}
