//! What is refused, and what the operator is told.

use crate::{checked, lines};

#[track_caller]
fn assert_mistakes(text: &str, variables: &[(&str, &str)], expected: &[&str]) {
    let checked = checked(text, variables);
    assert_eq!(lines(&checked.mistakes), expected);
    assert!(checked.config.is_none());
}

#[test]
fn every_mistake_is_reported_at_once_with_its_line() {
    assert_mistakes(
        r#"[listen]
mirror = ":5000"
report = 8080
tls = { certificate = "" }

[data]
blob_budget = "0"
blob_budgte = 1

[[upstream]]
name = "library"
[[upstream]]
name = "quay.io"
url = "ftp://quay.io"
[[upstream]]
name = "example.org"
tag_ttl = 5
[[upstream]]
name = "QUAY.io"
redirect_hosts = [
  "10.0.0.0/8",
  "169.254.169.254",
]

[scan]
max_file_size = -1
fetch_concurrency = 0
[surprise]
[report]
due = { critcal = "1d", low = "0s" }
[auth]
anonymous = "admin"
protect_metrics = "yes"
[log]
level = "inof"
"#,
        &[],
        &[
            "weir.toml:2: listen.mirror: expected an IP address and a port such as \"127.0.0.1:8080\" or \"[::]:8080\", found \":5000\"",
            "weir.toml:3: listen.report: expected text in quotes, found a number",
            "weir.toml:4: listen.tls.key: missing",
            "weir.toml:4: listen.tls.certificate: must not be empty",
            "weir.toml:7: data.blob_budget: must be over 0",
            "weir.toml:8: data.blob_budgte: unknown key; did you mean blob_budget?",
            "weir.toml:11: upstream[0].name: \"library\" could be a part of a repository's name; expected a host with a dot or a port, or localhost",
            "weir.toml:14: upstream[1].url: expected an https or http URL",
            "weir.toml:15: upstream[2].url: missing; only known for docker.io, ghcr.io, quay.io, registry.k8s.io, gcr.io, public.ecr.aws, mcr.microsoft.com",
            "weir.toml:17: upstream[2].tag_ttl: expected text in quotes, found a number",
            "weir.toml:22: upstream[3].redirect_hosts[1]: \"169.254.169.254\" holds link-local addresses, which are never allowed",
            "weir.toml:26: scan.max_file_size: expected a number of bytes from 0 up",
            "weir.toml:27: scan.fetch_concurrency: expected a whole number from 1 to 64",
            "weir.toml:28: surprise: unknown key",
            "weir.toml:30: report.due.critcal: unknown key; did you mean critical?",
            "weir.toml:30: report.due.low: must be over 0, or \"off\"",
            "weir.toml:32: auth.anonymous: expected \"auto\" or \"none\" or \"viewer\" or \"editor\" or \"administrator\", found \"admin\"",
            "weir.toml:33: auth.protect_metrics: expected true or false, found text",
            "weir.toml:35: log.level: expected a level (error, warn, info, debug, trace or off), or levels per module as in \"info,weir_proxy=debug\", found \"inof\"",
        ],
    );
}

#[test]
fn syntax_errors_carry_their_lines() {
    let checked = checked("[listen]\nmirror = \n\n[data\n", &[]);
    let places: Vec<_> =
        checked.mistakes.iter().map(|mistake| mistake.place.as_ref().map(|place| place.line)).collect();
    assert_eq!(places, [Some(2), Some(4)], "{:?}", checked.mistakes);
    assert!(checked.config.is_none());
}

