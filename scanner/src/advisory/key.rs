//! How advisories of an ecosystem key package names.

use std::borrow::Cow;

/// The key of a package name in an ecosystem, given by its name without a release.
///
/// Python names are normalised after PEP 503; all others stand as written, case and all.
pub fn package_key<'a>(ecosystem: &str, name: &'a str) -> Cow<'a, str> {
    match ecosystem {
        "PyPI" => python_key(name),
        _ => Cow::Borrowed(name),
    }
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
    fn python_names_are_normalised_and_no_others() {
        for (ecosystem, name, key) in [
            ("PyPI", "Django", "django"),
            ("PyPI", "zope.interface", "zope-interface"),
            ("PyPI", "a-_.b", "a-b"),
            ("PyPI", "a--b", "a-b"),
            ("PyPI", "ruamel-yaml", "ruamel-yaml"),
            ("npm", "JSONStream", "JSONStream"),
            ("Debian", "libdbi-perl", "libdbi-perl"),
        ] {
            assert_eq!(package_key(ecosystem, name), key, "{ecosystem} {name}");
        }
    }
}
