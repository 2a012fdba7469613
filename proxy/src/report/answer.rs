//! How an answer leaves: its entity tag, 304 where the asker has it already, and gzip.
//!
//! Owns what RFC 9110 says of conditional requests (section 13) and of content codings (section 8.4) for every answer of the report, so that
//! no endpoint has to think of it. Tags are weak and of the plain body, since a proxy may code it otherwise. An endpoint that knows its tag
//! without making its body asks [`Asked::has`] first. The invariant: a tag changes whenever a byte of the body does.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_NONE_MATCH, VARY,
};
use hyper::{Method, Request, Response, StatusCode};
use weir_scanner::oci::Digest;

use crate::http::{Body, empty, full};

/// Bodies up to this many bytes are sent as they are: packing them saves nothing.
const PLAIN: usize = 1024;
/// Bodies over this many bytes are hashed and packed off the threads that serve.
const LARGE: usize = 128 * 1024;
/// Characters of a hash in a tag: 128 bits.
const TAG: usize = 32;

/// What a request says of the answer it can use.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// Whether it is `GET` or `HEAD`, which alone are answered with tags.
    reads: bool,
    /// The tags of `If-None-Match`.
    known: Vec<String>,
    gzip: bool,
}

impl Asked {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let headers = request.headers();
        let known = texts(headers, &IF_NONE_MATCH);
        Self {
            reads: matches!(*request.method(), Method::GET | Method::HEAD),
            known: known.map(|tag| opaque(tag).to_owned()).collect(),
            gzip: takes_gzip(headers),
        }
    }

    /// Whether the asker has what `tag` names (RFC 9110 section 13.1.2, by weak comparison).
    pub(super) fn has(&self, tag: &HeaderValue) -> bool {
        let Ok(tag) = tag.to_str() else { return false };
        self.known.iter().any(|known| known == "*" || known == opaque(tag))
    }
}

/// The tag of what was made of some bytes: a body, or the revision of everything that goes into it.
pub(super) fn tag(bytes: &[u8]) -> HeaderValue {
    let digest = Digest::of(bytes);
    let hex = digest.hex();
    let text = format!("W/\"{}\"", hex.get(..TAG).unwrap_or(&hex));
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("W/\"\""))
}

/// What is answered to one who has it: nothing but the tag.
pub(super) fn unchanged(tag: HeaderValue) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.headers_mut().insert(ETAG, tag);
    response
}

/// An answer as it is sent to this asker. What comes in pieces of unknown length, such as a stream of events, is left as it is.
pub(super) async fn dress(asked: &Asked, response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    // What is shown may need a token, and changes: a cache asks again each time.
    head.headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    if !asked.reads || head.status != StatusCode::OK {
        return Response::from_parts(head, body);
    }
    head.headers.append(VARY, HeaderValue::from_static("accept, accept-encoding"));
    if body.size_hint().exact().is_none() || head.headers.contains_key(CONTENT_ENCODING) {
        return Response::from_parts(head, body);
    }
    // A body of bytes in memory: there is nothing to wait for, and nothing that can fail.
    let Ok(bytes) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        head.status = StatusCode::INTERNAL_SERVER_ERROR;
        return Response::from_parts(head, empty());
    };
    let packs = asked.gzip && bytes.len() > PLAIN && is_text(&head.headers);
    let made = head.headers.get(ETAG).cloned();
    let (bytes, made, packed) = if bytes.len() > LARGE {
        let plain = bytes.clone();
        let work = tokio::task::spawn_blocking(move || prepare(bytes, made, packs));
        work.await.unwrap_or_else(|_| (plain, HeaderValue::from_static("W/\"\""), false))
    } else {
        prepare(bytes, made, packs)
    };
    if asked.has(&made) {
        let mut response = unchanged(made);
        for name in [CACHE_CONTROL, VARY] {
            response.headers_mut().extend(head.headers.get(&name).cloned().map(|value| (name, value)));
        }
        return response;
    }
    head.headers.insert(ETAG, made);
    if packed {
        head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        head.headers.remove(CONTENT_LENGTH);
    }
    Response::from_parts(head, full(bytes))
}

