//! The head of a Mach-O file, after Apple's `loader.h`.

use super::{Fields, Segment};

/// `LC_SEGMENT` and `LC_SEGMENT_64`.
const SEGMENT: u32 = 1;
const SEGMENT_64: u32 = 0x19;
/// `VM_PROT_WRITE`.
const WRITABLE: u32 = 2;

/// What a Mach-O file's head says.
#[derive(Debug, Default)]
pub(in super::super) struct MachO {
    /// Its segments, those whose commands are in the head.
    pub(in super::super) segments: Vec<Segment>,
    /// Place and length of the section with cargo-auditable's list.
    pub(in super::super) crates: Option<(u64, u64)>,
}

impl MachO {
    pub(super) fn read(head: &[u8]) -> Option<Self> {
        let big = head.first()? == &0xfe;
        let fields = Fields { bytes: head, big };
        let wide = fields.u32(0)? & 1 != 0;
        let count = fields.u32(16)?;
        let mut at = if wide { 32_usize } else { 28 };
        let mut found = Self::default();
        // Every round moves on by a command's length, so the head ends it, whatever the count says.
        for _ in 0..count {
            let (Some(kind), Some(size)) = (fields.u32(at), fields.u32(at + 4)) else { break };
            if matches!((kind, wide), (SEGMENT, false) | (SEGMENT_64, true))
                && found.segment(&fields, at, wide).is_none()
            {
                break;
            }
            match usize::try_from(size).ok().filter(|size| *size >= 8).and_then(|size| at.checked_add(size)) {
                Some(next) if next < head.len() => at = next,
                _ => break,
            }
        }
        Some(found)
    }

    fn segment(&mut self, fields: &Fields<'_>, at: usize, wide: bool) -> Option<()> {
        let word = if wide { 8 } else { 4 };
        let protection = fields.u32(at + 24 + 4 * word + 4)?;
        self.segments.push(Segment {
            address: fields.word(at + 24, wide)?,
            offset: fields.word(at + 24 + 2 * word, wide)?,
            size: fields.word(at + 24 + 3 * word, wide)?,
            writable: protection & WRITABLE != 0,
        });
        let count = fields.u32(at + 24 + 4 * word + 8)?;
        let (first, size) = (at + 24 + 4 * word + 16, if wide { 80 } else { 68 });
        for section in (0..usize::try_from(count).ok()?).map_while(|index| first.checked_add(index.checked_mul(size)?))
        {
            if fields.name(section, 16)? == b".dep-v0" {
                let length = fields.word(section + 32 + word, wide)?;
                self.crates = Some((u64::from(fields.u32(section + 32 + 2 * word)?), length));
            }
        }
        Some(())
    }
}
