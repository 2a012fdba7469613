//! rpm's databases, compared with what `rpm -qa` lists of the same files.
//!
//! The packages are real ones, built by rpmbuild: more than fit a page of any container, with files by the thousand. rpm itself writes
//! the SQLite database. Debian's rpm reads Berkeley DB files and does not write them, so Berkeley DB's own
//! `db5.3_load` makes one from the headers of the SQLite database. It knows nothing of ndb: that database was written once by
//! rpm 4.18.0 (Debian's source, configured with `--enable-ndb`) from the packages built here, some of them removed again and
//! installed anew, and is kept beside this file with what the same rpm listed. Azure Linux's list is written with
//! rpm and the query its images are made with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tempfile::TempDir;
use weir_scanner::layer::{Fact, PathHash};
use weir_scanner::package::{Package, PackageType};

use crate::support::{layer, printed, run};

/// Forty packages of one source with epoch, vendor and module, one of many files; and some without any of these.
const SPECS: [&str; 2] = [
    r"
Name: weir-modular
Epoch: 2
Version: 1.0~rc1
Release: 3.module_el8+1
Summary: x
License: MIT
Vendor: Weir's tests
ModularityLabel: weir:1.0:8080020230718:63b34585
BuildArch: noarch
%define names %(seq -s ' ' 40)
%{lua: for n = 1, 40 do print('%package part' .. n .. '\nSummary: x\n%description part' .. n .. '\nx\n') end}
%description
x
%install
for part in %{names}; do mkdir -p %{buildroot}/opt/weir/$part; echo > %{buildroot}/opt/weir/$part/file; done
mkdir -p %{buildroot}/usr/share/weir-modular/caf\303\251
for n in $(seq 2000); do echo > %{buildroot}/usr/share/weir-modular/a-file-with-a-long-name-$n; done
%files
/usr/share/weir-modular
%{lua: for n = 1, 40 do print('%files part' .. n .. '\n/opt/weir/' .. n .. '\n') end}
",
    r"
Name: weir-plain
Version: 7
Release: 1
Summary: x
License: MIT
%description
x
%package -n zero-epoch
Summary: x
Epoch: 0
BuildArch: noarch
%description -n zero-epoch
x
%package -n gpg-pubkey
Summary: what rpm calls the keys it trusts
%description -n gpg-pubkey
x
%install
mkdir -p %{buildroot}/usr/bin
echo > %{buildroot}/usr/bin/plain
%files
/usr/bin/plain
%files -n zero-epoch
%files -n gpg-pubkey
",
];

/// The built packages, and an SQLite database of them.
static BUILT: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = TempDir::new().unwrap();
    for (index, spec) in SPECS.iter().enumerate() {
        let path = folder.path().join(format!("{index}.spec"));
        std::fs::write(&path, spec).unwrap();
        let define = format!("_topdir {}", folder.path().display());
        // Debug packages and compression are of no interest here.
        let options = ["--quiet", "--define", "debug_package %{nil}", "--define", "_binary_payload w0.gzdio"];
        run("rpmbuild", &[&["-bb", "--define", &define], &options[..], &[path.to_str().unwrap()]].concat());
    }
    let database = folder.path().join("sqlite");
    let files = packages(folder.path(), "*");
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let change = |arguments: &[&str]| {
        run("rpm", &[&query_options(&database, "sqlite")[..], &strings(arguments)].concat());
    };
    let install = ["-i", "--justdb", "--nodeps"];
    change(&[&install[..], &files].concat());
    // Pages that were used before.
    change(&["-e", "--justdb", "--nodeps", "weir-modular", "weir-modular-part7", "weir-modular-part40"]);
    let again = packages(folder.path(), "weir-modular-1*");
    change(&[&install[..], &[again[0].as_str()]].concat());
    folder
});

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Built packages by the pattern of their names.
fn packages(folder: &Path, pattern: &str) -> Vec<String> {
    let found = printed("find", &[folder.join("RPMS").to_str().unwrap(), "-name", &format!("{pattern}.rpm")]);
    let mut found: Vec<String> = found.lines().map(str::to_owned).collect();
    found.sort();
    found
}

fn query_options(folder: &Path, backend: &str) -> Vec<String> {
    strings(&["--define", &format!("_db_backend {backend}"), "--dbpath", folder.to_str().unwrap()])
}

/// What rpm prints of the packages of a database.
fn query(folder: &Path, backend: &str, format: &str) -> String {
    printed("rpm", &[query_options(folder, backend), strings(&["-qa", "--qf", format])].concat())
}

