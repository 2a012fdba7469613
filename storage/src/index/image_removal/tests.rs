use std::collections::BTreeMap;
use std::sync::Arc;

use weir_scanner::finding::{ImageFindings, Rematched};
use weir_scanner::fixture::{finding, inventory};
use weir_scanner::layer::LayerInventory;
use weir_scanner::oci::{MediaType, Tag};
use weir_scanner::package::{Package, PackageType};

use super::super::engine::{Engine, FaultyEngine, MemoryEngine};
use super::super::{
    ChildKind, ChildLink, EventCursor, ImageLayer, InventoryRecord, LinkKind, LinkRecord, ManifestPut, Matching,
};
use super::*;

const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

fn named(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn repository() -> Repository {
    Repository::parse("library/app").unwrap()
}

fn child(digest: Digest, kind: ChildKind, platform: Option<&str>) -> ChildLink {
    let platform = platform.map(|platform| platform.parse().unwrap());
    ChildLink { digest, kind, platform, size: 1, media_type: MediaType::new("a/b") }
}

fn put(index: &Index, bytes: Vec<u8>, media_type: &str, tag: Option<&str>, children: Vec<ChildLink>) -> Digest {
    let digest = Digest::of(&bytes);
    let put = ManifestPut {
        upstream: "docker.io".into(),
        repository: repository(),
        digest,
        media_type: MediaType::new(media_type),
        bytes,
        tag: tag.map(|tag| Tag::parse(tag).unwrap()),
        children,
        link_children: true,
        now: 5,
    };
    index.manifests().put(put).unwrap();
    digest
}

/// A manifest of real bytes, named by its configuration.
fn manifest(index: &Index, config: &str, layers: &[&str], tag: Option<&str>) -> Digest {
    let descriptor =
        |kind: &str, name: &str| format!(r#"{{"mediaType":"{kind}","digest":"{}","size":1}}"#, named(name));
    let listed: Vec<_> = layers.iter().map(|layer| descriptor(LAYER_TYPE, layer)).collect();
    let bytes = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
        descriptor(CONFIG_TYPE, config),
        listed.join(",")
    );
    let mut children = vec![child(named(config), ChildKind::Config, None)];
    children.extend(layers.iter().map(|layer| child(named(layer), ChildKind::Layer, None)));
    put(index, bytes.into_bytes(), MediaType::OCI_MANIFEST, tag, children)
}

fn multi(index: &Index, name: &str, tag: Option<&str>, children: &[(Digest, &str)]) -> Digest {
    let children = children.iter().map(|(digest, platform)| child(*digest, ChildKind::Manifest, Some(platform)));
    put(index, name.into(), MediaType::OCI_INDEX, tag, children.collect())
}

/// Everything weir comes to know of an image that is pulled, read and matched twice. The row remembers the first layer
/// only.
fn image(index: &Index, name: &str, layers: &[&str]) -> Digest {
    let digest = manifest(index, name, layers, Some(name));
    for layer in layers {
        let inventory = LayerInventory {
            diff_id: named(&format!("tar of {layer}")),
            uncompressed_bytes: 1,
            paths: Vec::new(),
            symlinks: BTreeMap::new(),
            hardlinks: BTreeMap::new(),
            facts: BTreeMap::new(),
            reasons: Vec::new(),
        };
        index.layers().put(&named(layer), "f1", &LayerOutcome::Read(inventory)).unwrap();
    }
    let remembered = ImageLayer {
        digest: named(layers[0]),
        size: 1,
        media_type: MediaType::new(LAYER_TYPE),
        diff_id: Some(named(&format!("tar of {}", layers[0]))),
    };
    let record = ImageRecord {
        status: ScanStatus::Complete,
        reasons: Vec::new(),
        platform: None,
        config: named(name),
        layers: vec![remembered],
        history: Vec::new(),
        base: None,
        names: vec![("docker.io".into(), repository())],
        access_restricted: false,
        first_seen: 5,
        last_pulled: Some(5),
        inventory_fingerprint: Some("f1".into()),
        matched_at: Some(6),
    };
    index.images().put(&digest, record).unwrap();
    let packages = [Package::new(PackageType::Npm, "shared", "1.0.0"), Package::new(PackageType::Npm, name, "1.0.0")];
    let inventory = InventoryRecord { fingerprint: "f1".into(), inventory: inventory(None, &packages) };
    index.inventories().put(&digest, &inventory).unwrap();
    for (at, id) in [(6, "CVE-1"), (7, "CVE-2")] {
        let matching = Matching { at, by: "f1".into(), inventory: &inventory.inventory };
        let findings = vec![finding(id, &[], "pkg:npm/shared@1.0.0")];
        let found = ImageFindings { findings, ..ImageFindings::default() };
        index.findings().update(&digest, matching, |_| Ok(Rematched { found, ..Rematched::default() })).unwrap();
    }
    digest
}

type Dump = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// Every row there is, without the stamps: numbers given are not given again.
fn dump(index: &Index) -> Dump {
    let tables = Table::ALL.iter().filter(|table| **table != Table::Stamps);
    let rows = tables.flat_map(|table| index.rows(Scan::prefix(*table, Vec::new())).map(|row| (*table, row.unwrap())));
    rows.map(|(table, row)| ((table, row.key), row.value)).collect()
}

fn remove(index: &Index, image: &Digest) -> bool {
    index.images().remove(image, |_| true).unwrap()
}

fn kept(index: &Index) -> Digest {
    image(index, "kept", &["kept layer", "base"])
}

fn doomed(index: &Index) -> Digest {
    let digest = image(index, "doomed", &["doomed layer", "base", "top"]);
    multi(index, "index of doomed", Some("latest"), &[(digest, "linux/amd64"), (named("never pulled"), "linux/s390x")]);
    digest
}

#[test]
fn what_is_left_is_as_if_the_image_had_never_been_there() {
    let (with, without) = (Index::in_memory(), Index::in_memory());
    kept(&without);
    kept(&with);
    let doomed = doomed(&with);
    assert!(dump(&with).len() > dump(&without).len() + 20);
    assert!(remove(&with, &doomed));
    assert_eq!(dump(&with), dump(&without));
    assert!(!remove(&with, &doomed), "it is known no longer");
    assert_eq!(with.layers().users(&named("base"), 9).unwrap().len(), 1);
}

#[test]
fn a_removal_cut_short_anywhere_leaves_others_whole_and_is_done_by_the_next() {
    let without = Index::in_memory();
    kept(&without);
    let others = dump(&without);
    let mut cut = 0;
    loop {
        let engine = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::default())));
        let index = Index::new(Arc::clone(&engine) as Arc<dyn Engine>);
        kept(&index);
        let doomed = doomed(&index);
        let before = index.images().get(&doomed).unwrap();
        engine.fail_writes_after(cut);
        let done = index.images().remove(&doomed, |_| true);
        engine.fail_writes(false);
        let rows = dump(&index);
        for (place, value) in &others {
            assert_eq!(rows.get(place), Some(value), "after {cut} writes");
        }
        if done.is_ok() {
            break;
        }
        let left = index.images().get(&doomed).unwrap().unwrap();
        if cut == 0 {
            assert_eq!(Some(left), before);
        } else {
            assert_eq!((left.status, left.inventory_fingerprint, left.matched_at), (ScanStatus::Queued, None, None));
            assert_eq!(index.images().list_by_status(ScanStatus::Queued, None, 9).unwrap().images.len(), 1);
            // What a pull does not write again is there as long as the manifest is.
            assert!(index.manifests().get(&doomed).unwrap().is_some());
            assert_eq!(index.aliases().parents(&named("doomed")).unwrap().len(), 1);
            assert!(index.layers().users(&named("base"), 9).unwrap().contains(&doomed));
        }
        assert!(remove(&index, &doomed));
        assert_eq!(dump(&index), others, "after {cut} writes and another try");
        cut += 1;
    }
    assert!(cut > 5, "it takes several writes, not {cut}");
}

