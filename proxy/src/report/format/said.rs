//! What a result says in words, for pages: the same words as the table of the command line.

use super::{gap, word};
use crate::report::document::ResultDocument;

/// A result in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::report) struct Said {
    /// What is not known, each in a sentence.
    pub(in crate::report) gaps: Vec<String>,
    /// The distribution.
    pub(in crate::report) system: Option<String>,
    /// What it was built on.
    pub(in crate::report) base: Option<String>,
    /// Dangers without an advisory.
    pub(in crate::report) risks: Vec<SaidRisk>,
    /// The feeds that spoke, with the age of each.
    pub(in crate::report) feeds: Vec<(String, Option<String>)>,
}

/// A danger in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::report) struct SaidRisk {
    pub(in crate::report) kind: &'static str,
    pub(in crate::report) severity: weir_scanner::finding::Severity,
    pub(in crate::report) text: String,
}

/// Puts a result into words.
pub(in crate::report) fn said(document: &ResultDocument) -> Said {
    Said {
        gaps: gap::gaps(document).iter().map(|gap| gap.placed(document)).collect(),
        system: document.image.os.as_ref().map(word::system),
        base: document.image.base.as_ref().map(word::base),
        risks: document
            .risks
            .iter()
            .map(|risk| SaidRisk {
                kind: word::risk_kind(risk.kind),
                severity: risk.severity,
                text: word::risk(document, risk),
            })
            .collect(),
        feeds: document.coverage.feeds.iter().map(|feed| (feed.ecosystem.clone(), feed.as_of.clone())).collect(),
    }
}

/// Every rating that a result has of a vulnerability, with its source, and the advisories that speak of it.
pub(in crate::report) fn ratings(document: &ResultDocument, id: &str) -> (Vec<(String, String)>, Vec<String>) {
    let found = document.vulnerabilities.iter().flatten().filter(|finding| finding.id == id);
    let (mut ratings, mut advisories): (Vec<(String, String)>, Vec<String>) = Default::default();
    for finding in found {
        for rating in &finding.ratings {
            let rating = (rating.source.clone(), rating.value.clone());
            if !ratings.contains(&rating) {
                ratings.push(rating);
            }
        }
        for id in &finding.advisories {
            if !advisories.contains(id) {
                advisories.push(id.clone());
            }
        }
    }
    (ratings, advisories)
}
