//! Owns `[advisory]`: where advisories come from and how fresh they have to be.

use std::time::Duration;

use crate::location::{self, Source, is_exposed};
use crate::problem::quoted;
use crate::reader::Table;

/// Where advisories come from.
#[derive(Clone, Debug)]
pub struct AdvisorySection {
    /// An OSV bucket, a directory laid out like one, or an artifact of the same files.
    pub source: Source,
    /// Ecosystems, named as OSV does, fetched before an image needs them.
    pub ecosystems: Vec<String>,
    /// How often changes are fetched; over 0.
    pub refresh: Duration,
    /// The age after which advisories are stale; over 0.
    pub stale_after: Duration,
    /// CISA's known exploited vulnerabilities, a URL or a file.
    pub kev: Option<Source>,
    /// FIRST's exploit prediction scores, a URL or a file.
    pub epss: Option<Source>,
    /// CVSS vectors for advisories without, a URL or a file.
    pub cvss: Option<Source>,
}

/// `upstreams` are the names of the registries an artifact may come from.
pub(crate) fn read(table: &mut Table<'_>, upstreams: &[String]) -> Option<AdvisorySection> {
    let source = read_source(table, "source", Some(upstreams));
    let ecosystems = table.list("ecosystems", ecosystem);
    let refresh = table.positive_duration("refresh");
    let stale_after = table.positive_duration("stale_after");
    let kev = read_source(table, "kev", None);
    let epss = read_source(table, "epss", None);
    let cvss = read_source(table, "cvss", None);
    let (refresh, stale_after) = (refresh?, stale_after?);
    if stale_after < refresh {
        table.warn("stale_after", "shorter than advisory.refresh, so advisories turn stale between two refreshes");
    }
    Some(AdvisorySection { source: source?, ecosystems, refresh, stale_after, kev, epss, cvss })
}

fn read_source(table: &mut Table<'_>, key: &'static str, artifacts_of: Option<&[String]>) -> Option<Source> {
    let base = table.base();
    let source = table.text(key, |text| match (text.strip_prefix("oci://"), artifacts_of) {
        (Some(artifact), Some(upstreams)) => location::artifact(artifact, upstreams),
        _ => location::source(text, base),
    })?;
    if let Source::Url(url) = &source
        && is_exposed(url)
    {
        table.warn(key, "plain http beyond this machine: who is on the way can forge what it says");
    }
    Some(source)
}

/// The name of an ecosystem, such as `Debian:12`. It becomes a part of paths and URLs.
fn ecosystem(text: &str) -> Result<String, String> {
    let valid = |c: char| c.is_ascii_alphanumeric() || " .:-_+()".contains(c);
    let name = text.trim();
    if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(valid) {
        return Err(format!("expected an ecosystem of OSV such as \"Debian:12\" or \"PyPI\", found {}", quoted(text)));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ecosystems_stay_one_segment_of_a_path() {
        for text in ["Debian:12", "PyPI", "crates.io", "GitHub Actions", "Red Hat:rhel_aus:8.4::appstream"] {
            assert_eq!(ecosystem(text).as_deref(), Ok(text));
        }
        for text in ["", "..", "../a", "a/b", "a?b", "a%2fb", "a\nb"] {
            assert!(ecosystem(text).is_err(), "{text}");
        }
    }
}
