//! Texts and lists of a cluster's objects under a bound.
//!
//! Owns how much of them is kept. An object comes from whoever may write to the cluster, up to the API server's limit of a
//! few megabytes; here a text is cut at its bound and a list keeps its first elements. Invariant: what is past a bound is
//! skipped while parsing and never allocated. `null` reads as empty, as Go writes an empty list.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use weir_storage::index::Labels;

/// Labels kept of one object; the API server bounds their bytes and not their number.
const MAX_LABELS: usize = 256;

/// A text of at most `MAX` bytes, cut at a character's border.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text<const MAX: usize>(pub(super) String);

/// A name, a uid or a label: the API allows 253 bytes and, for a label's key, 63 more.
pub(super) type Name = Text<512>;

/// A reference of an image. None that is valid is longer, so a cut one stays what it was: unreadable.
pub(super) type ImageName = Text<1024>;

/// The first `MAX` elements that are kept.
#[derive(Clone, Debug)]
pub(super) struct List<T, const MAX: usize> {
    /// The elements.
    pub(super) items: Vec<T>,
    /// Whether there were more.
    pub(super) cut: bool,
}

/// An element of a list, of which those that say nothing here are dropped.
pub(super) trait Element {
    /// Whether the element is kept.
    fn is_kept(&self) -> bool {
        true
    }
}

/// Labels, the first [`MAX_LABELS`] of them.
#[derive(Clone, Debug, Default)]
pub(super) struct BoundedLabels(pub(super) Labels);

impl<const MAX: usize> Text<MAX> {
    /// The text, if it is not empty.
    pub(super) fn into_option(self) -> Option<String> {
        (!self.0.is_empty()).then_some(self.0)
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self { items: Vec::new(), cut: false }
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(TextVisitor::<MAX>).map(Self)
    }
}

impl<'de, T: Deserialize<'de> + Element, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(ListVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for BoundedLabels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(LabelsVisitor)
    }
}

struct TextVisitor<const MAX: usize>;

impl<'de, const MAX: usize> Visitor<'de> for TextVisitor<MAX> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_none<E>(self) -> Result<String, E> {
        Ok(String::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text[..border(text, MAX)].to_owned())
    }
}

/// The last border between characters that is at most `limit` bytes in.
fn border(text: &str, limit: usize) -> usize {
    (0..=limit.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

struct ListVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Element, const MAX: usize> Visitor<'de> for ListVisitor<T, MAX> {
    type Value = List<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(List::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut list = List::default();
        while list.items.len() < MAX {
            let Some(element) = elements.next_element::<T>()? else { return Ok(list) };
            if element.is_kept() {
                list.items.push(element);
            }
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {
            list.cut = true;
        }
        Ok(list)
    }
}

struct LabelsVisitor;

impl<'de> Visitor<'de> for LabelsVisitor {
    type Value = BoundedLabels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("labels")
    }

    fn visit_none<E>(self) -> Result<BoundedLabels, E> {
        Ok(BoundedLabels::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<BoundedLabels, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<BoundedLabels, A::Error> {
        let mut labels = Labels::new();
        while labels.len() < MAX_LABELS {
            let Some((key, value)) = entries.next_entry::<Name, Name>()? else { return Ok(BoundedLabels(labels)) };
            labels.insert(key.0, value.0);
        }
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(BoundedLabels(labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Element for Text<4> {
        fn is_kept(&self) -> bool {
            self.0 != "no"
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        for (json, text) in [(r#""abcd""#, "abcd"), (r#""abcde""#, "abcd"), (r#""abcä""#, "abc"), ("null", "")] {
            assert_eq!(serde_json::from_str::<Text<4>>(json).unwrap().0, text, "{json}");
        }
        assert_eq!(serde_json::from_str::<Text<4>>(r#""\u0061bcd\u00e4""#).unwrap().0, "abcd", "an escaped one too");
        assert!(serde_json::from_str::<Text<4>>("7").is_err());
    }

    #[test]
    fn lists_keep_the_first_elements_that_say_something() {
        let read = |json| serde_json::from_str::<List<Text<4>, 2>>(json).unwrap();
        let list = read(r#"["no", "a", "no", "b"]"#);
        assert_eq!((list.items.len(), list.cut), (2, false));
        let list = read(r#"["a", "b", "c", 7, {"d": []}]"#);
        assert_eq!((list.items.len(), list.cut), (2, true), "what is past the bound is not even looked at");
        assert!(read("null").items.is_empty());
    }

    #[test]
    fn labels_are_bounded_in_number() {
        let labels: serde_json::Map<String, serde_json::Value> =
            (0..1000).map(|number| (format!("label-{number}"), "x".into())).collect();
        let text = serde_json::Value::Object(labels).to_string();
        assert_eq!(serde_json::from_str::<BoundedLabels>(&text).unwrap().0.len(), MAX_LABELS);
    }
}
