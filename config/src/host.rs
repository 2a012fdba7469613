//! Owns the names of hosts in settings: registries, token services and places to redirect to.
//!
//! What is accepted is in lower case and in the one spelling that a parsed URL shows, so that
//! names can be compared as text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::problem::quoted;

/// The name nodes call a registry: a host, with a port if it has one, in lower case.
///
/// It must hold a `.` or a `:`, or be `localhost`, because only that tells the first segment of
/// `/v2/docker.io/library/nginx/…` from a repository's own (OCI references, as clients read them).
pub(crate) fn registry_name(text: &str) -> Result<String, String> {
    let name = host_and_port(text)?;
    if name.contains(['.', ':']) || name == "localhost" {
        return Ok(name);
    }
    Err(format!(
        "{} could be a part of a repository's name; expected a host with a dot or a port, or localhost",
        quoted(text)
    ))
}

/// A host without a port: a domain name or an IP address, the latter without brackets.
pub(crate) fn host(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    if is_domain(&lower) {
        return Ok(lower);
    }
    match lower.parse::<IpAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err(format!("expected a host without scheme, port or path, found {}", quoted(text))),
    }
}

/// Somewhere a registry may redirect to: a host with or without a port, an address, or a network
/// as in `10.0.0.0/8`. Link-local addresses are refused, for the metadata services of clouds,
/// which hand out credentials, answer there.
pub(crate) fn redirect_host(text: &str) -> Result<String, String> {
    let (address, length) = match text.split_once('/') {
        None => match text.parse::<IpAddr>() {
            Ok(address) => (address, width(address)),
            Err(_) => return redirect_name(text),
        },
        Some((address, length)) => {
            let parsed = address.parse::<IpAddr>().ok().zip(length.parse::<u8>().ok());
            parsed
                .filter(|(address, length)| *length <= width(*address))
                .ok_or_else(|| format!("expected a network such as 10.0.0.0/8, found {}", quoted(text)))?
        }
    };
    let first = masked(address, length);
    if first != address {
        return Err(format!("the network of {address}/{length} is {first}/{length}"));
    }
    if LINK_LOCAL.iter().any(|(other, other_length)| overlap((address, length), (*other, *other_length))) {
        return Err(format!("{} holds link-local addresses, which are never allowed", quoted(text)));
    }
    if text.contains('/') { Ok(format!("{address}/{length}")) } else { Ok(address.to_string()) }
}

/// IPv4 and IPv6 link-local addresses (RFC 3927, RFC 4291), and the former written as the latter.
const LINK_LOCAL: [(IpAddr, u8); 3] = [
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
    (IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0xa9fe, 0)), 112),
];

fn redirect_name(text: &str) -> Result<String, String> {
    let name = host_and_port(text)?;
    // An address with a port is checked as the address it is.
    let (host, _) = name.rsplit_once(':').unwrap_or((&name, ""));
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        redirect_host(&address.to_string())?;
    }
    Ok(name)
}

/// A host with or without a port, in lower case; an IPv6 address stands in brackets.
fn host_and_port(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let refused = || format!("expected a host, or a host and port, without scheme or path, found {}", quoted(text));
    let (host, port) = match lower.rsplit_once(':') {
        // The colon inside brackets is the address's own.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (lower.as_str(), None),
    };
    let bracketed =
        host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).and_then(|inner| inner.parse::<Ipv6Addr>().ok());
    let host = match bracketed {
        Some(address) => format!("[{address}]"),
        None if is_domain(host) || host.parse::<Ipv4Addr>().is_ok() => host.to_owned(),
        None => return Err(refused()),
    };
    let Some(port) = port else { return Ok(host) };
    // Parsing alone would accept "+443" and "0443".
    match port.parse::<u16>() {
        Ok(number) if number > 0 && number.to_string() == port => Ok(format!("{host}:{port}")),
        _ => Err(refused()),
    }
}

/// Whether a text in lower case is a domain name: labels of letters, digits, `-` and `_`
/// (RFC 1123, and the underscore that some networks use). One whose last label is a number would
/// be read as an address by URL parsers (WHATWG URL, "ends in a number").
fn is_domain(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    name.len() <= 253 && name.split('.').all(label) && !number
}

/// The number of bits of an address.
fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with everything after the first `length` bits cleared.
fn masked(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

/// Whether two networks share addresses: the longer one starts inside the shorter one.
fn overlap(a: (IpAddr, u8), b: (IpAddr, u8)) -> bool {
    let length = a.1.min(b.1);
    a.0.is_ipv4() == b.0.is_ipv4() && masked(a.0, length) == masked(b.0, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_names_are_hosts_that_no_repository_could_begin_with() {
        for (text, name) in [
            ("docker.io", "docker.io"),
            ("GHCR.io", "ghcr.io"),
            ("registry:5000", "registry:5000"),
            ("localhost", "localhost"),
            ("10.0.0.1:5000", "10.0.0.1:5000"),
            ("[::1]:5000", "[::1]:5000"),
            ("[0:0::1]", "[::1]"),
        ] {
            assert_eq!(registry_name(text).as_deref(), Ok(name));
        }
        for text in [
            "library",
            "",
            ".",
            "..",
            "a..b",
            "-a.b",
            "a.b-",
            "docker.io.",
            "https://a.b",
            "a.b/c",
            "a.b:",
            "a.b:0",
            "a.b:+1",
            "a.b:65536",
            "a b.c",
            "a.b:443:1",
            "ü.de",
            "1.2",
            "a.0x1",
            "[::1",
            "::1",
            "[1.2.3.4]",
            "*.a.b",
            "a@b.c",
            "a%2e.b",
        ] {
            assert!(registry_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_carry_no_port() {
        assert_eq!(host("Auth.docker.io").as_deref(), Ok("auth.docker.io"));
        assert_eq!(host("FD00:0::1").as_deref(), Ok("fd00::1"));
        for text in ["a.b:443", "https://a.b", "a.b/", "", "[::1]"] {
            assert!(host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn redirects_lead_to_hosts_addresses_and_networks() {
        for text in [
            "s3.internal",
            "minio",
            "minio:9000",
            "10.1.2.3",
            "10.1.2.3:9000",
            "10.0.0.0/8",
            "fd00::/8",
            "[fd00::1]:9000",
            "127.0.0.1",
            "::1",
        ] {
            assert_eq!(redirect_host(text).as_deref(), Ok(text));
        }
        for text in ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8/8", "a.b/8", "http://a", "10.0.0.1/8"] {
            assert!(redirect_host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn link_local_addresses_are_refused_in_every_spelling() {
        for text in [
            "169.254.169.254",
            "169.254.169.254:80",
            "169.254.0.0/24",
            "168.0.0.0/6",
            "0.0.0.0/0",
            "fe80::1",
            "[fe80::1]:80",
            "fe80::/64",
            "::/0",
            "::ffff:169.254.169.254",
            "[::ffff:169.254.169.254]:80",
            "::ffff:0:0/96",
        ] {
            let refused = redirect_host(text).unwrap_err();
            assert!(refused.contains("link-local"), "{text}: {refused}");
        }
    }
}
