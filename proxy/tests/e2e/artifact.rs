//! Advisories as an artifact: packed, carried by skopeo into a real registry, and imported as the folder it was packed from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Registry, Weir, advisories, checkout, eventually, machine, run, tool};

/// Adds a record to a feed, as old as its newest.
const ONE_MORE: &str = r#"
import datetime, json, sys, zipfile
now = datetime.datetime.utcnow().isoformat()
with zipfile.ZipFile(sys.argv[1], "a") as archive:
    records = [json.loads(archive.read(name)) for name in archive.namelist()]
    record = max((record for record in records if record["modified"] < now), key=lambda record: record["modified"])
    archive.writestr("GHSA-0000-0000-0009.json", json.dumps(record | {"id": "GHSA-0000-0000-0009"}))
"#;

/// A small source: two feeds, and what is known of CVEs.
struct Source {
    feeds: PathBuf,
    kev: PathBuf,
    epss: PathBuf,
    cvss: PathBuf,
}

impl Source {
    /// Of what lies beside the checkout where it does, else made.
    fn make(directory: &Path) -> Self {
        let (all, feeds) = (advisories(directory), directory.join("feeds"));
        std::fs::create_dir_all(&feeds).unwrap();
        for name in ["PyPI", "npm"] {
            std::fs::create_dir_all(feeds.join(name)).unwrap();
            for file in ["all.zip", "modified_id.csv"] {
                let from = all.join(name).join(file);
                if from.is_file() {
                    std::fs::copy(from, feeds.join(name).join(file)).unwrap();
                }
            }
        }
        let shared = checkout().join("../shared/advisories");
        let found = |place: &str, name: &str, text: &str| {
            let shared = shared.join(place);
            if shared.is_file() {
                return shared.canonicalize().unwrap();
            }
            let made = directory.join(name);
            std::fs::write(&made, text).unwrap();
            made
        };
        let kev = r#"{"catalogVersion":"1","dateReleased":"2025-01-01T00:00:00.0Z","count":1,"vulnerabilities":[{"cveID":"CVE-2021-44228","dateAdded":"2021-12-10"}]}"#;
        let epss =
            "#model_version:v2025,score_date:2025-01-01T00:00:00+0000\ncve,epss,percentile\nCVE-2021-44228,0.9,0.9\n";
        let cvss = "cve,type,vector,source\nCVE-2021-44228,CVSS_V3,CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H,nvd\n";
        Self {
            kev: found("kev/known_exploited_vulnerabilities.json", "kev.json", kev),
            epss: found("epss/epss_scores.csv.gz", "epss.csv", epss),
            cvss: found("cvss/cve_cvss.csv.gz", "cvss.csv", cvss),
            feeds,
        }
    }

    fn pack(&self, layout: &Path, tag: &str) -> String {
        let mut pack = Weir::command(&[]);
        pack.args(["advisories", "pack"]).arg(&self.feeds).arg("--out").arg(format!("oci:{}:{tag}", layout.display()));
        pack.arg("--kev").arg(&self.kev).arg("--epss").arg(&self.epss).arg("--cvss").arg(&self.cvss);
        run(&mut pack)
    }
}

/// Records by feed and source, as `weir advisories status` lists them.
fn status(data: &Path) -> BTreeMap<String, String> {
    let table = run(Weir::command(&[]).args(["advisories", "status", "--data"]).arg(data));
    let cells = |line: &str| {
        let mut cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        Some((cells.next()?.to_owned(), cells.next()?.to_owned()))
    };
    table.lines().skip(1).filter_map(cells).collect()
}

