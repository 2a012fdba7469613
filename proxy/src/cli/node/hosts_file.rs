//! A `hosts.toml` as containerd reads it: whom it asks in which order, or why it refuses the file.
//!
//! After containerd's `remotes/docker/config/hosts.go`. A file that it refuses is passed over with a line in its log: the
//! registry itself is asked, as if there were no file.

use std::path::{Path, PathBuf};

use toml::de::DeTable;
use toml::{Table, Value};
use url::Url;

use super::finding::Code;
use super::version::{Holds, Version, before};

/// Keys of the file and of each host.
const KEYS: [&str; 7] = ["capabilities", "ca", "client", "skip_verify", "header", "override_path", "dial_timeout"];

/// Whom containerd asks for a registry's images.
#[derive(Debug, Default)]
pub(super) struct HostsFile {
    /// In their order. The last is the server, and `None` where that is the registry itself.
    pub(super) asks: Vec<Option<String>>,
    /// Files that connections need: certificate authorities, then client certificates and keys.
    pub(super) authorities: Vec<PathBuf>,
    pub(super) certificates: Vec<PathBuf>,
    /// What containerd takes otherwise than it looks.
    pub(super) remarks: Vec<(Code, String)>,
}

/// Why containerd passes the file over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: Code,
    pub(super) reason: String,
    /// Whether it does so for certain, or with some versions where this one's is not known.
    pub(super) certain: bool,
}

impl Refused {
    fn new(code: Code, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), certain: true }
    }
}

/// Reads the file as a containerd of this version does. `directory` is where it lies on the host.
pub(super) fn read(text: &str, directory: &Path, version: Option<&Version>) -> Result<HostsFile, Refused> {
    let invalid = |error: &toml::de::Error| Refused::new(Code::HostsTomlInvalid, error.to_string().trim().to_owned());
    let table: Table = text.parse().map_err(|error| invalid(&error))?;
    let order = order(&DeTable::parse(text).map_err(|error| invalid(&error))?);
    let mut file = HostsFile::default();
    let hosts = match table.get("host") {
        Some(Value::Table(hosts)) => Some(hosts),
        Some(_) => return Err(Refused::new(Code::HostsTomlInvalid, "host is not a table")),
        None => None,
    };
    for (key, _) in table.iter().filter(|(key, _)| !KEYS.contains(&key.as_str()) && *key != "host" && *key != "server")
    {
        file.remarks.push((Code::UnknownKey, format!("{key} is no key of this file; containerd passes over it")));
    }
    for (host, settings) in order.iter().filter_map(|host| Some((host, hosts?.get(host)?))) {
        let Value::Table(settings) = settings else {
            return Err(Refused::new(Code::HostsTomlInvalid, format!("host.{host:?} is not a table")));
        };
        let place = format!("host.{host:?}");
        let asked = asked(host, &place, &mut file.remarks)?;
        file.asks.push(asked);
        read_settings(settings, &place, directory, version, true, &mut file)?;
    }
    let server = match table.get("server") {
        Some(Value::String(server)) => asked(server, "server", &mut file.remarks)?,
        Some(_) => return Err(Refused::new(Code::HostsTomlInvalid, "server is not a text")),
        None => None,
    };
    file.asks.push(server);
    read_settings(&table, "the file", directory, version, false, &mut file)?;
    match before(version, (1, 7, 32)) {
        held @ (Holds::Yes | Holds::Perhaps) if hosts.is_none() => Err(Refused {
            code: Code::ServerOnly,
            reason: "it has a server and no [host.\"…\"], which containerd before 1.7.32 does not read".to_owned(),
            certain: held == Holds::Yes,
        }),
        _ => Ok(file),
    }
}

/// The hosts in the order of the file.
fn order(table: &toml::Spanned<DeTable<'_>>) -> Vec<String> {
    let hosts = table.get_ref().get("host").and_then(|hosts| hosts.get_ref().as_table());
    let mut hosts: Vec<_> = hosts
        .into_iter()
        .flat_map(|hosts| hosts.keys())
        .map(|key| (key.span().start, key.get_ref().to_string()))
        .collect();
    hosts.sort_unstable();
    hosts.into_iter().map(|(_, host)| host).collect()
}

