//! Alpine versions, after apk-tools' `version.c` and apk-package(5):
//! `number{.number}{letter}{_suffix{number}}{~hash}{-r#}`.
//!
//! Read token by token, from the left. Text that breaks the grammar ends in an invalid token, which sorts before
//! the version without it; two invalid rests sort by their bytes.

use std::cmp::Ordering;

use super::digits;

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (Tokens::of(a), Tokens::of(b));
    loop {
        let (x, y) = (a.next_token(), b.next_token());
        let order = compare_tokens(&x, &y);
        if order != Ordering::Equal || matches!(x, Token::End | Token::Invalid(_)) {
            return order;
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// The first number: compared as a number whatever zeros it starts with.
    First(&'a str),
    Number(&'a str),
    Letter(u8),
    /// The place in [`SUFFIXES`].
    Suffix(usize),
    SuffixNumber(&'a str),
    Hash(&'a str),
    Revision(&'a str),
    End,
    Invalid(&'a str),
}

/// Suffixes in their order; those before [`RELEASED`] make a version older than the one without.
const SUFFIXES: [&str; 9] = ["alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg", "p"];
const RELEASED: usize = 4;

impl Token<'_> {
    /// Where a kind stands against another kind, smallest first. "The non-terminating version is greater unless it's
    /// a suffix indicating pre-release"; otherwise what may come earlier in a version is greater.
    const fn kind(&self) -> u8 {
        match self {
            Self::Suffix(suffix) if *suffix < RELEASED => 0,
            Self::Invalid(_) => 1,
            Self::End => 2,
            Self::Revision(_) => 3,
            Self::Hash(_) => 4,
            Self::SuffixNumber(_) => 5,
            Self::Suffix(_) => 6,
            Self::Letter(_) => 7,
            Self::Number(_) => 8,
            Self::First(_) => 9,
        }
    }
}

fn compare_tokens(a: &Token<'_>, b: &Token<'_>) -> Ordering {
    match (a, b) {
        // Numbers with a leading zero are compared as decimals, that is as text, after Gentoo's specification.
        (Token::Number(a), Token::Number(b)) if a.starts_with('0') || b.starts_with('0') => a.cmp(b),
        (Token::First(a), Token::First(b))
        | (Token::Number(a), Token::Number(b))
        | (Token::SuffixNumber(a), Token::SuffixNumber(b))
        | (Token::Revision(a), Token::Revision(b)) => digits::compare(a, b),
        (Token::Letter(a), Token::Letter(b)) => a.cmp(b),
        (Token::Suffix(a), Token::Suffix(b)) => a.cmp(b),
        (Token::Hash(a), Token::Hash(b)) | (Token::Invalid(a), Token::Invalid(b)) => a.cmp(b),
        _ => a.kind().cmp(&b.kind()),
    }
}

/// What has been read, in the order the grammar allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Start,
    Number,
    Letter,
    Suffix,
    SuffixNumber,
    Hash,
    Revision,
}

struct Tokens<'a> {
    rest: &'a str,
    stage: Stage,
}

impl<'a> Tokens<'a> {
    fn of(text: &'a str) -> Self {
        Self { rest: text.trim(), stage: Stage::Start }
    }

    fn next_token(&mut self) -> Token<'a> {
        let Some((token, rest, stage)) = self.read() else {
            return Token::Invalid(self.rest);
        };
        self.rest = rest;
        self.stage = stage;
        token
    }

    fn read(&self) -> Option<(Token<'a>, &'a str, Stage)> {
        let rest = self.rest;
        if self.stage == Stage::Start {
            let (number, rest) = digits::split(rest);
            return (!number.is_empty()).then_some((Token::First(number), rest, Stage::Number));
        }
        let Some(first) = rest.bytes().next() else {
            return Some((Token::End, "", self.stage));
        };
        match first {
            b'.' if self.stage == Stage::Number => {
                let (number, rest) = digits::split(&rest[1..]);
                (!number.is_empty()).then_some((Token::Number(number), rest, Stage::Number))
            }
            b'a'..=b'z' if self.stage == Stage::Number => Some((Token::Letter(first), &rest[1..], Stage::Letter)),
            b'0'..=b'9' if self.stage == Stage::Suffix => {
                let (number, rest) = digits::split(rest);
                Some((Token::SuffixNumber(number), rest, Stage::SuffixNumber))
            }
            b'_' if self.stage <= Stage::SuffixNumber => {
                let length = rest[1..].bytes().take_while(u8::is_ascii_lowercase).count();
                let (name, rest) = rest[1..].split_at(length);
                let suffix = SUFFIXES.iter().position(|suffix| *suffix == name)?;
                Some((Token::Suffix(suffix), rest, Stage::Suffix))
            }
            b'~' if self.stage < Stage::Hash => {
                let length = rest[1..].bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).count();
                let (hash, rest) = rest[1..].split_at(length);
                (!hash.is_empty()).then_some((Token::Hash(hash), rest, Stage::Hash))
            }
            b'-' if self.stage < Stage::Revision => {
                let (number, rest) = digits::split(rest.strip_prefix("-r")?);
                (!number.is_empty()).then_some((Token::Revision(number), rest, Stage::Revision))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_as_apk_orders_them() {
        super::super::table::check(
            compare,
            "
            1.0 < 1.0.0
            1.2 < 1.10
            1.0_alpha < 1.0_beta
            1.0_beta < 1.0_pre
            1.0_pre < 1.0_rc
            1.0_rc < 1.0
            1.0_rc1 < 1.0_rc2
            1.0_rc < 1.0_rc1
            1.0 < 1.0_cvs
            1.0_cvs < 1.0_svn
            1.0_svn < 1.0_git
            1.0_git < 1.0_hg
            1.0_hg < 1.0_p
            1.0_git20230101 < 1.0_p1
            1.0_p1 < 1.0_p10
            1.0_p1 < 1.0a           # a letter is above every suffix
            1.0_alpha_p1 > 1.0_alpha
            1.0a < 1.0b
            1.0a < 1.0.1            # a further number is above a letter
            1.0-r0 > 1.0
            1.0-r2 < 1.0-r10
            1.0_rc1-r5 < 1.0-r0
            1.0~abc < 1.0~abd
            1.0~abc > 1.0-r5
            1.0~abc-r1 < 1.0~abc-r2
            1.09 < 1.1              # leading zero: compared as decimals
            1.01 < 1.1
            1.010 < 1.1
            1.0 < 1.00
            01.5 = 1.5              # not so for the first number
            3.1.4-r5 < 3.1.4-r6
            1.36.1-r15 > 1.36.1-r9
            20230506-r0 > 20220614-r0
            100000000000000000000.0 > 99999999999999999999.0
            1.0! < 1.0              # invalid
            1.0_foo < 1.0
            1.0-1 < 1.0
            x < y
            x < 0
            ",
        );
    }
}
