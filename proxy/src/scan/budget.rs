//! What weir may fetch that no client asked for: so many layers at once, so many bytes an hour.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const HOUR_SECONDS: i64 = 3600;

/// The budget of background fetches. Clones share it.
#[derive(Clone, Debug)]
pub struct FetchBudget {
    slots: Arc<Semaphore>,
    hourly_bytes: u64,
    spent: Arc<Mutex<Spent>>,
}

#[derive(Debug, Default)]
struct Spent {
    hour: i64,
    bytes: u64,
}

impl FetchBudget {
    /// A budget of `concurrency` fetches at once and `hourly_bytes` bytes in each hour.
    pub fn new(concurrency: usize, hourly_bytes: u64) -> Self {
        Self { slots: Arc::new(Semaphore::new(concurrency)), hourly_bytes, spent: Arc::default() }
    }

    /// Waits for a slot, then takes `bytes` from the hour `now` lies in (seconds since the epoch). `None` when the hour is spent;
    /// one fetch larger than the whole budget may go when the hour is fresh, or it never could. A budget of 0 allows none.
    pub(super) async fn take(&self, bytes: u64, now: i64) -> Option<OwnedSemaphorePermit> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.expect("open: nothing closes this semaphore");
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let hour = now.div_euclid(HOUR_SECONDS);
        if spent.hour != hour {
            *spent = Spent { hour, bytes: 0 };
        }
        let total = spent.bytes.saturating_add(bytes);
        if self.hourly_bytes == 0 || (spent.bytes > 0 && total > self.hourly_bytes) {
            return None;
        }
        spent.bytes = total;
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_hour_s_bytes_are_spent_once() {
        let budget = FetchBudget::new(1, 100);
        assert!(budget.take(60, 10).await.is_some());
        assert!(budget.take(60, 20).await.is_none());
        assert!(budget.take(40, 30).await.is_some());
        assert!(budget.take(1, 3599).await.is_none());
        assert!(budget.take(500, 3600).await.is_some(), "a large layer has its chance in a fresh hour");
    }

    #[tokio::test]
    async fn a_budget_of_nothing_fetches_nothing() {
        assert!(FetchBudget::new(1, 0).take(1, 0).await.is_none());
    }

    #[tokio::test]
    async fn slots_bound_how_many_fetch_at_once() {
        let budget = FetchBudget::new(1, 100);
        let held = budget.take(1, 0).await;
        let mut second = std::pin::pin!(budget.take(1, 0));
        assert!(second.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending());
        drop(held);
        assert!(second.await.is_some());
    }
}
