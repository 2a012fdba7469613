//! What Composer's normaliser makes of a version, without building the normalised text.

use super::super::digits;
use super::Piece;

/// How a text reads.
pub(super) enum Reading<'a> {
    Version(Pieces<'a>),
    /// The branch's name.
    Branch(&'a str),
    Other(&'a str),
}

impl<'a> Reading<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let text = without_extras(text.trim());
        if matches!(text, "master" | "trunk" | "default") {
            return Self::Branch(text);
        }
        if let Some(branch) = strip_prefix(text, "dev-") {
            return Self::Branch(branch);
        }
        let text = without_build(text);
        let number = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let pieces = classical(number).or_else(|| date(number)).or_else(|| numeric_branch(number));
        match pieces {
            Some(pieces) => Self::Version(pieces),
            None if number.starts_with(|c: char| c.is_ascii_digit()) => Self::Version(Pieces::raw(number)),
            None => Self::Other(text),
        }
    }

    pub(super) const fn rank(&self) -> u8 {
        match self {
            Self::Other(_) => 0,
            Self::Branch(_) => 1,
            Self::Version(_) => 2,
        }
    }

    /// The text that orders branches and others among themselves.
    pub(super) const fn text(&self) -> &'a str {
        match self {
            Self::Branch(text) | Self::Other(text) => text,
            Self::Version(_) => "",
        }
    }
}

/// The pieces of a version, from the left.
#[derive(Clone, Copy)]
pub(super) struct Pieces<'a> {
    /// Read piece by piece.
    text: &'a str,
    /// How many numbers follow the text, each of the same value.
    padding: usize,
    padded_with: &'static str,
    stability: Option<Piece<'a>>,
    /// The numbers of the stability, with what separates them.
    stability_numbers: &'a str,
    dev: bool,
}

impl<'a> Pieces<'a> {
    const fn raw(text: &'a str) -> Self {
        Self { text, padding: 0, padded_with: "", stability: None, stability_numbers: "", dev: false }
    }

    pub(super) fn next_piece(&mut self) -> Piece<'a> {
        match read_piece(&mut self.text) {
            // The words of a numeric branch are its wildcards.
            Some(Piece::Unknown(_)) if self.padded_with == ANY_NUMBER => return Piece::Number(ANY_NUMBER),
            Some(piece) => return piece,
            None => {}
        }
        if self.padding > 0 {
            self.padding -= 1;
            return Piece::Number(self.padded_with);
        }
        if let Some(stability) = self.stability.take() {
            return stability;
        }
        if let Some(number) = read_piece(&mut self.stability_numbers) {
            return number;
        }
        if std::mem::take(&mut self.dev) { Piece::Dev } else { Piece::End }
    }
}

/// The next run of digits or letters, as `version_compare` splits a version.
fn read_piece<'a>(text: &mut &'a str) -> Option<Piece<'a>> {
    let rest = text.trim_start_matches(['.', '-', '_', '+', ':']);
    let is_number = rest.bytes().next()?.is_ascii_digit();
    let ends = |c: char| c.is_ascii_digit() != is_number || matches!(c, '.' | '-' | '_' | '+' | ':');
    let (piece, rest) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
    *text = rest;
    Some(if is_number { Piece::Number(piece) } else { word(piece) })
}

/// PHP knows a word by how it starts.
fn word(word: &str) -> Piece<'_> {
    let known =
        [("dev", Piece::Dev), ("a", Piece::Alpha), ("b", Piece::Beta), ("rc", Piece::Candidate), ("p", Piece::Patch)];
    let found = known.into_iter().find(|(start, _)| strip_prefix(word, start).is_some());
    found.map_or(Piece::Unknown(word), |(_, piece)| piece)
}

/// What Composer writes for a branch's `x`, `*` and missing numbers.
const ANY_NUMBER: &str = "9999999";

/// Without an alias (`1.0 as 2.0`) and a stability flag (`1.0@beta`).
fn without_extras(text: &str) -> &str {
    let text = match text.split_once(char::is_whitespace) {
        Some((version, alias)) if alias.trim_start().starts_with("as ") => version,
        _ => text,
    };
    match text.rsplit_once('@') {
        Some((version, flag))
            if ["stable", "rc", "beta", "alpha", "dev"].iter().any(|known| known.eq_ignore_ascii_case(flag)) =>
        {
            version
        }
        _ => text,
    }
}

fn without_build(text: &str) -> &str {
    match text.split_once('+') {
        Some((version, build)) if !version.is_empty() && !build.is_empty() => version,
        _ => text,
    }
}

