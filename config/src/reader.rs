//! Owns the reading of one table of the tree; `typed` holds the types that values are read as.
//!
//! A section asks its [`Table`] for each key it knows, by the type it needs. What cannot be read
//! is recorded with its place and answered with `None`, so that reading goes on to the next key;
//! keys nobody asked for are recorded when the table is closed. As any mistake withholds the
//! whole configuration, a `None` after a mistake never becomes a setting.

mod typed;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::file::{Node, Origin, Value};
use crate::problem::{Place, Problem, quoted};
use crate::setting::{DefaultValue, SETTINGS, Setting};
use crate::suggest::nearest;

/// What all tables of one check share.
pub(crate) struct Check<'c> {
    /// The file's name for messages.
    pub(crate) file: &'c str,
    /// The directory that relative paths start at.
    pub(crate) base: &'c Path,
    /// Mistakes found so far.
    pub(crate) mistakes: RefCell<Vec<Problem>>,
    /// Warnings found so far.
    pub(crate) warnings: RefCell<Vec<Problem>>,
    /// The paths, with indexes erased, of all values asked for.
    pub(crate) asked: RefCell<BTreeSet<String>>,
}

/// One table of the settings, present or not.
pub(crate) struct Table<'n> {
    check: &'n Check<'n>,
    /// Its path as messages write it.
    path: String,
    /// Its path with indexes erased, as the list of settings writes it.
    shape: String,
    origin: Origin,
    /// `None` when the table is not written.
    entries: Option<&'n BTreeMap<String, Node>>,
    asked: BTreeSet<&'static str>,
}

impl<'n> Table<'n> {
    /// The table that holds all others.
    pub(crate) fn root(check: &'n Check<'n>, node: &'n Node) -> Self {
        Self::new(check, (String::new(), String::new()), Some(node))
    }

    fn new(check: &'n Check<'n>, (path, shape): (String, String), node: Option<&'n Node>) -> Self {
        let mut table = Self {
            check,
            path,
            shape,
            origin: node.map_or(Origin::Default, |node| node.origin.clone()),
            entries: None,
            asked: BTreeSet::new(),
        };
        match node.map(|node| &node.value) {
            Some(Value::Table(entries)) => table.entries = Some(entries),
            Some(other) => table.record(
                table.path.clone(),
                &table.origin,
                format!("expected a table, found {}", other.described()),
            ),
            None => {}
        }
        table
    }

    /// Whether the table is written.
    pub(crate) fn is_given(&self) -> bool {
        self.entries.is_some()
    }

    /// Whether a key of it is written.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// Reads a table inside this one, written or not, and reports the keys that `read` left.
    pub(crate) fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.asked.insert(key);
        let mut table = Self::new(self.check, self.below(key), self.entry(key));
        let value = read(&mut table);
        table.close();
        value
    }

    /// Reads each table of a list of tables; `None` if no list is written.
    pub(crate) fn sections<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Self) -> T) -> Option<Vec<T>> {
        self.asked.insert(key);
        let node = self.entry(key)?;
        let Value::List(items) = &node.value else {
            self.mistake(key, format!("expected a list of tables, each under [[{key}]]"));
            return None;
        };
        let (path, shape) = self.below(key);
        let tables = items.iter().enumerate().map(|(index, item)| {
            let names = (format!("{path}[{index}]"), format!("{shape}[]"));
            let mut table = Self::new(self.check, names, Some(item));
            let value = read(&mut table);
            table.close();
            value
        });
        Some(tables.collect())
    }

    /// Reads the defaults of an entry of a list of tables that is not written.
    pub(crate) fn unwritten_entry<T>(&self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let (path, shape) = self.below(key);
        read(&mut Self::new(self.check, (path, format!("{shape}[]")), None))
    }

    /// The directory that relative paths start at.
    pub(crate) fn base(&self) -> &'n Path {
        self.check.base
    }

    /// Records a mistake about a key, or about the table if the key is empty.
    pub(crate) fn mistake(&self, key: &str, message: impl Into<String>) {
        self.record(self.below(key).0, self.origin_of(key), message.into());
    }

    /// Records a warning about a key.
    pub(crate) fn warn(&self, key: &str, message: impl Into<String>) {
        let problem = self.problem(self.below(key).0, self.origin_of(key), message.into());
        self.check.warnings.borrow_mut().push(problem);
    }

    /// Reads a value that is written, else the default, else nothing.
    fn value<T>(&mut self, key: &'static str, parse: impl FnOnce(&Value) -> Result<T, String>) -> Option<T> {
        self.asked.insert(key);
        let (path, shape) = self.below(key);
        let default = Setting::find(&shape).map(|setting| setting.default);
        self.check.asked.borrow_mut().insert(shape);
        let result = match (self.entry(key), default) {
            (Some(node), _) => parse(&node.value),
            (None, Some(DefaultValue::Value(text))) => parse(&Value::Untyped(text.to_owned())),
            // A value in the place of a table is one mistake, not one more for each key.
            (None, Some(DefaultValue::Required)) if self.is_given() => Err("missing".to_owned()),
            (None, _) => return None,
        };
        match result {
            Ok(value) => Some(value),
            Err(message) => {
                self.record(path, self.origin_of(key), message);
                None
            }
        }
    }

    /// Reports the keys that nobody asked for.
    pub(crate) fn close(&self) {
        let Some(entries) = self.entries else { return };
        for (key, node) in entries {
            if self.asked.contains(key.as_str()) {
                continue;
            }
            // A key of another section is more likely misplaced than misspelt.
            let elsewhere =
                || SETTINGS.iter().map(|setting| setting.path).find(|path| path.rsplit('.').next() == Some(key));
            let path = self.below(key).0;
            let message = match nearest(key, self.asked.iter().copied()).or_else(elsewhere) {
                Some(near) => format!("unknown key; did you mean {near}?"),
                None => "unknown key".to_owned(),
            };
            self.record(path, &node.origin, message);
        }
    }

    fn entry(&self, key: &str) -> Option<&'n Node> {
        self.entries?.get(key)
    }

    /// Where a key is written, else where its table is.
    fn origin_of(&self, key: &str) -> &Origin {
        self.entry(key).map_or(&self.origin, |node| &node.origin)
    }

    /// The path and the shape of a key of this table.
    fn below(&self, key: &str) -> (String, String) {
        if key.is_empty() {
            return (self.path.clone(), self.shape.clone());
        }
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let key = if key.chars().all(bare) { key.to_owned() } else { quoted(key) };
        if self.path.is_empty() {
            return (key.clone(), key);
        }
        (format!("{}.{key}", self.path), format!("{}.{key}", self.shape))
    }

    fn record(&self, path: String, origin: &Origin, message: String) {
        let problem = self.problem(path, origin, message);
        self.check.mistakes.borrow_mut().push(problem);
    }

    fn problem(&self, key: String, origin: &Origin, message: String) -> Problem {
        let (place, variable) = match origin {
            Origin::File { line, column } => {
                let place = Place { file: self.check.file.to_owned(), line: *line, column: *column };
                (Some(place), None)
            }
            Origin::Variable(name) => (None, Some(name.clone())),
            Origin::Default => (None, None),
        };
        Problem { key, place, variable, message }
    }
}
