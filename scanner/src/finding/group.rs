//! Which names speak of one vulnerability: groups of ids, joined over aliases and upstream ids.
//!
//! A group never holds two CVEs; bulletins join none ([`Advisory::is_bulletin`]). What is followed from a record is followed backwards
//! by [`super::touched`]: whoever changes one changes the other.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::advisory::{Advisory, AdvisorySource, cve_of};

/// The groups of all names that the matched records of one question lead to.
#[derive(Debug, Default)]
pub(super) struct Groups {
    nodes: HashMap<String, usize>,
    /// Parent of each node; a root is its own.
    parents: Vec<usize>,
    /// The CVE of a root's group.
    cves: Vec<Option<String>>,
    /// Of each group, by root: records of the same vulnerability by id or alias, and records that name it as upstream.
    aliased: HashMap<usize, Vec<Arc<Advisory>>>,
    derived: HashMap<usize, Vec<Arc<Advisory>>>,
}

impl Groups {
    /// Joins the matched records, and what the source knows under their names.
    pub(super) fn of<S: AdvisorySource>(matched: &[Arc<Advisory>], source: &S) -> Result<Self, S::Error> {
        let mut groups = Self::default();
        let mut queue = VecDeque::new();
        for advisory in matched {
            groups.join(advisory, advisory.names());
            queue.extend(advisory.found_under().into_iter().map(str::to_owned));
        }
        let mut asked = HashSet::new();
        let mut found: Vec<(String, Arc<Advisory>, bool)> = Vec::new();
        while let Some(name) = queue.pop_front() {
            if !asked.insert(name.clone()) {
                continue;
            }
            for advisory in source.rated(&name)? {
                if advisory.withdrawn.is_some() || advisory.is_bulletin() {
                    continue;
                }
                let aliased = advisory.own_names().any(|alias| alias == name);
                if aliased {
                    groups.join(&advisory, advisory.own_names());
                    queue
                        .extend(advisory.own_names().chain(advisory.own_names().filter_map(cve_of)).map(str::to_owned));
                    queue.extend(advisory.cves().into_iter().map(str::to_owned));
                }
                found.push((name.clone(), advisory, aliased));
            }
        }
        groups.sort_out(found);
        Ok(groups)
    }

    /// Puts each found record into its group, once.
    fn sort_out(&mut self, found: Vec<(String, Arc<Advisory>, bool)>) {
        for (name, advisory, aliased) in found {
            let root = self.node(&name);
            let records = if aliased { &mut self.aliased } else { &mut self.derived };
            let records = records.entry(root).or_default();
            if !records.iter().any(|known| known.id == advisory.id) {
                records.push(advisory);
            }
        }
        for records in self.aliased.values_mut().chain(self.derived.values_mut()) {
            records.sort_by(|a, b| a.id.cmp(&b.id));
        }
    }

