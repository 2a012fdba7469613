//! Looks for the version of a file whose name calls rules.

use super::rules::{Rule, TABLE};
use crate::content::Buffers;
use crate::detect::executable::format::Program;
use crate::detect::executable::stream::Seam;
use crate::detect::{FactList, FileHead, Watch, Watcher};
use crate::layer::Fact;
use crate::package::Package;

/// Longest match that is found wherever the pieces of a file meet.
const OVERLAP: usize = 256;
/// Longest version.
const MAX_VERSION: usize = 64;
/// Largest text that is looked at: release files have a few lines.
const MAX_TEXT: u64 = 64 << 10;

/// Watches for the programs of the table.
pub(crate) struct Binaries;

impl Watcher for Binaries {
    fn name(&self) -> &'static str {
        "binary"
    }

    fn version(&self) -> u32 {
        1
    }

    fn watch(&self, file: &FileHead<'_>, _buffers: &Buffers, _facts: &mut FactList) -> Option<Box<dyn Watch>> {
        let called = TABLE.of(file.path);
        if called.is_empty() {
            return None;
        }
        let program = Program::read(file.head).is_some();
        let rules = called.into_iter().map(|index| &TABLE.rules[index]);
        let rules: Vec<&'static Rule> = rules.filter(|rule| rule.text != program).collect();
        match (program, rules.is_empty()) {
            (_, true) => None,
            (true, false) => Some(Box::new(BinaryWatch { seam: Seam::new(OVERLAP), open: rules, found: Vec::new() })),
            (false, false) => (file.size <= MAX_TEXT).then(|| Box::new(TextWatch { rules, text: Vec::new() }) as _),
        }
    }
}

/// A program, which is not kept.
struct BinaryWatch {
    seam: Seam,
    /// Rules that found nothing yet.
    open: Vec<&'static Rule>,
    found: Vec<(&'static Rule, String)>,
}

impl Watch for BinaryWatch {
    fn feed(&mut self, piece: &[u8]) {
        if self.open.is_empty() {
            return;
        }
        let Self { seam, open, found } = self;
        seam.feed(piece, |bytes, _| {
            open.retain(|rule| {
                // A match that ends with the bytes may go on behind them, and comes again.
                let version = version(rule, bytes, |end| end < bytes.len());
                let open = version.is_none();
                found.extend(version.map(|version| (*rule, version)));
                open
            });
        });
    }

    fn finish(self: Box<Self>, facts: &mut FactList) {
        self.found.into_iter().for_each(|(rule, version)| push(rule, version, facts));
    }
}

/// A small text.
struct TextWatch {
    rules: Vec<&'static Rule>,
    text: Vec<u8>,
}

impl Watch for TextWatch {
    fn feed(&mut self, piece: &[u8]) {
        self.text.extend_from_slice(piece);
    }

