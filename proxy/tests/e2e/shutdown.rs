//! SIGTERM while a body is open.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Pace, Upstream, Weir, eventually, machine, open};

/// What weir takes at most: 25 s for open bodies, 5 s for the rest; and a moment for this machine.
const DEADLINE: Duration = Duration::from_secs(32);

#[test]
fn an_open_body_finishes_while_new_connections_are_refused() {
    let _machine = machine();
    let directory = tempfile::tempdir().unwrap();
    let upstream = Upstream::start();
    let bytes: Vec<u8> = (0..8_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let pace = Pace::Slow { bytes: 64 * 1024, pause: Duration::from_millis(15) };
    let digest = upstream.hold("application/octet-stream", bytes.clone(), pace);
    let url = upstream.url();
    let mut weir = Weir::start(directory.path(), &[("UPSTREAM__0__NAME", "docker.io"), ("UPSTREAM__0__URL", &url)]);

    let mut answer = open(weir.mirror, &Weir::blob_target("library/slow", digest)).unwrap();
    assert_eq!(answer.status, 200);
    answer.read_at_least(256 * 1024);
    let began = Instant::now();
    weir.daemon.terminate();
    eventually("new connections are refused", 5, || TcpStream::connect(weir.mirror).is_err().then_some(()));
    let sent = upstream.sent();
    assert!(sent < bytes.len() as u64, "the body was over before connections were refused: nothing is proven");
    assert!(weir.daemon.ended().is_none(), "weir ended with a body open");

    let got = answer.finish();
    assert!(got.whole && got.body == bytes, "{} of {} bytes", got.body.len(), bytes.len());
    let status = weir.daemon.wait(DEADLINE);
    assert_eq!(status.code(), Some(0), "{}", weir.daemon.log());
    println!(
        "shutdown: {:?} from SIGTERM to the end, {sent} of {} bytes were sent when connections were refused",
        began.elapsed(),
        bytes.len()
    );
    assert!(weir.stores(&digest), "the blob that finished meanwhile was not kept");
}

#[test]
fn a_body_without_end_is_cut_at_the_deadline() {
    let _machine = machine();
    let directory = tempfile::tempdir().unwrap();
    let upstream = Upstream::start();
    let pace = Pace::Slow { bytes: 1024, pause: Duration::from_millis(100) };
    let bytes = vec![7; 4 << 20];
    let digest = upstream.hold("application/octet-stream", bytes.clone(), pace);
    let url = upstream.url();
    let mut weir = Weir::start(directory.path(), &[("UPSTREAM__0__NAME", "docker.io"), ("UPSTREAM__0__URL", &url)]);
    let mut answer = open(weir.mirror, &Weir::blob_target("library/endless", digest)).unwrap();
    answer.read_at_least(1024);
    let began = Instant::now();
    weir.daemon.terminate();
    let client = std::thread::spawn(move || answer.finish());
    let status = weir.daemon.wait(DEADLINE);
    println!("shutdown: {:?} from SIGTERM to the end with a body that has none", began.elapsed());
    assert_eq!(status.code(), Some(0), "{}", weir.daemon.log());
    let got = client.join().unwrap();
    assert!(!got.whole && bytes.starts_with(&got.body), "{} bytes, whole: {}", got.body.len(), got.whole);
    assert!(!weir.stores(&digest));
}
