//! One copy of what many objects say: a deployment's hundred pods share their labels, their containers and their image ids.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// Entries beyond which a pool looks for those nobody uses any more.
const FIRST_SWEEP: usize = 1024;

/// Values that are kept once. What nobody else holds goes when the pool has doubled since it last looked.
pub(super) struct Pool<T: ?Sized> {
    values: HashSet<Arc<T>>,
    sweep_at: usize,
}

impl<T: ?Sized> Default for Pool<T> {
    fn default() -> Self {
        Self { values: HashSet::new(), sweep_at: FIRST_SWEEP }
    }
}

impl<T: ?Sized + Eq + Hash> Pool<T> {
    /// The one copy of a value.
    pub(super) fn keep<V>(&mut self, value: V) -> Arc<T>
    where
        V: Into<Arc<T>> + AsRef<T>,
    {
        if let Some(known) = self.values.get(value.as_ref()) {
            return Arc::clone(known);
        }
        if self.values.len() >= self.sweep_at {
            self.values.retain(|value| Arc::strong_count(value) > 1);
            self.sweep_at = (self.values.len() * 2).max(FIRST_SWEEP);
        }
        let value = value.into();
        self.values.insert(Arc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_and_unused_ones_go() {
        let mut pool = Pool::<str>::default();
        let (a, b) = (pool.keep("a"), pool.keep(String::from("a")));
        assert!(Arc::ptr_eq(&a, &b));
        for number in 0..10 * FIRST_SWEEP {
            pool.keep(number.to_string());
        }
        assert!(pool.values.len() <= FIRST_SWEEP + 1, "{}", pool.values.len());
        assert!(Arc::ptr_eq(&a, &pool.keep("a")), "what is held stays");
    }
}
