//! Owns `[[upstream]]`: the registries weir mirrors, and who may pull from them.
//!
//! Any entry replaces the built-in list. Names are unique, in lower case, and cannot be mistaken
//! for the first segment of a repository's name.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::host;
use crate::location::{is_exposed, web_url};
use crate::reader::Table;

/// The registries that are mirrored when none is configured, and where they answer.
pub const BUILT_IN: [(&str, &str); 7] = [
    ("docker.io", "https://registry-1.docker.io"),
    ("ghcr.io", "https://ghcr.io"),
    ("quay.io", "https://quay.io"),
    ("registry.k8s.io", "https://registry.k8s.io"),
    ("gcr.io", "https://gcr.io"),
    ("public.ecr.aws", "https://public.ecr.aws"),
    ("mcr.microsoft.com", "https://mcr.microsoft.com"),
];

/// One mirrored registry.
#[derive(Clone, Debug)]
pub struct UpstreamSection {
    /// What nodes call it: `host` or `host:port`, in lower case.
    pub name: String,
    /// Where it answers: `https` or `http`, without credentials, query or fragment.
    pub url: Url,
    /// How long a tag is served without asking whether it moved; 0 asks every time.
    pub tag_ttl: Duration,
    /// The user name to sign in with; there is one exactly if there is a `password_file`.
    pub username: Option<String>,
    /// The file that holds its password, to be read again when it changes.
    pub password_file: Option<PathBuf>,
    /// A command and its arguments that prints credentials with a lifetime; empty for none.
    pub credential_command: Vec<String>,
    /// Further certificate authorities in PEM, to be read again when they change.
    pub ca_file: Option<PathBuf>,
    /// Whose credentials count.
    pub access: Access,
    /// Hosts whose token services are trusted beyond the registry's own domain, in lower case.
    pub token_hosts: Vec<String>,
    /// Hosts (with a port or without), addresses and networks (`10.0.0.0/8`) it may redirect to
    /// although they are private. None is link-local.
    pub redirect_hosts: Vec<String>,
}

/// Whose credentials decide who may pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// weir's own, if any: whoever reaches the mirror may pull.
    Shared,
    /// Each client's, proven upstream before cached bytes are served.
    Client,
}

/// Reads the list, or returns the built-in one if none is written. `mirror` is where nodes pull,
/// if that is known, and `tls` whether they do so over TLS.
pub(crate) fn read(root: &mut Table<'_>, mirror: Option<SocketAddr>, tls: bool) -> Option<Vec<UpstreamSection>> {
    let mut names = BTreeSet::new();
    let read = root.sections("upstream", |table| {
        let upstream = read_one(table, mirror, tls)?;
        if !names.insert(upstream.name.clone()) {
            table.mistake("name", format!("{} is configured twice", upstream.name));
        }
        Some(upstream)
    });
    match read {
        None => Some(built_in(root)),
        Some(list) if list.is_empty() => {
            root.mistake("upstream", "no registry is left; without any [[upstream]] the built-in list is mirrored");
            None
        }
        Some(list) => list.into_iter().collect(),
    }
}

/// The built-in list, with the defaults that an entry would have.
fn built_in(root: &mut Table<'_>) -> Vec<UpstreamSection> {
    let entry = |(name, url): (&str, &str)| {
        root.unwritten_entry("upstream", |table| {
            let access = table.word("access", ACCESS);
            Some(UpstreamSection {
                name: name.to_owned(),
                url: web_url(url).ok()?,
                tag_ttl: table.duration("tag_ttl")?,
                username: None,
                password_file: None,
                credential_command: Vec::new(),
                ca_file: None,
                access: access?,
                token_hosts: Vec::new(),
                redirect_hosts: Vec::new(),
            })
        })
    };
    BUILT_IN.into_iter().filter_map(entry).collect()
}

const ACCESS: &[(&str, Access)] = &[("shared", Access::Shared), ("client", Access::Client)];

