//! Pauses between attempts.

use std::time::Duration;

/// Pauses that double up to a bound, each somewhere in its upper half, so that many clients of a restarted server do not come
/// back at once.
#[derive(Debug)]
pub(super) struct Pause {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Pause {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// The next pause.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next.min(self.longest);
        self.next = pause * 2;
        jittered(pause)
    }

    /// Begins again with the first.
    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }
}

/// A duration between half of this one and all of it.
pub(super) fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_begin_again() {
        let second = Duration::from_secs(1);
        let mut pause = Pause::new(second, second * 5);
        for most in [1, 2, 4, 5, 5] {
            let next = pause.next();
            assert!(second * most / 2 <= next && next <= second * most, "{next:?} of {most}");
        }
        pause.reset();
        assert!(pause.next() <= second);
    }
}
