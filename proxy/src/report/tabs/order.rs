//! The order of a tab's items, and places in it that stay where they are while items come and go.
//!
//! A cursor holds what the last item was sorted by, not how many came before it.

use std::cmp::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::report::Parameters;
use crate::report::problem::Problem;

/// Longest cursor in characters: some names of packages and vulnerabilities.
const MAX_CURSOR: usize = 8 * 1024;

/// What an item is sorted by; the last parts tell it from every other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Key(Vec<Part>);

/// One part of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Part {
    Number(f64),
    Text(String),
}

impl From<f64> for Part {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Part {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
        }
    }
}

/// What to sort by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::report) struct Sort {
    /// A field; the default order where there is none.
    pub(super) by: Option<&'static str>,
    descends: bool,
}

impl Sort {
    /// The parameter `sort`: one of `fields`, descending after `-`.
    pub(super) fn parse(parameters: &Parameters, fields: &[&'static str]) -> Result<Self, Problem> {
        let Some(text) = parameters.get("sort") else { return Ok(Self::default()) };
        let (name, descends) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
        match fields.iter().find(|field| **field == name) {
            Some(field) => Ok(Self { by: Some(field), descends }),
            None => {
                let known = fields.join(", ");
                Err(Problem::bad_request(format!(
                    "sort: expected one of {known}, with - before it to descend; found {text:?}"
                )))
            }
        }
    }

    /// What an item is sorted by: the field that is asked for, else the default; and what tells it apart.
    pub(super) fn key(
        &self,
        field: impl FnOnce(&str) -> Part,
        default: impl FnOnce() -> Vec<Part>,
        own: Vec<Part>,
    ) -> Key {
        let mut parts = match self.by {
            Some(name) => vec![field(name)],
            None => default(),
        };
        parts.extend(own);
        Key(parts)
    }

    /// Puts items in order; what each is sorted by is made once.
    pub(super) fn order<T>(&self, items: Vec<T>, key: impl Fn(&T, &Self) -> Key) -> Vec<T> {
        let mut keyed: Vec<(Key, T)> = items.into_iter().map(|item| (key(&item, self), item)).collect();
        keyed.sort_by(|(a, _), (b, _)| self.compare(a, b));
        keyed.into_iter().map(|(_, item)| item).collect()
    }

    /// How two items stand to each other.
    pub(super) fn compare(&self, a: &Key, b: &Key) -> Ordering {
        for (at, (a, b)) in a.0.iter().zip(&b.0).enumerate() {
            let order = a.compare(b);
            let order = if at == 0 && self.descends { order.reverse() } else { order };
            if order != Ordering::Equal {
                return order;
            }
        }
        a.0.len().cmp(&b.0.len())
    }
}

/// A page of a tab: its items, where the next one begins, and how many there are in all.
pub(super) struct Cut<T> {
    pub(super) items: Vec<T>,
    pub(super) next_cursor: Option<String>,
    pub(super) total: u64,
}

/// Sorts items and takes those after the cursor, `limit` at most.
pub(super) fn cut<T>(items: Vec<T>, key: impl Fn(&T) -> Key, sort: &Sort, after: Option<&Key>, limit: usize) -> Cut<T> {
    let total = items.len() as u64;
    let mut keyed: Vec<(Key, T)> = items.into_iter().map(|item| (key(&item), item)).collect();
    keyed.sort_by(|(a, _), (b, _)| sort.compare(a, b));
    let mut rest =
        keyed.into_iter().filter(|(key, _)| after.is_none_or(|after| sort.compare(after, key) == Ordering::Less));
    let (mut items, mut last) = (Vec::new(), None);
    for (key, item) in rest.by_ref().take(limit) {
        items.push(item);
        last = Some(key);
    }
    let next_cursor = if rest.next().is_some() { last.as_ref().map(written) } else { None };
    Cut { items, next_cursor, total }
}

/// A place as a cursor writes it.
fn written(key: &Key) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default())
}

/// The place that the parameter `cursor` names, if it is there.
pub(super) fn cursor(parameters: &Parameters) -> Result<Option<Key>, Problem> {
    let Some(text) = parameters.get("cursor") else { return Ok(None) };
    let invalid = || Problem::bad_request("cursor: not a cursor of this list");
    if text.len() > MAX_CURSOR {
        return Err(invalid());
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
    serde_json::from_slice(&bytes).map(Some).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Item = (&'static str, f64);

    fn page(items: &[Item], sort: &Sort, after: Option<&str>, limit: usize) -> (Vec<&'static str>, Option<String>) {
        let key = |item: &Item| sort.key(|_| item.1.into(), Vec::new, vec![item.0.into()]);
        let query = after.map(|after| format!("cursor={after}")).unwrap_or_default();
        let after = cursor(&Parameters::parse(&query)).unwrap();
        let cut = cut(items.to_vec(), key, sort, after.as_ref(), limit);
        (cut.items.into_iter().map(|item| item.0).collect(), cut.next_cursor)
    }

    #[test]
    fn a_cursor_stays_where_it_is_while_items_come_and_go() {
        let sort = Sort::parse(&Parameters::parse("sort=-size"), &["size"]).unwrap();
        let (first, next) = page(&[("a", 3.0), ("b", 2.0), ("c", 2.0), ("d", 1.0)], &sort, None, 2);
        assert_eq!(first, ["a", "b"]);
        // The last one seen is gone, and another came before it.
        let (rest, end) = page(&[("a", 3.0), ("new", 9.0), ("c", 2.0), ("d", 1.0)], &sort, next.as_deref(), 2);
        assert_eq!((rest, end), (vec!["c", "d"], None));
        let (all, _) = page(&[("b", 1.0), ("a", 2.0)], &Sort::default(), None, 9);
        assert_eq!(all, ["a", "b"]);
    }

    #[test]
    fn what_is_no_cursor_or_no_field_is_refused() {
        for text in ["!", "abc", "e30", &"A".repeat(MAX_CURSOR + 4)] {
            assert!(cursor(&Parameters::parse(&format!("cursor={text}"))).is_err(), "{text}");
        }
        for text in ["sort=age", "sort=--size", "sort="] {
            assert!(Sort::parse(&Parameters::parse(text), &["size"]).is_err(), "{text}");
        }
    }
}
