//! `weir node run`: repairs, reports, and leaves nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use super::runtime::{Runtime, base};
use super::{REGISTRY, Site, tree, write};
use crate::support::{Daemon, Weir, configure, eventually, machine};

/// How long a report may be awaited.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the server was sent: the request's first line, its authorization, its body.
type Report = (String, String, Value);

#[test]
fn a_node_is_repaired_reported_and_left_as_it_was() {
    let _machine = machine();
    let site = Site::start();
    let config = format!("{}[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"CERTS\"\n", base(2));
    let runtime = Runtime::start(&site.place("node"), &config);
    let token = site.place("token");
    std::fs::write(&token, "weir_id_secret\n").unwrap();
    let (server, reports) = server();
    let others = runtime.certs().join("own.example/hosts.toml");
    write(&others, "[host.\"http://127.0.0.1:3\"]\n");
    let before = tree(&runtime.certs());
    let mut node = Daemon::start("node", site.directory.path(), Weir::binary(), |command| {
        configure(command, &super::settings(&site.url));
        command.args(["node", "run", "--mirror", &site.weir.url(), "--node", "worker-1", "--interval", "1s"]);
        command.args(["--remove-on-exit", "--report", &server, "--cluster", "east", "--token-file"]).arg(&token);
        command.arg("--containerd-config").arg(runtime.config()).arg("--containerd-socket").arg(runtime.socket());
    });
    // The server answers the first with 503: that stops nothing.
    for _ in 0..2 {
        let (line, authorization, body) = until(&reports, &node, |body| body["through_weir"] == true);
        assert_eq!(line, "POST /api/v1/agents/east/nodes/worker-1 HTTP/1.1");
        assert_eq!(authorization, "Bearer weir_id_secret");
        assert_eq!(body["runtime"], "containerd");
        assert!(body["version"].as_str().unwrap().starts_with("1.6."), "{body}");
        assert_eq!(body["config_path"], runtime.certs().to_str().unwrap());
        assert_eq!(body["findings"], Value::Array(Vec::new()), "{body}");
    }
    runtime.pull(&site.hold("1")).unwrap();
    site.weir.until("pulls?node=worker-1", 20, |pulls| (!pulls.is_empty()).then_some(()));

    let file = runtime.certs().join(REGISTRY).join("hosts.toml");
    let text = std::fs::read(&file).unwrap();
    std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
    eventually("the deleted file is back", 30, || (std::fs::read(&file).ok()? == text).then_some(()));

    // What somebody changed is told, and left as it is.
    replace(&file, b"server = \"http://127.0.0.1:4\"\n");
    let (_, _, body) = until(&reports, &node, |body| body["through_weir"] == false);
    let codes: Vec<&str> =
        body["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["server_only", "file_changed"], "{body:#}");
    assert_eq!(body["findings"][0]["level"], "error");
    assert!(body["findings"][0]["detail"].as_str().unwrap().contains(file.to_str().unwrap()), "{body:#}");
    replace(&file, &text);
    until(&reports, &node, |body| body["through_weir"] == true);

    node.terminate();
    assert!(node.wait(Duration::from_secs(20)).success(), "{}", node.log());
    assert_eq!(tree(&runtime.certs()), before, "{}", node.log());
    for line in
        ["wrote ", "the report was not told of this node", "this node pulls through weir", "no longer server_only"]
    {
        assert!(node.log().contains(line), "{line}: {}", node.log());
    }
}

#[test]
fn arguments_that_cannot_work_end_it_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "t").unwrap();
    let token = token.to_str().unwrap();
    let report = ["--report", "http://127.0.0.1:9", "--cluster", "east", "--token-file", token];
    for (arguments, word) in [
        (vec!["--mirror", "ftp://x"], "--mirror"),
        (vec!["--mirror", "http://x/y"], "--mirror"),
        (vec!["--mirror", "http://x", "--interval", "1ms"], "--interval"),
        (vec!["--mirror", "http://x", "--except", "quay.oi"], "--except quay.oi"),
        (vec!["--mirror", "http://x", "--ca", "/nowhere.pem"], "--ca /nowhere.pem"),
        (vec!["--mirror", "http://x", "--report", "http://127.0.0.1:9"], "--cluster"),
        ([&["--mirror", "http://x", "--node", "a/b"][..], &report].concat(), "--node"),
        (
            [&["--mirror", "http://x", "--node", "a"][..], &report[2..], &["--report", "http://h"]].concat(),
            "in the clear",
        ),
    ] {
        let output =
            Weir::command(&[]).args(["node", "run", "--host-root"]).arg(directory.path()).args(&arguments).output();
        let output = output.unwrap();
        let text = super::said(&output);
        assert!(!output.status.success() && text.contains(word), "{arguments:?}: {text}");
    }
}

/// Replaces a file at once: a check meanwhile sees the one or the other, and no empty file.
fn replace(file: &Path, bytes: &[u8]) {
    let beside = file.with_extension("beside");
    std::fs::write(&beside, bytes).unwrap();
    std::fs::rename(&beside, file).unwrap();
}

/// The next report for which `is` holds.
#[track_caller]
fn until(reports: &Receiver<Report>, node: &Daemon, is: impl Fn(&Value) -> bool) -> Report {
    loop {
        let report = reports.recv_timeout(PATIENCE);
        let report = report.unwrap_or_else(|error| panic!("no such report: {error}\n{}", node.log()));
        if is(&report.2) {
            return report;
        }
    }
}

/// A server that takes reports: the first is answered with 503, the others with 204. Ends with its last connection.
fn server() -> (String, Receiver<Report>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, reports) = channel();
    std::thread::spawn(move || {
        let mut answers = ["503 Later"].into_iter();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut first = String::new();
            reader.read_line(&mut first).unwrap();
            let (mut authorization, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let Some((name, value)) = line.trim().split_once(": ") else { break };
                match name.to_ascii_lowercase().as_str() {
                    "authorization" => authorization = value.to_owned(),
                    "content-length" => length = value.parse().unwrap(),
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let status = answers.next().unwrap_or("204 Taken");
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            let report = (first.trim().to_owned(), authorization, serde_json::from_slice(&body).unwrap());
            if sender.send(report).is_err() {
                return;
            }
        }
    });
    (url, reports)
}
