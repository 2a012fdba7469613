//! A real Prometheus that scrapes weir, and whose own API is asked what it saw.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use super::{Daemon, free_port, get, tool};

/// Prometheus with one target, which it scrapes every second.
pub(crate) struct Prometheus {
    address: SocketAddr,
    daemon: Daemon,
}

impl Prometheus {
    /// Starts one that has seen nothing yet.
    pub(crate) fn start(directory: &Path, target: SocketAddr) -> Self {
        Self::launch(directory, target, "")
    }

    /// The same with a file of rules, which it evaluates every second.
    pub(crate) fn start_with_rules(directory: &Path, target: SocketAddr, rules: &Path) -> Self {
        Self::launch(directory, target, &format!("rule_files: [\"{}\"]\n", rules.display()))
    }

    fn launch(directory: &Path, target: SocketAddr, more: &str) -> Self {
        let address: SocketAddr = ([127, 0, 0, 1], free_port()).into();
        let config = directory.join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nscrape_configs:\n  - job_name: weir\n    \
             static_configs: [{{targets: [\"{target}\"]}}]\n{more}"
        );
        std::fs::write(&config, text).unwrap();
        let mut daemon = Daemon::start("prometheus", directory, &tool("prometheus"), |command| {
            command.arg(format!("--config.file={}", config.display()));
            command.arg(format!("--storage.tsdb.path={}", directory.join("prometheus").display()));
            command.arg(format!("--web.listen-address={address}")).arg("--log.level=warn");
        });
        daemon.wait_until("Prometheus is ready", 30, |_| get(address, "/-/ready").ok().filter(|got| got.status == 200));
        Self { address, daemon }
    }

    /// The value of a query with one sample; `None` without one.
    pub(crate) fn value(&self, query: &str) -> Option<f64> {
        value(self.address, query)
    }

    /// The samples of an expression; an error where it is none.
    pub(crate) fn samples(&self, query: &str) -> Vec<Value> {
        let encoded: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let answer = get(self.address, &format!("/api/v1/query?query={encoded}")).unwrap();
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        answer.json()["data"]["result"].as_array().unwrap().clone()
    }

    /// What it knows of its rules, in their order: expression, annotations, how the last evaluation went.
    pub(crate) fn rules(&self) -> Vec<Value> {
        let groups: Value = get(self.address, "/api/v1/rules").unwrap().json();
        let groups = groups["data"]["groups"].as_array().unwrap().clone();
        groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
    }

    /// Waits until a scrape has brought this value.
    #[track_caller]
    pub(crate) fn expect(&mut self, query: &str, expected: f64) {
        let address = self.address;
        let what = format!("{query} = {expected}");
        // Values far below 2^53 are exact.
        self.daemon.wait_until(&what, 20, |_| value(address, query).filter(|value| *value == expected));
    }
}

fn value(address: SocketAddr, query: &str) -> Option<f64> {
    let encoded: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let answer = get(address, &format!("/api/v1/query?query={encoded}")).ok()?;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    let answer: Value = answer.json();
    answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
}
