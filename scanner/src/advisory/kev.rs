//! Reads CISA's catalogue of known exploited vulnerabilities, as JSON (its schema of 2024: `cveID`, `dateAdded`, `dueDate`,
//! `knownRansomwareCampaignUse`).

use std::io::Read;

use serde::Deserialize;

use super::json_list;

/// What the catalogue says of one vulnerability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KevEntry {
    /// The day it was added, `2024-05-01`.
    pub date_added: String,
    /// The day by which federal agencies have to act, where one is set.
    pub due_date: Option<String>,
    /// Whether ransomware campaigns are known to use it.
    pub ransomware: bool,
    /// The catalogue's name for it.
    pub name: String,
}

#[derive(Deserialize)]
struct RawEntry {
    #[serde(rename = "cveID")]
    cve: String,
    #[serde(rename = "dateAdded")]
    date_added: String,
    #[serde(rename = "dueDate")]
    due_date: Option<String>,
    #[serde(rename = "knownRansomwareCampaignUse")]
    ransomware: Option<String>,
    #[serde(rename = "vulnerabilityName")]
    name: Option<String>,
}

/// Reads the catalogue; each entry goes to `each` with its CVE. Returns when the catalogue was released, as it says.
///
/// # Errors
/// The outer one where the bytes are no such catalogue, the inner one where `each` gave up.
pub fn read<E>(
    reader: impl Read,
    mut each: impl FnMut(String, KevEntry) -> Result<(), E>,
) -> Result<Result<Option<String>, E>, serde_json::Error> {
    let released = json_list::read(reader, "vulnerabilities", ["dateReleased"], |raw: RawEntry| {
        let RawEntry { cve, date_added, due_date, ransomware, name } = raw;
        let ransomware = ransomware.is_some_and(|use_| use_.eq_ignore_ascii_case("known"));
        let due_date = due_date.filter(|date| !date.is_empty());
        each(cve, KevEntry { date_added, due_date, ransomware, name: name.unwrap_or_default() })
    });
    released.map(|inner| inner.map(|[released]| released))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Entries = Vec<(String, KevEntry)>;

    fn collect(bytes: impl Read) -> Result<(Entries, Option<String>), serde_json::Error> {
        let mut entries = Vec::new();
        let released = read(bytes, |cve, entry| {
            entries.push((cve, entry));
            Ok::<_, std::convert::Infallible>(())
        })?;
        let Ok(released) = released;
        Ok((entries, released))
    }

    #[test]
    fn an_entry_is_read() {
        let text = r#"{"title":"x","dateReleased":"2025-08-25T17:04:19.9796Z","count":2,"vulnerabilities":[
            {"cveID":"CVE-2025-1","dateAdded":"2025-08-25","dueDate":"2025-09-15","vulnerabilityName":"A","cwes":["CWE-59"],
             "knownRansomwareCampaignUse":"Known"},
            {"cveID":"CVE-2025-2","dateAdded":"2025-08-26","dueDate":"","knownRansomwareCampaignUse":"Unknown"}]}"#;
        let (entries, released) = collect(text.as_bytes()).unwrap();
        assert_eq!(released.as_deref(), Some("2025-08-25T17:04:19.9796Z"));
        let entry = |date: &str, due: Option<&str>, ransomware, name: &str| KevEntry {
            date_added: date.into(),
            due_date: due.map(Into::into),
            ransomware,
            name: name.into(),
        };
        assert_eq!(
            entries,
            [
                ("CVE-2025-1".into(), entry("2025-08-25", Some("2025-09-15"), true, "A")),
                ("CVE-2025-2".into(), entry("2025-08-26", None, false, "")),
            ]
        );
        assert!(collect(b"<html>".as_slice()).is_err());
    }

    /// The catalogue beside the checkout, where it is: as many entries as it counts itself.
    #[test]
    fn the_shared_catalogue_is_read_to_its_end() {
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/advisories/kev/known_exploited_vulnerabilities.json");
        let Ok(file) = std::fs::File::open(path) else { return };
        let (entries, released) = collect(file).unwrap();
        assert_eq!((entries.len(), released.as_deref()), (1404, Some("2025-08-25T17:04:19.9796Z")));
        assert_eq!(entries[0].0, "CVE-2025-48384");
        assert!(entries.iter().filter(|(_, entry)| entry.ransomware).count() > 100);
    }
}