fn read_one(table: &mut Table<'_>, mirror: Option<SocketAddr>, tls: bool) -> Option<UpstreamSection> {
    let name = table.text("name", host::registry_name);
    let url = read_url(table, name.as_deref());
    let tag_ttl = table.duration("tag_ttl");
    let username = table.text("username", user_name);
    let password_file = table.path("password_file");
    let credential_command = table.list("credential_command", |part| Ok::<_, String>(part.to_owned()));
    let ca_file = table.path("ca_file");
    let access = table.word("access", ACCESS);
    let token_hosts = table.list("token_hosts", host::host);
    let redirect_hosts = table.list("redirect_hosts", host::redirect_host);
    if credential_command.first().is_some_and(|program| program.trim().is_empty()) {
        table.mistake("credential_command", "the first text must name a program");
    }
    let upstream = UpstreamSection {
        name: name?,
        url: url?,
        tag_ttl: tag_ttl?,
        username,
        password_file,
        credential_command,
        ca_file,
        access: access?,
        token_hosts,
        redirect_hosts,
    };
    check_credentials(table, &upstream);
    warn_of_exposure(table, &upstream, mirror, tls);
    Some(upstream)
}

fn read_url(table: &mut Table<'_>, name: Option<&str>) -> Option<Url> {
    let url = table.text("url", registry_url);
    if table.has("url") {
        return url;
    }
    let name = name?;
    match BUILT_IN.iter().find(|(known, _)| *known == name) {
        Some((_, url)) => web_url(url).ok(),
        None => {
            let names = BUILT_IN.map(|(name, _)| name).join(", ");
            table.mistake("url", format!("missing; only known for {names}"));
            None
        }
    }
}

fn registry_url(text: &str) -> Result<Url, String> {
    let url = web_url(text)?;
    if url.query().is_some() {
        return Err("a registry's URL has no query".to_owned());
    }
    if url.path().trim_end_matches('/').ends_with("/v2") {
        return Err("leave out /v2, which every request adds".to_owned());
    }
    Ok(url)
}

/// A user name as Basic credentials can carry it (RFC 7617 section 2).
fn user_name(text: &str) -> Result<String, &'static str> {
    if text.contains(':') || text.contains(char::is_control) {
        return Err("a user name holds no colon and no control characters");
    }
    Ok(text.to_owned())
}

/// Checks that the keys of credentials make one whole.
fn check_credentials(table: &Table<'_>, upstream: &UpstreamSection) {
    let (username, password, command) =
        (table.has("username"), table.has("password_file"), !upstream.credential_command.is_empty());
    if username && !password {
        table.mistake("username", "needs password_file");
    }
    if password && !username {
        table.mistake("password_file", "needs username");
    }
    if command && (username || password) {
        table.mistake("credential_command", "replaces username and password_file; keep one of them");
    }
    if upstream.access == Access::Client && (username || password || command) {
        let key = if command { "credential_command" } else { "username" };
        table.mistake(key, "has no use with access = \"client\", where each client's own credentials count");
    }
}

/// Warns of what is allowed but shows something to those who listen or ask.
fn warn_of_exposure(table: &Table<'_>, upstream: &UpstreamSection, mirror: Option<SocketAddr>, tls: bool) {
    let name = &upstream.name;
    let credentials = upstream.username.is_some() || !upstream.credential_command.is_empty();
    if is_exposed(&upstream.url) {
        let what = if credentials || upstream.access == Access::Client { "credentials and images" } else { "images" };
        table.warn("url", format!("plain http beyond this machine: {what} of {name} travel unencrypted"));
    }
    if upstream.access == Access::Shared && credentials {
        let reach = mirror.map_or_else(|| "listen.mirror".to_owned(), |mirror| mirror.to_string());
        table.warn("access", format!("opens private images of {name} to everyone who reaches {reach}"));
    }
    let beyond = mirror.is_some_and(|mirror| !mirror.ip().is_loopback());
    if upstream.access == Access::Client && beyond && !tls {
        table.warn("access", "clients send their credentials to listen.mirror unencrypted; set listen.tls");
    }
    // Clients ask for docker.io and only connect to the other names.
    if matches!(name.as_str(), "index.docker.io" | "registry-1.docker.io") {
        table.warn("name", "nodes call Docker Hub docker.io, so this name will not be asked for");
    }
}
