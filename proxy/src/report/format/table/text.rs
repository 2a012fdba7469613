//! Text on a terminal: made harmless, cut and wrapped at its edge, painted.

use weir_scanner::finding::Severity;

pub(super) const BOLD: &str = "\u{1b}[1m";
pub(super) const RESET: &str = "\u{1b}[0m";
/// Below this many columns lines are not cut or wrapped: nothing could be read.
const NARROWEST: u16 = 20;

/// The text with every character that moves, hides or reorders others replaced.
pub(super) fn plain(text: &str) -> String {
    let harmful = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if harmful(c) { '\u{fffd}' } else { c }).collect()
}

/// The line as far as it fits, with a mark where it went on.
pub(super) fn cut(line: &str, width: Option<u16>) -> String {
    match width {
        Some(width) if width >= NARROWEST && line.chars().count() > usize::from(width) => {
            let kept: String = line.chars().take(usize::from(width) - 1).collect();
            format!("{}…", kept.trim_end())
        }
        _ => line.to_owned(),
    }
}

/// The words of a paragraph in lines after `indent` spaces; those after the first stand two further. A word longer than a
/// line is broken.
pub(super) fn wrapped(paragraph: &str, indent: usize, width: Option<u16>) -> Vec<String> {
    let width = width.filter(|width| *width >= NARROWEST).map_or(usize::MAX, usize::from);
    let mut lines = Vec::new();
    let (mut line, mut length) = (" ".repeat(indent), indent);
    let mut empty = true;
    for word in paragraph.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        if !empty && length + 1 + rest.len() > width {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent + 2)));
            (length, empty) = (indent + 2, true);
        }
        if !empty {
            line.push(' ');
            length += 1;
        }
        while length + rest.len() > width {
            let tail = rest.split_off(width - length);
            line.extend(rest);
            lines.push(std::mem::replace(&mut line, " ".repeat(indent + 2)));
            (length, rest) = (indent + 2, tail);
        }
        length += rest.len();
        line.extend(rest);
        empty = false;
    }
    lines.push(line);
    lines
}

/// The text between a colour and its end.
pub(super) fn painted(text: &str, code: &str, colour: bool) -> String {
    if colour { format!("{code}{text}{RESET}") } else { text.to_owned() }
}

/// The line with its first word painted, where that is a severity.
pub(super) fn painted_severity(line: &str, colour: bool) -> String {
    let word = line.split_whitespace().next().unwrap_or_default();
    let severity = Severity::ALL.into_iter().find(|severity| severity.name() == word);
    match severity.filter(|_| colour) {
        Some(severity) => line.replacen(word, &painted(word, code(severity), true), 1),
        None => line.to_owned(),
    }
}

const fn code(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "\u{1b}[31;1m",
        Severity::High => "\u{1b}[31m",
        Severity::Medium => "\u{1b}[33m",
        Severity::Low => "\u{1b}[36m",
        Severity::None | Severity::Unknown => "\u{1b}[2m",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_and_wrapped_by_characters() {
        assert_eq!(cut("the quick brown fox jumps", Some(20)), "the quick brown fox…");
        assert_eq!(cut("the quick brown fox", None), "the quick brown fox");
        assert_eq!(cut("ü".repeat(30).as_str(), Some(20)), "ü".repeat(19) + "…");
        assert_eq!(wrapped("the quick brown fox jumps over", 2, Some(20)), ["  the quick brown", "    fox jumps over"]);
        assert_eq!(
            wrapped(&"x".repeat(40), 0, Some(20)),
            ["x".repeat(20), "  ".to_owned() + &"x".repeat(18), "  xx".into()]
        );
        assert_eq!(wrapped("a b", 2, None), ["  a b"]);
        assert_eq!(wrapped("", 2, None), ["  "]);
    }

    #[test]
    fn only_a_severity_that_stands_first_is_painted() {
        assert_eq!(painted_severity("  high  CVE-1  high", true), "  \u{1b}[31mhigh\u{1b}[0m  CVE-1  high");
        assert_eq!(painted_severity("  highest  x", true), "  highest  x");
        assert_eq!(painted_severity("  high  x", false), "  high  x");
    }
}
