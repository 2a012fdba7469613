//! Symbolic links of a composed image, as far as they lead to or from facts.
//!
//! Resolves paths as the kernel would within the image's root, and lists the other names a path has through linked
//! directories (`lib → usr/lib` makes `lib/x` a name of `usr/lib/x`).

use std::collections::{BTreeMap, HashSet};

use crate::layer::{LayerInventory, normalise, parent};

/// Links followed in one path before it counts as a loop; Linux's limit.
const MAX_FOLLOWED: usize = 40;
/// Other names listed for one path.
const MAX_ALIASES: usize = 32;

/// The links visible at one point of composition: canonical path to target as written.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    targets: BTreeMap<String, String>,
    /// Canonical target directory to the links that lead there, and their own canonical paths.
    sources: BTreeMap<String, Vec<String>>,
}

impl Links {
    /// Keeps the links `keep` wants and adds `added`, whose raw paths are made canonical in order, parents first.
    pub(super) fn update(&mut self, keep: impl Fn(&Self, &str) -> bool, added: &[(&String, &String)]) {
        let kept: Vec<String> = self.targets.keys().filter(|path| keep(self, path)).cloned().collect();
        let mut targets = std::mem::take(&mut self.targets);
        self.targets = kept.into_iter().filter_map(|path| targets.remove_entry(&path)).collect();
        for (path, target) in added {
            let canonical = self.canonical_entry(path);
            self.targets.insert(canonical, (*target).clone());
        }
        self.sources = BTreeMap::new();
        for path in self.targets.keys() {
            if let Some(target) = self.canonical(path) {
                self.sources.entry(target).or_default().push(path.clone());
            }
        }
    }

    /// The path with every link followed, the last component's too; `None` in a loop.
    pub(super) fn canonical(&self, path: &str) -> Option<String> {
        let mut path = path.to_owned();
        for _ in 0..=MAX_FOLLOWED {
            let Some((link, target)) = self.first_link(&path) else { return Some(path) };
            let rest = path[link.len()..].to_owned();
            let target = normalise(parent(link), target, true)?;
            path = normalise(&target, rest.trim_start_matches('/'), true)?;
        }
        None
    }

    /// The path with its directories' links followed and its last component as it is: where an entry of that name lies.
    pub(super) fn canonical_entry(&self, path: &str) -> String {
        let directory = parent(path);
        let name = &path[directory.len()..];
        match self.canonical(directory) {
            Some(directory) if directory.is_empty() => name.trim_start_matches('/').to_owned(),
            Some(directory) => format!("{directory}/{}", name.trim_start_matches('/')),
            None => path.to_owned(),
        }
    }

    /// Other names of a canonical path through linked directories: the name and the length of its linked head.
    pub(super) fn aliases(&self, path: &str) -> Vec<(String, usize)> {
        let mut found: Vec<(String, usize)> = Vec::new();
        let mut next = 0;
        let (mut name, mut head) = (path.to_owned(), 0_usize);
        loop {
            for directory in ancestors(&name) {
                for link in self.sources.get(directory).into_iter().flatten() {
                    let rest = name[directory.len()..].trim_start_matches('/');
                    let alias = format!("{link}/{rest}");
                    if found.len() < MAX_ALIASES && alias != path && !found.iter().any(|(known, _)| *known == alias) {
                        // A link further down stays the end of the linked head.
                        found.push((alias, link.len() + head.saturating_sub(directory.len())));
                    }
                }
            }
            let Some((alias, linked)) = found.get(next) else { return found };
            (name, head) = (alias.clone(), *linked);
            next += 1;
        }
    }

    /// The shortest head of `path` that is a link, with its target.
    fn first_link<'p>(&self, path: &'p str) -> Option<(&'p str, &String)> {
        if self.targets.is_empty() {
            return None;
        }
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        ends.map(|end| &path[..end]).find_map(|head| Some((head, self.targets.get(head)?)))
    }
}

/// The directories a path lies in, the nearest first, the root last; nothing for the root itself.
pub(super) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| if path.is_empty() { None } else { Some(parent(path)) }).skip(1)
}

/// Of each layer's links, those that can matter for a fact or a hard link of any layer: most lead between files nobody asks
/// about. Index as in `layers`.
pub(super) fn relevant<'a>(layers: &[&'a LayerInventory]) -> Vec<Vec<(&'a String, &'a String)>> {
    let mut places: HashSet<String> = HashSet::from([String::new()]);
    let mut linked: HashSet<&str> = HashSet::new();
    for layer in layers {
        let hardlinks = layer.hardlinks.iter().flat_map(|(path, target)| [path, target]);
        let releases = crate::detect::RELEASE_FILES.iter().copied();
        for path in layer.facts.keys().chain(hardlinks).map(String::as_str).chain(releases) {
            add_place(&mut places, path);
        }
    }
    // Each round can make further links matter, by their place or through a link in their target.
    for _ in 0..MAX_FOLLOWED {
        let before = linked.len();
        for (path, target) in layers.iter().flat_map(|layer| &layer.symlinks) {
            let Some(target) = normalise(parent(path), target, true).filter(|_| !linked.contains(path.as_str())) else {
                continue;
            };
            if places.contains(path)
                || places.contains(&target)
                || ancestors(&target).any(|directory| linked.contains(directory))
            {
                linked.insert(path);
                add_place(&mut places, path);
                add_place(&mut places, &target);
            }
        }
        if linked.len() == before {
            break;
        }
    }
    let of_layer =
        |layer: &&'a LayerInventory| layer.symlinks.iter().filter(|(path, _)| linked.contains(path.as_str())).collect();
    layers.iter().map(of_layer).collect()
}

fn add_place(places: &mut HashSet<String>, path: &str) {
    for place in std::iter::once(path).chain(ancestors(path)) {
        if !places.insert(place.to_owned()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(pairs: &[(&str, &str)]) -> Links {
        let owned: Vec<_> = pairs.iter().map(|(path, target)| (path.to_string(), target.to_string())).collect();
        let mut links = Links::default();
        links.update(|_, _| true, &owned.iter().map(|(path, target)| (path, target)).collect::<Vec<_>>());
        links
    }

    #[test]
    fn paths_are_followed_through_every_link() {
        let links = links(&[
            ("lib", "usr/lib"),
            ("etc/os-release", "../usr/lib/os-release"),
            ("a", "/lib/x"),
            ("loop", "loop"),
        ]);
        assert_eq!(links.canonical("etc/os-release").as_deref(), Some("usr/lib/os-release"));
        assert_eq!(links.canonical("lib/apk/db").as_deref(), Some("usr/lib/apk/db"));
        assert_eq!(links.canonical("a/b").as_deref(), Some("usr/lib/x/b"));
        assert_eq!(links.canonical_entry("lib/y"), "usr/lib/y");
        assert_eq!(links.canonical_entry("lib"), "lib");
        assert_eq!(links.canonical("loop/x"), None);
    }

    #[test]
    fn a_path_has_the_names_linked_directories_give_it() {
        let links = links(&[("lib", "usr/lib"), ("usr", "system/usr")]);
        let aliases: Vec<_> = links.aliases("system/usr/lib/x").into_iter().map(|(alias, _)| alias).collect();
        assert!(aliases.contains(&"lib/x".to_owned()) && aliases.contains(&"usr/lib/x".to_owned()), "{aliases:?}");
    }

    #[test]
    fn a_link_to_the_root_does_not_list_names_without_end() {
        assert!(links(&[("a", "/"), ("b", ".")]).aliases("x/y").len() <= MAX_ALIASES);
    }
}
