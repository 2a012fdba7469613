//! Owns the way from text and variables to a whole [`Config`]: parse, overlay, read each section.
//!
//! A configuration comes out exactly if there is no mistake; warnings never withhold it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use crate::config::Config;
use crate::file::{Node, Origin};
use crate::problem::Problem;
use crate::reader::{Check, Table};
use crate::section::{advisory, auth, cluster, data, listen, log, report, scan, upstream, webhook};
use crate::{env, file};

/// What a check found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The configuration, if there is no mistake.
    pub config: Option<Config>,
    /// Everything that has to be put right: of the file by line, then of the environment.
    pub mistakes: Vec<Problem>,
    /// What is allowed but should be known, in the same order.
    pub warnings: Vec<Problem>,
}

/// Checks settings without reading any file.
///
/// `text` is the file's name for messages and its contents, or `None` for the defaults. From
/// `env` come the overrides; variables that are none of weir's are ignored. Relative paths among
/// the settings start at `base`. A text with syntax errors is reported for these alone, since
/// what the rest of it means would be a guess.
pub fn check(text: Option<(&str, &str)>, env: impl IntoIterator<Item = (String, String)>, base: &Path) -> Checked {
    let (name, contents) = text.unwrap_or_default();
    let (mut root, syntax) = match file::parse(name, contents) {
        Ok(root) => (root, Vec::new()),
        Err(problems) => (Node::empty_table(Origin::Default), problems),
    };
    let variables = env::overlay(&mut root, env);
    if !syntax.is_empty() {
        return Checked { config: None, mistakes: syntax.into_iter().chain(variables).collect(), warnings: Vec::new() };
    }
    let check = Check {
        file: name,
        base,
        mistakes: RefCell::new(variables),
        warnings: RefCell::new(Vec::new()),
        asked: RefCell::new(BTreeSet::new()),
    };
    let config = read(&check, &root);
    let mut mistakes = check.mistakes.into_inner();
    let mut warnings = check.warnings.into_inner();
    mistakes.sort_by(order);
    warnings.sort_by(order);
    Checked { config: config.filter(|_| mistakes.is_empty()), mistakes, warnings }
}

/// Reads every section, whatever was wrong with the ones before.
fn read(check: &Check<'_>, root: &Node) -> Option<Config> {
    let mut root = Table::root(check, root);
    let listen = root.section("listen", listen::read);
    let data = root.section("data", data::read);
    let mirror = listen.as_ref().map(|listen| listen.mirror);
    let tls = listen.as_ref().is_some_and(|listen| listen.tls.is_some());
    let upstreams = upstream::read(&mut root, mirror, tls);
    let scan = root.section("scan", scan::read);
    let names: Vec<String> = upstreams.iter().flatten().map(|upstream| upstream.name.clone()).collect();
    let advisory = root.section("advisory", |table| advisory::read(table, &names));
    let cluster = root.section("cluster", cluster::read);
    let report = root.section("report", report::read);
    let address = listen.as_ref().map(|listen| listen.report);
    let auth = root.section("auth", |table| auth::read(table, address));
    let webhooks = webhook::read(&mut root);
    let log = root.section("log", log::read);
    root.close();
    Some(Config {
        listen: listen?,
        data: data?,
        upstreams: upstreams?,
        scan: scan?,
        advisory: advisory?,
        cluster: cluster?,
        report: report?,
        auth: auth?,
        webhooks: webhooks?,
        log: log?,
    })
}

/// Problems of the file by their place, then those of variables by name, then the others.
fn order(a: &Problem, b: &Problem) -> std::cmp::Ordering {
    let rank = |problem: &Problem| {
        (problem.place.is_none(), problem.variable.is_none(), problem.place.clone(), problem.variable.clone())
    };
    rank(a).cmp(&rank(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting::{Form, SETTINGS};

    /// A text that writes every table, so that each section is read in full.
    const EVERY_TABLE: &str = "[listen.tls]\n[[upstream]]\n[auth.oidc]\n[[webhook]]\n";

    #[test]
    fn the_list_of_settings_and_the_sections_know_the_same_keys() {
        let root = file::parse("weir.toml", EVERY_TABLE).unwrap();
        let check = Check {
            file: "weir.toml",
            base: Path::new(""),
            mistakes: RefCell::new(Vec::new()),
            warnings: RefCell::new(Vec::new()),
            asked: RefCell::new(BTreeSet::new()),
        };
        read(&check, &root);
        let listed: BTreeSet<String> = SETTINGS.iter().map(|s| s.path.to_owned()).collect();
        assert_eq!(check.asked.into_inner(), listed);
        assert_eq!(listed.len(), SETTINGS.len(), "each setting is listed once");
    }

    #[test]
    fn a_list_has_the_form_of_a_list_and_nothing_else_has() {
        for setting in SETTINGS {
            let path = setting.path.replace("[]", "__0").replace('.', "__");
            let variable = format!("WEIR_{}__0", path.to_ascii_uppercase());
            let found = check(None, [(variable, "x".to_owned())], Path::new(""));
            let unknown = found.mistakes.iter().any(|m| m.message.contains("no such setting"));
            assert_eq!(unknown, setting.form != Form::List, "{}", setting.path);
        }
    }
}
