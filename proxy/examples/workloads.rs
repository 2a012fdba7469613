//! Measures weir over a large cluster: `workloads WEIR DATA [PODS] [EVENTS]`.
//!
//! Takes the binary, a data directory that `fleet` left (its images are those that run), how many pods (50,000) and how many of their
//! events a second (500). Serves the cluster's API itself, on a loopback port: pods of 13 KB in 100 namespaces, 20 of them a
//! deployment, lists as streams. Starts weir twice over the data: without the cluster, for what it takes idle, and with it. Prints one
//! figure a line: from the start to a report that has every running image judged, memory, processor time under churn, how long after
//! its event a pod is in the report, and what a scrape takes.
#![allow(clippy::unwrap_used, reason = "a program for measuring: whatever fails ends it")]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use weir_proxy::app::open_index;
use weir_scanner::oci::{Digest, MediaType, Repository};
use weir_storage::index::{ChildKind, ChildLink, ManifestPut};

const PER_DEPLOYMENT: usize = 20;
const NAMESPACES: usize = 100;
const NODES: usize = 500;
/// How long the churn is watched.
const CHURN: Duration = Duration::from_secs(30);
const TICKS_PER_SECOND: f64 = 100.0;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [weir, data, ..] = &arguments[..] else { panic!("workloads WEIR DATA [PODS] [EVENTS]") };
    let number = |at: usize, usual| arguments.get(at).map_or(usual, |text| text.parse().unwrap());
    let (pods, events): (usize, usize) = (number(2, 50_000), number(3, 500));
    let data = Path::new(data);
    let images = name_images(data);
    print("images", images.len() as f64, "");
    print("pods", pods as f64, "");

    let idle = Weir::start(weir, data, None);
    idle.until("weir is ready", || get(idle.report, "/readyz"));
    // What `fleet` left to match is matched first; then weir is started again, to be measured at rest.
    idle.settle();
    drop(idle);
    let idle = Weir::start(weir, data, None);
    idle.until("weir is ready", || get(idle.report, "/readyz"));
    idle.settle();
    let at_rest = idle.memory("VmRSS");
    print("memory idle", at_rest, "MB");
    drop(idle);

    let cluster = Arc::new(Cluster::new(pods, images.iter().map(ToString::to_string).collect()));
    let kubeconfig = data.join("kubeconfig.json");
    std::fs::write(&kubeconfig, cluster.kubeconfig()).unwrap();
    Cluster::serve(&cluster);
    let began = Instant::now();
    let running = Weir::start(weir, data, Some(&kubeconfig));
    let used = images.len().min(pods) as f64;
    running.until("every image is judged", || {
        let page = get(running.report, "/metrics")?;
        let complete = value(&page, "weir_running_images{cluster=\"default\",scan_status=\"complete\"}");
        let found = sum(&page, "weir_running_findings{");
        (complete >= used && found > 0.0).then_some(())
    });
    print("from the start to a whole report", began.elapsed().as_secs_f64(), "s (goal 20)");
    print("memory at its peak, above idle", running.memory("VmHWM") - at_rest, "MB (goal 120)");
    thread::sleep(Duration::from_secs(3));
    print("memory after, above idle", running.memory("VmRSS") - at_rest, "MB");

    scrape(&running);
    let (before, began) = (running.cpu_seconds(), Instant::now());
    let mut lags = cluster.churn(events, CHURN, running.report);
    let share = (running.cpu_seconds() - before) / began.elapsed().as_secs_f64();
    print("processor under churn", share * 100.0, "% of one core (goal 25)");
    lags.sort_by(f64::total_cmp);
    print("report behind its event, median", lags[lags.len() / 2], "s");
    print("report behind its event, at most", lags[lags.len() - 1], "s (goal 1)");
    print("memory after churn, above idle", running.memory("VmRSS") - at_rest, "MB");
    scrape(&running);
}

