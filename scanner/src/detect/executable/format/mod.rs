//! What a program's first bytes say: its format, and where its parts lie.
//!
//! Tables that lie past the bytes at hand are read as far as they go: a program whose head is longer loses
//! what lies behind it, and no more.

mod elf;
mod macho;
mod pe;

pub(super) use elf::{Elf, SectionTable};
pub(super) use macho::MachO;
pub(super) use pe::Pe;

/// A program's format with what its head says.
#[derive(Debug)]
pub(super) enum Program {
    /// Linux and other Unix systems.
    Elf(Elf),
    /// Windows and .NET.
    Pe(Pe),
    /// macOS.
    MachO(MachO),
    /// Several programs for macOS in one file.
    Fat,
}

impl Program {
    /// Reads a file's head; `None` for everything that is no program.
    pub(super) fn read(head: &[u8]) -> Option<Self> {
        match head.get(..4)? {
            b"\x7fELF" => Elf::read(head).map(Self::Elf),
            [b'M', b'Z', ..] => Pe::read(head).map(Self::Pe),
            b"\xfe\xed\xfa\xce" | b"\xfe\xed\xfa\xcf" | b"\xce\xfa\xed\xfe" | b"\xcf\xfa\xed\xfe" => {
                MachO::read(head).map(Self::MachO)
            }
            // A Java class begins so as well; its version stands where the count of programs does, and none is below 45.
            b"\xca\xfe\xba\xbe" => {
                Fields { bytes: head, big: true }.u32(4).filter(|count| *count < 45).map(|_| Self::Fat)
            }
            _ => None,
        }
    }

    /// Its parts that are mapped into memory.
    pub(super) fn segments(&self) -> &[Segment] {
        match self {
            Self::Elf(elf) => &elf.segments,
            Self::Pe(pe) => &pe.segments,
            Self::MachO(macho) => &macho.segments,
            Self::Fat => &[],
        }
    }
}

/// A part of a program that is mapped into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Where it is mapped.
    pub(super) address: u64,
    /// Where it lies in the file.
    pub(super) offset: u64,
    /// Its length in the file.
    pub(super) size: u64,
    /// Whether the program may write to it.
    pub(super) writable: bool,
}

impl Segment {
    /// Whether a place of the file is within it.
    pub(super) fn holds(&self, offset: u64) -> bool {
        offset.checked_sub(self.offset).is_some_and(|within| within < self.size)
    }
}

/// The place in the file of a mapped address.
pub(super) fn place(segments: &[Segment], address: u64) -> Option<u64> {
    segments.iter().find_map(|segment| {
        let within = address.checked_sub(segment.address).filter(|within| *within < segment.size)?;
        segment.offset.checked_add(within)
    })
}

/// Numbers at places of a head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    pub(super) bytes: &'a [u8],
    /// Whether the first byte of a number is its greatest.
    pub(super) big: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    pub(super) fn u16(&self, at: usize) -> Option<u16> {
        let bytes = self.array(at)?;
        Some(if self.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    pub(super) fn u32(&self, at: usize) -> Option<u32> {
        let bytes = self.array(at)?;
        Some(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    pub(super) fn u64(&self, at: usize) -> Option<u64> {
        let bytes = self.array(at)?;
        Some(if self.big { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }

    /// Four or eight bytes.
    pub(super) fn word(&self, at: usize, wide: bool) -> Option<u64> {
        if wide { self.u64(at) } else { self.u32(at).map(u64::from) }
    }

    /// The text before the first NUL of `length` bytes.
    pub(super) fn name(&self, at: usize, length: usize) -> Option<&'a [u8]> {
        let bytes = self.bytes.get(at..at.checked_add(length)?)?;
        bytes.split(|byte| *byte == 0).next()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_program_is_none() {
        for head in [&b""[..], b"\x7fEL", b"\x7fELF", b"#!/bin/sh", b"MZ", b"\xca\xfe\xba\xbe\0\0\0\x34\0\x01"] {
            assert!(Program::read(head).is_none(), "{head:?}");
        }
        assert!(matches!(Program::read(b"\xca\xfe\xba\xbe\0\0\0\x02\0\x01"), Some(Program::Fat)));
    }

    #[test]
    fn an_address_has_a_place_within_a_segment() {
        let segments = [Segment { address: 0x1000, offset: 0x200, size: 0x10, writable: false }];
        assert_eq!(place(&segments, 0x100f), Some(0x20f));
        assert_eq!(place(&segments, 0x1010), None);
        assert_eq!(place(&segments, 0xfff), None);
        let lying = [Segment { address: 0, offset: u64::MAX, size: u64::MAX, writable: false }];
        assert_eq!(place(&lying, 5), None);
    }

    const MAGICS: [&[u8]; 6] = [
        b"\x7fELF\x02\x01",
        b"\x7fELF\x01\x02",
        b"MZ",
        b"\xcf\xfa\xed\xfe",
        b"\xfe\xed\xfa\xce",
        b"\xca\xfe\xba\xbe\0\0\0\x02",
    ];

    proptest! {
        #[test]
        fn no_bytes_make_a_head_panic(
            magic in prop::sample::select(&MAGICS[..]),
            bytes in prop::collection::vec(prop_oneof![Just(0), Just(1), Just(0xff), any::<u8>()], 0..600),
        ) {
            drop(Program::read(&[magic, &bytes].concat()));
        }
    }
}