#[test]
fn only_what_is_due_by_its_row_goes() {
    let index = Index::in_memory();
    let image = kept(&index);
    let before = dump(&index);
    let older = |image: &ImageRecord| image.last_pulled.is_none_or(|pulled| pulled < 5);
    assert!(!index.images().remove(&image, older).unwrap());
    assert!(!remove(&index, &named("stranger")));
    assert_eq!(dump(&index), before);
}

#[test]
fn an_index_goes_with_the_last_of_its_children_and_takes_its_attestations() {
    let index = Index::in_memory();
    let [amd64, arm64] = ["amd64", "arm64"].map(|name| image(&index, name, &[name, "base"]));
    let attestation = manifest(&index, "attestation", &["statement"], None);
    let unknown = (attestation, "unknown/unknown");
    let both = multi(&index, "both", Some("latest"), &[(amd64, "linux/amd64"), (arm64, "linux/arm64"), unknown]);
    let outer = multi(&index, "outer", Some("outer"), &[(both, "linux/amd64")]);
    let alone = multi(&index, "alone", None, &[(amd64, "linux/amd64"), (named("elsewhere"), "linux/s390x")]);

    assert!(remove(&index, &amd64));
    assert!(index.manifests().get(&both).unwrap().is_some());
    assert!(index.manifests().get(&attestation).unwrap().is_some());
    assert_eq!(index.manifests().get(&alone).unwrap(), None);
    assert!(index.tags().get("docker.io", &repository(), &Tag::parse("latest").unwrap()).unwrap().is_some());
    let targets: Vec<_> = index.aliases().resolve(&both).unwrap().into_iter().map(|target| target.manifest).collect();
    assert_eq!(targets, [amd64, arm64], "the index still says so");
    assert_eq!(index.aliases().resolve(&named("amd64")).unwrap(), [], "the configuration is forgotten");

    assert!(remove(&index, &arm64));
    assert_eq!(index.manifests().get(&outer).unwrap(), None);
    assert_eq!(dump(&index), Dump::new(), "nothing is left of either");
}