    /// The group of a name, if the name is known.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.nodes.get(name).map(|node| self.root(*node))
    }

    /// The CVE of a group.
    pub(super) fn cve(&self, group: usize) -> Option<&str> {
        self.cves[group].as_deref()
    }

    /// Records of the group by id or alias, by id.
    pub(super) fn aliased(&self, group: usize) -> &[Arc<Advisory>] {
        self.aliased.get(&group).map_or(&[], Vec::as_slice)
    }

    /// Records that name the group as upstream, by id.
    pub(super) fn derived(&self, group: usize) -> &[Arc<Advisory>] {
        self.derived.get(&group).map_or(&[], Vec::as_slice)
    }

    /// The name a group is shown under: its CVE, else its first GitHub id, else its first name.
    pub(super) fn display(&self, group: usize) -> String {
        if let Some(cve) = self.cve(group) {
            return cve.to_owned();
        }
        let members = self.nodes.iter().filter(|(_, node)| self.root(**node) == group).map(|(name, _)| name);
        members.min_by_key(|name| (!name.starts_with("GHSA-"), *name)).cloned().unwrap_or_default()
    }

    fn join<'a>(&mut self, advisory: &Advisory, names: impl Iterator<Item = &'a str>) {
        let own = self.node(&advisory.id);
        if advisory.is_bulletin() {
            for name in names {
                self.node(name);
            }
            return;
        }
        // The CVE first: what is refused after it belongs to another one.
        if let Some(cve) = advisory.cves().into_iter().next() {
            let cve = self.node(cve);
            self.union(own, cve);
        }
        for name in names {
            let node = self.node(name);
            self.union(own, node);
        }
    }

    /// The root of a name's group; a name met first is a group of its own, or its CVE's.
    fn node(&mut self, name: &str) -> usize {
        if let Some(node) = self.nodes.get(name) {
            return self.root(*node);
        }
        let node = self.parents.len();
        self.parents.push(node);
        let cve = cve_of(name);
        self.cves.push(cve.map(str::to_owned));
        self.nodes.insert(name.to_owned(), node);
        if let Some(cve) = cve.filter(|cve| *cve != name) {
            let cve = self.node(cve);
            self.union(node, cve);
        }
        self.root(node)
    }

    fn root(&self, mut node: usize) -> usize {
        while self.parents[node] != node {
            node = self.parents[node];
        }
        node
    }

    /// Joins two groups, unless they are of two CVEs.
    fn union(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        if a == b || (self.cves[a].is_some() && self.cves[b].is_some() && self.cves[a] != self.cves[b]) {
            return;
        }
        // The root with the CVE stays: groups around a CVE grow by single names, so paths stay short.
        let (root, child) = if self.cves[b].is_some() { (b, a) } else { (a, b) };
        self.parents[child] = root;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisory::MemoryAdvisories;
    use crate::fixture::AdvisoryBuilder;

    fn groups(matched: &[AdvisoryBuilder], others: &[AdvisoryBuilder]) -> Groups {
        let mut source = MemoryAdvisories::new(0);
        for builder in matched.iter().chain(others) {
            source.insert(builder.clone().build());
        }
        let matched: Vec<Arc<Advisory>> = matched.iter().map(|builder| Arc::new(builder.clone().build())).collect();
        Groups::of(&matched, &source).unwrap()
    }

    #[test]
    fn names_join_over_records_that_did_not_match() {
        let pysec = AdvisoryBuilder::new("PYSEC-1").alias("GHSA-a");
        let go = AdvisoryBuilder::new("GO-1").alias("GHSA-a").alias("CVE-2024-1");
        let groups = groups(&[pysec], &[go]);
        let group = groups.find("PYSEC-1").unwrap();
        assert_eq!(groups.find("CVE-2024-1"), Some(group));
        assert_eq!(groups.display(group), "CVE-2024-1");
    }

    #[test]
    fn two_cves_are_never_joined() {
        let bulletin = AdvisoryBuilder::new("DSA-1-1").upstream("CVE-2024-1").upstream("CVE-2024-2");
        let twice = AdvisoryBuilder::new("GO-1").alias("CVE-2024-1").alias("CVE-2024-2").alias("GHSA-a");
        let first = AdvisoryBuilder::new("PYSEC-1").alias("CVE-2024-1").alias("GHSA-a");
        let second = AdvisoryBuilder::new("PYSEC-2").alias("CVE-2024-2").alias("GHSA-a");
        let groups = groups(&[bulletin, twice, first, second], &[]);
        let (one, two) = (groups.find("CVE-2024-1").unwrap(), groups.find("CVE-2024-2").unwrap());
        assert_ne!(one, two);
        assert_eq!((groups.find("PYSEC-1"), groups.find("PYSEC-2")), (Some(one), Some(two)));
        assert_eq!(groups.find("GHSA-a"), Some(one), "the first to name it has it");
        assert!(![one, two].contains(&groups.find("DSA-1-1").unwrap()));
    }

    #[test]
    fn a_record_upstream_of_another_keeps_its_own_name() {
        let pysec = AdvisoryBuilder::new("PYSEC-1").alias("CVE-2024-1");
        let debian = AdvisoryBuilder::new("DLA-1-1").upstream("CVE-2024-1");
        let groups = groups(&[pysec], &[debian]);
        let group = groups.find("CVE-2024-1").unwrap();
        assert_eq!(groups.find("DLA-1-1"), None, "it is about another package");
        assert_eq!(groups.derived(group)[0].id, "DLA-1-1", "but may rate the vulnerability");
    }

    #[test]
    fn without_a_cve_the_github_id_is_shown() {
        let groups = groups(&[AdvisoryBuilder::new("A-1").alias("GHSA-z").alias("GHSA-b")], &[]);
        assert_eq!(groups.display(groups.find("A-1").unwrap()), "GHSA-b");
    }
}
