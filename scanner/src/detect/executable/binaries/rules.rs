//! The table of rules, and which of them a file's name calls.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::bytes::Regex;
use serde::Deserialize;

use super::Cpe;
use crate::detect::base_name;
use crate::package::PackageType;

/// Every rule.
pub(super) static TABLE: LazyLock<Table> =
    LazyLock::new(|| Table::read(include_str!("binaries.toml")).expect("a test reads the table that is built in"));

/// The rules with their index by name.
#[derive(Debug)]
pub(super) struct Table {
    /// In the order of the file.
    pub(super) rules: Vec<Rule>,
    /// Rules by a file's whole name.
    exact: HashMap<String, Vec<usize>>,
    /// Rules whose names have a `*`, with what stands before it.
    open: Vec<(String, usize)>,
}

/// How one program is told.
#[derive(Debug)]
pub(super) struct Rule {
    /// The package's name.
    pub(super) name: String,
    /// The package's type.
    pub(super) package_type: PackageType,
    /// The NVD's names.
    pub(super) cpe: Cpe,
    /// The file is text, not a program.
    pub(super) text: bool,
    /// Finds the version, in a group of that name.
    pub(super) pattern: Regex,
    /// Ends of paths the rule applies to.
    files: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    program: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    #[serde(rename = "type", default = "generic")]
    package_type: String,
    cpe: String,
    files: Vec<String>,
    #[serde(default)]
    text: bool,
    pattern: String,
}

fn generic() -> String {
    PackageType::Generic.name().to_owned()
}

impl Table {
    /// Reads a table; an error names the rule that is broken.
    fn read(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let rules: Vec<Rule> = file.program.into_iter().map(Entry::rule).collect::<Result<_, _>>()?;
        let (mut exact, mut open) = (HashMap::<_, Vec<_>>::new(), Vec::new());
        for (index, rule) in rules.iter().enumerate() {
            for name in rule.files.iter().map(|file| base_name(file)) {
                match name.split_once('*') {
                    Some((before, _)) => open.push((before.to_owned(), index)),
                    None => exact.entry(name.to_owned()).or_default().push(index),
                }
            }
        }
        Ok(Self { rules, exact, open })
    }

    /// The rules that apply to a path, each once.
    pub(super) fn of(&self, path: &str) -> Vec<usize> {
        let name = base_name(path);
        let open = self.open.iter().filter(|(before, _)| name.starts_with(&**before)).map(|(_, index)| *index);
        let exact = self.exact.get(name).into_iter().flatten().copied();
        let mut rules: Vec<usize> = exact.chain(open).collect();
        if rules.is_empty() {
            return rules;
        }
        rules.retain(|index| self.rules[*index].files.iter().any(|file| ends_like(path, file)));
        rules.sort_unstable();
        rules.dedup();
        rules
    }
}

impl Entry {
    fn rule(self) -> Result<Rule, String> {
        let broken = |why: &str| format!("{}: {why}", self.name);
        let pattern = Regex::new(&format!("(?-u){}", self.pattern)).map_err(|error| broken(&error.to_string()))?;
        if pattern.capture_names().flatten().ne(["version"]) {
            return Err(broken("the pattern needs one group, named version"));
        }
        if self.name.is_empty()
            || self.files.is_empty()
            || self.files.iter().any(|file| base_name(file).starts_with('*'))
        {
            return Err(broken("a rule needs a name, and files that begin with it"));
        }
        let package_type = PackageType::parse(&self.package_type).ok_or_else(|| broken("the type is unknown"))?;
        let cpe = self.cpe.split_once(':').filter(|(vendor, product)| !vendor.is_empty() && !product.is_empty());
        let (vendor, product) = cpe.ok_or_else(|| broken("the CPE is not VENDOR:PRODUCT"))?;
        let cpe = Cpe { vendor: vendor.to_owned(), product: product.to_owned() };
        Ok(Rule { name: self.name, package_type, cpe, text: self.text, pattern, files: self.files })
    }
}

/// Whether the last components of a path are those of a pattern, in which `*` is any part of a component.
fn ends_like(path: &str, pattern: &str) -> bool {
    let mut components = path.rsplit('/');
    pattern.rsplit('/').all(|pattern| components.next().is_some_and(|component| like(component, pattern)))
}

fn like(name: &str, pattern: &str) -> bool {
    let Some((before, mut pattern)) = pattern.split_once('*') else { return name == pattern };
    let Some(mut rest) = name.strip_prefix(before) else { return false };
    while let Some((between, after)) = pattern.split_once('*') {
        let Some(found) = rest.find(between) else { return false };
        rest = &rest[found + between.len()..];
        pattern = after;
    }
    rest.ends_with(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_is_sound() {
        let table = Table::read(include_str!("binaries.toml")).unwrap();
        let names: std::collections::BTreeSet<_> = table.rules.iter().map(|rule| &rule.name).collect();
        assert!(names.len() >= 40, "{}", names.len());
    }

    #[test]
    fn broken_rules_are_named() {
        let rule = |line: &str| {
            let defaults =
                [("cpe", "cpe = 'a:b'"), ("files", "files = ['a']"), ("pattern", "pattern = 'a(?P<version>1)'")];
            let others = defaults.iter().filter(|(key, _)| !line.starts_with(key)).map(|(_, text)| *text);
            let lines: Vec<_> = others.chain([line]).collect();
            Table::read(&format!("[[program]]\nname = 'one'\n{}", lines.join("\n")))
        };
        assert!(rule("text = true").is_ok());
        for line in [
            "pattern = '('",
            "pattern = '1'",
            "pattern = '(?P<other>1)'",
            "files = []",
            "files = ['*']",
            "cpe = 'a'",
            "type = 'x'",
        ] {
            assert!(rule(line).unwrap_err().starts_with("one: "), "{line}");
        }
        assert!(rule("other = 1").is_err());
    }

    #[test]
    fn names_call_rules() {
        let called =
            |path: &str| -> Vec<&str> { TABLE.of(path).iter().map(|index| &*TABLE.rules[*index].name).collect() };
        assert_eq!(called("usr/sbin/nginx"), ["nginx", "openresty"]);
        assert_eq!(called("usr/lib/libpython3.11.so.1.0"), ["python"]);
        assert_eq!(called("usr/local/go/VERSION"), ["toolchain"]);
        assert_eq!(called("srv/VERSION"), [""; 0]);
        assert_eq!(called("usr/bin/nginx.conf"), [""; 0]);
        assert!(like("libpython3.so.1", "libpython*.so*") && !like("libpython3.a", "libpython*.so*"));
        assert!(!ends_like("VERSION", "go/VERSION"));
    }
}
