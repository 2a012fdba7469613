//! JSON from outside, read into the few fields that count.
//!
//! Fields of another type than expected hold nothing instead of breaking the document, what does not count is skipped without being
//! kept, and lists are bounded: the memory a document takes is a small multiple of its own length, whatever it holds.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Most items kept of one list; the largest known bills of materials have some ten thousand.
pub(super) const MAX_ITEMS: usize = 100_000;

/// Reads a whole document. A byte order mark is no part of it.
pub(super) fn document<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> serde_json::Result<T> {
    serde_json::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
}

/// A text; whatever else stands in its place is none.
#[derive(Debug, Default)]
pub(super) struct Text<'a>(Option<Cow<'a, str>>);

impl<'a> Text<'a> {
    /// The text without blanks around it; `None` where it is empty.
    pub(super) fn get(&self) -> Option<&str> {
        self.0.as_deref().map(str::trim).filter(|text| !text.is_empty())
    }

    /// The text as written; `None` where it is empty.
    pub(super) fn into_inner(self) -> Option<Cow<'a, str>> {
        self.0.filter(|text| !text.is_empty())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor(PhantomData))
    }
}

struct TextVisitor<'a>(PhantomData<&'a ()>);

/// The values a visitor takes and forgets: those of every type but the ones named in its own implementation.
macro_rules! forget_scalars {
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

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok($nothing)
        }
    };
}

impl<'de: 'a, 'a> Visitor<'de> for TextVisitor<'a> {
    type Value = Text<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }

    forget_scalars!(Text(None));
}

/// What can be an item of a list.
pub(super) trait Item {
    /// Whether it says anything worth keeping.
    fn counts(&self) -> bool;
}

/// The items of a list that count, at most [`MAX_ITEMS`] of them; whatever else stands in its place has none.
#[derive(Debug)]
pub(super) struct Items<T> {
    /// Those that count, in their order.
    pub(super) kept: Vec<T>,
    /// Whether all that count were kept.
    pub(super) complete: bool,
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self { kept: Vec::new(), complete: true }
    }
}

impl<'de, T: Deserialize<'de> + Item> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemsVisitor(PhantomData))
    }
}

struct ItemsVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Item> Visitor<'de> for ItemsVisitor<T> {
    type Value = Items<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Items::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Items::default();
        while let Some(item) = items.next_element::<T>()? {
            if item.counts() {
                if list.kept.len() < MAX_ITEMS {
                    list.kept.push(item);
                } else {
                    list.complete = false;
                }
            }
        }
        Ok(list)
    }

    forget_scalars!(Items::default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, serde::Deserialize)]
    struct Thing<'a> {
        #[serde(borrow, default)]
        name: Text<'a>,
        #[serde(default)]
        parts: Items<Part<'a>>,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Part<'a>(#[serde(borrow)] Text<'a>);

    impl Item for Part<'_> {
        fn counts(&self) -> bool {
            self.0.get().is_some()
        }
    }

    #[test]
    fn other_types_in_a_texts_or_a_lists_place_hold_nothing() {
        for other in ["1", "-1", "1.5", "true", "null", "[1,[2]]", "{\"a\":{}}"] {
            let thing: Thing<'_> = document(format!("{{\"name\":{other}}}").as_bytes()).map(owned).unwrap();
            assert!(thing.name.get().is_none(), "{other}");
        }
        for other in ["1", "-1", "1.5", "true", "null", "\"a\"", "{\"a\":{}}"] {
            let text = format!("{{\"parts\":{other}}}");
            assert!(document::<Thing<'_>>(text.as_bytes()).unwrap().parts.kept.is_empty(), "{other}");
        }
        let text = "\u{feff}{\"name\":\" \\u0061 \",\"parts\":[\"x\",1,\" \"],\"x\":[[]]}";
        let thing: Thing<'_> = document(text.as_bytes()).unwrap();
        assert_eq!((thing.name.get(), thing.parts.kept.len()), (Some("a"), 1));
    }

    fn owned(thing: Thing<'_>) -> Thing<'static> {
        Thing { name: Text(thing.name.into_inner().map(|text| Cow::Owned(text.into_owned()))), parts: Items::default() }
    }

    #[test]
    fn a_list_is_bounded_and_says_so() {
        let text = format!("{{\"parts\":[{}\"a\"]}}", "\"a\",".repeat(MAX_ITEMS));
        let thing: Thing<'_> = document(text.as_bytes()).unwrap();
        assert_eq!((thing.parts.kept.len(), thing.parts.complete), (MAX_ITEMS, false));
    }

    #[test]
    fn deep_documents_are_refused() {
        assert!(document::<Thing<'_>>(format!("{{\"name\":{}", "[".repeat(100_000)).as_bytes()).is_err());
    }
}
