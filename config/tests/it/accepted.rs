//! What valid settings become.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use weir_config::{
    Access, Anonymous, ByteSize, Config, Kubernetes, LogFormat, NoticeKind, Role, Severity, Source, WebhookFormat,
};

use crate::config;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Every key once, none with its default.
const FULL: &str = r#"
[listen]
mirror = "[::1]:1"
report = "127.0.0.1:2"
[listen.tls]
certificate = "tls.crt"
key = "/run/tls.key"
client_ca = "nodes.pem"

[data]
directory = "data"
blob_budget = 1024

[[upstream]]
name = "Docker.io"
tag_ttl = "0s"
username = "robot"
password_file = "hub.token"
ca_file = "corp.pem"
access = "shared"
token_hosts = ["auth.example.org", "fd00::1"]
redirect_hosts = ["s3.internal:9000", "10.0.0.0/8"]
[[upstream]]
name = "registry.internal:5000"
url = "https://registry.internal:5000/prefix"
credential_command = ["print-token", "--for", "me"]
[[upstream]]
name = "localhost:5001"
url = "http://127.0.0.1:5001"
access = "client"

[scan]
max_file_size = "1MB"
fetch_concurrency = 3
fetch_budget = 0
[advisory]
source = "advisories"
ecosystems = ["Debian:12", "PyPI"]
refresh = "2h"
stale_after = "3d"
kev = "https://example.org/kev.json"
epss = "file:///srv/epss.csv"
cvss = "cvss.json"
[cluster]
name = "blue"
kubernetes = "kube/config"
node_header = "X-Node"
[report]
public_url = "https://weir.example.org"
idle_after = "1d"
pull_retention = "2d"
event_retention = "3d"
due = { critical = "1d", high = "off", low = "90d" }
[auth]
anonymous = "viewer"
protect_metrics = true
session_lifetime = "2d"
session_idle = "1h"
[auth.oidc]
issuer = "https://login.example.org/realm"
client_id = "weir"
client_secret_file = "oidc.secret"
ca_file = "idp.pem"
scopes = ["groups"]
role_claim = "roles"
viewers = ["everyone"]
editors = ["security"]
administrators = ["platform", "root"]
[[webhook]]
name = "ops-1.chat"
url = "https://hooks.example.org/services/T0/B0?x=y"
format = "slack"
secret_file = "hook.key"
authorization_file = "/run/hook.authorization"
ca_file = "hook.pem"
kinds = ["closed", "feed_stale"]
severity = "unknown"
known_exploited = false
clusters = ["prod"]
namespaces = ["shop", "bank"]
batch = "5m"
expiring_within = "3d"
retry_for = "2h"
[[webhook]]
name = "all"
url = "http://10.1.2.3:8080/"
severity = "critical"
only_running = false
[log]
level = "warn,weir_proxy=debug"
format = "json"
"#;

