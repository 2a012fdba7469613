//! Versions that real advisories name.

use std::collections::BTreeSet;
use std::fs::File;

use serde_json::Value;
use zip::ZipArchive;

/// The most records that are read of an ecosystem, spread over all of them.
const RECORDS: usize = 1_000;
/// The most versions a record gives.
const VERSIONS: usize = 20;

/// The versions of an ecosystem's records, those of one record beside each other; none where the shared advisories are
/// not there.
pub(crate) fn versions(ecosystem: &str) -> Vec<String> {
    let path = format!("{}/../../shared/advisories/osv/{ecosystem}/all.zip", env!("CARGO_MANIFEST_DIR"));
    let Ok(file) = File::open(path) else { return Vec::new() };
    let mut archive = ZipArchive::new(file).unwrap();
    let stride = archive.len().div_ceil(RECORDS).max(1);
    let mut found = Vec::new();
    for index in (0..archive.len()).step_by(stride) {
        let record: Value = serde_json::from_reader(archive.by_index(index).unwrap()).unwrap();
        found.extend(of_record(&record).into_iter().take(VERSIONS).map(str::to_owned));
    }
    found
}

fn of_record(record: &Value) -> BTreeSet<&str> {
    let affected = || record["affected"].as_array().into_iter().flatten();
    let ranges = affected().flat_map(|affected| affected["ranges"].as_array().into_iter().flatten());
    let ranges = ranges.filter(|range| range["type"] != "GIT");
    let events = ranges.flat_map(|range| range["events"].as_array().into_iter().flatten());
    let events = events.flat_map(|event| event.as_object().into_iter().flat_map(|event| event.values()));
    let named = affected().flat_map(|affected| affected["versions"].as_array().into_iter().flatten());
    events.chain(named).filter_map(Value::as_str).collect()
}
