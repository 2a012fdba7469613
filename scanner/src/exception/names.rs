//! The names of one vulnerability, as the advisories know them.
//!
//! A decision holds under every name that is the same vulnerability's, and under no other's: bulletins, which speak of several, join
//! none, and two CVEs are never one.

use std::collections::VecDeque;

use crate::advisory::{Advisory, AdvisorySource, cve_of};

/// The most names that are followed.
const MAX_NAMES: usize = 64;
/// The longest name.
const MAX_NAME: usize = 128;

/// A name as its makers spell it: `cve-2024-1` is `CVE-2024-1`.
///
/// # Errors
/// Why the text can be no name.
pub fn vulnerability(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("an id of 1 to {MAX_NAME} letters, digits and dashes is needed, such as CVE-2024-1"));
    }
    let upper = text.to_ascii_uppercase();
    Ok(match upper.split_once('-') {
        Some(("CVE", _)) => upper,
        // GitHub writes the rest in lower case.
        Some(("GHSA", _)) => format!("GHSA-{}", text["GHSA-".len()..].to_ascii_lowercase()),
        _ => text.to_owned(),
    })
}

/// Every name of the vulnerability `asked`, itself first, the others sorted.
///
/// # Errors
/// Where the source cannot be read.
pub fn names_of<S: AdvisorySource>(asked: &str, source: &S) -> Result<Vec<String>, S::Error> {
    let mut names = vec![asked.to_owned()];
    let mut cve = cve_of(asked).map(str::to_owned);
    let mut queue = VecDeque::from([asked.to_owned()]);
    while let Some(name) = queue.pop_front() {
        for advisory in source.rated(&name)? {
            if !is_of(&advisory, &name) {
                continue;
            }
            let mut cves = advisory.own_names().filter_map(cve_of).peekable();
            if cves.peek().is_some() && cve.as_deref().is_some_and(|known| cves.all(|own| own != known)) {
                continue;
            }
            // The CVE first: what is refused after it belongs to another one.
            let own = advisory.own_names().filter_map(cve_of).chain(advisory.own_names());
            for other in own {
                let of = cve_of(other);
                if of.is_some() && cve.is_some() && of != cve.as_deref() {
                    continue;
                }
                cve = cve.or_else(|| of.map(str::to_owned));
                if names.len() < MAX_NAMES && !names.iter().any(|known| known == other) {
                    names.push(other.to_owned());
                    queue.push_back(other.to_owned());
                }
            }
        }
    }
    names[1..].sort();
    Ok(names)
}

/// Whether a record is about the vulnerability of that name, and about no other.
fn is_of(advisory: &Advisory, name: &str) -> bool {
    advisory.withdrawn.is_none()
        && !advisory.is_bulletin()
        && advisory.own_names().any(|own| own == name || cve_of(own) == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisory::MemoryAdvisories;
    use crate::fixture::AdvisoryBuilder;

    fn names(asked: &str, records: &[AdvisoryBuilder]) -> Vec<String> {
        let mut source = MemoryAdvisories::new(0);
        for record in records {
            source.insert(record.clone().build());
        }
        names_of(asked, &source).unwrap()
    }

    #[test]
    fn names_join_over_aliases() {
        let records = [
            AdvisoryBuilder::new("PYSEC-1").alias("GHSA-a"),
            AdvisoryBuilder::new("GHSA-a").alias("CVE-2024-1"),
            AdvisoryBuilder::new("DEBIAN-CVE-2024-1"),
            AdvisoryBuilder::new("DSA-1-1").upstream("CVE-2024-1"),
        ];
        let all = ["CVE-2024-1", "DEBIAN-CVE-2024-1", "GHSA-a", "PYSEC-1"];
        for asked in all {
            let found = names(asked, &records);
            assert_eq!(found[0], asked);
            let mut found = found;
            found.sort();
            assert_eq!(found, all);
        }
        assert_eq!(names("DSA-1-1", &records), ["DSA-1-1"], "an upload is not the vulnerability it mends");
        assert_eq!(names("CVE-2030-1", &records), ["CVE-2030-1"]);
    }

    #[test]
    fn two_cves_are_never_one() {
        let records = [
            AdvisoryBuilder::new("GO-1").alias("CVE-2024-1").alias("CVE-2024-2").alias("GHSA-a"),
            AdvisoryBuilder::new("PYSEC-1").alias("CVE-2024-1").alias("GHSA-b"),
            AdvisoryBuilder::new("PYSEC-2").alias("CVE-2024-2").alias("GHSA-b"),
        ];
        assert_eq!(names("CVE-2024-1", &records), ["CVE-2024-1", "GHSA-b", "PYSEC-1"]);
        assert!(!names("CVE-2024-2", &records).contains(&"CVE-2024-1".to_owned()));
    }

    #[test]
    fn an_id_is_spelled_as_its_makers_do() {
        for (written, meant) in [
            (" cve-2024-1 ", "CVE-2024-1"),
            ("ghsa-ABCD-efgh-2345", "GHSA-abcd-efgh-2345"),
            ("RUSTSEC-2024-0001", "RUSTSEC-2024-0001"),
            ("x_SAPKB-CVE-2015-1", "x_SAPKB-CVE-2015-1"),
        ] {
            assert_eq!(vulnerability(written).as_deref(), Ok(meant));
        }
        for bad in ["", "  ", "CVE 2024", "CVE-\u{7f}", &"a".repeat(129)] {
            assert!(vulnerability(bad).is_err(), "{bad:?}");
        }
    }
}
