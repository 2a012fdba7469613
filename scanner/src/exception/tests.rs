//! What decisions hold for: one by one, and as properties of any set of them.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const CVE: &str = "CVE-2026-0001";
const GHSA: &str = "GHSA-aaaa-bbbb-cccc";
const NGINX: &str = "docker.io/library/nginx";
const OPENSSL: &str = "pkg:deb/debian/libssl3@3.0.11-1?arch=amd64&distro=debian-12";

type Labels = Vec<(Arc<str>, Arc<str>)>;

fn about_vulnerability(id: &str, scope: Scope) -> Exception {
    Exception {
        id: id.into(),
        target: Target::Vulnerability,
        kind: Kind::AcceptedRisk,
        vulnerability: vec![CVE.into(), GHSA.into()],
        scope,
        justification: None,
        reason: "the port is closed".into(),
        created_by: "ada".into(),
        created_at: 100,
        expires_at: None,
        expire_on_fix: false,
        cancelled: None,
        document: None,
    }
}

fn about_repository(id: &str, scope: Scope) -> Exception {
    Exception { target: Target::Repository, vulnerability: Vec::new(), ..about_vulnerability(id, scope) }
}

fn cancelled() -> Option<Cancelled> {
    Some(Cancelled { at: 150, by: "bob".into(), reason: "it was wrong".into() })
}

fn image() -> Digest {
    Digest::of(b"image")
}

/// Asks about libssl3 in nginx.
fn asked(rules: &Rules, names: &[&str], fixable: bool, places: &[Place<'_>], now: i64) -> Option<String> {
    let subject = Subject { names, package: OPENSSL, fixable, image: &image(), repositories: &[NGINX] };
    rules.of_finding_in(&subject, places.iter().copied(), now).map(|exception| exception.id.clone())
}

fn holds(scope: Scope, places: &[Place<'_>]) -> bool {
    asked(&Rules::new(vec![about_vulnerability("a", scope)]), &[CVE], false, places, 200).is_some()
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect()
}

fn place<'a>(cluster: &'a str, namespace: &'a str, labels: &'a Labels) -> Place<'a> {
    Place { cluster, namespace, labels }
}

#[test]
fn every_part_of_a_scope_must_hold() {
    let none = Scope::default;
    let web = labels(&[("app", "web"), ("tier", "front"), ("tier", "edge")]);
    let places = [place("east", "shop", &web)];
    for (scope, expected) in [
        (none(), true),
        (Scope { cluster: Some("east".into()), ..none() }, true),
        (Scope { cluster: Some("west".into()), ..none() }, false),
        (Scope { namespace: Some("shop".into()), ..none() }, true),
        (Scope { namespace: Some("other".into()), cluster: Some("east".into()), ..none() }, false),
        (Scope { labels: vec!["app".into(), "tier=edge".into()], ..none() }, true),
        (Scope { labels: vec!["app".into(), "tier=back".into()], ..none() }, false),
        (Scope { repository: Some(NGINX.into()), ..none() }, true),
        (Scope { repository: Some("docker.io/library/redis".into()), ..none() }, false),
        (Scope { image: Some(image()), ..none() }, true),
        (Scope { image: Some(Digest::of(b"other")), ..none() }, false),
        (Scope { package: Some("pkg:deb/debian/libssl3".into()), ..none() }, true),
        (Scope { package: Some("pkg:deb/debian/libssl3@3.0.11-1".into()), ..none() }, true),
        (Scope { package: Some("pkg:deb/debian/libssl3@3.0.12-1".into()), ..none() }, false),
        (Scope { package: Some("pkg:deb/ubuntu/libssl3".into()), ..none() }, false),
        (Scope { package: Some("not a package".into()), ..none() }, false),
    ] {
        assert_eq!(holds(scope.clone(), &places), expected, "{scope:?}");
    }
}

#[test]
fn a_vulnerability_has_every_name_it_was_decided_under() {
    let rules = Rules::new(vec![about_vulnerability("a", Scope::default())]);
    for (names, expected) in [(&[CVE][..], true), (&["DSA-1-1", GHSA], true), (&["CVE-2026-0002"], false), (&[], false)]
    {
        assert_eq!(asked(&rules, names, false, &[], 200).is_some(), expected, "{names:?}");
    }
    let mut names: Vec<&str> = rules.names().collect();
    names.sort_unstable();
    assert_eq!(names, [CVE, GHSA]);
}

