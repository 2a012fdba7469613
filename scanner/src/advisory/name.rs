//! The ids a record goes by, and which of them name one vulnerability.
//!
//! A CVE is one vulnerability. A record that names several (a distribution's advisory for one upload, most of all) is a
//! *bulletin*: it belongs to each of them and joins none. Names of a distribution's records per CVE
//! (`DEBIAN-CVE-2024-1`, `ALPINE-CVE-2024-1`) are names of that CVE.

use std::collections::BTreeSet;

use super::Advisory;

/// The CVE an id is, or is named after: `CVE-2024-1` of `DEBIAN-CVE-2024-1`.
pub fn cve_of(id: &str) -> Option<&str> {
    let at = id.rfind("CVE-")?;
    let (head, cve) = id.split_at(at);
    let (year, number) = cve["CVE-".len()..].split_once('-')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let whole = year.len() == 4 && digits(year) && !number.is_empty() && digits(number);
    (whole && (head.is_empty() || head.ends_with('-'))).then_some(cve)
}

impl Advisory {
    /// Its id and aliases: names of the same vulnerability, where it is no bulletin.
    pub fn own_names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.id.as_str()).chain(self.aliases.iter().map(String::as_str))
    }

    /// The ids it was made for: its upstream ids, and the CVEs a security advisory of AlmaLinux or Rocky Linux keeps among its
    /// related ids, having no other place for them. Related ids of everybody else are other vulnerabilities.
    pub fn made_for(&self) -> impl Iterator<Item = &str> {
        let by_rebuilder = matches!(self.id.get(..5), Some("ALSA-" | "RLSA-"));
        let related = self.related.iter().filter(move |id| by_rebuilder && cve_of(id) == Some(id.as_str()));
        self.upstream.iter().chain(related).map(String::as_str)
    }

    /// All of them: id, aliases and what it was made for.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.own_names().chain(self.made_for())
    }

    /// The ids it is found under: its names and the CVEs they are named after.
    pub fn found_under(&self) -> BTreeSet<&str> {
        self.names().chain(self.names().filter_map(cve_of)).collect()
    }

    /// The CVEs it speaks of: its own, if its id is one's, else all it names.
    pub fn cves(&self) -> BTreeSet<&str> {
        if let Some(cve) = cve_of(&self.id) {
            return BTreeSet::from([cve]);
        }
        self.names().filter_map(cve_of).collect()
    }

    /// Whether it speaks of several vulnerabilities.
    pub fn is_bulletin(&self) -> bool {
        // Asked of every record that a name leads to, so without a set.
        let mut cves = self.names().filter_map(cve_of);
        let first = cves.next();
        cve_of(&self.id).is_none() && cves.any(|cve| Some(cve) != first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::AdvisoryBuilder;

    #[test]
    fn an_id_is_named_after_its_cve() {
        for (id, cve) in [
            ("CVE-2024-12345", Some("CVE-2024-12345")),
            ("DEBIAN-CVE-2024-1", Some("CVE-2024-1")),
            ("x_SAPKB-CVE-2015-1", Some("CVE-2015-1")),
            ("GHSA-1111-2222-3333", None),
            ("XCVE-2024-1", None),
            ("CVE-24-1", None),
            ("CVE-2024-", None),
            ("CVE-2024-1x", None),
        ] {
            assert_eq!(cve_of(id), cve, "{id}");
        }
    }

    #[test]
    fn related_ids_are_names_in_almalinuxs_and_rockys_security_advisories_alone() {
        let record = |id: &str| AdvisoryBuilder::new(id).related("CVE-2024-1").related("ALSA-2020:2").build();
        assert_eq!(record("ALSA-2024:1").names().collect::<Vec<_>>(), ["ALSA-2024:1", "CVE-2024-1"]);
        assert_eq!(record("RLSA-2024:1").names().collect::<Vec<_>>(), ["RLSA-2024:1", "CVE-2024-1"]);
        assert_eq!(record("RLBA-2024:1").names().collect::<Vec<_>>(), ["RLBA-2024:1"]);
        assert_eq!(record("GHSA-a").names().collect::<Vec<_>>(), ["GHSA-a"]);
    }

    #[test]
    fn a_record_is_found_under_the_cve_its_id_is_named_after() {
        let record = AdvisoryBuilder::new("ALPINE-CVE-2024-1").alias("GHSA-a").build();
        assert_eq!(record.found_under().into_iter().collect::<Vec<_>>(), ["ALPINE-CVE-2024-1", "CVE-2024-1", "GHSA-a"]);
    }
}
