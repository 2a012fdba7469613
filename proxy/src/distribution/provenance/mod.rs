//! Who pulled what: which node asked, by which name, and when.
//!
//! Owns the reading of a puller's identity, the tag a pull by digest began with, and what counts as one pull. Notices only:
//! a pull is handed to [`PullLedger`] without waiting, and one that the ledger has no room for is counted as lost. Nothing here can
//! slow a pull down or fail it. weir's own fetches never come by here.

mod ledger;
mod peer;
mod recent;

use std::sync::Arc;

use hyper::header::{HeaderMap, HeaderName, USER_AGENT};
use tokio::sync::mpsc;
use weir_scanner::oci::{Digest, Selector, Tag};
use weir_storage::index::PullRecord;

use crate::clock::Clock;
use crate::http::ConnInfo;
use crate::metrics::ServeMetrics;
use crate::pull::Location;

pub use ledger::{LedgerParts, PullLedger};
pub use peer::NodeLookup;
pub(super) use peer::Peer;
use recent::Recent;

/// Seconds within which the same puller's request for the same manifest is the same pull, and a tag it asked for is what its
/// requests by digest are about.
const SAME_PULL_SECONDS: i64 = 60;
/// Pulls, and pullers' tags, remembered that long at once. What finds no room is a pull of its own, without a tag.
const MOST_REMEMBERED: usize = 16_384;
/// Tags remembered of one puller in one repository.
const MOST_TAGS: usize = 4;
/// Longest `User-Agent` kept, in characters.
const MOST_AGENT: usize = 128;
/// Pulls that may wait to be written: more than a fleet makes in the second between two writes.
const QUEUE: usize = 4096;

/// Tags a puller asked for, each with the manifest it named and when (seconds since the epoch), in the order of asking.
type Tags = Vec<(Tag, Digest, i64)>;

/// A pull as it was noticed.
#[derive(Debug)]
pub struct Pulled {
    record: PullRecord,
    /// Tags the puller asked for a moment ago, with the manifests they named, newest first: where the image is one's child,
    /// that is its tag. Empty where the record has its tag.
    candidates: Vec<(Tag, Digest)>,
}

/// Notices pulls. Clones share everything.
#[derive(Clone)]
pub struct Provenance(Arc<Inner>);

struct Inner {
    node_header: HeaderName,
    lookup: NodeLookup,
    queue: mpsc::Sender<Pulled>,
    pulled: Recent<(String, Digest), ()>,
    tags: Recent<(String, Location), Tags>,
    metrics: ServeMetrics,
    clock: Clock,
}

impl Provenance {
    /// Notices pulls for the ledger at the other end of the queue. `node_header` names the header in which nodes name themselves;
    /// `lookup` knows nodes by their addresses.
    pub fn new(
        node_header: HeaderName,
        lookup: NodeLookup,
        metrics: ServeMetrics,
        clock: Clock,
    ) -> (Self, mpsc::Receiver<Pulled>) {
        let (queue, pulls) = mpsc::channel(QUEUE);
        let (pulled, tags) =
            (Recent::new(SAME_PULL_SECONDS, MOST_REMEMBERED), Recent::new(SAME_PULL_SECONDS, MOST_REMEMBERED));
        (Self(Arc::new(Inner { node_header, lookup, queue, pulled, tags, metrics, clock })), pulls)
    }

    /// Who asks.
    pub(super) fn peer(&self, connection: &ConnInfo, headers: &HeaderMap) -> Peer {
        Peer::of(connection, headers, &self.0.node_header, &self.0.lookup)
    }

    /// Notes that `peer` was answered with the manifest `digest` of `location`: by HEAD, of which only the tag is remembered, or
    /// by GET, which is a pull.
    pub(super) fn answered(
        &self,
        peer: &Peer,
        location: &Location,
        selector: &Selector,
        digest: Digest,
        headers: &HeaderMap,
        head: bool,
    ) {
        let now = self.0.clock.now();
        let who = peer.identity();
        if let Selector::Tag(tag) = selector {
            self.0.tags.update((who.clone(), location.clone()), now, |tags| with_tag(tags, tag, digest, now));
        }
        if head || !self.0.pulled.note((who.clone(), digest), now) {
            return;
        }
        let mut candidates = self.tags_of(who, location, now);
        let tag = candidates.iter().find(|(_, named)| *named == digest).map(|(tag, _)| tag.clone());
        if tag.is_some() {
            candidates.clear();
        }
        let record = PullRecord {
            at: now,
            image: digest,
            upstream: location.upstream.clone(),
            repository: location.repository.clone(),
            tag,
            node: peer.node.clone(),
            node_source: peer.source,
            cluster: peer.cluster.clone(),
            address: peer.address.to_string(),
            agent: agent(headers),
        };
        if self.0.queue.try_send(Pulled { record, candidates }).is_err() {
            self.0.metrics.pulls_dropped(1);
        }
    }

