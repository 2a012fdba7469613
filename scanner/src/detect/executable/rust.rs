//! Rust programs built with `cargo auditable`: the crates they were built from.
//!
//! The list is a zlib stream in a section named `.dep-v0`. The heads of PE and Mach-O files say where that lies. An ELF file says so at
//! its end, after the section has passed: so every place is kept where a zlib stream begins that inflates to the start of such a list, and
//! every place where the section's name stands, and the section table, whose place the head tells, then picks
//! the one that is a section of that name. Crates that only ran during the build are left out.

use std::io::Read as _;

use aho_corasick::AhoCorasick;
use flate2::read::ZlibDecoder;
use flate2::{Decompress, FlushDecompress};
use memchr::memmem::Finder;
use serde::Deserialize;

use super::format::{Program, SectionTable};
use super::stream::{Capture, Seam};
use crate::content::Buffers;
use crate::detect::{FactList, FileHead, Watch, Watcher};
use crate::layer::Fact;
use crate::package::{Package, PackageType};

/// The section's name where names of sections stand, with its end.
const NAME: &[u8] = b".dep-v0\0";
/// How every list begins.
const LIST_START: &[u8] = b"{\"packages\":[";
/// Ways a zlib stream with a window of 32 KiB begins, one a level of compression.
const STREAM_STARTS: [[u8; 2]; 4] = [[0x78, 0x01], [0x78, 0x5e], [0x78, 0x9c], [0x78, 0xda]];
/// Bytes within which a deflate stream's tables end and its text begins: they have 2,283 bits at most.
const OVERLAP: usize = 320;
/// Largest list, deflated and inflated; the readers of cargo-auditable stop at 8 MiB.
const MAX_DEFLATED: usize = 1 << 20;
const MAX_LIST: u64 = 8 << 20;
/// Most streams and names kept of one file.
const MAX_STREAMS: usize = 8;
const MAX_NAMES: usize = 64;
/// Longest name and version of a crate.
const MAX_VALUE: usize = 1024;

/// Watches for Rust programs.
pub(crate) struct RustPrograms {
    name: Finder<'static>,
    starts: AhoCorasick,
}

impl RustPrograms {
    pub(crate) fn new() -> Self {
        let starts = AhoCorasick::new(STREAM_STARTS).expect("four short patterns are within every limit");
        Self { name: Finder::new(NAME), starts }
    }
}

impl Watcher for RustPrograms {
    fn name(&self) -> &'static str {
        "rust-program"
    }

    fn version(&self) -> u32 {
        1
    }

    fn watch(&self, file: &FileHead<'_>, _buffers: &Buffers, _facts: &mut FactList) -> Option<Box<dyn Watch>> {
        let path = file.path.to_owned();
        match Program::read(file.head)? {
            Program::Elf(elf) if elf.sections.offset > 0 => Some(Box::new(ElfWatch {
                path,
                name: self.name.clone(),
                starts: self.starts.clone(),
                seam: Seam::new(OVERLAP),
                inflater: Decompress::new(true),
                names: Vec::new(),
                streams: Vec::new(),
                table: Capture::new(elf.sections.offset, elf.sections.size),
                sections: elf.sections,
            })),
            Program::Pe(pe) => section(path, pe.crates?),
            Program::MachO(macho) => section(path, macho.crates?),
            Program::Elf(_) | Program::Fat => None,
        }
    }
}

fn section(path: String, (offset, size): (u64, u64)) -> Option<Box<dyn Watch>> {
    let size = usize::try_from(size).unwrap_or(MAX_DEFLATED).min(MAX_DEFLATED);
    Some(Box::new(SectionWatch { path, passed: 0, section: Capture::new(offset, size) }))
}

/// A section whose place the head told.
struct SectionWatch {
    path: String,
    passed: u64,
    section: Capture,
}

impl Watch for SectionWatch {
    fn feed(&mut self, piece: &[u8]) {
        self.section.feed(piece, self.passed);
        self.passed += piece.len() as u64;
    }

    fn finish(self: Box<Self>, facts: &mut FactList) {
        list(&self.path, self.section.bytes(), facts);
    }
}

struct ElfWatch {
    path: String,
    name: Finder<'static>,
    starts: AhoCorasick,
    seam: Seam,
    /// Tries streams; one for all, since each has 40 KiB.
    inflater: Decompress,
    /// Places of the section's name.
    names: Vec<u64>,
    /// From each beginning of a list on.
    streams: Vec<Capture>,
    sections: SectionTable,
    table: Capture,
}

