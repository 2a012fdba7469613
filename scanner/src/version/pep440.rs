//! Python versions, after PEP 440 with its normalisations:
//! `[N!]N(.N)*[{a|b|rc}N][.postN][.devN][+local]`.
//!
//! Text that PEP 440 does not call a version sorts before every version, by runs of digits and other characters.

use std::cmp::Ordering;

use super::{compare_ignoring_case, digits, dpkg};

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    match (Version::of(a), Version::of(b)) {
        (Some(a), Some(b)) => compare_versions(&a, &b),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => dpkg::compare(a, b),
    }
}

/// The parts of a version; a number left out is the empty text, which counts as zero.
struct Version<'a> {
    epoch: &'a str,
    release: &'a str,
    pre: Option<(Phase, &'a str)>,
    post: Option<&'a str>,
    dev: Option<&'a str>,
    local: Option<&'a str>,
}

/// The phases before a release, in their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Alpha,
    Beta,
    Candidate,
}

/// Spellings of the phases; where one starts another, the longer stands first.
const PHASES: [(&str, Phase); 8] = [
    ("alpha", Phase::Alpha),
    ("a", Phase::Alpha),
    ("beta", Phase::Beta),
    ("b", Phase::Beta),
    ("preview", Phase::Candidate),
    ("pre", Phase::Candidate),
    ("rc", Phase::Candidate),
    ("c", Phase::Candidate),
];

impl<'a> Version<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let text = strip_word(text, "v").unwrap_or(text);
        let (epoch, rest) = match digits::split(text) {
            (epoch, rest) if !epoch.is_empty() && rest.starts_with('!') => (epoch, &rest[1..]),
            _ => ("", text),
        };
        let (release, rest) = split_release(rest)?;
        let (pre, rest) = split_pre(rest);
        let (post, rest) = split_post(rest);
        let (dev, rest) = match numbered(rest, "dev") {
            Some((number, rest)) => (Some(number), rest),
            None => (None, rest),
        };
        let local = match rest.strip_prefix('+') {
            Some(local) if is_local(local) => Some(local),
            None if rest.is_empty() => None,
            _ => return None,
        };
        Some(Self { epoch, release, pre, post, dev, local })
    }

    /// The place of the pre-release: a development release of the release itself stands before its first alpha.
    fn pre_rank(&self) -> (u8, Option<Phase>) {
        match self.pre {
            Some((phase, _)) => (1, Some(phase)),
            None if self.post.is_none() && self.dev.is_some() => (0, None),
            None => (2, None),
        }
    }
}

fn compare_versions(a: &Version<'_>, b: &Version<'_>) -> Ordering {
    let (a_pre, b_pre) = (a.pre.map_or("", |(_, number)| number), b.pre.map_or("", |(_, number)| number));
    digits::compare(a.epoch, b.epoch)
        .then_with(|| digits::compare_dotted(a.release, b.release))
        .then_with(|| a.pre_rank().cmp(&b.pre_rank()))
        .then_with(|| digits::compare(a_pre, b_pre))
        .then_with(|| compare_present(a.post, b.post))
        // A development release stands before the release it leads to.
        .then_with(|| match (a.dev, b.dev) {
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (a, b) => digits::compare(a.unwrap_or(""), b.unwrap_or("")),
        })
        .then_with(|| compare_local(a.local, b.local))
}

/// What is there is above what is not.
fn compare_present(a: Option<&str>, b: Option<&str>) -> Ordering {
    a.is_some().cmp(&b.is_some()).then_with(|| digits::compare(a.unwrap_or(""), b.unwrap_or("")))
}

