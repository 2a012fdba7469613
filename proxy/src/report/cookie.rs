//! The report's cookies, RFC 6265 and its successor's prefixes.
//!
//! Invariant: over TLS their names begin with `__Host-`, so that no other host and no plain connection can set them; scripts never
//! see them, and requests that other sites make do not carry them, but for links to a page.

use hyper::header::{COOKIE, HeaderMap, HeaderValue};

/// The session of somebody who signed in.
pub(super) const SESSION: &str = "weir_session";
/// A sign-in under way at the provider.
pub(super) const SIGN_IN: &str = "weir_sign_in";
/// What a browser takes for secure.
const PREFIX: &str = "__Host-";

/// The value of a cookie, where the request has it; `secure` says whether people reach the report over TLS.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str, secure: bool) -> Option<&'a str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    let mut named = pairs.filter_map(|pair| pair.trim().split_once('='));
    named.find_map(|(found, value)| {
        let found = if secure { found.strip_prefix(PREFIX)? } else { found };
        (found == name).then_some(value)
    })
}

/// Sets a cookie for some seconds; `0` takes it away. `value` is of characters that cookies may have.
pub(super) fn set_cookie(name: &str, value: &str, seconds: i64, secure: bool) -> HeaderValue {
    let (prefix, attribute) = if secure { (PREFIX, "; Secure") } else { ("", "") };
    let text = format!("{prefix}{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{attribute}");
    let mut value = HeaderValue::try_from(text).expect("names, ids and secrets are of visible characters");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (COOKIE, HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let sent = headers(&["a=1; weir_session=x", "b=2; __Host-weir_session=y; weir_session=z"]);
        assert_eq!(cookie(&sent, SESSION, false), Some("x"));
        assert_eq!(cookie(&sent, SESSION, true), Some("y"));
        assert_eq!(cookie(&headers(&["weir_session=x"]), SESSION, true), None, "anybody could have set it");
        assert_eq!(cookie(&headers(&["xweir_session=x; weir_session_=y"]), SESSION, false), None);
    }

    #[test]
    fn over_tls_it_is_bound_to_this_host() {
        let plain = "weir_session=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax";
        assert_eq!(set_cookie(SESSION, "v", 60, false), plain);
        let secure = "__Host-weir_session=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure";
        assert_eq!(set_cookie(SESSION, "v", 60, true), secure);
    }
}
