//! Which addresses a request may reach.
//!
//! A registry may answer with a redirect to anywhere, and a public name may resolve to a private address. Private ranges are
//! therefore closed except to places the settings name; link-local, where clouds keep machine credentials, is closed always.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use url::Url;

use super::InvalidUpstream;

/// A place that redirects may lead to although it is private: a host, a host and port, an address, or a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostRule {
    target: Target,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Name(String),
    Network { address: IpAddr, prefix: u8 },
}

/// What kind of address is not open to everyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Private, loopback, shared or reserved: open to places the settings name.
    Private,
    /// Link-local: never open.
    LinkLocal,
}

/// The addresses open to one upstream's requests.
#[derive(Clone, Debug)]
pub(crate) struct AddressPolicy {
    rules: Vec<HostRule>,
}

impl FromStr for HostRule {
    type Err = InvalidUpstream;

    fn from_str(text: &str) -> Result<Self, InvalidUpstream> {
        let invalid = || InvalidUpstream::RedirectHost(text.chars().take(80).collect());
        if let Some((address, prefix)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| invalid())?;
            let prefix = prefix
                .parse()
                .ok()
                .filter(|bits| *bits <= if address.is_ipv4() { 32 } else { 128 })
                .ok_or_else(invalid)?;
            return Ok(Self { target: Target::Network { address, prefix }, port: None });
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::address(address, None));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| invalid())?)),
            None => (text, None),
        };
        match url::Host::parse(host).map_err(|_| invalid())? {
            url::Host::Domain(name) => Ok(Self { target: Target::Name(name), port }),
            url::Host::Ipv4(address) => Ok(Self::address(address.into(), port)),
            url::Host::Ipv6(address) => Ok(Self::address(address.into(), port)),
        }
    }
}

impl HostRule {
    fn address(address: IpAddr, port: Option<u16>) -> Self {
        Self { target: Target::Network { address, prefix: if address.is_ipv4() { 32 } else { 128 } }, port }
    }

    /// Every network of both families.
    pub(crate) fn everywhere() -> [Self; 2] {
        let all = |address| Self { target: Target::Network { address, prefix: 0 }, port: None };
        [all(Ipv4Addr::UNSPECIFIED.into()), all(Ipv6Addr::UNSPECIFIED.into())]
    }

    /// A rule for exactly the host of `url`, on the port given or on any.
    pub(crate) fn of(url: &Url, port: Option<u16>) -> Option<Self> {
        Some(match url.host()? {
            url::Host::Domain(name) => Self { target: Target::Name(name.to_owned()), port },
            url::Host::Ipv4(address) => Self::address(address.into(), port),
            url::Host::Ipv6(address) => Self::address(address.into(), port),
        })
    }

    /// Whether the rule names this place: by the host as the URL has it, or by the address it stands for.
    pub(crate) fn matches(&self, host: &str, port: u16, address: Option<IpAddr>) -> bool {
        if self.port.is_some_and(|own| own != port) {
            return false;
        }
        match &self.target {
            Target::Name(name) => name.eq_ignore_ascii_case(host),
            Target::Network { address: network, prefix } => {
                address.is_some_and(|address| within(canonical(address), *network, *prefix))
            }
        }
    }
}

impl AddressPolicy {
    pub(crate) fn new(rules: Vec<HostRule>) -> Self {
        Self { rules }
    }

    /// Whether `address`, reached as `host`, is open; else why not.
    pub(crate) fn check(&self, host: &str, port: u16, address: IpAddr) -> Result<(), Closed> {
        match closed(address) {
            Some(Closed::Private) if self.rules.iter().any(|rule| rule.matches(host, port, Some(address))) => Ok(()),
            Some(closed) => Err(closed),
            None => Ok(()),
        }
    }
}

/// The address of a host written as one, brackets or not.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn within(address: IpAddr, network: IpAddr, prefix: u8) -> bool {
    match (address, canonical(network)) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

/// The IPv4 address inside an IPv6 one that carries it: mapped (RFC 4291), NAT64 (RFC 6052) or 6to4 (RFC 3056).
fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let segments = v6.segments();
    let embedded = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        _ => address,
    }
}

