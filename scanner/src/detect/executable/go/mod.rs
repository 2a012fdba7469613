//! Go programs: the modules and the Go release they were built from.
//!
//! Since Go 1.18 both stand behind a magic number, found as the file passes. Go 1.13 to 1.17 keep pointers there; the list of modules
//! is then found by the marks around it, and the release by [`pointers`], without the whole file either. Go 1.11 and
//! 1.12 have the list alone. What `go version -m` prints is what is found, but for the main module: one without a version is
//! named only where the version given to the linker is known (see [`main_module`]).

mod build_info;
mod main_module;
mod modules;
mod pointers;

use memchr::memmem::Finder;

use self::build_info::{BuildInfo, Header, MAGIC};
use self::pointers::Pointers;
use super::format::{Program, Segment};
use super::stream::{Capture, Seam};
use crate::content::Buffers;
use crate::detect::{FactList, FileHead, Watch, Watcher};

/// Marks before and behind the list of modules, after Go's cmd/go/internal/modload.
const MODULES_START: [u8; 16] = *b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6";
const MODULES_END: [u8; 16] = *b"\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2";

/// Longest list of modules kept; Kubernetes' largest has 40 KiB.
const MAX_MODULES: usize = 1 << 20;
/// Most places looked at in one file: a program that holds other programs has several, and one of its own.
const MAX_PLACES: usize = 4;
/// Longest of what is looked for, short of one byte.
const OVERLAP: usize = 64;

/// Watches for Go programs.
pub(crate) struct GoPrograms {
    magic: Finder<'static>,
    modules: Finder<'static>,
}

impl GoPrograms {
    pub(crate) fn new() -> Self {
        Self { magic: Finder::new(MAGIC), modules: Finder::new(&MODULES_START).into_owned() }
    }
}

impl Watcher for GoPrograms {
    fn name(&self) -> &'static str {
        "go-program"
    }

    fn version(&self) -> u32 {
        2
    }

    fn watch(&self, file: &FileHead<'_>, _buffers: &Buffers, _facts: &mut FactList) -> Option<Box<dyn Watch>> {
        let program = Program::read(file.head)?;
        let segments = program.segments().to_vec();
        let pointers = pointers::is_go(file.head).then(|| Pointers::new(&segments));
        Some(Box::new(GoWatch {
            path: file.path.to_owned(),
            magic: self.magic.clone(),
            start: self.modules.clone(),
            seam: Seam::new(OVERLAP),
            segments,
            builds: Vec::new(),
            modules: Vec::new(),
            pointers,
            crowded: false,
        }))
    }
}

struct GoWatch {
    path: String,
    magic: Finder<'static>,
    start: Finder<'static>,
    seam: Seam,
    segments: Vec<Segment>,
    /// From each magic number on.
    builds: Vec<Capture>,
    /// From each mark before a list of modules on.
    modules: Vec<Capture>,
    /// For the old format; gone once the new one is seen.
    pointers: Option<Pointers>,
    /// Whether there were more places than are looked at.
    crowded: bool,
}

impl Watch for GoWatch {
    fn feed(&mut self, piece: &[u8]) {
        let Self { magic, start, seam, builds, modules, pointers, crowded, .. } = self;
        seam.feed(piece, |bytes, at| {
            if let Some(pointers) = pointers {
                pointers.feed(bytes, at);
            }
            // The linker aligns it to 16 bytes; a program that reads it holds it unaligned.
            let aligned = magic.find_iter(bytes).filter(|found| (at + *found as u64).is_multiple_of(16));
            *crowded |= capture(builds, aligned, bytes, at);
            *crowded |= capture(modules, start.find_iter(bytes), bytes, at);
        });
        if builds.iter().any(|build| Header::read(build.bytes()).is_some_and(|header| header.inline())) {
            *pointers = None;
        }
    }

    fn finish(self: Box<Self>, facts: &mut FactList) {
        let builds = self.builds.iter().filter_map(|build| Some((build, Header::read(build.bytes())?)));
        // A program inside this one lies in its constants, its own build info where the linker may write.
        let own =
            |build: &Capture| self.segments.iter().any(|segment| segment.writable && segment.holds(build.start()));
        let build = builds.clone().find(|(build, _)| own(build)).or_else(|| builds.clone().next());
        match build {
            Some((build, header)) if header.inline() => self.inline(build, facts),
            Some((_, header)) => self.old(&header, facts),
            None => match self.modules.iter().find(|modules| is_list(modules)) {
                Some(modules) => self.found(&BuildInfo { version: None, modules: marked(modules) }, facts),
                None if self.crowded => {
                    facts.malformed(&self.path, "more places look like Go's build info than are read")
                }
                None => {}
            },
        }
    }
}

