//! How many layers wait or are being read, and since when the oldest does: for the metrics.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use weir_scanner::oci::Digest;

use crate::metrics::ScanMetrics;

pub(super) struct Queue {
    waiting: Mutex<BTreeSet<(i64, Digest)>>,
    metrics: ScanMetrics,
}

/// A layer's place; leaving it is dropping this.
pub(super) struct Place<'a> {
    queue: &'a Queue,
    entry: (i64, Digest),
}

impl Queue {
    pub(super) fn new(metrics: ScanMetrics) -> Self {
        Self { waiting: Mutex::default(), metrics }
    }

    /// Takes a place at `now` (seconds since the epoch).
    pub(super) fn enter(&self, layer: Digest, now: i64) -> Place<'_> {
        let place = Place { queue: self, entry: (now, layer) };
        self.change(|waiting| waiting.insert(place.entry));
        place
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<(i64, Digest)>) -> bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut waiting);
        self.metrics.queue(waiting.len(), waiting.first().map(|(since, _)| *since));
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.queue.change(|waiting| waiting.remove(&self.entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn the_gauges_follow_the_queue() {
        let metrics = Metrics::new().unwrap();
        let queue = Queue::new(metrics.scan.clone());
        let shown = |name: &str| {
            let page = String::from_utf8(metrics.page().unwrap()).unwrap();
            page.lines().find(|line| line.starts_with(name)).unwrap().rsplit(' ').next().unwrap().to_owned()
        };
        let first = queue.enter(Digest::of(b"a"), 100);
        let second = queue.enter(Digest::of(b"b"), 200);
        assert_eq!((shown("weir_scan_queue_length"), shown("weir_scan_queue_oldest")), ("2".into(), "100".into()));
        drop(first);
        assert_eq!((shown("weir_scan_queue_length"), shown("weir_scan_queue_oldest")), ("1".into(), "200".into()));
        drop(second);
        assert_eq!((shown("weir_scan_queue_length"), shown("weir_scan_queue_oldest")), ("0".into(), "0".into()));
    }
}
