//! WordPress plugins: the comment at the head of a plugin's main file.
//!
//! Follows WordPress's `get_file_data`: `Plugin Name:` and `Version:` in the first 8 KiB of a PHP file right in `plugins/`, in a folder
//! there, or right in `mu-plugins/`, which WordPress loads unasked. The plugin's name is its folder's, or the file's where it
//! has none: that is what WordPress's directory and advisories call it. A plugin that states no version is left out.

use super::stanza::text;
use super::{Detector, FactList, Want, base_name};
use crate::layer::Fact;
use crate::package::{Package, PackageType};

/// Bytes WordPress looks at.
const HEAD_BYTES: usize = 8 << 10;

pub(crate) struct WordpressPlugin;

impl Detector for WordpressPlugin {
    fn name(&self) -> &'static str {
        "wordpress-plugin"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        plugin(path).map(|_| Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        let head = &bytes[..bytes.len().min(HEAD_BYTES)];
        // WordPress takes a lone carriage return for the end of a line as well.
        let mut lines = head.split(|byte| matches!(byte, b'\n' | b'\r'));
        let version = lines.clone().find_map(|line| header(line, b"version"));
        let named = lines.any(|line| header(line, b"plugin name").is_some());
        if let (Some(name), Some(version), true) = (plugin(path), version.and_then(text), named) {
            facts.push(Fact::Package(Package::new(PackageType::WordpressPlugin, name, version)));
        }
    }
}

/// The name of the plugin whose main file the path may be.
fn plugin(path: &str) -> Option<&str> {
    let stem = base_name(path).strip_suffix(".php")?;
    let (_, within) = path.rsplit_once("wp-content/")?;
    match within.strip_prefix("plugins/") {
        Some(rest) => match rest.split_once('/') {
            None => Some(stem),
            Some((folder, file)) => (!file.contains('/')).then_some(folder),
        },
        None => (!within.strip_prefix("mu-plugins/")?.contains('/')).then_some(stem),
    }
}

/// The value of a header of this name, in the comment's marks of any kind.
fn header<'a>(line: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let line = line.trim_ascii_start();
    let line = line.strip_prefix(b"<?php").unwrap_or(line);
    let start = line.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'/' | b'*' | b'#' | b'@'))?;
    let (name, value) = line[start..].split_at_checked(key.len())?;
    let value = value.strip_prefix(b":").filter(|_| name.eq_ignore_ascii_case(key))?;
    // The comment, or PHP itself, may end on the line.
    let ends = [&b"*/"[..], b"?>"].into_iter().filter_map(|mark| memchr::memmem::find(value, mark)).min();
    Some(value[..ends.unwrap_or(value.len())].trim_ascii()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(path: &str, text: &str) -> Option<(String, String)> {
        let mut facts = FactList::new(1 << 20);
        WordpressPlugin.detect(path, text.as_bytes(), &mut facts);
        match facts.into_parts().0.pop() {
            Some(Fact::Package(package)) => Some((package.name, package.version)),
            _ => None,
        }
    }

    #[test]
    fn a_header_names_a_plugin_by_its_folder() {
        for (path, text, name, version) in [
            (
                "var/www/html/wp-content/plugins/contact-form-7/wp-contact-form-7.php",
                "<?php\n/*\nPlugin Name: Contact Form 7\nAuthor: T\nRequires PHP: 7\nVersion: 5.7.2\n*/\n\nVersion: 9",
                "contact-form-7",
                "5.7.2",
            ),
            (
                "wp-content/plugins/akismet/akismet.php",
                "<?php\r\n/**\r\n * @package Akismet\r\n * Plugin Name: Akismet\r\n * version: 5.0.1\r\n */",
                "akismet",
                "5.0.1",
            ),
            (
                "wp-content/plugins/hello.php",
                "<?php /* Plugin Name: Hello */ # Version: 1\n// Version: 1.7.2 */",
                "hello",
                "1.7.2",
            ),
            ("a/wp-content/mu-plugins/own.php", "<?php\n# Plugin Name: Own\n# Version: 1 ?>", "own", "1"),
        ] {
            assert_eq!(detect(path, text), Some((name.to_owned(), version.to_owned())), "{path}");
        }
    }

    #[test]
    fn other_files_are_no_plugins() {
        let path = "wp-content/plugins/a/a.php";
        let late = format!("<?php\n/*{}\nPlugin Name: A\nVersion: 1\n*/", " ".repeat(HEAD_BYTES));
        for text in
            ["", "<?php // Silence is golden.", "<?php\n/*\nPlugin Name: A\n*/", "<?php\n/*\nVersion: 1\n*/", &late]
        {
            assert_eq!(detect(path, text), None);
        }
        for path in [
            "wp-content/plugins/a/lib/b.php",
            "wp-content/themes/a/functions.php",
            "plugins/a/a.php",
            "wp-content/mu-plugins/a/b.php",
        ] {
            assert_eq!(WordpressPlugin.wants(path), None, "{path}");
        }
    }
}