/// Name, version, architecture, source, vendor, module: tab separated, as expected of the scanner.
const PACKAGES: &str =
    r"%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\t%{VENDOR}\t%{MODULARITYLABEL}\n";
const FILES: &str = r"[%{=NAME}\t%{FILENAMES}\n]";

/// Packages, and hashes of each one's files, as rpm states them and as the scanner finds them.
#[derive(Debug, Default, PartialEq)]
struct Listed {
    /// One line each, sorted.
    packages: Vec<String>,
    files: BTreeMap<String, BTreeSet<PathHash>>,
}

impl Listed {
    fn by_rpm(packages: &str, files: &str) -> Self {
        let is_package = |line: &&str| !line.starts_with("gpg-pubkey\t");
        let mut listed = Self::default();
        // No epoch is an epoch of zero, and the scanner writes neither.
        listed.packages.extend(packages.lines().filter(is_package).map(|line| line.replace("\t0:", "\t")));
        listed.packages.sort();
        for line in files.lines().filter(is_package) {
            let (name, path) = line.split_once("\t/").unwrap();
            listed.files.entry(name.into()).or_default().insert(PathHash::of(path));
        }
        listed
    }

    fn of(folder: &Path, backend: &str) -> Self {
        Self::by_rpm(&query(folder, backend, PACKAGES), &query(folder, backend, FILES))
    }

    /// What a layer with these files in a database's folder holds.
    fn by_weir(at: &str, files: &[PathBuf]) -> Self {
        let root = TempDir::new().unwrap();
        let folder = root.path().join(at);
        std::fs::create_dir_all(&folder).unwrap();
        for file in files {
            std::fs::copy(file, folder.join(file.file_name().unwrap())).unwrap();
        }
        let mut listed = Self::default();
        let layer = layer(root.path());
        assert!(layer.is_complete(), "{:?}", layer.reasons);
        for fact in layer.facts.into_values().flatten() {
            match fact {
                Fact::Package(package) => listed.packages.push(line(&package)),
                Fact::Owned { package, paths } => listed.files.entry(package).or_default().extend(paths),
                other => panic!("{other:?}"),
            }
        }
        listed.packages.sort();
        listed
    }
}

fn line(package: &Package) -> String {
    assert_eq!(package.package_type, PackageType::Rpm);
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "(none)".into());
    let Package { name, version, architecture, source, packager, module, .. } = package;
    let source = source.as_ref().unwrap();
    let source = format!("{}-{}.src.rpm", source.name, source.version);
    let (architecture, packager, module) = (text(architecture), text(packager), text(module));
    format!("{name}\t{version}\t{architecture}\t{source}\t{packager}\t{module}")
}

fn assert_same(weir: &Listed, rpm: &Listed) {
    assert_eq!(weir.packages, rpm.packages);
    let keys = |listed: &Listed| listed.files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(weir), keys(rpm));
    assert!(weir.files == rpm.files, "files differ");
}

#[test]
fn an_sqlite_database_is_what_rpm_lists() {
    let folder = BUILT.path().join("sqlite");
    let rpm = Listed::of(&folder, "sqlite");
    assert_eq!((rpm.packages.len(), rpm.files["weir-modular"].len()), (41, 2002));
    assert!(rpm.packages.iter().any(|line| line
 ==        "weir-modular-part3\t2:1.0~rc1-3.module_el8+1\tnoarch\tweir-modular-1.0~rc1-3.module_el8+1.src.rpm\tWeir's tests\t\
         weir:1.0:8080020230718:63b34585"
    ));
    for at in ["var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"] {
        assert_same(&Listed::by_weir(at, &[folder.join("rpmdb.sqlite")]), &rpm);
    }
}

/// Changes a copy of the database and leaves the changes in its log, as a program that is still running does.
const LEAVE_A_LOG: &str = r#"
import shutil, sqlite3, sys
source, work, out = sys.argv[1:]
shutil.copy(source, work)
log = work + "-wal"
db = sqlite3.connect(work, isolation_level=None)
db.execute("pragma journal_mode = wal")
db.execute("pragma wal_autocheckpoint = 0")
rows = db.execute("select hnum, blob from Packages order by hnum").fetchall()
db.execute("delete from Packages where hnum % 3 = 0")
db.execute("begin")
for hnum, blob in rows[:2]:
    db.execute("update Packages set blob = ? where hnum = ?", (rows[-1][1], hnum))
db.execute("commit")
for hnum, blob in rows:
    if hnum % 6 == 0:
        db.execute("insert into Packages values (?, ?)", (hnum + 1000, blob))
