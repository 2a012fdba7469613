//! Whether a node pulls through weir, and what is wrong where it does not.

use std::path::PathBuf;

use serde::Serialize;
use url::Url;
use weir_scanner::oci::Reference;

use super::super::hosts::origin;
use super::certs::{self, Registry, State};
use super::finding::{Code, Finding};
use super::probe;
use super::record::{Found, Record};
use super::setup::AUTHORITY;
use super::survey::Survey;

/// Whose image every pod begins with, where the configuration names no other.
const PAUSE_REGISTRY: &str = "registry.k8s.io";

/// What a node should be like, as far as setup has not written it down.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) node: Option<String>,
    pub(super) mirror: Option<Url>,
    /// The registries that should lead to weir, where setup did not run.
    pub(super) registries: Vec<String>,
}

/// What was found.
#[derive(Debug, Serialize)]
pub(super) struct Checked {
    pub(super) node: Option<String>,
    pub(super) runtime: &'static str,
    pub(super) version: Option<String>,
    pub(super) config_files: Vec<PathBuf>,
    pub(super) config_path: Option<String>,
    pub(super) config_path_form: Option<String>,
    pub(super) mirror: Option<String>,
    /// Whether every expected registry is asked for by way of weir, which answers.
    pub(super) through_weir: bool,
    pub(super) registries: Vec<Registry>,
    /// Errors first.
    pub(super) findings: Vec<Finding>,
}

/// Judges the node; `findings` are what is known of it besides.
pub(super) async fn check(survey: &Survey, expected: &Expected, findings: Vec<Finding>) -> Checked {
    let mut findings = [findings, survey.findings.clone()].concat();
    let record = survey.record().unwrap_or_else(|error| {
        findings.push(Finding::error(Code::SetupFailed, format!("{error:#}")));
        None
    });
    let mirror = match (&expected.mirror, &record) {
        (Some(mirror), _) => Some(origin(mirror)),
        (None, Some((_, record))) => Some(record.mirror.clone()),
        (None, None) => None,
    };
    let wanted = record.as_ref().map_or(&expected.registries, |(_, record)| &record.registries);
    let (registries, bypassed) = registries(survey, wanted, mirror.as_deref(), &mut findings);
    if let Some(first) = survey.directories.first()
        && !survey.directories.iter().any(|directory| survey.root.is_directory(directory))
    {
        let detail = format!("{}: config_path names it, and it is not there", first.display());
        findings.push(Finding::error(Code::CertsDMissing, detail));
    }
    match &record {
        Some((directory, record)) => findings.extend(written(survey, directory, record)),
        None => findings.push(Finding::warning(Code::NotSetUp, "weir node setup did not run on this node")),
    }
    if let Some(mirror) = &mirror {
        findings.extend(registries.iter().filter_map(|registry| certs::by_default(registry, mirror)));
        findings.extend(pause_image(survey, &registries, mirror));
    }
    let answers = match mirror.as_ref().and_then(|mirror| mirror.parse().ok()) {
        Some(mirror) => {
            let directory = record.as_ref().map(|(directory, _)| directory.join(AUTHORITY));
            let authority = directory.and_then(|file| survey.root.place(&file).ok()).filter(|file| file.is_file());
            let answer = probe::mirror(&mirror, authority).await;
            answer.map_err(|error| findings.push(Finding::error(Code::MirrorUnreachable, error))).is_ok()
        }
        None => false,
    };
    findings.sort();
    findings.dedup();
    Checked {
        node: expected.node.clone(),
        runtime: "containerd",
        version: survey.version.as_ref().map(ToString::to_string),
        config_files: survey.config_files.clone(),
        config_path: survey.config_path.as_ref().map(|path| path.text.clone()),
        config_path_form: survey.config_path.as_ref().map(|path| path.form.clone()),
        mirror,
        through_weir: survey.is_read() && answers && !bypassed,
        registries,
        findings,
    }
}

/// Each registry, and whether one that should lead to weir does not.
fn registries(
    survey: &Survey,
    wanted: &[String],
    mirror: Option<&str>,
    findings: &mut Vec<Finding>,
) -> (Vec<Registry>, bool) {
    let mut registries = Vec::new();
    let mut bypassed = mirror.is_none();
    for name in certs::names(&survey.root, &survey.directories, wanted) {
        let (registry, found) = certs::registry(&survey.root, &survey.directories, &name, survey.version.as_ref());
        findings.extend(found);
        if wanted.contains(&name) && !survey.directories.is_empty() {
            let first = registry.asks.first().map(String::as_str);
            let leads = registry.state == State::Read && first == mirror;
            bypassed |= !leads;
            findings.extend(if leads { None } else { astray(&registry, mirror) });
        }
        registries.push(registry);
    }
    (registries, bypassed)
}

/// Why a registry does not lead to weir, where its file has not said so already.
fn astray(registry: &Registry, mirror: Option<&str>) -> Option<Finding> {
    let name = &registry.registry;
    match (registry.state, &registry.file, mirror) {
        (State::None, _, _) => Some(Finding::error(
            Code::UpstreamMissing,
            format!(
                "{name}: there is no hosts.toml for it, so containerd asks the registry itself; run weir node setup"
            ),
        )),
        (State::Read, Some(file), Some(mirror)) => Some(Finding::error(
            Code::MirrorNotFirst,
            format!("{}: containerd asks {} first, and not {mirror}", file.display(), registry.asks[0]),
        )),
        _ => None,
    }
}

fn written(survey: &Survey, directory: &std::path::Path, record: &Record) -> Vec<Finding> {
    let found = record.compare(&survey.root, directory).into_iter();
    found
        .filter_map(|(file, found)| match found {
            Found::AsWritten => None,
            Found::Changed => Some(Finding::warning(
                Code::FileChanged,
                format!("{} was changed since weir wrote it; weir leaves it so", file.display()),
            )),
            Found::Missing => Some(Finding::error(
                Code::FileMissing,
                format!("{} is gone; weir node setup writes it again", file.display()),
            )),
        })
        .collect()
}

/// Pods cannot start while weir is away where their first image has no other way.
fn pause_image(survey: &Survey, registries: &[Registry], mirror: &str) -> Option<Finding> {
    let image = survey.sandbox_image.as_deref();
    let from = match image {
        Some(image) => image.parse::<Reference>().ok()?.upstream,
        None => PAUSE_REGISTRY.to_owned(),
    };
    let only = registries.iter().find(|registry| registry.registry == from)?;
    if only.asks.iter().any(|asked| asked != mirror) {
        return None;
    }
    let image = image.unwrap_or("containerd's default");
    let detail = format!(
        "the pause image ({image}) comes from {from}, which leads to weir and nowhere else: on a node without it no pod starts \
         while weir is away; --except {from} leaves that registry as it is"
    );
    Some(Finding::warning(Code::PauseImageNeedsWeir, detail))
}
