//! Log lines, as text for people or JSON for machines, on stderr.

use tracing_subscriber::EnvFilter;
use weir_config::{LogFormat, LogSection};

/// Starts logging as the settings say. A second call changes nothing.
pub fn start_logging(log: &LogSection) {
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let outcome = match log.format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "logging was started before");
    }
}