shutil.copy(work, out)
shutil.copy(log, out + "-wal")
"#;

#[test]
fn a_log_beside_the_database_is_replayed() {
    let source = BUILT.path().join("sqlite/rpmdb.sqlite");
    let folder = TempDir::new().unwrap();
    let (work, out) = (folder.path().join("work"), folder.path().join("rpmdb.sqlite"));
    let script = ["-c".as_ref(), LEAVE_A_LOG.as_ref(), source.as_os_str(), work.as_os_str(), out.as_os_str()];
    run("python3", &script);
    let (database, log) =
        (std::fs::read(&out).unwrap(), std::fs::read(folder.path().join("rpmdb.sqlite-wal")).unwrap());
    let mut seen = BTreeSet::new();
    // Cut where a crash may have left it.
    for end in [log.len(), log.len() - 1, log.len() / 2, log.len() / 4, 5000, 0] {
        let pair = TempDir::new().unwrap();
        let files = ["rpmdb.sqlite", "rpmdb.sqlite-wal"].map(|name| pair.path().join(name));
        std::fs::write(&files[0], &database).unwrap();
        std::fs::write(&files[1], &log[..end]).unwrap();
        let weir = Listed::by_weir("var/lib/rpm", &files);
        // rpm may write to what it reads, so the scanner was first.
        let rpm = Listed::of(pair.path(), "sqlite").packages;
        assert_eq!(weir.packages, rpm, "{end} of {}", log.len());
        seen.insert(weir.packages.len());
    }
    assert!(seen.len() > 2, "the log changed too little: {seen:?}");
}

/// Prints the headers of an SQLite database as `db5.3_load` takes them: the last number under 0, then each by its number.
const DUMP: &str = r#"
import sqlite3, sys
path, order, page = sys.argv[1:]
rows = sqlite3.connect(path).execute("select hnum, blob from Packages order by hnum").fetchall()
lorder = {"little": 1234, "big": 4321}[order]
print(f"VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize={page}\ndb_lorder={lorder}\nHEADER=END")
for number, blob in [(0, rows[-1][0].to_bytes(4, order))] + rows:
    print("", number.to_bytes(4, order).hex())
    print("", blob.hex())
print("DATA=END")
"#;

#[test]
fn a_berkeley_database_is_what_rpm_lists() {
    let source = BUILT.path().join("sqlite/rpmdb.sqlite");
    for (order, page) in [("little", "4096"), ("little", "512"), ("little", "65536"), ("big", "4096")] {
        let folder = TempDir::new().unwrap();
        let (dump, database) = (folder.path().join("dump"), folder.path().join("Packages"));
        std::fs::write(&dump, printed("python3", &["-c", DUMP, source.to_str().unwrap(), order, page])).unwrap();
        run("db5.3_load", &["-f".as_ref(), dump.as_os_str(), database.as_os_str()]);
        let rpm = Listed::of(folder.path(), "bdb_ro");
        assert_eq!(rpm.packages.len(), 41, "{order} {page}");
        assert_same(&Listed::by_weir("var/lib/rpm", &[database]), &rpm);
    }
}

#[test]
fn an_ndb_database_is_what_rpm_listed() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/data/ndb");
    let read = |name: &str| std::fs::read_to_string(data.join(name)).unwrap();
    let rpm = Listed::by_rpm(&read("packages"), &read("files"));
    assert_same(&Listed::by_weir("usr/lib/sysimage/rpm", &[data.join("Packages.db")]), &rpm);
}

#[test]
fn a_container_manifest_is_what_rpm_lists() {
    let columns = r"%{NAME}\t%{VERSION}-%{RELEASE}\t%{INSTALLTIME}\t%{BUILDTIME}\t%{VENDOR}\t%{EPOCH}\t%{SIZE}\t%{ARCH}\t%{EPOCHNUM}\t%{SOURCERPM}\n";
    let folder = BUILT.path().join("sqlite");
    let out = TempDir::new().unwrap();
    let manifest = out.path().join("container-manifest-2");
    std::fs::write(&manifest, query(&folder, "sqlite", columns)).unwrap();
    let weir = Listed::by_weir("var/lib/rpmmanifest", &[manifest]).packages;
    // It has no column for the module.
    let without = |line: &String| format!("{}\t(none)", line.rsplit_once('\t').unwrap().0);
    let rpm: Vec<String> = Listed::of(&folder, "sqlite").packages.iter().map(without).collect();
    assert_eq!(weir, rpm);
}
