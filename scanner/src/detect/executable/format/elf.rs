//! The head of an ELF file, after the System V ABI.

use super::{Fields, Segment};

/// `PT_LOAD`.
const LOADED: u32 = 1;
/// `PF_W`.
const WRITABLE: u32 = 2;

/// What an ELF file's head says.
#[derive(Debug)]
pub(in super::super) struct Elf {
    /// Its loaded segments, those whose headers are in the head.
    pub(in super::super) segments: Vec<Segment>,
    /// Where its section table lies.
    pub(in super::super) sections: SectionTable,
}

/// Where the section table lies, and how its entries are written.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct SectionTable {
    /// Its place in the file; 0 where there is none.
    pub(in super::super) offset: u64,
    /// Its length in bytes: at most 4 GiB, as two 16-bit numbers say.
    pub(in super::super) size: usize,
    entry_size: usize,
    /// The entry of the section with the names of sections.
    names: usize,
    wide: bool,
    big: bool,
}

/// One entry of the section table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Section {
    /// Where its name lies in the file.
    pub(in super::super) name: u64,
    /// Its place in the file.
    pub(in super::super) offset: u64,
    /// Its length in bytes.
    pub(in super::super) size: u64,
}

impl Elf {
    pub(super) fn read(head: &[u8]) -> Option<Self> {
        let wide = match head.get(4)? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let big = match head.get(5)? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let fields = Fields { bytes: head, big };
        let at = |narrow, wider| if wide { wider } else { narrow };
        let entry_size = usize::from(fields.u16(at(46, 58))?);
        let count = usize::from(fields.u16(at(48, 60))?);
        let sections = SectionTable {
            offset: fields.word(at(32, 40), wide)?,
            size: entry_size * count,
            entry_size,
            names: usize::from(fields.u16(at(50, 62))?),
            wide,
            big,
        };
        let (table, entry) = (fields.word(at(28, 32), wide)?, usize::from(fields.u16(at(42, 54))?));
        let table = usize::try_from(table).ok()?;
        let headers = (0..usize::from(fields.u16(at(44, 56))?)).map_while(|index| table.checked_add(index * entry));
        let segments = headers.map_while(|header| segment(&fields, header, wide)).flatten().collect();
        Some(Self { segments, sections })
    }
}

/// The segment a program header describes; the outer `None` is a header past the head.
fn segment(fields: &Fields<'_>, header: usize, wide: bool) -> Option<Option<Segment>> {
    let at = |narrow, wider| header.checked_add(if wide { wider } else { narrow });
    let flags = fields.u32(at(24, 4)?)?;
    let segment = Segment {
        address: fields.word(at(8, 16)?, wide)?,
        offset: fields.word(at(4, 8)?, wide)?,
        size: fields.word(at(16, 32)?, wide)?,
        writable: flags & WRITABLE != 0,
    };
    Some((fields.u32(header)? == LOADED).then_some(segment))
}

impl SectionTable {
    /// The sections of a table whose bytes are given.
    pub(in super::super) fn sections<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Section> + 'a {
        let fields = Fields { bytes, big: self.big };
        let names = self.place_of(&fields, self.names).unwrap_or(0);
        let count = bytes.len().checked_div(self.entry_size).unwrap_or(0);
        (0..count).filter_map(move |index| {
            let entry = index * self.entry_size;
            let name = names.checked_add(u64::from(fields.u32(entry)?))?;
            let size = fields.word(entry + if self.wide { 32 } else { 20 }, self.wide)?;
            Some(Section { name, offset: self.place_of(&fields, index)?, size })
        })
    }

    fn place_of(&self, fields: &Fields<'_>, index: usize) -> Option<u64> {
        fields.word((index * self.entry_size).checked_add(if self.wide { 24 } else { 16 })?, self.wide)
    }
}
