//! Reads text files as they pass.

use super::path::counts;
use super::search::{AFTER, BEFORE, Search};
use crate::content::Buffers;
use crate::detect::{FactList, FileHead, Watch, Watcher};
use crate::layer::Fact;

/// Bytes of a file held at once.
const PIECE: usize = 64 << 10;
/// The shortest file that can hold anything the rules know.
const MIN_FILE: u64 = 16;

/// Watches for secrets in text, and in Python's compiled modules, whose strings are the source's.
pub(crate) struct Secrets;

impl Watcher for Secrets {
    fn name(&self) -> &'static str {
        "secret"
    }

    fn version(&self) -> u32 {
        1
    }

    fn watch(&self, file: &FileHead<'_>, _buffers: &Buffers, _facts: &mut FactList) -> Option<Box<dyn Watch>> {
        let compiled = file.path.ends_with(".pyc");
        let text = file.size >= MIN_FILE && (compiled || memchr::memchr(0, file.head).is_none());
        if !text || !counts(file.path) {
            return None;
        }
        let size = usize::try_from(file.size).unwrap_or(PIECE).min(PIECE - 1);
        let mut piece = Vec::with_capacity(size + 1);
        piece.push(b'\n');
        Some(Box::new(TextWatch { search: Search::new(file.path, !compiled), piece, searched: 0 }))
    }
}

/// A text on its way past.
struct TextWatch {
    search: Search,
    piece: Vec<u8>,
    /// Where in the piece keywords start that were not looked for yet.
    searched: usize,
}

impl TextWatch {
    /// Searches as far as windows are whole, and keeps what windows to come may reach back to.
    fn search(&mut self) {
        let end = self.piece.len() - AFTER;
        self.search.search(&self.piece, self.searched..end, false);
        self.search.advance(&self.piece[..end - BEFORE]);
        self.piece.drain(..end - BEFORE);
        self.searched = BEFORE;
    }
}

impl Watch for TextWatch {
    fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.piece.len()));
            self.piece.extend_from_slice(now);
            bytes = later;
            if self.piece.len() == PIECE {
                self.search();
            }
        }
    }

    fn finish(mut self: Box<Self>, facts: &mut FactList) {
        let end = self.piece.len();
        self.search.search(&self.piece, self.searched..end, true);
        for risk in self.search.finish() {
            facts.push(Fact::Risk(risk));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;
    use crate::risk::Risk;

    fn found(path: &str, text: &[u8], pieces: usize) -> Vec<Risk> {
        let mut facts = FactList::new(1 << 20);
        let head = &text[..text.len().min(4096)];
        let file = FileHead { path, mode: 0o644, size: text.len() as u64, head };
        let Some(mut watch) = Secrets.watch(&file, &Buffers::default(), &mut facts) else { return Vec::new() };
        text.chunks(pieces).for_each(|piece| watch.feed(piece));
        watch.finish(&mut facts);
        let risk = |fact| if let Fact::Risk(risk) = fact { risk } else { panic!("{fact:?}") };
        facts.into_parts().0.into_iter().map(risk).collect()
    }

    fn token(digit: usize) -> String {
        format!("ghp_{}{digit:02}", "aZ3kQ9mX7pL2vB8nR4tW6yC1dF5gH0jSeU")
    }

    #[test]
    fn secrets_are_found_wherever_pieces_are_cut() {
        for before in [0, 1, 3000, 61_400, 62_900, 63_480, 65_490, 65_535, 70_000, 200_000] {
            let text = format!("{}\n{}\n{}", "a b\n".repeat(before / 4), token(1), "c".repeat(5000));
            for pieces in [777, 4096, 128 << 10] {
                let risks = found("app/config", text.as_bytes(), pieces);
                let lines: Vec<_> = risks.iter().map(|risk| (&*risk.rule, risk.line.unwrap() as usize)).collect();
                assert_eq!(lines, [("github-token", before / 4 + 2)], "{before} {pieces}");
            }
        }
    }

    #[test]
    fn a_file_full_of_secrets_tells_ten_and_that_there_are_more() {
        let line: String = (0..50).map(|digit| format!("{} ", token(digit))).collect();
        let text = line.repeat(4000);
        let risks = found("app/config", text.as_bytes(), 4096);
        assert_eq!(risks.len(), 11);
        assert_eq!(risks[10].detail, "GitHub token: and more in the same file");
    }

    #[test]
    fn binary_files_pass_and_compiled_python_does_not() {
        let text = [b"\0\0", token(1).as_bytes(), b" "].concat();
        assert!(found("app/program", &text, 100).is_empty());
        let risks = found("app/__pycache__/a.pyc", &text, 100);
        assert_eq!((risks.len(), risks[0].line), (1, None));
        assert!(found("usr/share/a", token(1).as_bytes(), 100).is_empty());
    }

    #[test]
    fn a_text_made_of_keywords_costs_no_more_than_its_length() {
        let text = "AKIA ghp_ sk-ant-.eyJ://".repeat(40_000);
        assert!(found("app/hostile", text.as_bytes(), 4096).is_empty());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_cuts_change_nothing(
            parts in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..40),
                    prop::sample::select(&[
                        "-----BEGIN RSA PRIVATE KEY-----", "AKIA", "Z5QJ4TRKWX2N7YHB", "postgres://a:", "@host", "SG.", "\n", ".eyJ", "eyJ",
                    ][..]).prop_map(|text| text.as_bytes().to_vec()),
                    (0..3000_usize).prop_map(|length| vec![b'a'; length]),
                ],
                0..60,
            ),
            pieces in 1..3000_usize,
        ) {
            let text = parts.concat();
            prop_assert_eq!(found("app/.env", &text, pieces), found("app/.env", &text, text.len().max(1)));
        }
    }

    /// Run by hand: `cargo test --release -p weir-scanner --all-features --lib secret -- --ignored --nocapture`, with the path of a
    /// large text in WEIR_TEXT.
    #[test]
    #[ignore = "measures, and proves nothing"]
    fn cost_of_text() {
        let path = std::env::var("WEIR_TEXT").unwrap();
        let text = std::fs::read(path).unwrap();
        found("app/text", &text, 128 << 10);
        let start = Instant::now();
        let risks = found("app/text", &text, 128 << 10);
        println!("{:.2} ns/byte, {} found", start.elapsed().as_secs_f64() * 1e9 / text.len() as f64, risks.len());
    }
}
