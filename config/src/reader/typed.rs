//! Owns the types that a table's values are read as, and what is said of values that are not.

use std::path::PathBuf;
use std::time::Duration;

use super::Table;
use crate::duration::parse_duration;
use crate::file::{self, Node, Origin, Value};
use crate::problem::quoted;
use crate::size::{ByteSize, ByteSizeError};

impl Table<'_> {
    /// Reads text and what `parse` makes of it; the error of `parse` becomes the mistake.
    pub(crate) fn text<T, E: ToString>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.value(key, |value| match value {
            Value::Text(text) | Value::Untyped(text) => {
                if text.trim().is_empty() {
                    return Err("must not be empty".to_owned());
                }
                parse(text).map_err(|error| error.to_string())
            }
            other => Err(format!("expected text in quotes, found {}", other.described())),
        })
    }

    /// Reads text that is one of a few words.
    pub(crate) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        self.text(key, |text| {
            if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
                return Ok(*value);
            }
            let known: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            Err(format!("expected {}, found {}", known.join(" or "), quoted(text)))
        })
    }

    /// Reads a path; a relative one starts at the check's base directory.
    pub(crate) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        let base = self.check.base;
        self.text(key, |text| Ok::<_, String>(base.join(text)))
    }

    /// Reads a span of time.
    pub(crate) fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.text(key, parse_duration)
    }

    /// Reads a span of time that must be over 0.
    pub(crate) fn positive_duration(&mut self, key: &'static str) -> Option<Duration> {
        self.text(key, |text| match parse_duration(text) {
            Ok(Duration::ZERO) => Err("must be over 0".to_owned()),
            other => other.map_err(|error| error.to_string()),
        })
    }

    /// Reads an amount of bytes, as text or as a number.
    pub(crate) fn size(&mut self, key: &'static str) -> Option<ByteSize> {
        self.value(key, |value| match value {
            Value::Text(text) | Value::Untyped(text) => text.parse().map_err(|error: ByteSizeError| error.to_string()),
            Value::Integer(number) => number
                .and_then(|number| u64::try_from(number).ok())
                .map(ByteSize)
                .ok_or_else(|| "expected a number of bytes from 0 up".to_owned()),
            other => Err(format!("expected a size such as \"100GiB\", found {}", other.described())),
        })
    }

    /// Reads an amount of bytes that must be over 0.
    pub(crate) fn positive_size(&mut self, key: &'static str) -> Option<ByteSize> {
        let size = self.size(key)?;
        if size.bytes() == 0 {
            self.mistake(key, "must be over 0".to_owned());
            return None;
        }
        Some(size)
    }

    /// Reads a whole number within bounds.
    pub(crate) fn number(&mut self, key: &'static str, least: u16, most: u16) -> Option<u16> {
        self.value(key, |value| {
            let number = match value {
                Value::Integer(number) => *number,
                Value::Untyped(text) => text.trim().parse().ok(),
                _ => None,
            };
            number
                .and_then(|number| u16::try_from(number).ok())
                .filter(|number| (least..=most).contains(number))
                .ok_or_else(|| format!("expected a whole number from {least} to {most}"))
        })
    }

    /// Reads `true` or `false`.
    pub(crate) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        self.value(key, |value| match value {
            Value::Boolean(value) => Ok(*value),
            Value::Untyped(text) if text == "true" => Ok(true),
            Value::Untyped(text) if text == "false" => Ok(false),
            other => Err(format!("expected true or false, found {}", other.described())),
        })
    }

    /// Reads a list of texts, each as `parse` makes of it. A variable gives the list as a TOML
    /// array or separated by commas. A mistake in one element names it and leaves it out.
    pub(crate) fn list<T, E: ToString>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, E>) -> Vec<T> {
        let items = self.value(key, |value| match value {
            Value::List(items) => Ok(items.clone()),
            Value::Untyped(text) => Ok(split(text)),
            other => Err(format!("expected a list of texts, found {}", other.described())),
        });
        let mut parsed = Vec::new();
        for (index, item) in items.unwrap_or_default().iter().enumerate() {
            let result = match &item.value {
                Value::Text(text) | Value::Untyped(text) => parse(text).map_err(|error| error.to_string()),
                other => Err(format!("expected text in quotes, found {}", other.described())),
            };
            match result {
                Ok(value) => parsed.push(value),
                Err(message) => {
                    let path = format!("{}[{index}]", self.below(key).0);
                    // Pieces of a variable's text have no origin of their own.
                    let origin = match item.origin {
                        Origin::Default => self.origin_of(key),
                        _ => &item.origin,
                    };
                    self.record(path, origin, message);
                }
            }
        }
        parsed
    }
}

/// The elements of a list in a variable's text.
fn split(text: &str) -> Vec<Node> {
    if text.trim_start().starts_with('[')
        && let Some(items) = file::parse_list(text.trim(), &Origin::Default)
    {
        return items;
    }
    text.split(',')
        .map(str::trim)
        .filter(|piece| !piece.is_empty())
        .map(|piece| Node { origin: Origin::Default, value: Value::Untyped(piece.to_owned()) })
        .collect()
}
