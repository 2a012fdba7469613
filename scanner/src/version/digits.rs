//! Numbers of any length, compared as text so that no version overflows.

use std::cmp::Ordering;

/// Compares two texts of ASCII digits as numbers; the empty text is zero.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Compares two texts of numbers joined by dots, number by number; missing ones are zero.
pub(super) fn compare_dotted(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let (x, y) = (a.next(), b.next());
        if x.is_none() && y.is_none() {
            return Ordering::Equal;
        }
        let order = compare(x.unwrap_or(""), y.unwrap_or(""));
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Splits the ASCII digits off the front.
pub(super) fn split(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// Whether the text is digits and nothing else, and not empty.
pub(super) fn only(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_whatever_their_length() {
        assert_eq!(compare("", "000"), Ordering::Equal);
        assert_eq!(compare("9", "010"), Ordering::Less);
        assert_eq!(compare("100000000000000000000000", "99999999999999999999999"), Ordering::Greater);
        assert_eq!(split("12rc1"), ("12", "rc1"));
    }
}
