//! Progress of a scan on a terminal: a line for what is being done, a bar for each layer.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use weir_scanner::oci::Digest;

use crate::scan::once::Progress;

/// Bars on stderr where that is a terminal, else nothing.
pub(super) struct Bars {
    all: MultiProgress,
    line: ProgressBar,
}

impl Bars {
    pub(super) fn new() -> Self {
        let target =
            if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let all = MultiProgress::with_draw_target(target);
        let line = all.add(ProgressBar::new_spinner().with_style(style("{spinner} {msg} ({elapsed})")));
        if !all.is_hidden() {
            line.enable_steady_tick(Duration::from_millis(100));
        }
        Self { all, line }
    }

    /// Says what is being done.
    pub(super) fn say(&self, what: String) {
        self.line.set_message(what);
    }

    /// Takes everything off the terminal.
    pub(super) fn clear(&self) {
        self.line.finish_and_clear();
        // The terminal may be gone; nothing of the result depends on it.
        let _: io::Result<()> = self.all.clear();
    }
}

impl Progress for Bars {
    fn layer(&self, digest: &Digest, size: u64) -> Box<dyn Fn(u64) + Send + Sync> {
        self.line.set_message("reading layers");
        let bar = if size == 0 {
            ProgressBar::new_spinner().with_style(style("  {msg} {bytes} {bytes_per_sec}"))
        } else {
            ProgressBar::new(size).with_style(style("  {msg} {bar:30} {bytes}/{total_bytes}"))
        };
        let bar = self.all.add(bar.with_message(digest.hex()[..12].to_owned()));
        Box::new(move |bytes| bar.inc(bytes))
    }
}

/// A template of ours is valid; were it not, the plain bar says as much.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
