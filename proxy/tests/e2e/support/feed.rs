//! Advisory feeds: the ones beside the checkout or small ones made here, and a reading of them that shares no code with weir.
//!
//! Python's own zip and JSON modules write and read them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{checkout, run, tool};

/// Writes one `NAME.json` per input line `{"id": …}` into the zip.
const WRITE: &str = r#"
import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as archive:
    for line in sys.stdin:
        archive.writestr(json.loads(line)["id"] + ".json", line)
"#;

/// For each package line `name<TAB>version`: the ids of records that list exactly this version as affected.
const EXPECTED: &str = r#"
import json, re, sys, zipfile
wanted = dict(line.rstrip("\n").split("\t") for line in sys.stdin)
found = {}
with zipfile.ZipFile(sys.argv[1]) as archive:
    for name in archive.namelist():
        record = json.loads(archive.read(name))
        if "withdrawn" in record:
            continue
        for affected in record.get("affected", []):
            package = re.sub("[-_.]+", "-", affected.get("package", {}).get("name", "")).lower()
            if package in wanted and wanted[package] in affected.get("versions", []):
                found.setdefault(package, set()).add(record["id"])
json.dump({package: sorted(ids) for package, ids in found.items()}, sys.stdout)
"#;

/// Records in the zip.
const COUNT: &str = r#"
import sys, zipfile
print(sum(name.endswith(".json") for name in zipfile.ZipFile(sys.argv[1]).namelist()))
"#;

/// A directory laid out as the OSV bucket: the shared one beside the checkout where present, else a small one made in
/// `directory`, with a record for a package the demo image has and one for a package it removed.
pub(crate) fn advisories(directory: &Path) -> PathBuf {
    let shared = checkout().join("../shared/advisories/osv");
    if shared.join("PyPI/all.zip").is_file() {
        return shared.canonicalize().unwrap();
    }
    let made = directory.join("osv");
    let record = |id: &str, ecosystem: &str, name: &str, version: &str| {
        json!({
            "schema_version": "1.6.0", "id": id, "modified": "2024-01-01T00:00:00Z", "summary": "made for a test",
            "affected": [{"package": {"ecosystem": ecosystem, "name": name}, "versions": [version]}],
        })
    };
    write_feed(
        &made,
        "PyPI",
        [record("PYSEC-2024-1", "PyPI", "django", "3.2.12"), record("PYSEC-2024-2", "PyPI", "tornado", "6.2")],
    );
    write_feed(&made, "npm", [record("GHSA-0000-0000-0001", "npm", "lodash", "4.17.11")]);
    write_feed(&made, "Debian", [record("DSA-1-1", "Debian:12", "openssl", "1")]);
    made
}

/// Writes `directory/<ecosystem>/all.zip` of these OSV records, in the place of those that were there.
pub(crate) fn write_feed(directory: &Path, ecosystem: &str, records: impl IntoIterator<Item = Value>) {
    let folder = directory.join(ecosystem);
    std::fs::create_dir_all(&folder).unwrap();
    let mut list = std::fs::read_to_string(directory.join("ecosystems.txt")).unwrap_or_default();
    if !list.lines().any(|known| known == ecosystem) {
        list.push_str(&format!("{ecosystem}\n"));
    }
    std::fs::write(directory.join("ecosystems.txt"), list).unwrap();
    let mut python = Command::new(tool("python3"));
    python.args(["-c", WRITE]).arg(folder.join("all.zip")).stdin(Stdio::piped());
    let mut child = python.spawn().unwrap();
    let mut input = std::io::BufWriter::new(child.stdin.take().unwrap());
    for record in records {
        writeln!(input, "{record}").unwrap();
    }
    drop(input.into_inner().unwrap());
    assert!(child.wait().unwrap().success());
}

/// For each of these packages, the records of a feed that name its version among the affected ones, and are not withdrawn.
pub(crate) fn expected_findings<'a>(
    archive: &Path,
    packages: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> BTreeMap<String, Vec<String>> {
    let mut python = Command::new(tool("python3"));
    python.args(["-c", EXPECTED]).arg(archive).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = python.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    for (name, version) in packages {
        writeln!(input, "{name}\t{version}").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{archive:?} cannot be read");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Records of each ecosystem of a directory, by ecosystem.
pub(crate) fn feed_counts(directory: &Path) -> BTreeMap<String, u64> {
    let list = std::fs::read_to_string(directory.join("ecosystems.txt")).unwrap();
    let named = list.lines().filter(|line| !line.is_empty());
    let present = named.filter(|name| directory.join(name).join("all.zip").is_file());
    present
        .map(|name| {
            let archive = directory.join(name).join("all.zip");
            let count = run(Command::new(tool("python3")).args(["-c", COUNT]).arg(archive));
            (name.to_owned(), count.trim().parse().unwrap())
        })
        .collect()
}
