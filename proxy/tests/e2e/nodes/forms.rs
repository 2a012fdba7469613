//! Each form of containerd's configuration: set up, checked, pulled with and taken back; or refused.

use super::runtime::{Runtime, base};
use super::{REGISTRY, Site, codes, said, tree, write};
use crate::support::{Weir, machine, run, tool};

const LONG: &str = "[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"CERTS\"\n";
const SHORT: &str = "[plugins.cri.registry]\nconfig_path = \"CERTS\"\n";

#[test]
fn every_form_that_containerd_reads_is_set_up_pulled_with_and_taken_back() {
    let _machine = machine();
    let site = Site::start();
    let several = LONG.replace("CERTS", "HERE/none:CERTS");
    let importing = format!("imports = [\"HERE/conf.d/*.toml\"]\n{}", base(2));
    for (name, config, path) in [
        ("v2", format!("{}{LONG}", base(2)), "CERTS"),
        ("v1", format!("{}{SHORT}", base(1)), "CERTS"),
        ("v3", format!("{}{LONG}", base(3)), "CERTS"),
        ("list", format!("{}{several}", base(2)), "HERE/none:CERTS"),
        ("imports", importing, "CERTS"),
    ] {
        let place = site.place(name);
        if name == "imports" {
            let section = format!(
                "{LONG}[plugins.\"io.containerd.grpc.v1.cri\".containerd]\nsnapshotter = \"native\"\n\
                 [plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = \"HERE/cni\"\nconf_dir = \"HERE/cni\"\n"
            );
            Runtime::new(&place, "").file("conf.d/weir.toml", &section);
        }
        let runtime = Runtime::start(&place, &config);
        let expected =
            path.replace("CERTS", runtime.certs().to_str().unwrap()).replace("HERE", place.to_str().unwrap());
        assert_eq!(runtime.config_path().unwrap(), expected, "{name}: what containerd reads");
        let (checked, fine) = site.check(&runtime);
        assert_eq!((checked["config_path"].as_str(), fine), (Some(expected.as_str()), false), "{checked:#}");
        assert!(codes(&checked).contains(&"upstream_missing"), "{checked:#}");
        assert!(checked["version"].as_str().unwrap().starts_with("1.6."), "{checked:#}");

        let target = if name == "list" { place.join("none") } else { runtime.certs() };
        assert!(!target.exists(), "{name}: {target:?} is there already");
        let written = run(site.setup(&runtime).args(["--node", name]));
        assert!(target.join(REGISTRY).join("hosts.toml").is_file(), "{name}: {written}");
        let (checked, fine) = site.check(&runtime);
        assert!(fine && checked["through_weir"] == true, "{name}: {checked:#}");
        let image = site.hold(name);
        runtime.pull(&image).unwrap_or_else(|error| panic!("{name}: {error}\n{}", runtime.log()));
        site.weir.until(&format!("pulls?node={name}"), 20, |pulls| (!pulls.is_empty()).then_some(()));

        run(&mut site.node("remove", &runtime));
        assert!(!target.exists(), "{name}: {target:?} was not there before");
    }
}

