//! Risks over real things: keys their own tools make, the programs Debian ships setuid, and text nobody leaked anything in.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;
use weir_scanner::layer::{Fact, LayerInventory};
use weir_scanner::risk::{Risk, RiskKind, secrets_in_text};

use super::support::{cache, debs, layer, run, run_in};

/// The risks of a kind, by path.
fn risks(layer: &LayerInventory, kind: RiskKind) -> Vec<(&str, &Risk)> {
    let of_kind = |fact: &'_ Fact| matches!(fact, Fact::Risk(risk) if risk.kind == kind);
    let facts = layer.facts.iter().flat_map(|(path, facts)| facts.iter().map(move |fact| (&**path, fact)));
    let facts = facts.filter(|(_, fact)| of_kind(fact));
    facts.filter_map(|(path, fact)| if let Fact::Risk(risk) = fact { Some((path, risk)) } else { None }).collect()
}

/// Every file below a folder, links left out.
fn files(root: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

#[test]
fn keys_that_real_tools_make_are_found_and_never_shown() {
    let tree = TempDir::new().unwrap();
    let path = |name: &str| tree.path().join(name).to_str().unwrap().to_owned();
    run("openssl", &["genrsa", "-out", &path("rsa.pem"), "2048"]);
    run("openssl", &["genrsa", "-traditional", "-out", &path("rsa-traditional.pem"), "2048"]);
    run("openssl", &["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", &path("ec.pem")]);
    run("openssl", &["genpkey", "-algorithm", "ed25519", "-out", &path("ed25519.pem")]);
    run("openssl", &["genrsa", "-aes256", "-passout", "pass:abcd", "-out", &path("locked.pem"), "2048"]);
    run(
        "openssl",
        &["genrsa", "-traditional", "-aes256", "-passout", "pass:abcd", "-out", &path("locked-old.pem"), "2048"],
    );
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "a", "-f", &path("id_ed25519")]);
    run("ssh-keygen", &["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f", &path("id_rsa")]);
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "abcdef", "-f", &path("id_locked")]);
    run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=a",
            "-keyout",
            &path("both.pem"),
            "-out",
            &path("cert.pem"),
        ],
    );
    let both = [std::fs::read(path("cert.pem")).unwrap(), std::fs::read(path("both.pem")).unwrap()].concat();
    std::fs::write(path("both.pem"), both).unwrap();
    // As a JSON file of a service account carries it.
    let escaped = std::fs::read_to_string(path("rsa.pem")).unwrap().replace('\n', "\\n");
    std::fs::write(path("account.json"), format!("{{\"private_key\": \"{escaped}\"}}")).unwrap();

    let layer = layer(tree.path());
    let found: BTreeSet<_> =
        risks(&layer, RiskKind::Secret).into_iter().map(|(path, risk)| (path, &*risk.rule)).collect();
    let expected: BTreeSet<_> = [
        ("rsa.pem", "private-key"),
        ("rsa-traditional.pem", "private-key"),
        ("ec.pem", "private-key"),
        ("ed25519.pem", "private-key"),
        ("id_ed25519", "private-key"),
        ("id_rsa", "private-key"),
        ("both.pem", "private-key"),
        ("account.json", "private-key"),
        ("locked.pem", "encrypted-private-key"),
        ("locked-old.pem", "encrypted-private-key"),
        ("id_locked", "encrypted-private-key"),
    ]
    .into();
    assert_eq!(found, expected);
    for (path, risk) in risks(&layer, RiskKind::Secret) {
        let text = std::fs::read_to_string(tree.path().join(path)).unwrap();
        let shown = risk.detail.rsplit_once(": ").unwrap().1;
        assert!(shown.len() <= 8 && shown.ends_with("****"), "{shown}");
        let line = text.lines().nth(risk.line.unwrap() as usize - 1).unwrap();
        assert!(line.contains(&shown[..shown.len() - 4]), "{path} {line} {shown}");
    }
}

#[test]
fn the_setuid_and_setgid_programs_of_debian_are_those_with_the_bits() {
    let tree = debs(&["passwd", "mount", "sudo", "openssh-client"]);
    let layer = layer(tree.path());
    let told = |rule: &str| -> BTreeSet<String> {
        let risks = risks(&layer, RiskKind::Permission);
        risks.into_iter().filter(|(_, risk)| risk.rule == rule).map(|(path, _)| path.to_owned()).collect()
    };
    let mut all = Vec::new();
    files(tree.path(), &mut all);
    let with = |bit: u32| -> BTreeSet<String> {
        let of = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        let paths = all.iter().filter(|path| of(path) & bit != 0);
        paths.map(|path| path.strip_prefix(tree.path()).unwrap().to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(told("setuid-file"), with(0o4000));
    assert_eq!(told("setgid-file"), with(0o2000));
    assert!(with(0o4000).contains("usr/bin/sudo"), "{:?}", with(0o4000));
    assert!(with(0o2000).contains("usr/bin/chage"), "{:?}", with(0o2000));
    assert!(told("world-writable-program").is_empty());
}

#[test]
fn packages_of_debian_hold_no_secrets() {
    let tree = debs(&["python3.11-minimal", "perl-base", "openssl", "git", "passwd", "apt", "ca-certificates"]);
    assert_eq!(risks(&layer(tree.path()), RiskKind::Secret), []);
    assert_eq!(told_without_paths(tree.path()), Vec::<String>::new());
}

#[test]
fn wheels_of_pypi_hold_no_secrets() {
    let wheels = cache("risk-wheels");
    let names = ["requests", "certifi", "urllib3", "flask", "cryptography", "django", "jinja2", "pip"];
    if std::fs::read_dir(&wheels).unwrap().count() < names.len() {
        let arguments =
            ["-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", wheels.to_str().unwrap()];
        run("python3", &[&arguments[..], &names].concat());
    }
    let tree = TempDir::new().unwrap();
    for wheel in std::fs::read_dir(&wheels).unwrap() {
        run_in(tree.path(), "python3", &["-m", "zipfile", "-e", wheel.unwrap().path().to_str().unwrap(), "srv/app"]);
    }
    // Unpacked where an application's own code lies, so that no path hides anything.
    assert_eq!(risks(&layer(tree.path()), RiskKind::Secret), []);
    assert_eq!(told_without_paths(tree.path()), Vec::<String>::new());
}

/// What the rules find in the text files of a tree, wherever they lie.
fn told_without_paths(root: &Path) -> Vec<String> {
    let mut all = Vec::new();
    files(root, &mut all);
    let mut told = Vec::new();
    for path in all {
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        if !text.contains('\0') {
            told.extend(secrets_in_text(&text).into_iter().map(|risk| format!("{}: {risk:?}", path.display())));
        }
    }
    told
}
