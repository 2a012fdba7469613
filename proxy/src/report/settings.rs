//! How people get into the report, as the settings say.

use std::sync::Arc;

use url::Url;
use weir_config::Role;

use crate::auth::{Attempts, SessionLimits};
use crate::oidc::Provider;

/// What those may do who do not say who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// Nothing.
    Nothing,
    /// Everything, if they ask for this machine by a loopback address or as localhost.
    Local,
    /// What the role may do.
    Role(Role),
}

/// What a [`ReportAccess`] is built from.
pub struct ReportAccessParts {
    /// What those may do who do not say who they are.
    pub anonymous: Anonymous,
    /// Whether health and metrics need credentials.
    pub protect_metrics: bool,
    /// How long sessions hold.
    pub sessions: SessionLimits,
    /// Whom people sign in with, beside their tokens.
    pub provider: Option<Provider>,
    /// Where people reach the report, if it is not what their requests name.
    pub public_url: Option<Url>,
}

/// Who may use the report, and how they sign in. Clones share the count of attempts.
#[derive(Clone)]
pub struct ReportAccess {
    parts: Arc<ReportAccessParts>,
    attempts: Attempts,
}

impl ReportAccess {
    /// Access as these parts say.
    pub fn new(parts: ReportAccessParts) -> Self {
        Self { parts: Arc::new(parts), attempts: Attempts::default() }
    }

    pub(super) fn anonymous(&self) -> Anonymous {
        self.parts.anonymous
    }

    pub(super) fn protects_metrics(&self) -> bool {
        self.parts.protect_metrics
    }

    pub(super) fn sessions(&self) -> SessionLimits {
        self.parts.sessions.clone()
    }

    pub(super) fn provider(&self) -> Option<&Provider> {
        self.parts.provider.as_ref()
    }

    pub(super) fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    pub(super) fn public_url(&self) -> Option<&Url> {
        self.parts.public_url.as_ref()
    }

    pub(super) fn is_public_over_tls(&self) -> bool {
        self.parts.public_url.as_ref().is_some_and(|url| url.scheme() == "https")
    }
}
