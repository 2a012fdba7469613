//! What is asked of one image's findings: the parameters of its tabs.
//!
//! The same words as everywhere: different parameters narrow, repeated ones widen, except `label`. `cluster`, `namespace` and `label` choose
//! the workloads for which exceptions are judged.

use serde_json::Value;
use weir_scanner::finding::{Finding, FixState, Severity};
use weir_scanner::oci::Digest;
use weir_storage::index::ImageRecord;

use crate::report::Parameters;
use crate::report::filter::{Except, WorkloadFilter, boolean, one_of, words};
use crate::report::problem::Problem;

/// The parameters of [`Ask`], beside those of workloads.
pub(in crate::report) const OF_FINDINGS: [&str; 7] =
    ["severity", "fixable", "known_exploited", "layer", "except", "covered", "q"];
/// Longest text to look for, in characters.
const MAX_TEXT: usize = 256;

/// A layer by its place from the bottom, or by its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LayerName {
    Index(u32),
    Digest(Digest),
}

/// What is asked.
#[derive(Clone, Debug, Default)]
pub(in crate::report) struct Ask {
    pub(in crate::report) workloads: WorkloadFilter,
    severities: Vec<Severity>,
    fixable: Vec<bool>,
    known_exploited: Vec<bool>,
    layers: Vec<LayerName>,
    pub(super) except: Except,
    /// Whether findings that a distribution's feed covers are meant, too. They count nowhere.
    covered: bool,
    /// In lower case.
    text: Option<String>,
}

impl Ask {
    pub(in crate::report) fn parse(parameters: &Parameters) -> Result<Self, Problem> {
        let severity = |text: &str| one_of(&Severity::ALL, Severity::name, text);
        let truth = |text: &str| text.parse().map_err(|_| format!("expected true or false, found {text:?}"));
        let text = parameters.get("q").map(str::to_lowercase);
        if text.as_ref().is_some_and(|text| text.chars().count() > MAX_TEXT) {
            return Err(Problem::bad_request(format!("q: at most {MAX_TEXT} characters")));
        }
        Ok(Self {
            workloads: WorkloadFilter::parse(parameters)?,
            severities: words(parameters, "severity", severity)?,
            fixable: words(parameters, "fixable", truth)?,
            known_exploited: words(parameters, "known_exploited", truth)?,
            layers: words(parameters, "layer", layer)?,
            except: words(parameters, "except", str::parse::<Except>)?.pop().unwrap_or_default(),
            covered: boolean(parameters, "covered")?.unwrap_or(false),
            text: text.filter(|text| !text.is_empty()),
        })
    }

    /// The same of every layer.
    pub(super) fn of_every_layer(&self) -> Self {
        Self { layers: Vec::new(), ..self.clone() }
    }

    /// Whether anything is asked of findings, so that what has none of these is not meant.
    pub(super) fn is_of_findings(&self) -> bool {
        !self.severities.is_empty() || !self.fixable.is_empty() || !self.known_exploited.is_empty()
    }

    /// Whether a layer is meant.
    pub(super) fn takes_layer(&self, record: &ImageRecord, index: u32) -> bool {
        let is = |wanted: &LayerName| match wanted {
            LayerName::Index(wanted) => *wanted == index,
            LayerName::Digest(wanted) => record
                .layers
                .get(index as usize)
                .is_some_and(|layer| layer.digest == *wanted || layer.diff_id == Some(*wanted)),
        };
        self.layers.is_empty() || self.layers.iter().any(is)
    }

    /// Whether what is looked for stands in any of some names.
    pub(super) fn takes_text<'t>(&self, mut names: impl Iterator<Item = &'t str>) -> bool {
        self.text.as_ref().is_none_or(|text| names.any(|name| name.to_lowercase().contains(text)))
    }

    /// Whether a finding is meant, its exception and its layer aside. `exploited` is whether it is known to be.
    pub(super) fn takes(&self, finding: &Finding, exploited: Option<bool>) -> bool {
        let any = |wanted: &[bool], is: bool| wanted.is_empty() || wanted.contains(&is);
        (self.covered || finding.covered_by.is_none())
            && (self.severities.is_empty() || self.severities.contains(&finding.severity))
            && any(&self.fixable, finding.fix_state == FixState::Fixed)
            && any(&self.known_exploited, exploited == Some(true))
    }
}

fn layer(text: &str) -> Result<LayerName, String> {
    // Only digits: a sign is none of a layer's place.
    let index = text.parse().ok().filter(|_| text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit()));
    if let Some(index) = index {
        return Ok(LayerName::Index(index));
    }
    Digest::parse(text)
        .map(LayerName::Digest)
        .map_err(|_| format!("expected a layer's index or digest, found {text:?}"))
}

/// The words of `except`, for the description of the API.
pub(in crate::report) fn except_words() -> Vec<Value> {
    [Except::Active, Except::Excepted, Except::All].map(|except| Value::from(except.name())).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(query: &str) -> Ask {
        Ask::parse(&Parameters::parse(query)).unwrap()
    }

    #[test]
    fn parameters_narrow_and_repetitions_widen() {
        let finding = Finding { severity: Severity::High, fix_state: FixState::Fixed, ..Finding::default() };
        for (query, takes) in [
            ("", true),
            ("severity=high", true),
            ("severity=low&severity=high", true),
            ("severity=low", false),
            ("fixable=true&known_exploited=true", false),
            ("fixable=true&known_exploited=false", true),
            ("fixable=false&fixable=true", true),
            ("severity=high&fixable=false", false),
        ] {
            assert_eq!(ask(query).takes(&finding, None), takes, "{query}");
        }
        let covered = Finding { covered_by: Some("pkg:deb/debian/a@1".into()), ..finding };
        assert!(!ask("").takes(&covered, None));
        assert!(ask("covered=true").takes(&covered, None));
    }

    #[test]
    fn text_is_looked_for_without_regard_to_case() {
        assert!(ask("q=SSL").takes_text(["libssl3"].into_iter()));
        assert!(!ask("q=ssl").takes_text(["zlib"].into_iter()));
        assert!(ask("q=").takes_text(["zlib"].into_iter()));
    }

    #[test]
    fn values_that_are_none_are_refused() {
        for query in ["severity=bad", "fixable=1", "layer=top", "layer=-1", "except=none", "covered=maybe"] {
            assert!(Ask::parse(&Parameters::parse(query)).is_err(), "{query}");
        }
        assert!(Ask::parse(&Parameters::parse(&format!("q={}", "x".repeat(MAX_TEXT + 1)))).is_err());
    }
}
