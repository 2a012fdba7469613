//! Paths that belong to a package, as a fact.

use super::super::FactList;
use crate::layer::{Fact, PathHash, clean};

/// Most paths kept of one package: ten times what Debian's largest has.
pub(super) const MAX_OWNED: usize = 1_000_000;

/// Adds that `paths` belong to `package`; says of `database` where they are more than are kept. Without a path there is
/// no fact.
pub(super) fn push_owned<P: AsRef<str>>(
    facts: &mut FactList,
    database: &str,
    package: &str,
    paths: impl Iterator<Item = P>,
) {
    let (hashes, whole) = hashes(paths, MAX_OWNED);
    if !whole {
        facts.unread(database, &format!("{package} owns more than {MAX_OWNED} files, the others are left out"));
    }
    push_hashes(facts, package, hashes);
}

/// The hashes of at most `limit` paths, and whether those are all.
fn hashes<P: AsRef<str>>(paths: impl Iterator<Item = P>, limit: usize) -> (Vec<PathHash>, bool) {
    let mut paths = paths.filter_map(|path| clean(path.as_ref())).filter(|path| !path.is_empty());
    let hashes = paths.by_ref().take(limit).map(|path| PathHash::of(&path)).collect();
    (hashes, paths.next().is_none())
}

/// Adds that paths with these hashes belong to `package`.
pub(super) fn push_hashes(facts: &mut FactList, package: &str, mut paths: Vec<PathHash>) {
    paths.sort_unstable();
    paths.dedup();
    paths.shrink_to_fit();
    if !paths.is_empty() {
        facts.push(Fact::Owned { package: package.to_owned(), paths });
    }
}

/// The entries of a list of files and directories that are no parents of others, in the order of their components. At most
/// [`MAX_OWNED`] entries and one more are looked at.
pub(super) fn without_parents<'a>(entries: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut entries: Vec<&str> = entries.take(MAX_OWNED + 1).collect();
    // Compared by component a directory comes right before what lies in it; as text `a-b` would lie between `a` and `a/b`.
    entries.sort_unstable_by(|a, b| a.split('/').cmp(b.split('/')));
    let is_parent = |entry: &str, next: Option<&&str>| {
        next.and_then(|next| next.strip_prefix(entry)).is_some_and(|rest| rest.starts_with('/'))
    };
    let kept = (0..entries.len()).filter(|at| !is_parent(entries[*at], entries.get(at + 1)));
    kept.map(|at| entries[at]).collect()
}

#[cfg(test)]
pub(super) mod check {
    //! What detectors found, in tests.

    use super::*;
    use crate::detect::Detector;
    use crate::package::Package;

    /// What `detector` finds in a file in memory.
    pub(crate) fn facts(detector: &dyn Detector, path: &str, bytes: &[u8]) -> Vec<Fact> {
        let mut facts = FactList::new(1 << 20);
        detector.detect(path, bytes, &mut facts);
        facts.into_parts().0
    }

    /// The packages among facts.
    pub(crate) fn packages(facts: &[Fact]) -> Vec<&Package> {
        facts.iter().filter_map(|fact| if let Fact::Package(package) = fact { Some(package) } else { None }).collect()
    }

    /// Name and version of each package among facts.
    pub(crate) fn named(facts: &[Fact]) -> Vec<(&str, &str)> {
        packages(facts).into_iter().map(|package| (&*package.name, &*package.version)).collect()
    }

    /// The fact that exactly `paths` belong to `package`.
    pub(crate) fn owned(package: &str, paths: &[&str]) -> Fact {
        let mut paths: Vec<_> = paths.iter().map(|path| PathHash::of(path)).collect();
        paths.sort_unstable();
        Fact::Owned { package: package.into(), paths }
    }

    /// Whether facts say that something was not read.
    pub(crate) fn says_unread(facts: &[Fact]) -> bool {
        facts.iter().any(|fact| matches!(fact, Fact::Unread(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::check::owned;
    use super::*;

    #[test]
    fn parents_are_left_out_and_paths_cleaned() {
        let list = ["/.", "/usr", "/usr/lib", "/usr/lib-x", "/usr/lib/a", "/usr/lib/empty", "/usr/lib/a.b"];
        assert_eq!(
            without_parents(list.into_iter()),
            ["/.", "/usr/lib/a", "/usr/lib/a.b", "/usr/lib/empty", "/usr/lib-x"]
        );
        let mut facts = FactList::new(1 << 20);
        push_owned(&mut facts, "list", "a", without_parents(list.into_iter()).into_iter());
        push_owned(&mut facts, "list", "none", ["/", "../x"].into_iter());
        assert_eq!(facts.facts(), [owned("a", &["usr/lib/a", "usr/lib/a.b", "usr/lib/empty", "usr/lib-x"])]);
    }

    #[test]
    fn a_package_of_too_many_files_is_cut() {
        let (kept, whole) = hashes(["/a", "/", "/b"].into_iter(), 2);
        assert_eq!((kept.len(), whole), (2, true));
        let (kept, whole) = hashes(["/a", "/b", "/c"].into_iter(), 2);
        assert_eq!((kept.len(), whole), (2, false));
    }
}