/// Captures from each new place on, and feeds those that run; whether there were too many.
fn capture(captures: &mut Vec<Capture>, places: impl Iterator<Item = usize>, bytes: &[u8], at: u64) -> bool {
    captures.iter_mut().for_each(|capture| capture.feed(bytes, at));
    for found in places {
        let place = at + found as u64;
        if captures.iter().any(|capture| capture.start() == place) {
            continue;
        }
        if captures.len() == MAX_PLACES {
            return true;
        }
        let mut capture = Capture::new(place, MAX_MODULES);
        capture.feed(&bytes[found..], place);
        captures.push(capture);
    }
    false
}

/// Whether a mark has a list behind it: a program that looks for such lists, weir among them, holds the marks alone.
fn is_list(capture: &Capture) -> bool {
    capture.bytes().get(MODULES_START.len()..).is_some_and(|list| list.starts_with(b"path\t"))
}

/// The list of modules between its marks.
fn marked(capture: &Capture) -> Option<&[u8]> {
    let list = capture.bytes().get(MODULES_START.len()..)?;
    memchr::memmem::find(list, &MODULES_END).map(|end| &list[..end])
}

impl GoWatch {
    fn inline(&self, build: &Capture, facts: &mut FactList) {
        match BuildInfo::inline(build.bytes()) {
            Some(info) => self.found(&info, facts),
            None => facts.malformed(&self.path, "Go's build info ends early or is too long"),
        }
    }

    fn old(&self, header: &Header, facts: &mut FactList) {
        let resolved = self.pointers.as_ref().map(|pointers| pointers.resolve(header)).unwrap_or_default();
        let modules = match resolved.modules {
            Some(place) => self.modules.iter().find(|modules| modules.start() == place),
            None => self.modules.first(),
        };
        self.found(&BuildInfo { version: resolved.version, modules: modules.and_then(marked) }, facts);
        if modules.is_some_and(|modules| marked(modules).is_none()) {
            facts.malformed(&self.path, "the list of Go modules ends early or is too long");
        }
    }

