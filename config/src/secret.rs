//! Owns the type that carries a password or token through the program without ever printing it.
//!
//! Reading the file, and reading it again when it changes, is left to whoever uses the secret.

use std::fmt;

/// A value that must not reach a log or a message: prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value taken as it is.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Takes the contents of a secret's file, without the line break that editors and `echo`
    /// leave at its end. Other white space belongs to the secret.
    pub fn from_file_contents(contents: &str) -> Self {
        Self(contents.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// The value itself, for the one place that sends or compares it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_stars_and_loses_only_the_last_line_break() {
        let secret = Secret::from_file_contents(" hunter 2 \r\n");
        assert_eq!(secret.expose(), " hunter 2 ");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert_eq!(Secret::new("a\n").expose(), "a\n");
    }
}
