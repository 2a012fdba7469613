//! The local socket in the data directory: how a command reaches the process that holds the index open.
//!
//! Owns `DIR/weir.sock` and the lines spoken over it: one JSON request line, then JSON answer lines, the last of which is
//! `done` or `error`. The socket is for the user who runs weir alone; file permissions guard it.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::auth::NewToken;
use crate::tasks::Tasks;

/// The longest request line in bytes: a path or URL and some words.
const MAX_LINE: u64 = 64 * 1024;

/// What a command may ask of the running process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum LocalRequest {
    /// Import every ecosystem of a source.
    ImportAdvisories {
        /// A directory or URL laid out as the public OSV bucket.
        source: String,
    },
    /// Ask the configured source for what changed.
    RefreshAdvisories,
    /// State what advisories are there.
    AdvisoryStatus,
    /// Make a token; the answer is its text.
    CreateToken {
        /// What it is to be.
        token: NewToken,
    },
    /// State what tokens there are.
    ListTokens,
    /// Copy the index as it is now. The first line is the place of the copy, which goes when whoever asked goes.
    Checkpoint,
    /// End a token; the answer is whether there was one of that id.
    RevokeToken {
        /// Its id.
        id: String,
    },
}

/// One line of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum LocalAnswer {
    /// Something to show while the work goes on.
    Progress {
        /// The text.
        text: String,
    },
    /// The end: the result.
    Done {
        /// The result, as the request defines it.
        result: serde_json::Value,
    },
    /// The end: it failed.
    Error {
        /// Why.
        message: String,
    },
}

/// Where the socket of a data directory lies.
pub fn socket_path(data: &Path) -> PathBuf {
    data.join("weir.sock")
}

/// Listens in `data` until `tasks` are cancelled; `handle` gets each request with a channel for its answer lines and a level that says
/// that whoever asked has gone.
///
/// # Errors
/// The socket cannot be made; a socket left by a process that died is replaced.
pub fn listen<H, F>(data: &Path, tasks: &Tasks, handle: H) -> io::Result<()>
where
    H: Fn(LocalRequest, mpsc::Sender<LocalAnswer>, CancellationToken) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let path = socket_path(data);
    // The index's lock is held by now, so whoever made this socket is gone.
    if let Err(error) = std::fs::remove_file(&path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    let (owner, token) = (tasks.clone(), tasks.token());
    tasks.spawn("local-socket", async move {
        while let Some(Ok((stream, _))) = token.run_until_cancelled(listener.accept()).await {
            let (handle, token) = (handle.clone(), token.clone());
            owner.spawn("local-request", async move {
                if let Some(Err(error)) = token.run_until_cancelled(converse(stream, handle)).await {
                    tracing::debug!(%error, "a command left the local socket");
                }
            });
        }
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::debug!(%error, "the local socket was already gone");
        }
    });
    Ok(())
}

async fn converse<H, F>(stream: UnixStream, handle: H) -> io::Result<()>
where
    H: Fn(LocalRequest, mpsc::Sender<LocalAnswer>, CancellationToken) -> F,
    F: Future<Output = ()>,
{
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(MAX_LINE));
    reader.read_line(&mut line).await?;
    let request = match serde_json::from_str(&line) {
        Ok(request) => request,
        Err(error) => return say(&mut writer, &LocalAnswer::Error { message: error.to_string() }).await,
    };
    let (sender, mut answers) = mpsc::channel(16);
    let speak = async {
        while let Some(answer) = answers.recv().await {
            say(&mut writer, &answer).await?;
        }
        Ok(())
    };
    let left = CancellationToken::new();
    let work = async { tokio::join!(handle(request, sender, left.clone()), speak).1 };
    tokio::pin!(work);
    tokio::select! {
        ended = &mut work => return ended,
        // Nothing is said after the request: whatever comes now is the end.
        _ = reader.read_u8() => left.cancel(),
    }
    work.await
}

async fn say(writer: &mut (impl tokio::io::AsyncWrite + Unpin), answer: &LocalAnswer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    writer.write_all(&line).await
}

/// Asks the process that serves `data`; `progress` is called for every line before the end.
///
/// # Errors
/// No process listens (`NotFound`, `ConnectionRefused`), it went away, or it said that the request failed.
pub async fn ask(data: &Path, request: &LocalRequest, mut progress: impl FnMut(&str)) -> io::Result<serde_json::Value> {
    let mut stream = UnixStream::connect(socket_path(data)).await?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_str(&line)? {
            LocalAnswer::Progress { text } => progress(&text),
            LocalAnswer::Done { result } => return Ok(result),
            LocalAnswer::Error { message } => return Err(io::Error::other(message)),
        }
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the running weir stopped before it had answered"))
}

/// Something that a running process keeps for as long as this is held.
#[derive(Debug)]
pub struct Borrowed {
    what: String,
    _line: std::os::unix::net::UnixStream,
}

impl Borrowed {
    /// What it says it keeps.
    pub fn what(&self) -> &str {
        &self.what
    }
}

/// Asks the process that serves `data` for something that it keeps until it is given back. Blocks.
///
/// # Errors
/// As [`ask`].
pub fn borrow(data: &Path, request: &LocalRequest) -> io::Result<Borrowed> {
    let mut stream = std::os::unix::net::UnixStream::connect(socket_path(data))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut line = String::new();
    let mut reader = io::BufReader::new(stream.try_clone()?.take(MAX_LINE));
    if reader.read_line(&mut line)? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the running weir stopped before it had answered"));
    }
    match serde_json::from_str(&line)? {
        LocalAnswer::Progress { text } => Ok(Borrowed { what: text, _line: stream }),
        LocalAnswer::Done { .. } => Err(io::Error::other("the running weir keeps nothing: is it another version?")),
        LocalAnswer::Error { message } => Err(io::Error::other(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_hears_progress_and_the_result_and_a_stale_socket_is_replaced() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(socket_path(data.path()), "left behind").unwrap();
        let tasks = Tasks::new();
        listen(data.path(), &tasks, |request, answers, _| async move {
            let answer = match request {
                LocalRequest::AdvisoryStatus => LocalAnswer::Done { result: serde_json::json!(7) },
                LocalRequest::ImportAdvisories { source } => LocalAnswer::Error { message: source },
                _ => LocalAnswer::Error { message: "not asked".into() },
            };
            answers.send(LocalAnswer::Progress { text: "half".into() }).await.unwrap();
            answers.send(answer).await.unwrap();
        })
        .unwrap();
        let mut heard = Vec::new();
        let result = ask(data.path(), &LocalRequest::AdvisoryStatus, |text| heard.push(text.to_owned())).await.unwrap();
        assert_eq!((result, heard), (serde_json::json!(7), vec!["half".to_owned()]));
        let failed = ask(data.path(), &LocalRequest::ImportAdvisories { source: "x".into() }, |_| {}).await;
        assert_eq!(failed.unwrap_err().to_string(), "x");
        tasks.cancel();
        tasks.wait(std::time::Duration::from_secs(5)).await.unwrap();
        assert_eq!(
            ask(data.path(), &LocalRequest::AdvisoryStatus, |_| {}).await.unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
