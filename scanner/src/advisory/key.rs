//! How advisories of an ecosystem key package names.

use std::borrow::Cow;

/// The key of a package name in an ecosystem, given by its name without a release.
///
/// Python names are normalised after PEP 503, NuGet's and Packagist's are the same in any case, Swift packages are known by their
/// address; all others stand as written, case and all.
pub fn package_key<'a>(ecosystem: &str, name: &'a str) -> Cow<'a, str> {
    match ecosystem {
        "PyPI" => python_key(name),
        "NuGet" | "Packagist" | "Hex" | "Pub" => lower_key(name),
        "SwiftURL" => address_key(name),
        _ => Cow::Borrowed(name),
    }
}

fn lower_key(name: &str) -> Cow<'_, str> {
    if name.chars().any(char::is_uppercase) { Cow::Owned(name.to_lowercase()) } else { Cow::Borrowed(name) }
}

/// `https://github.com/Vapor/vapor.git` as `github.com/vapor/vapor`: the host of nearly all of them tells no case apart.
fn address_key(name: &str) -> Cow<'_, str> {
    let address = name.split_once("://").map_or(name, |(_, address)| address).trim_end_matches('/');
    lower_key(address.strip_suffix(".git").unwrap_or(address))
}

/// PEP 503: lower case, and runs of `-`, `_` and `.` become one hyphen.
fn python_key(name: &str) -> Cow<'_, str> {
    let normal = |c: char| matches!(c, 'a'..='z' | '0'..='9') || !c.is_ascii();
    let plain = name.split('-').all(|part| !part.is_empty() && part.chars().all(normal));
    if plain {
        return Cow::Borrowed(name);
    }
    let mut key = String::with_capacity(name.len());
    let mut separated = false;
    for c in name.chars() {
        let separator = matches!(c, '-' | '_' | '.');
        if !separator {
            key.push(c.to_ascii_lowercase());
        } else if !separated {
            key.push('-');
        }
        separated = separator;
    }
    Cow::Owned(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_where_their_ecosystem_says_so() {
        for (ecosystem, name, key) in [
            ("PyPI", "Django", "django"),
            ("PyPI", "zope.interface", "zope-interface"),
            ("PyPI", "a-_.b", "a-b"),
            ("PyPI", "a--b", "a-b"),
            ("PyPI", "ruamel-yaml", "ruamel-yaml"),
            ("npm", "JSONStream", "JSONStream"),
            ("NuGet", "Newtonsoft.Json", "newtonsoft.json"),
            ("Packagist", "Drupal/Core", "drupal/core"),
            ("Go", "github.com/Masterminds/goutils", "github.com/Masterminds/goutils"),
            ("Maven", "org.Example:Shop", "org.Example:Shop"),
            ("SwiftURL", "https://github.com/Vapor/vapor.git", "github.com/vapor/vapor"),
            ("SwiftURL", "github.com/apple/swift-nio", "github.com/apple/swift-nio"),
            ("Debian", "libdbi-perl", "libdbi-perl"),
        ] {
            assert_eq!(package_key(ecosystem, name), key, "{ecosystem} {name}");
        }
    }
}
