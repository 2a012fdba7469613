//! What containerd finds in `certs.d` for a registry, and what it would do with it.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;

use super::finding::{Code, Finding, Level};
use super::hosts_file::{self, HostsFile};
use super::record::KEPT_HERE;
use super::root::HostRoot;
use super::version::Version;

/// The directory that stands for every registry without one of its own.
pub(super) const DEFAULT: &str = "_default";

/// One registry, as this containerd pulls from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Registry {
    pub(super) registry: String,
    /// The file that decides, where there is one.
    pub(super) file: Option<PathBuf>,
    pub(super) state: State,
    /// Who is asked for images, in order.
    pub(super) asks: Vec<String>,
}

/// What containerd makes of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// It is read.
    Read,
    /// It is passed over, and the registry itself is asked.
    Refused,
    /// Some versions of containerd pass it over, and this one's is not known.
    Doubtful,
    /// It is read, and every pull from the registry fails over it.
    Broken,
    /// There is none.
    None,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Refused => "refused",
            Self::Doubtful => "doubtful",
            Self::Broken => "broken",
            Self::None => "no hosts.toml",
        }
    }
}

/// Every registry that has a directory in one of these, and `wanted` besides, in alphabetical order.
pub(super) fn names(root: &HostRoot, directories: &[PathBuf], wanted: &[String]) -> Vec<String> {
    let mut names = wanted.to_vec();
    for directory in directories {
        let here = root.names_in(directory).into_iter();
        let here = here.filter(|name| name != KEPT_HERE && root.is_directory(&directory.join(name)));
        names.extend(here.map(|name| registry_of(&name)));
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// `host_5000_` is the directory of `host:5000`.
fn registry_of(directory: &str) -> String {
    let port = directory.strip_suffix('_').and_then(|rest| rest.rsplit_once('_'));
    match port {
        Some((host, port)) if !host.is_empty() && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{host}:{port}")
        }
        _ => directory.to_owned(),
    }
}

/// The directories that containerd tries for a registry under one of `config_path`, in its order.
fn candidates(directory: &Path, registry: &str) -> Vec<PathBuf> {
    let with_port = registry.rsplit_once(':').map(|(host, port)| directory.join(format!("{host}_{port}_")));
    with_port.into_iter().chain([directory.join(registry), directory.join(DEFAULT)]).collect()
}

/// What containerd does for a registry, and what is wrong with that.
pub(super) fn registry(
    root: &HostRoot,
    directories: &[PathBuf],
    registry: &str,
    version: Option<&Version>,
) -> (Registry, Vec<Finding>) {
    let direct = |state, file| Registry { registry: registry.to_owned(), file, state, asks: vec![registry.to_owned()] };
    let tried = directories.iter().flat_map(|directory| candidates(directory, registry));
    let present: Vec<PathBuf> = tried.filter(|directory| root.has(directory)).collect();
    let mut findings = Vec::new();
    let Some(directory) = present.first() else { return (direct(State::None, None), findings) };
    let own = |directory: &&PathBuf| !directory.ends_with(DEFAULT);
    if let [first, second, ..] = present.iter().filter(own).collect::<Vec<_>>()[..] {
        findings.push(Finding::warning(
            Code::DirectoryShadowed,
            format!("{}: containerd does not look here, since {} comes first", second.display(), first.display()),
        ));
    }
    let file = directory.join("hosts.toml");
    let text = match root.read_text(&file) {
        Ok(Some(text)) if !text.is_empty() => text,
        Ok(_) => return (direct(State::None, None), findings),
        Err(error) => {
            findings.push(Finding::error(Code::HostsTomlInvalid, format!("{}: {error}", file.display())));
            return (direct(State::Refused, Some(file)), findings);
        }
    };
    match hosts_file::read(&text, directory, version) {
        Ok(read) => {
            findings.extend(
                read.remarks
                    .iter()
                    .map(|(code, remark)| Finding::warning(*code, format!("{}: {remark}", file.display()))),
            );
            let broken = needs(root, &file, &read);
            let fails = broken.iter().any(|finding| finding.level == Level::Error);
            let state = if fails { State::Broken } else { State::Read };
            findings.extend(broken);
            let itself = if registry == DEFAULT { "the registry itself" } else { registry };
            let asks = read.asks.into_iter().map(|ask| ask.unwrap_or_else(|| itself.to_owned())).collect();
            (Registry { registry: registry.to_owned(), file: Some(file), state, asks }, findings)
        }
        Err(refused) => {
            let (level, state) =
                if refused.certain { (Level::Error, State::Refused) } else { (Level::Warning, State::Doubtful) };
            findings.push(Finding {
                level,
                code: refused.code,
                detail: format!(
                    "{}: {}; {} the file over and asks {registry} itself",
                    file.display(),
                    refused.reason,
                    if refused.certain { "containerd passes" } else { "such a containerd passes" }
                ),
            });
            (direct(state, Some(file)), findings)
        }
    }
}

/// The files that connections need and that are not there: containerd then fails the pull, and asks nobody else.
fn needs(root: &HostRoot, file: &Path, read: &HostsFile) -> Vec<Finding> {
    let missing = |key: &str, code: Code, path: &Path, why: &str| {
        let place = format!("{}: {key} {}", file.display(), path.display());
        if root.may_hide(path) {
            Finding::warning(
                code,
                format!(
                    "{place}: its directory is not mounted here; without the file every pull from this registry fails"
                ),
            )
        } else {
            Finding::error(code, format!("{place}: {why}; every pull from this registry fails"))
        }
    };
    let mut findings = Vec::new();
    for authority in &read.authorities {
        let unusable = |why: &str| missing("ca", Code::CaMissing, authority, why);
        match root.read(authority) {
            Ok(Some(pem)) if CertificateDer::pem_slice_iter(&pem).any(|certificate| certificate.is_ok()) => {}
            Ok(Some(_)) => findings.push(unusable("it holds no certificate in PEM")),
            Ok(None) => findings.push(unusable("there is no such file on the node")),
            Err(error) => findings.push(unusable(&error.to_string())),
        }
    }
    let absent = read.certificates.iter().filter(|certificate| !root.has(certificate));
    findings.extend(absent.map(|certificate| {
        missing("client", Code::ClientCertificateMissing, certificate, "there is no such file on the node")
    }));
    findings
}

/// What a `_default` directory does to registries that weir does not mirror.
pub(super) fn by_default(registry: &Registry, mirror: &str) -> Option<Finding> {
    let file = registry.file.as_ref().filter(|_| registry.registry == DEFAULT)?;
    let first = registry.asks.first().filter(|asked| *asked == mirror)?;
    let only = registry.asks.iter().all(|asked| asked == mirror);
    let detail = format!("{}: {first} is asked for every registry without a directory of its own", file.display());
    Some(if only {
        Finding::error(
            Code::DefaultDirectory,
            format!("{detail}, and nobody else: what weir does not mirror cannot be pulled; take the directory away"),
        )
    } else {
        Finding::warning(
            Code::DefaultDirectory,
            format!("{detail}; weir refuses those it does not mirror, and each such pull asks twice"),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Host {
        directory: tempfile::TempDir,
    }

    impl Host {
        fn with(files: &[(&str, &str)]) -> Self {
            let directory = tempfile::tempdir().unwrap();
            for (path, text) in files {
                let file = directory.path().join(path.trim_start_matches('/'));
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            Self { directory }
        }

        fn root(&self) -> HostRoot {
            HostRoot::new(self.directory.path().to_owned())
        }

        fn of(&self, name: &str) -> (Registry, Vec<String>) {
            let version = Version::parse("1.6.20");
            let (registry, findings) = registry(&self.root(), &["/a".into(), "/b".into()], name, version.as_ref());
            (registry, findings.iter().map(|finding| finding.code.name()).collect())
        }
    }

    const WEIR: &str = "server = \"https://x\"\n[host.\"http://weir:5000\"]\n";

    #[test]
    fn the_first_directory_decides() {
        let host = Host::with(&[
            ("/b/docker.io/hosts.toml", WEIR),
            ("/a/r.example_5000_/hosts.toml", WEIR),
            ("/a/r.example:5000/hosts.toml", "[host.\"http://other\"]"),
            ("/b/_default/hosts.toml", "[host.\"http://weir:5000\"]"),
            ("/b/empty.example/ca.crt", ""),
            ("/b/.weir/setup.json", "{}"),
        ]);
        assert_eq!(host.of("docker.io").0.asks, ["http://weir:5000", "https://x"]);
        let (shadowing, findings) = host.of("r.example:5000");
        assert_eq!(shadowing.file.unwrap(), Path::new("/a/r.example_5000_/hosts.toml"));
        assert_eq!(findings, ["directory_shadowed"]);
        assert_eq!(host.of("quay.io").0.asks, ["http://weir:5000", "quay.io"]);
        let (empty, _) = host.of("empty.example");
        assert_eq!((empty.state, empty.asks), (State::None, vec!["empty.example".to_owned()]));
        let names = names(&host.root(), &["/a".into(), "/b".into()], &["ghcr.io".into()]);
        assert_eq!(names, ["_default", "docker.io", "empty.example", "ghcr.io", "r.example:5000"]);
    }

    #[test]
    fn a_file_that_connections_need_and_is_not_there_breaks_every_pull() {
        let text = "[host.\"https://weir\"]\nca = [\"ca.pem\", \"/etc/none.pem\"]\nclient = \"/etc/client.pem\"\n";
        let beside = ("/a/docker.io/ca.pem", "no PEM");
        let host = Host::with(&[("/a/docker.io/hosts.toml", text), beside, ("/etc/hostname", "")]);
        let (broken, findings) = host.of("docker.io");
        assert_eq!(broken.state, State::Broken);
        assert_eq!(findings, ["ca_missing", "ca_missing", "client_certificate_missing"]);
        // Where its directory cannot be seen, nobody knows.
        let host = Host::with(&[("/a/docker.io/hosts.toml", "[host.\"https://weir\"]\nca = \"/usr/share/ca.pem\"\n")]);
        let (doubtful, findings) = host.of("docker.io");
        assert_eq!((doubtful.state, findings), (State::Read, vec!["ca_missing".to_owned()]));
    }

    #[test]
    fn a_default_directory_takes_what_weir_does_not_mirror() {
        let mirror = "http://weir:5000";
        let finding = |asks: &[&str], name: &str| {
            let asks = asks.iter().map(|&ask| ask.to_owned()).collect();
            let registry = Registry { registry: name.into(), file: Some("/f".into()), state: State::Read, asks };
            by_default(&registry, mirror).map(|finding| finding.level)
        };
        assert_eq!(finding(&[mirror, DEFAULT], DEFAULT), Some(Level::Warning));
        assert_eq!(finding(&[mirror, mirror], DEFAULT), Some(Level::Error));
        assert_eq!(finding(&["http://other"], DEFAULT), None);
        assert_eq!(finding(&[mirror, mirror], "docker.io"), None);
    }
}
