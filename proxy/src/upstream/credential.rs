//! Weir's own credentials for an upstream: a user with a password file, or a command that prints both with a lifetime.

use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::clock::Clock;

/// Most bytes a command may print, and most bytes of a password file.
const MAX_BYTES: u64 = 64 * 1024;
/// Most characters of a command's standard error that an error repeats.
const MAX_STDERR: usize = 500;
/// How long credentials count that came without a lifetime.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);

/// Why weir's own credentials cannot be had. Never holds what a command printed on its standard output.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The password's file cannot be read.
    #[error("cannot read password_file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The command cannot be started or read.
    #[error("cannot run credential_command {program}")]
    Run {
        /// The program.
        program: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The command did not end in time and was killed.
    #[error("credential_command {program} took over {limit:?}")]
    Slow {
        /// The program.
        program: String,
        /// The limit.
        limit: Duration,
    },
    /// The command failed.
    #[error("credential_command {program} failed ({status}): {stderr}")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The start of its standard error.
        stderr: String,
    },
    /// The command printed something that is not credentials.
    #[error("credential_command {program} printed no credentials: {what}")]
    Output {
        /// The program.
        program: String,
        /// What is missing.
        what: &'static str,
    },
}

/// A user and password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    username: String,
    password: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credential").field("username", &self.username).field("password", &"***").finish()
    }
}

impl Credential {
    /// As the value of `Authorization`, marked so that it is neither logged nor indexed.
    pub(crate) fn basic(&self) -> HeaderValue {
        let encoded = format!("Basic {}", STANDARD.encode(format!("{}:{}", self.username, self.password)));
        let mut value = HeaderValue::try_from(encoded).expect("base64 is made of visible characters");
        value.set_sensitive(true);
        value
    }
}

/// Where credentials come from.
pub(crate) struct CredentialSource {
    kind: Kind,
    /// The upstream's host and port, told to the command on its standard input as Docker's credential helpers expect.
    host: String,
    timeout: Duration,
    clock: Clock,
    held: Mutex<Option<Held>>,
}

enum Kind {
    None,
    File { username: String, path: Option<PathBuf> },
    Command(Vec<String>),
}

struct Held {
    credential: Credential,
    renew_at: Instant,
}

/// What a command prints: our own form, or that of Docker's credential helpers.
#[derive(Deserialize)]
struct Printed {
    #[serde(alias = "Username")]
    username: Option<String>,
    #[serde(alias = "Secret")]
    password: Option<String>,
    expires_in: Option<u64>,
    expires_at: Option<String>,
}

impl CredentialSource {
    pub(crate) fn new(
        username: Option<String>,
        path: Option<PathBuf>,
        command: Vec<String>,
        host: String,
        timeout: Duration,
        clock: Clock,
    ) -> Self {
        let kind = match (command.is_empty(), username) {
            (false, _) => Kind::Command(command),
            (true, Some(username)) => Kind::File { username, path },
            (true, None) => Kind::None,
        };
        Self { kind, host, timeout, clock, held: Mutex::default() }
    }

    /// The credentials of this moment, or `None` where none are configured. Files are read at each call, which happens once
    /// a token; a command's answer is held until shortly before it expires.
    pub(crate) async fn current(&self) -> Result<Option<Credential>, CredentialError> {
        match &self.kind {
            Kind::None => Ok(None),
            Kind::File { username, path: None } => {
                Ok(Some(Credential { username: username.clone(), password: String::new() }))
            }
            Kind::File { username, path: Some(path) } => {
                let password =
                    read_password(path).await.map_err(|cause| CredentialError::File { path: path.clone(), cause })?;
                Ok(Some(Credential { username: username.clone(), password }))
            }
            Kind::Command(command) => self.by_command(command).await.map(Some),
        }
    }

    /// Forgets what a command printed, because the upstream did not take it.
    pub(crate) async fn refused(&self) {
        *self.held.lock().await = None;
    }

    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.clock.now()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    async fn by_command(&self, command: &[String]) -> Result<Credential, CredentialError> {
        // Held over the run: who comes meanwhile waits for its answer rather than running it again.
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|held| Instant::now() < held.renew_at) {
            return Ok(held.credential.clone());
        }
        let program = command.first().map_or("", String::as_str);
        let printed = tokio::time::timeout(self.timeout, run(command, &self.host))
            .await
            .map_err(|_| CredentialError::Slow { program: program.to_owned(), limit: self.timeout })??;
        let (credential, lifetime) = parse(&printed, self.now())
            .map_err(|what| CredentialError::Output { program: program.to_owned(), what })?;
        let margin = (lifetime / 5).min(Duration::from_secs(60));
        *held = Some(Held { credential: credential.clone(), renew_at: Instant::now() + (lifetime - margin) });
        Ok(credential)
    }
}