/// The body as it is sent, its tag, and whether it is packed.
fn prepare(bytes: Bytes, made: Option<HeaderValue>, packs: bool) -> (Bytes, HeaderValue, bool) {
    let made = made.unwrap_or_else(|| tag(&bytes));
    match packs.then(|| gzip(&bytes)) {
        Some(Ok(packed)) => (packed.into(), made, true),
        _ => (bytes, made, false),
    }
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Whether a body is of a kind that packs well.
fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.starts_with("text/") || kind.contains("json") || kind.contains("javascript") || kind.contains("svg")
}

/// Whether `Accept-Encoding` takes gzip (RFC 9110 section 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let mut by_star = false;
    for coding in texts(headers, &ACCEPT_ENCODING) {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        let takes = weight.is_ok_and(|weight| weight > 0.0);
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => return takes,
            "*" => by_star = takes,
            _ => {}
        }
    }
    by_star
}

/// The parts of a header that is a list.
fn texts<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|part| !part.is_empty())
}

/// A tag without the mark of a weak one.
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn asked(method: Method, headers: &[(&str, &str)]) -> Asked {
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Asked::of(&request.body(()).unwrap())
    }

    fn json(body: &str) -> Response<Body> {
        Response::builder().header(CONTENT_TYPE, "application/json").body(full(body.to_owned())).unwrap()
    }

    async fn sent(asked: &Asked, response: Response<Body>) -> (StatusCode, HeaderMap, Bytes) {
        let (head, body) = dress(asked, response).await.into_parts();
        (head.status, head.headers, body.collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn one_who_has_it_is_told_so_and_others_get_it() {
        let (status, headers, body) = sent(&asked(Method::GET, &[]), json("{}")).await;
        assert_eq!((status, &body[..]), (StatusCode::OK, &b"{}"[..]));
        assert_eq!(headers[CACHE_CONTROL], "private, no-cache");
        let tag = headers[ETAG].to_str().unwrap().to_owned();
        let strong = tag.trim_start_matches("W/").to_owned();
        for (known, is_known) in [
            (tag.as_str(), true),
            (&strong, true),
            ("*", true),
            (&format!("\"other\", {tag}"), true),
            ("\"other\"", false),
            ("", false),
        ] {
            let (status, headers, body) = sent(&asked(Method::GET, &[("if-none-match", known)]), json("{}")).await;
            let expected = if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
            assert_eq!((status, body.is_empty()), (expected, is_known), "{known}");
            assert_eq!(headers[ETAG].to_str().unwrap(), tag, "{known}");
            assert_eq!(headers[VARY], "accept, accept-encoding", "{known}");
        }
        let (_, other, _) = sent(&asked(Method::GET, &[]), json("{ }")).await;
        assert_ne!(other[ETAG], headers[ETAG]);
    }

    #[tokio::test]
    async fn long_texts_are_packed_for_those_who_take_it() {
        for length in [2 * PLAIN, 2 * LARGE] {
            let long = format!("[{}]", " ".repeat(length));
            let plain = sent(&asked(Method::GET, &[]), json(&long)).await;
            for (accepts, packed) in [
                ("gzip", true),
                ("br, GZIP;q=0.5", true),
                ("*", true),
                ("gzip;q=0, *", false),
                ("gzip;q=much", false),
                ("identity", false),
            ] {
                let (_, headers, body) = sent(&asked(Method::GET, &[("accept-encoding", accepts)]), json(&long)).await;
                assert_eq!(headers.contains_key(CONTENT_ENCODING), packed, "{accepts}");
                assert_eq!(headers[ETAG], plain.1[ETAG], "{accepts}");
                let mut text = String::new();
                if packed {
                    flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
                } else {
                    text = String::from_utf8(body.to_vec()).unwrap();
                }
                assert_eq!(text, long, "{accepts}");
            }
        }
        let (_, headers, _) = sent(&asked(Method::GET, &[("accept-encoding", "gzip")]), json("{}")).await;
        assert!(!headers.contains_key(CONTENT_ENCODING), "short");
    }

    #[tokio::test]
    async fn what_changes_or_fails_has_no_tag() {
        let mut failed = json("{}");
        *failed.status_mut() = StatusCode::NOT_FOUND;
        for (method, response) in [(Method::POST, json("{}")), (Method::GET, failed)] {
            let (status, headers, body) = sent(&asked(method, &[("if-none-match", "*")]), response).await;
            assert_ne!(status, StatusCode::NOT_MODIFIED);
            assert!(!headers.contains_key(ETAG) && !body.is_empty());
            assert_eq!(headers[CACHE_CONTROL], "private, no-cache");
        }
    }
}
