//! Random images for composition: layers with everything that can happen to a file of interest.

use proptest::prelude::*;
use proptest::sample::select;
use weir_scanner::detect::DetectorSet;

use crate::flatten::{Entry, FileSystem};

/// Directories that files, links and each other take turns at.
const DIRECTORIES: &[&str] =
    &["lib", "usr", "usr/lib", "sys", "app", "app/a", "app/a/b", "opt", "opt/n", "usr/lib/n", "lib/n"];
/// Databases that count in their place only. Nothing on their way is a link, but for `lib`.
const DATABASES: &[&str] = &[
    "var/lib/dpkg/status",
    "var/lib/dpkg/status.d/one",
    "var/lib/dpkg/status.d/two",
    "lib/apk/db/installed",
    "usr/lib/apk/db/installed",
];
const RELEASES: &[&str] = &["etc/os-release", "usr/lib/os-release", "etc/debian_version"];
/// Files that count wherever they lie, and some that nobody asks for.
const NAMES: &[&str] = &["package.json", "m/package.json", "x-1.dist-info/METADATA", "plain", "m"];
const TARGETS: &[&str] = &[
    "usr/lib",
    "/usr/lib",
    "../usr/lib",
    "usr/./lib/",
    "sys",
    "/sys",
    "../app",
    "a",
    "../a/b",
    "/app/a",
    "/opt",
    "n",
    "../opt/n",
    ".",
    "/",
    "..",
    "lib",
    "nowhere",
    "/nowhere/x",
];

/// Layers that an extractor takes, bottom first.
pub(crate) fn layers() -> impl Strategy<Value = Vec<Vec<Entry>>> {
    prop::collection::vec(prop::collection::vec(entry(), 1..14), 1..7).prop_map(settled)
}

fn entry() -> impl Strategy<Value = Entry> {
    let database = (select(DATABASES), any::<u8>());
    prop_oneof![
        5 => database.prop_map(|(path, seed)| Entry::File(path.into(), if path.contains("apk") { apk(seed) } else { dpkg(seed) })),
        2 => (select(RELEASES), 0..4_u8).prop_map(|(path, seed)| Entry::File(path.into(), release(path, seed))),
        6 => (file(), 0..6_u8).prop_map(|(path, seed)| { let content = manifest(&path, seed); Entry::File(path, content) }),
        2 => select(DIRECTORIES).prop_map(|path| Entry::Directory(path.into())),
        1 => select(DIRECTORIES).prop_map(|path| Entry::File(path.into(), "no directory".into())),
        5 => (select(DIRECTORIES), select(TARGETS)).prop_map(|(path, target)| Entry::Symlink(path.into(), target.into())),
        1 => (select(&["lib"][..]), select(&["usr/lib", "/usr/lib", "sys"][..]))
            .prop_map(|(path, target)| Entry::Symlink(path.into(), target.into())),
        1 => Just(Entry::Symlink("etc/os-release".into(), "../usr/lib/os-release".into())),
        1 => file().prop_map(|path| Entry::Symlink(path, "elsewhere".into())),
        3 => (file(), file()).prop_map(|(path, target)| Entry::Hardlink(path, target)),
        1 => (select(DATABASES), select(DATABASES)).prop_map(|(path, target)| Entry::Hardlink(path.into(), target.into())),
        1 => (select(RELEASES), select(RELEASES)).prop_map(|(path, target)| Entry::Hardlink(path.into(), target.into())),
        4 => anything().prop_map(Entry::Whiteout),
        3 => prop_oneof![
            4 => select(DIRECTORIES).prop_map(str::to_owned),
            1 => select(&["", "var/lib/dpkg", "var", "lib/apk", "usr/lib/apk/db"][..]).prop_map(str::to_owned),
        ].prop_map(Entry::Opaque),
    ]
}

fn file() -> impl Strategy<Value = String> {
    (select(DIRECTORIES), select(NAMES)).prop_map(|(directory, name)| format!("{directory}/{name}"))
}

