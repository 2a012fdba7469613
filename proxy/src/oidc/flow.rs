//! Sign-ins under way: what weir has to remember between sending a browser to the provider and seeing it again.
//!
//! In memory, bounded in number and in time: whoever signs in while weir restarts begins again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::auth::{SecretError, hash, new_secret, same};

/// Sign-ins remembered; beyond them the oldest is forgotten.
const FLOWS: usize = 1000;
/// How long one may take, in seconds.
pub(super) const FLOW_SECONDS: i64 = 600;

/// One sign-in.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    /// What the ID token has to repeat.
    pub(super) nonce: String,
    /// What proves to the provider that the code was asked for here, RFC 7636.
    pub(super) verifier: String,
    /// Where the provider sends the browser back to.
    pub(super) redirect: String,
    /// The local path that was asked for.
    pub(super) next: String,
    /// SHA-256 of the cookie of the browser that began it.
    browser: [u8; 32],
    started: i64,
}

/// What names a sign-in towards provider and browser.
pub(super) struct Names {
    pub(super) state: String,
    pub(super) cookie: String,
}

/// The sign-ins under way, by their state.
#[derive(Default)]
pub(super) struct Flows(Mutex<HashMap<String, Flow>>);

impl Flows {
    /// Begins one at `now` (seconds since the epoch).
    pub(super) fn begin(&self, redirect: &str, next: &str, now: i64) -> Result<(Names, Flow), SecretError> {
        let names = Names { state: new_secret()?, cookie: new_secret()? };
        let flow = Flow {
            nonce: new_secret()?,
            verifier: new_secret()?,
            redirect: redirect.to_owned(),
            next: next.to_owned(),
            browser: hash(&names.cookie),
            started: now,
        };
        let mut flows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flows.retain(|_, flow| flow.started + FLOW_SECONDS > now);
        if flows.len() >= FLOWS
            && let Some(oldest) = flows.iter().min_by_key(|(_, flow)| flow.started).map(|(state, _)| state.clone())
        {
            flows.remove(&oldest);
        }
        flows.insert(names.state.clone(), flow.clone());
        Ok((names, flow))
    }

    /// Ends the one of this state, if it still is and the browser is the one that began it. It can be ended once.
    pub(super) fn end(&self, state: &str, cookie: &str, now: i64) -> Option<Flow> {
        let mut flows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Another browser must not end what this one began.
        flows.get(state).filter(|flow| same(&flow.browser, &hash(cookie)))?;
        flows.remove(state).filter(|flow| flow.started + FLOW_SECONDS > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_ends_once_in_its_own_browser_and_in_time() {
        let flows = Flows::default();
        let (names, flow) = flows.begin("https://a/callback", "/images", 0).unwrap();
        let (other, _) = flows.begin("https://a/callback", "/", 0).unwrap();
        assert!(flows.end(&names.state, &other.cookie, 1).is_none(), "another browser");
        assert!(flows.end("", &names.cookie, 1).is_none(), "no such state");
        let ended = flows.end(&names.state, &names.cookie, 1).unwrap();
        assert_eq!((ended.nonce, ended.next.as_str()), (flow.nonce, "/images"));
        assert!(flows.end(&names.state, &names.cookie, 1).is_none(), "it is over");
        assert!(flows.end(&other.state, &other.cookie, FLOW_SECONDS).is_none(), "too late");
    }

    #[test]
    fn their_number_is_bounded() {
        let flows = Flows::default();
        let (first, _) = flows.begin("r", "/", 0).unwrap();
        for _ in 0..FLOWS {
            flows.begin("r", "/", 1).unwrap();
        }
        assert!(flows.end(&first.state, &first.cookie, 2).is_none());
        assert_eq!(flows.0.lock().unwrap().len(), FLOWS);
        flows.begin("r", "/", FLOW_SECONDS + 1).unwrap();
        assert_eq!(flows.0.lock().unwrap().len(), 1);
    }
}
