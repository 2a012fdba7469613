//! Debian versions, after deb-version(7): `[epoch:]upstream[-revision]`.
//!
//! What dpkg refuses is still ordered: an epoch that is no number belongs to the upstream part, and characters outside
//! the permitted set sort by their bytes, after letters.

use std::cmp::Ordering;

use super::digits;

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (Parts::of(a), Parts::of(b));
    digits::compare(a.epoch, b.epoch)
        .then_with(|| compare_part(a.upstream, b.upstream))
        .then_with(|| compare_part(a.revision, b.revision))
}

struct Parts<'a> {
    epoch: &'a str,
    upstream: &'a str,
    revision: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let text = text.trim();
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) if digits::only(epoch) => (epoch, rest),
            _ => ("", text),
        };
        // The revision follows the last hyphen; none is the same as `0`, which compare_part gives for free.
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        Self { epoch, upstream, revision }
    }
}

/// Runs of other characters and runs of digits, in turn, from the left.
fn compare_part(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (a_text, a_rest) = split_text(a);
        let (b_text, b_rest) = split_text(b);
        let (a_number, a_next) = digits::split(a_rest);
        let (b_number, b_next) = digits::split(b_rest);
        let order = compare_text(a_text, b_text).then_with(|| digits::compare(a_number, b_number));
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (a_next, b_next);
    }
    Ordering::Equal
}

fn split_text(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(|byte| !byte.is_ascii_digit()).count())
}

fn compare_text(a: &str, b: &str) -> Ordering {
    let length = a.len().max(b.len());
    let weights = |text: &str, at: usize| text.as_bytes().get(at).map_or(0, |byte| weight(*byte));
    (0..length).map(|at| weights(a, at).cmp(&weights(b, at))).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// dpkg orders `~` before the end of a part, and letters before everything else.
fn weight(byte: u8) -> i32 {
    match byte {
        b'~' => -1,
        b'a'..=b'z' | b'A'..=b'Z' => i32::from(byte),
        _ => i32::from(byte) + 256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_as_dpkg_orders_them() {
        super::super::table::check(
            compare,
            "
            1.0~rc1 < 1.0
            1.0~~ < 1.0~~a          # the manual's own chain: ~~, ~~a, ~, empty, a
            1.0~~a < 1.0~
            1.0~ < 1.0
            1.0 < 1.0a
            1.0a < 1.0+b            # letters before other characters
            1.0+b > 1.0
            1.2 < 1.10
            1.02 = 1.2
            1.0 = 1.0-0             # no revision is revision 0
            1.0-1 < 1.0-1+b1
            1.0-1~bpo12+1 < 1.0-1
            1.0-1 < 1.0-1.1
            0:1.0 = 1.0
            1:0.1 > 99.9
            00001:1 = 1:1
            2.36-9+deb12u3 < 2.36-9+deb12u10
            3.0.11-1~deb12u2 < 3.0.11-1
            1.1.1n-0+deb11u4 > 1.1.1k-1
            1.0-2-1 > 1.0-1-9       # the revision follows the last hyphen
            7.6p2-4 > 7.6-0
            1.0.3-3 > 1.0-1
            1.3 > 1.2.2-2
            1.18.36:5.4-20 > 1.18.36:5.4-1   # no number before the colon: no epoch
            0.0 > 0
            a < b
            1.0_x > 1.0+x
            ",
        );
    }
}
