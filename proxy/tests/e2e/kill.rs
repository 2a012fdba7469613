//! kill -9, again and again, over one data directory: what was stored stays, what was begun is gone, nothing wrong is served.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use weir_scanner::oci::Digest;

use crate::support::{Got, Pace, Upstream, Weir, eventually, get, machine, run, write_feed};

const KILLS: usize = 150;
/// Of these, at least so many with a partial file left behind, and so many with an import open.
const PARTIAL_KILLS: usize = 75;
const IMPORT_KILLS: usize = 40;
/// What a restart may take until it is ready.
const READY: Duration = Duration::from_secs(2);
/// Records of the feed: its import takes about as long as weir lives.
const RECORDS: usize = 40_000;
const REPOSITORY: &str = "library/random";
/// Blobs and manifests of earlier rounds that each round asks for again.
const SAMPLE: usize = 4;

/// A blob as the upstream has it, and a client that asks for it in a thread of its own.
struct Pull {
    digest: Digest,
    bytes: Arc<Vec<u8>>,
    client: std::thread::JoinHandle<Option<Got>>,
}

impl Pull {
    fn start(upstream: &Upstream, mirror: SocketAddr, bytes: Vec<u8>, pace: Pace) -> Self {
        let bytes = Arc::new(bytes);
        let digest = upstream.hold("application/octet-stream", Arc::clone(&bytes), pace);
        let client = std::thread::spawn(move || get(mirror, &Weir::blob_target(REPOSITORY, digest)).ok());
        Self { digest, bytes, client }
    }

    /// Whatever the client got is right: a body that came to its end is the blob, and a short one its beginning.
    fn finish(self) -> (Digest, Arc<Vec<u8>>) {
        // A connection that broke before the headers had come brought nothing.
        if let Some(got) = self.client.join().unwrap() {
            if got.status == 200 {
                assert!(self.bytes.starts_with(&got.body), "wrong bytes of {}", self.digest);
                assert!(!got.whole || got.body.len() == self.bytes.len(), "a short {} came to its end", self.digest);
            } else {
                assert!(got.status >= 500, "{}, which the upstream has: {} {}", self.digest, got.status, got.text());
            }
        }
        (self.digest, self.bytes)
    }
}

#[derive(Default)]
struct Tally {
    partial: usize,
    import: usize,
    starts: Vec<Duration>,
    /// Every blob that was stored when its process was killed.
    blobs: HashMap<Digest, Arc<Vec<u8>>>,
    /// Every manifest that a client had whole when its process was killed.
    manifests: HashMap<Digest, Arc<Vec<u8>>>,
}

#[test]
fn a_hundred_kills_lose_nothing_and_serve_nothing_wrong() {
    let _machine = machine();
    let directory = tempfile::tempdir().unwrap();
    let upstream = Upstream::start();
    let feeds = directory.path().join("feeds");
    let mut edition = 0;
    publish(&feeds, edition);
    let url = upstream.url();
    let settings =
        [("UPSTREAM__0__NAME", "docker.io"), ("UPSTREAM__0__URL", url.as_str()), ("ADVISORY__SOURCE", "/var/empty")];
    let mut random = fastrand::Rng::with_seed(9);
    let mut tally = Tally::default();
    let began = Instant::now();
    for round in 0..KILLS {
        let mut weir = Weir::start(directory.path(), &settings);
        tally.starts.push(weir.start);
        assert!(weir.start < READY, "round {round}: ready after {:?}", weir.start);
        assert_eq!(weir.partials(), Vec::<std::path::PathBuf>::new(), "round {round}: partial files were left");
        what_was_stored_is_served(&upstream, &weir, &tally, SAMPLE, &mut random);
        let import = (round % 2 == 1).then(|| start_import(&weir.data, &feeds));
        let (digest, manifest) = pull_manifest(&upstream, weir.mirror, round);
        tally.manifests.insert(digest, manifest);
        let pulls = start_pulls(&upstream, weir.mirror, &mut random);
        wait_for_the_moment(&upstream, &weir, &pulls, &mut random);
        weir.daemon.kill();
        tally.partial += usize::from(!weir.partials().is_empty());
        if let Some(import) = import {
            // Only a command whose request was open hears that weir stopped before it answered.
            let output = import.wait_with_output().unwrap();
            tally.import += usize::from(String::from_utf8_lossy(&output.stderr).contains("before it had answered"));
            // One that came to its end leaves the next nothing to do, unless there is something new.
            if output.status.success() {
                edition += 1;
                publish(&feeds, edition);
            }
        }
        for pull in pulls {
            let (digest, bytes) = pull.finish();
            if weir.stores(&digest) {
                tally.blobs.insert(digest, bytes);
            }
        }
    }
    let elapsed = began.elapsed();
    the_end(directory.path(), &upstream, &settings, &feeds, &tally, &mut random);
    tally.starts.sort();
    println!(
        "kill: {KILLS} kills in {elapsed:?}, {} with a partial file, {} with an import open, {} blobs stored; ready after \
         {:?} at the median, {:?} at most",
        tally.partial,
        tally.import,
        tally.blobs.len(),
        tally.starts[KILLS / 2],
        tally.starts[KILLS - 1]
    );
    assert!(tally.partial >= PARTIAL_KILLS, "only {} kills left a partial file", tally.partial);
    assert!(tally.import >= IMPORT_KILLS, "only {} kills met an open import", tally.import);
    assert!(tally.blobs.len() >= KILLS, "only {} blobs were stored", tally.blobs.len());
}

