//! Who fetches what.
//!
//! Owns the table of blobs being written, and with it the promise that one digest never has two writers whose bytes
//! others could join: [`BlobStore::claim`] gives the first caller the writer and everyone else a reader. A blob is in
//! the table until it is stored, so that a claim always finds one or the other.
//!
//! The one exception is a blob the disk takes no more, see [`growth`](super::growth): once its first bytes are gone,
//! the next caller becomes the writer of an independent fetch.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use weir_scanner::oci::Digest;

use super::growth::{Follower, Growth};
use super::reader::BlobReader;
use super::store::BlobStore;
use super::writer::BlobWriter;

/// What a caller who wants a blob gets.
#[derive(Debug)]
pub enum Claim {
    /// The blob is stored: read it.
    Stored(BlobReader),
    /// Somebody is fetching it: follow.
    Joined(BlobReader),
    /// Nobody has it: fetch it into the writer, in a task of its own, and follow it with the reader as everyone else.
    Fetch(BlobWriter, BlobReader),
}

impl BlobStore {
    /// Asks for a blob. Never fails: where the disk does, the caller fetches.
    pub async fn claim(&self, digest: &Digest) -> Claim {
        let shared = &self.shared;
        loop {
            let ended = match shared.flights.join(digest) {
                Ok(follower) => return Claim::Joined(BlobReader::growing(Arc::clone(shared), *digest, follower)),
                Err(ended) => ended,
            };
            if let Some(reader) = self.open_stored(digest).await {
                return Claim::Stored(reader);
            }
            match shared.flights.begin(digest, ended) {
                Begin::Joined(follower) => {
                    return Claim::Joined(BlobReader::growing(Arc::clone(shared), *digest, follower));
                }
                Begin::Started(growth) => {
                    let writer = BlobWriter::new(Arc::clone(shared), *digest, growth);
                    let reader = writer.reader();
                    return Claim::Fetch(writer, reader);
                }
                Begin::LookAgain => {}
            }
        }
    }
}

/// The blobs being written.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    growing: HashMap<Digest, Arc<Growth>>,
    /// How many flights have ended, so that one which ended while a caller looked at the disk is noticed.
    ended: u64,
}

enum Begin {
    Joined(Follower),
    Started(Arc<Growth>),
    /// A flight ended since the caller looked at the disk: what it looked for may be there now.
    LookAgain,
}

impl Flights {
    /// Follows the blob if it is being written; else how many flights have ended so far.
    fn join(&self, digest: &Digest) -> Result<Follower, u64> {
        let table = super::lock(&self.0);
        table.growing.get(digest).and_then(Growth::follow).ok_or(table.ended)
    }

    /// Makes the caller the writer, unless there is one or one has just ended.
    fn begin(&self, digest: &Digest, ended: u64) -> Begin {
        let mut table = super::lock(&self.0);
        if let Some(follower) = table.growing.get(digest).and_then(Growth::follow) {
            return Begin::Joined(follower);
        }
        if table.ended != ended {
            return Begin::LookAgain;
        }
        let growth = Growth::new();
        table.growing.insert(*digest, Arc::clone(&growth));
        Begin::Started(growth)
    }

    /// Takes a blob that is stored or has failed off the table.
    pub(crate) fn end(&self, digest: &Digest, growth: &Arc<Growth>) {
        let mut table = super::lock(&self.0);
        table.ended += 1;
        if table.growing.get(digest).is_some_and(|current| Arc::ptr_eq(current, growth)) {
            table.growing.remove(digest);
        }
    }

    /// Whether the blob is being written.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        super::lock(&self.0).growing.contains_key(digest)
    }

    /// How many blobs are being written, and how many bytes their files hold.
    pub(crate) fn partial(&self) -> (usize, u64) {
        let table = super::lock(&self.0);
        (table.growing.len(), table.growing.values().map(|growth| growth.on_disk()).sum())
    }
}
