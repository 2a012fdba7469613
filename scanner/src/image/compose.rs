//! Folds an image's layers, bottom first.

use std::collections::BTreeMap;

use super::links::relevant;
use super::state::State;
use super::{ImageInventory, ImagePackage, ImageReason, LayerInput, ScanStatus};
use crate::detect::RELEASE_FILES;
use crate::layer::{Fact, LayerInventory};
use crate::package::{Distribution, Package, package_url};

/// Folds `layers`, bottom first, into what the image shows.
///
/// The status is complete only where every layer was read to its end and no visible file was left unread; what
/// an upper layer hides does not count. Failed means that no layer could be read, unsupported that none ever will be.
pub fn compose(layers: &[LayerInput<'_>]) -> ImageInventory {
    let read: Vec<(u32, &LayerInventory)> = indexed(layers)
        .filter_map(
            |(index, layer)| if let LayerInput::Read(inventory) = layer { Some((index, *inventory)) } else { None },
        )
        .collect();
    let links = relevant(&read.iter().map(|(_, inventory)| *inventory).collect::<Vec<_>>());
    let mut state = State::default();
    for ((index, inventory), links) in read.iter().zip(&links) {
        state.apply(*index, inventory, links);
    }
    let distribution = distribution(&state);
    let reasons = reasons(layers, &state);
    let status = match layers {
        _ if reasons.is_empty() => ScanStatus::Complete,
        _ if !read.is_empty() => ScanStatus::Partial,
        layers if layers.iter().all(|layer| matches!(layer, LayerInput::Unsupported(_))) => ScanStatus::Unsupported,
        _ => ScanStatus::Failed,
    };
    let packages = packages(&state, distribution.as_ref());
    ImageInventory { status, reasons, distribution, channels: Vec::new(), packages, risks: Vec::new() }
}

fn indexed<'a, 'l>(layers: &'a [LayerInput<'l>]) -> impl Iterator<Item = (u32, &'a LayerInput<'l>)> {
    (0..).zip(layers)
}

/// The identity in the first release file that states one.
fn distribution(state: &State) -> Option<Distribution> {
    RELEASE_FILES.iter().filter_map(|path| state.file(path)).flat_map(|file| &file.facts).find_map(|placed| {
        match &placed.fact {
            Fact::Distribution(distribution) => Some(distribution.clone()),
            _ => None,
        }
    })
}

