//! Pages of the model's lists: their order, and where the next one begins.
//!
//! A cursor holds the sort key and the id of the last item of its page, so it means the same place whatever comes and goes meanwhile.
//! It is for whoever gets it to hand back: its form is no promise.

use std::cmp::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::Parameters;
use crate::report::list::{Listing, limit};
use crate::report::problem::Problem;

/// Parts of a sort key.
pub(super) const PARTS: usize = 8;
/// The longest cursor that is read, in bytes.
const MOST_BYTES: usize = 8192;

/// What items are in order by, smallest first.
pub(super) type Numbers = [i64; PARTS];

/// Which part of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::report) struct Page {
    /// Items at most.
    pub(in crate::report) limit: usize,
    /// Where to go on, as an earlier page said.
    pub(in crate::report) cursor: Option<String>,
    /// The order, with a `-` where it descends; the list's own where there is none.
    pub(in crate::report) sort: Option<String>,
}

impl Page {
    /// The parameters it is read from.
    pub(in crate::report) const PARAMETERS: [&'static str; 3] = ["sort", "limit", "cursor"];

    /// Reads its parameters. Whether the list knows the order and the cursor is for the list to say.
    ///
    /// # Errors
    /// 400 for a limit that is none.
    pub(in crate::report) fn parse(parameters: &Parameters) -> Result<Self, Problem> {
        let text = |name| parameters.get(name).map(str::to_owned);
        Ok(Self { limit: limit(parameters)?, cursor: text("cursor"), sort: text("sort") })
    }
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: 100, cursor: None, sort: None }
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(in crate::report) struct Listed<T> {
    /// The items, in the order asked for.
    pub(in crate::report) items: Vec<T>,
    /// Where the next page begins; `null` at the end.
    pub(in crate::report) next_cursor: Option<String>,
    /// Items of all pages together.
    pub(in crate::report) total: u64,
}

impl<T: Serialize + JsonSchema + Send + 'static> Listing for Listed<T> {
    type Item = T;

    fn items(&self) -> &[T] {
        &self.items
    }

    fn next_cursor(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }
}

/// An order that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sort<'a> {
    /// Its name; empty for the list's own.
    pub(super) name: &'a str,
    pub(super) descends: bool,
}

impl<'a> Sort<'a> {
    /// The order of a page.
    ///
    /// # Errors
    /// 400 for one that is not among `known`, naming those.
    pub(super) fn of(page: &'a Page, known: &[&str]) -> Result<Self, Problem> {
        let Some(text) = page.sort.as_deref() else { return Ok(Self { name: "", descends: false }) };
        let name = text.strip_prefix('-').unwrap_or(text);
        if !known.contains(&name) {
            let known = known.join(", ");
            return Err(Problem::bad_request(format!(
                "sort: expected one of {known}, with a - to descend, found {text:?}"
            )));
        }
        Ok(Self { name, descends: name != text })
    }

    /// The key of an item with these numbers; those without come last, whichever way.
    pub(super) fn key<const N: usize>(self, numbers: Option<[i64; N]>) -> Numbers {
        let mut key = [0; PARTS];
        match numbers {
            Some(numbers) => {
                for (part, number) in key[1..].iter_mut().zip(numbers) {
                    *part = if self.descends { number.saturating_neg() } else { number };
                }
            }
            None => key[0] = 1,
        }
        key
    }
}

/// An item in its order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) numbers: Numbers,
    /// Tells items with the same numbers apart.
    pub(super) id: &'a [u8],
    /// What the list knows it by.
    pub(super) at: usize,
}

#[derive(Serialize, Deserialize)]
struct Cursor<'a>(&'a str, Numbers, Vec<u8>);

/// The positions of a page's items, in order, with the cursor of the next page and how many items there are in all. Items that have the
/// same numbers are in the order of their ids, which `ids_descend` turns.
///
/// # Errors
/// 400 for a cursor that is none of this list in this order.
pub(super) fn cut(
    page: &Page,
    mut entries: Vec<Entry<'_>>,
    ids_descend: bool,
) -> Result<(Vec<usize>, Option<String>, u64), Problem> {
    let order = |a: (&Numbers, &[u8]), b: (&Numbers, &[u8])| -> Ordering {
        let ids = if ids_descend { b.1.cmp(a.1) } else { a.1.cmp(b.1) };
        a.0.cmp(b.0).then(ids)
    };
    let sort = page.sort.as_deref().unwrap_or_default();
    let total = entries.len() as u64;
    if let Some(text) = &page.cursor {
        let (numbers, id) = read(text, sort)?;
        entries.retain(|entry| order((&entry.numbers, entry.id), (&numbers, &id)) == Ordering::Greater);
    }
    let compare = |a: &Entry<'_>, b: &Entry<'_>| order((&a.numbers, a.id), (&b.numbers, b.id));
    let has_more = entries.len() > page.limit;
    if has_more {
        entries.select_nth_unstable_by(page.limit, compare);
        entries.truncate(page.limit);
    }
    entries.sort_unstable_by(compare);
    let last = entries.last().filter(|_| has_more);
    let next = last.map(|last| write(sort, last)).transpose()?;
    Ok((entries.into_iter().map(|entry| entry.at).collect(), next, total))
}

