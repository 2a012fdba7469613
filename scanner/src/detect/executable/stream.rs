//! Finding and keeping parts of a file that passes in pieces.

/// Joins the pieces of a stream where they meet, so that nothing short is missed there.
#[derive(Debug)]
pub(super) struct Seam {
    /// The last bytes that passed, at most `overlap` of them.
    tail: Vec<u8>,
    overlap: usize,
    passed: u64,
}

impl Seam {
    /// Shows every run of up to `overlap + 1` bytes whole.
    pub(super) fn new(overlap: usize) -> Self {
        Self { tail: Vec::new(), overlap, passed: 0 }
    }

    /// Calls `look` with bytes and the place of their first in the file: the seam with the piece before, then the piece. A
    /// run may be seen twice.
    pub(super) fn feed(&mut self, piece: &[u8], mut look: impl FnMut(&[u8], u64)) {
        if !self.tail.is_empty() {
            let kept = self.tail.len();
            self.tail.extend_from_slice(&piece[..piece.len().min(self.overlap)]);
            look(&self.tail, self.passed - kept as u64);
            self.tail.truncate(kept);
        }
        look(piece, self.passed);
        self.passed += piece.len() as u64;
        let new = &piece[piece.len().saturating_sub(self.overlap)..];
        let old = self.tail.len().min(self.overlap - new.len());
        self.tail.drain(..self.tail.len() - old);
        self.tail.extend_from_slice(new);
    }
}

/// Keeps the bytes of a file from one place on, up to a limit.
#[derive(Debug)]
pub(super) struct Capture {
    start: u64,
    limit: usize,
    bytes: Vec<u8>,
}

impl Capture {
    /// Keeps `limit` bytes from `start` on.
    pub(super) fn new(start: u64, limit: usize) -> Self {
        Self { start, limit, bytes: Vec::new() }
    }

    /// Takes its part of bytes that lie at `at`; bytes may come twice.
    pub(super) fn feed(&mut self, bytes: &[u8], at: u64) {
        let room = self.limit - self.bytes.len();
        let skip = self.start.saturating_add(self.bytes.len() as u64).checked_sub(at);
        let Some(rest) = skip.and_then(|skip| bytes.get(usize::try_from(skip).ok()?..)) else { return };
        self.bytes.extend_from_slice(&rest[..rest.len().min(room)]);
    }

    /// Where it starts.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// What was kept.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// `length` kept bytes at a place of the file.
    pub(super) fn at(&self, place: u64, length: usize) -> Option<&[u8]> {
        let from = usize::try_from(place.checked_sub(self.start)?).ok()?;
        self.bytes.get(from..from.checked_add(length)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_short_run_is_seen_whole_and_in_place(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            cuts in prop::collection::vec(1_usize..40, 1..12),
            overlap in 1_usize..20,
        ) {
            let mut seam = Seam::new(overlap);
            let mut seen = vec![false; bytes.len()];
            let mut capture = Capture::new(7, 50);
            let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                rest = after;
                seam.feed(piece, |shown, at| {
                    let at = at as usize;
                    assert_eq!(shown, &bytes[at..at + shown.len()]);
                    let whole = shown.len().saturating_sub(overlap);
                    seen[at..at + whole].fill(true);
                    capture.feed(shown, at as u64);
                });
            }
            prop_assert!(seen[..bytes.len().saturating_sub(overlap)].iter().all(|seen| *seen));
            prop_assert_eq!(capture.bytes(), bytes.get(7..bytes.len().min(57)).unwrap_or(&[]));
        }
    }
}