#[test]
fn credentials_have_to_make_one_whole() {
    let upstream = |keys: &str| format!("[[upstream]]\nname = \"quay.io\"\n{keys}\n");
    for (keys, expected) in [
        ("username = \"a\"", "weir.toml:3: upstream[0].username: needs password_file"),
        ("password_file = \"a\"", "weir.toml:3: upstream[0].password_file: needs username"),
        (
            "username = \"a\"\npassword_file = \"b\"\ncredential_command = [\"c\"]",
            "weir.toml:5: upstream[0].credential_command: replaces username and password_file; keep one of them",
        ),
        (
            "access = \"client\"\ncredential_command = [\"c\"]",
            "weir.toml:4: upstream[0].credential_command: has no use with access = \"client\", where each client's own credentials count",
        ),
        (
            "access = \"client\"\nusername = \"a\"\npassword_file = \"b\"",
            "weir.toml:4: upstream[0].username: has no use with access = \"client\", where each client's own credentials count",
        ),
        (
            "credential_command = [\" \"]",
            "weir.toml:3: upstream[0].credential_command: the first text must name a program",
        ),
        (
            "username = \"a:b\"\npassword_file = \"b\"",
            "weir.toml:3: upstream[0].username: a user name holds no colon and no control characters",
        ),
    ] {
        assert_mistakes(&upstream(keys), &[], &[expected]);
    }
}

#[test]
fn an_url_names_nothing_but_the_registry() {
    for (url, expected) in [
        ("https://a:hunter2@b.c", "a URL must not hold a user name or password"),
        ("https://b.c?d", "a registry's URL has no query"),
        ("https://b.c/v2/", "leave out /v2, which every request adds"),
        ("b.c", "expected a URL: relative URL without a base"),
    ] {
        assert_mistakes(
            &format!("[[upstream]]\nname = \"b.c\"\nurl = \"{url}\"\n"),
            &[],
            &[&format!("weir.toml:3: upstream[0].url: {expected}")],
        );
    }
}

#[test]
fn the_list_of_upstreams_is_whole() {
    assert_mistakes(
        "[[upstream]]\nname = \"quay.io\"\n[[upstream]]\nname = \"Quay.io\"\n",
        &[],
        &["weir.toml:4: upstream[1].name: quay.io is configured twice"],
    );
    assert_mistakes("[[upstream]]\n", &[], &["weir.toml:1: upstream[0].name: missing"]);
    assert_mistakes(
        "upstream = []\n",
        &[],
        &["weir.toml:1: upstream: no registry is left; without any [[upstream]] the built-in list is mirrored"],
    );
    assert_mistakes(
        "[upstream]\nname = \"quay.io\"\n",
        &[],
        &["weir.toml:1: upstream: expected a list of tables, each under [[upstream]]"],
    );
    assert_mistakes("upstream = [\"quay.io\"]\n", &[], &["weir.toml:1: upstream[0]: expected a table, found text"]);
}

#[test]
fn a_mistake_in_a_variable_names_the_variable() {
    assert_mistakes(
        "[listen]\nmirror = \"127.0.0.1:5000\"\n",
        &[
            ("WEIR_LISTEN__MIRROR", "here"),
            ("WEIR_LISTEN__TLS__KEY", "a"),
            ("WEIR_SCAN__FETCH_CONCURRENCY", "many"),
            ("WEIR_UPSTREAM__0__NAME", ""),
            ("WEIR_UPSTREAM__0__TOKEN_HOSTS", "a.b,c/d"),
            ("WEIR_DATA__BLOB_BUDJET", "1"),
        ],
        &[
            "WEIR_DATA__BLOB_BUDJET: no such setting; did you mean WEIR_DATA__BLOB_BUDGET?",
            "WEIR_LISTEN__MIRROR: listen.mirror: expected an IP address and a port such as \"127.0.0.1:8080\" or \"[::]:8080\", found \"here\"",
            "WEIR_LISTEN__TLS__KEY: listen.tls.certificate: missing",
            "WEIR_SCAN__FETCH_CONCURRENCY: scan.fetch_concurrency: expected a whole number from 1 to 64",
            "WEIR_UPSTREAM__0__NAME: upstream[0].name: must not be empty",
            "WEIR_UPSTREAM__0__TOKEN_HOSTS: upstream[0].token_hosts[1]: expected a host without scheme, port or path, found \"c/d\"",
        ],
    );
}

