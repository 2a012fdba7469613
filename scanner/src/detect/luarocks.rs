//! Installed Lua rocks: the rockspec LuaRocks keeps of each in its tree, `rocks-5.4/NAME/VERSION/NAME-VERSION.rockspec`.
//!
//! A rockspec is a Lua program of assignments, so `package = "…"` and `version = "…"` are read as text; both have to agree with the
//! folders, by which `luarocks list` goes. That tells an installed rock from sources, whose rockspecs lie elsewhere. The tree's
//! `manifest` only repeats what its folders say.

use super::stanza::lines;
use super::{Detector, FactList, Want, base_name};
use crate::layer::{Fact, parent};
use crate::package::{Package, PackageType};

pub(crate) struct LuaRocks;

impl Detector for LuaRocks {
    fn name(&self) -> &'static str {
        "luarocks"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        installed(path).map(|_| Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        let Some((name, version)) = installed(path).filter(|_| !bytes.is_empty()) else { return };
        let (mut stated_name, mut stated_version) = (None, None);
        for line in lines(bytes).filter_map(|line| std::str::from_utf8(line).ok()) {
            stated_name = stated_name.or_else(|| assigned(line, "package"));
            stated_version = stated_version.or_else(|| assigned(line, "version"));
        }
        // LuaRocks compares names without case.
        if stated_name.is_some_and(|stated| stated.eq_ignore_ascii_case(name)) && stated_version == Some(version) {
            facts.push(Fact::Package(Package::new(PackageType::Luarocks, name, version)));
        } else {
            facts.malformed(path, "the rockspec states another name or version than its folders");
        }
    }
}

/// The name and version in `…/NAME/VERSION/NAME-VERSION.rockspec`.
fn installed(path: &str) -> Option<(&str, &str)> {
    let stem = base_name(path).strip_suffix(".rockspec")?;
    let (version, name) = (base_name(parent(path)), base_name(parent(parent(path))));
    let rest = stem.strip_prefix(name)?.strip_prefix('-')?;
    (rest == version && !name.is_empty()).then_some((name, version))
}

/// The text a line assigns to a global variable: `KEY = "…"`.
fn assigned<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let value = line.strip_prefix(key)?.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    value[1..].split_once(quote).map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "usr/local/lib/luarocks/rocks-5.3/luasocket/3.0rc1-2/luasocket-3.0rc1-2.rockspec";

    fn detect(path: &str, text: &str) -> Vec<Fact> {
        let mut facts = FactList::new(1 << 20);
        LuaRocks.detect(path, text.as_bytes(), &mut facts);
        facts.into_parts().0
    }

    #[test]
    fn a_rockspec_in_its_folders_is_a_rock() {
        let text = "rockspec_format = \"3.0\"\npackage = \"LuaSocket\"\nversion = '3.0rc1-2'\nsource = {\n  version = \"9\"\n}\n";
        assert_eq!(detect(PATH, text), [Fact::Package(Package::new(PackageType::Luarocks, "luasocket", "3.0rc1-2"))]);
    }

    #[test]
    fn others_are_said_or_not_wanted() {
        for text in ["package = \"luasocket\"\n", "package = \"a\"\nversion = \"3.0rc1-2\"\n", "version = \"", "\u{1}"]
        {
            assert!(matches!(&detect(PATH, text)[..], [Fact::Unread(_)]), "{text}");
        }
        assert!(detect(PATH, "").is_empty());
        assert_eq!(LuaRocks.wants(PATH), Some(Want::Bytes));
        for path in ["src/luasocket-3.0rc1-2.rockspec", "a/1-1/a-1-2.rockspec", "-1.rockspec", "a.rockspec"] {
            assert_eq!(LuaRocks.wants(path), None, "{path}");
        }
    }
}
