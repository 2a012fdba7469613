//! Composing layer by layer equals scanning the flattened tree.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use weir_scanner::fixture::LayerBuilder;
use weir_scanner::image::{ImageInventory, ImagePackage, LayerInput, compose};
use weir_scanner::layer::{Fact, LayerInventory, PathHash, PathKind};
use weir_scanner::oci::Digest;
use weir_scanner::package::{Package, PackageType};

use crate::cases;
use crate::flatten::{Entry, tar};

/// What CI runs, in the release profile: the same cases each time.
const CASES: u32 = if cfg!(debug_assertions) { 200 } else { 10_000 };

/// `WEIR_COMPOSE_CASES=100000` looks for more, other ones each time.
fn config() -> ProptestConfig {
    let by_hand = std::env::var("WEIR_COMPOSE_CASES").ok().map(|count| count.parse().unwrap());
    ProptestConfig {
        cases: by_hand.unwrap_or(CASES),
        rng_seed: if by_hand.is_some() { RngSeed::Random } else { RngSeed::Fixed(3) },
        max_shrink_iters: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn scan(layer: &LayerBuilder) -> LayerInventory {
    layer.plain().scan().unwrap()
}

/// What makes a package of two moments the same, with the place where it must stay unless a common database lists it.
fn key<'a>(found: &'a ImagePackage, path: &'a str) -> (&'static str, &'a str, &'a str, &'a str) {
    let place = if found.package.package_type.is_system() { "" } else { path };
    (found.package.package_type.name(), &found.package.name, &found.package.version, place)
}

/// Every statement of a package: its package URL, the file, and the layer that brought it.
type Statements = BTreeSet<(String, String, u32)>;

fn composed(image: &ImageInventory) -> Statements {
    let paths = image.packages.iter().flat_map(|found| found.paths.iter().map(move |path| (found, path)));
    paths.map(|(found, path)| (found.purl.clone(), path.clone(), found.layer)).collect()
}

/// The same from the trees after each layer: a package's layer is the lowest of those it was there since.
fn expected(trees: &[ImageInventory]) -> Statements {
    let mut since = BTreeMap::new();
    for (index, tree) in (0..).zip(trees) {
        let before = std::mem::take(&mut since);
        for found in &tree.packages {
            for path in &found.paths {
                let key = key(found, path);
                since.insert(key, before.get(&key).copied().unwrap_or(index));
            }
        }
    }
    let last = trees.last().unwrap();
    let paths = last.packages.iter().flat_map(|found| found.paths.iter().map(move |path| (found, path)));
    paths.map(|(found, path)| (found.purl.clone(), path.clone(), since[&key(found, path)])).collect()
}

fn check(layers: &[Vec<Entry>]) {
    let scanned: Vec<LayerInventory> = layers.iter().map(|layer| scan(&tar(layer))).collect();
    let image = compose(&scanned.iter().map(LayerInput::Read).collect::<Vec<_>>());
    let trees: Vec<ImageInventory> = (1..=layers.len())
        .map(|count| compose(&[LayerInput::Read(&scan(&cases::flattened(&layers[..count]).layer()))]))
        .collect();
    let flat = trees.last().unwrap();
    assert_eq!(composed(&image), expected(&trees));
    assert_eq!(image.distribution, flat.distribution);
    assert_eq!(image.status, flat.status, "{:?} {:?}", image.reasons, flat.reasons);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn composing_layers_equals_scanning_the_flattened_tree(layers in cases::layers()) {
        check(&layers);
    }
}

/// An inventory as a walk over these entries and facts would make it.
fn inventory(
    paths: impl Iterator<Item = (String, PathKind)>,
    symlinks: BTreeMap<String, String>,
    facts: BTreeMap<String, Vec<Fact>>,
) -> LayerInventory {
    LayerInventory {
        diff_id: Digest::of(b""),
        uncompressed_bytes: 0,
        paths: paths.map(|(path, kind)| (PathHash::of(&path), kind)).collect(),
        symlinks,
        hardlinks: BTreeMap::new(),
        facts,
        reasons: Vec::new(),
    }
}

fn named(name: String) -> Fact {
    Fact::Package(Package::new(PackageType::Npm, name, "1"))
}

/// Would take hours if work grew with the product of files, links or layers.
#[test]
fn hostile_layers_are_composed_in_the_time_their_size_takes() {
    const MANY: usize = if cfg!(debug_assertions) { 10_000 } else { 100_000 };
    let files: Vec<String> = (0..MANY).map(|n| format!("usr/lib/d{}/{n}/package.json", n % 100)).collect();
    let facts = files.iter().map(|path| (path.clone(), vec![named(path.clone())])).collect();
    let base = inventory(files.iter().map(|path| (path.clone(), PathKind::File)), BTreeMap::new(), facts);
    // Links that all lead to the same place, that lead to the root, and that lead to each other.
    let link =
        |n: usize| (format!("l{}/{n}", n % 7), ["/usr/lib", "/", "/usr/lib/d1", "../l1", "../l2/9"][n % 5].to_owned());
    let symlinks: BTreeMap<String, String> = (0..MANY).map(link).collect();
    let links =
        inventory(symlinks.keys().map(|path| (path.clone(), PathKind::Symlink)), symlinks.clone(), BTreeMap::new());
    // A file that comes and goes within one layer, in front of a directory that is full.
    let turns = (0..MANY).flat_map(|_| [("usr/lib".to_owned(), PathKind::Opaque), (files[0].clone(), PathKind::File)]);
    let turns = inventory(turns, BTreeMap::new(), BTreeMap::from([(files[0].clone(), vec![named("turn".into())])]));
    let small = inventory(
        [("".to_owned(), PathKind::Opaque), ("x/package.json".to_owned(), PathKind::File)].into_iter(),
        BTreeMap::new(),
        BTreeMap::from([("x/package.json".to_owned(), vec![named("x".into())])]),
    );
    let layers: Vec<LayerInput<'_>> = [&base, &links, &base, &turns, &base]
        .into_iter()
        .chain(std::iter::repeat_n(&small, 1000))
        .map(LayerInput::Read)
        .collect();
    let image = compose(&layers);
    assert_eq!(image.packages.len(), 1);
    assert_eq!(image.packages[0].layer, 5);
    assert_eq!(compose(&layers[..3]).packages.len(), MANY);
}