#[test]
fn forms_that_containerd_does_not_read_are_refused_by_file_and_key() {
    let _machine = machine();
    let site = Site::start();
    // Whose version is asked; the configurations are others.
    let running = Runtime::start(&site.place("running"), &base(2));
    let images = LONG.replace("io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images");
    let import = |file: &str| format!("version = 2\nimports = [\"HERE/{file}\"]\n{LONG}");
    let mirrors = format!(
        "version = 2\n{LONG}[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"docker.io\"]\nendpoint = [\"http://x\"]\n"
    );
    // What containerd makes of each: it does not start, or reads no path, or reads one that its CRI plugin then refuses.
    for (name, config, code, reads) in [
        ("unset", base(2), "config_path_missing", Some("")),
        ("no-version", LONG.to_owned(), "config_path_elsewhere", Some("")),
        ("later", format!("version = 3\n{images}"), "config_path_elsewhere", Some("")),
        ("short", format!("version = 2\n{SHORT}"), "config_refused", None),
        ("syntax", "version = 2\n[plugins\n".to_owned(), "config_refused", None),
        ("import", import("none.toml"), "config_refused", None),
        ("replaced", import("sandbox.toml"), "config_path_elsewhere", Some("")),
        ("mirrors", mirrors, "deprecated_beside_config_path", Some("CERTS")),
    ] {
        let runtime = Runtime::new(&site.place(name), &config);
        runtime.file("sandbox.toml", "[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"pause:1\"\n");
        let before = tree(&site.place(name));
        let mut setup = Weir::command(&super::settings(&site.url));
        setup.args(["node", "setup", "--mirror", &site.weir.url(), "--containerd-config"]).arg(runtime.config());
        let output = setup.arg("--containerd-socket").arg(running.socket()).output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{name}: {text}");
        assert!(text.contains(&format!("error: {code}: ")), "{name}: {text}");
        assert_eq!(tree(&site.place(name)), before, "{name}: something was written");
        let expected = reads.map(|path| path.replace("CERTS", runtime.certs().to_str().unwrap()));
        assert_eq!(runtime.config_path().ok(), expected, "{name}: what containerd reads");
    }
    // The last one starts, without a CRI plugin: nothing can be pulled.
    let config = format!("{}{LONG}", base(2));
    let mirrors = "[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"docker.io\"]\nendpoint = [\"http://x\"]\n";
    let without = Runtime::start(&site.place("without"), &format!("{config}{mirrors}"));
    let error = without.pull(&site.hold("none")).unwrap_err();
    assert!(error.contains("ImageService"), "{error}");
    assert!(without.log().contains("`mirrors` cannot be set when `config_path` is provided"), "{}", without.log());
}

#[test]
fn a_node_is_set_up_through_its_root_and_an_administrator_s_file_comes_back() {
    let _machine = machine();
    let site = Site::start();
    let runtime = Runtime::start(&site.place("node"), &format!("{}{LONG}", base(2)));
    let own = runtime.certs().join(REGISTRY).join("hosts.toml");
    write(&own, "# mine\n[host.\"http://127.0.0.1:2\"]\n");
    let before = tree(&runtime.certs());
    let root = site.place("host");
    std::fs::create_dir_all(&root).unwrap();
    // As a DaemonSet has it: the host's root is mounted elsewhere, and weir's own root is another.
    let within = |command: &mut std::process::Command, more: &[&str]| {
        let mut line = vec![command.get_program().to_owned()];
        line.extend(command.get_args().map(ToOwned::to_owned));
        let mut inside = std::process::Command::new(tool("unshare"));
        inside.args(["--mount", "--", "sh", "-c", r#"mount --rbind / "$0" && exec "$@""#]).arg(&root).args(line);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside.arg("--host-root").arg(&root).args(more);
        inside.output().unwrap()
    };
    let refused = within(&mut site.setup(&runtime), &["--node", "n1"]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains(&format!("{} is not weir's", own.display())), "{}", said(&refused));
    assert_eq!(tree(&runtime.certs()), before);
    let adopted = within(&mut site.setup(&runtime), &["--node", "n1", "--adopt"]);
    assert!(adopted.status.success(), "{}", said(&adopted));
    let checked = within(&mut site.node("check", &runtime), &[]);
    assert!(checked.status.success() && said(&checked).contains("through weir   yes"), "{}", said(&checked));
    runtime.pull(&site.hold("1")).unwrap_or_else(|error| panic!("{error}\n{}", runtime.log()));
    site.weir.until("pulls?node=n1", 20, |pulls| (!pulls.is_empty()).then_some(()));
    let removed = within(&mut site.node("remove", &runtime), &[]);
    assert!(removed.status.success(), "{}", said(&removed));
    assert_eq!(tree(&runtime.certs()), before, "{}", said(&removed));
}
