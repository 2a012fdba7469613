//! What is allowed but should be known.

use crate::{checked, lines};

#[track_caller]
fn assert_warnings(text: &str, expected: &[&str]) {
    let checked = checked(text, &[]);
    assert_eq!(lines(&checked.mistakes), Vec::<String>::new());
    assert!(checked.config.is_some(), "a warning withholds nothing");
    assert_eq!(lines(&checked.warnings), expected);
}

#[test]
fn shared_access_with_credentials_opens_private_images() {
    let expected = "opens private images of quay.io to everyone who reaches 0.0.0.0:5000";
    assert_warnings(
        "[[upstream]]\nname = \"quay.io\"\nusername = \"a\"\npassword_file = \"b\"\n",
        &[&format!("weir.toml:1: upstream[0].access: {expected}")],
    );
    assert_warnings(
        "[[upstream]]\nname = \"quay.io\"\naccess = \"shared\"\ncredential_command = [\"a\"]\n",
        &[&format!("weir.toml:3: upstream[0].access: {expected}")],
    );
}

#[test]
fn plain_http_is_for_this_machine() {
    let upstream = |url: &str| format!("[[upstream]]\nname = \"a.b\"\nurl = \"{url}\"\n");
    assert_warnings(&upstream("http://127.0.0.1:5000"), &[]);
    assert_warnings(&upstream("http://localhost:5000"), &[]);
    assert_warnings(&upstream("http://[::1]:5000"), &[]);
    assert_warnings(
        &upstream("http://a.b"),
        &["weir.toml:3: upstream[0].url: plain http beyond this machine: images of a.b travel unencrypted"],
    );
    assert_warnings(
        "[advisory]\nkev = \"http://a.b/kev.json\"\n",
        &["weir.toml:2: advisory.kev: plain http beyond this machine: who is on the way can forge what it says"],
    );
}

#[test]
fn client_credentials_want_tls_beyond_this_machine() {
    let client = "[[upstream]]\nname = \"quay.io\"\naccess = \"client\"\n";
    let tls = "[listen.tls]\ncertificate = \"a\"\nkey = \"b\"\n";
    let loopback = "[listen]\nmirror = \"127.0.0.1:5000\"\n";
    assert_warnings(
        client,
        &[
            "weir.toml:3: upstream[0].access: clients send their credentials to listen.mirror unencrypted; set listen.tls",
        ],
    );
    assert_warnings(&format!("{tls}{client}"), &[]);
    assert_warnings(&format!("{loopback}{client}"), &[]);
}

#[test]
fn a_role_for_everyone_is_for_loopback_addresses() {
    assert_warnings("[auth]\nanonymous = \"editor\"\n", &[]);
    assert_warnings(
        "[listen]\nreport = \"0.0.0.0:8080\"\n[auth]\nanonymous = \"editor\"\n",
        &[
            "weir.toml:4: auth.anonymous: everyone who reaches 0.0.0.0:8080 may read the report and set exceptions without signing in",
        ],
    );
    assert_warnings("[listen]\nreport = \"0.0.0.0:8080\"\n", &[]);
}

#[test]
fn settings_that_defeat_each_other_are_named() {
    assert_warnings(
        "[advisory]\nrefresh = \"72h\"\n",
        &[
            "weir.toml:1: advisory.stale_after: shorter than advisory.refresh, so advisories turn stale between two refreshes",
        ],
    );
    assert_warnings(
        "[report]\nidle_after = \"91d\"\n",
        &[
            "weir.toml:1: report.pull_retention: shorter than report.idle_after, so pulls are forgotten before an image counts as idle",
        ],
    );
    assert_warnings(
        "[auth.oidc]\nissuer = \"https://a.b\"\nclient_id = \"weir\"\n",
        &[
            "weir.toml:1: auth.oidc: nobody who signs in gets a role; name claim values in viewers, editors or administrators",
        ],
    );
    assert_warnings(
        "[[upstream]]\nname = \"index.docker.io\"\nurl = \"https://index.docker.io\"\n",
        &["weir.toml:2: upstream[0].name: nodes call Docker Hub docker.io, so this name will not be asked for"],
    );
}

#[test]
fn notifications_that_others_can_read_or_make_up() {
    let webhook = |more: &str| format!("[[webhook]]\nname = \"a\"\n{more}\n");
    let plain = "plain http: notifications, and with them what is vulnerable, travel unencrypted";
    for host in
        ["127.0.0.1", "[::1]:80", "10.0.0.1", "192.168.1.1", "[fd00::1]", "receiver", "hook.ops.svc", "a.internal"]
    {
        assert_warnings(
            &webhook(&format!("url = \"http://{host}/\"\nsecret_file = \"a\"")),
            &[&format!("weir.toml:3: webhook[0].url: {plain}")],
        );
    }
    let unsigned =
        "weir.toml:1: webhook[0]: the receiver cannot tell weir's notifications from others'; set secret_file";
    assert_warnings(&webhook("url = \"https://a.example/\""), &[unsigned]);
    assert_warnings(&webhook("url = \"https://a.example/\"\nformat = \"slack\""), &[]);
    assert_warnings(&webhook("url = \"https://a.example/\"\nauthorization_file = \"a\""), &[]);
}
