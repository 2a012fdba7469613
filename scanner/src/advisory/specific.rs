//! The free-form fields of an OSV record (`database_specific`, `ecosystem_specific`), which hold any JSON: only
//! the words that rate are kept, everything else is skipped without being built.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The rating words of a free-form field.
#[derive(Debug, Default)]
pub(super) struct RatingWords {
    /// `severity` (GitHub), `urgency` (Debian) and `ubuntu_priority` (Ubuntu), where they are words.
    pub(super) words: Vec<String>,
}

/// Names under which feeds give a rating as a word.
const RATING_KEYS: [&str; 3] = ["severity", "urgency", "ubuntu_priority"];

/// A text, or any other JSON passed over.
struct Word(Option<String>);

impl<'de> Deserialize<'de> for RatingWords {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordsVisitor)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordVisitor)
    }
}

/// The visits of values that hold no rating.
macro_rules! skip_scalars {
    ($nothing:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok($nothing)
        }
    };
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = RatingWords;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    skip_scalars!(RatingWords::default());

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(RatingWords::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut words = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if RATING_KEYS.contains(&key.as_str()) {
                words.extend(map.next_value::<Word>()?.0);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(RatingWords { words })
    }
}

struct WordVisitor;

impl<'de> Visitor<'de> for WordVisitor {
    type Value = Word;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    skip_scalars!(Word(None));

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Word((!text.is_empty()).then(|| text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Word(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rating_words_are_found_in_any_json() {
        for (json, expected) in [
            (r#"{"severity":"HIGH","cwe_ids":["CWE-1"],"nested":{"severity":"LOW"}}"#, &["HIGH"][..]),
            (r#"{"urgency":"not yet assigned"}"#, &["not yet assigned"]),
            (r#"{"severity":7.5,"urgency":{"a":[1]},"ubuntu_priority":null}"#, &[]),
            (r#"[1,{"severity":"HIGH"}]"#, &[]),
            ("null", &[]),
            ("-1", &[]),
            (r#""HIGH""#, &[]),
        ] {
            assert_eq!(serde_json::from_str::<RatingWords>(json).unwrap().words, expected, "{json}");
        }
    }
}
