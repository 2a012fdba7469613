//! Julia's `Manifest.toml`: every package of an environment, those of the standard library that have versions of their own among them.

use super::cargo::assigned;
use super::wants_own;
use crate::detect::stanza::{lines, text};
use crate::detect::{Detector, FactList, Want, base_name};
use crate::layer::Fact;
use crate::package::{Package, PackageType};

pub(crate) struct JuliaManifest;

impl Detector for JuliaManifest {
    fn name(&self) -> &'static str {
        "julia-manifest"
    }

    fn version(&self) -> u32 {
        1
    }

    /// `Manifest.toml`, `JuliaManifest.toml`, and either for one version of Julia (`Manifest-v1.11.toml`).
    fn wants(&self, path: &str) -> Option<Want> {
        let name = base_name(path);
        let stem = name.strip_suffix(".toml")?;
        let stem = stem.strip_prefix("Julia").unwrap_or(stem).strip_prefix("Manifest")?;
        if stem.is_empty() || stem.starts_with("-v") { wants_own(path, name) } else { None }
    }

    /// Line by line, as Julia writes the file. An entry counts with a version and the `uuid` every entry has, so that a file
    /// of another program's by this common name shows nothing.
    fn detect(&self, _path: &str, bytes: &[u8], facts: &mut FactList) {
        let (mut name, mut version, mut uuid) = (None, None, false);
        for line in lines(bytes).chain([&b"[[]]"[..]]) {
            if line.starts_with(b"[[") {
                if let (Some(name), Some(version), true) = (name, version.take(), uuid) {
                    facts.push(Fact::Package(Package::new(PackageType::Julia, name, version)));
                }
                let entry = line.trim_ascii().strip_prefix(b"[[").and_then(|line| line.strip_suffix(b"]]"));
                name = entry.and_then(|entry| text(entry.strip_prefix(b"deps.").unwrap_or(entry)));
                uuid = false;
            } else {
                match assigned(line) {
                    // Deeper tables (`[deps.NAME.weakdeps]`) follow an entry's own lines.
                    Some((b"version", value)) => version = version.or_else(|| text(value)),
                    Some((b"uuid", _)) => uuid = true,
                    _ => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(text: &str) -> Vec<Fact> {
        let mut facts = FactList::new(1 << 20);
        JuliaManifest.detect("Manifest.toml", text.as_bytes(), &mut facts);
        facts.into_parts().0
    }

    #[test]
    fn both_formats_list_packages() {
        let entries = |prefix: &str| {
            format!(
                "[[{prefix}Adapt]]\ndeps = [\"LinearAlgebra\"]\ngit-tree-sha1 = \"0\"\nuuid = \"79e6\"\nversion = \"3.3.3\"\n\n    \
                 [{prefix}Adapt.weakdeps]\n    StaticArrays = \"9013\"\n\n[[{prefix}Base64]]\nuuid = \"2a0f\"\n\n\
                 [[{prefix}Zlib_jll]]\nuuid = \"8377\"\nversion = \"1.2.13+0\"\n"
            )
        };
        let package = |name, version| Fact::Package(Package::new(PackageType::Julia, name, version));
        let expected = [package("Adapt", "3.3.3"), package("Zlib_jll", "1.2.13+0")];
        assert_eq!(detect(&entries("")), expected);
        assert_eq!(
            detect(&format!("julia_version = \"1.9.0\"\nmanifest_format = \"2.0\"\n\n{}", entries("deps."))),
            expected
        );
    }

    #[test]
    fn other_files_of_the_name_show_nothing() {
        for text in
            ["", "version = \"1\"\n[[a]]\n", "[[a]]\nname = \"b\"\nversion = \"1\"\n", "[[\nuuid = \"\nversion = \"\""]
        {
            assert!(detect(text).is_empty(), "{text}");
        }
        assert_eq!(JuliaManifest.wants("app/Manifest-v1.11.toml"), Some(Want::Bytes));
        for path in ["app/Manifests.toml", "root/.julia/packages/A/x/Manifest.toml", "Manifest.json"] {
            assert_eq!(JuliaManifest.wants(path), None, "{path}");
        }
    }
}
