//! One pass over a layer's tar stream.
//!
//! Owns what each entry means: its place, its links, its whiteouts, and whether a detector wants its bytes. At most one file
//! of interest is held at a time, besides those few that wait for a companion. A broken archive or a limit ends the walk with what was read so far, and
//! the rest of the stream is read for its digest.

use std::io::{self, BufRead};

use super::archive::{Archive, ArchiveError, Entry, EntryKind};
use super::collect::{Collector, Held};
use super::path::{EntryName, entry_name, text};
use super::{Fact, LayerLimits, PathKind, Reason, ReasonCode, clean};
use crate::content::{Buffers, Content, Spool};
use crate::detect::{Detector, DetectorSet, FactList, FileHead, HEAD_BYTES, Want};

/// A buffer that grew past this for one file is given back after it.
const KEPT_BUFFER: usize = 8 << 20;

/// Walks `reader` to its end. `Err` is a read that failed; what was seen until then is in `collector` all the same.
/// Returns how many entries were read.
pub(crate) fn walk<R: BufRead>(
    reader: R,
    detectors: &DetectorSet,
    limits: &LayerLimits,
    buffers: &Buffers,
    collector: &mut Collector,
) -> (u64, io::Result<()>) {
    let archive = Archive::new(reader, *limits);
    let (head, text) = (Vec::with_capacity(HEAD_BYTES), Vec::new());
    let mut walk = Walk { archive, detectors, limits, buffers, collector, head, text, entries: 0 };
    let ended = walk.entries();
    walk.companions();
    let outcome = match ended {
        Ok(()) => Ok(()),
        Err(ArchiveError::Read(error)) => return (walk.entries, Err(error)),
        Err(broken) => {
            walk.collector.reason(Reason::new(ReasonCode::ArchiveBroken, broken.to_string()));
            Ok(())
        }
    };
    (walk.entries, outcome.and_then(|()| walk.archive.drain()))
}

struct Walk<'a, R> {
    archive: Archive<R>,
    detectors: &'a DetectorSet,
    limits: &'a LayerLimits,
    buffers: &'a Buffers,
    collector: &'a mut Collector,
    head: Vec<u8>,
    /// For files wanted whole in memory, used again and again.
    text: Vec<u8>,
    entries: u64,
}

