//! .NET assemblies that say of which version of which package they are.
//!
//! The rule: a PE file with a header for the .NET runtime, whose version resource names the file itself (`OriginalFilename` or
//! `InternalName`), so that nobody renamed it, and whose `ProductVersion` is written as NuGet writes versions; without
//! what stands behind a `+`, that is the version the SDK takes from the package. The package is named as the assembly.
//! That is a convention and no rule of NuGet, so it is stated, which is worth less than a manifest's word; where
//! a `*.deps.json` lies beside the file or above it, that lists the file's package by its right name. Parts of .NET and of
//! .NET Framework themselves, which no manifest beside them need list, and translations are no packages.

use super::resource::{VersionStrings, version_strings};
use crate::content::Buffers;
use crate::detect::executable::format::{Pe, Program, place};
use crate::detect::executable::stream::Capture;
use crate::detect::{FactList, FileHead, Watch, Watcher, base_name};
use crate::layer::Fact;
use crate::package::{Package, PackageType};

/// Most bytes of resources kept; an assembly's version has 1 KiB, its icon may have 100.
const MAX_RESOURCES: usize = 256 << 10;
/// Longest version.
const MAX_VERSION: usize = 64;

/// Watches for .NET assemblies.
pub(crate) struct Assemblies;

impl Watcher for Assemblies {
    fn name(&self) -> &'static str {
        "dotnet-assembly"
    }

    fn version(&self) -> u32 {
        1
    }

    fn watch(&self, file: &FileHead<'_>, _buffers: &Buffers, _facts: &mut FactList) -> Option<Box<dyn Watch>> {
        let Some(Program::Pe(Pe { managed: true, resources: Some(address), segments, base, .. })) =
            Program::read(file.head)
        else {
            return None;
        };
        let start = place(&segments, base.checked_add(u64::from(address))?)?;
        let resources = Capture::new(start, MAX_RESOURCES);
        let file_name = base_name(file.path).to_owned();
        Some(Box::new(AssemblyWatch { file_name, address, passed: 0, resources }))
    }
}

struct AssemblyWatch {
    file_name: String,
    /// Where the resources are mapped.
    address: u32,
    passed: u64,
    resources: Capture,
}

impl Watch for AssemblyWatch {
    fn feed(&mut self, piece: &[u8]) {
        self.resources.feed(piece, self.passed);
        self.passed += piece.len() as u64;
    }

    fn finish(self: Box<Self>, facts: &mut FactList) {
        let strings = version_strings(self.resources.bytes(), self.address);
        if let Some((name, version)) = strings.and_then(|strings| package(&self.file_name, &strings)) {
            facts.push(Fact::Stated(Package::new(PackageType::Nuget, name, version)));
        }
    }
}

/// The package an assembly belongs to, and its version.
fn package(file_name: &str, strings: &VersionStrings) -> Option<(String, String)> {
    let (name, extension) = file_name.rsplit_once('.')?;
    let assembly = extension.eq_ignore_ascii_case("dll") || extension.eq_ignore_ascii_case("exe");
    let own = [&strings.original_filename, &strings.internal_name]
        .iter()
        .any(|stated| stated.eq_ignore_ascii_case(file_name) || stated.eq_ignore_ascii_case(name));
    let framework = strings.product_name.starts_with("Microsoft® .NET");
    if name.is_empty() || !assembly || !own || framework || name.ends_with(".resources") {
        return None;
    }
    let version = strings.product_version.split('+').next().unwrap_or("").trim();
    is_package_version(version).then(|| (name.to_owned(), version.to_owned()))
}

/// Two to four numbers, and what makes a version a preliminary one.
fn is_package_version(version: &str) -> bool {
    let (numbers, label) = version.split_once('-').map_or((version, None), |(numbers, label)| (numbers, Some(label)));
    let parts = numbers.split('.');
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let label_fits = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
    };
    version.len() <= MAX_VERSION
        && (2..=4).contains(&parts.clone().count())
        && parts.clone().all(digits)
        // What a project without a version gets.
        && !matches!(version, "0.0.0.0" | "1.0.0.0")
        && label.is_none_or(label_fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(product: &str, version: &str, original: &str) -> VersionStrings {
        VersionStrings {
            product_name: product.into(),
            product_version: version.into(),
            original_filename: original.into(),
            internal_name: String::new(),
        }
    }

    #[test]
    fn an_assembly_that_names_itself_states_its_package() {
        let found = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        let of = |file: &str, product: &str, version: &str, original: &str| {
            package(file, &strings(product, version, original))
        };
        assert_eq!(
            of("Newtonsoft.Json.dll", "Json.NET", "13.0.3+0a2e291", "Newtonsoft.Json.dll"),
            found("Newtonsoft.Json", "13.0.3")
        );
        assert_eq!(of("tool.EXE", "Tool", "1.2.3-beta.1", "Tool.exe"), found("tool", "1.2.3-beta.1"));
        for (file, product, version, original) in [
            ("renamed.dll", "Json.NET", "13.0.3", "Newtonsoft.Json.dll"),
            ("System.Runtime.dll", "Microsoft® .NET", "8.0.1+abc", "System.Runtime.dll"),
            ("A.resources.dll", "A", "1.2.3", "A.resources.dll"),
            ("A.dll", "A", "1.0.0.0", "A.dll"),
            ("A.dll", "A", "release 5", "A.dll"),
            ("A.dll", "A", "5", "A.dll"),
            ("A.dll", "A", "", "A.dll"),
            ("A", "A", "1.2.3", "A"),
        ] {
            assert_eq!(of(file, product, version, original), None, "{file} {version}");
        }
    }
}
