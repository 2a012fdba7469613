//! `*.deps.json`, in which .NET's host finds an application's libraries.
//!
//! What counts are the libraries of the target the application runs on, as long as files of them are part of it: a package that
//! only led to others, or helped to build, lists none. Projects are libraries as well. References to single assemblies
//! are no packages. A runtime pack is the package it was downloaded as, without its prefix.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::detect::{Detector, FactList, Want};
use crate::layer::Fact;
use crate::package::{Package, PackageType};

/// Longest identifier NuGet takes is 100; versions are held to more.
const MAX_VALUE: usize = 256;

/// Reads `*.deps.json`.
pub(crate) struct DependencyManifests;

type Files = HashMap<String, IgnoredAny>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    runtime_target: Option<RuntimeTarget>,
    #[serde(default)]
    targets: HashMap<String, HashMap<String, Target>>,
    #[serde(default)]
    libraries: HashMap<String, Library>,
}

/// The target's name alone, or with a signature.
#[derive(Deserialize)]
#[serde(untagged)]
enum RuntimeTarget {
    Name(String),
    Named { name: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    #[serde(default)]
    runtime: Files,
    #[serde(default)]
    native: Files,
    #[serde(default)]
    runtime_targets: Files,
    #[serde(default)]
    resources: Files,
}

#[derive(Deserialize)]
struct Library {
    #[serde(rename = "type", default)]
    kind: String,
}

impl Detector for DependencyManifests {
    fn name(&self) -> &'static str {
        "dotnet-deps"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        path.ends_with(".deps.json").then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        if bytes.is_empty() {
            return;
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let Ok(manifest) = serde_json::from_slice::<Manifest>(bytes) else {
            facts.malformed(path, "the list of .NET libraries cannot be read");
            return;
        };
        let mut packages: Vec<Package> = manifest.packages().collect();
        packages.sort();
        packages.into_iter().for_each(|package| facts.push(Fact::Package(package)));
    }
}

impl Manifest {
    fn packages(&self) -> impl Iterator<Item = Package> {
        let name = self.runtime_target.as_ref().map(|target| match target {
            RuntimeTarget::Name(name) | RuntimeTarget::Named { name } => name,
        });
        let target = name.and_then(|name| self.targets.get(name));
        self.libraries.iter().filter_map(move |(key, library)| {
            let (name, version) = key.split_once('/')?;
            let name = match &*library.kind.to_ascii_lowercase() {
                "package" | "project" => name,
                "runtimepack" => name.strip_prefix("runtimepack.").unwrap_or(name),
                _ => return None,
            };
            let used = target.is_none_or(|target| target.get(key).is_some_and(Target::has_files));
            let fits = |value: &str| !value.is_empty() && value.len() <= MAX_VALUE;
            (used && fits(name) && fits(version)).then(|| Package::new(PackageType::Nuget, name, version))
        })
    }
}

impl Target {
    fn has_files(&self) -> bool {
        [&self.runtime, &self.native, &self.runtime_targets, &self.resources].iter().any(|files| !files.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(text: &str) -> (Vec<String>, usize) {
        let mut facts = FactList::new(1 << 20);
        DependencyManifests.detect("app.deps.json", text.as_bytes(), &mut facts);
        let mut unread = 0;
        let packages = facts.into_parts().0.into_iter().filter_map(|fact| match fact {
            Fact::Package(package) => Some(format!("{} {}", package.name, package.version)),
            _ => {
                unread += 1;
                None
            }
        });
        (packages.collect(), unread)
    }

    #[test]
    fn libraries_of_the_target_that_have_files_are_packages() {
        let text = r#"{
            "runtimeTarget": {"name": "net8/linux-x64", "signature": ""},
            "targets": {
                "net8": {"Other/1.0.0": {"runtime": {"a.dll": {}}}},
                "net8/linux-x64": {
                    "App/1.0.0": {"dependencies": {"Newtonsoft.Json": "13.0.1"}, "runtime": {"App.dll": {}}},
                    "Newtonsoft.Json/13.0.1": {"runtime": {"lib/net6.0/Newtonsoft.Json.dll": {"fileVersion": "13.0.1.25517"}}},
                    "SQLitePCLRaw.lib/2.1.0": {"runtimeTargets": {"runtimes/x/e_sqlite3.so": {"rid": "x"}}},
                    "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1": {"runtime": {"System.dll": {}}},
                    "Microsoft.SourceLink.GitHub/1.0.0": {"dependencies": {}},
                    "Some.Assembly/1.0.0.0": {"runtime": {"Some.Assembly.dll": {}}}
                }
            },
            "libraries": {
                "App/1.0.0": {"type": "project"},
                "Newtonsoft.Json/13.0.1": {"type": "package", "sha512": "x"},
                "SQLitePCLRaw.lib/2.1.0": {"type": "package"},
                "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1": {"type": "runtimepack"},
                "Microsoft.SourceLink.GitHub/1.0.0": {"type": "package"},
                "Other/1.0.0": {"type": "package"},
                "Some.Assembly/1.0.0.0": {"type": "reference"}
            }
        }"#;
        let found = [
            "App 1.0.0",
            "Microsoft.NETCore.App.Runtime.linux-x64 8.0.1",
            "Newtonsoft.Json 13.0.1",
            "SQLitePCLRaw.lib 2.1.0",
        ];
        assert_eq!(detect(text), (found.map(str::to_owned).to_vec(), 0));
    }

    #[test]
    fn without_a_target_every_library_counts() {
        let text = "\u{feff}{\"runtimeTarget\":\"x\",\"libraries\":{\"A/1\":{\"type\":\"Package\"},\"B\":{\"type\":\"package\"}}}";
        assert_eq!(detect(text), (vec!["A 1".to_owned()], 0));
    }

    #[test]
    fn broken_manifests_are_said_and_empty_ones_hold_nothing() {
        assert_eq!(detect(""), (vec![], 0));
        assert_eq!(detect("{}"), (vec![], 0));
        for text in ["{", "[]", "{\"targets\":{\"a\":{\"b\":{\"runtime\":1}}}}"] {
            assert_eq!(detect(text), (vec![], 1), "{text}");
        }
        assert_eq!(detect(&"[".repeat(100_000)).1, 1);
    }
}