/// Segment by segment: numbers above words, words without regard to case, more segments above fewer.
fn compare_local(a: Option<&str>, b: Option<&str>) -> Ordering {
    let (a, b) = match (a, b) {
        (Some(a), Some(b)) => (a, b),
        (a, b) => return a.is_some().cmp(&b.is_some()),
    };
    let (mut a, mut b) = (a.split(is_separator), b.split(is_separator));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(x), Some(y)) => match (digits::only(x), digits::only(y)) {
                (true, true) => digits::compare(x, y),
                (false, false) => compare_ignoring_case(x, y),
                (number, _) => {
                    if number {
                        Ordering::Greater
                    } else {
                        Ordering::Less
                    }
                }
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn split_release(text: &str) -> Option<(&str, &str)> {
    let mut end = digits::split(text).0.len();
    if end == 0 {
        return None;
    }
    while let Some(next) = text[end..].strip_prefix('.') {
        let number = digits::split(next).0;
        if number.is_empty() {
            break;
        }
        end += 1 + number.len();
    }
    Some(text.split_at(end))
}

fn split_pre(text: &str) -> (Option<(Phase, &str)>, &str) {
    for (word, phase) in PHASES {
        if let Some((number, rest)) = numbered(text, word) {
            return (Some((phase, number)), rest);
        }
    }
    (None, text)
}

fn split_post(text: &str) -> (Option<&str>, &str) {
    // The bare form: `1.0-1` is `1.0.post1`.
    if let Some((number, rest)) = text.strip_prefix('-').map(digits::split)
        && !number.is_empty()
    {
        return (Some(number), rest);
    }
    for word in ["post", "rev", "r"] {
        if let Some((number, rest)) = numbered(text, word) {
            return (Some(number), rest);
        }
    }
    (None, text)
}

/// Reads `[.-_]WORD[.-_]N`, the separators and the number being optional.
fn numbered<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let rest = strip_word(text.strip_prefix(is_separator).unwrap_or(text), word)?;
    let after = rest.strip_prefix(is_separator).unwrap_or(rest);
    Some(digits::split(after))
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let head = text.as_bytes().get(..word.len())?;
    head.eq_ignore_ascii_case(word.as_bytes()).then(|| &text[word.len()..])
}

const fn is_separator(c: char) -> bool {
    matches!(c, '.' | '-' | '_')
}

fn is_local(text: &str) -> bool {
    text.split(is_separator).all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_as_pep_440_orders_them() {
        super::super::table::check(
            compare,
            "
            1.0.dev456 < 1.0a1          # PEP 440, summary of permitted suffixes and relative ordering
            1.0a1 < 1.0a2.dev456
            1.0a2.dev456 < 1.0a12.dev456
            1.0a12.dev456 < 1.0a12
            1.0a12 < 1.0b1.dev456
            1.0b1.dev456 < 1.0b2
            1.0b2 < 1.0b2.post345.dev456
            1.0b2.post345.dev456 < 1.0b2.post345
            1.0b2.post345 < 1.0rc1.dev456
            1.0rc1.dev456 < 1.0rc1
            1.0rc1 < 1.0
            1.0 < 1.0+abc.5
            1.0+abc.5 < 1.0+abc.7
            1.0+abc.7 < 1.0+5
            1.0+5 < 1.0.post456.dev34
            1.0.post456.dev34 < 1.0.post456
            1.0.post456 < 1.0.15
            1.0.15 < 1.1.dev1
            1.0 = 1.0.0
            1 = 1.0.0.0
            v1.0 = 1.0
            1.0ALPHA1 = 1.0a1
            1.0-beta_2 = 1.0b2
            1.0.c1 = 1.0rc1
            1.0pre1 = 1.0rc1
            1.0preview1 = 1.0rc1
            1.0a = 1.0a0
            1.0-1 = 1.0.post1
            1.0.rev2 = 1.0.post2
            1.0r2 = 1.0.post2
            1.0-post = 1.0.post0
            1.0dev = 1.0.dev0
            1.0a1.dev = 1.0a1.dev0
            1.0a. = 1.0a0               # the grammar lets a separator stand without its number
            1.0a.dev1 = 1.0a0.dev1
            1.0a--1 = 1.0a0.post1
            00001.010 = 1.10
            1!0.1 > 999.9
            0!1.0 = 1.0
            1.0+ubuntu-1 = 1.0+ubuntu.1
            1.0+Abc = 1.0+abc
            1.0+a < 1.0+a.0
            1.0+9 < 1.0+10
            2.0.post1 > 2.0
            1.0.post1.dev1 > 1.0
            1.0.dev1 < 1.0a1.dev1
            1.2 < 1.10
            2004d < 0.0.1               # no version: before all of them
            dog < 0
            dog > cat
            1.0+ < 0
            1.0..1 < 0
            ",
        );
    }
}
