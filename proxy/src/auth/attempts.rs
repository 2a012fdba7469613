//! How often one may try to sign in: a bucket of tries for each address, and one for all of them.
//!
//! Owns the count. Invariant: memory is bounded however many addresses come; those that find no room share one bucket.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Tries an address may make at once.
const OF_ADDRESS: Bucket = Bucket { tries: 10, seconds: 6 };
/// Tries that all addresses together may make at once.
const OF_ALL: Bucket = Bucket { tries: 200, seconds: 1 };
/// Addresses that are remembered.
const ADDRESSES: usize = 10_000;

/// How a bucket fills.
#[derive(Clone, Copy)]
struct Bucket {
    /// What it holds.
    tries: i64,
    /// After how many seconds it gets one more.
    seconds: i64,
}

/// Tries to sign in, counted. Clones share the counts.
#[derive(Clone, Default)]
pub struct Attempts(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    addresses: HashMap<IpAddr, Level>,
    strangers: Level,
    all: Level,
}

/// How much of a bucket is spent: the time at which it will be full again, seconds since the epoch.
#[derive(Clone, Copy, Default)]
struct Level {
    full_at: i64,
}

impl Level {
    /// Takes one try, or says in how many seconds there will be one.
    fn take(&mut self, bucket: Bucket, now: i64) -> Result<(), u32> {
        let capacity = bucket.tries * bucket.seconds;
        // A clock that was set back must not keep anyone out for longer than an empty bucket does.
        self.full_at = self.full_at.min(now + capacity);
        let after = (self.full_at - now).max(0) + bucket.seconds;
        if after > capacity {
            return Err(u32::try_from(after - capacity).unwrap_or(u32::MAX));
        }
        self.full_at = now + after;
        Ok(())
    }
}

impl Attempts {
    /// Counts a try from `address` at `now` (seconds since the epoch).
    ///
    /// # Errors
    /// There were too many: in how many seconds the next is allowed.
    pub fn take(&self, address: IpAddr, now: i64) -> Result<(), u32> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Counts { addresses, strangers, all } = &mut *counts;
        let key = whose(address);
        if addresses.len() >= ADDRESSES && !addresses.contains_key(&key) {
            addresses.retain(|_, level| level.full_at > now);
        }
        let room = addresses.len() < ADDRESSES || addresses.contains_key(&key);
        let level = if room { addresses.entry(key).or_default() } else { strangers };
        // Its own bucket first: one address that tries on and on leaves the tries of all alone.
        level.take(OF_ADDRESS, now)?;
        all.take(OF_ALL, now)
    }

    /// Gives a try back to `address`: it led to a session, so that a proxy that many people sign in through is not taken for one who
    /// guesses.
    pub fn give_back(&self, address: IpAddr) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(level) = counts.addresses.get_mut(&whose(address)) {
            level.full_at -= OF_ADDRESS.seconds;
        }
    }
}

/// The address a try is counted under: people get whole networks of IPv6 addresses, 64 bits wide.
fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn an_address_gets_some_tries_and_then_one_every_few_seconds() {
        let attempts = Attempts::default();
        let take = |now| attempts.take(address(1), now);
        for _ in 0..10 {
            assert_eq!(take(1000), Ok(()));
        }
        assert_eq!((take(1000), take(1001)), (Err(6), Err(5)));
        assert_eq!(attempts.take(address(2), 1001), Ok(()), "another is not held up");
        assert_eq!((take(1006), take(1006)), (Ok(()), Err(6)));
        assert_eq!(
            (take(900), take(905), take(906)),
            (Err(6), Err(1), Ok(())),
            "a clock that goes back keeps nobody out"
        );
    }

    #[test]
    fn a_try_that_led_to_a_session_does_not_count() {
        let attempts = Attempts::default();
        for _ in 0..50 {
            assert_eq!(attempts.take(address(1), 1000), Ok(()));
            attempts.give_back(address(1));
        }
        attempts.give_back(address(2));
        let granted = (0..20).filter(|_| attempts.take(address(1), 1000).is_ok()).count();
        assert_eq!(granted, 10, "no more than there were");
    }

    #[test]
    fn all_addresses_together_get_so_many_tries() {
        let attempts = Attempts::default();
        let granted = (0..300).filter(|number| attempts.take(address(*number), 1000).is_ok()).count();
        assert_eq!(granted, 200);
        assert_eq!(attempts.take(address(999), 1001), Ok(()));
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_and_an_embedded_address_as_itself() {
        assert_eq!(whose("2001:db8:1:2:3::4".parse().unwrap()), whose("2001:db8:1:2:ffff::1".parse().unwrap()));
        assert_ne!(whose("2001:db8:1:2::".parse().unwrap()), whose("2001:db8:1:3::".parse().unwrap()));
        assert_eq!(whose("::ffff:10.0.0.1".parse().unwrap()), "10.0.0.1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn memory_is_bounded_and_those_that_find_no_room_share_a_bucket() {
        let attempts = Attempts::default();
        // Long after the strangers come, so that none of these makes room for them.
        let full = 2000;
        {
            let mut counts = attempts.0.lock().unwrap();
            for number in 0..u32::try_from(ADDRESSES).unwrap() {
                counts.addresses.insert(address(number), Level { full_at: full });
            }
        }
        let strangers = (0..20).filter(|number| attempts.take(address(50_000 + number), 1000).is_ok()).count();
        assert_eq!(strangers, 10);
        assert_eq!(attempts.0.lock().unwrap().addresses.len(), ADDRESSES);
        assert_eq!(attempts.take(address(50_000), full), Ok(()));
        assert_eq!(attempts.0.lock().unwrap().addresses.len(), 1, "those whose buckets are full again are forgotten");
    }
}
