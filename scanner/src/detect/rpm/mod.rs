//! rpm's database in its three containers, and the lists Red Hat and Azure Linux put beside or in place of it.
//!
//! A container yields headers, a header yields a package and the paths it owns. Which container a file is, its first bytes
//! say. An SQLite database may come with a write-ahead log in a file of its own: the walk brings the two together.

mod bdb;
mod container;
mod content_set;
mod header;
mod installed;
mod mariner;
mod ndb;
mod record;
mod sqlite;
mod wal;

use std::io;

use container::{ContainerError, Outcome};
pub(super) use content_set::ContentSets;
use installed::Installed;
pub(super) use mariner::MarinerManifest;
use wal::Wal;

use super::{Detector, FactList, Want, base_name};
use crate::content::Content;
use crate::layer::parent;

/// Folders of the database: rpm's own, that of newer distributions, and that of image-based ones.
const FOLDERS: [&str; 3] = ["var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"];
const SQLITE: &str = "rpmdb.sqlite";
const LOG: &str = "rpmdb.sqlite-wal";

/// The database of installed packages.
pub(super) struct Rpm;

impl Detector for Rpm {
    fn name(&self) -> &'static str {
        "rpm"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        let known = matches!(base_name(path), "Packages" | "Packages.db" | SQLITE | LOG);
        (known && FOLDERS.contains(&parent(path))).then_some(Want::Content)
    }

    fn detect(&self, _path: &str, _bytes: &[u8], _facts: &mut FactList) {}

    fn examine(&self, path: &str, content: &Content, facts: &mut FactList) -> io::Result<()> {
        if base_name(path) != LOG {
            return examine(path, content, None, facts);
        }
        if Wal::read(content)?.is_some() {
            facts.unread(path, "the log changes a package database that is not in the same layer");
        }
        Ok(())
    }

    fn companion(&self, path: &str) -> Option<String> {
        let other = match base_name(path) {
            SQLITE => LOG,
            LOG => SQLITE,
            _ => return None,
        };
        Some(format!("{}/{other}", parent(path)))
    }

    fn examine_beside(
        &self,
        path: &str,
        content: &Content,
        companion: &Content,
        facts: &mut FactList,
    ) -> io::Result<()> {
        // The log says nothing of its own: what it changes is the database's.
        if base_name(path) == LOG { Ok(()) } else { examine(path, content, Wal::read(companion)?.as_ref(), facts) }
    }
}

/// Adds the packages of a database; what breaks its container's format is a fact, what cannot be read an error.
fn examine(path: &str, content: &Content, wal: Option<&Wal<'_>>, facts: &mut FactList) -> io::Result<()> {
    let mut installed = Installed::new(facts);
    let outcome = read(content, wal, &mut installed);
    installed.finish(path);
    match outcome {
        Ok(()) => {}
        Err(ContainerError::Broken(why)) => facts.malformed(path, why),
        Err(ContainerError::Unread(why)) => facts.unread(path, why),
        Err(ContainerError::Read(error)) => return Err(error),
    }
    Ok(())
}

fn read(content: &Content, wal: Option<&Wal<'_>>, installed: &mut Installed<'_>) -> Outcome<()> {
    let head = content.slice(0, 16)?;
    let mut take = |header: &[u8]| installed.header(header);
    if sqlite::is_sqlite(&head) {
        sqlite::read(content, wal, &mut take)
    } else if ndb::is_ndb(&head) {
        ndb::read(content, &mut take)
    } else if bdb::is_bdb(&head) {
        bdb::read(content, &mut take)
    } else {
        Err(ContainerError::Broken("the file is no package database of a known kind"))
    }
}

#[cfg(test)]
mod tests {
    use super::header::HeaderBuilder;
    use super::*;
    use crate::content::Buffers;
    use crate::detect::{DetectorSet, FileHead, Watch, Watcher};
    use crate::fixture::LayerBuilder;
    use crate::layer::{Fact, LayerInventory, LayerLimits, ReasonCode, scan_layer};

    const DATABASE: &str = "var/lib/rpm/rpmdb.sqlite";
    const LOG_PATH: &str = "var/lib/rpm/rpmdb.sqlite-wal";

    fn database(second: &str) -> Vec<u8> {
        let header = |name: &str| HeaderBuilder::package(name, "1", "2").build();
        sqlite::database([&header("a"), &header(second)])
    }

    /// A log that puts another package in the second one's place.
    fn log(second: &str) -> Vec<u8> {
        wal::log(512, 0, &[(4, database(second)[3 * 512..4 * 512].to_vec(), 4)])
    }

    fn scan(layer: &LayerBuilder) -> LayerInventory {
        layer.gzip().scan().unwrap()
    }

