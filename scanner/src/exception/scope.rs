//! Where a decision holds: how a scope is written, checked and measured.
//!
//! Owns the one spelling of every member, so that two scopes that mean the same are equal. Whether a finding is in a scope is
//! decided by [`super::rules`].

use thiserror::Error;

use super::Scope;
use crate::oci::Reference;
use crate::package::PackageIdentity;

/// The most labels of one scope.
pub const MAX_LABELS: usize = 16;
/// The longest cluster, namespace and value of a label, as Kubernetes limits them.
const MAX_NAME: usize = 63;
/// The longest key of a label: a DNS subdomain, a slash and a name.
const MAX_LABEL_KEY: usize = 253 + 1 + MAX_NAME;
/// The longest package URL.
const MAX_PACKAGE: usize = 1024;

/// What is wrong with a scope.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("scope.{member}: {problem}")]
pub struct InvalidScope {
    /// The member that is wrong: `repository`, `labels[2]`.
    pub member: String,
    /// What is wrong with it.
    pub problem: String,
}

/// The narrowest part of a scope: what stands for it where scopes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Narrowest {
    /// Nothing is given.
    Everywhere,
    /// A cluster.
    Cluster,
    /// A namespace.
    Namespace,
    /// Labels.
    Label,
    /// A repository.
    Repository,
    /// An image.
    Image,
    /// A package.
    Package,
}

impl Narrowest {
    /// Every one, widest first.
    pub const ALL: [Self; 7] =
        [Self::Everywhere, Self::Cluster, Self::Namespace, Self::Label, Self::Repository, Self::Image, Self::Package];

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Everywhere => "everywhere",
            Self::Cluster => "cluster",
            Self::Namespace => "namespace",
            Self::Label => "label",
            Self::Repository => "repository",
            Self::Image => "image",
            Self::Package => "package",
        }
    }
}

