//! Owns `[log]`: how much is logged and in which form.

use crate::problem::quoted;
use crate::reader::Table;

/// How weir logs.
#[derive(Clone, Debug)]
pub struct LogSection {
    /// A filter in the notation of `tracing_subscriber::EnvFilter`: levels, alone or per module.
    pub level: String,
    /// The form of a line.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

pub(crate) fn read(table: &mut Table<'_>) -> Option<LogSection> {
    let level = table.text("level", filter);
    let format = table.word("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)]);
    Some(LogSection { level: level?, format: format? })
}

/// Levels separated by commas, each for all modules or for one, as in `info,weir_proxy=debug`.
/// A bare word that is no level is refused: the filter would take a misspelt level for a module.
fn filter(text: &str) -> Result<String, String> {
    for directive in text.split(',') {
        let (module, level) = match directive.trim().split_once('=') {
            Some((module, level)) => (Some(module), level),
            None => (None, directive.trim()),
        };
        let known = ["error", "warn", "info", "debug", "trace", "off"];
        if !known.iter().any(|known| level.eq_ignore_ascii_case(known)) {
            return Err(format!(
                "expected a level (error, warn, info, debug, trace or off), or levels per module as in \"info,weir_proxy=debug\", found {}",
                quoted(directive)
            ));
        }
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-' | '.');
        if module.is_some_and(|module| module.is_empty() || !module.chars().all(valid)) {
            return Err(format!("expected a module such as weir_proxy before '=', found {}", quoted(directive)));
        }
    }
    let directives: Vec<&str> = text.split(',').map(str::trim).collect();
    Ok(directives.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_levels_alone_or_per_module() {
        for text in ["info", "WARN", "off", "info,weir_proxy=debug", "hyper=off"] {
            assert_eq!(filter(text).as_deref(), Ok(text));
        }
        assert_eq!(filter("info, weir=debug").as_deref(), Ok("info,weir=debug"));
        for text in ["inof", "info,", "=debug", "weir=", "weir=loud", "we ir=info", "[x]=info"] {
            assert!(filter(text).is_err(), "{text}");
        }
    }
}
