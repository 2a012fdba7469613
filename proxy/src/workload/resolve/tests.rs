//! Tests of what a container is led to.

use weir_scanner::image::ScanStatus;
use weir_scanner::oci::{MediaType, Repository};
use weir_storage::index::{ChildKind, ChildLink, ImageRecord, ManifestPut};

use super::*;

fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn child(name: &str, kind: ChildKind, platform: Option<&str>) -> ChildLink {
    ChildLink {
        digest: digest(name),
        kind,
        platform: platform.map(|platform| platform.parse().unwrap()),
        size: 1,
        media_type: MediaType::new(MediaType::OCI_MANIFEST),
    }
}

fn store(index: &Index, name: &str, repository: &str, media_type: &str, children: Vec<ChildLink>) {
    let put = ManifestPut {
        upstream: "docker.io".into(),
        repository: Repository::parse(repository).unwrap(),
        digest: digest(name),
        media_type: MediaType::new(media_type),
        bytes: name.as_bytes().to_vec(),
        tag: None,
        children,
        link_children: true,
        now: 1,
    };
    index.manifests().put(put).unwrap();
}

/// An index of these platforms, each manifest called like its platform; none of them is an image yet.
fn store_index(index: &Index, name: &str, platforms: &[&str]) {
    let children = platforms.iter().map(|platform| child(platform, ChildKind::Manifest, Some(platform))).collect();
    store(index, name, "team/app", MediaType::OCI_INDEX, children);
}

/// An image that was seen, with its configuration.
fn store_image(index: &Index, name: &str, config: &str, repository: &str) {
    store(index, name, repository, MediaType::OCI_MANIFEST, vec![child(config, ChildKind::Config, None)]);
    let record = ImageRecord {
        status: ScanStatus::Queued,
        reasons: Vec::new(),
        platform: None,
        config: digest(config),
        layers: Vec::new(),
        history: Vec::new(),
        base: None,
        names: vec![("docker.io".into(), Repository::parse(repository).unwrap())],
        access_restricted: false,
        first_seen: 1,
        last_pulled: None,
        inventory_fingerprint: None,
        matched_at: None,
    };
    index.images().put(&digest(name), record).unwrap();
}

fn ask(index: &Index, image: &str, id: &str, platform: Option<&str>) -> Content {
    let platform = platform.map(|platform| platform.parse().unwrap());
    resolve(index, &Question { image, image_id: Some(id), platform: platform.as_ref() }).unwrap()
}

#[test]
fn an_index_leads_to_the_node_s_platform_or_nowhere() {
    let index = Index::in_memory();
    store_index(&index, "one", &["linux/amd64", "linux/arm64/v8", "linux/arm/v6", "linux/arm/v7", "unknown/unknown"]);
    store_index(&index, "levels", &["linux/amd64", "linux/amd64/v3"]);
    store_index(&index, "only", &["linux/amd64"]);
    let unseen = |name: &str| Content::Unseen(digest(name));
    let unresolved = Content::Unresolved;
    for (name, platform, content) in [
        ("one", Some("linux/amd64"), unseen("linux/amd64")),
        ("one", Some("linux/arm64"), unseen("linux/arm64/v8")),
        // Which of two a node of 32 bits has taken it does not say.
        ("one", Some("linux/arm"), unresolved(Unresolved::PlatformAmbiguous)),
        ("one", Some("windows/amd64"), unresolved(Unresolved::PlatformAmbiguous)),
        ("one", None, unresolved(Unresolved::PlatformUnknown)),
        ("levels", Some("linux/amd64"), unseen("linux/amd64")),
        // Even where there is one only.
        ("only", None, unresolved(Unresolved::PlatformUnknown)),
    ] {
        let id = format!("docker.io/team/app@{}", digest(name));
        assert_eq!(ask(&index, "team/app:1", &id, platform), content, "{name} on {platform:?}");
    }
    store_image(&index, "linux/amd64", "config", "team/app");
    let id = format!("docker.io/team/app@{}", digest("one"));
    assert_eq!(ask(&index, "team/app:1", &id, Some("linux/amd64")), Content::Image(digest("linux/amd64")));
}