fn anything() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => file(),
        3 => select(DIRECTORIES).prop_map(str::to_owned),
        2 => select(DATABASES).prop_map(str::to_owned),
        1 => select(RELEASES).prop_map(str::to_owned),
        1 => select(&["var", "var/lib/dpkg", "lib/apk", "usr/lib/apk/db", "etc"][..]).prop_map(str::to_owned),
    ]
}

fn listed(seed: u8) -> impl Iterator<Item = (char, u8)> {
    ('a'..='c').zip(0..).filter_map(move |(name, bit)| match seed >> (2 * bit) & 3 {
        0 => None,
        version => Some((name, version)),
    })
}

fn dpkg(seed: u8) -> String {
    listed(seed)
        .map(|(name, version)| format!("Package: {name}\nStatus: install ok installed\nVersion: {version}\n\n"))
        .collect()
}

fn apk(seed: u8) -> String {
    listed(seed).map(|(name, version)| format!("P:{name}\nV:{version}\n\n")).collect()
}

fn release(path: &str, seed: u8) -> String {
    match (path, seed) {
        ("etc/debian_version", _) => format!("{seed}\n"),
        (_, 0) => "ID=debian\n".into(),
        (_, 1) => String::new(),
        _ => format!("ID=debian\nVERSION_ID={}\n", 10 + seed),
    }
}

/// A manifest of one of two packages in one of two versions, nothing at all, or something malformed.
fn manifest(path: &str, seed: u8) -> String {
    let (name, version) = (if seed & 1 == 0 { "x" } else { "y" }, 1 + (seed >> 1 & 1));
    match seed {
        4 => String::new(),
        5 => "{ malformed".into(),
        _ if path.ends_with(".json") => format!(r#"{{"name":"{name}","version":"{version}"}}"#),
        _ if path.ends_with("METADATA") => format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"),
        _ => name.into(),
    }
}

/// Leaves out the entries an extractor refuses, those that carry a file to a place where its path would tell something else than
/// where it was read, and a path's second file: a layer's record keeps what a path held last.
fn settled(proposed: Vec<Vec<Entry>>) -> Vec<Vec<Entry>> {
    let detectors = DetectorSet::standard();
    let reader = |path: &str| detectors.wanting(path).map(|(detector, _)| detector.name());
    let mut tree = FileSystem::default();
    let mut layers = Vec::new();
    for entries in proposed {
        let mut kept: Vec<Entry> = Vec::new();
        tree.next_layer();
        for entry in entries {
            let mut next = tree.clone();
            if next.apply(&entry).is_err() {
                continue;
            }
            let fits = match &entry {
                Entry::File(path, _) | Entry::Symlink(path, _) => {
                    reader(path) == next.place(path).ok().and_then(|place| reader(&place))
                }
                Entry::Hardlink(path, target) => {
                    let places = [tree.place(path).unwrap(), tree.place(target).unwrap()];
                    places.iter().chain([path, target]).all(|name| reader(name) == reader(path))
                        && path.contains("/status") == target.contains("/status")
                        && path.contains("debian_version") == target.contains("debian_version")
                }
                _ => true,
            };
            let again = |known: &Entry| matches!((known, content_path(&entry)), (known, Some(path)) if content_path(known) == Some(path));
            if fits && !kept.iter().any(again) {
                kept.push(entry);
                tree = next;
            }
        }
        layers.push(kept);
    }
    layers
}

/// The path whose content an entry states.
fn content_path(entry: &Entry) -> Option<&String> {
    match entry {
        Entry::File(path, _) | Entry::Symlink(path, _) | Entry::Hardlink(path, _) => Some(path),
        _ => None,
    }
}

/// The tree after all layers.
pub(crate) fn flattened(layers: &[Vec<Entry>]) -> FileSystem {
    let mut tree = FileSystem::default();
    for layer in layers {
        tree.next_layer();
        for entry in layer {
            tree.apply(entry).expect("only entries an extractor takes");
        }
    }
    tree
}
