//! A backup taken while weir works, restored, and equal; and every backup that is not whole is refused.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::{Registry, Weir, eventually, get, layout_of, machine, post, run, small_image, tool, write_feed};

/// Images that are there before the backup.
const BEFORE: usize = 6;
/// Images pulled while backups are taken.
const DURING: usize = 12;
/// Records of the feed that is imported meanwhile.
const RECORDS: usize = 5000;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn backup(data: &Path, out: &Path) -> Output {
    Weir::command(&[]).arg("backup").arg("--out").arg(out).arg("--data").arg(data).output().unwrap()
}

fn restore(from: &Path, data: &Path) -> Output {
    Weir::command(&[]).arg("restore").arg("--from").arg(from).arg("--data").arg(data).output().unwrap()
}

#[track_caller]
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    said(output)
}

fn pull(registry: &Registry, weir: &Weir, directory: &Path, name: &str) {
    let layout = directory.join(format!("layout-{name}"));
    let image = small_image("amd64", name);
    registry.push(&layout_of(&layout, &image), &format!("team/{name}:1"));
    for target in [
        format!("/v2/docker.io/team/{name}/manifests/1"),
        Weir::blob_target(&format!("team/{name}"), image.config_digest),
        Weir::blob_target(&format!("team/{name}"), image.layers[0].digest),
    ] {
        let got = get(weir.mirror, &target).unwrap();
        assert!(got.status == 200 && got.whole, "{target}: {}", got.text());
    }
}

/// Every list of the report, whole: what a restored weir must answer as the first one did. When a feed was asked for last is its own: it
/// asks again when it starts.
fn lists(weir: &Weir) -> BTreeMap<&'static str, Value> {
    let names = ["images", "repositories", "vulnerabilities", "exceptions", "audit", "events", "pulls", "advisories"];
    let whole = |name| {
        let mut items = weir.items(&format!("{name}?limit=500"));
        items.iter_mut().filter_map(Value::as_object_mut).for_each(|item| _ = item.remove("fetched_at"));
        (name, Value::from(items))
    };
    names.map(whole).into()
}

/// An image's result is of its own record: it is complete, and its findings are there once it was matched.
fn nothing_is_half(weir: &Weir) -> usize {
    let images = weir.items("images?limit=500");
    for image in &images {
        let digest = image["digest"].as_str().unwrap();
        let report = weir.ask(&format!("/api/v1/images/{digest}/report"));
        if report["scan"]["matched_at"].is_string() {
            assert_eq!(report["packages"].as_array().map(Vec::len), Some(1), "{report}");
            assert_eq!(report["vulnerabilities"].as_array().map(Vec::len), Some(1), "{report}");
        }
    }
    images.len()
}

fn record(number: usize) -> Value {
    json!({"schema_version": "1.6.0", "id": format!("TEST-{number}"), "modified": "2024-01-01T00:00:00Z", "summary": "made",
           "affected": [{"package": {"ecosystem": "npm", "name": format!("package-{number}")}, "versions": ["1.0.0"]}]})
}

