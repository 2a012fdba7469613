//! Folds an image's layers, bottom first.

use super::packages::packages;
use super::state::State;
use super::tree::What;
use super::{ImageInventory, ImageReason, ImageRisk, LayerInput, ScanStatus};
use crate::detect::RELEASE_FILES;
use crate::layer::{Channel, Fact, LayerInventory, Reason, ReasonCode};
use crate::package::Distribution;
use crate::risk::RiskKind;

/// A visible file of interest.
pub(super) struct VisibleFile<'a> {
    pub(super) place: super::tree::NodeId,
    pub(super) path: String,
    /// The layer whose version of the file is visible.
    pub(super) layer: u32,
    pub(super) facts: &'a [Fact],
}

/// Folds `layers`, bottom first, into what the image shows.
///
/// Follows containerd's extractor where runtimes differ, with each layer's whiteouts for lower layers only, as the image specification
/// has it. An entry whose directory is a link of a lower layer lands where the link leads, as it does where a layer is extracted
/// into the whole tree; with overlay snapshots such an entry makes a directory in the link's place.
///
/// The status is complete only where every layer was read to its end and no visible file was left unread; what
/// an upper layer hides does not count. Failed means that no layer could be read, unsupported that none ever will be.
pub fn compose(layers: &[LayerInput<'_>]) -> ImageInventory {
    let read: Vec<(u32, &LayerInventory)> = indexed(layers)
        .filter_map(
            |(index, layer)| if let LayerInput::Read(inventory) = layer { Some((index, *inventory)) } else { None },
        )
        .collect();
    let mut state = State::of(&read);
    let files = files(&state);
    let distribution = distribution(&mut state);
    let reasons = reasons(layers, &state, &files);
    let status = match layers {
        _ if reasons.is_empty() => ScanStatus::Complete,
        _ if !read.is_empty() => ScanStatus::Partial,
        layers if layers.iter().all(|layer| matches!(layer, LayerInput::Unsupported(_))) => ScanStatus::Unsupported,
        _ => ScanStatus::Failed,
    };
    let packages = packages(&mut state, &files, distribution.as_ref());
    ImageInventory { status, reasons, channels: channels(&files), packages, risks: risks(&state, &files), distribution }
}

fn indexed<'a, 'l>(layers: &'a [LayerInput<'l>]) -> impl Iterator<Item = (u32, &'a LayerInput<'l>)> {
    (0..).zip(layers)
}

/// The visible files of interest, sorted by path.
fn files<'a>(state: &State<'a>) -> Vec<VisibleFile<'a>> {
    let files = state.tree.files();
    let mut files: Vec<VisibleFile<'a>> =
        files.map(|(place, layer, facts)| VisibleFile { place, path: state.tree.path(place), layer, facts }).collect();
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The identity in the first release file that states one. What it leaves out comes from the files after it, as far as they speak
/// of the same distribution.
fn distribution(state: &mut State<'_>) -> Option<Distribution> {
    let mut found: Option<Distribution> = None;
    for path in RELEASE_FILES {
        let Some(name) = state.tree.name(path) else { continue };
        let place = state.tree.place(name, true);
        let Some(What::File(facts)) = state.tree.content(place).map(|content| content.what) else { continue };
        for fact in facts {
            let Fact::Distribution(stated) = fact else { continue };
            match &mut found {
                None => found = Some(stated.clone()),
                Some(found) if found.id == stated.id => {
                    if found.version.is_empty() {
                        found.version.clone_from(&stated.version);
                    }
                    found.pretty_name = found.pretty_name.take().or_else(|| stated.pretty_name.clone());
                }
                Some(_) => {}
            }
        }
    }
    found
}

