//! The time, as something handed in: tests set it, everything else reads the system's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A source of the current time in whole seconds since the epoch, UTC.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands where it is put; clones share the hand.
    pub fn set(seconds: i64) -> Self {
        Self(Source::Set(Arc::new(AtomicI64::new(seconds))))
    }

    /// Moves a set clock forward; the system's clock does not listen.
    pub fn advance(&self, seconds: i64) {
        if let Source::Set(now) = &self.0 {
            now.fetch_add(seconds, Ordering::Relaxed);
        }
    }

    /// Seconds since the epoch.
    pub fn now(&self) -> i64 {
        match &self.0 {
            Source::System => {
                let elapsed = system_time().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
            }
            Source::Set(now) => now.load(Ordering::Relaxed),
        }
    }
}

/// The system's time, for files, whose times it also sets.
#[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
pub fn system_time() -> SystemTime {
    SystemTime::now()
}

/// `seconds` since the epoch as RFC 3339 in UTC, the one form of time in the API.
pub fn rfc3339(seconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(&Rfc3339).unwrap_or_default()
}

/// The seconds since the epoch that [`rfc3339`] wrote; `None` where it did not.
pub fn seconds(instant: &str) -> Option<i64> {
    Some(OffsetDateTime::parse(instant, &Rfc3339).ok()?.unix_timestamp())
}

/// A span of seconds in the largest unit that says enough.
pub fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_clock_moves_only_when_moved() {
        let clock = Clock::set(1_700_000_000);
        let same = clock.clone();
        clock.advance(60);
        assert_eq!(same.now(), 1_700_000_060);
        assert_eq!(rfc3339(same.now()), "2023-11-14T22:14:20Z");
        assert_eq!((seconds("2023-11-14T22:14:20Z"), seconds("yesterday")), (Some(same.now()), None));
    }

    #[test]
    fn an_age_is_in_the_largest_unit_that_says_enough() {
        let ages = [-5, 59, 60, 7200, 172_799, 172_800].map(age);
        assert_eq!(ages, ["0 s", "59 s", "1 min", "2 h", "47 h", "2 days"]);
    }
}