    fn finish(self: Box<Self>, facts: &mut FactList) {
        for rule in &self.rules {
            if let Some(version) = version(rule, &self.text, |_| true) {
                push(rule, version, facts);
            }
        }
    }
}

/// The version of the first match whose end counts.
fn version(rule: &Rule, bytes: &[u8], counts: impl Fn(usize) -> bool) -> Option<String> {
    let mut matches =
        rule.pattern.captures_iter(bytes).filter(|found| found.get(0).is_some_and(|all| counts(all.end())));
    matches.find_map(|found| {
        let version = std::str::from_utf8(found.name("version")?.as_bytes()).ok()?;
        (!version.is_empty() && version.len() <= MAX_VERSION).then(|| version.to_owned())
    })
}

fn push(rule: &Rule, version: String, facts: &mut FactList) {
    facts.push(Fact::Package(Package::new(rule.package_type, &*rule.name, version)));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name and version of what a file holds that comes in pieces of `size` bytes.
    fn found(path: &str, bytes: &[u8], size: usize) -> Vec<(String, String)> {
        let mut facts = FactList::new(1 << 20);
        let head = &bytes[..bytes.len().min(4096)];
        let file = FileHead { path, mode: 0o755, size: bytes.len() as u64, head };
        let Some(mut watch) = Binaries.watch(&file, &Buffers::default(), &mut facts) else { return vec![] };
        bytes.chunks(size).for_each(|piece| watch.feed(piece));
        watch.finish(&mut facts);
        let facts = facts.into_parts().0.into_iter().map(|fact| match fact {
            Fact::Package(package) => (package.name, package.version),
            fact => panic!("{fact:?}"),
        });
        facts.collect()
    }

    /// The head of an ELF file without any tables, and what follows it.
    fn elf(content: &[u8]) -> Vec<u8> {
        [&b"\x7fELF\x02\x01"[..], &[0; 58], content, &[0; 4]].concat()
    }

    fn one(name: &str, version: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), version.to_owned())]
    }

    #[test]
    fn a_version_is_found_whole_wherever_the_pieces_meet() {
        let program = elf(b"nginx version: nginx/1.22.10\0rest");
        for size in 1..program.len() {
            assert_eq!(found("usr/sbin/nginx", &program, size), one("nginx", "1.22.10"), "{size}");
        }
        for size in 1..8 {
            assert_eq!(found("usr/local/go/VERSION", b"go1.22.10", size), one("toolchain", "1.22.10"));
        }
    }

    #[test]
    fn other_files_are_let_pass() {
        assert_eq!(found("usr/sbin/nginx", b"#!/bin/sh\necho nginx version: nginx/1.22.1\n", 64), []);
        assert_eq!(found("usr/sbin/other", &elf(b"nginx version: nginx/1.22.1\0"), 64), []);
        assert_eq!(found("usr/sbin/nginx", &elf(b"nginx"), 64), []);
    }

    /// What the programs print that Debian does not have, by their sources.
    #[test]
    fn programs_beyond_debian_s_are_found_by_their_own_words() {
        let build = |flags: &str| format!("path\tmain\nbuild\t-ldflags={flags}\nbuild\tGOOS=linux\n");
        for (path, content, name, version) in [
            ("usr/bin/valkey-server", "\x007.2.4\0x\08.0.1\0".to_owned(), "valkey", "8.0.1"),
            ("usr/sbin/mysqld", "/export/home/pb2/build/mysql-8.0.35/sql/x.cc\0".to_owned(), "mysql", "8.0.35"),
            (
                "bin/prometheus",
                build("\"-X github.com/prometheus/common/version.Version=2.42.0 -X a.b=c\""),
                "prometheus",
                "2.42.0",
            ),
            (
                "usr/bin/kubelet",
                build("\"-X 'k8s.io/component-base/version.gitVersion=v1.28.2' -w\""),
                "kubernetes",
                "1.28.2",
            ),
            ("traefik", build("-X github.com/traefik/traefik/v2/pkg/version.Version=2.10.4"), "traefik", "2.10.4"),
            (
                "opt/bin/minio",
                build("-X github.com/minio/minio/cmd.ReleaseTag=RELEASE.2023-11-01T01-57-10Z"),
                "minio",
                "2023-11-01T01-57-10Z",
            ),
            (
                "usr/bin/caddy",
                "path\tcaddy\ndep\tgithub.com/caddyserver/caddy/v2\tv2.7.4\th1:x\n".to_owned(),
                "caddy",
                "2.7.4",
            ),
            (
                "opt/lib/dart",
                "3.2.0 (stable) (Wed Nov 8 10:00:00 2023 +0000) on \"linux_x64\"\0".to_owned(),
                "dart",
                "3.2.0",
            ),
            ("opt/google/chrome/chrome", "\x00119.0.6045.105\0".to_owned(), "chrome", "119.0.6045.105"),
        ] {
            assert_eq!(found(path, &elf(content.as_bytes()), 4096), one(name, version), "{path}");
        }
        for (path, content, name, version) in [
            ("opt/java/openjdk/release", "IMPLEMENTOR=\"Eclipse\"\nJAVA_VERSION=\"17.0.9\"\n", "java", "17.0.9"),
            ("srv/wp-includes/version.php", "<?php\n$wp_version = '6.4.1';\n", "wordpress", "6.4.1"),
            (
                "usr/local/lib/elixir/lib/elixir/ebin/elixir.app",
                "{application,elixir,[{vsn,\"1.15.7\"},",
                "elixir",
                "1.15.7",
            ),
            (
                "opt/rabbitmq/plugins/rabbit-3.12.8/ebin/rabbit.app",
                "{application,rabbit,[{vsn, \"3.12.8\"},",
                "rabbitmq",
                "3.12.8",
            ),
        ] {
            assert_eq!(found(path, content.as_bytes(), 16), one(name, version), "{path}");
        }
    }
}
