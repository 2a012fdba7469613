//! Named, owned tasks.
//!
//! Owns every task of the process: its name, its cancellation, and what a panic in it means (a log line at error level
//! with that name, never the end of the process). Leaves to callers what a task does. Invariant: after [`Tasks::wait`]
//! returned, no asynchronous task started here is still running.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

/// How long aborted tasks get to drop what they hold, after the deadline of [`Tasks::wait`] has passed.
const ABORT_GRACE: Duration = Duration::from_secs(1);

/// The nice value of threads that give way: about a tenth of an ordinary thread's share where processors are short.
const LOW_PRIORITY: i32 = 10;

/// The owner of tasks. Clones share the same tasks.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    cancelled: CancellationToken,
    aborted: CancellationToken,
    running: Arc<Running>,
}

/// A bound on how many blocking closures of one kind run at once.
#[derive(Clone, Debug)]
pub struct PermitClass {
    name: &'static str,
    permits: Arc<Semaphore>,
}

/// A started task. Awaiting it gives its result; dropping it lets the task go on.
#[derive(Debug)]
pub struct Task<T> {
    name: &'static str,
    handle: JoinHandle<Result<T, TaskError>>,
}

/// Why a task has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// It panicked; the log has the message.
    #[error("task {name} panicked")]
    Panicked {
        /// The task's name.
        name: &'static str,
    },
    /// It was stopped before its end, by the shutdown's deadline or by [`Task::abort`].
    #[error("task {name} was stopped before its end")]
    Stopped {
        /// The task's name.
        name: &'static str,
    },
}

/// How many tasks run under each name, for the log line of a shutdown that ran out of time.
#[derive(Debug, Default)]
struct Running(Mutex<BTreeMap<&'static str, usize>>);

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    /// An owner without tasks.
    pub fn new() -> Self {
        Self {
            tracker: TaskTracker::new(),
            cancelled: CancellationToken::new(),
            aborted: CancellationToken::new(),
            running: Arc::default(),
        }
    }

    /// Starts `future` under `name`. Must be called within a tokio runtime. The task is expected to watch [`Tasks::token`]
    /// where it would otherwise run for ever.
    pub fn spawn<T, F>(&self, name: &'static str, future: F) -> Task<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let aborted = self.aborted.clone();
        let entry = Running::enter(&self.running, name);
        let handle = self.tracker.spawn(async move {
            let _entry = entry;
            tokio::select! {
                biased;
                () = aborted.cancelled() => Err(TaskError::Stopped { name }),
                result = CatchPanic::new(future) => result.map_err(|panic| panicked(name, panic.as_ref())),
            }
        });
        Task { name, handle }
    }

    /// Waits for a permit of `class`, then runs `closure` on a thread of its own that may block, and that leaves the
    /// processors to everything else: what is not on the path of a pull must not slow one down. The closure cannot be
    /// stopped from outside: it must end by itself when what it reads ends.
    pub async fn blocking<T, F>(&self, name: &'static str, class: &PermitClass, closure: F) -> Result<T, TaskError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let stopped = || TaskError::Stopped { name };
        let permit = tokio::select! {
            biased;
            () = self.aborted.cancelled() => return Err(stopped()),
            permit = class.permits.clone().acquire_owned() => permit.map_err(|_| stopped())?,
        };
        let entry = Running::enter(&self.running, name);
        let counted = self.tracker.token();
        let (answer, answered) = oneshot::channel();
        let run = move || {
            // The permit goes with the thread: a caller that gives up waiting does not let one thread too many start.
            let held = (permit, entry, counted);
            give_way();
            let outcome = catch_unwind(AssertUnwindSafe(closure)).map_err(|panic| panicked(name, panic.as_ref()));
            drop(held);
            // A caller that gave up wants no answer.
            let _: Result<(), _> = answer.send(outcome);
        };
        if let Err(cause) = thread::Builder::new().name(name.to_owned()).spawn(run) {
            error!(task = name, "no thread for {name}: {cause}");
            return Err(stopped());
        }
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// The level that says shutdown has begun. Tasks started later see it too.
    pub fn token(&self) -> CancellationToken {
        self.cancelled.clone()
    }

    /// Tells every task to end.
    pub fn cancel(&self) {
        self.cancelled.cancel();
    }

    /// Waits until every task has ended, for at most `deadline`; then drops the asynchronous ones that have not and returns
    /// their names. Blocking closures that outlive the deadline are named too, and go on.
    pub async fn wait(&self, deadline: Duration) -> Result<(), Vec<&'static str>> {
        self.tracker.close();
        if tokio::time::timeout(deadline, self.tracker.wait()).await.is_ok() {
            return Ok(());
        }
        let late = self.running.names();
        self.aborted.cancel();
        // What still runs after this is blocking code, already named in `late`.
        let _: Result<(), _> = tokio::time::timeout(ABORT_GRACE, self.tracker.wait()).await;
        if late.is_empty() { Ok(()) } else { Err(late) }
    }
}