impl<R: BufRead> Walk<'_, R> {
    fn entries(&mut self) -> Result<(), ArchiveError> {
        while let Some(entry) = self.archive.next()? {
            if self.entries == self.limits.max_entries {
                let detail = format!("the layer has more than {} entries", self.limits.max_entries);
                self.collector.reason(Reason::new(ReasonCode::TooManyEntries, detail));
                return Ok(());
            }
            self.entries += 1;
            self.entry(entry)?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: Entry) -> Result<(), ArchiveError> {
        if entry.name.len() > self.limits.max_path_bytes || entry.link.len() > self.limits.max_path_bytes {
            self.bad_path(&entry.name, "a path is over the length limit");
            return Ok(());
        }
        if entry.kind == EntryKind::Other {
            return Ok(());
        }
        match entry_name(&entry.name) {
            None => self.bad_path(&entry.name, "a path leaves the root"),
            Some(EntryName::Bookkeeping) => {}
            Some(EntryName::Whiteout(hidden)) => self.collector.path(&hidden, PathKind::Whiteout),
            Some(EntryName::Opaque(directory)) => self.collector.path(&directory, PathKind::Opaque),
            Some(EntryName::Path(path)) => return self.content(path, &entry),
        }
        Ok(())
    }

    fn content(&mut self, path: String, entry: &Entry) -> Result<(), ArchiveError> {
        match entry.kind {
            EntryKind::File => {
                self.collector.path(&path, PathKind::File);
                self.file(path, entry)?;
            }
            EntryKind::Directory => {
                self.collector.path(&path, PathKind::Directory);
                if let Some(fact) = self.detectors.of_directory(&path) {
                    let mut facts = FactList::new(self.collector.budget());
                    facts.push(fact);
                    self.collector.facts(path, facts);
                }
            }
            EntryKind::Symlink => {
                self.collector.path(&path, PathKind::Symlink);
                self.collector.symlink(path, text(&entry.link));
            }
            EntryKind::Hardlink => match clean(&text(&entry.link)) {
                // A link to itself changes nothing on disk.
                Some(target) if target == path => {}
                Some(target) => {
                    self.collector.path(&path, PathKind::Hardlink);
                    self.hardlink(path, target);
                }
                None => self.bad_path(&entry.name, "a hard link's target leaves the root"),
            },
            EntryKind::Device | EntryKind::Other => self.collector.path(&path, PathKind::File),
        }
        Ok(())
    }

    /// A link will have its target's facts where the same detector reads both: what another one found says nothing of the link's path.
    fn hardlink(&mut self, path: String, target: String) {
        let reader = |path: &str| self.detectors.wanting(path).map(|(detector, _)| detector.name());
        match (reader(&path), reader(&target)) {
            (wanting, known) if wanting == known => self.collector.hardlink(path, target, wanting.is_some()),
            (Some(_), _) => self.collector.unread_link(path, &target),
            (None, _) => {}
        }
    }

    /// Hands a file to the detector its path is of interest to, and to whoever watches it pass; other data is skipped
    /// by the archive.
    fn file(&mut self, path: String, entry: &Entry) -> Result<(), ArchiveError> {
        let mut facts = FactList::new(self.collector.budget());
        let wanting = self.detectors.wanting(&path);
        if entry.size == 0 || entry.sparse {
            match wanting {
                None => return Ok(()),
                Some(_) if entry.sparse && entry.size > 0 => {
                    facts.unread(&path, "the file is stored as a sparse file");
                }
                Some((detector, _)) => detector.detect(&path, &[], &mut facts),
            }
            self.collector.facts(path, facts);
            return Ok(());
        }
        self.head.clear();
        let head = &mut self.head;
        self.archive.data(HEAD_BYTES as u64, |piece| head.extend_from_slice(piece))?;
        let file = FileHead { path: &path, mode: entry.mode, size: entry.size, head: &self.head };
        let watching = self.detectors.watchers().iter();
        let mut watches: Vec<_> =
            watching.filter_map(|watcher| watcher.watch(&file, self.buffers, &mut facts)).collect();
        let mut sink = match wanting {
            None => Sink::Nothing,
            Some((detector, want)) => match self.over_limit(want, entry.size) {
                Some(detail) => {
                    facts.push(Fact::Unread(Reason::at(ReasonCode::FileTooLarge, &path, detail)));
                    Sink::Nothing
                }
                None => Sink::new(detector, want, self.buffers, std::mem::take(&mut self.text)),
            },
        };
        for watch in &mut watches {
            watch.feed(&self.head);
        }
        sink.append(&self.head);
        if !watches.is_empty() || !matches!(sink, Sink::Nothing) {
            self.archive.data(u64::MAX, |piece| {
                watches.iter_mut().for_each(|watch| watch.feed(piece));
                sink.append(piece);
            })?;
        }
        for watch in watches {
            watch.finish(&mut facts);
        }
        let others = facts.facts().len();
        let (text, content) = sink.finish(&path, &mut facts);
        self.text = text;
        let waits = wanting.is_some_and(|(detector, _)| detector.companion(&path).is_some());
        if let Some(content) = content.filter(|_| waits) {
            self.collector.hold(&path, Held { content, others });
        }
        // A file somebody wanted by its path stays known where it held nothing; any other only for what was found.
        if wanting.is_some() || !facts.is_empty() {
            self.collector.facts(path, facts);
        }
        Ok(())
    }

    /// Has each file examined beside its companion that the layer has both of.
    fn companions(&mut self) {
        let held = self.collector.take_held();
        for (path, file) in &held {
            let Some((detector, _)) = self.detectors.wanting(path) else { continue };
            let companion = detector.companion(path).and_then(|path| held.get(&path));
            let Some(companion) = companion else { continue };
            let mut facts = FactList::new(self.collector.budget());
            let examined = detector.examine_beside(path, &file.content, &companion.content, &mut facts);
            note_failure(examined, path, &mut facts);
            self.collector.refine(path.clone(), file.others, facts);
        }
    }

    fn over_limit(&self, want: Want, size: u64) -> Option<String> {
        let limit = match want {
            Want::Bytes => self.limits.max_text_bytes.min(self.limits.max_file_bytes),
            Want::Content => self.limits.max_file_bytes,
        };
        (size > limit).then(|| format!("the file has {size} bytes, over the limit of {limit}"))
    }

    fn bad_path(&mut self, name: &[u8], detail: &str) {
        let shown = text(&name[..name.len().min(200)]);
        self.collector.reason(Reason::at(ReasonCode::BadPath, &shown, detail));
    }
}

