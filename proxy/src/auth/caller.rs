//! Who makes a request.

use weir_config::Role;
use weir_storage::index::TokenRole;

use super::secret;

/// Who makes a request, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name that is written beside what they do.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// How that is known.
    pub how: How,
}

/// How a caller is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// They did not say who they are.
    Anonymous,
    /// By the token of this id.
    Token(String),
    /// By the session of this id.
    Session {
        /// The session's id.
        id: String,
        /// What forms and scripts of the session's own pages send back, see [`Caller::csrf`].
        csrf: String,
    },
}

impl Caller {
    /// Somebody who did not say who they are.
    pub fn anonymous(role: Role) -> Self {
        Self { name: "anonymous".to_owned(), role, how: How::Anonymous }
    }

    /// What a page has to send back with everything it changes: in the field `csrf` of a form, or in the header `X-CSRF-Token`.
    /// `None` where there is no session, and nothing has to be sent.
    pub fn csrf(&self) -> Option<&str> {
        match &self.how {
            How::Session { csrf, .. } => Some(csrf),
            How::Anonymous | How::Token(_) => None,
        }
    }

    /// Whether `sent` is what [`Caller::csrf`] gave out, in a time that does not tell how much of it is; also where nothing is needed.
    pub fn accepts_csrf(&self, sent: Option<&str>) -> bool {
        match (self.csrf(), sent) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(known), Some(sent)) => secret::same(&secret::hash(known), &secret::hash(sent)),
        }
    }

    /// What a person with this role is called, as in the settings.
    pub fn role_name(&self) -> &'static str {
        role_name(self.role)
    }
}

/// What a role is called in the settings and the API.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Editor => "editor",
        Role::Administrator => "administrator",
    }
}

/// What a token's bearer may do on the report; an agent, nothing.
pub fn role_of(token: TokenRole) -> Option<Role> {
    match token {
        TokenRole::Viewer => Some(Role::Viewer),
        TokenRole::Editor => Some(Role::Editor),
        TokenRole::Administrator => Some(Role::Administrator),
        TokenRole::Agent => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_session_needs_something_sent_back() {
        let anonymous = Caller::anonymous(Role::Administrator);
        let token = Caller { how: How::Token("t".into()), ..anonymous.clone() };
        for free in [&anonymous, &token] {
            assert!(free.csrf().is_none() && free.accepts_csrf(None) && free.accepts_csrf(Some("x")));
        }
        let session = Caller { how: How::Session { id: "s".into(), csrf: "abc".into() }, ..anonymous };
        assert_eq!(session.csrf(), Some("abc"));
        assert!(session.accepts_csrf(Some("abc")));
        assert!(!session.accepts_csrf(None) && !session.accepts_csrf(Some("abd")) && !session.accepts_csrf(Some("")));
    }
}
