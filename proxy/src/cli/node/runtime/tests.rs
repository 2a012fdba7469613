use std::fs;

use super::*;

/// A host with these files; answers with what a containerd of `version` reads.
fn of(version: &str, files: &[(&str, &str)]) -> Configuration {
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let file = directory.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let root = HostRoot::new(directory.path().to_owned());
    read(&root, Path::new(MAIN), Version::parse(version).as_ref())
}

const MAIN: &str = "/etc/containerd/config.toml";
const V2: &str = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/certs\"\n";
const V3: &str = "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/certs'\n";
const V1: &str = "[plugins.cri.registry]\nconfig_path = \"/certs\"\n";
const V3_OLD: &str = "version = 3\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/certs\"\n";
const NO_VERSION: &str = "[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/certs\"\n";

fn codes(found: &Configuration) -> Vec<String> {
    found.findings.iter().map(|finding| format!("{} {}", finding.level.name(), finding.code.name())).collect()
}

#[test]
fn every_form_is_found_by_the_versions_that_read_it() {
    for (text, version, read) in [
        (V1, "1.6.20", true),
        (V1, "2.1.0", true),
        (V1, "", true),
        (V2, "1.6.20", true),
        (V2, "2.1.0", true),
        (V2, "", true),
        (V3, "2.0.5", true),
        (V3, "", true),
        (V3, "1.7.20", false),
        (V3_OLD, "1.6.20", true),
        (V3_OLD, "2.0.5", false),
        (NO_VERSION, "1.6.20", false),
        ("version = 2\n[plugins]\n", "1.6.20", false),
        ("", "2.0.0", false),
    ] {
        let found = of(version, &[(MAIN, text)]);
        assert_eq!(found.config_path.is_some(), read, "{version}: {text} {:?}", found.findings);
        assert_eq!(found.findings.is_empty(), read, "{version}: {text} {:?}", found.findings);
        if let Some(path) = found.config_path {
            assert_eq!((path.text.as_str(), path.directories), ("/certs", vec!["/certs".into()]));
        } else {
            let code =
                if text.contains("/certs") { "error config_path_elsewhere" } else { "error config_path_missing" };
            assert_eq!(codes(&found), [code], "{text}");
        }
    }
}

#[test]
fn without_a_file_containerd_s_defaults_hold() {
    assert_eq!(codes(&of("1.7.20", &[])), ["warning config_missing", "error config_path_missing"]);
    let late = of("2.2.1", &[]);
    assert_eq!(late.config_path.as_ref().unwrap().text, DEFAULT_PATH);
    assert_eq!(codes(&late), ["warning config_missing", "error config_path_list"]);
}

#[test]
fn imports_are_followed_as_containerd_follows_them() {
    let main = "version = 2\nimports = [\"conf.d/one.toml\", \"/etc/containerd/more/*.toml\"]\n";
    let found = of(
        "1.6.20",
        &[(MAIN, main), ("/etc/containerd/conf.d/one.toml", ""), ("/etc/containerd/more/9.toml", NO_VERSION)],
    );
    assert_eq!(found.config_path.unwrap().text, "/certs", "a file without a version has the first one's");
    assert_eq!(found.files.len(), 3);

    let missing = |import: &str| codes(&of("1.6.20", &[(MAIN, &format!("imports = [{import:?}]\n{V2}"))]));
    assert_eq!(missing("none.toml"), ["error config_refused"]);
    assert_eq!(missing("/opt/none.toml"), ["warning config_missing"], "its directory is not mounted");
    let circle = of("1.6.20", &[(MAIN, &format!("version = 2\nimports = [{MAIN:?}]\n"))]);
    assert_eq!((codes(&circle).len(), circle.files.len()), (1, 1));
    let relative = of("1.6.20", &[(MAIN, &format!("imports = [\"conf.d/*.toml\"]\n{V2}"))]);
    assert_eq!(codes(&relative), ["warning relative_path"]);
    let by_default = of("2.2.0", &[(MAIN, "version = 3\n"), ("/etc/containerd/conf.d/weir.toml", V3)]);
    assert_eq!(by_default.config_path.unwrap().text, "/certs");
}

#[test]
fn an_import_takes_the_whole_section_s_place_in_1_x_and_is_merged_in_2_x() {
    let import = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"pause:1\"\n";
    let main = format!("imports = [\"/conf.d/*.toml\"]\n{V2}");
    let files = [(MAIN, main.as_str()), ("/conf.d/a.toml", import)];
    let first = of("1.6.20", &files);
    assert_eq!((codes(&first), first.config_path), (vec!["error config_path_elsewhere".to_owned()], None));
    assert_eq!(first.sandbox_image.as_deref(), Some("pause:1"));
    assert_eq!(of("2.0.0", &files).config_path.unwrap().text, "/certs");
}

#[test]
fn a_list_of_directories_is_one_name_to_the_transfer_service() {
    let text = V2.replace("/certs", "/a:/b");
    let list = |version: &str| {
        let found = of(version, &[(MAIN, &text)]);
        (found.config_path.as_ref().unwrap().directories.len(), codes(&found))
    };
    assert_eq!(list("1.7.3"), (2, vec![]));
    assert_eq!(list("2.0.9"), (2, vec![]));
    assert_eq!(list("2.1.0"), (1, vec!["error config_path_list".to_owned()]));
    assert_eq!(list(""), (2, vec!["warning config_path_list".to_owned()]));
    let local = format!("{text}[plugins.\"io.containerd.grpc.v1.cri\"]\nuse_local_image_pull = true\n");
    assert!(codes(&of("2.1.0", &[(MAIN, &local)])).is_empty());
}

#[test]
fn what_containerd_does_not_start_with_is_named() {
    let mirrors = "[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"docker.io\"]\nendpoint = [\"http://x\"]\n";
    let tls = "[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"a.b\".tls]\nca_file = \"/x\"\n";
    let auth = "[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"a.b\".auth]\nusername = \"x\"\n";
    for (more, expected) in [(mirrors, 1), (tls, 1), (auth, 0)] {
        let found = of("1.6.20", &[(MAIN, &format!("{V2}{more}"))]);
        assert_eq!(codes(&found), vec!["error deprecated_beside_config_path"; expected], "{more}");
    }
    assert_eq!(codes(&of("1.6.20", &[(MAIN, "version = 2\n[plugins\n")])), ["error config_refused"]);
    let short = of("1.6.20", &[(MAIN, &format!("version = 2\n{V1}"))]);
    assert_eq!(codes(&short), ["error config_refused"]);
    assert!(short.findings[0].detail.contains("[plugins.cri]"), "{:?}", short.findings);
}

#[test]
fn k3s_and_rke2_run_a_containerd_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let root = HostRoot::new(directory.path().to_owned());
    assert_eq!(Places::of(&root).socket, "/run/containerd/containerd.sock");
    for place in [MAIN, PLACES[1].config] {
        let file = directory.path().join(&place[1..]);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, V2).unwrap();
    }
    assert_eq!(Places::of(&root).config, PLACES[1].config);
}
