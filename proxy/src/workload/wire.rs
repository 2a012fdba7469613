//! What an agent sends and hears.
//!
//! `POST /api/v1/agents/{cluster}/snapshot` takes the parts of a snapshot in order, each a [`SnapshotPart`]; `…/deltas` takes a
//! [`DeltaBatch`]. Both are JSON, gzipped where `Content-Encoding` says so. 200 answers with [`Accepted`], also where the same
//! request came before: an agent repeats what it got no answer to. 409 is a problem document with `"resync": true`: what the
//! server holds is not what the message builds on, and only a new snapshot under a new session helps. Every other refusal says
//! by its status whether repeating can help: 401 and 403 once the token is right, 503 by itself, 400 and 413 never.

use std::io::{self, Read as _, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weir_storage::index::{ClusterChange, ClusterObject};

/// Most objects in one part of a snapshot, and changes in one batch.
pub const MAX_ITEMS: usize = 2_000;
/// Most bytes of one body, as it is sent and as it is read.
pub const MAX_BODY_BYTES: usize = 8 << 20;
/// Bytes of a body that objects may take; the rest is for what is around them.
const MAX_ITEMS_BYTES: usize = MAX_BODY_BYTES - (64 << 10);
/// The longest session in bytes.
const MAX_SESSION: usize = 64;
/// The longest version in characters; a longer one is cut.
const MAX_VERSION: usize = 64;

/// One part of a snapshot. `O` is what holds the objects: a vector where it is read, a slice where it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotPart<O = Vec<ClusterObject>> {
    /// The version of the agent.
    pub agent_version: String,
    /// The version of the cluster's API server, where it is known.
    pub kubernetes_version: Option<String>,
    /// What tells this snapshot, and the deltas upon it, from every other.
    pub session: String,
    /// Which part this is, from 0.
    pub part: u32,
    /// Whether it is the last; the snapshot counts from then on.
    pub last: bool,
    /// The objects.
    pub objects: O,
}

/// Changes since the batch before. None at all say that the agent is there and the cluster is as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaBatch<C = Vec<ClusterChange>> {
    /// The session of the snapshot it builds on.
    pub session: String,
    /// Its place among the session's batches, from 1.
    pub sequence: u64,
    /// The changes, at most one for each object.
    pub changes: C,
}

/// The answer to what was accepted, now or before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Accepted {
    /// The last batch that counts; 0 after a snapshot.
    pub sequence: u64,
}

/// A body that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// More than [`MAX_BODY_BYTES`] or [`MAX_ITEMS`].
    #[error("a body has at most {MAX_ITEMS} items and {MAX_BODY_BYTES} bytes")]
    TooLarge,
    /// Not what its encoding says.
    #[error("the body is not gzip: {0}")]
    Gzip(#[source] io::Error),
    /// Not the message it should be.
    #[error("the body cannot be understood: {0}")]
    Json(#[from] serde_json::Error),
    /// A session without a name, or with one that nobody would give.
    #[error("a session has 1 to {MAX_SESSION} letters, digits and '-'")]
    Session,
}

impl SnapshotPart {
    /// Reads one off its gzipped JSON.
    ///
    /// # Errors
    /// Too large, or not a part of a snapshot.
    pub fn read(gzipped: &[u8]) -> Result<Self, WireError> {
        let mut part: Self = serde_json::from_slice(&gunzip(gzipped)?)?;
        check(&part.session, part.objects.len())?;
        cut(&mut part.agent_version);
        if let Some(version) = &mut part.kubernetes_version {
            cut(version);
        }
        Ok(part)
    }
}

impl DeltaBatch {
    /// Reads one off its gzipped JSON.
    ///
    /// # Errors
    /// Too large, or not a batch of changes.
    pub fn read(gzipped: &[u8]) -> Result<Self, WireError> {
        let batch: Self = serde_json::from_slice(&gunzip(gzipped)?)?;
        check(&batch.session, batch.changes.len())?;
        Ok(batch)
    }
}

fn check(session: &str, items: usize) -> Result<(), WireError> {
    let sound = session.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if session.is_empty() || session.len() > MAX_SESSION || !sound {
        return Err(WireError::Session);
    }
    if items > MAX_ITEMS { Err(WireError::TooLarge) } else { Ok(()) }
}

fn cut(version: &mut String) {
    if let Some((end, _)) = version.char_indices().nth(MAX_VERSION) {
        version.truncate(end);
    }
}

/// How many of the items, from the first on, fit into one body; at least one where there is one, since no cluster stores an
/// object as large as a body.
pub fn fitting<T: Serialize>(items: &[T]) -> usize {
    let mut length = Length(0);
    for (count, item) in items.iter().take(MAX_ITEMS).enumerate() {
        // A counter takes everything; a record that is no JSON fails when the body is written.
        let _: Result<(), _> = serde_json::to_writer(&mut length, item);
        length.0 += 1;
        if length.0 > MAX_ITEMS_BYTES {
            return count.max(1);
        }
    }
    items.len().min(MAX_ITEMS)
}

/// A message as gzipped JSON.
///
/// # Errors
/// It cannot be written as JSON.
pub fn gzipped(message: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    serde_json::to_writer(&mut encoder, message)?;
    encoder.finish().map_err(serde_json::Error::io)
}

/// Bytes as gzip; what came plain is kept like everything else.
///
/// # Errors
/// None: memory takes everything.
pub fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut plain = Vec::new();
    let limit = MAX_BODY_BYTES as u64 + 1;
    GzDecoder::new(bytes).take(limit).read_to_end(&mut plain).map_err(WireError::Gzip)?;
    if plain.len() > MAX_BODY_BYTES { Err(WireError::TooLarge) } else { Ok(plain) }
}

