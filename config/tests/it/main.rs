//! The settings from outside: text and variables in, configuration or problems out.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod accepted;
mod arbitrary;
mod documentation;
mod file;
mod refused;
mod warned;

use std::path::Path;

use weir_config::{Checked, Config, Problem, check};

/// Checks a text named `weir.toml` in `/etc/weir`, with variables.
fn checked(text: &str, variables: &[(&str, &str)]) -> Checked {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    check(Some(("weir.toml", text)), variables, Path::new("/etc/weir"))
}

/// The configuration of a text without mistakes.
#[track_caller]
fn config(text: &str, variables: &[(&str, &str)]) -> Config {
    let checked = checked(text, variables);
    assert_eq!(lines(&checked.mistakes), Vec::<String>::new());
    checked.config.expect("no mistake: asserted above")
}

/// Problems as they display.
fn lines(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}