#[test]
fn an_unknown_key_is_told_apart_from_a_misplaced_one() {
    assert_mistakes(
        "[listen]\ndirectory = \"/srv\"\n\"od\\nd\" = 1\n",
        &[],
        &[
            "weir.toml:2: listen.directory: unknown key; did you mean data.directory?",
            "weir.toml:3: listen.\"od\\nd\": unknown key",
        ],
    );
    assert_mistakes(
        "[[upstream]]\nname = \"quay.io\"\npassword = \"hunter2\"\n",
        &[],
        &["weir.toml:3: upstream[0].password: unknown key; did you mean password_file?"],
    );
}

#[test]
fn sections_that_need_each_other_are_checked_together() {
    assert_mistakes(
        "[listen]\nmirror = \"0.0.0.0:1\"\nreport = \"127.0.0.1:1\"\n",
        &[],
        &["weir.toml:3: listen.report: the same address as listen.mirror, 0.0.0.0:1"],
    );
    assert_mistakes(
        "[auth.oidc]\nissuer = \"http://login.example.org\"\nviewers = [\"\"]\nscopes = [\"a b\"]\n",
        &[],
        &[
            "weir.toml:1: auth.oidc.client_id: missing",
            "weir.toml:2: auth.oidc.issuer: expected https, or http to a loopback address",
            "weir.toml:3: auth.oidc.viewers[0]: must not be empty",
            "weir.toml:4: auth.oidc.scopes[0]: expected a scope: visible characters without spaces, quotes and backslashes",
        ],
    );
    assert_mistakes(
        "[cluster]\nname = \"a b\"\nkubernetes = \"Off\"\nnode_header = \"X Node\"\n",
        &[],
        &[
            "weir.toml:2: cluster.name: expected at most 63 letters, digits, '-', '_' and '.', found \"a b\"",
            "weir.toml:3: cluster.kubernetes: expected \"auto\", \"off\" or the path of a kubeconfig, found \"Off\"; a file of that name is \"./Off\"",
            "weir.toml:4: cluster.node_header: expected the name of a header, found \"X Node\"",
        ],
    );
}

#[test]
fn a_webhook_says_whom_it_tells_what() {
    let refused = "expected https, or http to a loopback or private address";
    assert_mistakes(
        r#"[[webhook]]
name = "a"
url = "https://user:hunter2@hooks.example.org/"
[[webhook]]
name = "a"
url = "http://hooks.example.org/secret"
kinds = ["opened", "open"]
batch = "0s"
[[webhook]]
name = "a/b"
url = "http://8.8.8.8/"
format = "teams"
severity = "grave"
kinds = []
[[webhook]]
name = "b"
url = "https://hooks.example.org/"
secret_file = "a"
clusters = ["prod"]
only_running = false
batch = "25h"
[[webhook]]
name = "b"
url = "https://hooks.example.org/"
secret_file = "a"
"#,
        &[],
        &[
            "weir.toml:3: webhook[0].url: a URL must not hold a user name or password",
            &format!("weir.toml:6: webhook[1].url: {refused}"),
            "weir.toml:7: webhook[1].kinds[1]: expected one of opened, rerated, closed, exception_expiring, agent_silent, feed_stale, found \"open\"",
            "weir.toml:8: webhook[1].batch: must be over 0",
            "weir.toml:10: webhook[2].name: expected at most 63 letters, digits, '-', '_' and '.', a letter or digit first, found \"a/b\"",
            &format!("weir.toml:11: webhook[2].url: {refused}"),
            "weir.toml:12: webhook[2].format: expected \"json\" or \"slack\", found \"teams\"",
            "weir.toml:13: webhook[2].severity: expected \"critical\" or \"high\" or \"medium\" or \"low\" or \"unknown\", found \"grave\"",
            "weir.toml:14: webhook[2].kinds: must name what is told",
            "weir.toml:20: webhook[3].only_running: clusters and namespaces mean what runs there; leave them out, or this",
            "weir.toml:21: webhook[3].batch: at most 24h",
            "weir.toml:23: webhook[4].name: b is configured twice",
        ],
    );
}
