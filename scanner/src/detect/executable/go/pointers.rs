//! The build info of Go 1.13 to 1.17, which points to its strings.
//!
//! A pointer leads to a string's header among the program's data, and that to its text among the constants, which passed
//! before. So two things are kept of a program whose head shows that Go made it: its writable segments, up to a limit, and every
//! text that begins as a release does, with its place. Neither the file nor a copy on disk is needed. A program whose head does
//! not show its maker, or that moves itself at start (PIE), keeps its release to itself, which is said.

use memchr::memmem::{Finder, find};

use super::build_info::Header;
use crate::detect::executable::format::{Fields, Segment, place};
use crate::detect::executable::stream::Capture;

/// Most bytes of writable segments kept; Kubernetes' programs had 4 MiB.
const MAX_DATA: usize = 16 << 20;
/// Longest release.
const TEXT: usize = 64;
/// Most texts kept; programs hold their release a few times, and texts like it a few hundred.
const MAX_TEXTS: usize = 4096;

/// Whether Go made a program, by its head: the note with its build's name (ELF), that name before the code (PE), a section of its
/// own (Mach-O), or the segment for PaX that only Go's linker writes (ELF, without the note).
pub(super) fn is_go(head: &[u8]) -> bool {
    [&b"\x04\0\0\0Go\0\0"[..], b"\xff Go build ID: \"", b"__go_buildinfo\0", b"\x80\x15\x04\x65"]
        .iter()
        .any(|mark| find(head, mark).is_some())
}

/// What is kept to follow pointers.
pub(super) struct Pointers {
    segments: Vec<Segment>,
    data: Vec<Capture>,
    starts: [Finder<'static>; 2],
    texts: Vec<(u64, [u8; TEXT])>,
}

/// What the pointers led to.
#[derive(Debug, Default)]
pub(super) struct Resolved<'a> {
    /// The release, as Go prints it.
    pub(super) version: Option<&'a [u8]>,
    /// Where the list of modules lies, with its marks.
    pub(super) modules: Option<u64>,
}

impl Pointers {
    pub(super) fn new(segments: &[Segment]) -> Self {
        let mut room = MAX_DATA;
        let writable = segments.iter().filter(|segment| segment.writable && segment.size > 0);
        let data = writable.map(|segment| {
            let size = usize::try_from(segment.size).unwrap_or(room).min(room);
            room -= size;
            Capture::new(segment.offset, size)
        });
        let data = data.collect();
        let starts = [Finder::new(b"go1."), Finder::new(b"devel ")];
        Self { segments: segments.to_vec(), data, starts, texts: Vec::new() }
    }

    /// Bytes that lie at `at`; runs of 65 come whole.
    pub(super) fn feed(&mut self, bytes: &[u8], at: u64) {
        self.data.iter_mut().for_each(|data| data.feed(bytes, at));
        for start in &self.starts {
            for found in start.find_iter(bytes) {
                // What ends with these bytes comes again with the next.
                let Some(text) = bytes[found..].first_chunk::<TEXT>() else { break };
                let place = at + found as u64;
                let known = self.texts.iter().rev().take(2 * TEXT).any(|(known, _)| *known == place);
                if !known && self.texts.len() < MAX_TEXTS {
                    self.texts.push((place, *text));
                }
            }
        }
    }

    pub(super) fn resolve(&self, header: &Header) -> Resolved<'_> {
        let [version, modules] = header.pointers.map(|pointer| self.string(header, pointer));
        let version = version.and_then(|(place, length)| {
            let (_, text) = self.texts.iter().find(|(known, _)| *known == place)?;
            text.get(..usize::try_from(length).ok()?)
        });
        Resolved { version, modules: modules.map(|(place, _)| place) }
    }

    /// Place and length of the text whose header is at an address.
    fn string(&self, header: &Header, address: u64) -> Option<(u64, u64)> {
        let at = place(&self.segments, address)?;
        let word = if header.wide() { 8 } else { 4 };
        let bytes = self.data.iter().find_map(|data| data.at(at, 2 * word))?;
        let fields = Fields { bytes, big: header.big() };
        let text = place(&self.segments, fields.word(0, header.wide())?)?;
        Some((text, fields.word(word, header.wide())?))
    }
}