#[test]
fn what_ended_does_not_hold() {
    let rules = Rules::new(vec![Exception { expires_at: Some(200), ..about_vulnerability("a", Scope::default()) }]);
    assert!(asked(&rules, &[CVE], false, &[], 199).is_some() && asked(&rules, &[CVE], false, &[], 200).is_none());
    assert_eq!((rules.next_expiry(199), rules.next_expiry(200)), (Some(200), None));
    let rules = Rules::new(vec![Exception { cancelled: cancelled(), ..about_vulnerability("a", Scope::default()) }]);
    assert!(asked(&rules, &[CVE], false, &[], 120).is_none());
    assert_eq!((rules.names().count(), rules.iter().count(), rules.is_empty()), (0, 1, false));
    let rules = Rules::new(vec![Exception { expire_on_fix: true, ..about_vulnerability("a", Scope::default()) }]);
    assert!(asked(&rules, &[CVE], false, &[], 200).is_some() && asked(&rules, &[CVE], true, &[], 200).is_none());
}

#[test]
fn looking_at_a_finding_excepts_nothing() {
    let scope = Scope { cluster: Some("east".into()), ..Scope::default() };
    let rules = Rules::new(vec![Exception { kind: Kind::UnderInvestigation, ..about_vulnerability("a", scope) }]);
    let none = Labels::new();
    let (east, west) = (place("east", "shop", &none), place("west", "shop", &none));
    assert!(asked(&rules, &[CVE], false, &[east], 200).is_none());
    let subject = Subject { names: &[CVE], package: OPENSSL, fixable: false, image: &image(), repositories: &[NGINX] };
    assert!(rules.note_of_finding_in(&subject, [west, east], 200).is_some());
    assert!(rules.note_of_finding(&subject, Some(&west), 200).is_none());
    assert!(rules.note_of_finding(&subject, None, 200).is_none());
}

