//! Every route of the report's address: method, path, and who may take it.
//!
//! One table. The service finds requests in it, the description of the API (`/openapi.json`) is made from it, and the test of who may what
//! goes through it row by row, so that a route cannot be there without all three.

use hyper::Method;
use weir_config::Role;

use super::console::Screen;
use super::sign_in::SignIn;
use crate::auth::role_name;

/// Who may take a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Everyone: what has to be seen to sign in.
    Nothing,
    /// Whoever has this role or a higher one.
    Role(Role),
    /// A token of role agent, which opens nothing else.
    Agent,
}

/// What a route leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Endpoint {
    Advisories,
    AgentDeltas,
    AgentNode,
    AgentSnapshot,
    Audit,
    CancelException,
    CancelExceptions,
    Clusters,
    /// A page or a form of the console.
    Console(Screen),
    CreateExceptions,
    CreateToken,
    EndSession,
    Events,
    Exception,
    Exceptions,
    ExportVex,
    Facets,
    Image,
    Compare,
    ImageFixes,
    ImageHistory,
    ImageLayers,
    ImagePackages,
    ImagePulls,
    ImageReport,
    ImageResources,
    ImageVulnerabilities,
    Images,
    ImportVex,
    Layer,
    Me,
    Nodes,
    OpenApi,
    Pulls,
    RefreshAdvisories,
    RemoveCluster,
    Repositories,
    Repository,
    RequestScan,
    Resources,
    RevokeToken,
    Scan,
    Scans,
    Sessions,
    /// A step of signing in or out.
    SignIn(SignIn),
    Statistics,
    Tokens,
    TestWebhook,
    Unresolved,
    Vulnerabilities,
    Vulnerability,
    Webhooks,
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) method: &'static Method,
    /// `{name}` is one segment; `{name*}`, at the end, is all that is left.
    pub(super) path: &'static str,
    pub(super) need: Need,
    pub(super) endpoint: Endpoint,
}

impl Route {
    /// Whether it is for people rather than for programs: who may not take it is shown the way to sign in.
    pub(super) fn is_page(&self) -> bool {
        !self.path.starts_with("/api/") && self.path != "/openapi.json"
    }
}

/// A route as it is told outside: method, path, and who may take it: `nothing`, `agent`, `viewer`, `editor` or `administrator`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteLine {
    /// The method.
    pub method: &'static str,
    /// The path, with `{name}` for a segment and `{name*}` for all that is left.
    pub path: &'static str,
    /// What it takes.
    pub need: &'static str,
    /// Whether it is a page or form for people, and not for programs.
    pub is_page: bool,
}

/// Every route of the report's address, but for health and metrics.
pub fn routes() -> impl Iterator<Item = RouteLine> {
    ROUTES.iter().map(|route| RouteLine {
        method: route.method.as_str(),
        path: route.path,
        need: match route.need {
            Need::Nothing => "nothing",
            Need::Agent => "agent",
            Need::Role(role) => role_name(role),
        },
        is_page: route.is_page(),
    })
}

const VIEWER: Need = Need::Role(Role::Viewer);
const EDITOR: Need = Need::Role(Role::Editor);
const ADMINISTRATOR: Need = Need::Role(Role::Administrator);

const fn route(method: &'static Method, path: &'static str, need: Need, endpoint: Endpoint) -> Route {
    Route { method, path, need, endpoint }
}