#[test]
fn what_skopeo_carried_into_a_registry_is_imported_as_the_folder() {
    let _machine = machine();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (source, layout) = (Source::make(path), path.join("layout"));
    let packed = source.pack(&layout, "1");
    let digest = packed.split_whitespace().nth(2).unwrap().trim_end_matches(':').to_owned();
    let again = source.pack(&path.join("again"), "1");
    assert!(again.contains(&digest), "the same files gave {packed} and {again}");

    // The folder, and its files beside it, by settings.
    let by_folder = path.join("by-folder");
    let file = |path: &Path| path.to_str().unwrap().to_owned();
    let (kev, epss, cvss, feeds) = (file(&source.kev), file(&source.epss), file(&source.cvss), file(&source.feeds));
    let folder = [
        ("ADVISORY__KEV", kev.as_str()),
        ("ADVISORY__EPSS", &epss),
        ("ADVISORY__CVSS", &cvss),
        ("ADVISORY__SOURCE", &feeds),
        ("ADVISORY__ECOSYSTEMS", "PyPI,npm"),
    ];
    run(Weir::command(&folder).args(["advisories", "refresh", "--data"]).arg(&by_folder));
    let expected = status(&by_folder);
    assert!(expected.len() >= 5 && expected.contains_key("kev"), "{expected:?}");

    // The layout by hand.
    let by_layout = path.join("by-layout");
    let mut import = Weir::command(&[]);
    import.args(["advisories", "import", &format!("oci:{}", layout.display()), "--data"]).arg(&by_layout);
    run(&mut import);
    assert_eq!(status(&by_layout), expected);

    // The registry, as the source a running weir refreshes from, and by hand.
    let registry = Registry::start(path);
    registry.push(&format!("{}:1", layout.display()), "weir/advisories:latest");
    let (host, url) = ("registry.example", registry.url());
    let reference = format!("oci://{host}/weir/advisories:latest");
    let settings = [
        ("UPSTREAM__0__NAME", host),
        ("UPSTREAM__0__URL", url.as_str()),
        ("ADVISORY__SOURCE", reference.as_str()),
        ("ADVISORY__ECOSYSTEMS", "PyPI,npm"),
    ];
    let by_hand = path.join("by-hand");
    run(Weir::command(&settings[..2]).args(["advisories", "import", &reference, "--data"]).arg(&by_hand));
    assert_eq!(status(&by_hand), expected);
    let weir = Weir::start(path, &settings);
    eventually("the running weir has fetched it", 120, || (status(&weir.data) == expected).then_some(()));
    // What did not change is not taken again.
    let table = run(Weir::command(&settings).args(["advisories", "refresh", "--data"]).arg(&weir.data));
    assert_eq!(table.matches("unchanged").count(), 5, "{table}");

    // An artifact that moved on: only what changed is imported, what it no longer brings is forgotten.
    drop(weir);
    run(Command::new(tool("python3")).args(["-c", ONE_MORE]).arg(source.feeds.join("npm/all.zip")));
    let _: std::io::Result<()> = std::fs::remove_file(source.feeds.join("npm/modified_id.csv"));
    let mut pack = Weir::command(&[]);
    pack.args(["advisories", "pack"]).arg(&source.feeds).args(["--out", &format!("oci:{}:2", layout.display())]);
    run(pack.arg("--epss").arg(&source.epss).arg("--cvss").arg(&source.cvss));
    registry.push(&format!("{}:2", layout.display()), "weir/advisories:latest");
    let table = run(Weir::command(&settings).args(["advisories", "refresh", "--data"]).arg(path.join("data")));
    assert_eq!(table.matches("unchanged").count(), 3, "{table}");
    assert!(!status(&path.join("data")).contains_key("kev"), "it is forgotten with its file");
}

#[test]
fn what_is_damaged_or_none_of_advisories_is_refused() {
    let _machine = machine();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (source, layout, data) = (Source::make(path), path.join("layout"), path.join("data"));
    source.pack(&layout, "1");
    let import = |place: &str| {
        let output = Weir::command(&[]).args(["advisories", "import", place, "--data"]).arg(&data).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{place}");
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    let text = import("oci://registry.example/weir/advisories:latest");
    assert!(text.contains("registry.example is no configured upstream"), "{text}");
    let text = import(&format!("oci:{}:absent", layout.display()));
    assert!(text.contains("it has the tags 1"), "{text}");

    // The largest blob is a feed's.
    let blobs = std::fs::read_dir(layout.join("blobs/sha256")).unwrap().map(|entry| entry.unwrap().path());
    let largest = blobs.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&largest, bytes).unwrap();
    let text = import(&format!("oci:{}:1", layout.display()));
    assert!(text.contains("damaged"), "{text}");

    let file = path.join("weir.toml");
    std::fs::write(&file, "[advisory]\nsource = \"oci://registry.example/a:1\"\nkev = \"oci://docker.io/a:1\"\n")
        .unwrap();
    let output = Weir::command(&[]).args(["config", "check"]).arg(&file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("registry.example is no upstream") && text.contains("advisory.kev"), "{text}");
}