#[test]
fn every_workload_must_be_covered_by_one_or_another() {
    let in_cluster = |cluster: &str| Scope { cluster: Some(cluster.into()), ..Scope::default() };
    let rules = Rules::new(vec![
        about_vulnerability("of-east", in_cluster("east")),
        about_vulnerability("of-west", in_cluster("west")),
    ]);
    let none = Labels::new();
    let (east, west, north) = (place("east", "a", &none), place("west", "a", &none), place("north", "a", &none));
    let asked = |places: &[Place<'_>]| asked(&rules, &[CVE], false, places, 200);
    assert_eq!(asked(&[]), None);
    assert_eq!(asked(&[west, east]).as_deref(), Some("of-west"));
    assert_eq!(asked(&[east, west, north]), None);
}

#[test]
fn the_narrowest_then_the_oldest_is_named() {
    let package = Scope { package: Some("pkg:deb/debian/libssl3".into()), ..Scope::default() };
    let in_east = Scope { cluster: Some("east".into()), ..Scope::default() };
    let mut rules = vec![
        about_vulnerability("everywhere", Scope::default()),
        Exception { created_at: 90, ..about_vulnerability("package-old", package.clone()) },
        about_vulnerability("package-new", package),
        about_vulnerability("east", in_east),
    ];
    let none = Labels::new();
    let (east, west) = (place("east", "a", &none), place("west", "a", &none));
    for _ in 0..rules.len() {
        rules.rotate_left(1);
        let made = Rules::new(rules.clone());
        assert_eq!(asked(&made, &[CVE], false, &[east], 200).as_deref(), Some("package-old"));
    }
    rules.retain(|exception| !exception.id.starts_with("package"));
    let made = Rules::new(rules);
    assert_eq!(asked(&made, &[CVE], false, &[east], 200).as_deref(), Some("east"));
    assert_eq!(asked(&made, &[CVE], false, &[east, west], 200).as_deref(), Some("everywhere"));
}

#[test]
fn a_repository_is_excepted_for_itself_and_for_images_that_no_other_has() {
    let nginx = Scope { repository: Some(NGINX.into()), ..Scope::default() };
    let rules = Rules::new(vec![about_repository("a", nginx.clone())]);
    let of = |rules: &Rules, names: &[&str]| rules.of_repository(names, &image(), None, 200).is_some();
    assert!(of(&rules, &[NGINX]) && !of(&rules, &["ghcr.io/a/b"]) && !of(&rules, &[NGINX, "ghcr.io/a/b"]));
    assert!(!of(&rules, &[]));
    assert!(asked(&rules, &[CVE], false, &[], 200).is_none(), "its findings are hidden with it, not by themselves");
    let other = Scope { image: Some(Digest::of(b"other")), ..nginx.clone() };
    assert!(!of(&Rules::new(vec![about_repository("a", other)]), &[NGINX]));
    let noted = Exception { kind: Kind::UnderInvestigation, ..about_repository("a", nginx.clone()) };
    assert!(!of(&Rules::new(vec![noted]), &[NGINX]));
    let in_east = Rules::new(vec![about_repository("a", Scope { cluster: Some("east".into()), ..nginx })]);
    let none = Labels::new();
    let (east, west) = (place("east", "a", &none), place("west", "a", &none));
    assert!(in_east.of_repository(&[NGINX], &image(), Some(&east), 200).is_some());
    assert!(in_east.of_repository_in(&[NGINX], &image(), [east, west], 200).is_none());
    assert!(!of(&in_east, &[NGINX]));
}

#[test]
fn a_line_tells_what_of_what_where() {
    let scope = Scope {
        cluster: Some("east".into()),
        labels: vec!["app=web".into()],
        package: Some("pkg:npm/a".into()),
        ..Scope::default()
    };
    let line = about_vulnerability("a", scope).summary();
    assert_eq!(line, "accepted_risk of CVE-2026-0001: cluster east, label app=web, package pkg:npm/a");
    assert_eq!(about_repository("a", Scope::default()).summary(), "accepted_risk: everywhere");
}

#[test]
fn the_revision_tells_sets_apart_and_survives_a_restart() {
    let (a, b) = (about_vulnerability("a", Scope::default()), about_vulnerability("b", Scope::default()));
    let revision = |rules: Vec<Exception>| Rules::new(rules).revision();
    let both = revision(vec![a.clone(), b.clone()]);
    assert_eq!(both, revision(vec![b.clone(), a.clone()]));
    assert_ne!(both, revision(vec![a.clone()]));
    assert_ne!(both, revision(vec![a, Exception { cancelled: cancelled(), ..b }]));
}

/// Scopes over few words, so that they often hold.
fn scopes() -> impl Strategy<Value = Scope> {
    let word = |words: [&'static str; 2]| proptest::option::of(proptest::sample::select(words.to_vec()));
    let parts = (
        word(["east", "west"]),
        word(["shop", "bank"]),
        proptest::collection::vec(proptest::sample::select(vec!["app", "app=web", "app=db"]), 0..3),
        word([NGINX, "ghcr.io/a/b"]),
        proptest::option::of(any::<bool>()),
        word(["pkg:deb/debian/libssl3", "pkg:deb/debian/libssl3@3.0.11-1"]),
    );
    parts.prop_map(|(cluster, namespace, labels, repository, of_image, package)| Scope {
        cluster: cluster.map(str::to_owned),
        namespace: namespace.map(str::to_owned),
        labels: labels.into_iter().map(str::to_owned).collect(),
        repository: repository.map(str::to_owned),
        image: of_image.map(|of_image| if of_image { image() } else { Digest::of(b"other") }),
        package: package.map(str::to_owned),
    })
}

#[test]
fn of_one_second_the_lower_number_is_the_older() {
    let made = ["10", "9"].map(|id| about_vulnerability(id, Scope::default()));
    assert_eq!(asked(&Rules::new(made.to_vec()), &[CVE], false, &[], 200).as_deref(), Some("9"));
}

fn exceptions() -> impl Strategy<Value = Vec<Exception>> {
    let one = (scopes(), any::<bool>(), proptest::option::of(150_i64..250), any::<bool>(), any::<bool>());
    let made = one.prop_map(|(scope, is_cancelled, expires_at, expire_on_fix, is_note)| Exception {
        expires_at,
        expire_on_fix,
        cancelled: cancelled().filter(|_| is_cancelled),
        kind: if is_note { Kind::UnderInvestigation } else { Kind::FalsePositive },
        ..about_vulnerability("", scope)
    });
    proptest::collection::vec(made, 0..6).prop_map(|mut made| {
        for (at, exception) in made.iter_mut().enumerate() {
            exception.id = at.to_string();
        }
        made
    })
}

/// Clusters, namespaces and labels of workloads.
fn workloads() -> impl Strategy<Value = Vec<(&'static str, &'static str, Labels)>> {
    let one = (
        proptest::sample::select(vec!["east", "west"]),
        proptest::sample::select(vec!["shop", "bank"]),
        proptest::sample::select(vec![None, Some("web"), Some("db")]),
    );
    let made =
        one.prop_map(|(cluster, namespace, app)| (cluster, namespace, labels(app.map(|app| ("app", app)).as_slice())));
    proptest::collection::vec(made, 0..4)
}

fn places<'a>(workloads: &'a [(&'static str, &'static str, Labels)]) -> Vec<Place<'a>> {
    workloads.iter().map(|(cluster, namespace, labels)| place(cluster, namespace, labels)).collect()
}

