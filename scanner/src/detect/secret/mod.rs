//! Secrets: keys, tokens and passwords in text of any kind, by rules in a data file.
//!
//! Owns which files are read, what a rule's match is worth and how it is shown: masked, with its line, at most a few times a file.
//! Whether a secret is still visible in the image is [`crate::image`]'s business. Files are read as they pass: one pass
//! over each piece finds the rules' keywords, and a rule's expression sees no more than a window around those. Invariant: no
//! fact holds more than four bytes of a secret, and each byte meets each expression a bounded number of times.

mod keyword;
mod path;
mod rule;
#[cfg(test)]
mod sample;
mod search;
mod watch;

pub(crate) use watch::Secrets;

use crate::risk::Risk;
use rule::RULES;
use search::{Search, masked};

/// Whether a value is a word of documentation, a template or a repetition, rather than somebody's secret.
pub(crate) fn is_placeholder(value: &str) -> bool {
    RULES.is_placeholder(value.as_bytes())
}

/// The start of a value, as far as it may be shown.
pub(crate) fn mask(value: &str) -> String {
    masked(value.as_bytes())
}

/// The secrets a text shows, whatever file it is of: rules for certain files do not count. At most a few of a kind.
pub fn in_text(text: &str) -> Vec<Risk> {
    let mut search = Search::new("", true);
    let bytes = [b"\n", text.as_bytes()].concat();
    search.search(&bytes, 0..bytes.len(), true);
    search.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_text_is_masked_and_has_its_line() {
        let key = format!("AKIA{}", "Z5QJ4TRKWX2N7YHB");
        let risks = in_text(&format!("first\nkey={key}\n"));
        assert_eq!(risks.len(), 1);
        assert_eq!((&*risks[0].rule, risks[0].line), ("aws-access-key-id", Some(2)));
        assert_eq!(risks[0].detail, "AWS access key id: AKIA****");
        assert!(in_text("").is_empty() && in_text("AKIAIOSFODNN7EXAMPLE").is_empty());
    }
}
