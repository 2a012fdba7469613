//! Every route by everybody: what the table of routes says is what happens. The rows come from weir itself, so that no route can be
//! forgotten, and the page of documentation shows the same table.

use std::fmt::Write as _;
use std::path::Path;

use weir_config::Role;
use weir_proxy::report::{RouteLine, routes};

use super::harness::{CLOSED, Door, Made};
use crate::support::Got;

const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
const ROLES: [(&str, Role); 3] =
    [("viewer", Role::Viewer), ("editor", Role::Editor), ("administrator", Role::Administrator)];

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is answered, well or not.
    LetIn,
    /// 401, or a page's way to sign in.
    SignInFirst,
    /// 403.
    Forbidden,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Nobody,
    AnonymousViewer,
    AgentToken,
    Token(Role),
    Session(Role),
}

fn expected(route: &RouteLine, who: Who) -> Outcome {
    use Outcome::{Forbidden, LetIn, SignInFirst};
    let needed = match (route.need, who) {
        ("nothing", _) | ("agent", Who::AgentToken) => return LetIn,
        // Agents report by their tokens alone.
        ("agent", Who::Token(_)) => return Forbidden,
        ("agent", _) => return SignInFirst,
        (need, _) => ROLES.iter().find(|(name, _)| *name == need).unwrap().1,
    };
    match who {
        Who::Nobody => SignInFirst,
        Who::AnonymousViewer if needed > Role::Viewer => SignInFirst,
        Who::AgentToken => Forbidden,
        Who::Token(role) | Who::Session(role) if needed > role => Forbidden,
        _ => LetIn,
    }
}

fn outcome(got: &Got) -> Outcome {
    let location = got.header("location").unwrap_or_default();
    match got.status {
        401 => Outcome::SignInFirst,
        303 if location.starts_with("/sign-in?next=") => Outcome::SignInFirst,
        403 => Outcome::Forbidden,
        _ => Outcome::LetIn,
    }
}

/// A path of the route's.
fn filled(route: &RouteLine) -> String {
    let segment = |segment: &str| match segment {
        "{digest}" => DIGEST.to_owned(),
        "{name*}" => "docker.io/library/none".to_owned(),
        segment if segment.starts_with('{') => "none".to_owned(),
        segment => segment.to_owned(),
    };
    route.path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

struct Doors {
    closed: Door,
    open: Door,
    agent: Made,
    tokens: Vec<(Role, Made)>,
}

impl Doors {
    async fn start() -> Self {
        let closed = Door::start(&[CLOSED]).await;
        let open = Door::start(&[("AUTH__ANONYMOUS", "viewer")]).await;
        let tokens = ROLES.iter().map(|(name, role)| (*role, closed.token(name))).collect();
        Self { agent: closed.token("agent"), closed, open, tokens }
    }

    fn of(&self, role: Role) -> &Made {
        &self.tokens.iter().find(|(known, _)| *known == role).unwrap().1
    }

    /// One request; a session's with what it has to send back, unless `csrf` is false.
    async fn ask(&self, route: &RouteLine, who: Who, csrf: bool) -> Got {
        // A fresh one, since signing out ends it.
        let session = match who {
            Who::Session(role) => Some(self.closed.session(role, self.of(role))),
            _ => None,
        };
        let bearer = match who {
            Who::AgentToken => Some(self.agent.header()),
            Who::Token(role) => Some(self.of(role).header()),
            _ => None,
        };
        let mut headers: Vec<(&str, &str)> = Vec::new();
        headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        if let Some((cookie, token)) = &session {
            headers.push(("Cookie", cookie));
            headers.extend(csrf.then_some(("X-CSRF-Token", token.as_str())));
        }
        let form = format!("token={}", self.of(Role::Viewer).text);
        let (media_type, body) = if route.is_page {
            ("application/x-www-form-urlencoded", form.as_str())
        } else {
            ("application/json", "{}")
        };
        headers.push(("Content-Type", media_type));
        let door = if who == Who::AnonymousViewer { &self.open } else { &self.closed };
        let body = if route.method == "GET" { "" } else { body };
        // Attempts to sign in are counted, and this is not what is asked here.
        door.weir.clock.advance(6);
        door.ask(route.method, &filled(route), &headers, body).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_lets_in_exactly_whom_it_says() {
    let doors = Doors::start().await;
    let mut everybody = vec![Who::Nobody, Who::AnonymousViewer, Who::AgentToken];
    everybody.extend(ROLES.iter().flat_map(|(_, role)| [Who::Token(*role), Who::Session(*role)]));
    let mut wrong = Vec::new();
    for route in routes() {
        for who in &everybody {
            // One who is not known cannot sign in on the door where this token is not known.
            if *who == Who::AnonymousViewer && (route.method, route.path) == ("POST", "/sign-in") {
                continue;
            }
            let got = doors.ask(&route, *who, true).await;
            let (is, should) = (outcome(&got), expected(&route, *who));
            if is != should {
                wrong.push(format!(
                    "{} {} by {who:?}: {is:?} ({}), not {should:?}",
                    route.method, route.path, got.status
                ));
            }
            if got.status == 401 && !route.is_page {
                assert!(got.header("www-authenticate").unwrap().starts_with("Bearer"), "{} {who:?}", route.path);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_changes_nothing_without_what_its_pages_send_back() {
    let doors = Doors::start().await;
    for route in routes().filter(|route| route.method != "GET" && route.need != "agent") {
        let got = doors.ask(&route, Who::Session(Role::Administrator), false).await;
        assert_eq!(got.status, 403, "{} {}", route.method, route.path);
    }
}

#[test]
fn the_page_shows_every_route() {
    const BEGIN: &str = "<!-- Written from the table of routes; WEIR_UPDATE_DOCS=1 writes it anew. -->\n";
    const END: &str = "<!-- To here. -->";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/auth.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let mut table = "\n| route | agent | viewer | editor | administrator |\n|---|---|---|---|---|\n".to_owned();
    for route in routes() {
        let marks = match route.need {
            "agent" => ["yes", "", "", ""],
            "viewer" => ["", "yes", "yes", "yes"],
            "editor" => ["", "", "yes", "yes"],
            "administrator" => ["", "", "", "yes"],
            _ => ["everyone", "everyone", "everyone", "everyone"],
        };
        let marks = marks.map(|mark| if mark.is_empty() { " ".to_owned() } else { format!(" {mark} ") });
        writeln!(table, "| `{} {}` |{}|", route.method, route.path, marks.join("|")).unwrap();
    }
    let wanted = format!("{before}{BEGIN}{table}\n{END}{after}");
    if std::env::var_os("WEIR_UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &wanted).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written == wanted, "docs/auth.md differs from the table of routes; write it anew with WEIR_UPDATE_DOCS=1");
}
