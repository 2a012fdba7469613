//! Finds many keywords in a text, fast where there are none.
//!
//! Each keyword is looked for by four of its bytes. Of the two runs of three bytes in those, one starts at an even place, wherever
//! the keyword lies. The text is therefore looked at in every second place only: a table of bits over hashes of three bytes says whether a
//! keyword may be there, and a second one over hashes of four whether that is worth a comparison. An automaton
//! that steps byte by byte costs three times as much: it waits for each step before the next, and these look-ups wait for nothing.

use std::ops::Range;

/// Bytes a keyword is looked for by.
const ANCHOR: usize = 4;
/// Words of a table: a bit for every hash of 16 bits.
const WORDS: usize = 1 << 10;
/// Places looked at in one round, and the bytes they advance by.
const ROUND: usize = 12;
/// Sets the bit that tells capital from small letters; other bytes that it makes alike are told apart by the comparison.
const FOLD: u64 = 0x2020_2020_2020_2020;

/// A set of keywords, compared without regard to ASCII case.
pub(super) struct Keywords {
    words: Vec<Vec<u8>>,
    longest: usize,
    threes: Table,
    fours: Table,
    /// Each keyword's four bytes: their hash, the keyword, their place in it. Sorted.
    anchors: Vec<(u16, usize, usize)>,
}

/// A set of hashes.
struct Table(Box<[u64; WORDS]>);

impl Keywords {
    /// Looks for `words`, each of four bytes or more; shorter ones are never found.
    pub(super) fn new(words: Vec<Vec<u8>>) -> Self {
        let (mut threes, mut fours, mut anchors) = (Table::new(), Table::new(), Vec::new());
        for (keyword, word) in words.iter().enumerate() {
            let Some(place) = anchor(word) else { continue };
            let Some(bytes) = four(word, place) else { continue };
            threes.insert(hash_of_three(bytes));
            threes.insert(hash_of_three(bytes >> 8));
            fours.insert(hash_of_four(bytes));
            anchors.push((hash_of_four(bytes), keyword, place));
        }
        anchors.sort_unstable();
        let longest = words.iter().map(Vec::len).max().unwrap_or_default();
        Self { words, longest, threes, fours, anchors }
    }

    /// Calls `found` with the place and the index of every keyword that starts in `span`, each once.
    pub(super) fn find(&self, text: &[u8], span: Range<usize>, mut found: impl FnMut(usize, usize)) {
        // The four bytes of a keyword that starts in the span may lie behind it.
        let end = text.len().min(span.end + self.longest);
        let mut at = span.start;
        while let Some(round) = text[..end].get(at..at + ROUND + 4) {
            let mut hits = self.round(round);
            while hits != 0 {
                self.candidate(text, at + 2 * hits.trailing_zeros() as usize, &span, &mut found);
                hits &= hits - 1;
            }
            at += ROUND;
        }
        while at < end {
            self.candidate(text, at, &span, &mut found);
            at += 2;
        }
    }

    /// One bit for each even place of a round at which three bytes of a keyword may lie.
    fn round(&self, round: &[u8]) -> u64 {
        let word = |from: usize| {
            let bytes: [u8; 8] = round[from..from + 8].try_into().expect("8 bytes: the length of the range");
            u64::from_le_bytes(bytes) | FOLD
        };
        let (low, high) = (word(0), word(6));
        let bit = |bytes: u64| self.threes.bit(hash_of_three(bytes));
        bit(low)
            | bit(low >> 16) << 1
            | bit(low >> 32) << 2
            | bit(high) << 3
            | bit(high >> 16) << 4
            | bit(high >> 32) << 5
    }

    /// Looks for keywords whose four bytes start at `at`, or the byte before.
    fn candidate(&self, text: &[u8], at: usize, span: &Range<usize>, found: &mut impl FnMut(usize, usize)) {
        for at in [Some(at), at.checked_sub(1)].into_iter().flatten() {
            let Some(hash) = four(text, at).map(hash_of_four).filter(|hash| self.fours.bit(*hash) != 0) else {
                continue;
            };
            let first = self.anchors.partition_point(|anchor| anchor.0 < hash);
            for (_, keyword, place) in self.anchors[first..].iter().take_while(|anchor| anchor.0 == hash) {
                let Some(start) = at.checked_sub(*place).filter(|start| span.contains(start)) else { continue };
                let word = &self.words[*keyword];
                if text.get(start..start + word.len()).is_some_and(|there| there.eq_ignore_ascii_case(word)) {
                    found(start, *keyword);
                }
            }
        }
    }
}

impl Table {
    fn new() -> Self {
        Self(Box::new([0; WORDS]))
    }

    fn insert(&mut self, hash: u16) {
        self.0[usize::from(hash >> 6)] |= 1 << (hash & 63);
    }

    fn bit(&self, hash: u16) -> u64 {
        self.0[usize::from(hash >> 6)] >> (hash & 63) & 1
    }
}

/// The four bytes at a place, folded.
fn four(text: &[u8], at: usize) -> Option<u64> {
    let bytes: [u8; ANCHOR] = text.get(at..at + ANCHOR)?.try_into().ok()?;
    Some(u64::from(u32::from_le_bytes(bytes)) | FOLD)
}

/// A hash of the lowest three bytes.
fn hash_of_three(bytes: u64) -> u16 {
    hash((bytes & 0x00ff_ffff) as u32)
}

/// A hash of the lowest four bytes.
fn hash_of_four(bytes: u64) -> u16 {
    hash((bytes & 0xffff_ffff) as u32)
}

fn hash(bytes: u32) -> u16 {
    (bytes.wrapping_mul(0x9e37_79b1) >> 16) as u16
}

/// Where in a keyword the four bytes start that are looked for: those with the fewest letters, which text is full of.
fn anchor(word: &[u8]) -> Option<usize> {
    let letters = |window: &[u8]| window.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    word.windows(ANCHOR).enumerate().min_by_key(|(_, window)| letters(window)).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(keywords: &Keywords, text: &[u8], span: Range<usize>) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        keywords.find(text, span, |at, keyword| found.push((at, keyword)));
        found.sort_unstable();
        found
    }

    proptest! {
        #[test]
        fn every_keyword_is_found_once_wherever_it_lies(
            words in prop::collection::vec("[aAb_.-]{4,7}", 1..5),
            text in "[aAbB_.-]{0,80}",
            from in 0..40_usize,
            length in 0..60_usize,
        ) {
            let (words, text): (Vec<Vec<u8>>, _) = (words.into_iter().map(String::into_bytes).collect(), text.as_bytes());
            let span = from.min(text.len())..(from + length).min(text.len());
            let mut expected = Vec::new();
            for at in span.clone() {
                for (keyword, word) in words.iter().enumerate() {
                    if text.get(at..at + word.len()).is_some_and(|there| there.eq_ignore_ascii_case(word)) {
                        expected.push((at, keyword));
                    }
                }
            }
            prop_assert_eq!(found(&Keywords::new(words), text, span), expected);
        }
    }

    #[test]
    fn the_anchor_has_the_fewest_letters() {
        assert_eq!((anchor(b"https://"), anchor(b"token"), anchor(b"abc")), (Some(4), Some(0), None));
    }
}
