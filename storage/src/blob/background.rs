//! Blocking work that must not be lost track of: the walk at start-up, writes, commits, evictions, removing what failed.
//!
//! Owns these jobs by name until they end. A panic in one is reported under its name and harms nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

#[derive(Debug)]
pub(crate) struct Background {
    runtime: Handle,
    /// Jobs that wait for a thread or have one.
    jobs: watch::Sender<usize>,
    stopping: AtomicBool,
}

impl Background {
    pub(crate) fn new(runtime: Handle) -> Self {
        Self { runtime, jobs: watch::Sender::new(0), stopping: AtomicBool::new(false) }
    }

    /// Runs a job on a blocking thread, from any thread. Once closed, nothing runs: the next start makes up for it.
    pub(crate) fn run(&self, name: &'static str, job: impl FnOnce() + Send + 'static) {
        // Counted before the look at `stopping`, so that a close either waits for this job or stops it.
        let counted = Counted::new(&self.jobs);
        if self.stopping() {
            return;
        }
        // Nothing is locked here: a runtime that has ended drops the job on the spot, whose parts may call `run`.
        self.runtime.spawn_blocking(move || {
            let _counted = counted;
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!(task = name, "a background task panicked");
            }
        });
    }

    /// Runs a job as [`run`](Self::run) does and hands over what it returns; an error where it panicked or did not run.
    /// A result nobody waits for any more is dropped on the job's thread.
    pub(crate) fn call<T: Send + 'static>(
        &self,
        name: &'static str,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (done, result) = oneshot::channel();
        self.run(name, move || drop(done.send(job())));
        result
    }

    /// Whether long jobs should end early.
    pub(crate) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Takes no more jobs and waits for those under way.
    pub(crate) async fn close(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.drain().await;
    }

    /// Waits until no job is under way.
    pub(crate) async fn drain(&self) {
        // The sender is ours, so the channel is not closed while this waits.
        let _ = self.jobs.subscribe().wait_for(|jobs| *jobs == 0).await;
    }
}

/// One job among those under way, until it is dropped.
struct Counted(watch::Sender<usize>);

impl Counted {
    fn new(jobs: &watch::Sender<usize>) -> Self {
        jobs.send_modify(|jobs| *jobs += 1);
        Self(jobs.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|jobs| *jobs -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_to_the_caller_and_nothing_more() {
        let background = Background::new(Handle::current());
        let failed: oneshot::Receiver<()> = background.call("broken", || panic!("on purpose"));
        assert!(failed.await.is_err());
        assert_eq!(background.call("sound", || 7).await, Ok(7));
        background.close().await;
        assert!(background.call("late", || 7).await.is_err());
    }

    #[test]
    fn a_job_after_the_end_of_its_runtime_is_dropped() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let background = Background::new(runtime.handle().clone());
        drop(runtime);
        assert!(background.call("late", || 7).blocking_recv().is_err());
    }
}