#[test]
fn a_platform_s_manifest_in_the_specification_counts_where_the_runtime_says_its_index() {
    let index = Index::in_memory();
    store_index(&index, "one", &["linux/amd64", "linux/arm/v6", "linux/arm/v7"]);
    let (id, pinned) = (format!("team/app@{}", digest("one")), format!("team/app@{}", digest("linux/arm/v7")));
    for platform in [Some("linux/arm"), None] {
        assert_eq!(ask(&index, &pinned, &id, platform), Content::Unseen(digest("linux/arm/v7")), "{platform:?}");
    }
    // One that is not of that index is not what the runtime runs.
    let other = format!("team/app@{}", digest("another"));
    assert_eq!(ask(&index, &other, &id, Some("linux/amd64")), Content::Unseen(digest("linux/amd64")));
}

#[test]
fn a_configuration_leads_to_the_manifest_of_the_pod_s_own_repository() {
    let index = Index::in_memory();
    store_image(&index, "theirs", "config", "team/copy");
    store_image(&index, "ours", "config", "team/app");
    let id = digest("config").to_string();
    for (image, content) in [
        ("team/app:1", Content::Image(digest("ours"))),
        ("team/copy:1", Content::Image(digest("theirs"))),
        // Of equals always the same.
        ("team/none:1", Content::Image(digest("ours").min(digest("theirs")))),
    ] {
        assert_eq!(ask(&index, image, &id, None), content, "{image}");
        assert_eq!(ask(&index, image, &digest("config").hex(), None), content, "{image}, bare");
    }
}

#[test]
fn what_is_unknown_is_to_be_fetched_where_it_can_be_asked_for() {
    let index = Index::in_memory();
    let unknown = digest("unknown");
    let pinned = format!("team/app@{}", digest("pinned"));
    for (image, id, content) in [
        ("team/app:1", format!("team/app@{unknown}"), Content::Unseen(unknown)),
        ("team/app:1", unknown.to_string(), Content::Unresolved(Unresolved::ConfigUnknown)),
        ("team/app:1", unknown.hex(), Content::Unresolved(Unresolved::ConfigUnknown)),
        // What a pod is pinned to can be had, whatever the runtime calls it.
        (&pinned, unknown.to_string(), Content::Unseen(digest("pinned"))),
        (&pinned, "team/app:1".to_owned(), Content::Unseen(digest("pinned"))),
        ("team/app:1", "team/app:1".to_owned(), Content::Unresolved(Unresolved::NoDigest)),
        ("team/app:1", "a b".to_owned(), Content::Unresolved(Unresolved::NoDigest)),
        ("team/app:1", String::new(), Content::Pending),
    ] {
        assert_eq!(ask(&index, image, &id, None), content, "{image} as {id:?}");
    }
}

#[test]
fn answers_are_kept_until_the_index_has_something_new_about_them() {
    let (index, mut resolver) = (Index::in_memory(), Resolver::default());
    let (open, known) = (format!("team/app@{}", digest("open")), format!("team/app@{}", digest("known")));
    store_image(&index, "known", "config", "team/app");
    let ask = |resolver: &mut Resolver, id: &str| {
        resolver.resolve(&index, &Question { image: "team/app:1", image_id: Some(id), platform: None }).unwrap()
    };
    assert_eq!(ask(&mut resolver, &open), Content::Unseen(digest("open")));
    assert_eq!(ask(&mut resolver, &known), Content::Image(digest("known")));
    resolver.forget(&[digest("other")]);
    assert_eq!(resolver.answers.len(), 1, "what led to no image is asked again");
    resolver.forget(&[digest("known")]);
    assert_eq!(resolver.answers.len(), 0);
}
