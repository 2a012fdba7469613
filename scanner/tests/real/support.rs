//! Trees of real files, and what the scanner finds in them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

use tempfile::TempDir;
use weir_scanner::content::Buffers;
use weir_scanner::detect::DetectorSet;
use weir_scanner::image::{ImageInventory, LayerInput, compose};
use weir_scanner::layer::{LayerInventory, LayerLimits, scan_layer};
use weir_scanner::package::PackageType;

/// apt's lists and downloads are one at a time.
static APT: Mutex<()> = Mutex::new(());

/// A folder of weir's cache directory; made where it is missing.
pub(crate) fn cache(folder: &str) -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"));
    let path = base.join("weir").join(folder);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Runs a program that must succeed.
pub(crate) fn run<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Output {
    run_in(Path::new("/"), program, arguments)
}

/// Runs a program that must succeed in a folder.
pub(crate) fn run_in<S: AsRef<OsStr>>(folder: &Path, program: &str, arguments: &[S]) -> Output {
    let output = Command::new(program).args(arguments).current_dir(folder).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; deploy/install.sh run installs it"));
    let shown: Vec<_> = arguments.iter().map(|argument| argument.as_ref().to_string_lossy()).collect();
    assert!(
        output.status.success(),
        "{program} {shown:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// What a program that must succeed printed.
pub(crate) fn printed<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> String {
    String::from_utf8(run(program, arguments).stdout).unwrap()
}

/// A folder with the files of Debian's packages of these names, without a package database.
pub(crate) fn debs(names: &[&str]) -> TempDir {
    let tree = TempDir::new().unwrap();
    for name in names {
        run("dpkg-deb", &[OsStr::new("-x"), deb(name).as_os_str(), tree.path().as_os_str()]);
    }
    tree
}

/// The archive of one Debian package, downloaded once.
pub(crate) fn deb(name: &str) -> PathBuf {
    let _one = APT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = cache("debs");
    let found = || {
        let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
        let prefix = format!("{name}_");
        files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&prefix)).max()
    };
    if let Some(path) = found() {
        return path;
    }
    // apt's sandbox user may not write into the cache directory.
    let download = ["-o", "APT::Sandbox::User=root", "-qq", "download", name];
    let first = Command::new("apt-get").args(download).current_dir(&folder).stdin(Stdio::null()).output().unwrap();
    if !first.status.success() {
        run("apt-get", &["-qq", "update"]);
        run_in(&folder, "apt-get", &download);
    }
    found().unwrap_or_else(|| panic!("apt-get downloaded no {name}"))
}

/// What one layer holds that has the files of `root`.
pub(crate) fn layer(root: &Path) -> LayerInventory {
    let packed = run_in(root, "tar", &["--numeric-owner", "--sort=name", "-c", "."]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    scan_layer(
        &packed.stdout[..],
        None,
        &DetectorSet::standard(),
        &LayerLimits::default(),
        &Buffers::default(),
        runtime.handle(),
    )
    .unwrap()
}

/// What an image shows whose one layer has the files of `root`.
pub(crate) fn image(root: &Path) -> ImageInventory {
    compose(&[LayerInput::Read(&layer(root))])
}

/// Name and version of each package of a type.
pub(crate) fn packages(image: &ImageInventory, package_type: PackageType) -> BTreeSet<(String, String)> {
    let found = image.packages.iter().map(|found| &found.package);
    let found = found.filter(|package| package.package_type == package_type);
    found.map(|package| (package.name.clone(), package.version.clone())).collect()
}
