//! The free-form fields of an OSV record (`database_specific`, `ecosystem_specific`), which hold any JSON: what feeds are known to
//! say in them is kept, everything else is skipped without being built.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::osv::{RawRange, events};
use super::{AffectedRange, RatingValue};

/// The most binaries or imports of one entry; a kernel's sources build a hundred.
const MAX_NAMES: usize = 4096;
/// The most ranges beside an entry's own, and the most events of each; Go's records have one of a few dozen.
const MAX_RANGES: usize = 256;

/// What is kept of a free-form field.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Specific {
    /// `severity` (GitHub), `urgency` (Debian) and `ubuntu_priority` (Ubuntu), where they are words; scores without a vector.
    pub(super) ratings: Vec<RatingValue>,
    /// `imports` (Go): paths of the affected packages of a module.
    pub(super) imports: Vec<String>,
    /// `binaries` (SUSE): names of binary packages, each with its fixed version, which stands in the ranges as well.
    pub(super) binaries: Vec<String>,
    /// `last_known_affected_version_range` (GitHub): `< 4.0`.
    pub(super) last_known: Option<String>,
    /// `custom_ranges` (Go): ranges in the versions of the project. None where one of them cannot be read, since half of them would say
    /// that the other half is not affected.
    pub(super) custom_ranges: Vec<AffectedRange>,
    /// `informational` (RustSec) says `unmaintained` or `notice`, and so no vulnerability; `unsound` is one.
    pub(super) is_note: bool,
}

impl<'de> Deserialize<'de> for Specific {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpecificVisitor)
    }
}

impl Specific {
    fn read(&mut self, key: &str, value: &Value) {
        match key {
            "severity" | "urgency" | "ubuntu_priority" => {
                let word = value.as_str().filter(|word| !word.is_empty());
                self.ratings.extend(word.map(|word| RatingValue::Word(word.to_owned())));
            }
            "cvss_v2" | "cvss_v3" | "cvss_v4" => {
                let score = value.as_f64().filter(|score| (0.0..=10.0).contains(score));
                self.ratings.extend(score.map(|score| RatingValue::Score(format!("{score:.1}"))));
            }
            "imports" => {
                self.imports = names(value, |import| import.get("path").and_then(Value::as_str).into_iter().collect())
            }
            "binaries" => {
                self.binaries = names(value, |binaries| match binaries.as_object() {
                    // Ubuntu's objects have fields instead of names.
                    Some(object) if !object.contains_key("binary_name") => object.keys().map(String::as_str).collect(),
                    _ => Vec::new(),
                });
            }
            "custom_ranges" => self.custom_ranges = ranges(value).unwrap_or_default(),
            "informational" => self.is_note = matches!(value.as_str(), Some("unmaintained" | "notice")),
            _ => self.last_known = value.as_str().map(str::to_owned),
        }
    }
}

/// Whether a key's value is kept.
fn is_known(key: &str) -> bool {
    const KEYS: [&str; 11] = [
        "severity",
        "urgency",
        "ubuntu_priority",
        "cvss_v2",
        "cvss_v3",
        "cvss_v4",
        "imports",
        "binaries",
        "last_known_affected_version_range",
        "custom_ranges",
        "informational",
    ];
    KEYS.contains(&key)
}

/// The names in a list's items.
fn names<'v>(value: &'v Value, read: impl Fn(&'v Value) -> Vec<&'v str>) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.flat_map(read).filter(|name| !name.is_empty()).take(MAX_NAMES).map(str::to_owned).collect()
}

/// Ranges as an entry's own are written; `None` where they are not.
fn ranges(value: &Value) -> Option<Vec<AffectedRange>> {
    let ranges = Vec::<RawRange>::deserialize(value).ok().filter(|ranges| ranges.len() <= MAX_RANGES)?;
    let read = |range: RawRange| {
        let events = events(range.events.unwrap_or_default()).filter(|events| events.len() <= MAX_RANGES)?;
        Some(AffectedRange { events })
    };
    ranges.into_iter().filter(|range| range.range_type != "GIT").map(read).collect()
}

