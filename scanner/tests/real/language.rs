//! Packages of languages, as their own tools install and list them. By their specifications alone, in the detectors' own tests, are
//! conda, Conan, WordPress plugins and the lock files of Dart, Swift, Elixir and Julia: none of the registries brings their tools.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use weir_scanner::layer::Fact;
use weir_scanner::package::PackageType;

use crate::support::{deb, debs, image, layer, packages, printed, run, run_in};

type Packages = BTreeSet<(String, String)>;

fn pair(name: &str, version: &str) -> (String, String) {
    (name.to_owned(), version.to_owned())
}

/// Name and version of each line, by the first two of its words.
fn lines(text: &str) -> Packages {
    text.lines()
        .filter_map(|line| line.split_once(char::is_whitespace).map(|(name, version)| pair(name, version.trim())))
        .collect()
}

#[test]
fn python_distributions_are_what_pip_lists() {
    let root = TempDir::new().unwrap();
    let target = root.path().join("opt/app/site-packages");
    let target = target.to_str().unwrap();
    // Wheels with names to normalise, one of pure Python and one compiled, and one that is built from its sources.
    let wheels = ["zope.interface==6.1", "MarkupSafe==2.1.5", "jaraco.classes==3.4.0", "six==1.16.0"];
    let install = ["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--target", target];
    run("python3", &[&install[..], &wheels[..]].concat());
    run("python3", &[&install[..], &["--no-binary", ":all:", "docopt==0.6.2"][..]].concat());
    let listed =
        printed("python3", &["-m", "pip", "list", "--path", target, "--format", "json", "--disable-pip-version-check"]);
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let normalised = |name: &str| name.to_lowercase().replace(['.', '_'], "-");
    let listed: Packages = listed
        .iter()
        .map(|package| pair(&normalised(package["name"].as_str().unwrap()), package["version"].as_str().unwrap()))
        .collect();
    assert_eq!(listed.len(), 5);
    assert_eq!(packages(&image(root.path()), PackageType::Pypi), listed);
}

#[test]
fn eggs_of_debian_are_python_distributions() {
    // One with a folder of egg-info and one with a file.
    let tree = debs(&["python3-httplib2", "python3-pycurl", "python3-six"]);
    let found = packages(&image(tree.path()), PackageType::Pypi);
    let names: Vec<&str> = found.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["httplib2", "pycurl", "six"]);
    for (name, version) in &found {
        let debian = printed("dpkg-deb", &["-f", deb(&format!("python3-{name}")).to_str().unwrap(), "Version"]);
        assert!(debian.starts_with(version.as_str()), "{name} {version} of {debian}");
    }
}