fn reasons(layers: &[LayerInput<'_>], state: &State<'_>, files: &[VisibleFile<'_>]) -> Vec<ImageReason> {
    let of_layers = indexed(layers).flat_map(|(index, layer)| {
        let reasons = match layer {
            LayerInput::Read(inventory) => inventory.reasons.as_slice(),
            LayerInput::Unsupported(reason) | LayerInput::Failed(reason) => std::slice::from_ref(*reason),
        };
        reasons.iter().map(move |reason| ImageReason { layer: Some(index), reason: reason.clone() })
    });
    let of_files = files.iter().flat_map(|file| {
        file.facts.iter().filter_map(|fact| match fact {
            Fact::Unread(reason) => Some(ImageReason { layer: Some(file.layer), reason: reason.clone() }),
            _ => None,
        })
    });
    let mut reasons: Vec<ImageReason> = of_layers.chain(of_files).collect();
    if !state.is_complete() {
        let detail = "the image holds more files of interest and links than are followed";
        reasons.push(ImageReason { layer: None, reason: Reason::new(ReasonCode::TooManyEntries, detail) });
    }
    reasons.sort();
    reasons.dedup();
    reasons
}

fn channels(files: &[VisibleFile<'_>]) -> Vec<Channel> {
    let stated = files.iter().flat_map(|file| file.facts).filter_map(|fact| match fact {
        Fact::Channel(channel) => Some(channel.clone()),
        _ => None,
    });
    let mut channels: Vec<Channel> = stated.collect();
    channels.sort();
    channels.dedup();
    channels
}

/// Every risk visible files show, and every secret any layer has: who has the image has its layers. A secret that several layers
/// have at one path is reported once, for the lowest of them.
fn risks(state: &State<'_>, files: &[VisibleFile<'_>]) -> Vec<ImageRisk> {
    let visible = files.iter().flat_map(|file| {
        file.facts.iter().filter_map(|fact| match fact {
            Fact::Risk(risk) => Some((file.path.clone(), risk, file.layer, true)),
            _ => None,
        })
    });
    let secrets = state.secrets.iter().map(|(place, layer, risk)| (state.tree.path(*place), *risk, *layer, false));
    let mut risks: Vec<ImageRisk> = Vec::new();
    let mut found: Vec<_> = visible.chain(secrets).collect();
    found.sort_unstable();
    for (path, risk, layer, visible) in found {
        match risks.last_mut() {
            Some(last) if risk.kind == RiskKind::Secret && last.risk == *risk && last.path.as_ref() == Some(&path) => {
                last.visible |= visible;
            }
            _ => risks.push(ImageRisk { risk: risk.clone(), layer: Some(layer), path: Some(path), visible }),
        }
    }
    risks.sort();
    risks.dedup();
    risks
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
    fn a_directory_that_is_a_package_lasts_while_it_is_there() {
        let bash = "nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-bash-5.2";
        let below = || layer().dir(bash).file(&format!("{bash}/bin/bash"), "x");
        let image = compose_layers(&[below(), layer().dir(bash).file(&format!("{bash}/bin/sh"), "x")]);
        assert_eq!(found(&image), [("bash", "5.2", 0)]);
        assert_eq!(image.packages[0].paths, [bash]);
        for above in [layer().whiteout(bash), layer().opaque("nix/store"), layer().file("nix", "")] {
            assert!(compose_layers(&[below(), above.clone()]).packages.is_empty(), "{above:?}");
        }
        let again = compose_layers(&[below(), layer().whiteout(bash).dir(bash)]);
        assert_eq!(again.packages.len(), 1);
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
    fn what_a_release_file_leaves_out_another_one_of_the_same_distribution_says() {
        let distribution = |layers: &[LayerBuilder]| compose_layers(layers).distribution.unwrap();
        let testing = || layer().file("etc/os-release", "ID=debian\nPRETTY_NAME=testing\n");
        assert_eq!(distribution(&[testing(), layer().file("etc/debian_version", "13.1\n")]).version, "13");
        assert_eq!(distribution(&[testing(), layer().file("etc/alpine-release", "3.20.1\n")]).version, "");
        let both = distribution(&[
            layer().file("usr/lib/os-release", "ID=debian\nVERSION_ID=12\nPRETTY_NAME=bookworm\n"),
            testing(),
        ]);
        assert_eq!((&*both.version, both.pretty_name.as_deref()), ("12", Some("testing")));
    }

    /// A layer with files that state what no standard detector does.
    fn stating(files: &[(&str, Vec<Fact>)]) -> LayerInventory {
        let builder = files.iter().fold(layer(), |layer, (path, _)| layer.file(path, "x"));
        let mut inventory = builder.gzip().scan().unwrap();
        inventory.facts.extend(files.iter().map(|(path, facts)| ((*path).to_owned(), facts.clone())));
        inventory
    }

    fn risk(kind: RiskKind, rule: &str) -> Fact {
        let severity = crate::finding::Severity::High;
        Fact::Risk(crate::risk::Risk { kind, rule: rule.into(), severity, detail: String::new(), line: None })
    }

    #[test]
    fn secrets_are_told_even_where_they_are_gone_and_other_risks_while_they_are_visible() {
        let key = || vec![risk(RiskKind::Secret, "key"), risk(RiskKind::Permission, "setuid")];
        let shown = |layers: &[LayerInventory]| {
            let image = compose(&layers.iter().map(LayerInput::Read).collect::<Vec<_>>());
            let shown = image.risks.into_iter().map(|found| {
                format!("{} {} {} {}", found.risk.rule, found.layer.unwrap(), found.path.unwrap(), found.visible)
            });
            shown.collect::<Vec<_>>()
        };
        let scan = |layer: LayerBuilder| layer.gzip().scan().unwrap();
        let base = || stating(&[("root/a", key())]);
        assert_eq!(shown(&[base()]), ["key 0 root/a true", "setuid 0 root/a true"]);
        assert_eq!(shown(&[base(), scan(layer().whiteout("root"))]), ["key 0 root/a false"]);
        assert_eq!(shown(&[base(), scan(layer().file("root/a", "other"))]), ["key 0 root/a false"]);
        // Once for each path, for the lowest layer that has it.
        assert_eq!(shown(&[base(), base()]), ["key 0 root/a true", "setuid 1 root/a true"]);
        assert_eq!(
            shown(&[base(), scan(layer().hardlink("b", "root/a")), scan(layer().whiteout("root/a"))]),
            ["key 0 root/a false", "key 1 b true", "setuid 1 b true"]
        );
    }

    #[test]
    fn channels_are_those_of_visible_files() {
        let channel = |name: &str| {
            Fact::Channel(Channel { kind: crate::layer::ChannelKind::ApkRepository, name: name.to_owned() })
        };
        let base = stating(&[("etc/apk/repositories", vec![channel("b"), channel("a"), channel("b")])]);
        let names = |layers: &[&LayerInventory]| {
            let inputs: Vec<_> = layers.iter().map(|layer| LayerInput::Read(layer)).collect();
            compose(&inputs).channels.into_iter().map(|channel| channel.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[&base]), ["a", "b"]);
        assert_eq!(names(&[&base, &stating(&[("etc/apk/repositories", vec![channel("c")])])]), ["c"]);
    }

    #[test]
    fn links_swapped_for_directories_and_back_lead_where_they_led_at_the_time() {
        let names = |layers: &[LayerBuilder]| {
            let image = compose_layers(layers);
            image.packages.into_iter().flat_map(|found| found.paths).collect::<Vec<_>>()
        };
        let through = || layer().file("lib/a/package.json", NPM);
        let link = |target| layer().symlink("lib", target);
        for (layers, paths) in [
            (vec![link("usr/lib"), through()], vec!["usr/lib/a/package.json"]),
            (vec![link("usr/lib").file("lib/a/package.json", NPM).dir("lib")], vec!["usr/lib/a/package.json"]),
            (vec![link("usr/lib"), through().dir("lib")], vec!["usr/lib/a/package.json"]),
            (vec![link("usr/lib"), layer().dir("lib").file("lib/a/package.json", NPM)], vec!["lib/a/package.json"]),
            (vec![through(), link("usr/lib")], vec![]),
            (vec![link("one"), through(), link("/two"), through()], vec!["one/a/package.json", "two/a/package.json"]),
            (vec![link("mid"), layer().symlink("mid", "./far/../end/"), through()], vec!["end/a/package.json"]),
            (vec![link("../../usr"), through(), layer().whiteout("lib/a")], vec![]),
            (vec![link("usr"), through(), layer().whiteout("lib").file("lib/b", "")], vec!["usr/a/package.json"]),
            // A loop leads nowhere; what is written there is told under its own name.
            (vec![link("lib"), through()], vec!["lib/a/package.json"]),
        ] {
            assert_eq!(names(&layers), paths, "{layers:?}");
        }
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
