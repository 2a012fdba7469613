//! A bounded memory of what happened a moment ago.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Remembers entries for some seconds, and no more than so many at once.
pub(super) struct Recent<K, V> {
    seconds: i64,
    most: usize,
    state: Mutex<State<K, V>>,
}

struct State<K, V> {
    entries: HashMap<K, (i64, V)>,
    swept_at: i64,
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    pub(super) fn new(seconds: i64, most: usize) -> Self {
        Self { seconds, most, state: Mutex::new(State { entries: HashMap::new(), swept_at: i64::MIN }) }
    }

    /// What is remembered under `key` at `now`, seconds since the epoch.
    pub(super) fn get(&self, key: &K, now: i64) -> Option<V> {
        let state = self.lock();
        state.entries.get(key).filter(|(at, _)| self.holds(*at, now)).map(|(_, value)| value.clone())
    }

    /// Makes the new value under `key` from what is remembered, unless there is no room for it.
    pub(super) fn update(&self, key: K, now: i64, change: impl FnOnce(Option<V>) -> V) {
        let mut state = self.lock();
        let old = state.entries.remove(&key).filter(|(at, _)| self.holds(*at, now)).map(|(_, value)| value);
        self.make_room(&mut state, now);
        if state.entries.len() < self.most {
            state.entries.insert(key, (now, change(old)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<K, V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn holds(&self, at: i64, now: i64) -> bool {
        now.saturating_sub(at) < self.seconds
    }

    /// Looks for outdated entries at most once a second: under a flood none are, and each look is as long as the map.
    fn make_room(&self, state: &mut State<K, V>, now: i64) {
        if state.entries.len() >= self.most && state.swept_at != now {
            state.swept_at = now;
            state.entries.retain(|_, (at, _)| self.holds(*at, now));
        }
    }
}

impl<K: Eq + Hash> Recent<K, ()> {
    /// Notes `key`; `false` where it was noted a moment ago, which then counts on from there.
    pub(super) fn note(&self, key: K, now: i64) -> bool {
        if self.get(&key, now).is_some() {
            return false;
        }
        self.update(key, now, |_| ());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_forgotten_and_never_too_many() {
        let recent = Recent::new(60, 100);
        assert!(recent.note(0, 1000) && !recent.note(0, 1059) && recent.note(0, 1060));
        for key in 0..1000 {
            recent.note(key, 1060);
        }
        assert_eq!(recent.lock().entries.len(), 100);
        assert!(recent.note(999, 1060), "what found no room is not remembered");
        assert!(recent.note(999, 1120) && !recent.note(999, 1121), "outdated ones make room");
        assert_eq!(recent.lock().entries.len(), 1);
    }
}