    fn found(&self, info: &BuildInfo<'_>, facts: &mut FactList) {
        match info.version.and_then(build_info::release) {
            Some(release) => modules::library(&release, facts),
            None => facts.unread(&self.path, "the Go release that built the program could not be read"),
        }
        if let Some(list) = info.modules {
            modules::list(list, facts);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layer::Fact;

    const LIST: &str = "path\ta.b/c\nmod\ta.b/c\t(devel)\t\ndep\tx.y/z\tv1.2.3\th1:a\n=>\tx.y/w\tv1.2.4\th1:b\n\
                        dep\tx.y/local\tv1.0.0\n=>\t./local\t(devel)\t\ndep\tx.y/last\tv0.1.0\th1:c\n\
                        build\t-ldflags=\"-s -X main.version=1.0.1\"\n";

    /// What is found in a file that comes in pieces of `size` bytes: packages, and how often something was not read.
    fn watched(bytes: &[u8], size: usize) -> (Vec<String>, usize) {
        let mut facts = FactList::new(1 << 20);
        let file =
            FileHead { path: "app", mode: 0o755, size: bytes.len() as u64, head: &bytes[..bytes.len().min(4096)] };
        let Some(mut watch) = GoPrograms::new().watch(&file, &Buffers::default(), &mut facts) else {
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

    /// An ELF file's head with loaded segments: offset, length and whether it may be written; mapped at 0x1000 and their offset.
    fn elf(segments: &[(u64, u64, bool)]) -> Vec<u8> {
        let mut head = [&b"\x7fELF\x02\x01\x01"[..], &[0; 25], &[64, 0, 0, 0, 0, 0, 0, 0], &[0; 14]].concat();
        head.extend([56, 0, u8::try_from(segments.len()).unwrap(), 0, 64, 0, 0, 0]);
        head.resize(64, 0);
        for (offset, length, writable) in segments {
            head.extend([1, 0, 0, 0, if *writable { 6 } else { 4 }, 0, 0, 0]);
            head.extend([*offset, 0x1000 + offset, 0, *length, 0, 0].iter().flat_map(|word| word.to_le_bytes()));
        }
        head
    }

    fn marked_list() -> Vec<u8> {
        [&MODULES_START[..], LIST.as_bytes(), &MODULES_END].concat()
    }

    fn inline(release: &str, list: &[u8]) -> Vec<u8> {
        let string = |text: &[u8]| {
            let (low, high) = (text.len() as u8 & 0x7f | 0x80, (text.len() >> 7) as u8);
            [&[low, high], text].concat()
        };
        [&MAGIC[..], &[8, 2], &[0; 16], &string(release.as_bytes()), &string(list)].concat()
    }

    fn placed(mut file: Vec<u8>, parts: &[(usize, &[u8])]) -> Vec<u8> {
        for (offset, part) in parts {
            file.resize(file.len().max(offset + part.len()), 0);
            file[*offset..offset + part.len()].copy_from_slice(part);
        }
        file
    }

    fn old() -> Vec<u8> {
        let list = marked_list();
        let words = |words: &[u64]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
        let info = [&MAGIC[..], &[8, 0], &words(&[0x1820, 0x1830])].concat();
        let strings = words(&[0x1000 + 0x200, 8, 0x1000 + 0x300, list.len() as u64]);
        let head = [&elf(&[(0, 0x800, false), (0x800, 0x100, true)])[..], b"\x04\0\0\0Go\0\0"].concat();
        placed(
            head,
            &[(0x200, b"go1.16.3 and go1.17 more"), (0x300, &list), (0x800, &info), (0x820, &strings), (0x8ff, &[0])],
        )
    }

    const FOUND: [&str; 3] = ["x.y/w v1.2.4", "x.y/last v0.1.0", "a.b/c 1.0.1"];

    #[test]
    fn modules_stand_behind_the_magic_number() {
        let info = inline("go1.21.5 X:boringcrypto", &marked_list());
        let unaligned = [&MAGIC[..], b"x"].concat();
        let file = placed(elf(&[(0x400, 0x800, true)]), &[(0x201, &unaligned), (0x400, &info), (0xfff, &[0])]);
        for size in [1, 7, 64, 1000, file.len()] {
            let (found, unread) = watched(&file, size);
            assert_eq!(
                (&found[0][..], &found[1..], unread),
                ("stdlib 1.21.5", &FOUND.map(str::to_owned)[..], 0),
                "{size}"
            );
        }
    }

    #[test]
    fn a_program_within_a_program_is_not_the_program() {
        let (own, other) = (inline("go1.21.5", b""), inline("go1.2.3", b""));
        let file = placed(elf(&[(0x400, 0x100, true)]), &[(0x200, &other), (0x400, &own)]);
        assert_eq!(watched(&file, 100), (vec!["stdlib 1.21.5".to_owned()], 0));
    }

    #[test]
    fn the_old_format_points_to_its_strings() {
        let file = old();
        for size in [1, 13, 300, file.len()] {
            let (found, unread) = watched(&file, size);
            assert_eq!(
                (&found[0][..], &found[1..], unread),
                ("stdlib 1.16.3", &FOUND.map(str::to_owned)[..], 0),
                "{size}"
            );
        }
        // Its maker does not show: the modules are found all the same, the release is said to be missing.
        let mut hidden = old();
        let note = memchr::memmem::find(&hidden, b"\x04\0\0\0Go").unwrap();
        hidden[note + 4] = b'X';
        assert_eq!(watched(&hidden, 100), (FOUND.map(str::to_owned).to_vec(), 1));
    }

    #[test]
    fn a_program_that_looks_for_lists_is_no_go_program() {
        let alone = [&MODULES_START[..], &MODULES_END].concat();
        assert_eq!(watched(&placed(elf(&[]), &[(0x200, &alone)]), 100), (vec![], 0));
        // One that holds them and has a list as well is found by its list.
        let both = placed(elf(&[]), &[(0x200, &alone), (0x300, &marked_list())]);
        assert_eq!(watched(&both, 100), (FOUND.map(str::to_owned).to_vec(), 1));
    }

    #[test]
    fn lists_that_end_early_are_said() {
        let file = placed(elf(&[]), &[(0x200, &inline("go1.21.5", &marked_list()))]);
        assert_eq!(watched(&file[..file.len() - 1], 100), (vec![], 1));
        assert_eq!(watched(&file[..0x230], 100), (vec![], 1));
        assert_eq!(watched(b"\xff Go buildinf: is no program", 100), (vec![], 0));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            new in any::<bool>(),
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..16),
            size in 1_usize..700,
            end in any::<prop::sample::Index>(),
        ) {
            let info = inline("go1.21.5", &marked_list());
            let mut file = if new { placed(elf(&[(0x400, 0x800, true)]), &[(0x400, &info)]) } else { old() };
            for (index, byte) in flips {
                let at = index.index(file.len());
                file[at] = byte;
            }
            file.truncate(end.index(file.len()) + 1);
            watched(&file, size);
        }
    }
}