#[test]
fn a_stored_manifest_that_is_no_image_yet_keeps_its_index() {
    let index = Index::in_memory();
    let amd64 = image(&index, "amd64", &["layer"]);
    let coming = manifest(&index, "coming", &["layer"], None);
    let both = multi(&index, "both", None, &[(amd64, "linux/amd64"), (coming, "linux/arm64")]);
    assert!(remove(&index, &amd64));
    assert!(index.manifests().get(&both).unwrap().is_some());
    assert!(index.layers().get(&named("layer"), "f1").unwrap().is_some(), "the other manifest names it");
}

#[test]
fn what_is_shared_keeps_its_links_and_many_of_everything_go_in_parts() {
    let index = Index::in_memory();
    let image = image(&index, "image", &["own", "shared"]);
    manifest(&index, "other", &["shared"], None);
    let link = LinkRecord { kind: LinkKind::Blob, seen_at: 1, size: None, media_type: None };
    for number in 0..BATCH_ROWS + 1 {
        let repository = Repository::parse(&format!("mirror/r{number}")).unwrap();
        for digest in [named("own"), image] {
            index.links().put("quay.io", &repository, &digest, &link).unwrap();
        }
        manifest(&index, "image", &["own", "shared"], Some(&format!("t{number}")));
    }
    assert!(remove(&index, &image));
    for digest in [named("own"), image] {
        assert_eq!(index.links().holders(&digest, 9).unwrap(), []);
    }
    assert_eq!(index.links().holders(&named("shared"), 9).unwrap().len(), 1);
    assert_eq!(index.tags().list("docker.io", &repository(), None, 9).unwrap(), []);
}

#[test]
fn thousands_of_events_of_one_image_go() {
    let index = Index::in_memory();
    let (image, other) = (image(&index, "image", &["own"]), kept(&index));
    for round in 0..BATCH_ROWS {
        let inventory = inventory(None, &[]);
        let matching = Matching { at: 8, by: "f1".into(), inventory: &inventory };
        let found =
            ImageFindings { findings: vec![finding(&format!("CVE-{round}"), &[], "p")], ..ImageFindings::default() };
        index.findings().update(&image, matching, |_| Ok(Rematched { found, ..Rematched::default() })).unwrap();
    }
    assert!(remove(&index, &image));
    let left = index.events().list(None, None::<EventCursor>, 9999).unwrap().events;
    assert!(!left.is_empty() && left.iter().all(|event| event.image == other));
}