/// Where the bytes of a file go that a detector wants.
enum Sink<'a> {
    Nothing,
    Bytes(&'a dyn Detector, Vec<u8>),
    Content(&'a dyn Detector, Spool, io::Result<()>),
}

impl<'a> Sink<'a> {
    fn new(detector: &'a dyn Detector, want: Want, buffers: &Buffers, mut text: Vec<u8>) -> Self {
        text.clear();
        match want {
            Want::Bytes => Self::Bytes(detector, text),
            Want::Content => Self::Content(detector, Spool::new(buffers), Ok(())),
        }
    }

    fn append(&mut self, piece: &[u8]) {
        match self {
            Self::Nothing => {}
            Self::Bytes(_, bytes) => bytes.extend_from_slice(piece),
            Self::Content(_, spool, outcome) => {
                if outcome.is_ok() {
                    *outcome = spool.append(piece);
                }
            }
        }
    }

    /// Hands the whole file to its detector; returns a buffer for the next one, and the content where it was kept whole.
    fn finish(self, path: &str, facts: &mut FactList) -> (Vec<u8>, Option<Content>) {
        match self {
            Self::Nothing => (Vec::new(), None),
            Self::Bytes(detector, bytes) => {
                detector.detect(path, &bytes, facts);
                (if bytes.capacity() > KEPT_BUFFER { Vec::new() } else { bytes }, None)
            }
            Self::Content(detector, spool, outcome) => {
                let content = outcome.map(|()| spool.finish());
                let content = note_failure(content, path, facts);
                if let Some(content) = &content {
                    note_failure(detector.examine(path, content, facts), path, facts);
                }
                (Vec::new(), content)
            }
        }
    }
}

/// What came of reading a file; an error is a fact about it.
fn note_failure<T>(outcome: io::Result<T>, path: &str, facts: &mut FactList) -> Option<T> {
    match outcome {
        Ok(value) => return Some(value),
        // A place past the end that the file itself names.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => facts.malformed(path, "the file ends early"),
        Err(error) => {
            let detail = format!("the file could not be kept while it was read: {error}");
            facts.push(Fact::Unread(Reason::at(ReasonCode::ScannerFailed, path, detail)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use tar::EntryType;

    use super::*;
    use crate::fixture::LayerBuilder;
    use crate::layer::{LayerInventory, PathHash};
    use crate::oci::Digest;

    fn walk_with(tar: &[u8], limits: &LayerLimits) -> LayerInventory {
        let mut collector = Collector::new(limits.max_kept_bytes);
        let (_, read) = walk(tar, &DetectorSet::standard(), limits, &Buffers::default(), &mut collector);
        read.unwrap();
        collector.finish(Digest::of(tar), tar.len() as u64)
    }

    fn walked(layer: &LayerBuilder) -> LayerInventory {
        walk_with(&layer.tar(), &LayerLimits::default())
    }

    fn codes(inventory: &LayerInventory) -> Vec<ReasonCode> {
        inventory.reasons.iter().map(|reason| reason.code).collect()
    }

    fn kinds(inventory: &LayerInventory, path: &str) -> Vec<PathKind> {
        inventory.paths.iter().filter(|(hash, _)| *hash == PathHash::of(path)).map(|(_, kind)| *kind).collect()
    }

    fn unread(inventory: &LayerInventory, path: &str) -> Option<ReasonCode> {
        inventory.facts[path]
            .iter()
            .find_map(|fact| if let Fact::Unread(reason) = fact { Some(reason.code) } else { None })
    }

    const STATUS: &str = "Package: a\nVersion: 1\n";

    /// A header for `size` bytes of which none follow, its size field written by `set`.
    fn header(kind: u8, set: impl FnOnce(&mut tar::Header)) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..19].copy_from_slice(b"var/lib/dpkg/status");
        header.as_old_mut().linkflag[0] = kind;
        set(&mut header);
        header.set_cksum();
        header.as_bytes().to_vec()
    }

    fn pax(records: &[(&str, &str)]) -> Vec<u8> {
        let record = |(key, value): &(&str, &str)| {
            let body = key.len() + value.len() + 3;
            let length = (body..).find(|length| body + length.to_string().len() == *length).unwrap();
            format!("{length} {key}={value}\n")
        };
        records.iter().map(record).collect::<String>().into_bytes()
    }

    #[test]
    fn every_kind_of_path_is_noted() {
        let inventory = walked(
            &LayerBuilder::new()
                .dir("./etc/")
                .file("/etc/a", "x")
                .symlink("lib", "usr/lib")
                .hardlink("b", "etc/a")
                .whiteout("etc/gone")
                .opaque("opt")
                .entry("dev/null", EntryType::Char, "", b"")
                .entry("pax_global_header", EntryType::XGlobalHeader, "", b"11 path=zz\n"),
        );
        for (path, kind) in [
            ("etc", PathKind::Directory),
            ("etc/a", PathKind::File),
            ("lib", PathKind::Symlink),
            ("b", PathKind::Hardlink),
            ("etc/gone", PathKind::Whiteout),
            ("opt", PathKind::Opaque),
            ("dev/null", PathKind::File),
        ] {
            assert_eq!(kinds(&inventory, path), [kind], "{path}");
        }
        assert_eq!(inventory.paths.len(), 7);
        assert_eq!(inventory.symlinks["lib"], "usr/lib");
        assert!(inventory.hardlinks.is_empty(), "nobody asks about b");
    }

    #[test]
    fn names_and_sizes_come_from_extensions() {
        let long = format!("{}/node_modules/a/package.json", "d".repeat(120));
        let manifest = br#"{"name":"a","version":"1"}"#;
        assert!(walked(&LayerBuilder::new().file(&long, manifest)).facts.contains_key(&long));
        let records = pax(&[("path", &long), ("size", "26"), ("comment", "two\nlines")]);
        let layer = LayerBuilder::new().entry("x", EntryType::XHeader, "", &records);
        let mut tar = layer.tar();
        tar.truncate(tar.len() - 1024);
        // The size in the header is wrong; the record's counts.
        tar.extend(header(b'0', |header| header.set_size(0)));
        tar.extend_from_slice(manifest);
        tar.resize(tar.len().next_multiple_of(512) + 1024, 0);
        let inventory = walk_with(&tar, &LayerLimits::default());
        assert_eq!(inventory.facts[&long].len(), 1, "{inventory:?}");
        assert!(inventory.is_complete());
    }

    #[test]
    fn entries_keep_their_order_and_paths_what_they_held_last() {
        let layer = LayerBuilder::new().file("var/lib/dpkg/status", STATUS);
        assert!(walked(&layer.clone().symlink("var/lib/dpkg/status", "/x")).facts.is_empty());
        // What a file does to those below its path is composition's to say: the directory may have been a link.
        assert_eq!(walked(&layer.clone().file("var/lib", "x")).facts.len(), 1);
        let emptied = walked(&layer.clone().file("var/lib/dpkg/status", ""));
        assert_eq!(emptied.facts["var/lib/dpkg/status"], []);
        assert_eq!(
            kinds(&walked(&layer.clone().whiteout("a").file("a", "").dir("a").opaque("a")), "a"),
            [PathKind::Whiteout, PathKind::File, PathKind::Directory, PathKind::Opaque]
        );
    }

    #[test]
    fn a_directory_may_be_a_fact_by_its_place() {
        let store = "nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-bash-5.2";
        let layer = LayerBuilder::new().dir(store).file(&format!("{store}/bin/bash"), "x");
        assert_eq!(walked(&layer).facts[store].len(), 1);
        assert_eq!(walked(&layer.clone().dir(store)).facts[store].len(), 1);
        assert!(walked(&layer.file(store, "")).facts.is_empty());
    }

    #[test]
    fn hard_links_wait_for_what_their_targets_hold() {
        let inventory = walked(
            &LayerBuilder::new()
                .file("a/package.json", r#"{"name":"a","version":"1"}"#)
                .hardlink("b/package.json", "a/package.json")
                .hardlink("c/package.json", "below/package.json")
                .hardlink("d/package.json", "store/1")
                .hardlink("e", "store/1")
                .hardlink("f", "a/package.json"),
        );
        let waiting =
            [("b/package.json", "a/package.json"), ("c/package.json", "below/package.json"), ("e", "store/1")];
        let waiting = waiting.map(|(path, target)| (path.to_owned(), target.to_owned()));
        assert_eq!(inventory.hardlinks, BTreeMap::from(waiting));
        assert!(!inventory.facts.contains_key("b/package.json"), "its target's are there");
        // Until its target is found, and where another reader had it, a file somebody asks for is unread.
        for path in ["c/package.json", "d/package.json"] {
            assert_eq!(unread(&inventory, path), Some(ReasonCode::UnreadDatabase), "{path}");
        }
        assert!(!inventory.facts.contains_key("f"), "nobody reads f");
    }

    #[test]
    fn what_cannot_be_read_is_noted_and_not_buffered() {
        let limits = LayerLimits { max_file_bytes: 10, ..LayerLimits::default() };
        let layer = LayerBuilder::new()
            .file("app.jar", "PK")
            .file("empty.jar", "")
            .file("var/lib/rpm/Packages", "x")
            .file("var/lib/dpkg/status", STATUS)
            .entry("lib/apk/db/installed", EntryType::GNUSparse, "", b"P:a\nV:1\n\n");
        let inventory = walk_with(&layer.tar(), &limits);
        assert_eq!(unread(&inventory, "app.jar"), Some(ReasonCode::MalformedDatabase));
        assert_eq!(unread(&inventory, "empty.jar"), None);
        assert_eq!(unread(&inventory, "var/lib/rpm/Packages"), Some(ReasonCode::MalformedDatabase));
        assert_eq!(unread(&inventory, "var/lib/dpkg/status"), Some(ReasonCode::FileTooLarge));
        assert_eq!(unread(&inventory, "lib/apk/db/installed"), Some(ReasonCode::UnreadDatabase));
        assert!(inventory.is_complete(), "only visible files make an image partial");
    }

    #[test]
    fn paths_that_leave_the_root_or_are_too_long_are_reasons() {
        let long = "x".repeat(5000);
        for layer in [
            LayerBuilder::new().file("../etc/os-release", "ID=a"),
            LayerBuilder::new().file(&long, ""),
            LayerBuilder::new().symlink("a", &long),
            LayerBuilder::new().hardlink("a", "../../b"),
            LayerBuilder::new().whiteout("a/.."),
        ] {
            let inventory = walked(&layer.file("etc/debian_version", "12"));
            assert_eq!(codes(&inventory), [ReasonCode::BadPath]);
            assert_eq!(inventory.facts.len(), 1, "the rest is read");
        }
    }

    #[test]
    fn counts_and_kept_bytes_are_limited() {
        let layer = (0..50).fold(LayerBuilder::new(), |layer, n| layer.symlink(&format!("link{n}"), &"t".repeat(90)));
        let entries = walk_with(&layer.tar(), &LayerLimits { max_entries: 20, ..LayerLimits::default() });
        assert_eq!((entries.paths.len(), codes(&entries)), (20, vec![ReasonCode::TooManyEntries]));
        let kept = walk_with(&layer.tar(), &LayerLimits { max_kept_bytes: 1500, ..LayerLimits::default() });
        assert!(kept.symlinks.len() < 15);
        assert_eq!((kept.paths.len(), codes(&kept)), (50, vec![ReasonCode::TooManyEntries]));
        let status = LayerBuilder::new().file("var/lib/dpkg/status", format!("{STATUS}\n{STATUS}\n{STATUS}"));
        let facts = walk_with(&status.tar(), &LayerLimits { max_kept_bytes: 400, ..LayerLimits::default() });
        assert!(facts.facts.values().map(Vec::len).sum::<usize>() < 3);
        assert_eq!(codes(&facts), [ReasonCode::TooManyEntries]);
    }

    #[test]
    fn lying_sizes_end_the_walk_without_being_believed() {
        let octal = |text: &'static [u8; 12]| move |header: &mut tar::Header| header.as_old_mut().size = *text;
        let huge = [0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        let negative = [0xff; 12];
        for tar in [
            header(b'0', octal(b"00001000000\0")),
            header(b'0', |header| header.as_old_mut().size = huge),
            header(b'0', |header| header.as_old_mut().size = negative),
            header(b'0', octal(b"banana      ")),
            header(b'x', octal(b"77777777777\0")),
            header(b'L', octal(b"77777777777\0")),
            header(b'x', octal(b"00000001000\0")),
            header(b'S', |header| {
                header.set_size(0);
                header.as_mut_bytes()[482] = 1;
            }),
        ] {
            let inventory = walk_with(
                &[&tar[..], &[0; 100]].concat(),
                &LayerLimits { max_file_bytes: u64::MAX, ..LayerLimits::default() },
            );
            assert_eq!(codes(&inventory), [ReasonCode::ArchiveBroken]);
            assert!(inventory.facts.is_empty());
        }
        let over = LayerBuilder::new().entry("x", EntryType::XHeader, "", &vec![b' '; (1 << 20) + 1]);
        assert_eq!(codes(&walked(&over)), [ReasonCode::ArchiveBroken]);
        for records in
            ["1", "5 a=b\n", "9999 a=b\n", "0 a=b\n", "-1 a=b\n", "12 size=12a\n", "99999999999999999999 a=b\n"]
        {
            let broken = LayerBuilder::new().entry("x", EntryType::XHeader, "", records.as_bytes());
            assert_eq!(codes(&walked(&broken)), [ReasonCode::ArchiveBroken], "{records}");
        }
    }

    #[test]
    fn a_base_256_size_is_read() {
        let tar = header(b'0', |header| {
            header.as_old_mut().size = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, STATUS.len() as u8];
        });
        let tar = [&tar[..], STATUS.as_bytes(), &vec![0; 512 - STATUS.len()][..]].concat();
        assert_eq!(walk_with(&tar, &LayerLimits::default()).facts["var/lib/dpkg/status"].len(), 1);
    }

    #[test]
    fn an_archive_cut_anywhere_keeps_what_came_before() {
        let layer = LayerBuilder::new()
            .file("etc/debian_version", "12")
            .file(&"n".repeat(150), "x")
            .file("var/lib/dpkg/status", STATUS);
        let tar = layer.tar();
        for end in 0..tar.len() - 1024 {
            let inventory = walk_with(&tar[..end], &LayerLimits::default());
            // Between entries an end without its mark is no damage; Go and GNU tar agree.
            let between = [0, 1024, 3072].contains(&end);
            assert_eq!(inventory.is_complete(), between, "{end} {:?}", inventory.reasons);
            assert_eq!(inventory.facts.contains_key("etc/debian_version"), end >= 514, "{end}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_walk_panic(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
            fix in any::<bool>(),
        ) {
            let mut tar = LayerBuilder::new()
                .file("etc/os-release", "ID=a")
                .entry("x", EntryType::XHeader, "", b"12 path=abc\n")
                .file("y", "z")
                .symlink("lib", "usr/lib")
                .hardlink("a/package.json", "b/package.json")
                .entry("s", EntryType::GNUSparse, "", b"sparse")
                .tar();
            for (index, byte) in flips {
                let at = index.index(tar.len());
                tar[at] = byte;
            }
            if fix {
                for block in tar.chunks_exact_mut(512) {
                    let mut header = tar::Header::from_byte_slice(block).clone();
                    header.set_cksum();
                    block.copy_from_slice(header.as_bytes());
                }
            }
            walk_with(&tar, &LayerLimits::default());
        }
    }
}
