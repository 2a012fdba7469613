//! The rules of a run: what its results are instances of.

use std::collections::BTreeMap;

use weir_scanner::finding::Severity;

use super::form::{Level, Message, Rule, RuleProperties};
use crate::report::document::{ResultDocument, RiskPart, VulnerabilityPart};
use crate::report::format::gap::GapKind;
use crate::report::format::word;

/// The rules of all results, by id.
pub(super) fn rules(document: &ResultDocument) -> Vec<Rule<'_>> {
    let mut worst: BTreeMap<&str, &VulnerabilityPart> = BTreeMap::new();
    for found in document.vulnerabilities.iter().flatten() {
        let known = worst.entry(&found.id).or_insert(found);
        if rank(found) > rank(known) {
            *known = found;
        }
    }
    let mut risks: BTreeMap<String, &RiskPart> = BTreeMap::new();
    for found in &document.risks {
        let known = risks.entry(of_risk(found)).or_insert(found);
        if found.severity > known.severity {
            *known = found;
        }
    }
    let mut rules: Vec<Rule<'_>> = worst.into_values().map(vulnerability_rule).collect();
    rules.extend(risks.into_iter().map(|(id, found)| {
        let text = format!("{} found by the rule {}", title(word::risk_kind(found.kind)), found.rule);
        let properties = RuleProperties {
            security_severity: word::typical_score(found.severity),
            tags: vec!["security", word::risk_kind(found.kind)],
        };
        Rule { properties: Some(properties), ..Rule::new(id, &text, level(found.severity)) }
    }));
    if document.vulnerabilities.is_none() {
        rules.push(Rule::new(super::UNKNOWN, GapKind::Unmatched.about(), Level::Error));
    }
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    rules
}

fn rank(found: &VulnerabilityPart) -> (Severity, u64) {
    // Scores have one decimal.
    (found.severity, found.cvss.as_ref().map_or(0, |cvss| (cvss.score * 10.0) as u64))
}

/// The text with a capital first.
pub(super) fn title(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn vulnerability_rule(found: &VulnerabilityPart) -> Rule<'_> {
    let text = if found.summary.is_empty() { &found.id } else { &found.summary };
    let score = found.cvss.as_ref().map(|cvss| cvss.score).or_else(|| word::typical_score(found.severity));
    let url = word::record_url(&found.id);
    Rule {
        help: Message { text: format!("{}: {text}\nSee {url}", found.id) },
        help_uri: Some(url),
        properties: Some(RuleProperties { security_severity: score, tags: vec!["security", "vulnerability"] }),
        ..Rule::new(found.id.as_str(), text, level(found.severity))
    }
}

/// An unrated vulnerability is a warning: unknown is not harmless.
pub(super) const fn level(severity: Severity) -> Level {
    match severity {
        Severity::Critical | Severity::High => Level::Error,
        Severity::Medium | Severity::Unknown => Level::Warning,
        Severity::Low | Severity::None => Level::Note,
    }
}

/// The rule of a risk: its kind and what found it.
pub(super) fn of_risk(found: &RiskPart) -> String {
    format!("{}/{}", word::risk_kind(found.kind), found.rule)
}
