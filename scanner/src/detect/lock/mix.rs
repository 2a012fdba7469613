//! Elixir's `mix.lock`: the packages from Hex a program was built from.
//!
//! The file is one map of Elixir's, a line for each dependency: `"plug": {:hex, :plug, "1.14.0", …},`. The package's name is the
//! second element, which may differ from the dependency's. Dependencies from Git have a commit and no version, so that no
//! advisory can speak of them; they are left out.

use super::wants_own;
use crate::detect::stanza::lines;
use crate::detect::{Detector, FactList, Want};
use crate::layer::Fact;
use crate::package::{Package, PackageType};

pub(crate) struct MixLock;

impl Detector for MixLock {
    fn name(&self) -> &'static str {
        "mix-lock"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        wants_own(path, "mix.lock")
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        let lines = lines(bytes).filter_map(|line| std::str::from_utf8(line).ok());
        let mut broken = !bytes.is_empty() && !bytes.trim_ascii_start().starts_with(b"%{");
        for line in lines.map(str::trim_start).filter(|line| line.starts_with('"')) {
            let Some((_, entry)) = line.split_once("{:hex,") else {
                broken |= !line.contains("{:git,");
                continue;
            };
            match package(entry) {
                Some((name, version)) => facts.push(Fact::Package(Package::new(PackageType::Hex, name, version))),
                None => broken = true,
            }
        }
        if broken {
            facts.malformed(path, "some of the file's lines are no entries of a lock file of Mix's");
        }
    }
}

/// Name and version of `:NAME, "VERSION", …`, the name in quotes where it is no plain atom.
fn package(entry: &str) -> Option<(&str, &str)> {
    let mut parts = entry.split(',');
    let name = parts.next()?.trim().strip_prefix(':')?.trim_matches('"');
    let version = parts.next()?.trim().strip_prefix('"')?.strip_suffix('"')?;
    (!name.is_empty() && !version.is_empty()).then_some((name, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(text: &str) -> Vec<Fact> {
        let mut facts = FactList::new(1 << 20);
        MixLock.detect("mix.lock", text.as_bytes(), &mut facts);
        facts.into_parts().0
    }

    #[test]
    fn packages_from_hex_are_listed() {
        let text = "%{\n  \"castore\": {:hex, :castore, \"1.0.1\", \"240b\", [:mix], [], \"hexpm\", \"b4\"},\n  \"plug_x\": {:hex, :\"plug-x\", \"1.14.0-rc.1\", \"ba4f\", [:mix], \
            [{:mime, \"~> 1.0\", [hex: :mime, repo: \"hexpm\", optional: false]}], \"hexpm\", \"bf\"},\n  \"x\": {:git, \"https://example.com/x.git\", \"abc\", []},\n}\n";
        let package = |name, version| Fact::Package(Package::new(PackageType::Hex, name, version));
        assert_eq!(detect(text), [package("castore", "1.0.1"), package("plug-x", "1.14.0-rc.1")]);
        assert!(detect("").is_empty() && detect("%{\n}\n").is_empty());
    }

    #[test]
    fn broken_lines_are_said() {
        for text in [
            "<html>",
            "%{\n \"a\": {:hex, :a},\n}",
            "%{\n \"a\": {:hex, a, \"1\"}",
            "%{\n \"a\": {:hex, :a, \"",
            "%{\n \"a\"",
        ] {
            assert!(matches!(&detect(text)[..], [Fact::Unread(_)]), "{text}");
        }
    }
}
