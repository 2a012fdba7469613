use std::os::unix::fs::MetadataExt as _;

use super::*;

const CERTS: &str = "/etc/containerd/certs.d";

struct Host {
    directory: tempfile::TempDir,
    root: HostRoot,
}

impl Host {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = HostRoot::new(directory.path().to_owned());
        fs::create_dir_all(directory.path().join("etc")).unwrap();
        Self { directory, root }
    }

    fn place(&self, path: &str) -> PathBuf {
        self.directory.path().join(&CERTS[1..]).join(path)
    }

    fn put(&self, path: &str, text: &str) {
        fs::create_dir_all(self.place(path).parent().unwrap()).unwrap();
        fs::write(self.place(path), text).unwrap();
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.place(path)).ok()
    }

    fn apply(&self, files: &[(&str, &str)], adopt: bool) -> Outcome {
        apply(&self.root, Path::new(CERTS), &plan(files, adopt), true).unwrap()
    }

    fn remove(&self) -> Outcome {
        remove(&self.root, Path::new(CERTS)).unwrap().unwrap()
    }

    /// Every path below the root with its contents.
    fn tree(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        fn walk(directory: &Path, into: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                into.insert(path.clone(), fs::read(&path).ok());
                if path.is_dir() {
                    walk(&path, into);
                }
            }
        }
        let mut tree = BTreeMap::new();
        walk(self.directory.path(), &mut tree);
        tree
    }
}

fn plan(files: &[(&str, &str)], adopt: bool) -> Plan {
    Plan {
        mirror: "http://weir:5000".into(),
        only: false,
        registries: files.iter().map(|(path, _)| (*path).to_owned()).collect(),
        files: files.iter().map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec())).collect(),
        adopt,
    }
}

#[test]
fn what_was_written_is_taken_back_and_nothing_else() {
    let host = Host::new();
    let before = host.tree();
    let files = [("docker.io/hosts.toml", "one"), ("quay.io/hosts.toml", "two")];
    assert_eq!(host.apply(&files, false).written.len(), 2);
    assert_eq!(host.apply(&files, false), Outcome::default(), "the same again changes nothing");
    // Another mirror, and one registry less.
    let again = host.apply(&[("docker.io/hosts.toml", "three")], false);
    assert_eq!((again.written.len(), again.removed.len()), (1, 1));
    assert_eq!((host.text("docker.io/hosts.toml").as_deref(), host.text("quay.io/hosts.toml")), (Some("three"), None));
    host.put("own.example/hosts.toml", "mine");
    assert_eq!(host.remove().removed.len(), 1);
    assert_eq!(host.text("own.example/hosts.toml").as_deref(), Some("mine"));
    fs::remove_dir_all(host.place("own.example")).unwrap();
    fs::remove_dir_all(host.directory.path().join("etc/containerd")).unwrap();
    assert_eq!(host.tree(), before);
    assert_eq!(remove(&host.root, Path::new(CERTS)).unwrap(), None);
}

#[test]
fn what_is_somebody_else_s_is_kept_or_adopted_and_put_back() {
    let host = Host::new();
    host.put("docker.io/hosts.toml", "the administrator's");
    let (before, inode) = (host.tree(), fs::metadata(host.place("docker.io/hosts.toml")).unwrap().ino());
    let files = [("docker.io/hosts.toml", "weir's"), ("quay.io/hosts.toml", "weir's")];
    let refused = host.apply(&files, false);
    assert_eq!(refused.foreign, [(Path::new(CERTS).join("docker.io/hosts.toml"), Foreign::Before)]);
    assert_eq!(host.tree(), before, "nothing was written");
    assert_eq!(host.apply(&files, true).written.len(), 2);
    assert_eq!(host.text("docker.io/hosts.toml.before-weir").as_deref(), Some("the administrator's"));
    assert_eq!(host.apply(&files, true), Outcome::default());
    let removed = host.remove();
    assert_eq!((removed.restored.len(), removed.removed.len()), (1, 1));
    assert_eq!(host.tree(), before);
    assert_eq!(fs::metadata(host.place("docker.io/hosts.toml")).unwrap().ino(), inode);
}

#[test]
fn what_was_changed_since_is_left_alone() {
    let host = Host::new();
    host.put("docker.io/hosts.toml", "first");
    let files = [("docker.io/hosts.toml", "weir's"), ("quay.io/hosts.toml", "weir's")];
    host.apply(&files, true);
    host.put("docker.io/hosts.toml", "changed");
    host.put("quay.io/hosts.toml", "changed");
    let kinds: Vec<Foreign> = host.apply(&files, false).foreign.into_iter().map(|(_, foreign)| foreign).collect();
    assert_eq!(kinds, [Foreign::ChangedTwice, Foreign::Changed]);
    let record = Record::load(&host.root, Path::new(CERTS)).unwrap().unwrap();
    let found: Vec<Found> = record.compare(&host.root, Path::new(CERTS)).into_iter().map(|(_, found)| found).collect();
    assert_eq!(found, [Found::Changed, Found::Changed]);
    // Nobody's work is lost: a second original has no place.
    assert_eq!(host.apply(&files, true).foreign.len(), 1);
    let removed = host.remove();
    assert_eq!(removed.foreign.len(), 2);
    for (path, text) in [("docker.io/hosts.toml", "changed"), ("docker.io/hosts.toml.before-weir", "first")] {
        assert_eq!(host.text(path).as_deref(), Some(text));
    }
}

#[test]
fn a_deleted_file_comes_back_and_files_that_are_right_already_are_not_ours() {
    let host = Host::new();
    host.put("quay.io/hosts.toml", "same");
    let files = [("docker.io/hosts.toml", "weir's"), ("quay.io/hosts.toml", "same")];
    assert_eq!(host.apply(&files, false).written.len(), 1);
    fs::remove_dir_all(host.place("docker.io")).unwrap();
    assert_eq!(host.apply(&files, false).written, [Path::new(CERTS).join("docker.io/hosts.toml")]);
    fs::remove_file(host.place("docker.io/hosts.toml")).unwrap();
    host.remove();
    assert_eq!((host.text("quay.io/hosts.toml").as_deref(), host.place("docker.io").is_dir()), (Some("same"), false));
}

#[test]
fn an_end_between_record_and_file_loses_nothing() {
    let host = Host::new();
    host.apply(&[("docker.io/hosts.toml", "old")], false);
    // The record of the next setup was written, and its file was not.
    let record =
        host.text(RECORD).unwrap().replace(&digest(b"old"), &format!("{}\", \"{}", digest(b"old"), digest(b"new")));
    host.put(RECORD, &record);
    assert_eq!(host.apply(&[("docker.io/hosts.toml", "new")], false).written.len(), 1);
    host.put(RECORD, &record);
    assert_eq!(host.remove().removed.len(), 1);
}

#[test]
fn a_record_that_is_not_weir_s_is_refused_by_its_name() {
    let host = Host::new();
    host.apply(&[("docker.io/hosts.toml", "weir's")], false);
    let good = host.text(RECORD).unwrap();
    for bad in ["{".to_owned(), good.replace("\"form\": 1", "\"form\": 2"), good.replace("docker.io/", "../docker.io/")]
    {
        host.put(RECORD, &bad);
        let error = format!("{:#}", remove(&host.root, Path::new(CERTS)).unwrap_err());
        assert!(error.contains("/etc/containerd/certs.d/.weir/setup.json"), "{error}");
    }
}