#[test]
fn every_key_reaches_its_field() {
    let config = config(FULL, &[]);
    let etc = |file: &str| PathBuf::from("/etc/weir").join(file);

    assert_eq!(config.listen.mirror.to_string(), "[::1]:1");
    assert_eq!(config.listen.report.to_string(), "127.0.0.1:2");
    let tls = config.listen.tls.unwrap();
    assert_eq!(tls.certificate, etc("tls.crt"));
    assert_eq!(tls.key, PathBuf::from("/run/tls.key"));
    assert_eq!(tls.client_ca, Some(etc("nodes.pem")));
    assert_eq!(config.data.directory, etc("data"));
    assert_eq!(config.data.blob_budget, ByteSize(1024));

    let [hub, internal, local] = config.upstreams.as_slice() else {
        panic!("three upstreams: {:?}", config.upstreams);
    };
    assert_eq!(hub.name, "docker.io");
    assert_eq!(hub.url.as_str(), "https://registry-1.docker.io/");
    assert_eq!(hub.tag_ttl, Duration::ZERO);
    assert_eq!(hub.username.as_deref(), Some("robot"));
    assert_eq!(hub.password_file, Some(etc("hub.token")));
    assert_eq!(hub.ca_file, Some(etc("corp.pem")));
    assert_eq!(hub.token_hosts, ["auth.example.org", "fd00::1"]);
    assert_eq!(hub.redirect_hosts, ["s3.internal:9000", "10.0.0.0/8"]);
    assert_eq!(internal.name, "registry.internal:5000");
    assert_eq!(internal.url.path(), "/prefix");
    assert_eq!(internal.tag_ttl, Duration::from_secs(300));
    assert_eq!(internal.credential_command, ["print-token", "--for", "me"]);
    assert_eq!(internal.access, Access::Shared);
    assert_eq!(local.access, Access::Client);

    assert_eq!(config.scan.max_file_size, ByteSize(1_000_000));
    assert_eq!(config.scan.fetch_concurrency, 3);
    assert_eq!(config.scan.fetch_budget, ByteSize(0));
    assert_eq!(config.advisory.source, Source::Directory(etc("advisories")));
    assert_eq!(config.advisory.ecosystems, ["Debian:12", "PyPI"]);
    assert_eq!(config.advisory.refresh, Duration::from_secs(7200));
    assert_eq!(config.advisory.stale_after, 3 * DAY);
    assert!(matches!(config.advisory.kev, Some(Source::Url(_))));
    assert_eq!(config.advisory.epss, Some(Source::Directory("/srv/epss.csv".into())));
    assert_eq!(config.advisory.cvss, Some(Source::Directory(etc("cvss.json"))));
    assert_eq!(config.cluster.name, "blue");
    assert_eq!(config.cluster.kubernetes, Kubernetes::Kubeconfig(etc("kube/config")));
    assert_eq!(config.cluster.node_header, "X-Node");
    assert_eq!(config.report.public_url.unwrap().as_str(), "https://weir.example.org/");
    assert_eq!(config.report.idle_after, DAY);
    assert_eq!(config.report.pull_retention, 2 * DAY);
    assert_eq!(config.report.event_retention, 3 * DAY);
    let due: Vec<_> = config.report.due.into_iter().collect();
    assert_eq!(due, [(Severity::Critical, DAY), (Severity::Low, 90 * DAY)]);
    assert_eq!(config.auth.anonymous, Anonymous::Role(Role::Viewer));
    assert!(config.auth.protect_metrics);
    assert_eq!(config.auth.session_lifetime, 2 * DAY);
    assert_eq!(config.auth.session_idle, Duration::from_secs(3600));
    let oidc = config.auth.oidc.unwrap();
    assert_eq!(oidc.issuer.as_str(), "https://login.example.org/realm");
    assert_eq!(oidc.client_id, "weir");
    assert_eq!(oidc.client_secret_file, Some(etc("oidc.secret")));
    assert_eq!(oidc.ca_file, Some(etc("idp.pem")));
    assert_eq!(oidc.scopes, ["groups"]);
    assert_eq!(oidc.role_claim, "roles");
    assert_eq!(oidc.viewers, ["everyone"]);
    assert_eq!(oidc.editors, ["security"]);
    assert_eq!(oidc.administrators, ["platform", "root"]);
    let [chat, all] = config.webhooks.as_slice() else { panic!("two webhooks: {:?}", config.webhooks) };
    assert_eq!((chat.name.as_str(), chat.format), ("ops-1.chat", WebhookFormat::Slack));
    assert_eq!(chat.url.as_str(), "https://hooks.example.org/services/T0/B0?x=y");
    assert_eq!(chat.secret_file, Some(etc("hook.key")));
    assert_eq!(chat.authorization_file, Some(PathBuf::from("/run/hook.authorization")));
    assert_eq!(chat.ca_file, Some(etc("hook.pem")));
    assert_eq!(chat.kinds, BTreeSet::from([NoticeKind::Closed, NoticeKind::FeedStale]));
    assert_eq!((chat.severity, chat.known_exploited, chat.only_running), (None, false, true));
    assert_eq!((&chat.clusters[..], &chat.namespaces[..]), (&["prod".into()][..], &["shop".into(), "bank".into()][..]));
    assert_eq!((chat.batch, chat.expiring_within, chat.retry_for), (DAY / 288, 3 * DAY, DAY / 12));
    assert_eq!((all.format, all.severity, all.only_running), (WebhookFormat::Json, Some(Severity::Critical), false));
    assert_eq!(all.kinds.len(), 5);
    assert!(!all.kinds.contains(&NoticeKind::Closed) && all.known_exploited);
    assert_eq!((all.batch, all.expiring_within, all.retry_for), (DAY / 1440, 7 * DAY, DAY));
    assert_eq!(config.log.level, "warn,weir_proxy=debug");
    assert_eq!(config.log.format, LogFormat::Json);
}