/// The origin that a host or server stands for; `None` for none.
fn asked(text: &str, place: &str, remarks: &mut Vec<(Code, String)>) -> Result<Option<String>, Refused> {
    if text.is_empty() {
        return Ok(None);
    }
    let address = if text.starts_with("http") { text.to_owned() } else { format!("https://{text}") };
    let unusable = || Refused::new(Code::HostsTomlInvalid, format!("{place}: {text:?} is no address"));
    let url: Url = address.parse().map_err(|_| unusable())?;
    let host = url.host_str().ok_or_else(unusable)?;
    if !text.starts_with("http") {
        remarks.push((
            Code::HostWithoutScheme,
            format!("{place}: {text:?} has no scheme, so containerd speaks TLS to it"),
        ));
    }
    Ok(Some(match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }))
}

fn read_settings(
    settings: &Table,
    place: &str,
    directory: &Path,
    version: Option<&Version>,
    strict: bool,
    file: &mut HostsFile,
) -> Result<(), Refused> {
    let wrong =
        |key: &str, expected: &str| Refused::new(Code::HostsTomlInvalid, format!("{place}: {key} is not {expected}"));
    for (key, value) in settings {
        match key.as_str() {
            "capabilities" => {
                let names = texts(value).ok_or_else(|| wrong(key, "a list of texts"))?;
                names.iter().try_for_each(|name| capability(name, place, version))?;
            }
            "skip_verify" | "override_path" => {
                value.as_bool().ok_or_else(|| wrong(key, "true or false"))?;
            }
            "ca" => {
                let paths = match value {
                    Value::String(path) => vec![path.as_str()],
                    value => texts(value).ok_or_else(|| wrong(key, "a path or a list of paths"))?,
                };
                file.authorities.extend(paths.into_iter().map(|path| directory.join(path)));
            }
            "client" => {
                let paths = client(value).ok_or_else(|| wrong(key, "a path, a list of paths, or a list of pairs"))?;
                file.certificates.extend(paths.into_iter().filter(|path| !path.is_empty()).map(|path| directory.join(path)));
            }
            "header" => {
                let headers = value.as_table().ok_or_else(|| wrong(key, "a table"))?;
                let readable = |value: &Value| value.is_str() || texts(value).is_some();
                if let Some((name, _)) = headers.iter().find(|(_, value)| !readable(value)) {
                    return Err(wrong(&format!("header {name:?}"), "a text or a list of texts"));
                }
            }
            "dial_timeout" if version.is_none_or(Version::is_second) => {
                value.as_str().filter(|text| is_duration(text)).ok_or_else(|| wrong(key, "a duration such as \"2s\""))?;
            }
            _ if !strict || KEYS.contains(&key.as_str()) => {}
            _ if value.is_table() => file.remarks.push((
                Code::HostKeyNotQuoted,
                format!("{place} holds a table {key:?}: a host with dots needs quotes, as in [host.\"https://weir.example\"]"),
            )),
            _ => file.remarks.push((Code::UnknownKey, format!("{place}: {key} is no key; containerd passes over it"))),
        }
    }
    Ok(())
}

