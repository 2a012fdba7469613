//! Accounts anyone may use: passwd(5) and shadow(5), with hashes after crypt(5).
//!
//! A hash is judged by its method alone and never shown.

use std::collections::BTreeMap;

use super::push;
use crate::detect::stanza::lines;
use crate::detect::{Detector, FactList, Want};
use crate::finding::Severity;

/// Longest account name that is shown, in bytes; useradd(8) allows 32.
const MAX_NAME: usize = 64;

/// `etc/shadow`: passwords that are missing or weakly kept.
pub(crate) struct Shadow;

/// `etc/passwd`: a second root, two accounts of one number, passwords in a file that all may read.
pub(crate) struct Passwd;

impl Detector for Shadow {
    fn name(&self) -> &'static str {
        "shadow"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        (path == "etc/shadow").then_some(Want::Bytes)
    }

    fn detect(&self, _path: &str, bytes: &[u8], facts: &mut FactList) {
        for (number, fields) in accounts(bytes) {
            if let [name, password, ..] = fields[..] {
                told(&shown(name), password, number, facts);
            }
        }
    }
}

impl Detector for Passwd {
    fn name(&self) -> &'static str {
        "passwd"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        (path == "etc/passwd").then_some(Want::Bytes)
    }

    fn detect(&self, _path: &str, bytes: &[u8], facts: &mut FactList) {
        let mut owners: BTreeMap<u32, String> = BTreeMap::new();
        for (number, fields) in accounts(bytes) {
            let [name, password, user, ..] = fields[..] else { continue };
            let name = shown(name);
            // `x` stands for the shadow file.
            if password != b"x" {
                told(&name, password, number, facts);
            }
            let Some(user) = std::str::from_utf8(user).ok().and_then(|user| user.parse::<u32>().ok()) else { continue };
            match (user, owners.get(&user)) {
                (0, _) if name != "root" => {
                    let detail = format!("account {name} has user id 0: it is root under another name");
                    push(facts, "second-root", Severity::High, detail, Some(number));
                }
                (_, Some(first)) if *first != name => {
                    let detail = format!("accounts {first} and {name} share user id {user}");
                    push(facts, "duplicate-user-id", Severity::Low, detail, Some(number));
                }
                _ => {}
            }
            owners.entry(user).or_insert(name);
        }
    }
}

/// Lines with their numbers, split at colons. Comments, blank lines and those that ask NIS (`+`, `-`) are none.
fn accounts(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<&[u8]>)> {
    let numbered =
        lines(bytes).enumerate().filter(|(_, line)| !line.is_empty() && !matches!(line[0], b'#' | b'+' | b'-'));
    numbered.map(|(index, line)| (index + 1, line.splitn(8, |byte| *byte == b':').collect()))
}

/// Tells what is wrong with the password field of an account.
fn told(name: &str, password: &[u8], line: usize, facts: &mut FactList) {
    if password.is_empty() {
        let detail = format!("account {name} has no password");
        push(facts, "empty-password", Severity::Critical, detail, Some(line));
    } else if let Some(method) = weak_method(password) {
        let detail = format!("the password of account {name} is kept with {method}, which is quick to guess");
        push(facts, "weak-password-hash", Severity::High, detail, Some(line));
    } else if is_hash(password) {
        let detail = format!("account {name} has a password, the same in every copy of the image");
        push(facts, "password-in-image", Severity::Medium, detail, Some(line));
    }
}

/// The method of a hash that is too quick to compute; `None` for others, and for accounts without a password.
fn weak_method(password: &[u8]) -> Option<&'static str> {
    let crypt = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
    match password {
        [b'$', b'1', b'$', ..] => Some("MD5"),
        [b'$', b'3', b'$', ..] => Some("the NT hash"),
        [b'$', b'm', b'd', b'5', ..] => Some("Sun's MD5"),
        [b'$', b's', b'h', b'a', b'1', ..] => Some("SHA-1"),
        [b'_', rest @ ..] if rest.len() == 19 && rest.iter().all(crypt) => Some("extended DES"),
        _ if password.len() == 13 && password.iter().all(crypt) => Some("DES"),
        _ => None,
    }
}

/// Whether a field is a hash of any method: `*`, `!` and `!hash` are accounts that no password opens.
fn is_hash(password: &[u8]) -> bool {
    password.starts_with(b"$") && password.len() > 8
}

fn shown(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(&name[..name.len().min(MAX_NAME)]);
    name.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Fact;

    fn found(detector: &dyn Detector, text: &str) -> Vec<(String, Option<u32>)> {
        let mut facts = FactList::new(1 << 20);
        detector.detect("etc/x", text.as_bytes(), &mut facts);
        let risk = |fact| if let Fact::Risk(risk) = fact { (risk.rule, risk.line) } else { panic!("{fact:?}") };
        facts.into_parts().0.into_iter().map(risk).collect()
    }

    #[test]
    fn passwords_are_judged_by_their_method() {
        for (field, rule) in [
            ("", Some("empty-password")),
            ("*", None),
            ("!", None),
            ("!!", None),
            ("!$1$a$bbbbbbbbbbbbbbbbbbbbbb", None),
            ("!*", None),
            ("x", None),
            ("$1$salt$qJH7.N4xYta3aEG/dfqo/0", Some("weak-password-hash")),
            ("rl0uE7Ji7aGQU", Some("weak-password-hash")),
            ("_J9..K0AyUubDrfOgO4s", Some("weak-password-hash")),
            (
                "$6$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4XMS130MTSuDDl3aCI6WouIL9AjRbLCelDCy.g.",
                Some("password-in-image"),
            ),
            ("$y$j9T$a$b", Some("password-in-image")),
        ] {
            let text = format!("# comment\nroot:{field}:19000:0:99999:7:::\n");
            let expected: Vec<_> = rule.into_iter().map(|rule| (rule.to_owned(), Some(2))).collect();
            assert_eq!(found(&Shadow, &text), expected, "{field}");
        }
        assert!(found(&Shadow, "").is_empty() && found(&Shadow, "no colon\n\n").is_empty());
    }

    #[test]
    fn accounts_share_no_number() {
        let text = "root:x:0:0::/root:/bin/sh\na:x:10:1:::\nb:x:10:1:::\nroot:x:0:0:::\ntoor:x:0:0:::\nc::11:1:::\n+::::::\nd:x:-1:\n";
        let expected = [("duplicate-user-id", 3), ("second-root", 5), ("empty-password", 6)];
        let expected: Vec<_> = expected.map(|(rule, line)| (rule.to_owned(), Some(line))).into();
        assert_eq!(found(&Passwd, text), expected);
    }
}