impl Watch for ElfWatch {
    fn feed(&mut self, piece: &[u8]) {
        let Self { name, starts, seam, inflater, names, streams, table, .. } = self;
        seam.feed(piece, |bytes, at| {
            table.feed(bytes, at);
            streams.iter_mut().for_each(|stream| stream.feed(bytes, at));
            for found in name.find_iter(bytes).map(|found| at + found as u64) {
                if names.len() < MAX_NAMES && names.last().is_none_or(|last| *last < found) {
                    names.push(found);
                }
            }
            for found in starts.find_iter(bytes).map(|found| found.start()) {
                let place = at + found as u64;
                // What begins in the last bytes comes again, with what follows it.
                let whole = bytes.len() - found > OVERLAP;
                let known = || streams.iter().any(|stream| stream.start() == place);
                if whole && streams.len() < MAX_STREAMS && begins_list(inflater, &bytes[found..]) && !known() {
                    let mut stream = Capture::new(place, MAX_DEFLATED);
                    stream.feed(&bytes[found..], place);
                    streams.push(stream);
                }
            }
        });
    }

    fn finish(self: Box<Self>, facts: &mut FactList) {
        let mut sections = self.sections.sections(self.table.bytes());
        let Some(section) = sections.find(|section| self.names.contains(&section.name)) else { return };
        let stream = self.streams.iter().find(|stream| stream.start() == section.offset);
        let size = usize::try_from(section.size).unwrap_or(usize::MAX);
        let deflated = stream.map_or(&[][..], |stream| &stream.bytes()[..stream.bytes().len().min(size)]);
        list(&self.path, deflated, facts);
    }
}

/// Whether a zlib stream inflates to the start of a list.
fn begins_list(inflater: &mut Decompress, bytes: &[u8]) -> bool {
    // The third kind of deflate's blocks does not exist: a quarter of what is no stream ends here.
    if bytes.get(2).is_none_or(|block| block & 6 == 6) {
        return false;
    }
    inflater.reset(true);
    let mut start = [0; LIST_START.len()];
    let inflated = inflater.decompress(&bytes[..bytes.len().min(OVERLAP)], &mut start, FlushDecompress::None);
    inflated.is_ok() && start == LIST_START
}

/// cargo-auditable's list, after its schema.
#[derive(Deserialize)]
struct List {
    packages: Vec<Crate>,
}

#[derive(Deserialize)]
struct Crate {
    name: String,
    version: String,
    #[serde(default)]
    kind: Kind,
}

#[derive(Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// Part of the program: what a list means that says nothing.
    #[default]
    Runtime,
    /// Part of a build script or a procedural macro, or of whatever later versions know.
    #[serde(other)]
    Other,
}