struct SpecificVisitor;

/// The visits of values that are no object.
macro_rules! skip_scalars {
    ($($visit:ident: $scalar:ty),*) => {
        $(fn $visit<E>(self, _: $scalar) -> Result<Self::Value, E> {
            Ok(Specific::default())
        })*
    };
}

impl<'de> Visitor<'de> for SpecificVisitor {
    type Value = Specific;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    skip_scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Specific::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Specific::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut specific = Specific::default();
        while let Some(key) = map.next_key::<String>()? {
            if is_known(&key) {
                specific.read(&key, &map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(specific)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Specific {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn ratings_are_found_in_any_json() {
        for (json, expected) in [
            (r#"{"severity":"HIGH","cwe_ids":["CWE-1"],"nested":{"severity":"LOW"}}"#, &["HIGH"][..]),
            (r#"{"urgency":"not yet assigned"}"#, &["not yet assigned"]),
            (r#"{"severity":7.5,"urgency":{"a":[1]},"ubuntu_priority":null}"#, &[]),
            (r#"{"cvss_v3":6.1,"cvss_v2":5,"cvss_v4":11}"#, &["6.1", "5.0"]),
            (r#"[1,{"severity":"HIGH"}]"#, &[]),
            ("null", &[]),
            ("-1", &[]),
            (r#""HIGH""#, &[]),
        ] {
            let ratings = read(json).ratings.into_iter().map(|rating| match rating {
                RatingValue::Word(text) | RatingValue::Score(text) | RatingValue::Cvss(text) => text,
            });
            assert_eq!(ratings.collect::<Vec<_>>(), expected, "{json}");
        }
    }

    #[test]
    fn imports_and_binaries_are_names() {
        let go = read(r#"{"imports":[{"path":"a/b","symbols":["C"]},{"symbols":[]},7]}"#);
        assert_eq!(go.imports, ["a/b"]);
        let suse = read(r#"{"binaries":[{"curl":"8.0.1-1","libcurl4":"8.0.1-1"}]}"#);
        assert_eq!(suse.binaries, ["curl", "libcurl4"]);
        let ubuntu = read(r#"{"binaries":[{"binary_name":"curl","binary_version":"1"}],"imports":{"a":1}}"#);
        assert_eq!(ubuntu, Specific::default());
    }

    #[test]
    fn the_last_known_range_is_kept_as_written() {
        let github = read(r#"{"last_known_affected_version_range":"<= 1.2","source":"x"}"#);
        assert_eq!(github.last_known.as_deref(), Some("<= 1.2"));
    }

    #[test]
    fn custom_ranges_are_read_wholly_or_not() {
        let read = |ranges: &str| read(&format!(r#"{{"custom_ranges":{ranges}}}"#)).custom_ranges.len();
        let good = r#"{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"6.4.4"}]}"#;
        assert_eq!(read(&format!("[{good},{good}]")), 2);
        assert_eq!(read(&format!(r#"[{good},{{"type":"ECOSYSTEM","events":[{{"fixes":"7"}}]}}]"#)), 0);
        assert_eq!(read(&format!(r#"[{good},{{"type":"GIT","events":[{{"introduced":"0"}}]}}]"#)), 1);
        assert_eq!(read(&format!("[{}]", vec![good; 257].join(","))), 0);
        assert_eq!(read(r#"{"type":"ECOSYSTEM"}"#), 0);
    }

    #[test]
    fn only_what_is_no_defect_is_a_note() {
        for (word, note) in
            [(r#""unmaintained""#, true), (r#""notice""#, true), (r#""unsound""#, false), ("null", false)]
        {
            assert_eq!(read(&format!(r#"{{"informational":{word}}}"#)).is_note, note, "{word}");
        }
    }
}