/// Every route.
pub(super) const ROUTES: &[Route] = &[
    route(&Method::GET, "/", VIEWER, Endpoint::Console(Screen::Repositories)),
    route(&Method::GET, "/activity", VIEWER, Endpoint::Console(Screen::Activity)),
    route(&Method::GET, "/assets/{name}", Need::Nothing, Endpoint::Console(Screen::Asset)),
    route(&Method::GET, "/clusters", VIEWER, Endpoint::Console(Screen::Clusters)),
    route(&Method::POST, "/clusters/{cluster}/remove", ADMINISTRATOR, Endpoint::Console(Screen::RemoveCluster)),
    route(&Method::GET, "/compare", VIEWER, Endpoint::Console(Screen::Compare)),
    route(&Method::GET, "/exceptions", VIEWER, Endpoint::Console(Screen::Exceptions)),
    route(&Method::POST, "/exceptions", EDITOR, Endpoint::Console(Screen::ExceptForm)),
    route(&Method::GET, "/exceptions/cancel", EDITOR, Endpoint::Console(Screen::Cancel)),
    route(&Method::POST, "/exceptions/cancel", EDITOR, Endpoint::Console(Screen::CancelForm)),
    route(&Method::GET, "/exceptions/new", EDITOR, Endpoint::Console(Screen::Except)),
    route(&Method::GET, "/exceptions/{id}", VIEWER, Endpoint::Console(Screen::Exception)),
    route(&Method::GET, "/feeds", VIEWER, Endpoint::Console(Screen::Feeds)),
    route(&Method::POST, "/feeds", EDITOR, Endpoint::Console(Screen::RefreshFeeds)),
    route(&Method::GET, "/images/{digest}", VIEWER, Endpoint::Console(Screen::Image)),
    route(&Method::POST, "/images/{digest}/scan", EDITOR, Endpoint::Console(Screen::RequestScan)),
    route(&Method::GET, "/nodes", VIEWER, Endpoint::Console(Screen::Nodes)),
    route(&Method::GET, "/repositories/{name*}", VIEWER, Endpoint::Console(Screen::Repository)),
    route(&Method::GET, "/tokens", ADMINISTRATOR, Endpoint::Console(Screen::Tokens)),
    route(&Method::POST, "/tokens", ADMINISTRATOR, Endpoint::Console(Screen::TokenForm)),
    route(&Method::POST, "/tokens/{id}/revoke", ADMINISTRATOR, Endpoint::Console(Screen::RevokeToken)),
    route(&Method::GET, "/vulnerabilities", VIEWER, Endpoint::Console(Screen::Vulnerabilities)),
    route(&Method::GET, "/vulnerabilities/{id}", VIEWER, Endpoint::Console(Screen::Vulnerability)),
    route(&Method::GET, "/api/v1/advisories", VIEWER, Endpoint::Advisories),
    route(&Method::POST, "/api/v1/advisories/refresh", EDITOR, Endpoint::RefreshAdvisories),
    route(&Method::POST, "/api/v1/agents/{cluster}/deltas", Need::Agent, Endpoint::AgentDeltas),
    route(&Method::POST, "/api/v1/agents/{cluster}/nodes/{node}", Need::Agent, Endpoint::AgentNode),
    route(&Method::POST, "/api/v1/agents/{cluster}/snapshot", Need::Agent, Endpoint::AgentSnapshot),
    route(&Method::GET, "/api/v1/audit", EDITOR, Endpoint::Audit),
    route(&Method::GET, "/api/v1/clusters", VIEWER, Endpoint::Clusters),
    route(&Method::DELETE, "/api/v1/clusters/{cluster}", ADMINISTRATOR, Endpoint::RemoveCluster),
    route(&Method::GET, "/api/v1/compare", VIEWER, Endpoint::Compare),
    route(&Method::GET, "/api/v1/events", VIEWER, Endpoint::Events),
    route(&Method::GET, "/api/v1/exceptions", VIEWER, Endpoint::Exceptions),
    route(&Method::POST, "/api/v1/exceptions", EDITOR, Endpoint::CreateExceptions),
    route(&Method::POST, "/api/v1/exceptions/cancel", EDITOR, Endpoint::CancelExceptions),
    route(&Method::GET, "/api/v1/exceptions/{id}", VIEWER, Endpoint::Exception),
    route(&Method::POST, "/api/v1/exceptions/{id}/cancel", EDITOR, Endpoint::CancelException),
    route(&Method::GET, "/api/v1/images", VIEWER, Endpoint::Images),
    route(&Method::GET, "/api/v1/images/{digest}", VIEWER, Endpoint::Image),
    route(&Method::GET, "/api/v1/images/{digest}/fixes", VIEWER, Endpoint::ImageFixes),
    route(&Method::GET, "/api/v1/images/{digest}/history", VIEWER, Endpoint::ImageHistory),
    route(&Method::GET, "/api/v1/images/{digest}/layers", VIEWER, Endpoint::ImageLayers),
    route(&Method::GET, "/api/v1/images/{digest}/packages", VIEWER, Endpoint::ImagePackages),
    route(&Method::GET, "/api/v1/images/{digest}/pulls", VIEWER, Endpoint::ImagePulls),
    route(&Method::GET, "/api/v1/images/{digest}/report", VIEWER, Endpoint::ImageReport),
    route(&Method::GET, "/api/v1/images/{digest}/resources", VIEWER, Endpoint::ImageResources),
    route(&Method::GET, "/api/v1/images/{digest}/vulnerabilities", VIEWER, Endpoint::ImageVulnerabilities),
    route(&Method::GET, "/api/v1/layers/{digest}", VIEWER, Endpoint::Layer),
    route(&Method::GET, "/api/v1/me", VIEWER, Endpoint::Me),
    route(&Method::GET, "/api/v1/nodes", VIEWER, Endpoint::Nodes),
    route(&Method::GET, "/api/v1/pulls", VIEWER, Endpoint::Pulls),
    route(&Method::GET, "/api/v1/repositories", VIEWER, Endpoint::Repositories),
    route(&Method::GET, "/api/v1/repositories/{name*}", VIEWER, Endpoint::Repository),
    route(&Method::GET, "/api/v1/resources", VIEWER, Endpoint::Resources),
    route(&Method::GET, "/api/v1/scans", VIEWER, Endpoint::Scans),
    route(&Method::POST, "/api/v1/scans", EDITOR, Endpoint::RequestScan),
    route(&Method::GET, "/api/v1/scans/{id}", VIEWER, Endpoint::Scan),
    route(&Method::GET, "/api/v1/sessions", ADMINISTRATOR, Endpoint::Sessions),
    route(&Method::DELETE, "/api/v1/sessions/{id}", ADMINISTRATOR, Endpoint::EndSession),
    route(&Method::GET, "/api/v1/statistics", VIEWER, Endpoint::Statistics),
    route(&Method::GET, "/api/v1/statistics/facets", VIEWER, Endpoint::Facets),
    route(&Method::GET, "/api/v1/tokens", ADMINISTRATOR, Endpoint::Tokens),
    route(&Method::POST, "/api/v1/tokens", ADMINISTRATOR, Endpoint::CreateToken),
    route(&Method::DELETE, "/api/v1/tokens/{id}", ADMINISTRATOR, Endpoint::RevokeToken),
    route(&Method::GET, "/api/v1/unresolved", VIEWER, Endpoint::Unresolved),
    route(&Method::GET, "/api/v1/vex", VIEWER, Endpoint::ExportVex),
    route(&Method::POST, "/api/v1/vex", EDITOR, Endpoint::ImportVex),
    route(&Method::GET, "/api/v1/vulnerabilities", VIEWER, Endpoint::Vulnerabilities),
    route(&Method::GET, "/api/v1/vulnerabilities/{id}", VIEWER, Endpoint::Vulnerability),
    route(&Method::GET, "/api/v1/webhooks", VIEWER, Endpoint::Webhooks),
    route(&Method::POST, "/api/v1/webhooks/{name}/test", ADMINISTRATOR, Endpoint::TestWebhook),
    route(&Method::GET, "/openapi.json", VIEWER, Endpoint::OpenApi),
    route(&Method::GET, "/sign-in", Need::Nothing, Endpoint::SignIn(SignIn::Page)),
    route(&Method::POST, "/sign-in", Need::Nothing, Endpoint::SignIn(SignIn::Token)),
    route(&Method::GET, "/sign-in/oidc", Need::Nothing, Endpoint::SignIn(SignIn::Provider)),
    route(&Method::GET, "/sign-in/oidc/callback", Need::Nothing, Endpoint::SignIn(SignIn::Callback)),
    route(&Method::POST, "/sign-out", Need::Nothing, Endpoint::SignIn(SignIn::Out)),
];

