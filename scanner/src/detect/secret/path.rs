//! Files in which nothing counts as a secret, known by their paths.
//!
//! What a distribution or a language's package manager installs is public, its documentation and test data are full of keys made to be
//! read, and authority certificates hold no keys. Everything else is read, wherever it lies.

/// Folders whose content a distribution's or a language's packages bring.
const TREES: [&str; 22] = [
    "usr/share/",
    "usr/include/",
    "usr/lib/",
    "usr/lib32/",
    "usr/lib64/",
    "usr/libexec/",
    "usr/libx32/",
    "usr/local/go/",
    "usr/local/include/",
    "usr/local/lib/python",
    "lib/",
    "lib32/",
    "lib64/",
    "opt/yarn-v",
    "etc/ssl/certs/",
    "etc/ca-certificates/",
    "etc/pki/ca-trust/",
    "etc/pki/rpm-gpg/",
    "var/lib/dpkg/",
    "var/lib/rpm/",
    "proc/",
    "sys/",
];

/// Folders anywhere: dependencies, test data, translations, documentation.
const FOLDERS: [&str; 19] = [
    "node_modules",
    "site-packages",
    "dist-packages",
    "vendor",
    "gems",
    "test",
    "tests",
    "Test",
    "Tests",
    "__tests__",
    "testdata",
    "test-data",
    "testing",
    "fixtures",
    "locale",
    "locales",
    "doc",
    "docs",
    "examples",
];

/// Ends of names: prose, translations, tests of source code, styles, lists of hashes, bundles of certificates.
const ENDINGS: [&str; 21] = [
    ".md",
    ".markdown",
    ".rst",
    ".adoc",
    ".po",
    ".pot",
    ".css",
    ".svg",
    "_test.go",
    "_test.py",
    ".test.js",
    ".test.ts",
    ".spec.js",
    ".spec.ts",
    "go.sum",
    "package-lock.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "ca-certificates.crt",
    "cacert.pem",
    "ca-bundle.crt",
];

/// Whether what lies at a cleaned path may be a secret.
pub(super) fn counts(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    !TREES.iter().any(|tree| path.starts_with(tree))
        && !ENDINGS.iter().any(|ending| name.ends_with(ending))
        && !folders.split('/').any(|folder| FOLDERS.contains(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_packages_bring_does_not_count() {
        for path in [
            "usr/share/doc/openssl/key.pem",
            "usr/lib/python3/dist-packages/a.py",
            "app/node_modules/a/index.js",
            "srv/vendor/a/b.php",
            "app/README.md",
            "app/tests/key.pem",
            "app/main_test.go",
            "etc/ssl/certs/ca.pem",
        ] {
            assert!(!counts(path), "{path}");
        }
        for path in [
            "root/.ssh/id_rsa",
            ".env",
            "app/config.py",
            "etc/ssh/ssh_host_rsa_key",
            "usr/src/app/server.js",
            "app/latest/a",
            "home/a/.npmrc",
            "etc/ssl/private/key.pem",
        ] {
            assert!(counts(path), "{path}");
        }
    }
}
