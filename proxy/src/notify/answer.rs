//! What a receiver's answer means: taken, never again, or once more.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{HeaderMap, RETRY_AFTER};

/// What a try gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The answer's status, where one came.
    pub status: Option<StatusCode>,
    /// How long it took.
    pub duration: Duration,
    /// The beginning of the answer's body.
    pub response: String,
    /// Why there is no answer.
    pub error: Option<String>,
    /// How long the receiver asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// What a try means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The receiver has it.
    Taken,
    /// The receiver wants nothing any more (RFC 9110 section 15.5.11).
    Gone,
    /// The receiver does not take this, and will hardly think otherwise.
    Refused,
    /// It may go better later.
    Failed,
}

impl Attempt {
    pub(super) fn meaning(&self) -> Meaning {
        match self.status {
            Some(status) if status.is_success() => Meaning::Taken,
            Some(StatusCode::GONE) => Meaning::Gone,
            Some(StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS) | None => Meaning::Failed,
            Some(status) if status.is_server_error() => Meaning::Failed,
            Some(_) => Meaning::Refused,
        }
    }

    /// What came of it, in one line.
    pub fn detail(&self) -> String {
        match (&self.error, self.status) {
            (Some(error), _) => error.clone(),
            (None, Some(status)) if status.is_redirection() => format!("{status}: redirects are not followed"),
            (None, Some(status)) if self.response.is_empty() => status.to_string(),
            (None, Some(status)) => format!("{status}: {}", self.response),
            (None, None) => "no answer".to_owned(),
        }
    }
}

/// `Retry-After` in seconds (RFC 9110 section 10.2.3). A date would need the receiver's clock to be right; it is passed over.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// The beginning of a body as one line of text: control characters would reach logs and terminals.
pub(super) fn excerpt(text: &str, most: usize) -> String {
    let text = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    text.take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_say_whether_to_come_again() {
        let meaning = |status: u16| {
            let status = StatusCode::from_u16(status).ok();
            let attempt =
                Attempt { status, duration: Duration::ZERO, response: String::new(), error: None, retry_after: None };
            attempt.meaning()
        };
        for (status, expected) in [
            (200, Meaning::Taken),
            (204, Meaning::Taken),
            (302, Meaning::Refused),
            (400, Meaning::Refused),
            (404, Meaning::Refused),
            (408, Meaning::Failed),
            (410, Meaning::Gone),
            (429, Meaning::Failed),
            (500, Meaning::Failed),
            (503, Meaning::Failed),
            (0, Meaning::Failed),
        ] {
            assert_eq!(meaning(status), expected, "{status}");
        }
    }

    #[test]
    fn an_excerpt_is_one_line_of_text() {
        assert_eq!(excerpt(" a\r\nb\x1b[31m ", 100), "a  b [31m");
        assert_eq!(excerpt(&"ü".repeat(9), 3), "üüü");
    }
}