#[test]
fn a_backup_under_load_is_one_moment_and_a_quiet_one_answers_the_same() {
    let _machine = machine();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (registry, feeds) = (Registry::start(path), path.join("feeds"));
    let django = json!({"schema_version": "1.6.0", "id": "PYSEC-2024-1", "modified": "2024-01-01T00:00:00Z", "summary": "made",
                        "affected": [{"package": {"ecosystem": "PyPI", "name": "django"}, "versions": ["3.2.12"]}]});
    write_feed(&feeds, "PyPI", [django]);
    let more = path.join("more");
    write_feed(&more, "npm", (0..RECORDS).map(record));
    let url = registry.url();
    let settings =
        [("UPSTREAM__0__NAME", "docker.io"), ("UPSTREAM__0__URL", &url), ("ADVISORY__SOURCE", feeds.to_str().unwrap())];
    let weir = Weir::start(path, &settings);
    for number in 0..BEFORE {
        pull(&registry, &weir, path, &format!("before-{number}"));
    }
    let matched = |count: usize| {
        move |items: &[Value]| {
            (items.iter().filter(|image| image["matched_at"].is_string()).count() == count).then_some(())
        }
    };
    weir.until("images?limit=500", 120, matched(BEFORE));
    let decision = json!({"target": "vulnerability", "vulnerability": "PYSEC-2024-1", "kind": "accepted_risk", "reason": "a test",
                          "scope": {}});
    let decided = post(weir.report, "/api/v1/exceptions", &decision).unwrap();
    assert_eq!(decided.status / 100, 2, "{}", decided.text());
    let token = run(Weir::command(&[]).args(["token", "create", "--role", "viewer", "--data"]).arg(&weir.data));

    // Under load: pulls, scans and an import while backups are taken one after another.
    let working = AtomicBool::new(true);
    let backups = std::thread::scope(|scope| {
        let taken = scope.spawn(|| {
            let mut taken = Vec::new();
            while working.load(Ordering::Acquire) || taken.len() < 2 {
                let file = path.join(format!("load-{}.tar", taken.len()));
                done(&backup(&weir.data, &file));
                taken.push(file);
            }
            taken
        });
        let import = scope
            .spawn(|| run(Weir::command(&[]).args(["advisories", "import"]).arg(&more).arg("--data").arg(&weir.data)));
        for number in 0..DURING {
            pull(&registry, &weir, path, &format!("during-{number}"));
        }
        import.join().unwrap();
        weir.until("images?limit=500", 120, matched(BEFORE + DURING));
        working.store(false, Ordering::Release);
        taken.join().unwrap()
    });

    // Pulls are written behind what they pulled.
    weir.until("pulls?limit=500", 60, |pulls| (pulls.len() == BEFORE + DURING).then_some(()));
    let quiet = path.join("quiet.tar");
    let original = lists(&weir);
    done(&backup(&weir.data, &quiet));
    assert_eq!(lists(&weir), original, "the moment was not quiet");
    assert!(!weir.data.join("staging").exists(), "something of the backups is left");
    drop(weir);

    let restored = path.join("restored");
    let text = done(&restore(&quiet, &restored));
    assert!(text.contains("bytes") && text.contains(restored.to_str().unwrap()), "{text}");
    let again = Weir::start_in(path, &restored, &settings);
    assert_eq!(lists(&again), original);
    assert_eq!(nothing_is_half(&again), BEFORE + DURING);
    let tokens = run(Weir::command(&[]).args(["token", "list", "--data"]).arg(&restored));
    assert!(tokens.contains(token.trim().split('_').nth(1).unwrap()), "{tokens}");
    // What is no longer in the store is fetched again.
    pull(&registry, &again, path, "before-0");
    drop(again);

    for (number, file) in backups.iter().enumerate() {
        let data = path.join(format!("load-{number}"));
        done(&restore(file, &data));
        let then = Weir::start_in(path, &data, &settings);
        let images = nothing_is_half(&then);
        assert!((BEFORE..=BEFORE + DURING).contains(&images), "{images}");
    }
}

