//! Which containerd runs: its version, asked over its socket, and what depends on it.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::CONTENT_TYPE;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixStream;

use crate::http::chain;

/// How long containerd may take to say its version.
const TIME: Duration = Duration::from_secs(3);
/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 16 << 10;
/// gRPC's frame around an empty message: not compressed, no bytes.
const EMPTY: [u8; 5] = [0; 5];

type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// A version of containerd, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// As containerd says it, such as `1.6.20~ds1`.
    pub(super) text: String,
    numbers: (u64, u64, u64),
}

/// Whether a rule for some versions holds for this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Yes,
    No,
    /// The version is not known.
    Perhaps,
}

impl Version {
    /// Reads `1.6.20`, `v2.1.4-k3s1`, `1.6.20~ds1`; `None` where there is no number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().trim_start_matches('v').split('.');
        let mut number = || {
            let part = parts.next().unwrap_or("0");
            part[..part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len())].parse().ok()
        };
        let numbers = (number()?, number()?, number().unwrap_or(0));
        Some(Self { text: text.trim().to_owned(), numbers })
    }

    /// Whether it is 2.0 or later.
    pub(super) fn is_second(&self) -> bool {
        self.numbers.0 >= 2
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether the version is before `bound`.
pub(super) fn before(version: Option<&Version>, bound: (u64, u64, u64)) -> Holds {
    match version {
        None => Holds::Perhaps,
        Some(version) if version.numbers < bound => Holds::Yes,
        Some(_) => Holds::No,
    }
}

/// Asks the containerd behind `socket`, by `containerd.services.version.v1.Version/Version`.
///
/// # Errors
/// Nothing listens there, or it does not answer in time, or not as containerd does.
pub(super) async fn ask(socket: &Path) -> Result<Version, String> {
    match tokio::time::timeout(TIME, exchange(socket)).await {
        Ok(Ok(version)) => Ok(version),
        Ok(Err(error)) => Err(chain(error.as_ref())),
        Err(_) => Err(format!("no answer within {TIME:?}")),
    }
}

async fn exchange(socket: &Path) -> Result<Version, Trouble> {
    let stream = UnixStream::connect(socket).await?;
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await?;
    let request = Request::post("http://localhost/containerd.services.version.v1.Version/Version")
        .header(CONTENT_TYPE, "application/grpc")
        .header("te", "trailers")
        .body(Full::new(Bytes::from_static(&EMPTY)))?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await?;
        Ok::<_, Trouble>((status, body.to_bytes()))
    };
    let (status, body) = tokio::select! {
        answer = answer => answer?,
        ended = connection => return Err(ended.err().map_or_else(|| "the connection was closed".into(), Into::into)),
    };
    let text = (status == StatusCode::OK).then(|| version_in(&body)).flatten();
    text.as_deref().and_then(Version::parse).ok_or_else(|| "what answers there is no containerd".into())
}

/// The first field of a `VersionResponse` in its frame.
fn version_in(frame: &[u8]) -> Option<String> {
    let (&[compressed, a, b, c, d], message) = frame.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    let mut rest = message.get(..length).filter(|_| compressed == 0)?;
    while let [tag, length, after @ ..] = rest {
        // Fields are text (wire type 2) and shorter than 128 bytes, so that tag and length take a byte each.
        let value = after.get(..usize::from(*length)).filter(|_| tag & 7 == 2 && *length < 128)?;
        if tag >> 3 == 1 {
            return String::from_utf8(value.to_vec()).ok();
        }
        rest = &after[value.len()..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_in_every_dress() {
        for (text, numbers) in [
            ("1.6.20~ds1", (1, 6, 20)),
            ("v2.1.4-k3s1", (2, 1, 4)),
            ("1.7.0-rc.1", (1, 7, 0)),
            ("2.2", (2, 2, 0)),
            ("v1.7.32+unknown\n", (1, 7, 32)),
        ] {
            assert_eq!(Version::parse(text).unwrap().numbers, numbers, "{text}");
        }
        for text in ["", "latest", "v", "x.1.2"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_rule_holds_perhaps_where_the_version_is_unknown() {
        let is = |text: &str| before(Version::parse(text).as_ref(), (1, 7, 32));
        assert_eq!(
            (is("1.6.20"), is("1.7.31"), is("1.7.32"), is("2.0.0")),
            (Holds::Yes, Holds::Yes, Holds::No, Holds::No)
        );
        assert_eq!(is("?"), Holds::Perhaps);
    }

    #[test]
    fn the_answer_s_first_field_is_the_version() {
        let message = b"\x0a\x0a1.6.20~ds1\x12\x03abc";
        let frame = [&[0, 0, 0, 0, 17][..], message].concat();
        assert_eq!(version_in(&frame).as_deref(), Some("1.6.20~ds1"));
        let other = b"\x12\x03abc\x0a\x051.7.1";
        assert_eq!(version_in(&[&[0, 0, 0, 0, 12][..], other].concat()).as_deref(), Some("1.7.1"));
        for broken in [&b""[..], &frame[..9], &[1, 0, 0, 0, 0], &[0, 0, 0, 0, 0], &[0, 255, 255, 255, 255, 1]] {
            assert_eq!(version_in(broken), None);
        }
    }
}
