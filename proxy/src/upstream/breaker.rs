//! Stops asking an upstream that keeps failing, so that what is stored is served at once.
//!
//! A state machine that is handed the time. Closed until a number of failures in a row; then open for a while; then one
//! request probes. The wait doubles with every failed probe, up to a maximum.

use std::time::Duration;

use tokio::time::Instant;

/// When a breaker opens and for how long.
#[derive(Clone, Copy, Debug)]
pub struct BreakerSettings {
    /// Failures in a row that open it.
    pub failures: u32,
    /// How long it stays open the first time.
    pub first_wait: Duration,
    /// How long it stays open at most.
    pub longest_wait: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, first_wait: Duration::from_secs(10), longest_wait: Duration::from_secs(60) }
    }
}

/// The breaker of one upstream.
#[derive(Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, wait: Duration },
    Probing { wait: Duration },
}

/// Whether a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It may; its outcome must be reported.
    Admitted,
    /// It may not, for at least this long.
    Refused(Duration),
}

impl Breaker {
    /// A closed breaker.
    pub(crate) fn new(settings: BreakerSettings) -> Self {
        Self { settings, state: State::Closed { failures: 0 } }
    }

    pub(crate) fn admit(&mut self, now: Instant) -> Admission {
        match self.state {
            State::Closed { .. } => Admission::Admitted,
            State::Open { until, wait } if now >= until => {
                self.state = State::Probing { wait };
                Admission::Admitted
            }
            State::Open { until, .. } => Admission::Refused(until - now),
            State::Probing { .. } => Admission::Refused(Duration::ZERO),
        }
    }

    /// Whether it holds requests back, or lets single ones probe.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed { .. })
    }

    /// The upstream answered, whatever it said.
    pub(crate) fn succeeded(&mut self) {
        self.state = State::Closed { failures: 0 };
    }

    /// The upstream did not answer, or answered that it is broken.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.state = match self.state {
            State::Closed { failures } if failures + 1 < self.settings.failures => {
                State::Closed { failures: failures + 1 }
            }
            State::Closed { .. } => {
                State::Open { until: now + self.settings.first_wait, wait: self.settings.first_wait }
            }
            State::Probing { wait } => {
                let wait = (wait * 2).min(self.settings.longest_wait);
                State::Open { until: now + wait, wait }
            }
            // A request admitted before it opened; it says nothing new.
            State::Open { .. } => self.state,
        };
    }

    /// An admitted request ended without an outcome, because its caller left. The next one may probe.
    pub(crate) fn abandoned(&mut self, now: Instant) {
        if let State::Probing { wait } = self.state {
            self.state = State::Open { until: now, wait };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: BreakerSettings =
        BreakerSettings { failures: 3, first_wait: Duration::from_secs(10), longest_wait: Duration::from_secs(30) };

    fn open(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(SETTINGS);
        for _ in 0..3 {
            assert_eq!(breaker.admit(now), Admission::Admitted);
            breaker.failed(now);
        }
        breaker
    }

    #[test]
    fn opens_after_failures_in_a_row_only() {
        let now = Instant::now();
        let mut breaker = Breaker::new(SETTINGS);
        for _ in 0..5 {
            breaker.failed(now);
            breaker.failed(now);
            breaker.succeeded();
        }
        assert_eq!(breaker, open_never());
        assert_eq!(open(now).admit(now), Admission::Refused(Duration::from_secs(10)));
    }

    #[test]
    fn one_probe_decides_and_waits_grow_to_the_maximum() {
        let mut now = Instant::now();
        let mut breaker = open(now);
        for wait in [10, 20, 30, 30] {
            assert!(matches!(breaker.admit(now), Admission::Refused(left) if left == Duration::from_secs(wait)));
            now += Duration::from_secs(wait);
            assert_eq!(breaker.admit(now), Admission::Admitted);
            assert!(matches!(breaker.admit(now), Admission::Refused(_)), "one probe at a time");
            breaker.failed(now);
        }
        now += Duration::from_secs(30);
        assert_eq!(breaker.admit(now), Admission::Admitted);
        assert!(breaker.is_open(), "until the probe has succeeded");
        breaker.succeeded();
        assert_eq!((breaker.is_open(), breaker), (false, open_never()));
    }

    #[test]
    fn an_abandoned_probe_leaves_room_for_the_next() {
        let mut now = Instant::now();
        let mut breaker = open(now);
        now += Duration::from_secs(10);
        assert_eq!(breaker.admit(now), Admission::Admitted);
        breaker.abandoned(now);
        assert_eq!(breaker.admit(now), Admission::Admitted);
    }

    fn open_never() -> Breaker {
        Breaker::new(SETTINGS)
    }

    impl PartialEq for Breaker {
        fn eq(&self, other: &Self) -> bool {
            self.state == other.state
        }
    }
}
