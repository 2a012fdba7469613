//! The packages of a composed image: which statements count, and which packages a distribution's package brought.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::ImagePackage;
use super::compose::VisibleFile;
use super::state::State;
use crate::layer::{Fact, PathHash};
use crate::package::{Distribution, Package, PackageType, package_url};

/// What tells packages of an image apart: package URL, the layer that brought it, and the owner of its files.
type Key<'a> = (String, u32, Option<&'a str>);

/// The visible packages, sorted. One stated by several files of one layer is one package with several paths, unless a distribution's
/// package owns only some of them. Software known by its program alone is left out where a distribution's package owns that.
pub(super) fn packages(
    state: &mut State<'_>,
    files: &[VisibleFile<'_>],
    distribution: Option<&Distribution>,
) -> Vec<ImagePackage> {
    let owners = owners(state, files, distribution);
    let databases = Databases::of(files);
    let mut found: BTreeMap<Key<'_>, (&Package, Vec<&str>)> = BTreeMap::new();
    for (file, owner) in files.iter().zip(&owners) {
        for (package, stated) in file.facts.iter().filter_map(statement) {
            if stated && databases.outrank(package) {
                continue;
            }
            // A system package is nobody else's file.
            let owner = owner.as_deref().filter(|_| !package.package_type.is_system());
            // What a package manager installed is not without one: its package says more than a program's strings.
            if owner.is_some() && package.package_type == PackageType::Generic {
                continue;
            }
            let layer = state.runs.since(file.place, package, stated).unwrap_or(file.layer);
            let key = (package_url(package, distribution), layer, owner);
            let (_, paths) = found.entry(key).or_insert((package, Vec::new()));
            if paths.last() != Some(&&*file.path) {
                paths.push(&file.path);
            }
        }
    }
    let package = |((purl, layer, owner), (package, paths)): (Key<'_>, (&Package, Vec<&str>))| ImagePackage {
        package: package.clone(),
        purl,
        layer,
        paths: paths.into_iter().map(str::to_owned).collect(),
        owner: owner.map(str::to_owned),
    };
    let mut packages: Vec<ImagePackage> = found.into_iter().map(package).collect();
    // Stable: equal packages stay in the order of their layers.
    packages.sort_by(|a, b| sort_key(&a.package).cmp(&sort_key(&b.package)));
    packages
}

fn sort_key(package: &Package) -> (&str, &str, &str, Option<&str>) {
    (package.package_type.name(), &package.name, &package.version, package.architecture.as_deref())
}

/// The package a fact states, and whether only a bill of materials says so.
fn statement(fact: &Fact) -> Option<(&Package, bool)> {
    match fact {
        Fact::Package(package) => Some((package, false)),
        Fact::Stated(package) => Some((package, true)),
        _ => None,
    }
}

/// What package databases and manifests speak of. A bill of materials is not heard about a package they name in any version, nor
/// about system packages of a type they name any of.
struct Databases<'a> {
    names: HashSet<(PackageType, &'a str)>,
    system_types: HashSet<PackageType>,
}

impl<'a> Databases<'a> {
    fn of(files: &[VisibleFile<'a>]) -> Self {
        let mut databases = Self { names: HashSet::new(), system_types: HashSet::new() };
        // Only what some bill of materials names is ever asked for.
        let stated = |fact: &Fact| matches!(fact, Fact::Stated(_));
        if !files.iter().any(|file| file.facts.iter().any(stated)) {
            return databases;
        }
        for fact in files.iter().flat_map(|file| file.facts) {
            if let Fact::Package(package) = fact {
                databases.names.insert((package.package_type, &*package.name));
                if package.package_type.is_system() {
                    databases.system_types.insert(package.package_type);
                }
            }
        }
        databases
    }

    fn outrank(&self, package: &Package) -> bool {
        self.system_types.contains(&package.package_type)
            || self.names.contains(&(package.package_type, &*package.name))
    }
}

/// For each file the system package it belongs to, as a package URL: by the lists of files package managers keep, under any name the
/// file has. A list whose package is gone owns nothing.
fn owners(
    state: &mut State<'_>,
    files: &[VisibleFile<'_>],
    distribution: Option<&Distribution>,
) -> Vec<Option<String>> {
    let facts = || files.iter().flat_map(|file| file.facts);
    let mut owners = vec![None; files.len()];
    if !facts().any(|fact| matches!(fact, Fact::Owned { .. })) {
        return owners;
    }
    let mut purls: HashMap<&str, String> = HashMap::new();
    for (package, _) in
        facts().filter_map(statement).filter(|(package, stated)| !stated && package.package_type.is_system())
    {
        let purl = package_url(package, distribution);
        let first = purls.entry(&package.name).or_insert_with(|| purl.clone());
        if purl < *first {
            *first = purl;
        }
    }
    let mut asked: HashMap<PathHash, Vec<usize>> = HashMap::new();
    for (index, file) in files.iter().enumerate() {
        if file.facts.iter().filter_map(statement).any(|(package, _)| !package.package_type.is_system()) {
            for name in state.tree.names_of(file.place) {
                asked.entry(name).or_default().push(index);
            }
        }
    }
    for fact in facts() {
        let Fact::Owned { package, paths } = fact else { continue };
        let Some(purl) = purls.get(&**package) else { continue };
        for index in paths.iter().filter_map(|path| asked.get(path)).flatten() {
            let owner: &mut Option<String> = &mut owners[*index];
            if owner.as_ref().is_none_or(|known| purl < known) {
                *owner = Some(purl.clone());
            }
        }
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::LayerBuilder;
    use crate::image::{LayerInput, compose};
    use crate::layer::LayerInventory;

    /// A layer whose files, in order, state these facts.
    fn layer(files: &[(&str, Vec<Fact>)]) -> LayerInventory {
        linked(LayerBuilder::new(), files)
    }

    fn linked(builder: LayerBuilder, files: &[(&str, Vec<Fact>)]) -> LayerInventory {
        let builder = files.iter().fold(builder, |layer, (path, _)| layer.file(path, "x"));
        let mut inventory = builder.plain().scan().unwrap();
        for (path, facts) in files {
            inventory.facts.insert((*path).to_owned(), facts.clone());
        }
        inventory
    }

    fn package(package_type: PackageType, name: &str, version: &str) -> Package {
        Package::new(package_type, name, version)
    }

    fn owned(package: &str, paths: &[&str]) -> Fact {
        Fact::Owned { package: package.into(), paths: paths.iter().map(|path| PathHash::of(path)).collect() }
    }

    fn deb(name: &str) -> Fact {
        Fact::Package(package(PackageType::Deb, name, "1"))
    }

    fn pypi(name: &str) -> Fact {
        Fact::Package(package(PackageType::Pypi, name, "1"))
    }

    /// Package URL, layer, owner and paths of each package of a language.
    fn found(layers: &[LayerInventory]) -> Vec<(String, u32, Option<String>, Vec<String>)> {
        let image = compose(&layers.iter().map(LayerInput::Read).collect::<Vec<_>>());
        let found = image.packages.into_iter().filter(|found| !found.package.package_type.is_system());
        found.map(|found| (found.purl, found.layer, found.owner, found.paths)).collect()
    }

    const STATUS: &str = "var/lib/dpkg/status";
    const LIST: &str = "var/lib/dpkg/info/python3-a.list";
    const METADATA: &str = "usr/lib/a.egg-info/PKG-INFO";

    fn owner() -> Option<String> {
        Some("pkg:deb/debian/python3-a@1".to_owned())
    }

    #[test]
    fn a_package_belongs_to_the_system_package_that_lists_its_file_in_any_layer() {
        let metadata = || layer(&[(METADATA, vec![pypi("a")])]);
        let status = || layer(&[(STATUS, vec![deb("python3-a")])]);
        let list = || layer(&[(LIST, vec![owned("python3-a", &["usr/share/doc/a", METADATA])])]);
        let expected = |layer| vec![("pkg:pypi/a@1".to_owned(), layer, owner(), vec![METADATA.to_owned()])];
        assert_eq!(found(&[metadata(), status(), list()]), expected(0));
        assert_eq!(found(&[list(), status(), metadata()]), expected(2));
        let owner_of = |layers: &[LayerInventory]| found(layers)[0].2.clone();
        // A list without its package, a package without its list, a list of other files.
        assert_eq!(owner_of(&[metadata(), list()]), None);
        assert_eq!(owner_of(&[metadata(), status()]), None);
        assert_eq!(owner_of(&[metadata(), status(), list(), layer(&[(STATUS, vec![])])]), None);
        let gone = LayerBuilder::new().whiteout(LIST).plain().scan().unwrap();
        assert_eq!(owner_of(&[metadata(), status(), list(), gone]), None);
        assert_eq!(owner_of(&[metadata(), status(), layer(&[(LIST, vec![owned("python3-a", &["usr/lib/b"])])])]), None);
    }

    #[test]
    fn a_file_is_owned_under_every_name_links_give_it() {
        let merged = || LayerBuilder::new().symlink("lib", "usr/lib").plain().scan().unwrap();
        let database = |path| layer(&[(STATUS, vec![deb("python3-a")]), (LIST, vec![owned("python3-a", &[path])])]);
        let read_as = |path| layer(&[(path, vec![pypi("a")])]);
        for listed in ["lib/a.egg-info/PKG-INFO", METADATA] {
            for read in ["lib/a.egg-info/PKG-INFO", METADATA] {
                let layers = [merged(), database(listed), read_as(read)];
                assert_eq!(found(&layers)[0].2, owner(), "{listed} {read}");
            }
        }
        // The link is there later, or gone in the end.
        assert_eq!(found(&[read_as(METADATA), database("lib/a.egg-info/PKG-INFO"), merged()])[0].2, owner());
        let gone = LayerBuilder::new().whiteout("lib").plain().scan().unwrap();
        assert_eq!(found(&[merged(), database("lib/a.egg-info/PKG-INFO"), read_as(METADATA), gone])[0].2, None);
    }

    #[test]
    fn owned_and_other_copies_of_a_package_are_told_apart() {
        let generic = |name| Fact::Package(package(PackageType::Generic, name, "1"));
        let image = layer(&[
            (STATUS, vec![deb("python3-a")]),
            (LIST, vec![owned("python3-a", &[METADATA, "usr/bin/a"])]),
            (METADATA, vec![pypi("a")]),
            ("opt/a.egg-info/PKG-INFO", vec![pypi("a")]),
            // dpkg's own program, and one that somebody put beside it.
            ("usr/bin/a", vec![generic("a")]),
            ("opt/bin/a", vec![generic("b")]),
        ]);
        let purl = || "pkg:pypi/a@1".to_owned();
        assert_eq!(
            found(&[image]),
            [
                ("pkg:generic/b@1".to_owned(), 0, None, vec!["opt/bin/a".to_owned()]),
                (purl(), 0, None, vec!["opt/a.egg-info/PKG-INFO".to_owned()]),
                (purl(), 0, owner(), vec![METADATA.to_owned()]),
            ]
        );
    }

    #[test]
    fn a_bill_of_materials_is_heard_where_databases_are_silent() {
        let stated = |package_type, name| Fact::Stated(package(package_type, name, "2"));
        let names = |layers: &[LayerInventory]| {
            let image = compose(&layers.iter().map(LayerInput::Read).collect::<Vec<_>>());
            let shown = image.packages.iter().map(|found| format!("{}@{}", found.package.name, found.package.version));
            shown.collect::<Vec<_>>()
        };
        let bill = || {
            let facts =
                vec![stated(PackageType::Pypi, "a"), stated(PackageType::Deb, "b"), stated(PackageType::Npm, "a")];
            layer(&[("x.spdx.json", facts)])
        };
        assert_eq!(names(&[bill()]), ["b@2", "a@2", "a@2"]);
        assert_eq!(names(&[bill(), layer(&[("m", vec![pypi("a")])])]), ["b@2", "a@2", "a@1"]);
        // Which packages dpkg manages dpkg knows.
        assert_eq!(names(&[layer(&[(STATUS, vec![deb("c")])]), bill()]), ["c@1", "a@2", "a@2"]);
        let gone = LayerBuilder::new().whiteout("m").plain().scan().unwrap();
        assert_eq!(names(&[bill(), layer(&[("m", vec![pypi("a")])]), gone]), ["b@2", "a@2", "a@2"]);
    }
}