    /// The tags `who` asked for in `location` a moment ago, newest first.
    fn tags_of(&self, who: String, location: &Location, now: i64) -> Vec<(Tag, Digest)> {
        let tags = self.0.tags.get(&(who, location.clone()), now).unwrap_or_default();
        let recent = tags.into_iter().rev().filter(|(_, _, at)| now.saturating_sub(*at) < SAME_PULL_SECONDS);
        recent.map(|(tag, digest, _)| (tag, digest)).collect()
    }
}

/// A puller's tags with one more, or the same one anew, in the order of asking.
fn with_tag(tags: Option<Tags>, tag: &Tag, digest: Digest, now: i64) -> Tags {
    let mut tags = tags.unwrap_or_default();
    tags.retain(|(known, _, _)| known != tag);
    if tags.len() >= MOST_TAGS {
        tags.remove(0);
    }
    tags.push((tag.clone(), digest, now));
    tags
}

fn agent(headers: &HeaderMap) -> String {
    let text = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.chars().take(MOST_AGENT).collect()
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use weir_scanner::oci::Repository;

    use super::*;
    use crate::metrics::Metrics;

    fn location() -> Location {
        Location { upstream: "docker.io".into(), repository: Repository::parse("team/app").unwrap() }
    }

    fn peer(node: &str) -> Peer {
        let connection = ConnInfo { peer: ([10, 0, 0, 1], 1).into(), tls: true, node: Some(node.into()) };
        Peer::of(&connection, &HeaderMap::new(), &HeaderName::from_static("x-node"), &NodeLookup::default())
    }

    struct Noticed {
        provenance: Provenance,
        pulls: mpsc::Receiver<Pulled>,
        metrics: Metrics,
        clock: Clock,
    }

    fn start() -> Noticed {
        let (metrics, clock) = (Metrics::new().unwrap(), Clock::set(1000));
        let (header, lookup) = (HeaderName::from_static("x-node"), NodeLookup::default());
        let (provenance, pulls) = Provenance::new(header, lookup, metrics.serve.clone(), clock.clone());
        Noticed { provenance, pulls, metrics, clock }
    }

    impl Noticed {
        fn ask(&self, node: &str, selector: &str, digest: &[u8], head: bool) {
            let selector = Selector::parse(selector).unwrap();
            let headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_str(&"a".repeat(200)).unwrap())]);
            self.provenance.answered(&peer(node), &location(), &selector, Digest::of(digest), &headers, head);
        }

        /// Node, tag and how many candidates of each pull noticed so far.
        fn take(&mut self) -> Vec<(String, Option<String>, usize)> {
            let mut taken = Vec::new();
            while let Ok(Pulled { record, candidates }) = self.pulls.try_recv() {
                assert_eq!(record.agent.len(), MOST_AGENT);
                taken.push((record.node.unwrap(), record.tag.map(|tag| tag.to_string()), candidates.len()));
            }
            taken
        }
    }

    fn pulled(node: &str, tag: Option<&str>, candidates: usize) -> (String, Option<String>, usize) {
        (node.to_owned(), tag.map(str::to_owned), candidates)
    }

    #[test]
    fn one_puller_s_same_manifest_within_a_minute_is_one_pull() {
        let mut noticed = start();
        noticed.ask("a", "1", b"x", false);
        noticed.ask("a", &Digest::of(b"x").to_string(), b"x", false);
        noticed.ask("b", "1", b"x", false);
        assert_eq!(noticed.take(), [pulled("a", Some("1"), 0), pulled("b", Some("1"), 0)]);
        noticed.clock.advance(SAME_PULL_SECONDS - 1);
        noticed.ask("a", "1", b"x", false);
        assert_eq!(noticed.take(), []);
        noticed.clock.advance(1);
        noticed.ask("a", "1", b"x", false);
        assert_eq!(noticed.take(), [pulled("a", Some("1"), 0)]);
    }

    #[test]
    fn a_tag_is_remembered_for_a_minute_and_belongs_to_what_it_named() {
        let mut noticed = start();
        noticed.ask("a", "1", b"x", true);
        noticed.ask("a", "2", b"y", true);
        assert_eq!(noticed.take(), [], "HEAD is no pull");
        noticed.ask("a", &Digest::of(b"x").to_string(), b"x", false);
        noticed.ask("a", &Digest::of(b"child").to_string(), b"child", false);
        noticed.ask("b", &Digest::of(b"x").to_string(), b"x", false);
        assert_eq!(noticed.take(), [pulled("a", Some("1"), 0), pulled("a", None, 2), pulled("b", None, 0)]);
        noticed.clock.advance(SAME_PULL_SECONDS);
        noticed.ask("a", "2", b"y", true);
        noticed.ask("a", &Digest::of(b"x").to_string(), b"x", false);
        assert_eq!(noticed.take(), [pulled("a", None, 1)], "the older tag is forgotten, the newer is another's");
    }

    #[test]
    fn a_full_queue_loses_pulls_and_counts_them() {
        let noticed = start();
        for n in 0..QUEUE + 3 {
            noticed.ask("a", "1", &n.to_be_bytes(), false);
        }
        let page = String::from_utf8(noticed.metrics.page().unwrap()).unwrap();
        assert!(page.contains("\nweir_pulls_dropped_total 3\n"), "{page}");
    }
}
