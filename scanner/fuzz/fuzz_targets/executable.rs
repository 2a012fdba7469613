//! Programs: any bytes, in pieces of any length, are watched without a panic and say the same as in one piece.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use weir_scanner::content::Buffers;
use weir_scanner::detect::{DetectorSet, FactList, FileHead, HEAD_BYTES};
use weir_scanner::layer::Fact;

static BUFFERS: LazyLock<Buffers> = LazyLock::new(Buffers::default);
static DETECTORS: LazyLock<DetectorSet> = LazyLock::new(DetectorSet::standard);

/// The first byte picks a name, the second the pieces' length.
const PATHS: [&str; 4] = ["usr/bin/python3.11", "usr/sbin/nginx", "app/Program.dll", "usr/local/go/VERSION"];

fuzz_target!(|bytes: &[u8]| {
    let [path, piece, bytes @ ..] = bytes else { return };
    if bytes.is_empty() {
        return;
    }
    let path = PATHS[usize::from(*path) % PATHS.len()];
    let whole = watched(path, bytes, bytes.len());
    let pieces = watched(path, bytes, usize::from(*piece) + 1);
    assert_eq!(whole, pieces, "pieces of {} bytes say something else", usize::from(*piece) + 1);
});

fn watched(path: &str, bytes: &[u8], piece: usize) -> Vec<Fact> {
    let mut facts = FactList::new(1 << 20);
    let (head, rest) = bytes.split_at(bytes.len().min(HEAD_BYTES));
    let file = FileHead { path, mode: 0o755, size: bytes.len() as u64, head };
    for watcher in DETECTORS.watchers() {
        let Some(mut watch) = watcher.watch(&file, &BUFFERS, &mut facts) else { continue };
        watch.feed(head);
        rest.chunks(piece).for_each(|piece| watch.feed(piece));
        watch.finish(&mut facts);
    }
    facts.facts().to_vec()
}