fn write(sort: &str, last: &Entry<'_>) -> Result<String, Problem> {
    let cursor = serde_json::to_vec(&Cursor(sort, last.numbers, last.id.to_vec()));
    Ok(URL_SAFE_NO_PAD.encode(cursor.map_err(crate::report::unwritten)?))
}

fn read(text: &str, sort: &str) -> Result<(Numbers, Vec<u8>), Problem> {
    let wrong = || Problem::bad_request("cursor: not a cursor of this list in this order");
    let bytes = Some(text).filter(|text| text.len() <= MOST_BYTES).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let bytes = bytes.ok_or_else(wrong)?;
    let Cursor(of, numbers, id) = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
    if of == sort { Ok((numbers, id)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries<'a>(items: &'a [(i64, &'a str)]) -> Vec<Entry<'a>> {
        let entry = |(at, (number, id)): (usize, &(i64, &'a str))| {
            let mut numbers = [0; PARTS];
            numbers[0] = *number;
            Entry { numbers, id: id.as_bytes(), at }
        };
        items.iter().enumerate().map(entry).collect()
    }

    /// Goes through all pages of lists that change from page to page.
    fn walk(lists: &[&[(i64, &str)]], limit: usize, ids_descend: bool) -> Vec<String> {
        let (mut seen, mut page) = (Vec::new(), Page { limit, ..Page::default() });
        for items in lists.iter().chain(std::iter::repeat(lists.last().unwrap())) {
            let (positions, next, total) = cut(&page, entries(items), ids_descend).unwrap();
            assert_eq!(total, items.len() as u64);
            seen.extend(positions.into_iter().map(|at| items[at].1.to_owned()));
            match next {
                Some(next) => page.cursor = Some(next),
                None => break,
            }
        }
        seen
    }

    #[test]
    fn pages_hold_every_item_once_in_order() {
        let items = [(2, "b"), (1, "z"), (2, "a"), (3, "c"), (1, "y")];
        for limit in 1..=6 {
            assert_eq!(walk(&[&items], limit, false), ["y", "z", "a", "b", "c"], "{limit}");
            assert_eq!(walk(&[&items], limit, true), ["z", "y", "b", "a", "c"], "{limit}");
        }
    }

    #[test]
    fn a_cursor_holds_while_items_come_and_go() {
        let before = [(1, "a"), (2, "b"), (3, "c"), (4, "d")];
        // The last item of the first page goes, one comes before it, and one after.
        let after = [(1, "a"), (1, "new"), (3, "c"), (3, "e"), (4, "d")];
        assert_eq!(walk(&[&before, &after], 2, false), ["a", "b", "c", "e", "d"]);
    }

    #[test]
    fn a_cursor_of_another_order_and_a_text_that_is_none_are_refused() {
        let items = [(1, "a"), (2, "b")];
        let (_, next, _) = cut(&Page { limit: 1, ..Page::default() }, entries(&items), false).unwrap();
        for (cursor, sort) in
            [(next, Some("-cvss".to_owned())), (Some("x".to_owned()), None), (Some(String::new()), None)]
        {
            let page = Page { limit: 1, cursor, sort };
            let problem = cut(&page, entries(&items), false).unwrap_err();
            assert!(format!("{problem:?}").contains("cursor: not a cursor"), "{page:?}");
        }
    }

    #[test]
    fn an_order_that_is_not_known_is_refused_with_those_that_are() {
        let page = |sort: &str| Page { sort: Some(sort.to_owned()), ..Page::default() };
        assert_eq!(Sort::of(&page("-cvss"), &["cvss"]).unwrap(), Sort { name: "cvss", descends: true });
        let problem = Sort::of(&page("colour"), &["name", "cvss"]).unwrap_err();
        assert!(format!("{problem:?}").contains("name, cvss"), "{problem:?}");
    }
}
