//! What stands beside stored findings and changes without them: how fresh the feeds are, and what is known of each CVE today.
//!
//! Joined when a result is read, so that a feed that was only checked again, or a likelihood that moves daily, rewrites no
//! image.

use std::collections::{BTreeMap, BTreeSet};

use weir_scanner::advisory::{AdvisorySource as _, Feed};
use weir_scanner::finding::Finding;
use weir_storage::index::{CveKind, CveRecord, FindingsRecord, ImportRecord, Index, IndexError};

/// What is known now of the feeds and CVEs that findings name.
#[derive(Clone, Debug, Default)]
pub struct Current {
    /// The feeds that spoke, as they are now.
    pub(super) feeds: Vec<Feed>,
    /// Why the last refresh of a feed failed, by the ecosystem's name.
    failures: BTreeMap<String, String>,
    /// Every CVE named that something is known of.
    cves: BTreeMap<String, CveRecord>,
    /// Whether there is a list of exploited vulnerabilities at all, and one of likelihoods.
    knows_exploited: bool,
    knows_likelihood: bool,
}

impl Current {
    /// Reads what concerns the findings of one image. Blocks.
    pub fn read(index: &Index, findings: Option<&FindingsRecord>) -> Result<Self, IndexError> {
        let Some(record) = findings else { return Ok(Self::default()) };
        let has = |kind| Ok::<_, IndexError>(index.cves().source(kind)?.is_some_and(|state| state.current.is_some()));
        let mut current =
            Self { knows_exploited: has(CveKind::Kev)?, knows_likelihood: has(CveKind::Epss)?, ..Self::default() };
        let (advisories, source) = (index.advisories(), index.advisories().source());
        for then in &record.findings.feeds {
            // A feed that is gone since was there when it spoke.
            current.feeds.push(source.feed(&then.ecosystem)?.unwrap_or_else(|| then.clone()));
            let name = then.ecosystem.name();
            if let Some(ImportRecord { failure: Some(failure), .. }) = advisories.import(name)? {
                current.failures.insert(name.to_owned(), failure.error);
            }
        }
        let named: BTreeSet<&str> = record.findings.findings.iter().flat_map(cves).collect();
        let named: Vec<&str> = named.into_iter().collect();
        let known = index.cves().get_all(&named)?;
        current.cves = named.into_iter().map(str::to_owned).zip(known).collect();
        Ok(current)
    }

    /// Why the last refresh of a feed failed, where it did.
    pub(super) fn failure(&self, feed: &Feed) -> Option<&str> {
        self.failures.get(feed.ecosystem.name()).map(String::as_str)
    }

    /// Whether a finding is known to be exploited; `None` where nobody was asked.
    pub(super) fn exploited(&self, finding: &Finding) -> Option<bool> {
        let exploited = || self.records(finding).any(|record| record.known_exploited.is_some());
        self.knows_exploited.then(exploited)
    }

    /// The likelihood that a finding is exploited soon, 0 to 1; the highest where it has several CVEs.
    pub(super) fn likelihood(&self, finding: &Finding) -> Option<f64> {
        let scores = self.records(finding).filter_map(|record| record.epss.as_ref()).map(|epss| epss.score);
        scores.filter(|_| self.knows_likelihood).max_by(f64::total_cmp)
    }

    fn records<'a>(&'a self, finding: &'a Finding) -> impl Iterator<Item = &'a CveRecord> {
        cves(finding).filter_map(|cve| self.cves.get(cve))
    }
}

/// The CVEs a finding goes by.
fn cves(finding: &Finding) -> impl Iterator<Item = &str> {
    std::iter::once(&finding.id).chain(&finding.aliases).map(String::as_str).filter(|name| name.starts_with("CVE-"))
}
