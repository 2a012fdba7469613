//! Databases of system packages. dpkg's, pacman's and Nix's are those tools' own; a kernel is Debian's. No registry brings apk,
//! opkg, chisel, Portage, snapd's or Ubuntu's client: theirs are written by their specifications.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tempfile::TempDir;
use weir_scanner::image::ScanStatus;
use weir_scanner::layer::{ChannelKind, Fact, LayerInventory, PathHash};
use weir_scanner::package::PackageType;

use super::support::{deb, image, layer, packages, printed, run, run_in};

/// Writes a file of a tree with the folders above it.
fn write(root: &Path, path: &str, bytes: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// What a layer says belongs to a package, over all files that say so.
fn owned(layer: &LayerInventory, name: &str) -> BTreeSet<PathHash> {
    let facts = layer.facts.values().flatten();
    let of_package = facts.filter_map(|fact| match fact {
        Fact::Owned { package, paths } if package == name => Some(paths.iter().copied()),
        _ => None,
    });
    of_package.flatten().collect()
}

#[test]
fn dpkg_lists_what_this_machine_has() {
    let tree = TempDir::new().unwrap();
    write(tree.path(), "var/lib/dpkg/status", fs::read("/var/lib/dpkg/status").unwrap());
    for file in fs::read_dir("/var/lib/dpkg/info").unwrap().map(|file| file.unwrap()) {
        let name = file.file_name().into_string().unwrap();
        write(tree.path(), &format!("var/lib/dpkg/info/{name}"), fs::read(file.path()).unwrap());
    }
    let image = image(tree.path());
    assert_eq!(image.status, ScanStatus::Complete, "{:?}", image.reasons);

    let format = "${Package} ${Version} ${Architecture} ${source:Package} ${source:Version} ${db:Status-Status}\n";
    let listed = printed("dpkg-query", &["-W", "-f", format]);
    let absent = ["not-installed", "config-files"];
    let expected: BTreeSet<String> = listed
        .lines()
        .map(|line| line.rsplit_once(' ').unwrap())
        .filter(|(_, status)| !absent.contains(status))
        .map(|(package, _)| package.to_owned())
        .collect();
    let found = image.packages.iter().map(|found| {
        let package = &found.package;
        let source = package.source.as_ref().unwrap();
        let architecture = package.architecture.as_deref().unwrap();
        format!("{} {} {architecture} {} {}", package.name, package.version, source.name, source.version)
    });
    assert_eq!(found.collect::<BTreeSet<_>>(), expected);

    let layer = layer(tree.path());
    for name in ["bash", "coreutils", "libc6", "tzdata", "perl-base"] {
        let listed = printed("dpkg-query", &["-L", name]);
        // Lines that do not begin with a slash tell of diversions.
        let paths: BTreeSet<&str> = listed.lines().filter_map(|line| line.strip_prefix('/')).collect();
        let is_parent = |path: &str| paths.iter().any(|other| other.starts_with(&format!("{path}/")));
        let expected = paths.iter().filter(|path| **path != "." && !is_parent(path)).map(|path| PathHash::of(path));
        assert_eq!(owned(&layer, name), expected.collect(), "{name}");
    }
}

#[test]
fn distroless_entries_are_packages_with_their_files() {
    let tree = TempDir::new().unwrap();
    let archive = deb("libssl3");
    let control = TempDir::new().unwrap();
    run("dpkg-deb", &["-e".as_ref(), archive.as_os_str(), control.path().as_os_str()]);
    write(tree.path(), "var/lib/dpkg/status.d/libssl3", fs::read(control.path().join("control")).unwrap());
    write(tree.path(), "var/lib/dpkg/status.d/libssl3.md5sums", fs::read(control.path().join("md5sums")).unwrap());

    let field = |name: &str| {
        String::from_utf8(run("dpkg-deb", &["-f".as_ref(), archive.as_os_str(), name.as_ref()]).stdout).unwrap()
    };
    let version = field("Version").trim().to_owned();
    let image = image(tree.path());
    assert_eq!(packages(&image, PackageType::Deb), BTreeSet::from([("libssl3".into(), version)]));
    assert_eq!(image.packages[0].package.source.as_ref().unwrap().name, "openssl");

    let unpacked = TempDir::new().unwrap();
    run("dpkg-deb", &["-x".as_ref(), archive.as_os_str(), unpacked.path().as_os_str()]);
    let listed = printed(
        "find",
        &[unpacked.path().as_os_str(), "-type".as_ref(), "f".as_ref(), "-printf".as_ref(), "%P\n".as_ref()],
    );
    assert_eq!(owned(&layer(tree.path()), "libssl3"), listed.lines().map(PathHash::of).collect());
}

#[test]
fn pacman_lists_what_it_installed() {
    let work = TempDir::new().unwrap();
    let root = work.path().join("root");
    fs::create_dir_all(root.join("var/lib/pacman")).unwrap();
    write(work.path(), "pacman.conf", "[options]\nSigLevel = Never\nArchitecture = x86_64\n");
    let pacman = |arguments: &[&str]| {
        let place = ["--config", "pacman.conf", "--root", "root", "--dbpath", "root/var/lib/pacman", "--noconfirm"];
        String::from_utf8(run_in(work.path(), "pacman", &[&place[..], arguments].concat()).stdout).unwrap()
    };
    for (name, base, version) in [("hello-tools", "hello", "1:2.12-1"), ("libhello", "hello", "2.12.r3.gabc-2")] {
        let tree = TempDir::new().unwrap();
        let about = format!(
            "pkgname = {name}\npkgbase = {base}\npkgver = {version}\npkgdesc = greets\nbuilddate = 1700000000\n\
             packager = A B <a@archlinux.org>\nsize = 3\narch = x86_64\n"
        );
        write(tree.path(), ".PKGINFO", about);
        write(tree.path(), &format!("usr/share/{name}/a file"), "x");
        write(tree.path(), &format!("usr/bin/{name}"), "x");
        let archive = work.path().join(format!("{name}.pkg.tar.zst"));
        run_in(tree.path(), "tar", &["--zstd", "-cf", archive.to_str().unwrap(), ".PKGINFO", "usr"]);
        pacman(&["-U", archive.to_str().unwrap()]);
    }

    let image = image(&root);
    let listed = pacman(&["-Q"]);
    let expected = listed.lines().map(|line| line.split_once(' ').unwrap());
    let expected: BTreeSet<_> = expected.map(|(name, version)| (name.to_owned(), version.to_owned())).collect();
    assert_eq!(expected.len(), 2);
    assert_eq!(packages(&image, PackageType::Alpm), expected);
    assert!(image.packages.iter().all(|found| found.package.source.as_ref().unwrap().name == "hello"));

    let layer = layer(&root);
    for (name, _) in expected {
        let listed = pacman(&["-Qlq", &name]);
        let absolute = format!("{}/", root.display());
        let files =
            listed.lines().filter(|path| !path.ends_with('/')).map(|path| path.strip_prefix(&absolute).unwrap());
        assert_eq!(owned(&layer, &name), files.map(PathHash::of).collect());
    }
}

#[test]
fn nix_names_what_lies_in_its_store() {
    let work = TempDir::new().unwrap();
    let root = work.path().join("root");
    let names = [
        "openssl-3.0.13",
        "python3.11-requests-2.31.0",
        "linux-headers-6.5",
        "source",
        "glibc-2.38-44",
        "x-unstable-1a",
    ];
    for name in names {
        write(work.path(), &format!("{name}/bin/x"), name);
        run_in(work.path(), "nix-store", &["--store", root.to_str().unwrap(), "--add", name]);
    }
    write(work.path(), "script-1.0.sh", "a file, and no package");
    run_in(work.path(), "nix-store", &["--store", root.to_str().unwrap(), "--add", "script-1.0.sh"]);

    let list: String = names.iter().map(|name| format!("\"{name}\" ")).collect();
    let expression = format!("map builtins.parseDrvName [ {list} ]");
    let store = work.path().join("evaluation");
    let parsed = printed(
        "nix-instantiate",
        &["--store", store.to_str().unwrap(), "--eval", "--strict", "--json", "-E", &expression],
    );
    let parsed: Vec<serde_json::Value> = serde_json::from_str(&parsed).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let expected = parsed.iter().map(|found| (text(&found["name"]), text(&found["version"])));
    let expected: BTreeSet<_> = expected.filter(|(_, version)| !version.is_empty()).collect();
    assert_eq!(expected.len(), names.len() - 1);
    assert_eq!(packages(&image(&root), PackageType::Nix), expected);
}

#[test]
fn a_kernel_tells_its_release() {
    let about =
        run("dpkg-deb", &["-f".as_ref(), deb("linux-image-cloud-amd64").as_os_str(), "Depends".as_ref()]).stdout;
    let about = String::from_utf8(about).unwrap();
    let package = about.split([' ', ',']).next().unwrap().trim();
    let release = package.strip_prefix("linux-image-").unwrap();
    let tree = super::support::debs(&[package]);
    assert!(tree.path().join(format!("boot/vmlinuz-{release}")).try_exists().unwrap());
    // A hundred megabytes of modules say nothing here.
    fs::remove_dir_all(tree.path().join("lib")).unwrap();
    let expected = BTreeSet::from([("linux-kernel".to_owned(), release.to_owned())]);
    assert_eq!(packages(&image(tree.path()), PackageType::Generic), expected);
}

/// A chiselled Ubuntu with Ubuntu Pro, by the specifications of both.
#[test]
fn a_chiselled_ubuntu_is_read() {
    let tree = TempDir::new().unwrap();
    let root = tree.path();
    write(
        root,
        "var/lib/chisel/manifest",
        "{\"jsonwall\":\"1.0\",\"schema\":\"1.0\",\"count\":5}\n\
         {\"kind\":\"content\",\"slice\":\"base-files_base\",\"path\":\"/etc/\"}\n\
         {\"kind\":\"content\",\"slice\":\"libssl3t64_libs\",\"path\":\"/usr/lib/x86_64-linux-gnu/libssl.so.3\"}\n\
         {\"kind\":\"package\",\"name\":\"base-files\",\"version\":\"13ubuntu10.1\",\"sha256\":\"00\",\"arch\":\"amd64\"}\n\
         {\"kind\":\"package\",\"name\":\"libssl3t64\",\"version\":\"3.0.13-0ubuntu3.4\",\"sha256\":\"00\",\"arch\":\"amd64\"}\n",
    );
    run_in(&root.join("var/lib/chisel"), "zstd", &["-q", "--rm", "manifest", "-o", "manifest.wall"]);
    write(root, "etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=24.04\n");
    let status =
        r#"{"attached":true,"services":[{"name":"esm-infra","status":"enabled"},{"name":"fips","status":"disabled"}]}"#;
    write(root, "var/lib/ubuntu-advantage/status.json", status);

    let image = image(root);
    assert_eq!(image.status, ScanStatus::Complete, "{:?}", image.reasons);
    let urls: Vec<&str> = image.packages.iter().map(|found| &*found.purl).collect();
    assert_eq!(
        urls,
        [
            "pkg:deb/ubuntu/base-files@13ubuntu10.1?arch=amd64&distro=ubuntu-24.04",
            "pkg:deb/ubuntu/libssl3t64@3.0.13-0ubuntu3.4?arch=amd64&distro=ubuntu-24.04",
        ]
    );
    let layer = layer(root);
    let library = PathHash::of("usr/lib/x86_64-linux-gnu/libssl.so.3");
    assert_eq!(owned(&layer, "libssl3t64"), BTreeSet::from([library]));
    assert!(owned(&layer, "base-files").is_empty(), "a directory is nobody's");
    let channels: Vec<_> = layer.facts["var/lib/ubuntu-advantage/status.json"].iter().collect();
    assert!(
        matches!(channels[..], [Fact::Channel(channel)] if channel.kind == ChannelKind::UbuntuPro && channel.name == "esm-infra")
    );
}
