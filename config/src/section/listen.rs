//! Owns `[listen]`: the two addresses and their TLS.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::problem::quoted;
use crate::reader::Table;

/// Where weir listens.
#[derive(Clone, Debug)]
pub struct ListenSection {
    /// Where nodes pull.
    pub mirror: SocketAddr,
    /// Where API, console, metrics and health answer.
    pub report: SocketAddr,
    /// TLS of both listeners, if configured.
    pub tls: Option<TlsSection>,
}

/// The files of the listeners' TLS, to be read again when they change.
#[derive(Clone, Debug)]
pub struct TlsSection {
    /// The certificate chain in PEM.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
    /// The authorities in PEM that clients of the mirror may show a certificate of.
    pub client_ca: Option<PathBuf>,
}

pub(crate) fn read(table: &mut Table<'_>) -> Option<ListenSection> {
    let mirror = table.text("mirror", address);
    let report = table.text("report", address);
    let tls = table.section("tls", |tls| {
        if !tls.is_given() {
            return None;
        }
        let certificate = tls.path("certificate");
        let key = tls.path("key");
        let client_ca = tls.path("client_ca");
        Some(TlsSection { certificate: certificate?, key: key?, client_ca })
    });
    let (mirror, report) = (mirror?, report?);
    if collide(mirror, report) {
        table.mistake("report", format!("the same address as listen.mirror, {mirror}"));
    }
    Some(ListenSection { mirror, report, tls })
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("expected an IP address and a port such as \"127.0.0.1:8080\" or \"[::]:8080\", found {}", quoted(text))
    })
}

/// Whether two listeners would want the same port of the same address. Port 0 is a free port.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let same_address = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && same_address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_collide_on_one_port_of_one_address() {
        let collide = |a: &str, b: &str| collide(a.parse().unwrap(), b.parse().unwrap());
        assert!(collide("127.0.0.1:5000", "127.0.0.1:5000"));
        assert!(collide("0.0.0.0:5000", "127.0.0.1:5000"));
        assert!(!collide("127.0.0.1:5000", "127.0.0.2:5000"));
        assert!(!collide("127.0.0.1:5000", "127.0.0.1:5001"));
        assert!(!collide("127.0.0.1:0", "127.0.0.1:0"));
    }
}