/// A scope of which all that `wide` and `more` ask must hold; `None` where they contradict each other.
fn narrowed(wide: &Scope, more: &Scope) -> Option<Scope> {
    fn both<T: Clone + PartialEq>(a: &Option<T>, b: &Option<T>) -> Option<Option<T>> {
        match (a, b) {
            (Some(a), Some(b)) if a != b => None,
            _ => Some(a.clone().or_else(|| b.clone())),
        }
    }
    Some(Scope {
        cluster: both(&wide.cluster, &more.cluster)?,
        namespace: both(&wide.namespace, &more.namespace)?,
        labels: wide.labels.iter().chain(&more.labels).cloned().collect(),
        repository: both(&wide.repository, &more.repository)?,
        image: both(&wide.image, &more.image)?,
        package: both(&wide.package, &more.package)?,
    })
}

proptest! {
    #[test]
    fn a_narrower_scope_never_covers_more(wide in scopes(), more in scopes(), workloads in workloads()) {
        let places = places(&workloads);
        if let Some(narrow) = narrowed(&wide, &more) {
            prop_assert!(!holds(narrow, &places) || holds(wide, &places));
        }
    }

    #[test]
    fn what_excepts_holds(exceptions in exceptions(), workloads in workloads(), now in 100_i64..300, fixable: bool) {
        let rules = Rules::new(exceptions.clone());
        if let Some(id) = asked(&rules, &[CVE], fixable, &places(&workloads), now) {
            let named = exceptions.iter().find(|exception| exception.id == id).unwrap();
            prop_assert_eq!(named.state(now), State::Active);
            prop_assert!(named.kind != Kind::UnderInvestigation && !(named.expire_on_fix && fixable));
        }
    }

    #[test]
    fn one_workload_more_never_excepts(exceptions in exceptions(), workloads in workloads(), fixable: bool) {
        let rules = Rules::new(exceptions);
        let places = places(&workloads);
        // From none to one is another question: an image that runs nowhere has no cluster to be excepted in.
        for count in 1..places.len() {
            let (fewer, more) = (&places[..count], &places[..=count]);
            prop_assert!(asked(&rules, &[CVE], fixable, fewer, 200).is_some() || asked(&rules, &[CVE], fixable, more, 200).is_none());
        }
    }

    #[test]
    fn all_are_covered_exactly_where_each_is(exceptions in exceptions(), workloads in workloads(), fixable: bool) {
        let rules = Rules::new(exceptions);
        let places = places(&workloads);
        let each = places.iter().all(|place| asked(&rules, &[CVE], fixable, &[*place], 200).is_some());
        prop_assert_eq!(asked(&rules, &[CVE], fixable, &places, 200).is_some(), if places.is_empty() {
            asked(&rules, &[CVE], fixable, &[], 200).is_some()
        } else {
            each
        });
    }
}
