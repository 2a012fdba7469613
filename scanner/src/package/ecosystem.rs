//! Names of advisory ecosystems, after the OSV schema: `PyPI`, `Debian:12`, `Ubuntu:22.04:LTS`.

use std::fmt;

/// An ecosystem with, for distributions, its release.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ecosystem {
    text: String,
    name_length: usize,
}

impl Ecosystem {
    /// An ecosystem by name and release.
    pub fn new(name: &str, release: Option<&str>) -> Self {
        let text = release.map_or_else(|| name.to_owned(), |release| format!("{name}:{release}"));
        Self { text, name_length: name.len() }
    }

    /// Reads `NAME` or `NAME:RELEASE`; any text is an ecosystem, known or not.
    pub fn parse(text: &str) -> Self {
        Self { text: text.to_owned(), name_length: text.find(':').unwrap_or(text.len()) }
    }

    /// The name before the first colon: the folder of the OSV bucket.
    pub fn name(&self) -> &str {
        &self.text[..self.name_length]
    }

    /// The release after the first colon.
    pub fn release(&self) -> Option<&str> {
        self.text.get(self.name_length + 1..)
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ecosystem_splits_at_its_first_colon() {
        let ubuntu = Ecosystem::parse("Ubuntu:22.04:LTS");
        assert_eq!((ubuntu.name(), ubuntu.release()), ("Ubuntu", Some("22.04:LTS")));
        assert_eq!(Ecosystem::new("Debian", Some("12")), Ecosystem::parse("Debian:12"));
        assert_eq!(Ecosystem::parse("PyPI").release(), None);
        for (text, name) in [
            ("Packagist:https://packages.example/8", "Packagist"),
            ("Maven:https://repo.example/maven2/", "Maven"),
            ("Red Hat:enterprise_linux:9::baseos", "Red Hat"),
        ] {
            assert_eq!(Ecosystem::parse(text).name(), name);
        }
    }
}
