//! The rules, read once from their data file.

use std::sync::{LazyLock, OnceLock};

use regex::bytes::{Captures, Match, Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use serde::Deserialize;

use super::keyword::Keywords;
use crate::finding::Severity;

/// Every rule this version has.
pub(super) static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::parse(include_str!("rules.toml")));

/// Fewest bits a byte of any value carries: `aaaa` is no secret.
const MIN_ENTROPY: f64 = 1.0;

/// The rules with their keywords.
pub(super) struct Rules {
    rules: Vec<Rule>,
    allow: RegexSet,
    keywords: Keywords,
    /// The rules of each keyword.
    of_keyword: Vec<Vec<usize>>,
}

/// One kind of secret.
pub(super) struct Rule {
    text: RuleText,
    allow: RegexSet,
    path: Option<Regex>,
    /// Made at the first keyword: most rules never meet one.
    regex: OnceLock<Regex>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    allow: Vec<String>,
    rule: Vec<RuleText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    id: String,
    title: String,
    severity: Severity,
    keywords: Vec<String>,
    regex: String,
    path: Option<String>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    entropy: f64,
    #[serde(default)]
    armoured: bool,
}

impl Rules {
    fn parse(text: &str) -> Self {
        let table: Table = toml::from_str(text).expect("the file is part of the program and its tests read it");
        let mut words: Vec<Vec<u8>> = Vec::new();
        let mut of_keyword: Vec<Vec<usize>> = Vec::new();
        for (index, rule) in table.rule.iter().enumerate() {
            for word in rule.keywords.iter().map(|word| word.to_ascii_lowercase().into_bytes()) {
                let known = words.iter().position(|known| *known == word).unwrap_or_else(|| {
                    words.push(word);
                    of_keyword.push(Vec::new());
                    words.len() - 1
                });
                of_keyword[known].push(index);
            }
        }
        let rules = table.rule.into_iter().map(Rule::new).collect();
        Self { rules, allow: set(&table.allow), keywords: Keywords::new(words), of_keyword }
    }

    /// A rule by its index, which is its rank: of two that match the same value the first counts.
    pub(super) fn get(&self, index: usize) -> &Rule {
        &self.rules[index]
    }

    /// The names of all rules.
    #[cfg(test)]
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(Rule::id)
    }

    /// What finds the rules' keywords.
    pub(super) fn keywords(&self) -> &Keywords {
        &self.keywords
    }

    /// The rules that have a keyword.
    pub(super) fn of_keyword(&self, keyword: usize) -> &[usize] {
        &self.of_keyword[keyword]
    }

    /// Whether a value that a rule matched is a secret, and no example or placeholder.
    pub(super) fn is_secret(&self, rule: &Rule, value: &[u8]) -> bool {
        entropy(value) >= rule.text.entropy.max(MIN_ENTROPY)
            && !rule.allow.is_match(value)
            && (rule.text.armoured || !self.allow.is_match(value))
    }

    /// Whether a value is no secret whatever stands before it.
    pub(super) fn is_placeholder(&self, value: &[u8]) -> bool {
        entropy(value) < MIN_ENTROPY || self.allow.is_match(value)
    }
}

impl Rule {
    fn new(text: RuleText) -> Self {
        let path = text.path.as_deref().map(regex);
        Self { allow: set(&text.allow), path, regex: OnceLock::new(), text }
    }

    /// Its stable name.
    pub(super) fn id(&self) -> &str {
        &self.text.id
    }

    /// What it finds, for people.
    pub(super) fn title(&self) -> &str {
        &self.text.title
    }

    /// How bad a match is.
    pub(super) fn severity(&self) -> Severity {
        self.text.severity
    }

    /// Whether it is for the file at a cleaned path.
    pub(super) fn is_for(&self, path: &str) -> bool {
        self.path.as_ref().is_none_or(|pattern| pattern.is_match(path.as_bytes()))
    }

    /// What decides about text around a keyword.
    pub(super) fn regex(&self) -> &Regex {
        self.regex.get_or_init(|| regex(&self.text.regex))
    }
}

/// The value within a match.
pub(super) fn value<'t>(captures: &Captures<'t>) -> Option<Match<'t>> {
    ["secret", "secret2", "secret3"].into_iter().find_map(|group| captures.name(group))
}

fn regex(pattern: &str) -> Regex {
    RegexBuilder::new(pattern).unicode(false).build().expect("the file is part of the program and its tests build each")
}

fn set(patterns: &[String]) -> RegexSet {
    let set = RegexSetBuilder::new(patterns).unicode(false).build();
    set.expect("the file is part of the program and its tests build each")
}

/// Shannon's entropy of a value, in bits a byte.
fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value {
        counts[usize::from(*byte)] += 1;
    }
    let length = value.len() as f64;
    let shares = counts.into_iter().filter(|count| *count > 0).map(|count| f64::from(count) / length);
    shares.map(|share| -share * share.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_whole() {
        let mut ids = std::collections::BTreeSet::new();
        for rule in &RULES.rules {
            let text = &rule.text;
            assert!(ids.insert(&text.id), "{} is there twice", text.id);
            assert!(text.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{}", text.id);
            assert!(text.severity >= Severity::Low && !text.title.is_empty(), "{}", text.id);
            assert!(!text.keywords.is_empty() && text.keywords.iter().all(|word| word.len() >= 4), "{}", text.id);
            assert!(rule.regex().capture_names().flatten().any(|name| name == "secret"), "{}", text.id);
            assert!(!rule.regex().is_match(b""), "{} matches nothing at all", text.id);
        }
        assert!(ids.len() >= 100, "{} rules", ids.len());
    }

    #[test]
    fn entropy_tells_noise_from_repetition() {
        assert!(entropy(b"aaaa") < 0.001 && entropy(b"") < 0.001);
        assert!((entropy(b"abcd") - 2.0).abs() < 0.001);
        assert!(entropy(b"3f2a9c71e5b80d46") > 3.5);
    }
}
