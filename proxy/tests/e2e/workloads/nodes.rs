//! Which node pulled: containerd sends the header that `weir hosts` writes, or shows the node's certificate.

use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{
    Containerd, NodeAuthority, Registry, ServerCertificate, Weir, layout_of, machine, run, small_image,
};

const REFERENCE: &str = "docker.io/library/small:1";

/// Pulls as a node whose certs.d tree is `hosts`; answers with the digest and what containerd says it is.
fn pull(directory: &Path, hosts: &Path, node: &str) -> (String, String) {
    let containerd = Containerd::start(&directory.join(node));
    containerd.pull_platform(hosts, REFERENCE, "linux/amd64");
    (containerd.digest(REFERENCE), format!("containerd/{}", containerd.version()))
}

#[test]
fn pulls_name_the_node_by_its_header_or_its_certificate() {
    let _machine = machine();
    let directory = tempfile::tempdir().unwrap();
    let registry = Registry::start(directory.path());
    let image = small_image("amd64", "nodes");
    registry.push(&layout_of(&directory.path().join("layout"), &image), "library/small:1");
    let server = ServerCertificate::make(directory.path());
    let authority = NodeAuthority::make(directory.path());
    let (url, client_ca) = (registry.url(), authority.certificate());
    let settings = [
        ("UPSTREAM__0__NAME", "docker.io"),
        ("UPSTREAM__0__URL", url.as_str()),
        ("ADVISORY__SOURCE", "/var/empty"),
        ("LISTEN__TLS__CERTIFICATE", server.certificate.to_str().unwrap()),
        ("LISTEN__TLS__KEY", server.key.to_str().unwrap()),
        ("LISTEN__TLS__CLIENT_CA", client_ca.to_str().unwrap()),
    ];
    let weir = Weir::start_tls(directory.path(), &settings, &server.trust);
    let hosts = |name: &str, arguments: &[&str]| {
        let hosts = directory.path().join(format!("certs-of-{name}"));
        let mut command = Weir::command(&settings);
        command.args(["hosts", "--only", "--mirror", &weir.url(), "--ca"]).arg(&server.certificate);
        run(command.args(arguments).arg("--out").arg(&hosts));
        hosts
    };

    let (digest, agent) = pull(directory.path(), &hosts("worker-1", &["--node", "worker-1"]), "worker-1");
    assert_eq!(digest, image.manifest_digest.to_string());
    let certified = hosts("worker-2", &[]);
    let pair = authority.kubelet("worker-2");
    let mut file = std::fs::File::options().append(true).open(certified.join("docker.io/hosts.toml")).unwrap();
    writeln!(file, "  client = [[{pair:?}, {pair:?}]]").unwrap();
    pull(directory.path(), &certified, "worker-2");
    pull(directory.path(), &hosts("nameless", &[]), "nameless");

    let pulls = weir.until("pulls", 10, |items| (items.len() == 3).then(|| items.to_vec()));
    let named: Vec<_> = pulls.iter().map(|pull| (&pull["node"], pull["node_source"].as_str().unwrap())).collect();
    let (first, second) = (json!("worker-1"), json!("worker-2"));
    assert_eq!(named, [(&Value::Null, "unknown"), (&second, "certificate"), (&first, "header")]);
    for pull in &pulls {
        for (field, value) in [
            ("image", json!(digest)),
            ("reference", json!(REFERENCE)),
            ("repository", json!("docker.io/library/small")),
            ("tag", json!("1")),
            ("cluster", Value::Null),
            ("address", json!("127.0.0.1")),
        ] {
            assert_eq!(pull[field], value, "{field} of {pull}");
        }
        assert_eq!(pull["agent"], agent, "{pull}");
    }
    assert_eq!(weir.items(&format!("images/{digest}/pulls")), pulls);
    assert_eq!(weir.items("pulls?node=worker-2"), pulls[1..2]);
}
