//! Remembers authoritative 404s for a few seconds, so that a herd asking for what is not there asks upstream once.
//!
//! Only what the registry itself said is remembered, never an outage, and only for upstreams whose answer does not depend on
//! who asks.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Seconds a 404 is believed: long enough for a herd, short enough for a push that follows.
const BELIEVED_SECONDS: i64 = 5;
/// Most 404s remembered at once.
const MOST: usize = 4096;

/// The remembered 404s, by a key that names location and content.
#[derive(Default)]
pub(super) struct Missing(Mutex<HashMap<String, i64>>);

impl Missing {
    /// Remembers that `key` is not there, at `now` (seconds since the epoch).
    pub(super) fn remember(&self, key: String, now: i64) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST {
            entries.retain(|_, until| *until > now);
        }
        if entries.len() < MOST {
            entries.insert(key, now + BELIEVED_SECONDS);
        }
    }

    /// Whether `key` was not there a moment ago.
    pub(super) fn holds(&self, key: &str, now: i64) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).is_some_and(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_404_is_believed_for_seconds() {
        let missing = Missing::default();
        missing.remember("a".into(), 100);
        assert!(missing.holds("a", 104) && !missing.holds("a", 105) && !missing.holds("b", 100));
    }

    #[test]
    fn a_flood_of_404s_is_bounded() {
        let missing = Missing::default();
        for key in 0..2 * MOST {
            missing.remember(key.to_string(), 100);
        }
        assert!(missing.0.lock().unwrap().len() <= MOST);
    }
}
