//! Reads the list of a large JSON document item by item: memory holds one item, whatever the document's length.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufReader, Read};
use std::marker::PhantomData;
use std::rc::Rc;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// The most bytes one item, or what stands before the list, may have.
const MAX_ITEM_BYTES: usize = 8 << 20;

/// Reads the object in `reader`: each item of its list `list` goes to `each`, its text fields `texts` are returned in their order, and
/// everything else is passed over.
///
/// An item that is no `T` is the document's error. `each` ends the reading by an error, which is returned as the inner one.
///
/// # Errors
/// The document cannot be read, is not such an object, or has no such list.
pub(super) fn read<T: DeserializeOwned, E, const N: usize>(
    reader: impl Read,
    list: &'static str,
    texts: [&'static str; N],
    each: impl FnMut(T) -> Result<(), E>,
) -> Result<Result<[Option<String>; N], E>, serde_json::Error> {
    let left = Rc::new(Cell::new(MAX_ITEM_BYTES));
    let reader = Budgeted { reader: BufReader::with_capacity(64 << 10, reader), left: Rc::clone(&left) };
    let mut json = serde_json::Deserializer::from_reader(reader);
    let (mut failure, mut seen) = (None, false);
    let document = Document {
        list,
        texts,
        items: Items { each, failure: &mut failure, left, item: PhantomData },
        seen: &mut seen,
    };
    let outcome = document.deserialize(&mut json).and_then(|texts| json.end().map(|()| texts));
    match (failure, outcome) {
        (Some(failure), _) => Ok(Err(failure)),
        (None, Ok(_)) if !seen => Err(serde_json::Error::custom(format!("it has no list {list:?}"))),
        (None, outcome) => outcome.map(Ok),
    }
}

/// Fails once what is left to read before the next refill is used up.
struct Budgeted<R> {
    reader: R,
    left: Rc<Cell<usize>>,
}

impl<R: Read> Read for Budgeted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(out)?;
        let left = self.left.get().checked_sub(count).ok_or_else(|| io::Error::other("an item is too long"))?;
        self.left.set(left);
        Ok(count)
    }
}

struct Document<'a, T, E, F, const N: usize> {
    list: &'static str,
    texts: [&'static str; N],
    items: Items<'a, T, E, F>,
    seen: &'a mut bool,
}

impl<'de, T, E, F, const N: usize> DeserializeSeed<'de> for Document<'_, T, E, F, N>
where
    T: DeserializeOwned,
    F: FnMut(T) -> Result<(), E>,
{
    type Value = [Option<String>; N];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T, E, F, const N: usize> Visitor<'de> for Document<'_, T, E, F, N>
where
    T: DeserializeOwned,
    F: FnMut(T) -> Result<(), E>,
{
    type Value = [Option<String>; N];

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an object with a list {:?}", self.list)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [const { None }; N];
        while let Some(key) = map.next_key::<String>()? {
            if key == self.list {
                map.next_value_seed(&mut self.items)?;
                *self.seen = true;
            } else if let Some(at) = self.texts.iter().position(|text| *text == key) {
                found[at] = map.next_value::<Option<String>>()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

struct Items<'a, T, E, F> {
    each: F,
    failure: &'a mut Option<E>,
    left: Rc<Cell<usize>>,
    item: PhantomData<T>,
}

impl<'de, T, E, F> DeserializeSeed<'de> for &mut Items<'_, T, E, F>
where
    T: DeserializeOwned,
    F: FnMut(T) -> Result<(), E>,
{
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T, E, F> Visitor<'de> for &mut Items<'_, T, E, F>
where
    T: DeserializeOwned,
    F: FnMut(T) -> Result<(), E>,
{
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(item) = list.next_element::<T>()? {
            self.left.set(MAX_ITEM_BYTES);
            if let Err(failure) = (self.each)(item) {
                *self.failure = Some(failure);
                return Err(A::Error::custom("ended by its reader"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Item {
        n: u32,
    }

    fn collect(text: &str) -> Result<(Vec<u32>, Option<String>), String> {
        let mut numbers = Vec::new();
        let outcome = read::<Item, (), 1>(text.as_bytes(), "items", ["at"], |item| {
            numbers.push(item.n);
            if item.n == 99 { Err(()) } else { Ok(()) }
        });
        match outcome {
            Ok(Ok([at])) => Ok((numbers, at)),
            Ok(Err(())) => Err(format!("ended after {numbers:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn items_come_one_by_one_and_the_rest_is_passed_over() {
        let text = r#"{"x":[{"y":1}],"at":"now","items":[{"n":1,"more":{}},{"n":2}],"z":null}"#;
        assert_eq!(collect(text), Ok((vec![1, 2], Some("now".into()))));
        assert_eq!(collect(r#"{"items":[]}"#), Ok((Vec::new(), None)));
        assert_eq!(collect(r#"{"items":[{"n":1},{"n":99},{"n":3}]}"#), Err("ended after [1, 99]".into()));
    }

    #[test]
    fn what_is_no_such_document_is_an_error() {
        let long = format!(r#"{{"items":[{{"n":1,"s":"{}"}}]}}"#, "x".repeat(MAX_ITEM_BYTES));
        let deep = format!(r#"{{"x":{}"#, "[".repeat(100_000));
        for (text, part) in [
            ("{}", "no list"),
            ("[]", "expected an object"),
            (r#"{"items":[{"n":1}"#, "EOF"),
            (r#"{"items":[{"n":1}]}x"#, "trailing"),
            (r#"{"items":[{"m":1}]}"#, "missing field"),
            (&long, "too long"),
            (&deep, "EOF"),
        ] {
            let error = collect(text).unwrap_err();
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn many_items_may_be_longer_together_than_one_may_be() {
        let item = format!(r#"{{"n":1,"s":"{}"}}"#, "x".repeat(MAX_ITEM_BYTES / 3));
        assert_eq!(collect(&format!(r#"{{"items":[{}]}}"#, vec![item; 5].join(","))).unwrap().0.len(), 5);
    }
}