fn closed(address: IpAddr) -> Option<Closed> {
    match canonical(address) {
        IpAddr::V4(address) => closed_v4(address),
        IpAddr::V6(address) => closed_v6(address),
    }
}

/// IANA's special-purpose registry for IPv4, as far as it is not globally reachable.
fn closed_v4(address: Ipv4Addr) -> Option<Closed> {
    if address.is_link_local() {
        return Some(Closed::LinkLocal);
    }
    let [a, b, c, _] = address.octets();
    let private = match (a, b, c) {
        (0 | 10 | 127, ..) | (192, 168, _) | (192, 0, 0) | (198, 18 | 19, _) => true,
        (172, b, _) => (16..32).contains(&b),
        // Carrier-grade NAT, RFC 6598.
        (100, b, _) => (64..128).contains(&b),
        // Multicast, reserved, broadcast.
        (a, ..) => a >= 224,
    };
    private.then_some(Closed::Private)
}

fn closed_v6(address: Ipv6Addr) -> Option<Closed> {
    let first = address.segments()[0];
    if first & 0xffc0 == 0xfe80 {
        return Some(Closed::LinkLocal);
    }
    // Unspecified and loopback (and the rest of the deprecated compatible range), local NAT64 (RFC 8215), unique local,
    // deprecated site-local, multicast.
    let local_nat64 = address.segments()[..3] == [0x64, 0xff9b, 1];
    let private = address.to_bits() >> 32 == 0
        || local_nat64
        || first & 0xfe00 == 0xfc00
        || first & 0xffc0 == 0xfec0
        || first >> 8 == 0xff;
    private.then_some(Closed::Private)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn kind(text: &str) -> Option<Closed> {
        closed(text.parse().unwrap())
    }

    #[test]
    fn ranges() {
        for open in [
            "1.1.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert_eq!(kind(open), None, "{open}");
        }
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "127.255.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::",
            "::1",
            "fc00::1",
            "fd12::1",
            "fec0::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "::127.0.0.1",
        ] {
            assert_eq!(kind(private), Some(Closed::Private), "{private}");
        }
        for link_local in ["169.254.169.254", "fe80::1", "febf::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"] {
            assert_eq!(kind(link_local), Some(Closed::LinkLocal), "{link_local}");
        }
    }

    fn policy(rules: &[&str]) -> AddressPolicy {
        AddressPolicy::new(rules.iter().map(|rule| rule.parse().unwrap()).collect())
    }

    #[test]
    fn rules_open_private_places_only() {
        let address = |text: &str| text.parse().unwrap();
        let rules =
            policy(&["s3.corp", "minio.corp:9000", "10.1.0.0/16", "[fd00::1]:443", "169.254.0.0/16", "192.168.0.7"]);
        for (host, port, ip, open) in [
            ("s3.corp", 443, "10.9.9.9", true),
            ("S3.Corp", 80, "10.9.9.9", true),
            ("minio.corp", 9000, "10.9.9.9", true),
            ("minio.corp", 443, "10.9.9.9", false),
            ("other.corp", 443, "10.1.2.3", true),
            ("other.corp", 443, "10.2.2.3", false),
            ("other.corp", 443, "::ffff:10.1.2.3", true),
            ("[fd00::1]", 443, "fd00::1", true),
            ("[fd00::1]", 80, "fd00::1", false),
            ("192.168.0.7", 80, "192.168.0.7", true),
            ("s3.corp", 443, "169.254.169.254", false),
            ("169.254.169.254", 80, "169.254.169.254", false),
            ("cdn.example", 443, "1.1.1.1", true),
        ] {
            assert_eq!(rules.check(host, port, address(ip)).is_ok(), open, "{host}:{port} {ip}");
        }
    }

    #[test]
    fn broken_rules_are_refused() {
        for text in ["", "10.0.0.0/33", "a b", "host:port", "host/8", "::1/129"] {
            assert!(text.parse::<HostRule>().is_err(), "{text}");
        }
    }
}
