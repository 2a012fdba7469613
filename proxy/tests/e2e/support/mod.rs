//! What the tests are made of: processes, an HTTP client that tells a whole body from a short one, a paced registry, the
//! demo image with the truth about it, and advisory feeds.

mod containerd;
mod feed;
mod http;
mod image;
mod kubernetes;
mod layout;
mod process;
mod prometheus;
mod registry;
mod tls;
mod upstream;
mod weir;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use containerd::Containerd;
pub(crate) use feed::{advisories, expected_findings, feed_counts, write_feed};
pub(crate) use http::{Got, get, get_by, open, post};
pub(crate) use image::DemoImage;
pub(crate) use kubernetes::Kubernetes;
pub(crate) use layout::{layout_of, layout_of_both, layout_of_index, small_image};
pub(crate) use process::{Daemon, free_port, run, tool};
pub(crate) use prometheus::Prometheus;
pub(crate) use registry::Registry;
pub(crate) use tls::{NodeAuthority, ServerCertificate, Trust};
pub(crate) use upstream::{Pace, Upstream};
pub(crate) use weir::{Weir, configure};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// The machine, for one test at a time: these tests measure time, fill disks and start many processes.
pub(crate) fn machine() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    // A test that failed leaves the machine as free as one that passed.
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The root of the checkout.
pub(crate) fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// What `look` finds, as soon as it finds something; panics with `what` when that takes longer than `seconds`.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, seconds: u64, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "after {seconds} s still not: {what}");
        std::thread::sleep(LOOK);
    }
}
