//! Which node pulled through weir last, and what: read off the list of pulls, which outlives a restart.
//!
//! Owns the order of reading: what is new is read each time, what was there before a part at a time, so that a long list holds nothing
//! up. Until all was read it is not known of any node that it pulled nothing. Names are what pullers say of themselves: there are so many
//! at most, and a pull by one beyond is like that of somebody without a name.

use std::collections::HashMap;
use std::sync::Arc;

use weir_scanner::oci::Digest;
use weir_storage::index::{Index, IndexError, PullCursor, PullRecord};

/// Names remembered; some 300 bytes each.
const MOST_NAMES: usize = 50_000;
/// Older pulls read in one go: a few hundredths of a second.
const OLDER: usize = 20_000;
/// Pulls read together.
const AT_ONCE: usize = 1000;
/// How often names are looked through for those that pulled too long ago, in seconds.
const TRIM_SECONDS: i64 = 3600;

/// The last pull of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::report) struct LastPull {
    /// When, seconds since the epoch.
    pub(in crate::report) at: i64,
    /// The name it was asked for by, as far as it is known.
    pub(in crate::report) reference: String,
    /// The manifest.
    pub(in crate::report) image: Digest,
}

/// The last pulls of one name.
#[derive(Default)]
struct Named {
    /// By the cluster that the puller's address confirmed.
    confirmed: HashMap<String, Arc<LastPull>>,
    /// Where it was not confirmed.
    claimed: Option<Arc<LastPull>>,
}

/// Who pulled what last.
#[derive(Default)]
pub(in crate::report) struct LastPulls {
    named: HashMap<String, Named>,
    /// When somebody pulled whose name is not known, seconds since the epoch.
    nameless_at: Option<i64>,
    /// The newest pull that was read.
    newest: Option<PullCursor>,
    /// Where reading what is older goes on.
    older: Option<PullCursor>,
    /// Whether all of it was read.
    is_whole: bool,
    trimmed_at: i64,
}

impl LastPulls {
    /// Reads what is new, and some of what is older. Pulls before `before` (seconds since the epoch) do not count. Blocks.
    ///
    /// # Errors
    /// The index cannot be read; what was read stands.
    pub(super) fn follow(&mut self, index: &Index, before: i64, now: i64) -> Result<(), IndexError> {
        self.follow_by(index, before, now, OLDER)
    }

    /// [`LastPulls::follow`] with `most` older pulls at once.
    fn follow_by(&mut self, index: &Index, before: i64, now: i64, most: usize) -> Result<(), IndexError> {
        self.newer(index)?;
        let mut read = 0;
        while !self.is_whole && read < most {
            let page = index.pulls().list(None, self.older, AT_ONCE.min(most))?;
            read += page.pulls.len();
            let is_past = page.pulls.last().is_some_and(|(_, pull)| pull.at < before);
            self.older = page.next;
            self.is_whole = page.next.is_none() || is_past;
            page.pulls.into_iter().for_each(|(_, pull)| self.note(pull));
        }
        if now.saturating_sub(self.trimmed_at) >= TRIM_SECONDS {
            self.trimmed_at = now;
            let counts = |pull: &Arc<LastPull>| pull.at >= before;
            self.named.retain(|_, named| {
                named.confirmed.retain(|_, pull| counts(pull));
                named.claimed = named.claimed.take().filter(counts);
                !named.confirmed.is_empty() || named.claimed.is_some()
            });
        }
        Ok(())
    }

    /// Reads what came since the last time, from the newest down to what is known. The first time that is where the older ones begin.
    fn newer(&mut self, index: &Index) -> Result<(), IndexError> {
        let Some(known) = self.newest else {
            let first = index.pulls().list(None, None, 1)?.pulls.pop();
            // Numbers only grow: whatever comes is beyond this.
            let newest = first.map(|(cursor, _)| cursor);
            self.newest = newest;
            self.older = newest.map(|cursor| PullCursor { sequence: cursor.sequence + 1 });
            self.is_whole = newest.is_none();
            return Ok(());
        };
        let (mut after, mut newest) = (None, known);
        loop {
            // Most times there is none.
            let limit = if after.is_none() { 8 } else { AT_ONCE };
            let page = index.pulls().list(None, after, limit)?;
            for (cursor, pull) in page.pulls {
                if cursor <= known {
                    self.newest = Some(newest);
                    return Ok(());
                }
                newest = newest.max(cursor);
                self.note(pull);
            }
            after = page.next;
            if after.is_none() {
                self.newest = Some(newest);
                return Ok(());
            }
        }
    }

    fn note(&mut self, pull: PullRecord) {
        let at = pull.at;
        let Some(name) = pull.node.as_deref() else { return self.note_nameless(at) };
        if self.named.len() >= MOST_NAMES && !self.named.contains_key(name) {
            return self.note_nameless(at);
        }
        let named = self.named.entry(name.to_owned()).or_default();
        let known = match &pull.cluster {
            Some(cluster) => named.confirmed.get(cluster),
            None => named.claimed.as_ref(),
        };
        if known.is_some_and(|known| known.at >= at) {
            return;
        }
        let place = format!("{}/{}", pull.upstream, pull.repository);
        let reference = match &pull.tag {
            Some(tag) => format!("{place}:{tag}"),
            None => format!("{place}@{}", pull.image),
        };
        let last = Arc::new(LastPull { at, reference, image: pull.image });
        match pull.cluster {
            Some(cluster) => {
                named.confirmed.insert(cluster, last);
            }
            None => named.claimed = Some(last),
        }
    }

    fn note_nameless(&mut self, at: i64) {
        self.nameless_at = self.nameless_at.max(Some(at));
    }

