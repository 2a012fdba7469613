//! Texts and digests that rows share, each kept once under a number.
//!
//! Numbers are only ever added, so that a number in a row that someone still reads means what it meant. What is known of a
//! vulnerability may be replaced: its other names grow, and what is said of its exploitation changes.

use std::borrow::{Borrow, Cow};
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use weir_scanner::oci::Digest;
use weir_scanner::package::PackageUrl;
use weir_storage::index::{Index, IndexError};

/// A vulnerability, whatever images it is in.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Vulnerability {
    /// The id it is shown under.
    pub(super) id: Box<str>,
    /// Its other names, sorted.
    pub(super) aliases: Vec<Box<str>>,
    pub(super) summary: Box<str>,
    /// All its names in lower case, each on a line.
    pub(super) searched: Box<str>,
    pub(super) is_exploited: bool,
    /// 0 to 1.
    pub(super) epss: Option<f64>,
}

impl Vulnerability {
    pub(super) fn new(id: &str, mut aliases: Vec<Box<str>>, summary: &str) -> Self {
        aliases.sort_unstable();
        aliases.dedup();
        let mut searched = id.to_ascii_lowercase();
        for alias in &aliases {
            searched.push('\n');
            searched.push_str(&alias.to_ascii_lowercase());
        }
        Self {
            id: id.into(),
            aliases,
            summary: summary.into(),
            searched: searched.into(),
            is_exploited: false,
            epss: None,
        }
    }

    /// Every name, the id first.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.id).chain(self.aliases.iter().map(|alias| &**alias))
    }

    /// The likelihood that it is exploited, 0 to 1; the highest where it has several CVEs.
    pub(super) fn likelihood(&self, index: &Index) -> Result<Option<f64>, IndexError> {
        let mut highest = None::<f64>;
        for cve in self.names().filter(|name| name.starts_with("CVE-")) {
            let score = index.cves().likelihood(cve)?.map(|likelihood| likelihood.score);
            highest = [highest, score].into_iter().flatten().max_by(f64::total_cmp);
        }
        Ok(highest)
    }
}

/// A package of one version.
#[derive(Clone, Debug)]
pub(super) struct Package {
    pub(super) purl: Box<str>,
    /// How much of it names the package whatever its version.
    bare: u32,
    /// Namespace and name in lower case.
    pub(super) searched: Box<str>,
}

impl Package {
    pub(super) fn new(purl: &str) -> Self {
        let searched = match PackageUrl::parse(purl) {
            Ok(PackageUrl { namespace: Some(namespace), name, .. }) => format!("{namespace}/{name}"),
            Ok(PackageUrl { name, .. }) => name.into_owned(),
            Err(_) => purl.to_owned(),
        };
        let path = purl.find(['?', '#']).map_or(purl, |end| &purl[..end]);
        // An `@` before the last slash is a scope's.
        let version = path.rfind('@').filter(|at| path.rfind('/').is_none_or(|slash| slash < *at));
        let bare = u32::try_from(version.unwrap_or(path.len())).unwrap_or(0);
        Self { purl: purl.into(), bare, searched: searched.to_ascii_lowercase().into() }
    }

    /// Its version, where the package URL is one and has it.
    pub(super) fn version(&self) -> Option<String> {
        PackageUrl::parse(&self.purl).ok()?.version.map(Cow::into_owned)
    }

    /// The package URL without version and qualifiers.
    pub(super) fn bare(&self) -> &str {
        self.purl.get(..self.bare as usize).unwrap_or(&self.purl)
    }
}

/// A repository with the tags it has.
#[derive(Clone, Debug, Default)]
pub(super) struct Repository {
    /// `<upstream>/<repository>`.
    pub(super) name: Box<str>,
    /// By the digest they lead to, in order.
    pub(super) tags: HashMap<Digest, Vec<Box<str>>>,
}

impl Repository {
    /// The tags that lead to an image by itself or by an index that names it.
    pub(super) fn tags_of<'a>(
        &'a self,
        digest: &'a Digest,
        parents: &'a [Digest],
    ) -> impl Iterator<Item = &'a str> + use<'a> {
        let leading = std::iter::once(digest).chain(parents);
        leading.filter_map(|digest| self.tags.get(digest)).flatten().map(|tag| &**tag)
    }
}

/// Things under numbers.
#[derive(Clone, Debug)]
pub(super) struct Numbered<K, V> {
    numbers: HashMap<K, u32>,
    pub(super) all: Arc<Vec<V>>,
}

impl<K, V> Default for Numbered<K, V> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), all: Arc::default() }
    }
}

impl<K: Eq + Hash, V: Clone> Numbered<K, V> {
    pub(super) fn get<Q>(&self, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.numbers.get(key).copied()
    }

    /// The number of something that may be new.
    pub(super) fn number<Q>(&mut self, key: &Q, new: impl FnOnce() -> V) -> u32
    where
        K: Borrow<Q> + for<'q> From<&'q Q>,
        Q: Eq + Hash + ?Sized,
    {
        match self.numbers.get(key) {
            Some(number) => *number,
            None => self.add(K::from(key), new()),
        }
    }

    pub(super) fn add(&mut self, key: K, value: V) -> u32 {
        let number = u32::try_from(self.all.len()).expect("four billion texts do not fit in memory");
        Arc::make_mut(&mut self.all).push(value);
        self.numbers.insert(key, number);
        number
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}

/// All that rows share.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    pub(super) vulnerabilities: Numbered<Box<str>, Arc<Vulnerability>>,
    pub(super) packages: Numbered<Box<str>, Arc<Package>>,
    pub(super) versions: Numbered<Box<str>, Box<str>>,
    pub(super) repositories: Numbered<Box<str>, Arc<Repository>>,
    /// Layers and configurations.
    pub(super) blobs: Numbered<Digest, Digest>,
    /// Vulnerabilities that got a name under which they are known to be exploited: rows made before do not say so.
    pub(super) flipped: HashSet<u32>,
}

impl Texts {
    /// How many there are of all kinds.
    pub(super) fn count(&self) -> usize {
        let Self { vulnerabilities, packages, versions, repositories, blobs, flipped: _ } = self;
        vulnerabilities.len() + packages.len() + versions.len() + repositories.len() + blobs.len()
    }

    /// The number of a repository, without tags where it is new.
    pub(super) fn repository(&mut self, name: &str) -> u32 {
        self.repositories.number(name, || Arc::new(Repository { name: name.into(), ..Repository::default() }))
    }

    /// The number of a layer or a configuration.
    pub(super) fn blob(&mut self, digest: &Digest) -> u32 {
        match self.blobs.get(digest) {
            Some(number) => number,
            None => self.blobs.add(*digest, *digest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_named_without_its_version() {
        for (purl, bare, searched) in [
            ("pkg:deb/debian/openssl@3.0.1?arch=amd64&distro=debian-12", "pkg:deb/debian/openssl", "debian/openssl"),
            ("pkg:npm/%40Scope/name@1.0", "pkg:npm/%40Scope/name", "@scope/name"),
            ("pkg:npm/@scope/name", "pkg:npm/@scope/name", "@scope/name"),
            ("pkg:golang/stdlib@1.22#sub", "pkg:golang/stdlib", "stdlib"),
        ] {
            let package = Package::new(purl);
            assert_eq!((package.bare(), &*package.searched), (bare, searched), "{purl}");
        }
    }
}
