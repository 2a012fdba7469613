//! What `weir node check` says of a `hosts.toml` is what containerd does with it.

use serde_json::Value;

use super::runtime::{Runtime, base};
use super::{REGISTRY, Site, codes, write};
use crate::support::{machine, run};

/// What is in `certs.d`, under which directory, what the check says of the file, and one of its codes.
const CASES: [(&str, &str, &str, &str, &str); 14] = [
    (
        "good",
        "",
        "server = \"http://127.0.0.1:1\"\n[host.\"WEIR\"]\n  capabilities = [\"pull\", \"resolve\"]\n",
        "read",
        "",
    ),
    ("server-only", "", "server = \"WEIR\"\n", "refused", "server_only"),
    ("no-toml", "", "[host.\"WEIR\"\n", "refused", "hosts_toml_invalid"),
    ("capability", "", "[host.\"WEIR\"]\ncapabilities = [\"pull\", \"fetch\"]\n", "refused", "unknown_capability"),
    (
        "referrers",
        "",
        "[host.\"WEIR\"]\ncapabilities = [\"pull\", \"resolve\", \"referrers\"]\n",
        "refused",
        "unknown_capability",
    ),
    ("verify", "", "[host.\"WEIR\"]\nskip_verify = \"true\"\n", "refused", "hosts_toml_invalid"),
    ("header", "", "[host.\"WEIR\"]\nheader = { x-weir-node = 1 }\n", "refused", "hosts_toml_invalid"),
    ("client", "", "[host.\"WEIR\"]\nclient = [[\"/a\"]]\n", "refused", "hosts_toml_invalid"),
    ("scheme", "", "[host.\"PLAIN\"]\ncapabilities = [\"pull\", \"resolve\"]\n", "read", "host_without_scheme"),
    ("no-ca", "", "[host.\"WEIR\"]\nca = \"none.pem\"\n", "broken", "ca_missing"),
    ("unknown-key", "", "[host.\"WEIR\"]\ncapabilites = [\"pull\"]\ndial_timeout = \"soon\"\n", "read", "unknown_key"),
    ("empty", "", "", "none", "upstream_missing"),
    ("default", "_default", "[host.\"WEIR\"]\n", "read", "default_directory"),
    ("shadow", "127.0.0.1_1_", "[host.\"http://127.0.0.1:2\"]\n", "read", "directory_shadowed"),
];

#[test]
fn what_check_says_of_a_file_is_what_containerd_does_with_it() {
    let _machine = machine();
    let site = Site::start();
    let config = format!("{}[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"CERTS\"\n", base(2));
    let runtime = Runtime::start(&site.place("node"), &config);
    let (weir, plain) = (site.weir.url(), site.weir.mirror.to_string());
    for (name, directory, text, state, code) in CASES {
        if runtime.certs().is_dir() {
            std::fs::remove_dir_all(runtime.certs()).unwrap();
        }
        let directory = if directory.is_empty() { REGISTRY } else { directory };
        let text = text.replace("WEIR", &weir).replace("PLAIN", &plain);
        write(&runtime.certs().join(directory).join("hosts.toml"), &text);
        if name == "shadow" {
            write(&runtime.certs().join(REGISTRY).join("hosts.toml"), &format!("[host.\"{weir}\"]\n"));
        }
        let (checked, _) = site.check(&runtime);
        let registries = checked["registries"].as_array().unwrap();
        let registry = registries.iter().find(|registry| registry["registry"] == REGISTRY).unwrap();
        assert_eq!(registry["state"], state, "{name}: {checked:#}");
        assert!(code.is_empty() || codes(&checked).contains(&code), "{name}: {checked:#}");
        let through = state == "read" && registry["asks"][0] == weir.as_str();
        assert_eq!(checked["through_weir"], through, "{name}: {checked:#}");

        let pulled = runtime.pull(&site.hold(name));
        // Only weir can have it, and weir has it from upstream: each image's tag is another.
        assert_eq!(pulled.is_ok(), through, "{name}: {pulled:?}\n{}", runtime.log());
        assert_eq!(site.upstream.asked(name) > 0, through, "{name}: {pulled:?}");
        if state == "refused" {
            assert!(runtime.log().contains("failed to decode hosts.toml"), "{name}: {}", runtime.log());
        }
        if state == "broken" {
            assert!(pulled.unwrap_err().contains("none.pem"), "{name}");
        }
    }
}

#[test]
fn the_authority_is_copied_to_the_node_and_containerd_verifies_by_it() {
    let _machine = machine();
    let (site, certificate) = Site::start_tls();
    let config = format!("{}[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"CERTS\"\n", base(2));
    let runtime = Runtime::start(&site.place("node"), &config);
    run(site.setup(&runtime).args(["--node", "n1", "--ca"]).arg(&certificate));
    let copy = runtime.certs().join(".weir/ca.pem");
    assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(&certificate).unwrap());
    let (checked, fine) = site.check(&runtime);
    assert!(fine && checked["through_weir"] == true, "{checked:#}");
    runtime.pull(&site.hold("1")).unwrap_or_else(|error| panic!("{error}\n{}", runtime.log()));
    site.weir.until("pulls?node=n1", 20, |pulls| (!pulls.is_empty()).then_some(()));
    std::fs::write(&copy, "no PEM").unwrap();
    let (checked, _) = site.check(&runtime);
    assert_eq!(codes(&checked), ["ca_missing", "mirror_unreachable", "file_changed"], "{checked:#}");
}

#[test]
fn the_pause_image_must_not_need_weir() {
    let _machine = machine();
    let site = Site::start();
    let cri = "[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"127.0.0.1:1/pause:1\"\n";
    let path = "[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"CERTS\"\n";
    let runtime = Runtime::start(&site.place("node"), &format!("{}{cri}{path}", base(2)));
    run(&mut site.setup(&runtime));
    assert_eq!(codes(&site.check(&runtime).0), [""; 0]);
    run(site.setup(&runtime).arg("--only"));
    let (checked, fine) = site.check(&runtime);
    assert!(fine, "a warning: {checked:#}");
    assert_eq!(codes(&checked), ["pause_image_needs_weir"], "{checked:#}");
    assert_eq!(checked["registries"][0]["asks"], Value::from(vec![site.weir.url(), site.weir.url()]));
    let output = site.setup(&runtime).args(["--except", REGISTRY]).output().unwrap();
    assert!(super::said(&output).contains("--except leaves no registry"), "{}", super::said(&output));
}

#[test]
fn a_mirror_that_does_not_answer_is_named() {
    let _machine = machine();
    let site = Site::start();
    let config = format!("{}[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"CERTS\"\n", base(2));
    let runtime = Runtime::start(&site.place("node"), &config);
    let mut setup = site.node("setup", &runtime);
    run(setup.args(["--mirror", "http://127.0.0.1:2"]));
    // Without --mirror it is the one that setup was given.
    let output = site.node("check", &runtime).args(["--format", "json"]).output().unwrap();
    let checked: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{checked:#}");
    assert_eq!(codes(&checked), ["mirror_unreachable"], "{checked:#}");
    assert_eq!((&checked["through_weir"], &checked["mirror"]), (&false.into(), &"http://127.0.0.1:2".into()));
}