/// The defaults as the contract states them, written a second time on purpose.
#[test]
fn the_embedded_settings_are_the_stated_defaults() {
    let config = Config::embedded();
    assert_eq!(config.listen.mirror.to_string(), "0.0.0.0:5000");
    assert_eq!(config.listen.report.to_string(), "127.0.0.1:8080");
    assert!(config.listen.tls.is_none());
    assert_eq!(config.data.directory, PathBuf::from("/var/lib/weir"));
    assert_eq!(config.data.blob_budget, ByteSize(100 << 30));
    let upstreams: Vec<_> =
        config.upstreams.iter().map(|upstream| (upstream.name.as_str(), upstream.url.as_str())).collect();
    assert_eq!(
        upstreams,
        [
            ("docker.io", "https://registry-1.docker.io/"),
            ("ghcr.io", "https://ghcr.io/"),
            ("quay.io", "https://quay.io/"),
            ("registry.k8s.io", "https://registry.k8s.io/"),
            ("gcr.io", "https://gcr.io/"),
            ("public.ecr.aws", "https://public.ecr.aws/"),
            ("mcr.microsoft.com", "https://mcr.microsoft.com/"),
        ]
    );
    for upstream in &config.upstreams {
        assert_eq!(upstream.tag_ttl, Duration::from_secs(300));
        assert_eq!(upstream.access, Access::Shared);
        assert_eq!(upstream.username, None);
    }
    assert_eq!(config.scan.max_file_size, ByteSize(256 << 20));
    assert_eq!(config.scan.fetch_concurrency, 2);
    assert_eq!(config.scan.fetch_budget, ByteSize(20 << 30));
    assert!(matches!(&config.advisory.source, Source::Url(url)
        if url.as_str() == "https://osv-vulnerabilities.storage.googleapis.com/"));
    assert_eq!(config.advisory.ecosystems, Vec::<String>::new());
    assert_eq!(config.advisory.refresh, Duration::from_secs(3600));
    assert_eq!(config.advisory.stale_after, 2 * DAY);
    assert_eq!(config.advisory.kev, None);
    assert_eq!(config.cluster.name, "default");
    assert_eq!(config.cluster.kubernetes, Kubernetes::Auto);
    assert_eq!(config.cluster.node_header, "X-Weir-Node");
    assert_eq!(config.report.public_url, None);
    assert_eq!(config.report.idle_after, 30 * DAY);
    assert_eq!(config.report.pull_retention, 90 * DAY);
    assert_eq!(config.report.event_retention, 400 * DAY);
    let due: Vec<_> = config.report.due.into_iter().collect();
    assert_eq!(due, [(Severity::Critical, 7 * DAY), (Severity::High, 30 * DAY)]);
    assert_eq!(config.auth.anonymous, Anonymous::Auto);
    assert!(!config.auth.protect_metrics);
    assert_eq!(config.auth.session_lifetime, 7 * DAY);
    assert_eq!(config.auth.session_idle, DAY / 2);
    assert!(config.auth.oidc.is_none());
    assert_eq!(config.log.level, "info");
    assert_eq!(config.log.format, LogFormat::Text);
}

#[test]
fn variables_change_single_values_and_take_the_type_of_their_key() {
    let config = config(
        FULL,
        &[
            ("WEIR_LISTEN__TLS__CERTIFICATE", "other.crt"),
            ("WEIR_DATA__BLOB_BUDGET", "2048"),
            ("WEIR_UPSTREAM__0__TAG_TTL", "1m"),
            ("WEIR_UPSTREAM__0__TOKEN_HOSTS__1", "b.example.org"),
            ("WEIR_UPSTREAM__0__REDIRECT_HOSTS", "a.internal, 10.0.0.1"),
            ("WEIR_UPSTREAM__1__CREDENTIAL_COMMAND", r#"["a", "b, c"]"#),
            ("WEIR_UPSTREAM__3__NAME", "quay.io"),
            ("WEIR_SCAN__FETCH_CONCURRENCY", "5"),
            ("WEIR_ADVISORY__ECOSYSTEMS", ""),
            ("WEIR_REPORT__DUE__CRITICAL", "2d"),
            ("WEIR_AUTH__PROTECT_METRICS", "false"),
        ],
    );
    let tls = config.listen.tls.unwrap();
    assert_eq!(tls.certificate, PathBuf::from("/etc/weir/other.crt"));
    assert_eq!(tls.key, PathBuf::from("/run/tls.key"));
    assert_eq!(config.data.blob_budget, ByteSize(2048));
    let hub = &config.upstreams[0];
    assert_eq!(hub.username.as_deref(), Some("robot"));
    assert_eq!(hub.tag_ttl, Duration::from_secs(60));
    assert_eq!(hub.token_hosts, ["auth.example.org", "b.example.org"]);
    assert_eq!(hub.redirect_hosts, ["a.internal", "10.0.0.1"]);
    assert_eq!(config.upstreams[1].credential_command, ["a", "b, c"]);
    assert_eq!(config.upstreams[3].name, "quay.io");
    assert_eq!(config.scan.fetch_concurrency, 5);
    assert_eq!(config.advisory.ecosystems, Vec::<String>::new());
    assert_eq!(config.report.due[&Severity::Critical], 2 * DAY);
    assert!(!config.auth.protect_metrics);
}

#[test]
fn an_upstream_from_a_variable_replaces_the_built_in_list() {
    let config =
        config("", &[("WEIR_UPSTREAM__0__NAME", "localhost:5001"), ("WEIR_UPSTREAM__0__URL", "http://localhost:5001")]);
    let names: Vec<_> = config.upstreams.iter().map(|u| u.name.as_str()).collect();
    assert_eq!(names, ["localhost:5001"]);
}