fn list(path: &str, deflated: &[u8], facts: &mut FactList) {
    let list = serde_json::from_reader::<_, List>(std::io::BufReader::new(ZlibDecoder::new(deflated).take(MAX_LIST)));
    let Ok(List { packages }) = list else {
        facts.malformed(path, "the list of crates in .dep-v0 cannot be read");
        return;
    };
    for Crate { name, version, kind } in packages {
        if kind == Kind::Runtime && name.len() <= MAX_VALUE && version.len() <= MAX_VALUE {
            facts.push(Fact::Package(Package::new(PackageType::Cargo, name, version)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use proptest::prelude::*;

    use super::*;

    const LIST: &str = r#"{"packages":[{"name":"app","version":"0.1.0","source":"local","root":true,"dependencies":[1]},
        {"name":"itoa","version":"1.0.1","source":"crates.io","kind":"runtime"},{"name":"cc","version":"1.0.0","kind":"build"},
        {"name":"later","version":"1.0.0","kind":"another"}],"format":9}"#;

    fn deflated(list: &str, level: u32) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(list.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// An ELF file with a list that is no section, and one that is, named `name`.
    fn elf(list: &[u8], name: &str) -> Vec<u8> {
        let mut file = [&b"\x7fELF\x02\x01\x01"[..], &[0; 57], &deflated(r#"{"packages":[]}"#, 9), &[7; 400]].concat();
        let section = file.len() as u64;
        file.extend_from_slice(list);
        file.extend([9; 400]);
        let names = file.len() as u64;
        let text = format!("\0{name}\0");
        file.extend_from_slice(text.as_bytes());
        file.resize(file.len().next_multiple_of(8), 0);
        let table = (file.len() as u64).to_le_bytes();
        file[40..48].copy_from_slice(&table);
        // Entries of 64 bytes, of which there are 3, the last with the names.
        file[58..64].copy_from_slice(&[64, 0, 3, 0, 2, 0]);
        file.extend([0; 64]);
        file.extend(words(&[1 | 1 << 32, 0, 0, section, list.len() as u64, 0, 0, 0]));
        file.extend(words(&[3 << 32, 0, 0, names, text.len() as u64, 0, 0, 0]));
        file
    }

    /// A PE file whose only section has the list.
    fn pe(list: &[u8]) -> Vec<u8> {
        let mut file = vec![0; 0x200];
        file[..2].copy_from_slice(b"MZ");
        file[0x3c] = 0x40;
        file[0x40..0x44].copy_from_slice(b"PE\0\0");
        (file[0x46], file[0x54]) = (1, 112);
        file[0x58..0x5a].copy_from_slice(&[0x0b, 2]);
        let section = 0x58 + 112;
        file[section..section + 7].copy_from_slice(b".dep-v0");
        file[section + 16..section + 20].copy_from_slice(&0x200_u32.to_le_bytes());
        file[section + 20..section + 24].copy_from_slice(&0x200_u32.to_le_bytes());
        file.extend_from_slice(list);
        file.resize(0x400, 0);
        file
    }

    /// A Mach-O file whose only section has the list.
    fn mach_o(list: &[u8]) -> Vec<u8> {
        let mut file = vec![0; 0x200];
        file[..4].copy_from_slice(b"\xcf\xfa\xed\xfe");
        file[16] = 1;
        (file[32], file[36], file[32 + 64]) = (0x19, 152, 1);
        let section = 32 + 72;
        file[section..section + 7].copy_from_slice(b".dep-v0");
        file[section + 40..section + 48].copy_from_slice(&(list.len() as u64).to_le_bytes());
        file[section + 48..section + 52].copy_from_slice(&0x200_u32.to_le_bytes());
        file.extend_from_slice(list);
        file
    }

    fn watched(bytes: &[u8], size: usize) -> (Vec<String>, usize) {
        let mut facts = FactList::new(1 << 20);
        let file =
            FileHead { path: "app", mode: 0o755, size: bytes.len() as u64, head: &bytes[..bytes.len().min(4096)] };
        let Some(mut watch) = RustPrograms::new().watch(&file, &Buffers::default(), &mut facts) else {
            return (vec![], 0);
        };
        bytes.chunks(size).for_each(|piece| watch.feed(piece));
        watch.finish(&mut facts);
        let facts = facts.into_parts().0;
        let packages = facts.iter().filter_map(|fact| match fact {
            Fact::Package(package) => Some(format!("{} {}", package.name, package.version)),
            _ => None,
        });
        let packages: Vec<_> = packages.collect();
        let unread = facts.len() - packages.len();
        (packages, unread)
    }

    #[test]
    fn the_section_of_the_right_name_lists_the_crates() {
        let found = (vec!["app 0.1.0".to_owned(), "itoa 1.0.1".to_owned()], 0);
        for level in [1, 6, 9] {
            let list = deflated(LIST, level);
            for file in [elf(&list, ".dep-v0"), pe(&list), mach_o(&list)] {
                for size in [1, 100, 333, file.len()] {
                    assert_eq!(watched(&file, size), found, "level {level}, pieces of {size}");
                }
            }
            assert_eq!(watched(&elf(&list, ".other"), 100), (vec![], 0));
        }
    }

    #[test]
    fn a_section_that_holds_no_list_is_said() {
        for list in [&b"\x78\x9c"[..], b"", &deflated("[]", 6), &deflated(&LIST[..100], 6), &deflated(LIST, 6)[..60]] {
            assert_eq!(watched(&elf(list, ".dep-v0"), 100), (vec![], 1), "{list:?}");
            assert_eq!(watched(&pe(list), 100), (vec![], 1), "{list:?}");
        }
        let bomb = deflated(&format!("{{\"packages\":[{}", " ".repeat(100 << 20)), 9);
        assert_eq!(watched(&pe(&bomb), 1000), (vec![], 1));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            kind in 0_usize..3,
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..16),
            size in 1_usize..700,
            end in any::<prop::sample::Index>(),
        ) {
            let list = deflated(LIST, 6);
            let mut file = [elf(&list, ".dep-v0"), pe(&list), mach_o(&list)].into_iter().nth(kind).unwrap();
            for (index, byte) in flips {
                let at = index.index(file.len());
                file[at] = byte;
            }
            file.truncate(end.index(file.len()) + 1);
            watched(&file, size);
        }
    }
}