/// One to four numbers, the first of at most five digits, and a stability.
fn classical(text: &str) -> Option<Pieces<'_>> {
    let mut end = digits::split(text).0.len();
    if !(1..=5).contains(&end) {
        return None;
    }
    let mut padding = 3;
    while padding > 0
        && let Some(next) = text[end..].strip_prefix('.')
        && next.starts_with(|c: char| c.is_ascii_digit())
    {
        end += 1 + digits::split(next).0.len();
        padding -= 1;
    }
    let (numbers, rest) = text.split_at(end);
    with_stability(Pieces { padding, padded_with: "0", ..Pieces::raw(numbers) }, rest)
}

/// A year, one to six groups of two digits and at most one of one to three, with or without separators.
fn date(text: &str) -> Option<Pieces<'_>> {
    let end = text.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'.' | b':' | b'-')).count();
    let numbers = text[..end].trim_end_matches(['.', ':', '-']);
    let rest = &text[numbers.len()..];
    let mut runs = numbers.split(['.', ':', '-']).map(str::len);
    let mut last = runs.next()?.checked_sub(4)?;
    let mut pairs = 0;
    for run in runs {
        // Only the last run may be other than groups of two.
        if last % 2 == 1 || (last == 0 && pairs > 0) || run == 0 {
            return None;
        }
        pairs += last / 2;
        // The year alone may stand before the first separator.
        last = run;
    }
    let shortest_tail = if last % 2 == 1 { 1 } else { 0 };
    let fits = [shortest_tail, shortest_tail + 2]
        .into_iter()
        .filter(|tail| *tail <= last)
        .any(|tail| (1..=6).contains(&(pairs + (last - tail) / 2)));
    if !fits {
        return None;
    }
    with_stability(Pieces::raw(numbers), rest)
}

/// `1.x-dev`: at most four numbers or wildcards; what is missing is as big as can be.
fn numeric_branch(text: &str) -> Option<Pieces<'_>> {
    let branch = strip_suffix(text, "dev")?;
    let branch = branch.strip_suffix(['.', '-']).unwrap_or(branch).trim();
    let mut parts = branch.split('.');
    digits::only(parts.next()?).then_some(())?;
    let mut padding: usize = 3;
    for part in parts {
        if !digits::only(part) && !matches!(part, "x" | "X" | "*") {
            return None;
        }
        padding = padding.checked_sub(1)?;
    }
    Some(Pieces { padding, padded_with: ANY_NUMBER, dev: true, ..Pieces::raw(branch) })
}

/// Composer's modifier: `[._-]`, a stability with its numbers, `dev`; each may be left out.
fn with_stability<'a>(pieces: Pieces<'a>, text: &'a str) -> Option<Pieces<'a>> {
    let words = text.strip_prefix(['.', '_', '-']).unwrap_or(text);
    let names = [
        ("stable", Piece::End),
        ("beta", Piece::Beta),
        ("b", Piece::Beta),
        ("rc", Piece::Candidate),
        ("alpha", Piece::Alpha),
        ("a", Piece::Alpha),
        ("patch", Piece::Patch),
        ("pl", Piece::Patch),
        ("p", Piece::Patch),
    ];
    let stability = names.into_iter().find_map(|(name, piece)| Some((piece, strip_prefix(words, name)?)));
    let Some((stability, rest)) = stability else {
        let dev = is_dev(words).or_else(|| is_dev(text))?;
        return Some(Pieces { dev, ..pieces });
    };
    let mut end = 0;
    loop {
        let group = rest[end..].strip_prefix(['.', '-']).unwrap_or(&rest[end..]);
        let number = digits::split(group).0;
        if number.is_empty() {
            break;
        }
        end = rest.len() - group.len() + number.len();
    }
    let (stability_numbers, rest) = rest.split_at(end);
    let dev = is_dev(rest)?;
    // A stable version is read no further.
    if stability == Piece::End {
        return Some(pieces);
    }
    Some(Pieces { stability: Some(stability), stability_numbers, dev, ..pieces })
}

/// Whether the rest is `dev` or nothing; none where it is something else.
fn is_dev(rest: &str) -> Option<bool> {
    let word = rest.strip_prefix(['.', '-']).unwrap_or(rest);
    if word.eq_ignore_ascii_case("dev") { Some(true) } else { rest.is_empty().then_some(false) }
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.as_bytes().get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix.as_bytes()).then(|| &text[prefix.len()..])
}

fn strip_suffix<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(suffix.len())?;
    text.as_bytes()[at..].eq_ignore_ascii_case(suffix.as_bytes()).then(|| &text[..at])
}