impl Scope {
    /// The scope in its one spelling: repository with its registry and `library/`, package URL without qualifiers, labels sorted.
    ///
    /// # Errors
    /// The first member that is wrong, with why.
    pub fn check(self) -> Result<Self, InvalidScope> {
        let wrong = |member: &str, problem: String| InvalidScope { member: member.to_owned(), problem };
        if let Some(cluster) = &self.cluster {
            name(cluster, |byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
                .map_err(|problem| wrong("cluster", problem))?;
        }
        if let Some(namespace) = &self.namespace {
            name(namespace, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
                .map_err(|problem| wrong("namespace", problem))?;
        }
        if self.labels.len() > MAX_LABELS {
            return Err(wrong("labels", format!("at most {MAX_LABELS} labels, found {}", self.labels.len())));
        }
        for (at, written) in self.labels.iter().enumerate() {
            label(written).map_err(|problem| wrong(&format!("labels[{at}]"), problem))?;
        }
        let mut labels = self.labels;
        labels.sort();
        labels.dedup();
        let repository = self.repository.map(|text| repository(&text)).transpose();
        let repository = repository.map_err(|problem| wrong("repository", problem))?;
        let package = self.package.map(|text| package(&text)).transpose();
        let package = package.map_err(|problem| wrong("package", problem))?;
        Ok(Self { labels, repository, package, ..self })
    }

    /// Its narrowest part.
    pub fn narrowest(&self) -> Narrowest {
        let given = [
            (self.package.is_some(), Narrowest::Package),
            (self.image.is_some(), Narrowest::Image),
            (self.repository.is_some(), Narrowest::Repository),
            (!self.labels.is_empty(), Narrowest::Label),
            (self.namespace.is_some(), Narrowest::Namespace),
            (self.cluster.is_some(), Narrowest::Cluster),
        ];
        given.into_iter().find(|(given, _)| *given).map_or(Narrowest::Everywhere, |(_, part)| part)
    }

    /// Whether it speaks of workloads, so that it says nothing about an image that runs nowhere.
    pub fn is_of_workloads(&self) -> bool {
        self.cluster.is_some() || self.namespace.is_some() || !self.labels.is_empty()
    }

    /// How many things must hold.
    pub(super) fn parts(&self) -> usize {
        let given = [&self.cluster, &self.namespace, &self.repository, &self.package];
        given.into_iter().flatten().count() + usize::from(self.image.is_some()) + self.labels.len()
    }
}

/// A repository's name as it is shown, `<upstream>/<repository>`: `nginx` is `docker.io/library/nginx`.
///
/// # Errors
/// Why the text is none; a tag or a digest is no part of it.
pub fn repository(text: &str) -> Result<String, String> {
    let reference: Reference = text.parse().map_err(|error| format!("{error}"))?;
    let last = text.rsplit('/').next().unwrap_or(text);
    if last.contains([':', '@']) {
        return Err(format!("{text:?} has a tag or a digest; a repository has neither, use scope.image for a digest"));
    }
    Ok(format!("{}/{}", reference.upstream, reference.repository))
}

fn package(text: &str) -> Result<String, String> {
    if text.len() > MAX_PACKAGE {
        return Err(format!("a package URL has at most {MAX_PACKAGE} bytes, found {}", text.len()));
    }
    PackageIdentity::parse(text).map(|identity| identity.to_string()).map_err(|error| error.to_string())
}

fn name(text: &str, valid: impl Fn(u8) -> bool) -> Result<(), String> {
    if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(valid) {
        return Err(format!("{:?} is no name of 1 to {MAX_NAME} letters, digits and dashes", shortened(text)));
    }
    Ok(())
}

fn label(text: &str) -> Result<(), String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let valid = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
    if key.is_empty() || key.len() > MAX_LABEL_KEY || !valid(key) {
        return Err(format!("expected key or key=value, found {:?}", shortened(text)));
    }
    if value.len() > MAX_NAME || !valid(value) || value.contains('/') {
        return Err(format!("{:?} is no value of a label", shortened(value)));
    }
    Ok(())
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn every_member_has_one_spelling() {
        let written = Scope {
            cluster: Some("prod.east".into()),
            namespace: Some("shop-1".into()),
            labels: texts(&["tier=front", "app.kubernetes.io/name=web", "tier=front", "debug"]),
            repository: Some("nginx".into()),
            image: Some(Digest::of(b"image")),
            package: Some("pkg:PyPI/Zope_Interface@5?x=y".into()),
        };
        let checked = written.clone().check().unwrap();
        assert_eq!(checked.labels, texts(&["app.kubernetes.io/name=web", "debug", "tier=front"]));
        assert_eq!(checked.repository.as_deref(), Some("docker.io/library/nginx"));
        assert_eq!(checked.package.as_deref(), Some("pkg:pypi/zope-interface@5"));
        assert_eq!((&checked.cluster, &checked.image), (&written.cluster, &written.image));
        assert_eq!(checked.clone().check(), Ok(checked));
        assert_eq!(repository("ghcr.io/a/b").as_deref(), Ok("ghcr.io/a/b"));
        assert_eq!(repository("index.docker.io/a/b").as_deref(), Ok("docker.io/a/b"));
        assert_eq!(repository("localhost:5000/a").as_deref(), Ok("localhost:5000/a"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let none = Scope::default;
        let digest = Digest::of(b"");
        for (scope, member, says) in [
            (Scope { cluster: Some(String::new()), ..none() }, "cluster", "1 to 63"),
            (Scope { cluster: Some("a b".into()), ..none() }, "cluster", "a b"),
            (Scope { namespace: Some("Shop".into()), ..none() }, "namespace", "Shop"),
            (Scope { namespace: Some("a".repeat(64)), ..none() }, "namespace", "63"),
            (Scope { labels: texts(&["a", "=b"]), ..none() }, "labels[1]", "key=value"),
            (Scope { labels: texts(&["a=b c"]), ..none() }, "labels[0]", "b c"),
            (Scope { labels: vec!["a".into(); 17], ..none() }, "labels", "at most 16"),
            (Scope { repository: Some("nginx:1.27".into()), ..none() }, "repository", "tag"),
            (Scope { repository: Some(format!("nginx@{digest}")), ..none() }, "repository", "digest"),
            (Scope { repository: Some("NGINX".into()), ..none() }, "repository", "NGINX"),
            (Scope { package: Some("openssl".into()), ..none() }, "package", "pkg:"),
            (Scope { package: Some(format!("pkg:npm/{}", "a".repeat(1020))), ..none() }, "package", "1024"),
        ] {
            let wrong = scope.check().unwrap_err();
            assert_eq!(wrong.member, member);
            assert!(
                wrong.to_string().starts_with(&format!("scope.{member}: ")) && wrong.problem.contains(says),
                "{wrong}"
            );
        }
    }

    #[test]
    fn the_narrowest_part_stands_for_a_scope() {
        let mut scope = Scope::default();
        assert_eq!((scope.narrowest(), scope.is_of_workloads(), scope.parts()), (Narrowest::Everywhere, false, 0));
        scope.cluster = Some("a".into());
        assert_eq!(scope.narrowest().name(), "cluster");
        scope.labels = texts(&["a", "b"]);
        assert_eq!((scope.narrowest().name(), scope.is_of_workloads(), scope.parts()), ("label", true, 3));
        scope.package = Some("pkg:npm/a".into());
        assert_eq!((scope.narrowest().name(), scope.parts()), ("package", 4));
    }
}