/// What was found for a request.
#[derive(Debug)]
pub(super) enum Found {
    /// Its route, and what stands in the places of the path, percent-decoded.
    Route(&'static Route, Vec<String>),
    /// The path is known, the method is not: those that are, for `Allow`.
    Method(String),
    /// There is no such path.
    Nothing,
}

/// Finds the route of a request. `HEAD` is what `GET` is (RFC 9110 section 9.3.2). The first pattern of the
/// table that a path is of counts, whatever the method: written out before one with places.
pub(super) fn find(method: &Method, path: &str) -> Found {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let mut allowed: Vec<&str> = Vec::new();
    let mut matched: Option<&str> = None;
    for route in ROUTES {
        if matched.is_some_and(|matched| matched != route.path) {
            continue;
        }
        let Some(places) = places(route.path, path) else { continue };
        matched = Some(route.path);
        if route.method == method {
            return Found::Route(route, places);
        }
        allowed.push(route.method.as_str());
        if route.method == Method::GET {
            allowed.push("HEAD");
        }
    }
    if allowed.is_empty() { Found::Nothing } else { Found::Method(allowed.join(", ")) }
}

/// What stands in a pattern's places, where a path is of it.
fn places(pattern: &str, path: &str) -> Option<Vec<String>> {
    let mut places = Vec::new();
    let mut left = path.strip_suffix('/').unwrap_or(path);
    for part in pattern.strip_suffix('/').unwrap_or(pattern).split('/').skip(1) {
        left = left.strip_prefix('/')?;
        let end = if part.ends_with("*}") { left.len() } else { left.find('/').unwrap_or(left.len()) };
        let segment;
        (segment, left) = left.split_at(end);
        if part.starts_with('{') {
            if segment.is_empty() {
                return None;
            }
            places.push(percent_decoded(segment));
        } else if part != segment {
            return None;
        }
    }
    left.is_empty().then_some(places)
}

/// A part of a path without percent-encoding (RFC 3986 section 2.1); what is no encoding stays as it is.
fn percent_decoded(text: &str) -> String {
    let (bytes, mut decoded, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let code = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        // Numbers may have a sign, and codes have none.
        let code = code.filter(|code| !code.starts_with('+')).and_then(|code| u8::from_str_radix(code, 16).ok());
        decoded.push(code.unwrap_or(*byte));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &Method, path: &str) -> String {
        match find(method, path) {
            Found::Route(route, places) => format!("{:?} {}", route.endpoint, places.join(",")).trim_end().to_owned(),
            Found::Method(allowed) => format!("only {allowed}"),
            Found::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn a_request_finds_its_route_or_why_there_is_none() {
        for (method, path, route) in [
            (Method::GET, "/api/v1/images", "Images"),
            (Method::HEAD, "/api/v1/images/", "Images"),
            (Method::GET, "/api/v1/images/sha256%3Aab", "Image sha256:ab"),
            (Method::GET, "/api/v1/images/a/history", "ImageHistory a"),
            (Method::GET, "/api/v1/images//history", "nothing"),
            (Method::POST, "/api/v1/scans", "RequestScan"),
            (Method::PUT, "/api/v1/scans", "only GET, HEAD, POST"),
            (Method::GET, "/api/v1/advisories/refresh", "only POST"),
            (Method::GET, "/api/v1/image", "nothing"),
            (Method::GET, "/api/v1/images/a/b/c", "nothing"),
        ] {
            assert_eq!(found(&method, path), route, "{method} {path}");
        }
    }

    #[test]
    fn no_two_routes_are_of_one_request() {
        for (at, route) in ROUTES.iter().enumerate() {
            let first = ROUTES.iter().position(|other| {
                other.method == route.method && places(other.path, &route.path.replace(['{', '}', '*'], "x")).is_some()
            });
            assert_eq!(first, Some(at), "{} {}", route.method, route.path);
        }
    }

    #[test]
    fn a_last_place_takes_slashes_plain_or_encoded() {
        for path in ["/r/docker.io/library/nginx", "/r/docker.io%2Flibrary%2fnginx"] {
            assert_eq!(places("/r/{name*}", path), Some(vec!["docker.io/library/nginx".to_owned()]));
        }
        assert_eq!(places("/r/{name*}", "/r/"), None);
    }

    #[test]
    fn what_is_no_encoding_stays_as_it_is() {
        for (text, decoded) in [("a%2Fb%C3%A4", "a/b\u{e4}"), ("%", "%"), ("%2", "%2"), ("%zz", "%zz"), ("%+1", "%+1")]
        {
            assert_eq!(percent_decoded(text), decoded);
        }
    }
}
