//! rpm's databases: any bytes in each container, and any header in a sound one, are read or said to be broken.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use weir_scanner::content::Content;
use weir_scanner::detect::{DetectorSet, FactList};
use weir_scanner::layer::Fact;

static DETECTORS: LazyLock<DetectorSet> = LazyLock::new(DetectorSet::standard);

const BUDGET: usize = 1 << 20;
const SQLITE: &str = "var/lib/rpm/rpmdb.sqlite";
const LOG: &str = "var/lib/rpm/rpmdb.sqlite-wal";

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 5 {
        0 => examine("var/lib/rpm/Packages", bytes.to_vec().into()),
        1 => examine("var/lib/rpm/Packages.db", bytes.to_vec().into()),
        2 => examine(SQLITE, bytes.to_vec().into()),
        3 => beside(bytes),
        _ => examine("var/lib/rpm/Packages.db", around(bytes).into()),
    }
});

fn examine(path: &str, content: Content) {
    let mut facts = FactList::new(BUDGET);
    let (detector, _) = DETECTORS.wanting(path).expect("the standard set reads rpm databases");
    let _ = detector.examine(path, &content, &mut facts);
    check(&facts);
}

/// The database before its log; the first two bytes say where one ends.
fn beside(bytes: &[u8]) {
    let Some((length, bytes)) = bytes.split_first_chunk() else { return };
    let (database, log) = bytes.split_at(usize::from(u16::from_be_bytes(*length)).min(bytes.len()));
    let (database, log): (Content, Content) = (database.to_vec().into(), log.to_vec().into());
    let mut facts = FactList::new(BUDGET);
    let (detector, _) = DETECTORS.wanting(SQLITE).expect("the standard set reads rpm databases");
    assert_eq!(detector.companion(SQLITE).as_deref(), Some(LOG));
    let _ = detector.examine_beside(SQLITE, &database, &log, &mut facts);
    check(&facts);
}

/// An ndb database whose only package has `header`.
fn around(header: &[u8]) -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let mut file = [&b"RpmP"[..], &[0; 8], &number(1), &number(2), &[0; 12]].concat();
    file.extend([&b"Slot"[..], &number(1), &number(256), &number(1)].concat());
    while file.len() < 4096 {
        file.extend([&b"Slot"[..], &[0; 12]].concat());
    }
    file.extend([&b"BlbS"[..], &number(1), &number(0), &number(header.len()), header].concat());
    file.resize((file.len() + 12).next_multiple_of(16) - 8, 0);
    file.extend([&number(header.len())[..], b"BlbE"].concat());
    file
}

fn check(facts: &FactList) {
    for fact in facts.facts() {
        match fact {
            Fact::Package(package) => assert!(!package.name.is_empty() && package.version.contains('-'), "{package:?}"),
            Fact::Owned { paths, .. } => assert!(paths.is_sorted(), "paths are sorted"),
            Fact::Unread(reason) => assert!(reason.path.is_some(), "{reason}"),
            other => panic!("{other:?} is none of an rpm database's facts"),
        }
    }
}
