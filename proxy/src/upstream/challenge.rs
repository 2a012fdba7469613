//! `WWW-Authenticate`: reads the challenges of RFC 9110 section 11.6.1 and what Bearer ones carry (RFC 6750, and the
//! registry token specification).

use std::collections::BTreeMap;

use hyper::header::{HeaderMap, WWW_AUTHENTICATE};

/// Most bytes of challenges that are looked at.
const MAX_BYTES: usize = 16 * 1024;

/// One challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// The scheme in lower case: `bearer`, `basic`.
    pub(crate) scheme: String,
    /// Parameters by lower-case name, quotes removed.
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Challenge {
    /// Every challenge in the headers, in order. What cannot be read ends the header it is in.
    pub(crate) fn all(headers: &HeaderMap) -> Vec<Self> {
        let values = headers.get_all(WWW_AUTHENTICATE).into_iter().filter_map(|value| value.to_str().ok());
        values.filter(|value| value.len() <= MAX_BYTES).flat_map(|value| Parser { rest: value }.challenges()).collect()
    }

    /// A parameter's value.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn challenges(mut self) -> Vec<Challenge> {
        let mut found: Vec<Challenge> = Vec::new();
        loop {
            self.skip(&[' ', '\t', ',']);
            let Some(word) = self.token() else { return found };
            self.skip(&[' ', '\t']);
            // `name=` continues the challenge before it; a bare word starts the next one.
            if let (true, Some(challenge)) = (self.eat('='), found.last_mut()) {
                self.skip(&[' ', '\t']);
                let Some(value) = self.value() else { return found };
                challenge.parameters.entry(word.to_ascii_lowercase()).or_insert(value);
            } else {
                found.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: BTreeMap::new() });
            }
        }
    }

    fn skip(&mut self, set: &[char]) {
        self.rest = self.rest.trim_start_matches(set);
    }

    fn eat(&mut self, character: char) -> bool {
        let after = self.rest.strip_prefix(character);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn token(&mut self) -> Option<&'a str> {
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)))
            .unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!token.is_empty()).then_some(token)
    }

    fn value(&mut self) -> Option<String> {
        if !self.eat('"') {
            // Some registries leave URLs unquoted, so anything up to the next separator is taken.
            let end = self.rest.find([',', ' ', '\t']).unwrap_or(self.rest.len());
            let (value, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Some(value.to_owned());
        }
        let mut value = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Some(value);
                }
                '\\' => value.push(characters.next()?.1),
                other => value.push(other),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn parse(values: &[&str]) -> Vec<(String, Vec<(String, String)>)> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        Challenge::all(&headers)
            .into_iter()
            .map(|challenge| (challenge.scheme, challenge.parameters.into_iter().collect()))
            .collect()
    }

    fn challenge(scheme: &str, parameters: &[(&str, &str)]) -> (String, Vec<(String, String)>) {
        (scheme.to_owned(), parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn challenges() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull,push""#;
        let read = [
            ("realm", "https://auth.docker.io/token"),
            ("scope", "repository:library/nginx:pull,push"),
            ("service", "registry.docker.io"),
        ];
        assert_eq!(parse(&[hub]), [challenge("bearer", &read)]);
        assert_eq!(parse(&[r#"BASIC Realm = "a \"b\" \\c""#]), [challenge("basic", &[("realm", r#"a "b" \c"#)])]);
        let both = [
            challenge("basic", &[("realm", "x")]),
            challenge("bearer", &[("error", "invalid_token"), ("realm", "https://a/t")]),
        ];
        assert_eq!(parse(&[r#"Basic realm="x", Bearer realm="https://a/t",error=invalid_token"#]), both);
        assert_eq!(parse(&[r#"Basic realm="x""#, r#"Bearer realm=https://a/t, error="invalid_token""#]), both);
        assert_eq!(parse(&["Negotiate"]), [challenge("negotiate", &[])]);
        assert_eq!(parse(&["Negotiate, Basic"]), [challenge("negotiate", &[]), challenge("basic", &[])]);
    }

    #[test]
    fn broken_challenges_end_quietly() {
        assert_eq!(parse(&[r#"Bearer realm="open"#]), [challenge("bearer", &[])]);
        assert_eq!(parse(&[""]), []);
        assert_eq!(parse(&["=x"]), []);
        assert_eq!(parse(&["\"x\""]), []);
    }
}
