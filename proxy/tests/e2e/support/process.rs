//! Processes that end with the test that started them, whatever becomes of it.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take to end after SIGTERM before a test that is over kills it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The program's path; panics where it is not installed.
pub(crate) fn tool(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps mount's relatives out of the path of users.
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    places.map(|place| place.join(name)).find(|file| file.is_file()).unwrap_or_else(|| {
        panic!("{name} is not installed: run `deploy/install.sh run`, as `make test` does before the tests")
    })
}

/// A TCP port of 127.0.0.1 that was free just now, for programs that cannot be given port 0.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs a command to its end and answers with its standard output; panics with both outputs when it fails.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
    out.into_owned()
}

/// A process with its log. Dropping it ends it.
pub(crate) struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `program` with its output in `directory`. The kernel kills it should the test's thread die without a word.
    pub(crate) fn start(name: &str, directory: &Path, program: &Path, configure: impl FnOnce(&mut Command)) -> Self {
        let log = directory.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = Command::new(tool("setpriv"));
        command.arg("--pdeathsig").arg("KILL").arg("--").arg(program);
        configure(&mut command);
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { name: name.to_owned(), child, log }
    }

    /// What it wrote so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Its end, where it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// What `look` finds while the process runs; panics with its log when it ends before, or after `seconds`.
    #[track_caller]
    pub(crate) fn wait_until<T>(&mut self, what: &str, seconds: u64, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            if let Some(status) = self.ended() {
                panic!("{} ended with {status} before {what}:\n{}", self.name, self.log());
            }
            assert!(
                Instant::now() < deadline,
                "after {seconds} s still not: {what}; {}'s log:\n{}",
                self.name,
                self.log()
            );
            std::thread::sleep(super::LOOK);
        }
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        run(Command::new(tool("kill")).arg("-TERM").arg(self.child.id().to_string()));
    }

    /// Its end, waited for.
    #[track_caller]
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(Instant::now() < deadline, "{} did not end within {limit:?}:\n{}", self.name, self.log());
            std::thread::sleep(super::LOOK);
        }
    }

    /// kill -9, and its end waited for: nothing of it runs when this returns.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_some()) {
            return;
        }
        let _ = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            std::thread::sleep(super::LOOK);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
