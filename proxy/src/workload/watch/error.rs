//! Why a list or a watch ended before its time.

use std::io;
use std::time::Duration;

use kube::core::Status;

/// Bytes kept of an error's text: a proxy may answer with a page.
const MAX_TEXT: usize = 500;

/// Why a list or a watch ended.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// Nobody receives any more.
    #[error("nobody receives any more")]
    Closed,
    /// The server no longer remembers what came after the version asked for (410).
    #[error("the server no longer remembers what came since")]
    Expired,
    /// The same in the midst of a list.
    #[error("the list expired before it was whole")]
    ListExpired,
    /// The server does not stream lists.
    #[error("the server does not stream lists")]
    NoStreaming,
    /// The server's answer.
    #[error("the server answered {}", spoken(.0))]
    Answered(Box<Status>),
    /// No answer came.
    #[error("no answer from the server")]
    Request(#[source] Box<kube::Error>),
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    /// The answer ended in the middle of something.
    #[error("the answer ended early")]
    Cut,
    /// Nothing came.
    #[error("nothing came for {} s", .0.as_secs())]
    Silent(Duration),
    /// What came is not what the API says.
    #[error("unreadable answer")]
    Unreadable(#[source] serde_json::Error),
    /// An answer that can be read and lacks a version to go on from.
    #[error("the answer has no resourceVersion")]
    NoVersion,
    /// One object of the answer is larger than any API server allows.
    #[error("an object of over {0} bytes")]
    TooLarge(usize),
}

impl WatchError {
    /// The status code of the server's answer.
    pub(super) fn code(&self) -> Option<u16> {
        match self {
            Self::Answered(status) => Some(status.code),
            _ => None,
        }
    }

    /// The error with its causes, on one line of bounded length.
    pub(super) fn text(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            // kube's errors have their cause's text in their own.
            if !text.contains(&cause_text) {
                text = format!("{text}: {cause_text}");
            }
            source = cause.source();
        }
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let end = (0..=MAX_TEXT.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text[..end].to_owned()
    }
}

impl From<kube::Error> for WatchError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Answered(status),
            error => Self::Request(Box::new(error)),
        }
    }
}

fn spoken(status: &Status) -> String {
    match (status.reason.as_str(), status.message.as_str()) {
        ("", message) => format!("{}: {message}", status.code),
        (reason, "") => format!("{} {reason}", status.code),
        (reason, message) => format!("{} {reason}: {message}", status.code),
    }
}
