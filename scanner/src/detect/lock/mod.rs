//! Lock files of programs that are compiled: they are the only word an image holds of what such a program was built from.
//!
//! Read are Rust's `Cargo.lock`, Dart's `pubspec.lock`, Swift's `Package.resolved`, Elixir's `mix.lock`, Julia's `Manifest.toml` and
//! Conan's `conan.lock`. Lock files of npm, Python, Ruby, PHP, Go, .NET and Java are not: what those name is found where it is
//! installed, and what is not installed is not in the image. Lock files below a package manager's cache or a package of
//! another language tell what a dependency was developed with, and nobody reads them, so neither does weir.

mod cargo;
mod conan;
mod julia;
mod mix;
mod pubspec;
mod swift;

pub(super) use cargo::CargoLock;
pub(super) use conan::ConanLock;
pub(super) use julia::JuliaManifest;
pub(super) use mix::MixLock;
pub(super) use pubspec::PubspecLock;
pub(super) use swift::PackageResolved;

use super::{Want, base_name};

/// Folders whose packages carry lock files of their own: caches of Cargo, pub, Swift, Julia and Mix, and what npm and pip installed.
const DEPENDENCIES: [&str; 10] = [
    ".cargo/registry/",
    ".cargo/git/",
    "cargo/registry/",
    "cargo/git/",
    ".pub-cache/",
    ".build/checkouts/",
    ".julia/packages/",
    "deps/",
    "node_modules/",
    "site-packages/",
];

/// Wants a file of this name that belongs to the program and not to one of its dependencies.
fn wants_own(path: &str, name: &str) -> Option<Want> {
    if base_name(path) != name {
        return None;
    }
    let below = |folder: &str| path.match_indices(folder).any(|(at, _)| at == 0 || path.as_bytes()[at - 1] == b'/');
    (!DEPENDENCIES.into_iter().any(below)).then_some(Want::Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_files_of_dependencies_are_left_alone() {
        for path in ["Cargo.lock", "usr/src/app/Cargo.lock", "app/mydeps/Cargo.lock"] {
            assert_eq!(wants_own(path, "Cargo.lock"), Some(Want::Bytes), "{path}");
        }
        for path in [
            "usr/local/cargo/registry/src/index/serde-1/Cargo.lock",
            "root/.cargo/git/checkouts/a/b/Cargo.lock",
            "app/node_modules/swc/Cargo.lock",
            "deps/a/Cargo.lock",
            "Cargo.lock.orig",
        ] {
            assert_eq!(wants_own(path, "Cargo.lock"), None, "{path}");
        }
    }
}
