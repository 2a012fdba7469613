//! The blocking door: how async code uses the index.
//!
//! Every method of [`Index`] blocks its thread for as long as the disk takes. Async callers pass through
//! [`Index::run`], which does the work on a thread that may block and lets only a few in at a time, so that a stalled disk
//! fills a queue of waiting tasks and not the runtime's threads. Two point reads on the path of a pull are short
//! enough to be called in place: a tag and a link. Their rows are small and recent, so they answer from memory in microseconds,
//! and at worst read one block of 8 KiB.

use std::sync::Arc;

use super::{Index, IndexError};

/// Calls of [`Index::run`] at work at the same time. Reads of one disk gain little from more.
pub(super) const DOOR_WIDTH: usize = 8;

impl Index {
    /// Runs `work` where blocking is allowed and awaits its answer.
    ///
    /// A caller that goes away does not stop work that has begun: it finishes on its own thread, so a change is made
    /// wholly or not at all. A panic in `work` continues in the caller.
    ///
    /// # Errors
    /// What `work` returns, and [`IndexError::ShuttingDown`] where the runtime ends before `work` began.
    pub async fn run<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<IndexError> + Send + 'static,
        F: FnOnce(&Self) -> Result<T, E> + Send + 'static,
    {
        let Ok(permit) = Arc::clone(&self.door).acquire_owned().await else {
            return Err(IndexError::ShuttingDown.into());
        };
        let index = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let answer = work(&index);
            drop(permit);
            answer
        });
        match task.await {
            Ok(answer) => answer,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(IndexError::ShuttingDown.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_door_lets_a_few_in_at_a_time_and_answers_all() {
        let index = Index::in_memory();
        let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let calls: Vec<_> = (0..100_i64)
            .map(|number| {
                let (index, inside, most) = (index.clone(), Arc::clone(&inside), Arc::clone(&most));
                tokio::spawn(async move {
                    index
                        .run(move |index| {
                            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                            index.stamps().put(&format!("n{number}"), number, b"")?;
                            std::thread::yield_now();
                            inside.fetch_sub(1, Ordering::SeqCst);
                            Ok::<_, IndexError>(number)
                        })
                        .await
                })
            })
            .collect();
        let mut sum = 0;
        for call in calls {
            sum += call.await.unwrap().unwrap();
        }
        assert_eq!(sum, 4950);
        assert!(most.load(Ordering::SeqCst) <= DOOR_WIDTH);
        assert_eq!(index.stamps().get("n99").unwrap().unwrap().at, 99);
    }

    #[tokio::test]
    async fn a_panic_inside_reaches_the_caller_and_the_door_stays_open() {
        let index = Index::in_memory();
        for _ in 0..=DOOR_WIDTH {
            let other = index.clone();
            let call = tokio::spawn(async move { other.run(|_| -> Result<(), IndexError> { panic!("inside") }).await });
            assert!(call.await.unwrap_err().is_panic());
        }
        assert_eq!(index.run(|_| Ok::<_, IndexError>(1)).await.unwrap(), 1);
    }
}
