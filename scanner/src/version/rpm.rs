//! RPM versions, after rpm's `rpmvercmp`: `[epoch:]version[-release]`.
//!
//! A part is compared by its runs of digits and of letters; everything else only separates. `~` stands before the end
//! of a part, `^` after it and before any run, letters before digits. A missing epoch is zero, and a missing release
//! stands before every release, as in rpm's own comparison of whole versions. Nothing is refused: text without a run
//! is the empty version.

use std::cmp::Ordering;

use super::digits;

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (Parts::of(a), Parts::of(b));
    digits::compare(a.epoch, b.epoch).then_with(|| compare_without_epoch(&a, &b))
}

/// Leaves the epochs out on both sides: a source package is named without its epoch in an RPM database.
pub(super) fn compare_ignoring_epoch(a: &str, b: &str) -> Ordering {
    compare_without_epoch(&Parts::of(a), &Parts::of(b))
}

fn compare_without_epoch(a: &Parts<'_>, b: &Parts<'_>) -> Ordering {
    compare_part(a.version, b.version).then_with(|| match (a.release, b.release) {
        (Some(a), Some(b)) => compare_part(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    })
}

struct Parts<'a> {
    epoch: &'a str,
    version: &'a str,
    release: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let text = text.trim();
        let (epoch, rest) = match digits::split(text) {
            (epoch, rest) if rest.starts_with(':') => (epoch, &rest[1..]),
            _ => ("", text),
        };
        match rest.rsplit_once('-') {
            Some((version, release)) => Self { epoch, version, release: Some(release) },
            None => Self { epoch, version: rest, release: None },
        }
    }
}

/// What a part is made of, in the order of the kinds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Segment<'a> {
    Tilde,
    End,
    Caret,
    Letters(&'a str),
    Digits(&'a str),
}

fn compare_part(mut a: &str, mut b: &str) -> Ordering {
    loop {
        let (x, y);
        (x, a) = next_segment(a);
        (y, b) = next_segment(b);
        let order = match (x, y) {
            (Segment::Digits(x), Segment::Digits(y)) => digits::compare(x, y),
            _ => x.cmp(&y),
        };
        if order != Ordering::Equal || x == Segment::End {
            return order;
        }
    }
}

fn next_segment(text: &str) -> (Segment<'_>, &str) {
    let separates = |c: char| !c.is_ascii_alphanumeric() && c != '~' && c != '^';
    let text = text.trim_start_matches(separates);
    match text.bytes().next() {
        None => (Segment::End, text),
        Some(b'~') => (Segment::Tilde, &text[1..]),
        Some(b'^') => (Segment::Caret, &text[1..]),
        Some(b'0'..=b'9') => {
            let (number, rest) = digits::split(text);
            (Segment::Digits(number), rest)
        }
        Some(_) => {
            let (letters, rest) = text.split_at(text.bytes().take_while(u8::is_ascii_alphabetic).count());
            (Segment::Letters(letters), rest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_as_rpm_orders_them() {
        super::super::table::check(
            compare,
            "
            1.0 < 2.0
            2.0.1 > 2.0
            2.0.1a > 2.0.1
            5.5p1 < 5.5p2
            5.5p1 < 5.5p10
            10xyz < 10.1xyz            # letters before digits
            xyz10 < xyz10.1
            xyz.4 < 8
            5.5p2 < 5.6p1
            5.6p1 < 6.5p1
            6.0.rc1 > 6.0
            10b2 > 10a1
            7 < 8a
            1.0a < 1.0aa
            10.0001 = 10.1
            10.0001 < 10.0039
            4.999.9 < 5.0
            20101121 < 20101122
            2_0 = 2.0                  # whatever separates
            2.0.. = 2.0
            +a = a_
            A < a
            1.0~rc1 < 1.0
            1.0~rc1 < 1.0~rc2
            1.0~rc1~git123 < 1.0~rc1
            1.0^ > 1.0
            1.0^git1 < 1.0.1
            1.0^git1 < 1.0^git2
            1.0^git1~pre < 1.0^git1
            1.0~rc1^git1 > 1.0~rc1
            1.0^20160101 < 1.01
            1.0^a < 1.0a
            1:1.0 > 2.0
            0:1.0 = 1.0
            00002:1 > 1:9
            :1.0 = 1.0
            1.0-1 > 1.0                # a release is above none
            1.0-1.el9 < 1.0-2.el8
            1.0-1.el9 < 1.0-1.el9_2
            1.0-1.el8_10 > 1.0-1.el8_9
            1-2-1 > 1-1-9              # the release follows the last hyphen
            100000000000000000000 > 99999999999999999999
            1:3.0.7-27.el9 > 1:3.0.7-24.el9
            5.14.0-362.8.1.el9_3 < 5.14.0-362.13.1.el9_3
            ",
        );
    }

    #[test]
    fn an_unknown_epoch_is_left_out_on_both_sides() {
        super::super::table::check(
            compare_ignoring_epoch,
            "
            1:1.0-1 = 1.0-1
            1:1.0-1 < 1.0-2
            4:5.32.1-481.el9 > 5.32.1-480.el9
            2:1 < 1:2
            ",
        );
    }
}
