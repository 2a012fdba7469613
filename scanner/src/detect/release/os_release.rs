//! os-release(5), and `etc/lsb-release`, which is written alike.

use super::super::stanza::lines;
use super::MAX_VALUE;
use crate::package::Distribution;

/// The identity and the CPE name.
pub(super) fn os_release(bytes: &[u8]) -> (Option<Distribution>, Option<String>) {
    let [id, version, pretty_name, cpe] = values(bytes, [b"ID", b"VERSION_ID", b"PRETTY_NAME", b"CPE_NAME"]);
    (identity(id, version, pretty_name), cpe)
}

/// The identity in Ubuntu's older file.
pub(super) fn lsb_release(bytes: &[u8]) -> Option<Distribution> {
    let [id, version, pretty_name] = values(bytes, [b"DISTRIB_ID", b"DISTRIB_RELEASE", b"DISTRIB_DESCRIPTION"]);
    identity(id, version, pretty_name)
}

fn identity(id: Option<String>, version: Option<String>, pretty_name: Option<String>) -> Option<Distribution> {
    Some(Distribution { id: id?.to_ascii_lowercase(), version: version.unwrap_or_default(), pretty_name })
}

/// The last value of each key that is not empty and not over the limit.
fn values<const N: usize>(bytes: &[u8], keys: [&[u8]; N]) -> [Option<String>; N] {
    let mut values = [const { None }; N];
    for line in lines(bytes).map(<[u8]>::trim_ascii) {
        let Some(equals) = line.iter().position(|byte| *byte == b'=') else { continue };
        if let Some(at) = keys.iter().position(|key| *key == &line[..equals]) {
            let value = unquote(&String::from_utf8_lossy(&line[equals + 1..]));
            values[at] = Some(value).filter(|value| !value.is_empty() && value.len() <= MAX_VALUE);
        }
    }
    values
}

/// Takes off a shell's quotes and, between double ones, its backslashes.
fn unquote(value: &str) -> String {
    let value = value.trim();
    if let Some(inner) = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return inner.to_owned();
    }
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        text.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(text: &str) -> Option<(String, String, Option<String>)> {
        os_release(text.as_bytes()).0.map(|found| (found.id, found.version, found.pretty_name))
    }

    #[test]
    fn os_release_is_read_as_a_shell_would() {
        let debian = "# comment\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n";
        let expected = ("debian".into(), "12".into(), Some("Debian GNU/Linux 12 (bookworm)".into()));
        assert_eq!(detect(debian), Some(expected));
        assert_eq!(detect("ID='alpine'\r\nVERSION_ID=3.20.1"), Some(("alpine".into(), "3.20.1".into(), None)));
        assert_eq!(
            detect("ID=debian\nPRETTY_NAME=\"a \\\"b\\\"\""),
            Some(("debian".into(), String::new(), Some("a \"b\"".into())))
        );
        assert_eq!(detect("NAME=x\nID=\n"), None);
    }

    #[test]
    fn lsb_release_names_the_distribution_and_its_release() {
        let text = "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04\nDISTRIB_DESCRIPTION=\"Ubuntu 22.04.3 LTS\"\n";
        let found = lsb_release(text.as_bytes()).unwrap();
        assert_eq!(
            (&*found.id, &*found.version, found.pretty_name.as_deref()),
            ("ubuntu", "22.04", Some("Ubuntu 22.04.3 LTS"))
        );
        assert_eq!(lsb_release(b"LSB_VERSION=1.4\n"), None);
    }
}
