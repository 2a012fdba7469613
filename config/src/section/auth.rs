//! Owns `[auth]`: who may use the report.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::location::{is_exposed, web_url};
use crate::reader::Table;

/// Who may use the report.
#[derive(Clone, Debug)]
pub struct AuthSection {
    /// What those may do who do not sign in.
    pub anonymous: Anonymous,
    /// Whether metrics and health need credentials as well.
    pub protect_metrics: bool,
    /// How long a session may last; over 0.
    pub session_lifetime: Duration,
    /// How long a session may go unused; over 0.
    pub session_idle: Duration,
    /// How people sign in, if they can.
    pub oidc: Option<OidcSection>,
}

/// What those may do who do not sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// Everything if the report listens on a loopback address, nothing elsewhere.
    Auto,
    /// Nothing.
    None,
    /// What the role may do.
    Role(Role),
}

/// What someone may do, each role more than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads the report.
    Viewer,
    /// Also sets exceptions and asks for scans.
    Editor,
    /// Also manages weir itself.
    Administrator,
}

/// The OpenID Connect provider people sign in with.
#[derive(Clone, Debug)]
pub struct OidcSection {
    /// The provider: `https`, or `http` to a loopback address.
    pub issuer: Url,
    /// The name it knows weir by.
    pub client_id: String,
    /// The file that holds the client's secret, to be read again when it changes.
    pub client_secret_file: Option<PathBuf>,
    /// The authorities the provider proves itself by, instead of the system's, to be read again when they change.
    pub ca_file: Option<PathBuf>,
    /// What the provider is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim of the ID token that decides the role.
    pub role_claim: String,
    /// The values of the claim that make a viewer.
    pub viewers: Vec<String>,
    /// The values of the claim that make an editor.
    pub editors: Vec<String>,
    /// The values of the claim that make an administrator.
    pub administrators: Vec<String>,
}

/// Reads the section; `report` is where the report listens, if that is known.
pub(crate) fn read(table: &mut Table<'_>, report: Option<SocketAddr>) -> Option<AuthSection> {
    let anonymous = table.word(
        "anonymous",
        &[
            ("auto", Anonymous::Auto),
            ("none", Anonymous::None),
            ("viewer", Anonymous::Role(Role::Viewer)),
            ("editor", Anonymous::Role(Role::Editor)),
            ("administrator", Anonymous::Role(Role::Administrator)),
        ],
    );
    let protect_metrics = table.boolean("protect_metrics");
    let session_lifetime = table.positive_duration("session_lifetime");
    let session_idle = table.positive_duration("session_idle");
    let oidc = table.section("oidc", |oidc| if oidc.is_given() { read_oidc(oidc) } else { None });
    if let (Some(Anonymous::Role(role)), Some(report)) = (anonymous, report)
        && !report.ip().is_loopback()
    {
        let may = match role {
            Role::Viewer => "read the report",
            Role::Editor => "read the report and set exceptions",
            Role::Administrator => "administer weir",
        };
        table.warn("anonymous", format!("everyone who reaches {report} may {may} without signing in"));
    }
    Some(AuthSection {
        anonymous: anonymous?,
        protect_metrics: protect_metrics?,
        session_lifetime: session_lifetime?,
        session_idle: session_idle?,
        oidc,
    })
}

fn read_oidc(table: &mut Table<'_>) -> Option<OidcSection> {
    let issuer = table.text("issuer", issuer);
    let client_id = table.text("client_id", |text| Ok::<_, String>(text.to_owned()));
    let client_secret_file = table.path("client_secret_file");
    let ca_file = table.path("ca_file");
    let scopes = table.list("scopes", scope);
    let role_claim = table.text("role_claim", |text| Ok::<_, String>(text.to_owned()));
    let viewers = table.list("viewers", claim_value);
    let editors = table.list("editors", claim_value);
    let administrators = table.list("administrators", claim_value);
    let lists = ["viewers", "editors", "administrators"];
    if !lists.iter().any(|list| table.has(list)) {
        table.warn("", "nobody who signs in gets a role; name claim values in viewers, editors or administrators");
    }
    Some(OidcSection {
        issuer: issuer?,
        client_id: client_id?,
        client_secret_file,
        ca_file,
        scopes,
        role_claim: role_claim?,
        viewers,
        editors,
        administrators,
    })
}

/// The issuer identifier of OpenID Connect Discovery 1.0, section 2: `https` without a query.
fn issuer(text: &str) -> Result<Url, String> {
    let url = web_url(text)?;
    if is_exposed(&url) {
        return Err("expected https, or http to a loopback address".to_owned());
    }
    if url.query().is_some() {
        return Err("an issuer's URL has no query".to_owned());
    }
    Ok(url)
}

/// A scope token, RFC 6749 section 3.3.
fn scope(text: &str) -> Result<String, &'static str> {
    let valid = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if text.is_empty() || !text.bytes().all(valid) {
        return Err("expected a scope: visible characters without spaces, quotes and backslashes");
    }
    Ok(text.to_owned())
}

fn claim_value(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        return Err("must not be empty");
    }
    Ok(text.to_owned())
}
