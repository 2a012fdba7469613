//! Who has shown that they may read a repository, for upstreams with `access = "client"`.
//!
//! A proof is one successful answer of the upstream to the client's own credentials. It is remembered briefly, in memory only,
//! under a salted hash of the credentials; the credentials themselves stay beside it so that layers the client does not ask for
//! can be fetched in its name while the proof lasts.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use weir_scanner::oci::Digest;

use super::Location;
use crate::upstream::ClientAuth;

/// Seconds a proof is remembered. A revoked permission is honoured after at most this long.
const REMEMBERED_SECONDS: i64 = 120;
/// Most proofs remembered at once.
const MOST: usize = 65_536;

/// The credentials a client presented: none, or its `Authorization` header.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identity(Option<String>);

impl Identity {
    /// The identity of a request by its `Authorization` header.
    pub fn new(authorization: Option<&str>) -> Self {
        Self(authorization.map(str::to_owned))
    }

    /// Credentials for the upstream: the client's own.
    pub fn credentials(&self) -> ClientAuth {
        ClientAuth::Relayed(self.0.clone())
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Identity(***)" } else { "Identity(anonymous)" })
    }
}

struct Proof {
    identity: Identity,
    until: i64,
}

/// The remembered proofs.
#[derive(Default)]
pub struct Proofs {
    salt: RandomState,
    entries: Mutex<HashMap<(Location, u64), Proof>>,
}

impl Proofs {
    /// Remembers that the upstream let `identity` read `location` at `now` (seconds since the epoch).
    pub fn remember(&self, location: &Location, identity: &Identity, now: i64) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST {
            entries.retain(|_, proof| proof.until > now);
        }
        if entries.len() < MOST {
            let proof = Proof { identity: identity.clone(), until: now + REMEMBERED_SECONDS };
            entries.insert((location.clone(), self.salt.hash_one(identity)), proof);
        }
    }

    /// Whether `identity` has proven itself for `location` and the proof still holds.
    pub fn holds(&self, location: &Location, identity: &Identity, now: i64) -> bool {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (location.clone(), self.salt.hash_one(identity));
        entries.get(&key).is_some_and(|proof| proof.until > now && proof.identity == *identity)
    }

    /// Withdraws what was remembered, after the upstream refused `identity`.
    pub fn forget(&self, location: &Location, identity: &Identity) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.remove(&(location.clone(), self.salt.hash_one(identity)));
    }

    /// Somebody who may read `location` now, for fetches in the background.
    pub fn anyone(&self, location: &Location, now: i64) -> Option<Identity> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries
            .iter()
            .find(|((place, _), proof)| place == location && proof.until > now)
            .map(|(_, proof)| proof.identity.clone())
    }
}

/// The key under which a 404 for one piece of content of one repository is remembered.
pub(super) fn missing_key(location: &Location, what: &str) -> String {
    format!("{location} {what}")
}

/// The same for a digest.
pub(super) fn missing_digest(location: &Location, digest: &Digest) -> String {
    missing_key(location, &digest.to_string())
}

#[cfg(test)]
mod tests {
    use weir_scanner::oci::Repository;

    use super::*;

    fn location(repository: &str) -> Location {
        Location { upstream: "ghcr.io".into(), repository: Repository::parse(repository).unwrap() }
    }

    #[test]
    fn a_proof_serves_one_identity_in_one_repository_for_a_while() {
        let proofs = Proofs::default();
        let alice = Identity::new(Some("Bearer a"));
        proofs.remember(&location("a/private"), &alice, 1000);
        assert!(proofs.holds(&location("a/private"), &alice, 1119));
        assert!(!proofs.holds(&location("a/private"), &alice, 1120));
        assert!(!proofs.holds(&location("a/other"), &alice, 1000));
        for other in [Identity::new(Some("Bearer b")), Identity::new(None)] {
            assert!(!proofs.holds(&location("a/private"), &other, 1000));
        }
        assert_eq!(proofs.anyone(&location("a/private"), 1000), Some(alice.clone()));
        proofs.forget(&location("a/private"), &alice);
        assert_eq!(proofs.anyone(&location("a/private"), 1000), None);
    }

    #[test]
    fn credentials_never_print() {
        assert_eq!(format!("{:?}", Identity::new(Some("Bearer secret"))), "Identity(***)");
    }
}