fn scrape(weir: &Weir) {
    let mut times: Vec<f64> = (0..20)
        .map(|_| {
            let began = Instant::now();
            get(weir.report, "/metrics").unwrap();
            began.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let page = get(weir.report, "/metrics").unwrap();
    let series = page.lines().filter(|line| !line.starts_with('#')).count();
    print("a scrape, median", times[10], "ms (goal 20)");
    print("a scrape, at most", times[19], "ms");
    print("series", series as f64, "(goal 5,000)");
}

fn print(what: &str, figure: f64, unit: &str) {
    println!("{what}: {figure:.2} {unit}");
}

/// The images of the data directory, each with a manifest to be known by, as one that was pulled has.
fn name_images(data: &Path) -> Vec<Digest> {
    let index = open_index(data).unwrap();
    let (mut digests, mut after) = (Vec::new(), None);
    loop {
        let page = index.images().list(after.as_ref(), 1000).unwrap();
        digests.extend(page.images.into_iter().map(|(digest, record)| (digest, record.config)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    for (digest, config) in &digests {
        let child = ChildLink {
            digest: *config,
            kind: ChildKind::Config,
            platform: None,
            size: 1,
            media_type: MediaType::new("application/vnd.oci.image.config.v1+json"),
        };
        let put = ManifestPut {
            upstream: "docker.io".into(),
            repository: Repository::parse("fleet/app").unwrap(),
            digest: *digest,
            media_type: MediaType::new(MediaType::OCI_MANIFEST),
            bytes: b"{}".to_vec(),
            tag: None,
            children: vec![child],
            link_children: false,
            now: 1,
        };
        index.manifests().put(put).unwrap();
    }
    digests.into_iter().map(|(digest, _)| digest).collect()
}

/// weir, running.
struct Weir {
    child: Child,
    report: SocketAddr,
}

impl Weir {
    fn start(binary: &str, data: &Path, kubeconfig: Option<&Path>) -> Self {
        let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (mirror, report) = (port(), port());
        let feeds = data.join("no-feeds");
        std::fs::create_dir_all(&feeds).unwrap();
        let mut command = Command::new(binary);
        command.arg("serve").arg("--data").arg(data);
        command.env("WEIR_LISTEN__MIRROR", mirror.to_string()).env("WEIR_LISTEN__REPORT", report.to_string());
        command.env("WEIR_ADVISORY__SOURCE", feeds).env("WEIR_LOG__LEVEL", "error");
        command.env("WEIR_CLUSTER__KUBERNETES", kubeconfig.map_or("off".as_ref(), Path::as_os_str));
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        Self { child, report }
    }

    fn until<T>(&self, what: &str, check: impl Fn() -> Option<T>) -> T {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(180) {
            if let Some(answer) = check() {
                return answer;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{what}: not within three minutes");
    }

    /// A line of the process's status, in megabytes.
    fn memory(&self, line: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let found = status.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':')).unwrap();
        found.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1000.0
    }

    /// Waits until it has had next to nothing to do for three seconds.
    fn settle(&self) {
        for _ in 0..100 {
            let before = self.cpu_seconds();
            thread::sleep(Duration::from_secs(3));
            if self.cpu_seconds() - before < 0.1 {
                return;
            }
        }
        panic!("weir does not come to rest");
    }

    fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS_PER_SECOND
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The body of an answer with status 200.
fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}

fn value(page: &str, series: &str) -> f64 {
    page.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok()).unwrap_or_default()
}

fn sum(page: &str, prefix: &str) -> f64 {
    let lines = page.lines().filter(|line| line.starts_with(prefix));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

/// The cluster and its API.
struct Cluster {
    images: Vec<String>,
    /// Which generation of each pod there is; its name says so.
    pods: Mutex<Vec<usize>>,
    listener: TcpListener,
    /// Open watches of pods.
    watches: Mutex<Vec<mpsc::Sender<String>>>,
    managed_fields: String,
    version: AtomicU64,
}

impl Cluster {
    fn new(pods: usize, images: Vec<String>) -> Self {
        let field = r#"{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{".":{},"f:image":{}}}}}"#;
        let entries: Vec<String> = (0..60)
            .map(|number| {
                format!(
                    r#"{{"manager":"controller-{number}","operation":"Update","apiVersion":"v1","fieldsV1":{field}}}"#
                )
            })
            .collect();
        Self {
            images,
            pods: Mutex::new(vec![0; pods]),
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
            watches: Mutex::default(),
            managed_fields: entries.join(","),
            version: AtomicU64::new(1),
        }
    }

    fn kubeconfig(&self) -> String {
        let server = self.listener.local_addr().unwrap();
        format!(
            r#"{{"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[{{"name":"c","context":{{"cluster":"c","user":"u"}}}}],
               "clusters":[{{"name":"c","cluster":{{"server":"http://{server}"}}}}],"users":[{{"name":"u","user":{{"token":"t"}}}}]}}"#
        )
    }

    fn serve(this: &Arc<Self>) {
        let cluster = Arc::clone(this);
        thread::spawn(move || {
            for stream in cluster.listener.incoming() {
                let cluster = Arc::clone(&cluster);
                // One that leaves in the midst of an answer is not missed.
                thread::spawn(move || cluster.converse(stream.unwrap()).unwrap_or_default());
            }
        });
    }

    fn converse(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut out = std::io::BufWriter::with_capacity(1 << 16, stream);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            while reader.read_line(&mut line)? > 2 {}
            if path.starts_with("/version") {
                let body = r#"{"major":"1","minor":"31","gitVersion":"v1.31.0"}"#;
                write!(
                    out,
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )?;
                out.flush()?;
                continue;
            }
            write!(out, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n")?;
            return self.watch(&path, &mut out);
        }
    }

    /// The list of a kind as the first events of a watch, and for pods what happens after.
    fn watch(&self, path: &str, out: &mut impl Write) -> std::io::Result<()> {
        let kind = path.split('?').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        let (sender, happens) = mpsc::channel();
        let pods = {
            let pods = self.pods.lock().unwrap();
            if kind == "pods" {
                self.watches.lock().unwrap().push(sender.clone());
            }
            pods.clone()
        };
        let deployments = pods.len().div_ceil(PER_DEPLOYMENT);
        let mut added = |object: &str| writeln!(out, r#"{{"type":"ADDED","object":{object}}}"#);
        match kind {
            "pods" => {
                for (number, generation) in pods.iter().enumerate() {
                    added(&self.pod(number, *generation))?;
                }
            }
            "nodes" => (0..NODES).try_for_each(|number| added(&node(number)))?,
            "replicasets" => (0..deployments).try_for_each(|number| added(&owner("ReplicaSet", number)))?,
            "deployments" => (0..deployments).try_for_each(|number| added(&owner("Deployment", number)))?,
            _ => {}
        }
        writeln!(
            out,
            r#"{{"type":"BOOKMARK","object":{{"metadata":{{"resourceVersion":"1","annotations":{{"k8s.io/initial-events-end":"true"}}}}}}}}"#
        )?;
        out.flush()?;
        // Kinds in which nothing happens wait here for ever: their sender is held.
        for event in &happens {
            out.write_all(event.as_bytes())?;
            out.flush()?;
        }
        drop(sender);
        Ok(())
    }

    /// Replaces pods by others of their deployments at a rate for a while, and adds a pod to be found in the report every second.
    /// Answers with how long each took to be found, in seconds.
    fn churn(&self, events: usize, time: Duration, report: SocketAddr) -> Vec<f64> {
        let began = Instant::now();
        let (mut sent, mut lags, mut probes): (usize, Vec<f64>, Option<(usize, Instant)>) = (0, Vec::new(), None);
        let mut next_probe = Instant::now();
        let mut random = fastrand::Rng::with_seed(1);
        while began.elapsed() < time || probes.is_some() {
            let due = (began.elapsed().min(time).as_secs_f64() * events as f64) as usize;
            while sent < due {
                let mut pods = self.pods.lock().unwrap();
                let number = random.usize(..pods.len());
                let gone = self.pod(number, pods[number]);
                pods[number] += 1;
                let come = self.pod(number, pods[number]);
                self.send(&format!(
                    "{{\"type\":\"DELETED\",\"object\":{gone}}}\n{{\"type\":\"ADDED\",\"object\":{come}}}\n"
                ));
                sent += 2;
            }
            match probes {
                Some((count, at)) => {
                    let page = get(report, "/api/v1/resources?namespace=probe").unwrap();
                    if page.contains(&format!("\"pods\":{count},")) {
                        lags.push(at.elapsed().as_secs_f64());
                        probes = None;
                        next_probe = Instant::now() + Duration::from_millis(700);
                    }
                    assert!(at.elapsed() < Duration::from_secs(30), "the probe is not found: {page}");
                }
                None if Instant::now() >= next_probe => {
                    let count = lags.len() + 1;
                    let pod = self.object("probe", &format!("probe-{count}"), "probe", count, 0);
                    self.send(&format!("{{\"type\":\"ADDED\",\"object\":{pod}}}\n"));
                    probes = Some((count, Instant::now()));
                }
                None => {}
            }
            thread::sleep(Duration::from_millis(10));
        }
        lags
    }

    fn send(&self, event: &str) {
        self.version.fetch_add(1, Ordering::Relaxed);
        self.watches.lock().unwrap().retain(|watch| watch.send(event.to_owned()).is_ok());
    }

    fn pod(&self, number: usize, generation: usize) -> String {
        let deployment = number / PER_DEPLOYMENT;
        let namespace = format!("team-{}", deployment % NAMESPACES);
        self.object(
            &namespace,
            &format!("app-{deployment}-rs-{number}-{generation}"),
            &deployment.to_string(),
            number,
            generation,
        )
    }

    fn object(&self, namespace: &str, name: &str, owner: &str, number: usize, generation: usize) -> String {
        let deployment = number / PER_DEPLOYMENT;
        let image = &self.images[deployment % self.images.len()];
        let mesh = &self.images[deployment % 10 % self.images.len()];
        let managed = &self.managed_fields;
        let status = |name: &str, image: &str| {
            format!(
                r#"{{"name":"{name}","ready":true,"restartCount":{generation},"image":"docker.io/fleet/app:1","imageID":"docker.io/fleet/app@{image}","state":{{"running":{{"startedAt":"2026-01-01T00:00:00Z"}}}}}}"#
            )
        };
        format!(
            r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{name}","namespace":"{namespace}","uid":"{name}-uid","resourceVersion":"{version}","creationTimestamp":"2026-01-01T00:00:00Z","labels":{{"app":"app-{owner}","tier":"front","pod-template-hash":"rs"}},"annotations":{{"checksum/config":"0123456789abcdef0123456789abcdef"}},"ownerReferences":[{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"app-{owner}-rs","uid":"rs-{owner}","controller":true}}],"managedFields":[{managed}]}},"spec":{{"nodeName":"node-{node}","containers":[{{"name":"app","image":"docker.io/fleet/app:1"}},{{"name":"mesh","image":"docker.io/fleet/app:1"}}]}},"status":{{"phase":"Running","containerStatuses":[{},{}]}}}}"#,
            status("app", image),
            status("mesh", mesh),
            node = number % NODES,
            // Only grows, as the API's versions do; lists and their end say 1.
            version = self.version.load(Ordering::Relaxed),
        )
    }
}

fn node(number: usize) -> String {
    format!(
        r#"{{"kind":"Node","apiVersion":"v1","metadata":{{"name":"node-{number}","uid":"node-{number}","resourceVersion":"1","creationTimestamp":"2026-01-01T00:00:00Z"}},"status":{{"addresses":[{{"type":"InternalIP","address":"10.0.{}.{}"}}],"nodeInfo":{{"operatingSystem":"linux","architecture":"amd64","containerRuntimeVersion":"containerd://1.6.20"}}}}}}"#,
        number / 250,
        number % 250 + 1,
    )
}

fn owner(kind: &str, number: usize) -> String {
    let (suffix, owner) = if kind == "ReplicaSet" {
        let owner = format!(
            r#","ownerReferences":[{{"apiVersion":"apps/v1","kind":"Deployment","name":"app-{number}","uid":"deployment-{number}","controller":true}}]"#
        );
        ("-rs", owner)
    } else {
        ("", String::new())
    };
    let uid = if kind == "ReplicaSet" { format!("rs-{number}") } else { format!("deployment-{number}") };
    let labels: HashMap<&str, String> = [("app", format!("app-{number}"))].into();
    format!(
        r#"{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{{"name":"app-{number}{suffix}","namespace":"team-{}","uid":"{uid}","resourceVersion":"1","creationTimestamp":"2026-01-01T00:00:00Z","labels":{}{owner}}}}}"#,
        number % NAMESPACES,
        serde_json::to_string(&labels).unwrap(),
    )
}
