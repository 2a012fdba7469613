//! The commands, as a person or a script calls them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use serde_json::json;

use crate::support::{Containerd, Pace, Upstream, Weir, advisories, feed_counts, machine, run, write_feed};

/// A source that nothing is fetched from by itself.
const NOWHERE: (&str, &str) = ("ADVISORY__SOURCE", "/var/empty");

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn config_check_lists_every_mistake_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("weir.toml");
    std::fs::write(
        &file,
        "[listen]\nmirror = \"nowhere\"\n\n[data]\nblob_buget = \"1GiB\"\n\n[[upstream]]\nname = \"docker.io\"\nurl = \"ftp://x\"\n",
    )
    .unwrap();
    let output = Weir::command(&[]).args(["config", "check"]).arg(&file).output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for (key, line) in [("listen.mirror", 2), ("data.blob_buget", 5), ("upstream[0].url", 9)] {
        let found =
            text.lines().find(|said| said.contains(key)).unwrap_or_else(|| panic!("{key} is not named: {text}"));
        assert!(found.starts_with("mistake:") && found.contains(&line.to_string()), "line {line}: {found}");
    }
    std::fs::write(&file, "[data]\nblob_budget = \"1GiB\"\n").unwrap();
    let output = Weir::command(&[]).args(["config", "check"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn containerd_reads_what_hosts_writes() {
    let _machine = machine();
    let directory = tempfile::tempdir().unwrap();
    let upstream = Upstream::start();
    let (layer, config) = small_image(&upstream);
    let url = upstream.url();
    let settings = [("UPSTREAM__0__NAME", "registry.example"), ("UPSTREAM__0__URL", url.as_str()), NOWHERE];
    let weir = Weir::start(directory.path(), &settings);
    let hosts = directory.path().join("certs.d");
    let mut command = Weir::command(&settings);
    command.args(["hosts", "--mirror", &weir.url(), "--node", "node \"1\"", "--only", "--out"]).arg(&hosts);
    assert_eq!(run(&mut command).lines().count(), 1);
    // A containerd that could not parse the file would look for registry.example itself, which is nowhere.
    let containerd = Containerd::start(&directory.path().join("node"));
    let output = containerd.pull(&hosts, "registry.example/team/small:1");
    assert!(output.status.success(), "{}\n{}", said(&output), weir.daemon.log());
    assert!(weir.stores(&layer) && weir.stores(&config));
}

/// An image of one small layer under the tag `1`; answers with its layer's and its configuration's digests.
fn small_image(upstream: &Upstream) -> (weir_scanner::oci::Digest, weir_scanner::oci::Digest) {
    use weir_scanner::fixture::{ImageBuilder, LayerBuilder};
    let image = ImageBuilder::new().layer(LayerBuilder::new().dir("etc/").file("etc/motd", "weir\n").gzip()).build();
    let layer = &image.layers[0];
    upstream.hold(layer.media_type.as_str(), layer.bytes.clone(), Pace::Fast);
    upstream.hold("application/vnd.oci.image.config.v1+json", image.config.clone(), Pace::Fast);
    let manifest = upstream.hold("application/vnd.oci.image.manifest.v1+json", image.manifest.clone(), Pace::Fast);
    upstream.tag("1", &manifest);
    (layer.digest, image.config_digest)
}

#[test]
fn advisories_are_imported_with_and_without_a_running_weir() {
    let _machine = machine();
    let directory = tempfile::tempdir().unwrap();
    let feeds = some_feeds(directory.path());
    let counts = feed_counts(&feeds);

    let alone = directory.path().join("alone");
    let table = run(Weir::command(&[NOWHERE]).args(["advisories", "import"]).arg(&feeds).arg("--data").arg(&alone));
    assert_eq!(imported(&table), counts, "{table}");
    status_names(&alone, &counts);

    let weir = Weir::start(directory.path(), &[NOWHERE]);
    let empty = run(Weir::command(&[NOWHERE]).args(["advisories", "status", "--data"]).arg(&weir.data));
    assert!(empty.contains("no advisories yet"), "{empty}");
    let table = run(Weir::command(&[NOWHERE]).args(["advisories", "import"]).arg(&feeds).arg("--data").arg(&weir.data));
    assert_eq!(imported(&table), counts, "{table}");
    status_names(&weir.data, &counts);
    let listed = weir.ask("/api/v1/advisories");
    assert!(!listed["items"].as_array().unwrap().is_empty(), "the running weir was not told: {listed}");
    // What is unchanged is not read again.
    let again = run(Weir::command(&[NOWHERE]).args(["advisories", "import"]).arg(&feeds).arg("--data").arg(&weir.data));
    assert_eq!(again.matches("unchanged").count(), counts.len(), "{again}");
}

/// The smaller feeds of those beside the checkout, by links; or the ones made in their place.
fn some_feeds(directory: &Path) -> std::path::PathBuf {
    let (all, some) = (advisories(directory), directory.join("some"));
    std::fs::create_dir_all(&some).unwrap();
    let names = ["Alpine", "PyPI", "crates.io", "npm", "Debian"];
    let present: Vec<&str> = names.into_iter().filter(|name| all.join(name).join("all.zip").is_file()).collect();
    for name in &present {
        std::os::unix::fs::symlink(all.join(name), some.join(name)).unwrap();
    }
    std::fs::write(some.join("ecosystems.txt"), present.join("\n") + "\n").unwrap();
    some
}

/// The table's records and skipped ones together, by ecosystem.
fn imported(table: &str) -> BTreeMap<String, u64> {
    let mut lines = table.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(header, ["ECOSYSTEM", "RECORDS", "CHANGED", "SKIPPED", "OUTCOME"], "{table}");
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(cells[4], "imported", "{line}");
            let number = |at: usize| cells[at].parse::<u64>().unwrap();
            (cells[0].to_owned(), number(1) + number(3))
        })
        .collect()
}

