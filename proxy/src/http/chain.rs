//! An error with its causes, as one text.

use std::error::Error;

/// What an error and everything below it say, apart by colons. A cause that the text has already is not said twice.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let said = inner.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{said}")]
    struct Outer {
        said: &'static str,
        source: io::Error,
    }

    #[test]
    fn a_cause_is_said_once() {
        let outer = |said| Outer { said, source: io::Error::other("refused") };
        assert_eq!(chain(&outer("connecting")), "connecting: refused");
        assert_eq!(chain(&outer("connecting: refused")), "connecting: refused");
    }
}
