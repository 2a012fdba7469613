//! Secrets in any bytes, cut anywhere: read without panic, told the same whatever the cuts, and never shown.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use weir_scanner::content::Buffers;
use weir_scanner::detect::{DetectorSet, FactList, FileHead, HEAD_BYTES};
use weir_scanner::layer::Fact;
use weir_scanner::risk::{Risk, RiskKind};

static BUFFERS: LazyLock<Buffers> = LazyLock::new(Buffers::default);
static DETECTORS: LazyLock<DetectorSet> = LazyLock::new(DetectorSet::standard);

/// Files that have rules of their own, and one that has none.
const PATHS: [&str; 5] = ["app/.env", "root/.netrc", "root/.docker/config.json", "app/a.pyc", "etc/app.conf"];

fn secrets(path: &str, text: &[u8], pieces: usize) -> Vec<Risk> {
    let mut facts = FactList::new(1 << 20);
    let head = &text[..text.len().min(HEAD_BYTES)];
    let file = FileHead { path, mode: 0o644, size: text.len() as u64, head };
    for watcher in DETECTORS.watchers().iter().filter(|watcher| watcher.name() == "secret") {
        let Some(mut watch) = watcher.watch(&file, &BUFFERS, &mut facts) else { continue };
        text.chunks(pieces).for_each(|piece| watch.feed(piece));
        watch.finish(&mut facts);
    }
    let risk = |fact: &Fact| if let Fact::Risk(risk) = fact { Some(risk.clone()) } else { None };
    facts.facts().iter().filter_map(risk).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&[path, pieces], text)) = bytes.split_first_chunk::<2>() else { return };
    let path = PATHS[usize::from(path) % PATHS.len()];
    let risks = secrets(path, text, usize::from(pieces) + 1);
    assert_eq!(risks, secrets(path, text, text.len().max(1)), "cuts changed what was found");
    for risk in risks {
        assert_eq!(risk.kind, RiskKind::Secret);
        assert!(risk.detail.ends_with("****") || risk.detail.ends_with("in the same file"), "{}", risk.detail);
    }
});
