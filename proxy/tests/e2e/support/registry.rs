//! A real registry: docker-registry, in the place of docker.io.

use std::path::Path;
use std::process::Command;

use super::{Daemon, free_port, get, run, tool};

/// docker-registry on a loopback port, storing below the test's directory.
pub(crate) struct Registry {
    port: u16,
    daemon: Daemon,
}

impl Registry {
    /// Starts an empty one.
    pub(crate) fn start(directory: &Path) -> Self {
        let port = free_port();
        let config = directory.join("registry.yml");
        let root = directory.join("registry").display().to_string();
        let text = format!(
            "version: 0.1\nlog: {{level: warn, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: \"{root}\"}}}}\nhttp: {{addr: \"127.0.0.1:{port}\"}}\n"
        );
        std::fs::write(&config, text).unwrap();
        let mut daemon = Daemon::start("registry", directory, &tool("docker-registry"), |command| {
            command.arg("serve").arg(&config);
        });
        let address = ([127, 0, 0, 1], port).into();
        daemon.wait_until("the registry answers", 20, |_| {
            get(address, "/v2/").ok().filter(|answer| answer.status == 200)
        });
        Self { port, daemon }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Puts an image of an OCI layout, such as `/image/oci:1`, under `name`, byte for byte.
    pub(crate) fn push(&self, layout: &str, name: &str) {
        let to = format!("docker://127.0.0.1:{}/{name}", self.port);
        let mut copy = Command::new(tool("skopeo"));
        copy.args(["--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests", "--dest-tls-verify=false"]);
        run(copy.arg(format!("oci:{layout}")).arg(to));
    }

    /// Ends it: from now on nothing listens on its port.
    pub(crate) fn stop(mut self) {
        self.daemon.kill();
    }
}
