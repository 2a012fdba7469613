//! The head of a PE file, after Microsoft's "PE Format".

use super::{Fields, Segment};

/// `IMAGE_SCN_MEM_WRITE`.
const WRITABLE: u32 = 0x8000_0000;
/// Most sections a Windows loader takes.
const MAX_SECTIONS: u16 = 96;
/// Data directories: resources, and the header of the .NET runtime.
const RESOURCES: usize = 2;
const RUNTIME: usize = 14;

/// What a PE file's head says.
#[derive(Debug)]
pub(in super::super) struct Pe {
    /// Its sections, those whose headers are in the head.
    pub(in super::super) segments: Vec<Segment>,
    /// Place and length of the section with cargo-auditable's list.
    pub(in super::super) crates: Option<(u64, u64)>,
    /// Whether it runs on .NET.
    pub(in super::super) managed: bool,
    /// Address of its resources, relative as all addresses in them are; `None` without resources.
    pub(in super::super) resources: Option<u32>,
    /// Where the file is mapped: segments' addresses are absolute.
    pub(in super::super) base: u64,
}

impl Pe {
    pub(super) fn read(head: &[u8]) -> Option<Self> {
        let fields = Fields { bytes: head, big: false };
        let start = usize::try_from(fields.u32(0x3c)?).ok()?;
        if fields.array(start)? != *b"PE\0\0" {
            return None;
        }
        let optional = start + 24;
        let wide = match fields.u16(optional)? {
            0x10b => false,
            0x20b => true,
            _ => return None,
        };
        let base = if wide { fields.u64(optional + 24)? } else { u64::from(fields.u32(optional + 28)?) };
        let (count, directories) = if wide { (108, 112) } else { (92, 96) };
        let count = fields.u32(optional + count)?;
        let directory = |index: usize| {
            let address = fields.u32(optional + directories + 8 * index)?;
            (index < usize::try_from(count).ok()? && address != 0).then_some(address)
        };
        let table = optional + usize::from(fields.u16(start + 20)?);
        let sections = (0..usize::from(fields.u16(start + 6)?.min(MAX_SECTIONS))).map(|index| table + 40 * index);
        let sections: Vec<_> = sections.map_while(|header| section(&fields, header, base)).collect();
        let crates = sections.iter().find(|(name, _)| *name == b".dep-v0").map(|(_, part)| (part.offset, part.size));
        let segments = sections.into_iter().map(|(_, segment)| segment).collect();
        Some(Self { segments, crates, managed: directory(RUNTIME).is_some(), resources: directory(RESOURCES), base })
    }
}

fn section<'a>(fields: &Fields<'a>, header: usize, base: u64) -> Option<(&'a [u8], Segment)> {
    let segment = Segment {
        address: base.checked_add(u64::from(fields.u32(header + 12)?))?,
        offset: u64::from(fields.u32(header + 20)?),
        size: u64::from(fields.u32(header + 16)?),
        writable: fields.u32(header + 36)? & WRITABLE != 0,
    };
    Some((fields.name(header, 8)?, segment))
}
