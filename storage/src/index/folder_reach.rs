//! What a folder's records reach beyond the packages of their own ecosystem.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};

use weir_scanner::finding::leading_names;

use super::engine::{Scan, Table};
use super::record::AdvisoryParts;
use super::{Index, IndexError, decode_key, key, record};

/// What the records of one folder touch besides the packages of its ecosystem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderReach {
    /// Packages of other ecosystems they speak of, each with the name of its ecosystem.
    pub packages: BTreeSet<(String, String)>,
    /// Names over which they reach records that are not in the folder.
    pub names: BTreeSet<String>,
}

impl FolderReach {
    /// Reads the folder, and then all names once in their order, which costs less than asking for each. Memory: eight bytes for each
    /// record and each of its names, besides the answer.
    pub(super) fn of(index: &Index, ecosystem: &str) -> Result<Self, IndexError> {
        let hasher = RandomState::new();
        let mut reach = Self::default();
        let (mut members, mut leading) = (Vec::new(), Vec::new());
        for row in index.rows(Scan::prefix(Table::AdvisoryMembers, key::encode(ecosystem)).keys_only()) {
            let (_, id): (String, String) = decode_key(Table::AdvisoryMembers, &row?.key)?;
            members.push(hasher.hash_one(&id));
            let key = key::encode(&id);
            let Some(bytes) = index.engine.get(Table::Advisories, &key)? else { continue };
            let advisory = record::decode_parts(&key, &bytes, AdvisoryParts::Names)?;
            leading.extend(leading_names(&advisory).into_iter().map(|name| hasher.hash_one(name)));
            let others = advisory.affected.iter().filter(|affected| affected.ecosystem.name() != ecosystem);
            reach.packages.extend(others.map(|other| (other.ecosystem.name().to_owned(), other.package.clone())));
        }
        members.sort_unstable();
        leading.sort_unstable();
        for row in index.rows(Scan::prefix(Table::AdvisoryNames, Vec::new()).keys_only()) {
            let (name, id): (String, String) = decode_key(Table::AdvisoryNames, &row?.key)?;
            let has = |hashes: &[u64], text: &String| hashes.binary_search(&hasher.hash_one(text)).is_ok();
            if has(&leading, &name) && !has(&members, &id) {
                reach.names.insert(name);
            }
        }
        Ok(reach)
    }
}

#[cfg(test)]
mod tests {
    use weir_scanner::fixture::AdvisoryBuilder;

    use super::*;
    use crate::index::ImportFinish;

    #[test]
    fn a_folder_reaches_other_ecosystems_and_other_folders_records() {
        let index = Index::in_memory();
        let import = |folder: &str, records: &[AdvisoryBuilder]| {
            let mut import = index.advisories().begin(folder).unwrap();
            for record in records {
                import.put(record.clone().build()).unwrap();
            }
            import.finish(ImportFinish::default()).unwrap();
        };
        let debian = AdvisoryBuilder::new("DSA-1-1").upstream("CVE-2024-1").upstream("CVE-2024-3");
        import("Debian", &[debian.affects("Debian:12", "a", &["0"])]);
        import(
            "PyPI",
            &[
                AdvisoryBuilder::new("PYSEC-1").alias("CVE-2024-1").affects("PyPI", "a", &["0"]),
                AdvisoryBuilder::new("GHSA-1").alias("CVE-2024-2").affects("PyPI", "a", &["0"]).affects(
                    "npm",
                    "b",
                    &["0"],
                ),
                AdvisoryBuilder::new("PYSEC-2").alias("CVE-2024-2").affects("PyPI", "c", &["0"]),
            ],
        );
        let reach = index.advisories().reach("PyPI").unwrap();
        assert_eq!(reach.packages, BTreeSet::from([("npm".into(), "b".into())]));
        assert_eq!(reach.names, BTreeSet::from(["CVE-2024-1".into()]), "the other name is the folder's alone");
        assert_eq!(index.advisories().reach("npm").unwrap(), FolderReach::default());
    }
}