impl PermitClass {
    /// A class of which at most `limit` closures run at once; the name appears in diagnostics.
    pub fn new(name: &'static str, limit: usize) -> Self {
        Self { name, permits: Arc::new(Semaphore::new(limit)) }
    }

    /// The class's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How many closures could start now without waiting.
    pub fn available(&self) -> usize {
        self.permits.available_permits()
    }
}

impl<T> Task<T> {
    /// The name it was started under.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Stops the task at its next await.
    pub fn abort(&self) {
        self.handle.abort();
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let name = self.name;
        // Panics are caught inside, so a join error is an abort.
        Pin::new(&mut self.handle).poll(context).map(|joined| joined.unwrap_or(Err(TaskError::Stopped { name })))
    }
}

impl Running {
    fn enter(running: &Arc<Self>, name: &'static str) -> RunningEntry {
        *running.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
        RunningEntry { running: running.clone(), name }
    }

    fn names(&self) -> Vec<&'static str> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }
}

/// One running task; leaves the table when dropped.
#[derive(Debug)]
struct RunningEntry {
    running: Arc<Running>,
    name: &'static str,
}

impl Drop for RunningEntry {
    fn drop(&mut self) {
        let mut running = self.running.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(self.name) {
            *count -= 1;
            if *count == 0 {
                running.remove(self.name);
            }
        }
    }
}

/// A future whose panic becomes its error.
pub(crate) struct CatchPanic<F>(Pin<Box<F>>);

impl<F: Future> CatchPanic<F> {
    pub(crate) fn new(future: F) -> Self {
        Self(Box::pin(future))
    }
}

impl<F: Future> Future for CatchPanic<F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Unwind safety: a future that panicked is never polled again, it is dropped with this one.
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// Lowers the priority of the calling thread and of those it starts, which on Linux is each thread's own affair. Where the
/// system refuses, the work is done all the same.
fn give_way() {
    let _: Result<(), _> = rustix::process::setpriority_process(None, LOW_PRIORITY);
}

/// The text of a panic, where it has one.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

fn panicked(name: &'static str, panic: &(dyn Any + Send)) -> TaskError {
    error!(task = name, "task {name} panicked: {}", panic_message(panic));
    TaskError::Panicked { name }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn a_panic_is_named_and_others_go_on() {
        let tasks = Tasks::new();
        let broken = tasks.spawn("broken", async { panic!("on purpose") });
        let fine = tasks.spawn("fine", async { 7 });
        assert_eq!(broken.await, Err::<(), _>(TaskError::Panicked { name: "broken" }));
        assert_eq!(fine.await, Ok(7));
        let class = PermitClass::new("scan", 1);
        let scan: Result<(), _> = tasks.blocking("scan", &class, || panic!("on purpose")).await;
        assert_eq!(scan, Err(TaskError::Panicked { name: "scan" }));
        assert_eq!(class.available(), 1, "the permit of a panicked closure returns");
        assert_eq!(tasks.wait(Duration::from_secs(5)).await, Ok(()));
    }

    #[tokio::test]
    async fn cancellation_is_a_level() {
        let tasks = Tasks::new();
        tasks.cancel();
        let token = tasks.token();
        let late = tasks.spawn("late", async move { token.cancelled().await });
        assert_eq!(late.await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_at_the_deadline_and_names_what_is_late() {
        let tasks = Tasks::new();
        let stuck = tasks.spawn("stuck", std::future::pending::<()>());
        tasks.spawn("quick", async {});
        assert_eq!(tasks.wait(Duration::from_secs(3)).await, Err(vec!["stuck"]));
        assert_eq!(stuck.await, Err(TaskError::Stopped { name: "stuck" }));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn permits_bound_blocking_closures() {
        let tasks = Tasks::new();
        let class = PermitClass::new("scan", 1);
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let (entered, mut running) = tokio::sync::mpsc::channel::<()>(1);
        let first = tasks.spawn("first", {
            let (tasks, class) = (tasks.clone(), class.clone());
            async move {
                let wait = move || {
                    entered.blocking_send(()).unwrap();
                    gate.recv().unwrap();
                };
                tasks.blocking("scan", &class, wait).await
            }
        });
        running.recv().await.unwrap();
        assert_eq!(class.available(), 0);
        let mut second = Box::pin(tasks.blocking("scan", &class, || 2));
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut second).await.is_err(), "no permit is free");
        release.send(()).unwrap();
        first.await.unwrap().unwrap();
        assert_eq!(second.await, Ok(2));
    }
}