/// After the last kill: everything that was stored is served, and an import that is let be imports everything.
fn the_end(
    directory: &Path,
    upstream: &Upstream,
    settings: &[(&str, &str)],
    feeds: &Path,
    tally: &Tally,
    random: &mut fastrand::Rng,
) {
    let weir = Weir::start(directory, settings);
    what_was_stored_is_served(upstream, &weir, tally, usize::MAX, random);
    let table = run(Weir::command(&[]).args(["advisories", "import"]).arg(feeds).arg("--data").arg(&weir.data));
    let cells: Vec<&str> = table.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    let records = RECORDS.to_string();
    assert!(matches!(cells[..], ["PyPI", found, _, "0", "imported"] if found == records), "{table}");
}

/// Asks for some of what is stored while the upstream refuses everything: it comes from the store, right and whole.
fn what_was_stored_is_served(
    upstream: &Upstream,
    weir: &Weir,
    tally: &Tally,
    count: usize,
    random: &mut fastrand::Rng,
) {
    upstream.refuse(true);
    for (kind, stored) in [("blobs", &tally.blobs), ("manifests", &tally.manifests)] {
        for (digest, bytes) in random.choose_multiple(stored, count.min(stored.len())) {
            let asked = upstream.asked(digest);
            let got = get(weir.mirror, &format!("/v2/docker.io/{REPOSITORY}/{kind}/{digest}")).unwrap();
            assert_eq!(got.status, 200, "{digest} of the {kind} was stored before a kill: {}", got.text());
            assert!(got.whole && got.body == **bytes, "{digest}: {} of {} bytes", got.body.len(), bytes.len());
            assert_eq!(upstream.asked(digest), asked, "the upstream was asked for {digest}, which is stored");
        }
    }
    upstream.refuse(false);
}

/// Pulls the round's own manifest by its tag. The artifact it describes is none that weir scans.
fn pull_manifest(upstream: &Upstream, mirror: SocketAddr, round: usize) -> (Digest, Arc<Vec<u8>>) {
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let empty =
        json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}").to_string(), "size": 2});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type, "artifactType": "application/vnd.example", "config": empty,
        "layers": [empty], "annotations": {"round": round.to_string()},
    });
    let bytes = Arc::new(manifest.to_string().into_bytes());
    let digest = upstream.hold(media_type, Arc::clone(&bytes), Pace::Fast);
    let tag = format!("round-{round}");
    upstream.tag(&tag, &digest);
    let got = get(mirror, &format!("/v2/docker.io/{REPOSITORY}/manifests/{tag}")).unwrap();
    assert_eq!((got.status, &got.body), (200, &*bytes), "{}", got.text());
    (digest, bytes)
}

/// Small blobs that are stored within milliseconds, and large ones that are slow enough to be met midway.
fn start_pulls(upstream: &Upstream, mirror: SocketAddr, random: &mut fastrand::Rng) -> Vec<Pull> {
    let mut noise = |size: usize| {
        let mut bytes = vec![0; size];
        random.fill(&mut bytes);
        bytes
    };
    let slow = Pace::Slow { bytes: 32 * 1024, pause: Duration::from_millis(2) };
    let blobs = [(100_000, Pace::Fast), (300_000, Pace::Fast), (1_500_000, slow), (4_000_000, slow)];
    blobs.map(|(size, pace)| Pull::start(upstream, mirror, noise(size), pace)).into()
}

/// `weir advisories import` into the running weir.
fn start_import(data: &Path, feeds: &Path) -> Child {
    let mut command = Weir::command(&[]);
    command.args(["advisories", "import"]).arg(feeds).arg("--data").arg(data);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for an instant that is another one in each round: somewhere in the middle of the slow blobs, or, one time in four,
/// while the small ones are begun, verified and renamed.
fn wait_for_the_moment(upstream: &Upstream, weir: &Weir, pulls: &[Pull], random: &mut fastrand::Rng) {
    if random.u8(0..4) == 0 {
        let began = upstream.sent();
        eventually("a body has begun", 10, || (upstream.sent() > began || !weir.partials().is_empty()).then_some(()));
        let instant = Instant::now() + Duration::from_micros(random.u64(0..20_000));
        while Instant::now() < instant {
            std::hint::spin_loop();
        }
        return;
    }
    let slowest = pulls.last().expect("a round has pulls").digest.hex();
    let open = || weir.partials().iter().any(|path| path.to_string_lossy().contains(&slowest));
    eventually("the slowest blob has a partial file", 10, || open().then_some(()));
    // What is left after this is more than the other blobs have.
    let goal = upstream.sent() + random.u64(100_000..3_500_000);
    eventually("the upstream has sent some of the blobs", 10, || (upstream.sent() >= goal).then_some(()));
}

/// Writes the feed anew, every record of it changed a second later than in the edition before.
fn publish(feeds: &Path, edition: usize) {
    if edition > 0 {
        std::fs::remove_dir_all(feeds).unwrap();
    }
    write_feed(feeds, "PyPI", (0..RECORDS).map(|number| record(number, edition)));
}

fn record(number: usize, edition: usize) -> serde_json::Value {
    let modified = format!("2024-01-01T00:{:02}:{:02}Z", edition / 60, edition % 60);
    json!({
        "schema_version": "1.6.0", "id": format!("TEST-{number}"), "modified": modified,
        "summary": "made for a test",
        "affected": [{
            "package": {"ecosystem": "PyPI", "name": format!("package-{}", number % 5000)},
            "versions": [format!("1.{number}")],
        }],
    })
}
