//! The programs the console is tested by: Playwright with the distribution's Chromium, and a real OpenID Connect provider.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Daemon, checkout, free_port, run, tool};

/// The name the provider knows weir by.
pub(super) const CLIENT: &str = "weir";

/// How often a world that stays is asked whether it still has to.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Where the tests are, with what they run with beside them.
fn suite() -> PathBuf {
    run(&mut Command::new(checkout().join("deploy/lib/browser.sh")));
    checkout().join("deploy/console")
}

/// An OpenID Connect provider. Dropping it ends it.
pub(super) struct Provider {
    pub(super) issuer: String,
    /// The file with the secret that weir and it share.
    pub(super) secret: PathBuf,
    _daemon: Daemon,
}

impl Provider {
    /// Starts one that sends whoever signed in to `report` back there.
    pub(super) fn start(directory: &Path, report: &str) -> Self {
        let (port, secret) = (free_port(), directory.join("client.secret"));
        std::fs::write(&secret, "a secret of this test alone").unwrap();
        let script = suite().join("oidc/provider.js");
        let mut daemon = Daemon::start("provider", directory, &tool("node"), |command| {
            command
                .arg(script)
                .arg(port.to_string())
                .arg(CLIENT)
                .arg(&secret)
                .arg(format!("{report}/sign-in/oidc/callback"));
        });
        daemon.wait_until("the provider answers", 30, |daemon| daemon.log().contains("provider answers").then_some(()));
        Self { issuer: format!("http://127.0.0.1:{port}"), secret, _daemon: daemon }
    }
}

/// Runs every test of the suite with these facts; panics with its output when one fails. `WEIR_SCREENSHOTS` names the directory
/// that pictures of the screens go to, else they go with the test's. Where `WEIR_FACTS` names a file, the facts are written there
/// instead, and the world stays for whoever writes tests until that file is gone.
pub(super) fn browse(directory: &Path, facts: &Value) {
    let (suite, file) = (suite(), directory.join("facts.json"));
    let kept = std::env::var_os("WEIR_FACTS").map(PathBuf::from);
    std::fs::write(kept.as_ref().unwrap_or(&file), facts.to_string()).unwrap();
    if let Some(kept) = kept {
        while kept.is_file() {
            std::thread::sleep(LOOK_AGAIN);
        }
        return;
    }
    let pictures = std::env::var_os("WEIR_SCREENSHOTS").map_or_else(|| directory.join("screens"), PathBuf::from);
    let mut playwright = Command::new(tool("node"));
    playwright.arg(suite.join("node_modules/@playwright/test/cli.js")).arg("test").current_dir(&suite);
    playwright.env("WEIR_FACTS", &file).env("WEIR_SCREENSHOTS", pictures).env("WEIR_OUTPUT", directory.join("output"));
    playwright.env("WEIR_CHROMIUM", tool("chromium"));
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        playwright.env_remove(name);
    }
    println!("{}", run(&mut playwright));
}
