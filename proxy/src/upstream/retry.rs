//! When to try a request again, and after how long.

use std::time::Duration;

/// How often and how patiently idempotent requests are tried.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Tries in all, the first included.
    pub attempts: u32,
    /// Upper bound of the first wait; it doubles with each.
    pub first_wait: Duration,
    /// Upper bound of any wait.
    pub longest_wait: Duration,
    /// The longest `Retry-After` that is waited out; a longer one ends the tries.
    pub longest_retry_after: Duration,
    /// No try starts later than this after the first began.
    pub deadline: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 3,
            first_wait: Duration::from_millis(250),
            longest_wait: Duration::from_secs(2),
            longest_retry_after: Duration::from_secs(3),
            deadline: Duration::from_secs(10),
        }
    }
}

impl RetryPolicy {
    /// The wait before the next try, or `None` to give up. `tried` counts tries so far, `elapsed` the time since the first
    /// began, `retry_after` what the upstream asked for, `jitter` is uniform in 0..1.
    pub(crate) fn wait(
        &self,
        tried: u32,
        elapsed: Duration,
        retry_after: Option<Duration>,
        jitter: f64,
    ) -> Option<Duration> {
        if tried >= self.attempts {
            return None;
        }
        let ceiling = (self.first_wait * 2_u32.saturating_pow(tried.saturating_sub(1))).min(self.longest_wait);
        // Between half the ceiling and all of it: spread out, yet never at once.
        let backoff = ceiling.mul_f64(0.5 + jitter / 2.0);
        let wait = match retry_after {
            Some(asked) if asked > self.longest_retry_after => return None,
            Some(asked) => backoff.max(asked),
            None => backoff,
        };
        (elapsed + wait < self.deadline).then_some(wait)
    }
}

/// Reads `Retry-After`: seconds, or an HTTP date (RFC 9110 section 10.2.3) relative to `now`.
pub(crate) fn parse_retry_after(text: &str, now: time::OffsetDateTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let format = time::macros::format_description!(
        version = 2,
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let at = time::PrimitiveDateTime::parse(text, format).ok()?.assume_utc();
    Some(Duration::try_from(at - now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_within_their_bounds() {
        let policy = RetryPolicy {
            attempts: 9,
            first_wait: SECOND,
            longest_wait: SECOND * 3,
            deadline: SECOND * 100,
            ..RetryPolicy::default()
        };
        let ceilings: Vec<_> = (1..5).map(|tried| policy.wait(tried, Duration::ZERO, None, 1.0)).collect();
        assert_eq!(ceilings, [Some(SECOND), Some(SECOND * 2), Some(SECOND * 3), Some(SECOND * 3)]);
        assert_eq!(policy.wait(1, Duration::ZERO, None, 0.0), Some(SECOND / 2));
    }

    #[test]
    fn attempts_deadline_and_long_requests_end_it() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.wait(3, Duration::ZERO, None, 0.5), None);
        assert_eq!(policy.wait(1, Duration::from_secs(10), None, 0.5), None);
        assert_eq!(policy.wait(1, Duration::ZERO, Some(SECOND * 2), 0.5), Some(SECOND * 2));
        assert_eq!(policy.wait(1, Duration::ZERO, Some(SECOND * 60), 0.5), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = time::macros::datetime!(2026-11-23 05:00:00 UTC);
        assert_eq!(parse_retry_after("7", now), Some(SECOND * 7));
        assert_eq!(parse_retry_after("Mon, 23 Nov 2026 05:00:30 GMT", now), Some(SECOND * 30));
        assert_eq!(parse_retry_after("Mon, 23 Nov 2026 04:00:30 GMT", now), Some(Duration::ZERO));
        assert_eq!(parse_retry_after("soon", now), None);
    }
}
