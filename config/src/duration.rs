//! Owns spans of time as people write them: `5m`, `30d`, `1h30m`, `250ms`.

use std::time::Duration;

/// The longest span accepted: a hundred years. Adding it to any instant of now cannot overflow.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The units from large to small with their length in milliseconds.
const UNITS: [(&str, u64); 6] = [
    ("w", 7 * 24 * 60 * 60 * 1000),
    ("d", 24 * 60 * 60 * 1000),
    ("h", 60 * 60 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

/// Why a text is not a span of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not whole numbers with units from large to small.
    #[error("expected a duration with its unit, such as \"5m\", \"1h30m\" or \"30d\" (units w, d, h, m, s, ms)")]
    Form,
    /// Longer than a hundred years.
    #[error("longer than a hundred years")]
    TooLong,
}

/// Reads whole numbers with units `w`, `d`, `h`, `m`, `s` and `ms`, each unit at most once and
/// from large to small. A number without a unit is refused, since nobody can tell its unit.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(DurationError::Form);
    }
    let mut units = UNITS.as_slice();
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(leading(rest, |c| c.is_ascii_digit()));
        let (unit, after) = after.split_at(leading(after, |c| c.is_ascii_alphabetic()));
        let index = units.iter().position(|(name, _)| *name == unit).ok_or(DurationError::Form)?;
        if number.is_empty() {
            return Err(DurationError::Form);
        }
        let number: u64 = number.parse().map_err(|_| DurationError::TooLong)?;
        total = number
            .checked_mul(units[index].1)
            .and_then(|part| total.checked_add(part))
            .ok_or(DurationError::TooLong)?;
        units = &units[index + 1..];
        rest = after;
    }
    let total = Duration::from_millis(total);
    if total > LONGEST {
        return Err(DurationError::TooLong);
    }
    Ok(total)
}

/// The length in bytes of the run of matching characters at the start of a text.
fn leading(text: &str, matches: impl Fn(char) -> bool) -> usize {
    text.find(|c| !matches(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_written() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("5m", 300_000),
            ("0s", 0),
            ("1h30m", 5_400_000),
            ("48h", 172_800_000),
            ("1w1d", 691_200_000),
            ("400d", 34_560_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "5", "m", "5 m", "-5m", "30m1h", "1h1h", "1.5h", "5min", "5M", "٣m"] {
            assert_eq!(parse_duration(text), Err(DurationError::Form), "{text}");
        }
        for text in ["36501d", "99999999999999999999s", "18446744073709551615w"] {
            assert_eq!(parse_duration(text), Err(DurationError::TooLong), "{text}");
        }
    }
}