    /// Whether every pull there is was read.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The last pull of a node, where it is not before `before`. A name that nothing confirms is believed where no other cluster has a
    /// node of that name.
    pub(super) fn of(&self, cluster: &str, node: &str, is_only: bool, before: i64) -> Option<&Arc<LastPull>> {
        let named = self.named.get(node)?;
        let claimed = named.claimed.as_ref().filter(|_| is_only);
        let pulls = [named.confirmed.get(cluster), claimed].into_iter().flatten();
        pulls.filter(|pull| pull.at >= before).max_by_key(|pull| pull.at)
    }

    /// When somebody pulled last who may have been any node: without a name, or by one that `is_node` does not say is one node's alone.
    pub(super) fn stray_at(&self, is_node: impl Fn(&str) -> bool) -> Option<i64> {
        let claimed = self.named.iter().filter_map(|(name, named)| Some((name, named.claimed.as_ref()?.at)));
        let stray = claimed.filter(|(name, _)| !is_node(name)).map(|(_, at)| at).max();
        stray.max(self.nameless_at)
    }
}

#[cfg(test)]
mod tests {
    use weir_scanner::oci::{Repository, Tag};
    use weir_storage::index::PullNode;

    use super::*;

    fn pull(at: i64, node: Option<&str>, cluster: Option<&str>) -> PullRecord {
        PullRecord {
            at,
            image: Digest::of(b"image"),
            upstream: "docker.io".into(),
            repository: Repository::parse("team/app").unwrap(),
            tag: Some(Tag::parse(&format!("v{at}")).unwrap()),
            node: node.map(str::to_owned),
            node_source: PullNode::Header,
            cluster: cluster.map(str::to_owned),
            address: "10.0.0.1".into(),
            agent: String::new(),
        }
    }

    fn at(pulls: &LastPulls, cluster: &str, node: &str, is_only: bool) -> Option<i64> {
        pulls.of(cluster, node, is_only, 0).map(|pull| pull.at)
    }

    #[test]
    fn the_last_pull_of_each_node_is_found_however_it_was_read() {
        for most in [1, 2, 100] {
            let index = Index::in_memory();
            let old: Vec<_> = (1..20).map(|n| pull(n, Some(if n % 2 == 0 { "even" } else { "odd" }), None)).collect();
            index.pulls().add(&old).unwrap();
            let mut pulls = LastPulls::default();
            pulls.follow_by(&index, 0, 0, most).unwrap();
            assert_eq!(pulls.is_whole(), most == 100, "{most}");
            index.pulls().add(&[pull(30, Some("even"), None), pull(31, Some("new"), Some("a"))]).unwrap();
            for _ in 0..30 {
                pulls.follow_by(&index, 0, 0, most).unwrap();
            }
            assert!(pulls.is_whole());
            let found = [at(&pulls, "a", "even", true), at(&pulls, "a", "odd", true), at(&pulls, "a", "new", false)];
            assert_eq!(found, [Some(30), Some(19), Some(31)], "{most}");
            assert_eq!(pulls.of("a", "odd", true, 0).unwrap().reference, "docker.io/team/app:v19");
            assert_eq!(pulls.of("a", "odd", true, 20), None, "too long ago");
            let many: Vec<_> = (40..400).map(|n| pull(n, Some("odd"), None)).collect();
            index.pulls().add(&many).unwrap();
            pulls.follow_by(&index, 0, 0, most).unwrap();
            assert_eq!(at(&pulls, "a", "odd", true), Some(399), "what is new is read at once");
        }
        let mut none = LastPulls::default();
        none.follow(&Index::in_memory(), 0, 0).unwrap();
        assert!(none.is_whole());
    }

    #[test]
    fn a_name_that_several_clusters_have_needs_a_confirmation() {
        let index = Index::in_memory();
        index.pulls().add(&[pull(1, Some("n"), None), pull(2, Some("n"), Some("a"))]).unwrap();
        let mut pulls = LastPulls::default();
        pulls.follow(&index, 0, 0).unwrap();
        assert_eq!([at(&pulls, "a", "n", false), at(&pulls, "b", "n", false)], [Some(2), None]);
        assert_eq!(at(&pulls, "b", "n", true), Some(1));
    }

    #[test]
    fn whoever_is_no_known_node_may_be_any() {
        let index = Index::in_memory();
        let mut pulls = LastPulls::default();
        let mut stray_after = |record: PullRecord| {
            index.pulls().add(&[record]).unwrap();
            pulls.follow(&index, 0, 0).unwrap();
            pulls.stray_at(|name| name == "known")
        };
        assert_eq!(stray_after(pull(1, Some("known"), None)), None);
        assert_eq!(stray_after(pull(2, Some("unknown"), Some("a"))), None, "its address told which node it is");
        assert_eq!(stray_after(pull(3, Some("unknown"), None)), Some(3));
        assert_eq!(stray_after(pull(4, None, None)), Some(4));
    }

    #[test]
    fn names_are_bounded_and_forgotten_in_time() {
        let mut pulls = LastPulls::default();
        for n in 0..MOST_NAMES {
            pulls.note(pull(1, Some(&format!("n{n}")), None));
        }
        pulls.note(pull(5, Some("one-more"), None));
        assert_eq!((pulls.named.len(), pulls.nameless_at), (MOST_NAMES, Some(5)));
        pulls.note(pull(6, Some("n1"), None));
        pulls.is_whole = true;
        pulls.follow(&Index::in_memory(), 6, TRIM_SECONDS).unwrap();
        assert_eq!(pulls.named.keys().collect::<Vec<_>>(), ["n1"]);
    }
}
