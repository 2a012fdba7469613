//! Installed Ruby gems: the specifications RubyGems writes into `specifications/` for each gem it installs, its default gems'
//! among them (`specifications/default/`).
//!
//! A specification is a Ruby program, so it is not run but read line by line: RubyGems writes `s.name = "rack".freeze` and
//! `s.version = "2.2.6.4"`, and above them a line `# stub: rack 2.2.6.4 ruby lib` for the same purpose. Where a
//! distribution kept a program of its own instead, the file's name, which has to be NAME-VERSION, tells the version. Gemspecs outside
//! of such a folder are sources and not installed.

use super::stanza::lines;
use super::{Detector, FactList, Want, base_name};
use crate::layer::Fact;
use crate::package::{Package, PackageType};

pub(crate) struct Gem;

impl Detector for Gem {
    fn name(&self) -> &'static str {
        "gem"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        let folder = path.strip_suffix(".gemspec")?;
        (folder.starts_with("specifications/") || folder.contains("/specifications/")).then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        if bytes.is_empty() {
            return;
        }
        let (mut name, mut version, mut stub) = (None, None, None);
        for line in lines(bytes).filter_map(|line| std::str::from_utf8(line).ok()) {
            name = name.or_else(|| assigned(line, "name"));
            version = version.or_else(|| assigned(line, "version"));
            stub = stub.or_else(|| line.strip_prefix("# stub: "));
        }
        let mut stub = stub.unwrap_or_default().split_ascii_whitespace();
        let name = name.or(stub.next());
        let version = version.or(stub.next()).or_else(|| name.and_then(|name| version_of_file(path, name)));
        match (name, version) {
            (Some(name), Some(version)) => {
                facts.push(Fact::Package(Package::new(PackageType::Gem, name, version)));
            }
            _ => facts.malformed(path, "the gem's specification states no name or no version"),
        }
    }
}

/// The literal a line assigns to an attribute: `s.KEY = "…"`, `%q{…}` in old specifications, `Gem::Version.new("…")`.
fn assigned<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (object, value) = line.trim_start().split_once('.')?;
    if !object.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return None;
    }
    let value = value.strip_prefix(key)?.trim_start().strip_prefix('=')?.trim_start();
    let value = value.strip_prefix("Gem::Version.new(").unwrap_or(value);
    let value = value.strip_prefix("%q").unwrap_or(value);
    let close = match value.chars().next()? {
        quote @ ('"' | '\'') => quote,
        '{' => '}',
        '<' => '>',
        '(' => ')',
        '[' => ']',
        _ => return None,
    };
    let (literal, _) = value[1..].split_once(close)?;
    // Text with an interpolation is no literal.
    (!literal.is_empty() && !literal.contains(['#', ' '])).then_some(literal)
}

/// The version in `NAME-VERSION[-PLATFORM].gemspec`.
fn version_of_file<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let version = base_name(path).strip_suffix(".gemspec")?.strip_prefix(name)?.strip_prefix('-')?;
    version.split('-').next().filter(|version| version.starts_with(|first: char| first.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(path: &str, text: &str) -> Option<(String, String)> {
        let mut facts = FactList::new(1 << 20);
        Gem.detect(path, text.as_bytes(), &mut facts);
        match facts.into_parts().0.pop() {
            Some(Fact::Package(package)) => Some((package.name, package.version)),
            _ => None,
        }
    }

    #[test]
    fn names_and_versions_are_literals() {
        for (text, name, version) in [
            (
                "Gem::Specification.new do |s|\n  s.name = \"rack\".freeze\n  s.version = \"2.2.6.4\"\n",
                "rack",
                "2.2.6.4",
            ),
            ("  s.name = %q{rack}\n  s.version = \"1\".freeze\n  s.rubygems_version = \"9\"\n", "rack", "1"),
            ("spec.name='a'\nspec.version = Gem::Version.new(\"1.0.rc1\")\nspec.version = \"2\"\n", "a", "1.0.rc1"),
            ("# stub: b 3.1 ruby lib\n\nGem::Specification.new do |s|\nend\n", "b", "3.1"),
            ("s.name = \"a-b\"\ns.version = A::VERSION\n", "a-b", "0.4"),
            ("s.name = \"a-b\"\ns.version = \"#{A}.1\"\n", "a-b", "0.4"),
        ] {
            let found = detect("usr/share/gems/specifications/a-b-0.4-x86_64-linux.gemspec", text);
            assert_eq!(found, Some((name.to_owned(), version.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_specification_without_a_name_is_malformed() {
        for text in
            ["Gem::Specification.new\n", "s.version = \"1\"\n", "s.name = NAME\ns.version = \"1\"", "\u{1}\n=\n.="]
        {
            assert_eq!(detect("specifications/a-1.gemspec", text), None, "{text}");
        }
        assert_eq!(detect("specifications/b-1.gemspec", "s.name = \"a\"\n"), None);
    }

    #[test]
    fn only_installed_specifications_are_wanted() {
        for path in [
            "usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec",
            "var/lib/gems/3.1.0/specifications/rack-2.gemspec",
            "specifications/a.gemspec",
        ] {
            assert_eq!(Gem.wants(path), Some(Want::Bytes), "{path}");
        }
        for path in ["var/lib/gems/3.1.0/gems/rack-2/rack.gemspec", "specifications/a.rb", "myspecifications/a.gemspec"]
        {
            assert_eq!(Gem.wants(path), None, "{path}");
        }
    }
}
