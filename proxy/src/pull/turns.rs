//! One at a time for each key: the second asker of a tag waits for the first one's answer instead of asking upstream as well.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// Locks by key; a key nobody holds or waits for takes no memory.
pub struct Turns<K>(Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>);

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<K: Hash + Eq> Turns<K> {
    /// Waits for the turn of `key`; it lasts until the guard is dropped.
    pub async fn take(&self, key: K) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // An entry only the table holds has neither holder nor waiter: a guard and a waiter each keep a clone.
            if locks.len() >= 256 {
                locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            Arc::clone(locks.entry(key).or_default())
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_is_held_by_one_and_other_keys_are_free() {
        let turns = Turns::default();
        let first = turns.take("a").await;
        let _other = turns.take("b").await;
        let mut second = std::pin::pin!(turns.take("a"));
        let waker = std::task::Waker::noop();
        assert!(second.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
        drop(first);
        second.await;
    }

    #[tokio::test]
    async fn idle_keys_are_forgotten() {
        let turns = Turns::default();
        for key in 0..1000 {
            drop(turns.take(key).await);
        }
        assert!(turns.0.lock().unwrap().len() <= 256);
    }
}