async fn read_password(path: &std::path::Path) -> std::io::Result<String> {
    let mut text = String::new();
    tokio::fs::File::open(path).await?.take(MAX_BYTES).read_to_string(&mut text).await?;
    // Editors and `echo` end files with a line feed; passwords do not.
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

async fn run(command: &[String], host: &str) -> Result<Vec<u8>, CredentialError> {
    let (program, arguments) =
        command.split_first().expect("a command source is built from a command that is not empty");
    let failed = |cause| CredentialError::Run { program: program.clone(), cause };
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        // A command that does not read its input closes it; that is its right.
        let _: std::io::Result<()> = input.write_all(host.as_bytes()).await;
    }
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let stdout = child.stdout.take().expect("piped above").take(MAX_BYTES);
    let stderr = child.stderr.take().expect("piped above").take(MAX_BYTES);
    let (mut stdout, mut stderr) = (stdout, stderr);
    tokio::try_join!(stdout.read_to_end(&mut output), stderr.read_to_end(&mut errors)).map_err(failed)?;
    // Closed before the wait, so that a command that prints on and on ends by itself.
    drop((stdout, stderr));
    let status = child.wait().await.map_err(failed)?;
    if status.success() {
        return Ok(output);
    }
    let stderr = String::from_utf8_lossy(&errors)
        .trim()
        .chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .take(MAX_STDERR)
        .collect();
    Err(CredentialError::Failed { program: program.clone(), status, stderr })
}

fn parse(printed: &[u8], now: OffsetDateTime) -> Result<(Credential, Duration), &'static str> {
    let printed: Printed =
        serde_json::from_slice(printed).map_err(|_| "not a JSON object with username and password")?;
    let username = printed.username.filter(|name| !name.is_empty()).ok_or("no username")?;
    let password = printed.password.filter(|password| !password.is_empty()).ok_or("no password")?;
    let lifetime = match (printed.expires_in, printed.expires_at) {
        (Some(seconds), _) => Duration::from_secs(seconds.min(366 * 86_400)),
        (None, Some(at)) => {
            let at = OffsetDateTime::parse(&at, &Rfc3339).map_err(|_| "expires_at is not an RFC 3339 time")?;
            Duration::try_from(at - now).map_err(|_| "expires_at has passed")?
        }
        (None, None) => DEFAULT_LIFETIME,
    };
    Ok((Credential { username, password }, lifetime))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn command(script: &str, timeout: Duration) -> CredentialSource {
        let command = ["sh", "-c", script].map(str::to_owned).to_vec();
        CredentialSource::new(None, None, command, "r.example:443".to_owned(), timeout, Clock::set(1_795_410_000))
    }

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_command_runs_once_while_its_answer_lasts() {
        let directory = tempfile::tempdir().unwrap();
        let count = directory.path().join("count");
        let script = |lifetime: &str| {
            format!(
                r#"echo x >> {}; read -r host; echo '{{"username":"u","password":"'$host'"{lifetime}}}'"#,
                count.display()
            )
        };
        let runs = || std::fs::read_to_string(&count).unwrap_or_default().lines().count();

        let source = command(&script(r#","expires_in":3600"#), LONG);
        let first = source.current().await.unwrap().unwrap();
        assert_eq!(first, Credential { username: "u".to_owned(), password: "r.example:443".to_owned() });
        source.current().await.unwrap();
        assert_eq!(runs(), 1);
        source.refused().await;
        source.current().await.unwrap();
        assert_eq!(runs(), 2);

        let expired = command(&script(r#","expires_in":0"#), LONG);
        expired.current().await.unwrap();
        expired.current().await.unwrap();
        assert_eq!(runs(), 4);
    }

    #[tokio::test]
    async fn a_failing_command_shows_its_errors_but_not_its_output() {
        let error = command("echo secret; echo reason >&2; exit 3", LONG).current().await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(
            matches!(error, CredentialError::Failed { .. }) && shown.contains("reason") && !shown.contains("secret"),
            "{shown}"
        );
        let error = command("echo secret", LONG).current().await.unwrap_err();
        assert!(matches!(error, CredentialError::Output { .. }) && !format!("{error:?}").contains("secret"));
        let error = command("exec tail -f /dev/null", Duration::from_millis(20)).current().await.unwrap_err();
        assert!(matches!(error, CredentialError::Slow { .. }));
        let missing =
            CredentialSource::new(None, None, vec!["/does/not/exist".to_owned()], String::new(), LONG, Clock::system());
        assert!(matches!(missing.current().await, Err(CredentialError::Run { .. })));
    }

    #[test]
    fn both_forms_and_both_lifetimes_are_read() {
        let now = time::macros::datetime!(2026-11-23 05:00 UTC);
        let lifetime = |text: &str| parse(text.as_bytes(), now).map(|(_, lifetime)| lifetime);
        assert_eq!(lifetime(r#"{"ServerURL":"x","Username":"AWS","Secret":"s"}"#), Ok(DEFAULT_LIFETIME));
        assert_eq!(
            lifetime(r#"{"username":"a","password":"b","expires_at":"2026-11-23T06:00:00Z"}"#),
            Ok(Duration::from_secs(3600))
        );
        assert!(lifetime(r#"{"username":"a","password":"b","expires_at":"2026-11-23T04:00:00Z"}"#).is_err());
        assert!(lifetime(r#"{"username":"a"}"#).is_err());
    }

    #[tokio::test]
    async fn a_password_file_is_read_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        let source = CredentialSource::new(
            Some("u".to_owned()),
            Some(path.clone()),
            Vec::new(),
            String::new(),
            LONG,
            Clock::system(),
        );
        assert!(matches!(source.current().await, Err(CredentialError::File { .. })));
        for password in ["one", "two"] {
            std::fs::write(&path, format!("{password}\n")).unwrap();
            assert_eq!(source.current().await.unwrap().unwrap().password, password);
        }
        assert!(!format!("{:?}", source.current().await.unwrap()).contains("two"));
    }
}
