//! Looks for secrets in one text that comes in pieces.

use std::ops::Range;

use super::rule::{RULES, value};
use crate::risk::{Risk, RiskKind};

/// Bytes before a keyword that a rule's expression sees.
pub(super) const BEFORE: usize = 512;
/// Bytes from a keyword's start that it sees.
pub(super) const AFTER: usize = 2048;
/// Matches of one rule in one file that are told one by one.
const MAX_OF_A_RULE: usize = 10;
/// A match as long as this is one even where the window cuts it: values of a fixed length are shorter.
const LONG: usize = 1024;
/// Most bytes of a value that are shown.
const SHOWN: usize = 4;

/// What was found in a text so far.
pub(super) struct Search {
    path: String,
    /// Whether the text has lines worth counting.
    lined: bool,
    /// Bytes of the text before the current piece, and the lines' ends among them.
    offset: usize,
    newlines: usize,
    states: Vec<State>,
    found: Vec<Found>,
}

/// One rule of which a keyword was met.
struct State {
    rule: usize,
    /// Not for this file, or no longer asked.
    silent: bool,
    more: bool,
    matches: usize,
    /// Values that start before this place of the text are known.
    known: usize,
    /// The windows in the current piece that lie together and were not searched yet.
    window: Range<usize>,
}

struct Found {
    rule: usize,
    place: Range<usize>,
    line: Option<u32>,
    shown: String,
}

impl Search {
    /// A search of the file at `path`; rules for other files stay silent.
    pub(super) fn new(path: &str, lined: bool) -> Self {
        Self { path: path.to_owned(), lined, offset: 0, newlines: 0, states: Vec::new(), found: Vec::new() }
    }

    /// Looks around every keyword that starts in `span` of a piece. `last` says that the text ends with the piece.
    /// Every text begins with an end of line that is not its own, so that keywords may ask for one.
    pub(super) fn search(&mut self, piece: &[u8], span: Range<usize>, last: bool) {
        RULES.keywords().find(piece, span, |at, keyword| {
            for rule in RULES.of_keyword(keyword) {
                self.keyword(piece, at, *rule, last);
            }
        });
        for state in 0..self.states.len() {
            self.window(piece, state, last);
        }
    }

    /// Leaves the first bytes of a piece behind.
    pub(super) fn advance(&mut self, left: &[u8]) {
        self.offset += left.len();
        self.newlines += newlines(left);
    }

    /// What was found, in the text's order. Where two rules share a value the first of them counts.
    pub(super) fn finish(mut self) -> Vec<Risk> {
        self.found.sort_by_key(|found| found.rule);
        let mut kept: Vec<Found> = Vec::new();
        for found in self.found {
            let shared = |other: &Found| other.place.start < found.place.end && found.place.start < other.place.end;
            if !kept.iter().any(shared) {
                kept.push(found);
            }
        }
        kept.sort_by_key(|found| found.place.start);
        let risk = |rule: usize, detail: &str, line| {
            let rule = RULES.get(rule);
            let detail = format!("{}: {detail}", rule.title());
            Risk { kind: RiskKind::Secret, rule: rule.id().to_owned(), severity: rule.severity(), detail, line }
        };
        let told = kept.iter().map(|found| risk(found.rule, &found.shown, found.line));
        let more = self.states.iter().filter(|state| state.more);
        told.chain(more.map(|state| risk(state.rule, "and more in the same file", None))).collect()
    }

    fn keyword(&mut self, piece: &[u8], at: usize, rule: usize, last: bool) {
        let known = self.states.iter().position(|state| state.rule == rule);
        let index = known.unwrap_or_else(|| {
            let silent = !RULES.get(rule).is_for(&self.path);
            self.states.push(State { rule, silent, more: false, matches: 0, known: 0, window: 0..0 });
            self.states.len() - 1
        });
        let window = at.saturating_sub(BEFORE)..piece.len().min(at + AFTER);
        let state = &mut self.states[index];
        if state.silent {
            return;
        }
        if state.window.is_empty() {
            state.window = window;
        } else if window.start <= state.window.end {
            // Keywords come in pairs of even and odd anchors, so not strictly in order.
            state.window = state.window.start.min(window.start)..state.window.end.max(window.end);
        } else {
            self.window(piece, index, last);
            self.states[index].window = window;
        }
    }

    /// Asks a rule about the windows it has gathered.
    fn window(&mut self, piece: &[u8], index: usize, last: bool) {
        let state = &mut self.states[index];
        let window = std::mem::take(&mut state.window);
        let rule = RULES.get(state.rule);
        let seen = &piece[window.clone()];
        if state.silent || seen.is_empty() {
            return;
        }
        for captures in rule.regex().captures_iter(seen) {
            let (Some(whole), Some(value)) = (captures.get(0), value(&captures)) else { continue };
            // A window's edge is no edge of a word: what touches it is seen whole in the window of its own keyword.
            let cut_before = whole.start() == 0 && window.start > 0;
            let cut_after = whole.end() == seen.len() && !(last && window.end == piece.len()) && whole.len() < LONG;
            let place = self.offset + window.start + value.start()..self.offset + window.start + value.end();
            if cut_before || cut_after || place.start < state.known {
                continue;
            }
            state.known = place.end;
            if !RULES.is_secret(rule, value.as_bytes()) {
                continue;
            }
            if state.matches == MAX_OF_A_RULE {
                (state.more, state.silent) = (true, true);
                break;
            }
            state.matches += 1;
            let before = &piece[..window.start + value.start()];
            let line = self.lined.then(|| u32::try_from(self.newlines + newlines(before)).unwrap_or(u32::MAX));
            self.found.push(Found { rule: state.rule, place, line, shown: masked(value.as_bytes()) });
        }
    }
}

/// The start of a value, at most four bytes and at most a fifth of it, and four asterisks whatever its length.
pub(super) fn masked(value: &[u8]) -> String {
    let shown = value.iter().take(SHOWN.min(value.len() / 5));
    let shown: String = shown.map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' }).collect();
    shown + "****"
}

fn newlines(text: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', text).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_value_shows_less_of_itself() {
        for (value, shown) in
            [("", "****"), ("abcd", "****"), ("abcdefghij", "ab****"), ("ghp_0123456789abcdefghi", "ghp_****")]
        {
            assert_eq!(masked(value.as_bytes()), shown);
        }
    }
}
