//! Names of images: repositories, tags, and whole references as people write them.
//!
//! Follows the distribution specification's grammar for names and tags, and Docker's habit of reading a bare `nginx` as
//! `docker.io/library/nginx`.

use std::fmt;
use std::str::FromStr;

use super::{Digest, InvalidDigest};

/// Longest repository name; the specification advises 255 with the registry's host, see [`Repository::on`].
const MAX_NAME: usize = 255;
/// Longest tag in the specification.
const MAX_TAG: usize = 128;

/// A repository's name within its registry, such as `library/nginx`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository(String);

/// A tag, such as `1.27`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// What the last part of a manifest's path names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// By tag: may change upstream.
    Tag(Tag),
    /// By digest: never changes.
    Digest(Digest),
}

/// A whole reference: `registry/repository[:tag][@digest]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The registry, as nodes call it: `docker.io`, `localhost:5000`.
    pub upstream: String,
    /// The repository, with `library/` inserted for bare Docker Hub names.
    pub repository: Repository,
    /// The tag, where one was written (`latest` where neither tag nor digest was).
    pub tag: Option<Tag>,
    /// The digest, where one was written.
    pub digest: Option<Digest>,
}

/// Why a text is not a reference, repository or tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// The repository breaks the specification's grammar or length.
    #[error("{0:?} is not a repository name")]
    Repository(String),
    /// The tag breaks the specification's grammar or length.
    #[error("{0:?} is not a tag")]
    Tag(String),
    /// The registry is not a host with an optional port.
    #[error("{0:?} is not a registry host")]
    Host(String),
    /// The part after `@` or in a digest's place is not a digest.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
}

fn quoted(text: &str) -> String {
    text.chars().take(80).collect()
}

impl Repository {
    /// Parses a name: lowercase components of letters and digits, joined by `.`, `_`, `__` or dashes, separated by `/`.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        let valid = text.len() <= MAX_NAME && text.split('/').all(is_component);
        valid.then(|| Self(text.to_owned())).ok_or_else(|| InvalidReference::Repository(quoted(text)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This name on `upstream`: bare names on Docker Hub get `library/`, where Hub keeps its official images.
    ///
    /// # Errors
    /// Registry and name together are longer than the specification allows.
    pub fn on(self, upstream: &str) -> Result<Self, InvalidReference> {
        let bare = upstream == "docker.io" && !self.0.contains('/');
        let name = if bare { format!("library/{}", self.0) } else { self.0 };
        if upstream.len() + 1 + name.len() > MAX_NAME {
            Err(InvalidReference::Repository(quoted(&name)))
        } else {
            Ok(Self(name))
        }
    }
}

fn is_component(component: &str) -> bool {
    let bytes = component.as_bytes();
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if !bytes.first().is_some_and(alphanumeric) || !bytes.last().is_some_and(alphanumeric) {
        return false;
    }
    // What lies between two runs of letters and digits must be one separator: '.', '_', '__' or any number of '-'.
    bytes
        .split(alphanumeric)
        .filter(|run| !run.is_empty())
        .all(|run| matches!(run, b"." | b"_" | b"__") || run.iter().all(|b| *b == b'-'))
}

impl Tag {
    /// Parses a tag: a letter, digit or `_`, then up to 127 letters, digits, `.`, `_` or `-`.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let mut bytes = text.bytes();
        let valid =
            text.len() <= MAX_TAG && bytes.next().is_some_and(word) && bytes.all(|b| word(b) || b == b'.' || b == b'-');
        valid.then(|| Self(text.to_owned())).ok_or_else(|| InvalidReference::Tag(quoted(text)))
    }

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Selector {
    /// Parses a tag or, where there is a colon, a digest.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        if text.contains(':') { Ok(Self::Digest(Digest::parse(text)?)) } else { Ok(Self::Tag(Tag::parse(text)?)) }
    }
}

impl Reference {
    /// What a registry is asked for: the digest where there is one, else the tag.
    pub fn selector(&self) -> Option<Selector> {
        self.digest.map(Selector::Digest).or_else(|| self.tag.clone().map(Selector::Tag))
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        let (upstream, rest) = match name.split_once('/') {
            Some((first, rest)) if is_host(first) => (canonical_upstream(first), rest),
            _ => ("docker.io".to_owned(), name),
        };
        if !upstream.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b)) {
            return Err(InvalidReference::Host(quoted(&upstream)));
        }
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(Tag::parse(tag)?)),
            None if digest.is_none() => (rest, Some(Tag("latest".into()))),
            None => (rest, None),
        };
        let repository = Repository::parse(repository)?.on(&upstream)?;
        Ok(Self { upstream, repository, tag, digest })
    }
}

/// Whether the first part of a reference is a registry: it has a dot or a port, or is `localhost`.
fn is_host(text: &str) -> bool {
    text.contains(['.', ':']) || text == "localhost"
}

/// Docker Hub answers to several names; nodes and people call it `docker.io`.
fn canonical_upstream(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    if matches!(host.as_str(), "index.docker.io" | "registry-1.docker.io") { "docker.io".into() } else { host }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.upstream, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_references_in_many_ways() {
        let digest = Digest::of(b"");
        for (written, meant) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("bitnami/redis", "docker.io/bitnami/redis:latest"),
            ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
            ("localhost:5000/a/b:c", "localhost:5000/a/b:c"),
            ("ghcr.io/org/app", "ghcr.io/org/app:latest"),
        ] {
            assert_eq!(written.parse::<Reference>().unwrap().to_string(), meant);
        }
        let pinned = format!("quay.io/a/b@{digest}");
        let reference: Reference = pinned.parse().unwrap();
        assert_eq!((reference.tag.clone(), reference.selector()), (None, Some(Selector::Digest(digest))));
        assert_eq!(reference.to_string(), pinned);
    }

    #[test]
    fn names_follow_the_specification() {
        for good in ["a", "library/nginx", "a.b/c_d/e__f/g--h", "0/1"] {
            assert!(Repository::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "a/", "/a", "a//b", "-a", "a-", "a..b", "a___b", "a._b", "a/../b", "ä"] {
            assert!(Repository::parse(bad).is_err(), "{bad}");
        }
        assert!(Repository::parse(&"a".repeat(255)).is_ok() && Repository::parse(&"a".repeat(256)).is_err());
        assert!(Tag::parse("_v1.0-rc.1").is_ok() && Tag::parse(&"a".repeat(128)).is_ok());
        for bad in ["", ".a", "-a", "a/b", "a b"] {
            assert!(Tag::parse(bad).is_err(), "{bad}");
        }
        assert!(Tag::parse(&"a".repeat(129)).is_err());
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        let (longest, longer) = ("a".repeat(237), "a".repeat(238));
        assert_eq!(longest.parse::<Reference>().unwrap().to_string().parse(), longest.parse::<Reference>());
        for bad in [&longer, "", "UPPER", "a:b:c", "a@sha256:1", "ex ample.com/a", "docker.io/"] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
    }
}
