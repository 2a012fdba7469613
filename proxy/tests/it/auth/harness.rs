//! A weir whose index the test writes tokens and sessions into, and a browser that keeps its cookie.

use std::time::Duration;

use weir_config::Role;
use weir_proxy::app::Overrides;
use weir_proxy::auth::{NewSession, NewToken, SessionLimits, Sessions, Tokens};
use weir_storage::index::{Index, SessionOrigin};

use crate::support::{Got, Weir, send};

/// Nobody gets in without credentials.
pub(super) const CLOSED: (&str, &str) = ("AUTH__ANONYMOUS", "none");

pub(super) struct Door {
    pub(super) weir: Weir,
    pub(super) index: Index,
}

/// A token's id and text.
pub(super) struct Made {
    pub(super) id: String,
    pub(super) text: String,
}

impl Made {
    pub(super) fn header(&self) -> String {
        format!("Bearer {}", self.text)
    }
}

impl Door {
    pub(super) async fn start(settings: &[(&str, &str)]) -> Self {
        let index = Index::in_memory();
        let overrides = Overrides { index: Some(index.clone()), ..Overrides::default() };
        let weir = Weir::start_with(tempfile::tempdir().unwrap(), settings, overrides).await;
        Self { weir, index }
    }

    pub(super) fn token(&self, role: &str) -> Made {
        self.token_for(role, None)
    }

    pub(super) fn token_for(&self, role: &str, lifetime_seconds: Option<i64>) -> Made {
        let new = NewToken { role: role.into(), name: Some(format!("{role}'s")), cluster: None, lifetime_seconds };
        let made = Tokens::new(self.index.clone()).issue(new, self.weir.clock.now()).unwrap();
        Made { id: made.line.id, text: made.text }
    }

    /// A session as signing in with a token makes it: its cookie, and what it sends back.
    pub(super) fn session(&self, role: Role, token: &Made) -> (String, String) {
        let limits = SessionLimits {
            lifetime: Duration::from_secs(7 * 86_400),
            idle: Duration::from_secs(43_200),
            issuer: None,
        };
        let sessions = Sessions::new(&self.index, &limits);
        let new = NewSession { name: "ada".into(), role, origin: SessionOrigin::Token(token.id.clone()) };
        let value = sessions.create(new, self.weir.clock.now()).unwrap();
        let caller = sessions.verify(&value, self.weir.clock.now()).unwrap();
        (format!("weir_session={value}"), caller.csrf().unwrap().to_owned())
    }

    /// What the audit says, oldest first: who did what to whom.
    pub(super) fn audit(&self) -> Vec<(String, String, String)> {
        let page = self.index.audit().list(None, 100, |_| true).unwrap();
        let entries = page.entries.into_iter().rev();
        entries.map(|(_, entry)| (entry.by, entry.action, entry.subject)).collect()
    }

    pub(super) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Got {
        let length = body.len().to_string();
        let mut all = headers.to_vec();
        if method != "GET" {
            all.push(("Content-Length", &length));
        }
        send(self.weir.report, method, path, &all, body.as_bytes()).await
    }

    pub(super) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Got {
        self.ask("GET", path, headers, "").await
    }

    /// What a browser sends when its form is sent.
    pub(super) async fn form(&self, path: &str, headers: &[(&str, &str)], form: &str) -> Got {
        let mut all = vec![("Content-Type", "application/x-www-form-urlencoded"), ("Sec-Fetch-Site", "same-origin")];
        all.extend(headers);
        self.ask("POST", path, &all, form).await
    }
}

/// The cookie `name` as a browser would send it back; `None` where it was not set or was taken away. An answer that sets several shows
/// the last here.
pub(super) fn cookie(got: &Got, name: &str) -> Option<String> {
    let mut lines = got.cookies.iter().filter(|line| line.starts_with(&format!("{name}=")));
    let line = lines.next_back()?;
    let pair = line.split(';').next()?;
    (!line.contains("Max-Age=0;")).then(|| pair.to_owned())
}

pub(super) fn text(got: &Got) -> String {
    String::from_utf8(got.body.clone()).unwrap()
}
