//! Owns the settings as written: a tree of values, each of which knows where it came from.
//!
//! The tree holds what TOML says and nothing about which keys exist; that is left to the reader
//! and the sections. Values from environment variables are laid over the same tree by `env`.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use crate::problem::{Place, Problem};

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// In the file.
    File {
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
    },
    /// In the environment variable of this name.
    Variable(String),
    /// Nowhere: a built-in default.
    Default,
}

/// A value and where it was written. In a table, that is the position of the value's key.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where it was written.
    pub(crate) origin: Origin,
    /// What was written.
    pub(crate) value: Value,
}

/// What was written.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Text in quotes.
    Text(String),
    /// Text of an environment variable or a default, which takes the type its key needs.
    Untyped(String),
    /// A whole number; `None` when it is larger than any setting.
    Integer(Option<i64>),
    /// `true` or `false`.
    Boolean(bool),
    /// An array.
    List(Vec<Node>),
    /// A table.
    Table(BTreeMap<String, Node>),
    /// A value of a type that no setting has, by the type's name.
    Other(&'static str),
}

impl Node {
    /// A table without keys.
    pub(crate) fn empty_table(origin: Origin) -> Self {
        Self { origin, value: Value::Table(BTreeMap::new()) }
    }
}

impl Value {
    /// The type's name with its article, for messages.
    pub(crate) fn described(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Untyped(_) => "text",
            Self::Integer(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(name) => name,
        }
    }
}

/// Reads a TOML document into a tree. On syntax errors returns the first of each line; what the
/// rest of a broken document means is not guessed. `file` is the name that problems carry.
pub(crate) fn parse(file: &str, text: &str) -> Result<Node, Vec<Problem>> {
    let lines = Lines::of(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(Node { origin: Origin::File { line: 1, column: 1 }, value: table(document.get_ref(), &lines) });
    }
    let mut problems: Vec<Problem> = errors
        .iter()
        .map(|error| {
            let (line, column) = lines.position(error.span().map_or(text.len(), |s| s.start));
            Problem {
                key: String::new(),
                place: Some(Place { file: file.to_owned(), line, column }),
                variable: None,
                message: error.message().to_owned(),
            }
        })
        .collect();
    problems.sort_by(|a, b| a.place.cmp(&b.place));
    problems.dedup_by_key(|problem| problem.place.as_ref().map(|place| place.line));
    Err(problems)
}

/// Reads a TOML array such as `["a", "b"]` out of a variable's text; `None` if it is not one.
pub(crate) fn parse_list(text: &str, origin: &Origin) -> Option<Vec<Node>> {
    let parsed = DeValue::parse(text).ok()?;
    let DeValue::Array(items) = parsed.get_ref() else {
        return None;
    };
    let nodes = items.iter().map(|item| Node {
        origin: origin.clone(),
        // The positions inside a variable are of no use to anyone.
        value: value(item.get_ref(), &Lines::of(text)),
    });
    Some(nodes.collect())
}

fn table(table: &DeTable<'_>, lines: &Lines<'_>) -> Value {
    let entries = table.iter().map(|(key, item)| {
        let node = Node { origin: lines.origin(key.span().start), value: value(item.get_ref(), lines) };
        (key.get_ref().to_string(), node)
    });
    Value::Table(entries.collect())
}

// The parser refuses documents nested deeper than 80 levels, which bounds this recursion.
fn value(value: &DeValue<'_>, lines: &Lines<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| Node { origin: lines.origin(item.span().start), value: self::value(item.get_ref(), lines) })
                .collect(),
        ),
        DeValue::Table(entries) => table(entries, lines),
        DeValue::Float(_) => Value::Other("a number with a fraction"),
        DeValue::Datetime(_) => Value::Other("a date or time"),
    }
}

/// Turns offsets into lines and columns.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// Line and column, both from 1. An offset beyond the end is the end.
    fn position(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        let before = self.text.as_bytes()[start..offset]
            .iter()
            // Bytes that continue a character of UTF-8 do not count.
            .filter(|byte| **byte & 0xC0 != 0x80)
            .count();
        (line, before + 1)
    }

    fn origin(&self, offset: usize) -> Origin {
        let (line, column) = self.position(offset);
        Origin::File { line, column }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'n>(node: &'n Node, key: &str) -> &'n Node {
        match &node.value {
            Value::Table(entries) => &entries[key],
            Value::List(items) => &items[key.parse::<usize>().unwrap()],
            other => panic!("{other:?}"),
        }
    }

    fn at(line: usize, column: usize) -> Origin {
        Origin::File { line, column }
    }

    #[test]
    fn every_value_knows_its_line_and_column() {
        let text = "a = 1\n[b]\n  'é'.c = [\n 'x',\n 'y']\n[[d]]\n[[d]]\n'ü' = { e = 2 }\n";
        let root = parse("f", text).unwrap();
        assert_eq!(entry(&root, "a").origin, at(1, 1));
        assert_eq!(entry(&root, "b").origin, at(2, 2));
        let list = entry(entry(entry(&root, "b"), "é"), "c");
        assert_eq!(list.origin, at(3, 7));
        assert_eq!(entry(list, "1").origin, at(5, 2));
        let second = entry(entry(&root, "d"), "1");
        assert_eq!(second.origin, at(7, 1));
        assert_eq!(entry(entry(second, "ü"), "e").origin, at(8, 9));
    }

    #[test]
    fn each_broken_line_is_reported_once() {
        let problems = parse("weir.toml", "a = \nb = 1\n[c\nd = = 2\n").unwrap_err();
        let lines: Vec<_> = problems.iter().map(|p| p.place.as_ref().unwrap().line).collect();
        assert_eq!(lines, [1, 3, 4], "{problems:?}");
    }

    #[test]
    fn numbers_are_read_in_every_notation() {
        let root = parse("f", "a = 1_000\nb = 0xff\nc = 99999999999999999999\n").unwrap();
        let number = |key| match entry(&root, key).value {
            Value::Integer(number) => number,
            _ => panic!("not a number"),
        };
        assert_eq!([number("a"), number("b"), number("c")], [Some(1000), Some(255), None]);
    }

    #[test]
    fn only_arrays_are_lists() {
        assert_eq!(parse_list("['a', 'b']", &Origin::Default).unwrap().len(), 2);
        assert!(parse_list("a,b", &Origin::Default).is_none());
        assert!(parse_list("[a", &Origin::Default).is_none());
    }
}