fn status_names(data: &Path, counts: &BTreeMap<String, u64>) {
    let status = run(Weir::command(&[NOWHERE]).args(["advisories", "status", "--data"]).arg(data));
    assert!(status.lines().next().is_some_and(|header| header.contains("NEWEST RECORD")), "{status}");
    for ecosystem in counts.keys() {
        // Distributions are listed by release: Debian:12.
        let named = status.lines().any(|line| line.trim_start().starts_with(ecosystem.as_str()));
        assert!(named, "{ecosystem} is not listed: {status}");
    }
}

#[test]
fn a_source_without_feeds_is_an_error() {
    let _machine = machine();
    let directory = tempfile::tempdir().unwrap();
    let (empty, data) = (directory.path().join("empty"), directory.path().join("data"));
    std::fs::create_dir_all(&empty).unwrap();
    let output = Weir::command(&[NOWHERE]).args(["advisories", "import"]).arg(&empty).arg("--data").arg(&data).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    write_feed(&empty, "PyPI", [json!({"id": "BROKEN"})]);
    std::fs::write(empty.join("PyPI/all.zip"), "no zip").unwrap();
    let output = Weir::command(&[NOWHERE]).args(["advisories", "import"]).arg(&empty).arg("--data").arg(&data).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("PyPI"), "{}", said(&output));
}

#[test]
fn a_second_serve_on_the_same_data_is_refused_and_the_first_goes_on() {
    let _machine = machine();
    let directory = tempfile::tempdir().unwrap();
    let weir = Weir::start(directory.path(), &[NOWHERE]);
    let ports = [("LISTEN__MIRROR", "127.0.0.1:0"), ("LISTEN__REPORT", "127.0.0.1:0"), NOWHERE];
    let output = Weir::command(&ports).arg("serve").arg("--data").arg(&weir.data).output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(weir.data.to_str().unwrap()) && text.contains("use"), "not a clear error: {text}");
    // The socket is still the first one's.
    let status = run(Weir::command(&[NOWHERE]).args(["advisories", "status", "--data"]).arg(&weir.data));
    assert!(status.contains("no advisories yet"), "{status}");
}