    /// Names of packages, and codes of what was not read.
    fn found(layer: &LayerInventory, path: &str) -> Vec<String> {
        let facts = layer.facts.get(path).into_iter().flatten();
        let shown = facts.map(|fact| match fact {
            Fact::Package(package) => package.name.clone(),
            Fact::Unread(reason) => reason.code.name().to_owned(),
            other => panic!("{other:?}"),
        });
        shown.collect()
    }

    #[test]
    fn databases_are_known_by_their_place() {
        for path in [DATABASE, LOG_PATH, "usr/lib/sysimage/rpm/Packages.db", "usr/share/rpm/Packages"] {
            assert_eq!(Rpm.wants(path), Some(Want::Content), "{path}");
        }
        for path in ["opt/rpm/Packages", "var/lib/rpm/Packages.bak", "Packages", "var/lib/rpm/rpmdb.sqlite-shm"] {
            assert_eq!(Rpm.wants(path), None, "{path}");
        }
    }

    #[test]
    fn a_log_changes_the_database_beside_it_in_any_order() {
        let (old, log) = (database("old"), log("new"));
        for layer in [
            LayerBuilder::new().file(DATABASE, &old).file(LOG_PATH, &log),
            LayerBuilder::new().file(LOG_PATH, &log).file(DATABASE, &old),
            LayerBuilder::new().file(DATABASE, "broken").file(LOG_PATH, &log).file(DATABASE, &old),
        ] {
            let layer = scan(&layer);
            assert_eq!(found(&layer, DATABASE), ["a", "new"]);
            assert_eq!(layer.facts[LOG_PATH], []);
        }
    }

    #[test]
    fn a_log_the_layer_has_no_database_for_is_said() {
        let (old, log) = (database("old"), log("new"));
        let elsewhere = "usr/share/rpm/rpmdb.sqlite";
        for layer in [
            LayerBuilder::new().file(LOG_PATH, &log),
            LayerBuilder::new().file(LOG_PATH, &log).file(elsewhere, &old),
            LayerBuilder::new().file(DATABASE, &old).file(LOG_PATH, &log).symlink(DATABASE, "elsewhere"),
        ] {
            assert_eq!(found(&scan(&layer), LOG_PATH), ["unread_database"]);
        }
        for log in [&b""[..], &[0; 4096], &log[..500]] {
            let layer = scan(&LayerBuilder::new().file(DATABASE, &old).file(LOG_PATH, log));
            assert_eq!(
                (found(&layer, DATABASE), &layer.facts[LOG_PATH][..]),
                (vec!["a".into(), "old".into()], &[][..])
            );
        }
    }

    #[test]
    fn a_log_that_is_gone_again_does_not_count() {
        let (old, log) = (database("old"), log("new"));
        let layer = LayerBuilder::new().file(DATABASE, &old).file(LOG_PATH, &log).file(LOG_PATH, "");
        assert_eq!(found(&scan(&layer), DATABASE), ["a", "old"]);
    }

    /// Has a word about every file.
    struct Talker;

    impl Watcher for Talker {
        fn name(&self) -> &'static str {
            "talker"
        }

        fn version(&self) -> u32 {
            1
        }

        fn watch(&self, file: &FileHead<'_>, _: &Buffers, facts: &mut FactList) -> Option<Box<dyn Watch>> {
            facts.unread(file.path, "a word");
            None
        }
    }

    #[test]
    fn what_others_found_in_the_two_files_stays() {
        let layer = LayerBuilder::new().file(DATABASE, database("old")).file(LOG_PATH, log("new"));
        let set = DetectorSet::new(vec![Box::new(Rpm)], vec![Box::new(Talker)]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (limits, buffers) = (LayerLimits::default(), Buffers::default());
        let layer = scan_layer(&layer.tar()[..], None, &set, &limits, &buffers, runtime.handle()).unwrap();
        assert_eq!(found(&layer, DATABASE), ["unread_database", "a", "new"]);
        assert_eq!(found(&layer, LOG_PATH), ["unread_database"]);
        assert!(
            layer.facts[LOG_PATH].iter().all(|fact| matches!(fact, Fact::Unread(reason) if reason.detail == "a word"))
        );
    }

    #[test]
    fn an_emptied_database_holds_nothing_and_another_file_says_so() {
        for path in [DATABASE, "var/lib/rpm/Packages", "var/lib/rpm/Packages.db"] {
            let empty = scan(&LayerBuilder::new().file(path, ""));
            assert_eq!(empty.facts[path], []);
            for bytes in [&b"x"[..], b"sixteen bytes and more"] {
                let other = scan(&LayerBuilder::new().file(path, bytes));
                assert_eq!(found(&other, path), [ReasonCode::MalformedDatabase.name()]);
            }
        }
    }
}