/// Counts what is written.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use weir_storage::index::{NodeRecord, ObjectKey, WatchedKind};

    use super::*;

    fn node(name: &str) -> ClusterObject {
        ClusterObject::Node(NodeRecord { name: name.into(), platform: None, addresses: Vec::new(), runtime: None })
    }

    fn batch(session: &str, changes: Vec<ClusterChange>) -> DeltaBatch {
        DeltaBatch { session: session.into(), sequence: 3, changes }
    }

    #[test]
    fn messages_read_as_they_were_written() {
        let objects = [node("a"), node("b")];
        let part = SnapshotPart {
            agent_version: "0.1.0".to_owned(),
            kubernetes_version: Some("v".repeat(100)),
            session: "s-1".to_owned(),
            part: 7,
            last: true,
            objects: &objects[..],
        };
        let read = SnapshotPart::read(&gzipped(&part).unwrap()).unwrap();
        assert_eq!((read.part, read.last, read.objects.as_slice()), (7, true, &objects[..]));
        assert_eq!(read.kubernetes_version.unwrap().len(), 64);
        let gone = ObjectKey { kind: WatchedKind::Pod, namespace: "n".into(), name: "p".into() };
        let sent = batch("s", vec![ClusterChange::Set(node("a")), ClusterChange::Gone(gone)]);
        assert_eq!(DeltaBatch::read(&gzipped(&sent).unwrap()).unwrap(), sent);
        let json = serde_json::to_value(&sent).unwrap();
        assert_eq!(json["changes"][1]["of"]["kind"], "Pod", "{json}");
    }

    #[test]
    fn what_is_too_large_or_no_message_is_refused() {
        let many = batch("s", vec![ClusterChange::Set(node("a")); MAX_ITEMS + 1]);
        assert!(matches!(DeltaBatch::read(&gzipped(&many).unwrap()), Err(WireError::TooLarge)));
        // A bomb: a small body that stands for more than one may hold.
        let bomb = gzip(&vec![b' '; MAX_BODY_BYTES + 1]).unwrap();
        assert!(bomb.len() < MAX_BODY_BYTES / 50);
        assert!(matches!(SnapshotPart::read(&bomb), Err(WireError::TooLarge)));
        assert!(matches!(DeltaBatch::read(b"{}"), Err(WireError::Gzip(_))));
        assert!(matches!(DeltaBatch::read(&gzip(b"{}").unwrap()), Err(WireError::Json(_))));
        for session in ["", "a b", &"s".repeat(65)] {
            let sent = gzipped(&batch(session, Vec::new())).unwrap();
            assert!(matches!(DeltaBatch::read(&sent), Err(WireError::Session)), "{session}");
        }
    }

    #[test]
    fn a_body_takes_what_fits() {
        let small = vec![node("a"); MAX_ITEMS + 5];
        assert_eq!((fitting(&small), fitting(&small[..3]), fitting::<ClusterObject>(&[])), (MAX_ITEMS, 3, 0));
        let large = vec![node(&"n".repeat(3 << 20)); 4];
        let count = fitting(&large);
        assert_eq!(count, 2);
        assert!(
            DeltaBatch::read(
                &gzipped(&batch("s", large.into_iter().take(count).map(ClusterChange::Set).collect())).unwrap()
            )
            .is_ok()
        );
        assert_eq!(fitting(&[node(&"n".repeat(9 << 20))]), 1);
    }
}
