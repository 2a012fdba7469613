//! PEAR and PECL packages: the registry PEAR keeps as one file a package (`.registry/NAME.reg`, `.registry/.channel.X/NAME.reg`),
//! an array as PHP's `serialize` writes it.
//!
//! Follows that format: `a:COUNT:{KEY VALUE …}`, `s:LENGTH:"BYTES";`, `i:1;`, `d:1.5;`, `b:1;`, `N;`. Only `name` and `version` at
//! its top count, and within `version` its `release`; registries of PEAR 1.3 have the version as text. The reader keeps
//! no tree: it walks the tokens and remembers for each level whether a key is next.

use super::stanza::text;
use super::{Detector, FactList, Want};
use crate::layer::Fact;
use crate::package::{Package, PackageType};

pub(crate) struct Pear;

impl Detector for Pear {
    fn name(&self) -> &'static str {
        "pear"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        let registry = path.ends_with(".reg") && (path.starts_with(".registry/") || path.contains("/.registry/"));
        registry.then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        if bytes.is_empty() {
            return;
        }
        match package(bytes) {
            Some(package) => facts.push(Fact::Package(package)),
            None => facts.malformed(path, "the entry of PEAR's registry states no name or no version"),
        }
    }
}

/// The package an entry states; `None` where it breaks its format before that.
fn package(bytes: &[u8]) -> Option<Package> {
    let (mut tokens, mut name, mut version) = (Tokens(bytes), None, None);
    let (mut levels, mut outer, mut inner) = (Vec::new(), &b""[..], &b""[..]);
    while name.is_none() || version.is_none() {
        let token = tokens.next()?;
        let depth = levels.len();
        match (token, levels.last_mut()) {
            (Token::Open, last) => {
                // An array is a value; a key follows it.
                if let Some(key_is_next) = last {
                    *key_is_next = true;
                }
                levels.push(true);
            }
            (Token::Close, _) => drop(levels.pop()?),
            (Token::Value(_), None) => return None,
            (Token::Value(key), Some(key_is_next @ true)) => {
                *key_is_next = false;
                match depth {
                    1 => outer = key,
                    2 => inner = key,
                    _ => {}
                }
            }
            (Token::Value(value), Some(key_is_next)) => {
                *key_is_next = true;
                match (depth, outer, inner) {
                    (1, b"name", _) => name = text(value),
                    (1, b"version", _) | (2, b"version", b"release") => version = text(value),
                    _ => {}
                }
            }
        }
    }
    Some(Package::new(PackageType::Pear, name?, version?))
}

enum Token<'a> {
    /// An array begins.
    Open,
    /// An array ends.
    Close,
    /// A text, or a scalar, which counts as no text.
    Value(&'a [u8]),
}

struct Tokens<'a>(&'a [u8]);

impl<'a> Tokens<'a> {
    /// The next token; `None` at the end and where the format is broken.
    fn next(&mut self) -> Option<Token<'a>> {
        let (first, rest) = self.0.split_first()?;
        match first {
            b'}' => {
                self.0 = rest;
                Some(Token::Close)
            }
            b'a' => {
                self.0 = rest;
                self.length()?;
                self.0 = self.0.strip_prefix(b"{")?;
                Some(Token::Open)
            }
            b's' => {
                self.0 = rest;
                let length = self.length()?;
                let (value, rest) = self.0.strip_prefix(b"\"")?.split_at_checked(length)?;
                self.0 = rest.strip_prefix(b"\";")?;
                Some(Token::Value(value))
            }
            b'i' | b'd' | b'b' | b'N' => {
                self.0 = &rest[memchr::memchr(b';', rest)? + 1..];
                Some(Token::Value(b""))
            }
            _ => None,
        }
    }

    /// `:NUMBER:`
    fn length(&mut self) -> Option<usize> {
        let rest = self.0.strip_prefix(b":")?;
        let end = memchr::memchr(b':', rest)?;
        self.0 = &rest[end + 1..];
        std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str) -> Option<(String, String)> {
        package(text.as_bytes()).map(|package| (package.name, package.version))
    }

    const ENTRY: &str = concat!(
        r#"a:4:{s:10:"attributes";a:2:{s:4:"name";s:1:"x";s:7:"version";s:3:"2.0";}s:4:"name";s:11:"Archive_Tar";"#,
        r#"s:4:"lead";a:1:{i:0;a:2:{s:4:"name";s:7:"Vin "c"";s:6:"active";b:1;}}"#,
        r#"s:7:"version";a:2:{s:3:"api";s:5:"1.4.0";s:7:"release";s:6:"1.4.14";}}"#
    );

    #[test]
    fn an_entry_states_name_and_release() {
        assert_eq!(found(ENTRY), Some(("Archive_Tar".into(), "1.4.14".into())));
        let old = r#"a:3:{s:4:"size";d:1.5;s:4:"name";s:4:"PEAR";s:7:"version";s:5:"1.3.6";}"#;
        assert_eq!(found(old), Some(("PEAR".into(), "1.3.6".into())));
    }

    #[test]
    fn broken_entries_are_none() {
        for end in 0..ENTRY.len() - 2 {
            assert_eq!(found(&ENTRY[..end]), None, "{end}");
        }
        for text in
            ["", "x", "}", "s:4:\"name\";", "a:1:{s:99999999999999999999:\"\";}", "a:1:{s:18446744073709551615:\"a\";}"]
        {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn registries_are_known_by_their_folder() {
        assert_eq!(Pear.wants("usr/share/php/.registry/.channel.pecl.php.net/redis.reg"), Some(Want::Bytes));
        assert_eq!(Pear.wants("usr/share/php/pear.reg"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(prop::sample::select(&b"as:0129{}\"i;Nname"[..]), 0..80)) {
            package(&bytes);
        }
    }
}
