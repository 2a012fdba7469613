//! Where somebody may be sent after signing in: to a page of this report, and nowhere else.

/// The longest place in bytes.
const MAX: usize = 2048;

/// `next` if it is a place of this report, else `/`.
pub(super) fn local(next: Option<&str>) -> &str {
    next.filter(|next| is_local(next)).unwrap_or("/")
}

/// Whether a text is a path of this host, as browsers read it (WHATWG URL: `\` is `/`, and tabs and line breaks vanish), and none of
/// signing in or out.
pub(in crate::report) fn is_local(place: &str) -> bool {
    let here = place.strip_prefix('/').is_some_and(|rest| !rest.starts_with('/'));
    let visible = place.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    // Back to signing in leads round in circles.
    let onward = !place.starts_with("/sign-in") && !place.starts_with("/sign-out");
    here && visible && onward && place.len() <= MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for sound in ["/", "/images/sha256:ab?tab=layers&q=a%20b#x", "/a//b", "/?next=//evil.example"] {
            assert_eq!(local(Some(sound)), sound);
        }
        for (at, evil) in [
            "",
            "images",
            "//evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "///evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/a\\b",
            "https://evil.example/",
            "javascript:alert(1)",
            " /a",
            "/a b",
            "/\u{e4}",
            "/sign-in/oidc",
            "/sign-out",
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(local(Some(evil)), "/", "{at}: {evil:?}");
        }
        let long = format!("/{}", "a".repeat(MAX));
        assert_eq!((local(Some(&long)), local(None)), ("/", "/"));
    }
}
