//! Owns the form in which a mistake or a warning reaches the operator.
//!
//! A problem names its key and where the key was written: a line of the file or an environment
//! variable. It never holds the value of a key that could be a credential.

use std::fmt;

/// Where in a file something was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file's name as the caller gave it.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
}

/// One mistake or warning. Displays as one line, such as
/// `weir.toml:12: upstream[0].url: expected an https or http URL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The path of the key, such as `upstream[0].url`; empty when the text itself cannot be read.
    pub key: String,
    /// Where the key, or the table that lacks it, stands in the file; `None` when it does not.
    pub place: Option<Place>,
    /// The environment variable that gave the value, if one did.
    pub variable: Option<String>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(variable) = &self.variable {
            write!(f, "{variable}: ")?;
        } else if let Some(place) = &self.place {
            write!(f, "{}:{}: ", place.file, place.line)?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// A value as a message quotes it: on one line and cut after 60 characters.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = text.chars().take(LONGEST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("\"{}\"", shown.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem() -> Problem {
        Problem { key: "upstream[0].url".to_owned(), place: None, variable: None, message: "missing".to_owned() }
    }

    #[test]
    fn a_problem_is_one_line_that_starts_with_its_origin() {
        assert_eq!(problem().to_string(), "upstream[0].url: missing");
        let in_file = Problem { place: Some(Place { file: "weir.toml".to_owned(), line: 12, column: 3 }), ..problem() };
        assert_eq!(in_file.to_string(), "weir.toml:12: upstream[0].url: missing");
        let in_variable = Problem { variable: Some("WEIR_UPSTREAM__0__URL".to_owned()), ..problem() };
        assert_eq!(in_variable.to_string(), "WEIR_UPSTREAM__0__URL: upstream[0].url: missing");
    }

    #[test]
    fn quoting_keeps_one_short_line() {
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
        assert_eq!(quoted(&"é".repeat(61)), format!("\"{}…\"", "é".repeat(60)));
    }
}