fn reasons(layers: &[LayerInput<'_>], state: &State) -> Vec<ImageReason> {
    let of_layers = indexed(layers).flat_map(|(index, layer)| {
        let reasons = match layer {
            LayerInput::Read(inventory) => inventory.reasons.as_slice(),
            LayerInput::Unsupported(reason) | LayerInput::Failed(reason) => std::slice::from_ref(*reason),
        };
        reasons.iter().map(move |reason| ImageReason { layer: Some(index), reason: reason.clone() })
    });
    let of_files = state.files().values().flat_map(|file| {
        file.facts.iter().filter_map(|placed| match &placed.fact {
            Fact::Unread(reason) => Some(ImageReason { layer: Some(file.layer), reason: reason.clone() }),
            _ => None,
        })
    });
    let mut reasons: Vec<ImageReason> = of_layers.chain(of_files).collect();
    reasons.sort();
    reasons.dedup();
    reasons
}

/// The visible packages; one stated by several files of one layer is one package with several paths.
fn packages(state: &State, distribution: Option<&Distribution>) -> Vec<ImagePackage> {
    let mut found: BTreeMap<(String, u32), (&Package, Vec<String>)> = BTreeMap::new();
    for (path, file) in state.files() {
        for placed in &file.facts {
            if let Fact::Package(package) = &placed.fact {
                let purl = package_url(package, distribution);
                let (_, paths) = found.entry((purl, placed.layer)).or_insert((package, Vec::new()));
                if paths.last() != Some(path) {
                    paths.push(path.clone());
                }
            }
        }
    }
    let package = |((purl, layer), (package, paths)): ((String, u32), (&Package, Vec<String>))| ImagePackage {
        package: package.clone(),
        purl,
        layer,
        paths,
        owner: None,
    };
    let mut packages: Vec<ImagePackage> = found.into_iter().map(package).collect();
    // Stable: equal packages stay in the order of their layers.
    packages.sort_by(|a, b| sort_key(&a.package).cmp(&sort_key(&b.package)));
    packages
}

fn sort_key(package: &Package) -> (&str, &str, &str, Option<&str>) {
    (package.package_type.name(), &package.name, &package.version, package.architecture.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::LayerBuilder;
    use crate::layer::{Reason, ReasonCode};

    fn compose_layers(layers: &[LayerBuilder]) -> ImageInventory {
        let read: Vec<_> = layers.iter().map(|layer| layer.gzip().scan().unwrap()).collect();
        compose(&read.iter().map(LayerInput::Read).collect::<Vec<_>>())
    }

    /// Name, version and layer of each package.
    fn found(image: &ImageInventory) -> Vec<(&str, &str, u32)> {
        image.packages.iter().map(|found| (&*found.package.name, &*found.package.version, found.layer)).collect()
    }

    fn layer() -> LayerBuilder {
        LayerBuilder::new()
    }

    fn dpkg(packages: &[(&str, &str)]) -> String {
        let stanza = |(name, version): &(&str, &str)| {
            format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n")
        };
        packages.iter().map(stanza).collect()
    }

    fn status(packages: &[(&str, &str)]) -> LayerBuilder {
        layer().file("var/lib/dpkg/status", dpkg(packages))
    }

    const APK: &str = "P:musl\nV:1.2\nA:x86_64\n\n";
    const NPM: &str = r#"{"name":"a","version":"1"}"#;

    #[test]
    fn packages_come_from_the_newest_database_and_the_layer_that_first_listed_them() {
        let image = compose_layers(&[
            layer().file("etc/os-release", "ID=debian\nVERSION_ID=12\n"),
            status(&[("a", "1"), ("b", "1"), ("c", "1")]),
            status(&[("a", "1"), ("b", "2")]),
            status(&[("a", "1"), ("b", "2"), ("c", "1")]),
        ]);
        // c was removed by layer 2, so layer 3 brought it.
        assert_eq!(found(&image), [("a", "1", 1), ("b", "2", 2), ("c", "1", 3)]);
        assert_eq!(image.packages[0].purl, "pkg:deb/debian/a@1?arch=amd64&distro=debian-12");
        assert_eq!(image.packages[0].paths, ["var/lib/dpkg/status"]);
        assert_eq!(image.status, ScanStatus::Complete);
    }

    #[test]
    fn an_emptied_database_hides_the_lower_one() {
        assert!(compose_layers(&[status(&[("a", "1")]), status(&[])]).packages.is_empty());
        let again = compose_layers(&[status(&[("a", "1")]), status(&[]), status(&[("a", "1")])]);
        assert_eq!(found(&again), [("a", "1", 2)]);
    }

    #[test]
    fn whatever_touches_a_path_or_a_directory_above_hides_it() {
        let below = || layer().file("app/node_modules/a/package.json", NPM);
        for above in [
            layer().whiteout("app/node_modules/a/package.json"),
            layer().whiteout("app"),
            layer().opaque("app/node_modules"),
            layer().opaque("app"),
            layer().file("app", "no directory any more"),
            layer().symlink("app/node_modules", "/elsewhere"),
            layer().hardlink("app/node_modules", "x"),
            layer().dir("app/node_modules/a/package.json"),
            layer().symlink("app/node_modules/a/package.json", "/x"),
            layer().whiteout("app").dir("app"),
            layer().opaque("").dir("app"),
        ] {
            assert!(compose_layers(&[below(), above.clone()]).packages.is_empty(), "{above:?}");
        }
        for beside in [
            layer().dir("app").dir("app/node_modules"),
            layer().whiteout("app/node_modules/b"),
            layer().opaque("app/node_modules/b"),
        ] {
            assert_eq!(found(&compose_layers(&[below(), beside])), [("a", "1", 0)]);
        }
    }

    #[test]
    fn what_a_layer_adds_survives_its_own_whiteouts_in_any_order() {
        let path = "app/a/package.json";
        let new = r#"{"name":"a","version":"2"}"#;
        for above in [
            layer().opaque("app").file(path, new),
            layer().file(path, new).opaque("app"),
            layer().file(path, new).whiteout(path),
            layer().whiteout("app").file(path, new),
        ] {
            assert_eq!(found(&compose_layers(&[layer().file(path, NPM), above])), [("a", "2", 1)]);
        }
    }

    #[test]
    fn linked_directories_are_one_place() {
        let base = layer().dir("usr/lib").symlink("lib", "usr/lib").file("usr/lib/apk/db/installed", APK);
        // The same database through the link: replaced, not doubled.
        let image =
            compose_layers(&[base.clone(), layer().file("lib/apk/db/installed", format!("{APK}P:zlib\nV:1\n\n"))]);
        assert_eq!(found(&image), [("musl", "1.2", 0), ("zlib", "1", 1)]);
        assert_eq!(image.packages[0].paths, ["usr/lib/apk/db/installed"]);
        for above in [
            layer().whiteout("lib/apk/db/installed"),
            layer().whiteout("lib/apk"),
            layer().opaque("lib/apk"),
            layer().opaque("lib"),
        ] {
            assert!(compose_layers(&[base.clone(), above.clone()]).packages.is_empty(), "{above:?}");
        }
        // Removing or replacing the link leaves what it led to.
        for above in
            [layer().whiteout("lib"), layer().dir("lib"), layer().symlink("lib", "usr/lib"), layer().file("lib", "")]
        {
            assert_eq!(found(&compose_layers(&[base.clone(), above])), [("musl", "1.2", 0)]);
        }
    }

    #[test]
    fn a_database_that_moves_with_usr_merge_keeps_its_packages_layers() {
        let merged = layer().symlink("lib", "usr/lib").file("usr/lib/apk/db/installed", APK);
        let image = compose_layers(&[layer().dir("lib").file("lib/apk/db/installed", APK), merged]);
        assert_eq!(found(&image), [("musl", "1.2", 0)]);
        assert_eq!(image.packages[0].paths, ["usr/lib/apk/db/installed"]);
    }

    #[test]
    fn hard_links_carry_facts_of_lower_layers() {
        let image = compose_layers(&[
            layer().file("a/package.json", NPM),
            layer().hardlink("b/package.json", "a/package.json"),
        ]);
        assert_eq!(found(&image), [("a", "1", 0), ("a", "1", 1)]);
        let unknown = compose_layers(&[layer().file("store/1", NPM).hardlink("b/package.json", "store/1")]);
        assert_eq!(unknown.status, ScanStatus::Partial);
        assert_eq!(unknown.reasons[0].reason.code, ReasonCode::UnreadDatabase);
    }

    #[test]
    fn the_distribution_is_what_a_program_would_read() {
        let name = |layers: &[LayerBuilder]| {
            compose_layers(layers).distribution.map(|found| format!("{} {}", found.id, found.version))
        };
        let debian = || {
            layer()
                .file("usr/lib/os-release", "ID=debian\nVERSION_ID=12\n")
                .symlink("etc/os-release", "../usr/lib/os-release")
        };
        assert_eq!(name(&[debian()]).as_deref(), Some("debian 12"));
        assert_eq!(
            name(&[debian(), layer().file("usr/lib/os-release", "ID=debian\nVERSION_ID=13\n")]).as_deref(),
            Some("debian 13")
        );
        assert_eq!(name(&[debian(), layer().file("etc/os-release", "ID=mine\n")]).as_deref(), Some("mine "));
        let fedora = layer()
            .symlink("usr/lib/os-release", "./os.release.d/x")
            .file("usr/lib/os.release.d/x", "ID=fedora\nVERSION_ID=40\n");
        assert_eq!(name(&[fedora.symlink("etc/os-release", "/usr/lib/os-release")]).as_deref(), Some("fedora 40"));
        assert_eq!(
            name(&[debian(), layer().whiteout("usr/lib/os-release").file("etc/debian_version", "12.5\n")]).as_deref(),
            Some("debian 12")
        );
        assert_eq!(name(&[layer().file("a", "b")]), None);
    }

    #[test]
    fn one_package_in_several_places_of_a_layer_has_several_paths() {
        let image = compose_layers(&[
            layer().file("b/package.json", NPM).file("a/package.json", NPM),
            layer().file("c/package.json", NPM),
        ]);
        assert_eq!(found(&image), [("a", "1", 0), ("a", "1", 1)]);
        assert_eq!(image.packages[0].paths, ["a/package.json", "b/package.json"]);
        // Only one of the places is gone.
        let image =
            compose_layers(&[layer().file("b/package.json", NPM).file("a/package.json", NPM), layer().whiteout("a")]);
        assert_eq!(image.packages[0].paths, ["b/package.json"]);
    }

    #[test]
    fn unread_files_make_an_image_partial_while_they_are_visible() {
        let jar = || layer().file("opt/app.jar", "PK");
        let image = compose_layers(&[status(&[("a", "1")]), jar()]);
        assert_eq!((image.status, image.reasons[0].layer, image.reasons.len()), (ScanStatus::Partial, Some(1), 1));
        assert_eq!(image.packages.len(), 1);
        assert_eq!(compose_layers(&[jar(), layer().whiteout("opt")]).status, ScanStatus::Complete);
    }

    #[test]
    fn the_status_says_how_much_was_read() {
        let read = status(&[("a", "1")]).gzip().scan().unwrap();
        let mut cut = read.clone();
        cut.reasons.push(Reason::new(ReasonCode::DecodeFailed, "cut"));
        let foreign = Reason::new(ReasonCode::ForeignLayer, "foreign");
        let missing = Reason::new(ReasonCode::MissingLayers, "missing");
        let (read, cut, foreign, missing) = (
            LayerInput::Read(&read),
            LayerInput::Read(&cut),
            LayerInput::Unsupported(&foreign),
            LayerInput::Failed(&missing),
        );
        for (layers, status) in [
            (vec![], ScanStatus::Complete),
            (vec![read, read], ScanStatus::Complete),
            (vec![read, cut], ScanStatus::Partial),
            (vec![foreign, read], ScanStatus::Partial),
            (vec![read, missing], ScanStatus::Partial),
            (vec![foreign, foreign], ScanStatus::Unsupported),
            (vec![foreign, missing], ScanStatus::Failed),
            (vec![missing], ScanStatus::Failed),
        ] {
            let image = compose(&layers);
            assert_eq!(image.status, status, "{layers:?}");
            assert_eq!(image.reasons.is_empty(), status == ScanStatus::Complete);
        }
        assert_eq!(compose(&[missing, read]).packages[0].layer, 1, "layers keep their numbers");
    }
}