#[test]
fn a_backup_that_is_killed_leaves_nothing_that_stays() {
    let _machine = machine();
    let directory = tempfile::tempdir().unwrap();
    let weir = Weir::start(directory.path(), &[("ADVISORY__SOURCE", "/var/empty")]);
    let out = directory.path().join("weir.tar");
    // Standard output that nobody reads holds the backup where it is.
    let mut command = Weir::command(&[]);
    command.args(["backup", "--out", "-", "--data"]).arg(&weir.data).stdout(Stdio::piped()).stdin(Stdio::null());
    let mut child = command.spawn().unwrap();
    let staging = weir.data.join("staging");
    eventually("the copy is made", 30, || {
        std::fs::read_dir(&staging).is_ok_and(|mut all| all.next().is_some()).then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("weir removes the copy", 30, || (!staging.exists()).then_some(()));
    // What one that was killed left beside its file is written over.
    std::fs::write(out.with_extension("tar.partial"), "half").unwrap();
    done(&backup(&weir.data, &out));
    assert!(!out.with_extension("tar.partial").exists());
    drop(weir);
    done(&restore(&out, &directory.path().join("restored")));

    // What a killed process left in the room goes at the next start.
    std::fs::create_dir_all(directory.path().join("data/staging/left/index")).unwrap();
    drop(Weir::start(directory.path(), &[("ADVISORY__SOURCE", "/var/empty")]));
    assert!(!staging.exists());
}

/// Rewrites a tar: `python` gets its members as a list `m` of `(info, bytes)`.
fn rewritten(from: &Path, to: &Path, python: &str) {
    let script = format!(
        "import sys, tarfile, io, hashlib, json\n\
         with tarfile.open(sys.argv[1]) as t: m = [(i, t.extractfile(i).read()) for i in t.getmembers()]\n\
         {python}\n\
         with tarfile.open(sys.argv[2], 'w', format=tarfile.USTAR_FORMAT) as t:\n\
         \x20   for i, b in m:\n\
         \x20       i.size = len(b) if i.isreg() else 0\n\
         \x20       t.addfile(i, io.BytesIO(b))\n"
    );
    run(Command::new(tool("python3")).args(["-c", &script]).arg(from).arg(to));
}

#[test]
fn what_is_not_a_whole_backup_is_refused_and_changes_nothing() {
    let _machine = machine();
    let directory = tempfile::tempdir().unwrap();
    let (path, good) = (directory.path(), directory.path().join("good.tar"));
    let weir = Weir::start(path, &[("ADVISORY__SOURCE", "/var/empty")]);
    drop(weir);
    let data = path.join("data");
    done(&backup(&data, &good));
    let bytes = std::fs::read(&good).unwrap();

    let mut bad: Vec<(PathBuf, &str)> = Vec::new();
    let mut wrong = |name: &str, told: &'static str, python: &str| {
        let file = path.join(format!("{name}.tar"));
        rewritten(&good, &file, python);
        bad.push((file, told));
    };
    wrong("newer", "format 9", "d = json.loads(m[0][1]); d['format'] = 9; m[0] = (m[0][0], json.dumps(d).encode())");
    wrong("missing", "missing", "del m[2]");
    wrong("unsummed", "ends without SHA256SUMS", "del m[-1]");
    wrong("damaged", "damaged", "m[2] = (m[2][0], b'x' * len(m[2][1]))");
    wrong("path", "no file of an index", "m[2][0].name = '../../escaped'");
    wrong("absolute", "no file of an index", "m[2][0].name = '/tmp/escaped'");
    wrong("nested", "no file of an index", "m[2][0].name = 'index/../escaped'");
    wrong("link", "no plain file", "m[2][0].type = tarfile.SYMTYPE; m[2][0].linkname = '/etc/passwd'");
    wrong("twice", "twice", "m[2] = m[1]");
    wrong("larger", "more than the", "m[2] = (m[2][0], b'x' * 100_000_000)");
    wrong("foreign", "no backup of weir", "m[0][0].name = 'README'");
    for (name, told, damaged) in [
        ("cut", "cut off", bytes[..bytes.len() / 2].to_vec()),
        ("empty", "empty", Vec::new()),
        ("noise", "no tar", vec![7; 4096]),
    ] {
        let file = path.join(format!("{name}.tar"));
        std::fs::File::create(&file).unwrap().write_all(&damaged).unwrap();
        bad.push((file, told));
    }
    // A byte in the middle of each of some files of the index.
    for at in [bytes.len() / 4, bytes.len() / 2] {
        let file = path.join(format!("flipped-{at}.tar"));
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        if flipped != bytes {
            std::fs::write(&file, &flipped).unwrap();
            bad.push((file, ""));
        }
    }

    let fresh = path.join("fresh/data");
    for (file, told) in &bad {
        let output = restore(file, &fresh);
        assert_eq!(output.status.code(), Some(1), "{file:?}: {}", said(&output));
        assert!(said(&output).contains(told), "{file:?} is refused otherwise: {}", said(&output));
        assert!(!path.join("fresh").exists(), "{file:?} left something");
    }
    assert!(!Path::new("/tmp/escaped").exists() && !path.join("escaped").exists());

    // A directory with an index is only replaced where that is asked for, and stays where the backup is bad.
    let refused = restore(&good, &data);
    assert!(!refused.status.success() && said(&refused).contains("--replace"), "{}", said(&refused));
    let before = std::fs::read(data.join("index/CURRENT")).unwrap();
    let mut replace = Weir::command(&[]);
    let output =
        replace.args(["restore", "--replace", "--from"]).arg(&bad[3].0).arg("--data").arg(&data).output().unwrap();
    assert!(!output.status.success(), "{}", said(&output));
    assert_eq!(std::fs::read(data.join("index/CURRENT")).unwrap(), before);
    assert!(!data.join("staging").exists());

    let weir = Weir::start(path, &[("ADVISORY__SOURCE", "/var/empty")]);
    let served =
        Weir::command(&[]).args(["restore", "--replace", "--from"]).arg(&good).arg("--data").arg(&data).output();
    let served = served.unwrap();
    assert!(!served.status.success() && said(&served).contains("serves"), "{}", said(&served));
    drop(weir);
    let replaced =
        Weir::command(&[]).args(["restore", "--replace", "--from"]).arg(&good).arg("--data").arg(&data).output();
    done(&replaced.unwrap());
    assert!(!data.join("staging").exists());
    drop(Weir::start(path, &[("ADVISORY__SOURCE", "/var/empty")]));

    // A newer weir's index is refused by name, by a server and inside a backup.
    let format = data.join("index/FORMAT");
    let text = std::fs::read_to_string(&format).unwrap();
    std::fs::write(&format, text.replace("schema 1", "schema 2").replace("weir ", "weir 99.")).unwrap();
    let ports =
        [("LISTEN__MIRROR", "127.0.0.1:0"), ("LISTEN__REPORT", "127.0.0.1:0"), ("ADVISORY__SOURCE", "/var/empty")];
    let output = Weir::command(&ports).arg("serve").arg("--data").arg(&data).output().unwrap();
    assert!(!output.status.success() && said(&output).contains("newer weir (weir 99."), "{}", said(&output));
}