#[test]
fn nodes_modules_are_what_npm_lists() {
    let root = TempDir::new().unwrap();
    let app = root.path().join("srv/app");
    std::fs::create_dir_all(&app).unwrap();
    std::fs::write(app.join("package.json"), r#"{"name":"app","version":"1.0.0","private":true}"#).unwrap();
    // resolve ships manifests with names and versions among its tests.
    let install = [
        "install",
        "--silent",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "@babel/code-frame@7.24.7",
        "resolve@1.22.8",
    ];
    run_in(&app, "npm", &install);
    let listed: Value = serde_json::from_slice(&run_in(&app, "npm", &["ls", "--all", "--json"]).stdout).unwrap();
    let mut expected = Packages::from([pair("app", "1.0.0")]);
    npm_tree(&listed, &mut expected);
    assert!(expected.len() > 5, "{expected:?}");
    assert_eq!(packages(&image(root.path()), PackageType::Npm), expected);
}

fn npm_tree(package: &Value, found: &mut Packages) {
    for (name, dependency) in package["dependencies"].as_object().into_iter().flatten() {
        found.extend(dependency["version"].as_str().map(|version| pair(name, version)));
        npm_tree(dependency, found);
    }
}

#[test]
fn gems_are_what_ruby_loads() {
    let tree = debs(&["libruby3.1", "ruby-rack", "ruby-nokogiri", "ruby-addressable"]);
    // Ruby's own reader of each specification that lies in a folder of RubyGems'.
    let program = "Dir.glob('**/specifications/**/*.gemspec', base: ARGV[0]).each do |file|\n\
         spec = Gem::Specification.load(File.join(ARGV[0], file))\n puts \"#{spec.name} #{spec.version}\"\nend";
    let listed = lines(&printed("ruby", &["-e", program, tree.path().to_str().unwrap()]));
    assert!(listed.len() > 50 && listed.iter().any(|(name, _)| name == "rack"), "{listed:?}");
    assert_eq!(packages(&image(tree.path()), PackageType::Gem), listed);
}

#[test]
fn composer_packages_are_what_composer_shows() {
    let root = TempDir::new().unwrap();
    let app = root.path().join("var/www/app");
    let mut repositories = Vec::new();
    for (name, version) in [("Acme/Log", "v1.2.3"), ("acme/mail", "2.0.0-beta1")] {
        let folder = root.path().join("src").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(
            folder.join("composer.json"),
            format!(r#"{{"name":"{}","version":"{version}"}}"#, name.to_lowercase()),
        )
        .unwrap();
        repositories.push(serde_json::json!({"type": "path", "url": folder, "options": {"symlink": false}}));
    }
    repositories.push(serde_json::json!({"packagist.org": false}));
    std::fs::create_dir_all(&app).unwrap();
    let manifest = serde_json::json!({"repositories": repositories, "minimum-stability": "beta", "require": {"acme/log": "*", "acme/mail": "*"}});
    std::fs::write(app.join("composer.json"), manifest.to_string()).unwrap();
    let composer = |arguments: &[&str]| {
        let home = format!("COMPOSER_HOME={}", root.path().join("home").display());
        let all = [&[&*home, "COMPOSER_ALLOW_SUPERUSER=1", "composer", "--no-interaction", "--quiet"][..], arguments]
            .concat();
        run_in(&app, "env", &all)
    };
    composer(&["install"]);
    let shown =
        run_in(&app, "env", &["COMPOSER_ALLOW_SUPERUSER=1", "composer", "show", "--no-interaction", "--format=json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let shown: Packages = shown["installed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| pair(package["name"].as_str().unwrap(), package["version"].as_str().unwrap()))
        .collect();
    assert_eq!(shown.len(), 2);
    assert_eq!(packages(&image(root.path()), PackageType::Composer), shown);
}

#[test]
fn pear_packages_are_what_pear_lists() {
    let tree = debs(&["php-pear"]);
    let php = tree.path().join("usr/share/php");
    let setting = format!("php_dir={}", php.display());
    // One line of titles, a rule and the titles of the columns stand above.
    let listed = printed("pear", &["-d", &setting, "list"]);
    let listed: Packages = lines(&listed.lines().skip(3).collect::<Vec<_>>().join("\n"))
        .into_iter()
        .map(|(name, rest)| pair(&name, rest.split_whitespace().next().unwrap()))
        .collect();
    assert!(listed.len() >= 4, "{listed:?}");
    assert_eq!(packages(&image(tree.path()), PackageType::Pear), listed);
}

#[test]
fn rocks_are_what_luarocks_lists() {
    let root = TempDir::new().unwrap();
    let (source, tree) = (root.path().join("src"), root.path().join("usr/local"));
    std::fs::create_dir_all(&source).unwrap();
    for (name, version) in [("alpha", "1.0-1"), ("beta", "scm-2")] {
        let rockspec = format!(
            "package = \"{name}\"\nversion = \"{version}\"\nsource = {{ url = \"git://example.com/{name}\" }}\n\
             build = {{ type = \"none\", install = {{ lua = {{ {name} = \"{name}.lua\" }} }} }}\n"
        );
        let file = format!("{name}-{version}.rockspec");
        std::fs::write(source.join(format!("{name}.lua")), "return {}\n").unwrap();
        std::fs::write(source.join(&file), rockspec).unwrap();
        run_in(&source, "luarocks", &["--tree", tree.to_str().unwrap(), "make", &*file]);
    }
    let listed = printed("luarocks", &["--tree", tree.to_str().unwrap(), "list", "--porcelain"]);
    let listed: Packages =
        lines(&listed).into_iter().map(|(name, rest)| pair(&name, rest.split_whitespace().next().unwrap())).collect();
    assert_eq!(listed.len(), 2);
    assert_eq!(packages(&image(root.path()), PackageType::Luarocks), listed);
}

#[test]
fn erlangs_applications_are_those_of_its_folders() {
    // Without an Erlang to ask: its library's folders are NAME-VERSION, as code(3) demands.
    let tree = debs(&["erlang-base", "erlang-crypto"]);
    let library = tree.path().join("usr/lib/erlang/lib");
    let folders = std::fs::read_dir(library).unwrap().map(|folder| folder.unwrap());
    let folders = folders.filter(|folder| has_application(&folder.path()));
    let expected: Packages = folders
        .filter_map(|folder| {
            folder.file_name().to_str().unwrap().rsplit_once('-').map(|(name, version)| pair(name, version))
        })
        .collect();
    assert!(expected.len() >= 5, "{expected:?}");
    assert_eq!(packages(&image(tree.path()), PackageType::Otp), expected);
}

fn has_application(folder: &Path) -> bool {
    let files = std::fs::read_dir(folder.join("ebin")).into_iter().flatten().map(|file| file.unwrap().path());
    files.into_iter().any(|path| path.extension().is_some_and(|extension| extension == "app"))
}

#[test]
fn r_packages_are_debians_without_their_tests() {
    // Rcpp ships the sources of packages among its tests. Without an R to ask: Debian's version is R's with a revision.
    let names = [("jsonlite", "r-cran-jsonlite"), ("Rcpp", "r-cran-rcpp"), ("zoo", "r-cran-zoo")];
    let tree = debs(&names.map(|(_, package)| package));
    let version = |package: &str| {
        let version = printed("dpkg-deb", &["-f", deb(package).to_str().unwrap(), "Version"]);
        let version = version.trim().rsplit_once('-').unwrap().0.to_owned();
        version.split("+dfsg").next().unwrap().to_owned()
    };
    let expected: Packages = names.iter().map(|(name, package)| pair(name, &version(package))).collect();
    assert_eq!(packages(&image(tree.path()), PackageType::Cran), expected);
}

#[test]
fn a_lock_file_of_cargos_is_what_cargo_tells() {
    let root = TempDir::new().unwrap();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::create_dir_all(root.path().join("usr/src/weir")).unwrap();
    std::fs::copy(workspace.join("Cargo.lock"), root.path().join("usr/src/weir/Cargo.lock")).unwrap();
    // The lock file holds the crates of every platform, as `cargo metadata` does without a filter.
    let metadata = run_in(workspace, env!("CARGO"), &["metadata", "--format-version", "1", "--locked"]);
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let crates = metadata["packages"].as_array().unwrap();
    let expected: Packages = crates
        .iter()
        .map(|package| pair(package["name"].as_str().unwrap(), package["version"].as_str().unwrap()))
        .collect();
    let found = packages(&image(root.path()), PackageType::Cargo);
    assert_eq!(found, expected);
}

#[test]
fn bills_of_wheels_are_stated() {
    // PEP 770: maturin writes one of the crates it compiled, auditwheel one of the libraries it copied from the distribution that a
    // wheel was built on.
    let root = TempDir::new().unwrap();
    let target = root.path().join("site-packages");
    let install =
        ["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--only-binary", ":all:"];
    let wheels = ["--target", target.to_str().unwrap(), "rpds-py==2026.9.1", "psycopg-binary==3.3.9"];
    run("python3", &[&install[..], &wheels].concat());
    let inventory = layer(root.path());
    for (bill, (package_type, name), count) in [
        ("rpds_py-2026.9.1.dist-info/sboms/rpds-py.cyclonedx.json", (PackageType::Cargo, "archery"), 10),
        ("psycopg_binary-3.3.9.dist-info/sboms/auditwheel.cdx.json", (PackageType::Rpm, "keyutils-libs"), 3),
    ] {
        let path = format!("site-packages/{bill}");
        let facts = &inventory.facts[&path];
        let stated: Vec<_> = facts
            .iter()
            .map(|fact| if let Fact::Stated(package) = fact { package } else { panic!("{fact:?}") })
            .collect();
        assert!(stated.iter().any(|found| found.package_type == package_type && found.name == name), "{stated:?}");
        // Every component of the document but those that only helped to build it, its subject's included.
        let document: Value = serde_json::from_slice(&std::fs::read(root.path().join(&path)).unwrap()).unwrap();
        let components = document["components"].as_array().unwrap().iter();
        let mut expected = components.filter(|component| component["scope"] != "excluded").count();
        expected += usize::from(document["metadata"]["component"]["purl"].is_string());
        expected += document["metadata"]["component"]["components"].as_array().map_or(0, Vec::len);
        assert!(stated.len() == expected && expected >= count, "{} of {expected} in {path}", stated.len());
    }
}