fn capability(name: &str, place: &str, version: Option<&Version>) -> Result<(), Refused> {
    let unknown = |certain, why: &str| Refused {
        code: Code::UnknownCapability,
        reason: format!("{place}: capability {name:?} {why}"),
        certain,
    };
    match name.to_ascii_lowercase().as_str() {
        "pull" | "resolve" | "push" => Ok(()),
        "referrers" => match before(version, (2, 2, 0)) {
            Holds::No => Ok(()),
            held => Err(unknown(held == Holds::Yes, "is known to containerd 2.2 and later alone")),
        },
        _ => Err(unknown(true, "is none; there are pull, resolve, push and, from containerd 2.2 on, referrers")),
    }
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

fn client(value: &Value) -> Option<Vec<&str>> {
    if let Value::String(path) = value {
        return Some(vec![path]);
    }
    let mut paths = Vec::new();
    for entry in value.as_array()? {
        match entry {
            Value::String(path) => paths.push(path.as_str()),
            pair => paths.extend(texts(pair).filter(|pair| pair.len() == 2)?),
        }
    }
    Some(paths)
}

/// Whether Go's `time.ParseDuration` takes it, as far as people write such.
fn is_duration(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let rest = unit.trim_start_matches(char::is_alphabetic);
    unit.len() < text.len()
        && ["ns", "us", "µs", "ms", "s", "m", "h"].contains(&&unit[..unit.len() - rest.len()])
        && (rest.is_empty() || is_duration(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(version: &str, text: &str) -> Result<HostsFile, Refused> {
        read(text, Path::new("/certs/docker.io"), Version::parse(version).as_ref())
    }

    #[track_caller]
    fn refused(version: &str, text: &str) -> (Code, bool) {
        let refused = by(version, text).unwrap_err();
        (refused.code, refused.certain)
    }

    const GOOD: &str = r#"
server = "https://registry-1.docker.io"
[host."http://z:5000"]
  capabilities = ["pull", "resolve"]
  dial_timeout = "2s"
  ca = "ca.pem"
  client = [["/a.crt", "/a.key"]]
  [host."http://z:5000".header]
    "X-Weir-Node" = ["a"]
[host."http://a:5000/v2"]
"#;

    #[test]
    fn hosts_are_asked_in_the_order_of_the_file() {
        for version in ["1.6.20", "2.2.0", ""] {
            let file = by(version, GOOD).unwrap();
            let asks: Vec<&str> = file.asks.iter().flatten().map(String::as_str).collect();
            assert_eq!(asks, ["http://z:5000", "http://a:5000", "https://registry-1.docker.io"]);
            assert_eq!(file.authorities, [Path::new("/certs/docker.io/ca.pem")]);
            assert_eq!(file.certificates, [Path::new("/a.crt"), Path::new("/a.key")]);
            assert!(file.remarks.is_empty(), "{:?}", file.remarks);
        }
        assert_eq!(by("1.6.20", "[host.\"http://a\"]").unwrap().asks, [Some("http://a".to_owned()), None]);
    }

    #[test]
    fn server_alone_is_refused_before_1_7_32() {
        let text = "server = \"http://weir:5000\"\n";
        for version in ["1.6.20", "1.7.0", "1.7.31"] {
            assert_eq!(refused(version, text), (Code::ServerOnly, true), "{version}");
        }
        assert_eq!(refused("", text), (Code::ServerOnly, false));
        for version in ["1.7.32", "2.0.0", "2.3.4"] {
            assert_eq!(by(version, text).unwrap().asks, [Some("http://weir:5000".to_owned())]);
        }
    }

    #[test]
    fn what_containerd_does_not_read_is_told_apart() {
        let host = |line: &str| format!("[host.\"http://a\"]\n{line}\n");
        for (text, code) in [
            ("[host.\"http://a\"\n".to_owned(), Code::HostsTomlInvalid),
            ("a = 1\na = 2\n".to_owned(), Code::HostsTomlInvalid),
            ("host = 1".to_owned(), Code::HostsTomlInvalid),
            ("server = 1\n[host.\"http://a\"]".to_owned(), Code::HostsTomlInvalid),
            ("[host.\"http://[x\"]".to_owned(), Code::HostsTomlInvalid),
            (host("capabilities = \"pull\""), Code::HostsTomlInvalid),
            (host("capabilities = [\"pull\", \"fetch\"]"), Code::UnknownCapability),
            (host("capabilities = [\"referrers\"]"), Code::UnknownCapability),
            (host("skip_verify = \"true\""), Code::HostsTomlInvalid),
            (host("ca = 1"), Code::HostsTomlInvalid),
            (host("client = [[\"/a\"]]"), Code::HostsTomlInvalid),
            (host("header = { X = 1 }"), Code::HostsTomlInvalid),
        ] {
            assert_eq!(refused("1.6.20", &text), (code, true), "{text}");
        }
        let timeout = host("dial_timeout = \"soon\"");
        assert!(by("1.6.20", &timeout).is_ok());
        assert_eq!(refused("2.0.0", &timeout).0, Code::HostsTomlInvalid);
        assert!(by("2.0.0", &host("dial_timeout = \"1m30s\"")).is_ok());
        assert!(by("2.2.0", &host("capabilities = [\"referrers\"]")).is_ok());
    }

    #[test]
    fn what_is_taken_otherwise_than_it_looks_is_said() {
        let remarks = |text: &str| -> Vec<Code> {
            by("1.6.20", text).unwrap().remarks.into_iter().map(|(code, _)| code).collect()
        };
        assert_eq!(remarks("[host.\"weir:5000\"]"), [Code::HostWithoutScheme]);
        assert_eq!(
            remarks("[host.weir.example]\ncapabilities = [\"pull\"]"),
            [Code::HostWithoutScheme, Code::HostKeyNotQuoted]
        );
        assert_eq!(remarks("[host.\"http://a\"]\ncapabilites = [\"pull\"]"), [Code::UnknownKey]);
        assert_eq!(remarks("sever = \"http://a\"\n[host.\"http://a\"]"), [Code::UnknownKey]);
        assert_eq!(by("1.6.20", "[host.\"weir:5000\"]").unwrap().asks[0].as_deref(), Some("https://weir:5000"));
    }
}
