//! Libraries of Debian's Java packages, alone and packed into applications by Python's zipfile, and an egg of setuptools. `jmod` is
//! built by its specification: Debian's are in packages of over 60 MB and hold no library of Maven.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use weir_scanner::image::{ImageInventory, ScanStatus};
use weir_scanner::package::PackageType;

use crate::support::{debs, image, packages, printed, run, run_in};

type Libraries = BTreeSet<(String, String)>;

/// Built by Maven, Gradle and Ant, with and without what Maven leaves; netty has other libraries shaded in.
const LIBRARIES: [&str; 8] = [
    "libcommons-collections3-java",
    "libcommons-lang3-java",
    "libguava-java",
    "libjackson2-core-java",
    "liblog4j1.2-java",
    "liblog4j2-java",
    "libnetty-java",
    "libspring-core-java",
];

/// The archives themselves; Debian's names with a version, and its repository, are links to them.
fn jars(tree: &Path) -> Vec<PathBuf> {
    let found = printed("find", &[tree.to_str().unwrap(), "-name", "*.jar", "-type", "f"]);
    found.lines().map(PathBuf::from).collect()
}

/// What unzip finds Maven left in an archive.
fn poms(jar: &Path) -> Libraries {
    let jar = jar.to_str().unwrap();
    let listed = printed("unzip", &["-Z1", jar]);
    let places = listed.lines().filter(|name| name.ends_with("/pom.properties"));
    places
        .map(|place| {
            let text = printed("unzip", &["-p", jar, place]);
            let value = |key| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap().trim();
            (format!("{}:{}", value("groupId"), value("artifactId")), value("version").to_owned())
        })
        .collect()
}

/// Where an archive lies in Debian's Maven repository: `GROUP/ARTIFACT/VERSION/ARTIFACT-VERSION.jar`. Debian adds links for
/// `debian`, any version, and `3.x`, a series.
fn repository(tree: &Path, jar: &Path) -> Libraries {
    let repository = tree.join("usr/share/maven-repo");
    let links = printed("find", &[repository.to_str().unwrap(), "-name", "*.jar", "-type", "l"]);
    let links = links.lines().map(Path::new).filter(|link| link.canonicalize().unwrap() == jar.canonicalize().unwrap());
    links
        .filter_map(|link| {
            let place: Vec<_> = link.strip_prefix(&repository).unwrap().to_str().unwrap().split('/').collect();
            let [group @ .., artifact, version, _] = &place[..] else { panic!("{place:?}") };
            let library = (format!("{}:{artifact}", group.join(".")), (*version).to_owned());
            (*version != "debian" && !version.ends_with(".x")).then_some(library)
        })
        .collect()
}

fn expected(tree: &Path) -> Libraries {
    let of = |jar: PathBuf| match poms(&jar) {
        none if none.is_empty() => repository(tree, &jar),
        poms => poms,
    };
    jars(tree).into_iter().flat_map(of).collect()
}

fn assert_complete(image: &ImageInventory) {
    assert_eq!(image.status, ScanStatus::Complete, "{:?}", image.reasons);
}

#[test]
fn debians_libraries_are_what_maven_and_debian_say() {
    let tree = debs(&LIBRARIES);
    let image = image(tree.path());
    assert_complete(&image);
    let expected = expected(tree.path());
    assert!(expected.len() > 40 && expected.iter().any(|(name, _)| name == "org.jctools:jctools-core"), "{expected:?}");
    assert_eq!(packages(&image, PackageType::Maven), expected);
}

/// Packs each `name=file` into `out` by Python's zipfile; a `prefix` lies before the archive, whose places count from the
/// file's start (`moved`) or from the archive's.
const PACK: &str = r#"
import io, sys, zipfile
out, method, prefix, moved = sys.argv[1:5]
packed = io.BytesIO()
if moved == "moved":
    packed.write(prefix.encode())
with zipfile.ZipFile(packed, "a", getattr(zipfile, method)) as archive:
    for pair in sys.argv[5:]:
        archive.write(pair.split("=")[1], pair.split("=")[0])
with open(out, "wb") as file:
    if moved != "moved":
        file.write(prefix.encode())
    file.write(packed.getvalue())
"#;

fn pack(out: &Path, method: &str, prefix: &str, moved: &str, folder: &str, files: &[PathBuf]) {
    let name = |file: &PathBuf| format!("{folder}{}", file.file_name().unwrap().to_str().unwrap());
    let pairs = files.iter().map(|file| format!("{}={}", name(file), file.display()));
    let fixed = ["-c", PACK, out.to_str().unwrap(), method, prefix, moved].map(str::to_owned);
    run("python3", &fixed.into_iter().chain(pairs).collect::<Vec<_>>());
}

#[test]
fn applications_hold_the_libraries_packed_into_them() {
    let libraries = debs(&LIBRARIES);
    let (expected, jars) = (expected(libraries.path()), jars(libraries.path()));
    let script = "#!/bin/bash\nexec java -jar \"$0\" \"$@\"\nexit 0\n";
    for (method, prefix, moved) in [
        ("ZIP_DEFLATED", "", "moved"),
        ("ZIP_STORED", "", "moved"),
        ("ZIP_STORED", script, "moved"),
        ("ZIP_DEFLATED", script, "unmoved"),
        ("ZIP_STORED", "JM\u{1}\u{0}", "moved"),
    ] {
        let (work, tree) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let war = work.path().join("web.war");
        let jmod = prefix.starts_with("JM");
        // Python passes no zero byte on as an argument.
        let shown = if jmod { "" } else { prefix };
        pack(&war, "ZIP_DEFLATED", "", "moved", "WEB-INF/lib/", &jars);
        let outer = tree.path().join(if jmod { "app.jmod" } else { "app.ear" });
        pack(&outer, method, shown, moved, "", &[war]);
        if jmod {
            let plain = std::fs::read(&outer).unwrap();
            std::fs::write(&outer, [prefix.as_bytes(), &plain].concat()).unwrap();
        }
        let image = image(tree.path());
        assert_complete(&image);
        assert_eq!(packages(&image, PackageType::Maven), expected, "{method} {prefix:?} {moved}");
    }
}

#[test]
fn an_egg_of_setuptools_is_what_python_says_it_is() {
    let (project, tree) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let setup = "from setuptools import setup\nsetup(name='Weir_Sample.egg', version='1.2.post3', py_modules=['sample'], description='é')\n";
    std::fs::write(project.path().join("setup.py"), setup).unwrap();
    std::fs::write(project.path().join("sample.py"), "").unwrap();
    // Debian's own, which has setuptools; another one on the path may have none.
    let python = "/usr/bin/python3";
    run_in(project.path(), python, &["setup.py", "-q", "bdist_egg", "-d", tree.path().to_str().unwrap()]);
    let list = "import importlib.metadata as m, glob\n\
                for d in m.distributions(path=glob.glob('*.egg')): print(d.metadata['Name'], d.version)";
    let said = String::from_utf8(run_in(tree.path(), python, &["-c", list]).stdout).unwrap();
    assert!(said.contains(" 1.2.post3") && said.lines().count() == 1, "{said}");
    let image = image(tree.path());
    assert_complete(&image);
    let found = packages(&image, PackageType::Pypi);
    assert_eq!(found, BTreeSet::from([("weir-sample-egg".to_owned(), "1.2.post3".to_owned())]));
}
