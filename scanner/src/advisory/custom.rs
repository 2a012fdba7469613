//! The ranges Go's vulnerability database keeps beside those in Go's own versions (`custom_ranges`): versions as the project counts
//! them, where Go cannot see its releases (a module at v2 and above without `/v2` in its path).
//!
//! Such an entry's `ranges` are open at their end, `introduced: 0` mostly, since no version of Go's is known to be fixed. What the
//! project's own versions say takes the place of the open part. Where `ranges` end, they say it, and in other numbers at that: Vitess'
//! v0.17.7 is its release 17.0.7, so the two are never mixed.

use std::cmp::Ordering;

use super::{AffectedRange, RangeEvent};
use crate::version::{Scheme, compare};

/// Above every `v0.0.0-DATE-COMMIT`, under which Go knows a commit without a release; below every release.
const FIRST_RELEASE: &str = "0.0.0";

/// Puts what `custom` says in the place of the open end of `ranges`, where there is one. Commits without a release, which the project
/// does not count, stay affected as the open range has it, unless `custom` ends among them.
pub(super) fn close_with(ranges: &mut Vec<AffectedRange>, custom: &[AffectedRange]) {
    let mut closing = Vec::new();
    for range in ranges.iter_mut() {
        let Some(RangeEvent::Introduced(start)) = range.events.last().cloned() else { continue };
        let above: Vec<AffectedRange> = custom.iter().filter_map(|custom| from(&start, custom)).collect();
        if above.is_empty() {
            continue;
        }
        let commits = order(&start, FIRST_RELEASE).is_lt();
        let releases = above.iter().flat_map(|range| &range.events);
        if commits && releases.map(RangeEvent::version).any(|at| order(at, FIRST_RELEASE).is_gt()) {
            range.events.push(RangeEvent::Fixed(FIRST_RELEASE.to_owned()));
        } else {
            range.events.pop();
        }
        closing.extend(above);
    }
    ranges.retain(|range| !range.events.is_empty());
    ranges.extend(closing);
}

/// The part of a range from a version on; `None` where nothing of it is left.
fn from(start: &str, custom: &AffectedRange) -> Option<AffectedRange> {
    let mut events = custom.events.clone();
    events.sort_by(|a, b| order(a.version(), b.version()));
    let above = events.partition_point(|event| order(event.version(), start).is_le());
    let inside = events[..above].last().is_some_and(|event| matches!(event, RangeEvent::Introduced(_)));
    events.drain(..above);
    if inside {
        events.insert(0, RangeEvent::Introduced(start.to_owned()));
    }
    (!events.is_empty()).then_some(AffectedRange { events })
}

/// The order of Go's versions, `0` before all.
fn order(a: &str, b: &str) -> Ordering {
    match (a == "0", b == "0") {
        (false, false) => compare(Scheme::Go, a, b),
        (a, b) => b.cmp(&a),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `+1` introduced, `-1` fixed; `,` between ranges.
    fn ranges(text: &str) -> Vec<AffectedRange> {
        let event = |word: &str| match word.split_at(1) {
            ("+", at) => RangeEvent::Introduced(at.into()),
            (_, at) => RangeEvent::Fixed(at.into()),
        };
        let range = |text: &str| AffectedRange { events: text.split_whitespace().map(event).collect() };
        text.split(',').filter(|text| !text.trim().is_empty()).map(range).collect()
    }

    #[test]
    fn an_open_end_is_closed_and_nothing_else_is_touched() {
        for (own, custom, expected) in [
            ("+0", "+0 -6.4.4", "+0 -0.0.0,+0 -6.4.4"),
            ("+0", "+4.0.0 -4.11.0", "+0 -0.0.0,+4.0.0 -4.11.0"),
            ("+0", "+10.0.0", "+0 -0.0.0,+10.0.0"), // no fix is known, but where it begins
            ("+2.0.0+incompatible", "+0 -2.4.16 +2.5.0 -2.5.9", "+2.0.0+incompatible -2.4.16 +2.5.0 -2.5.9"),
            ("+0 -0.0.0-2025 +0.1.0", "+0 -2.3.2", "+0 -0.0.0-2025,+0.1.0 -2.3.2"),
            // The project has no releases: its commits are told apart.
            ("+0.0.0-20250114", "+0 -0.0.0-20250521", "+0.0.0-20250114 -0.0.0-20250521"),
            // In no order.
            ("+2.0.0", "+3.0.0 -3.1.0 +1.0.0 -2.1.0", "+2.0.0 -2.1.0 +3.0.0 -3.1.0"),
            // Another numbering.
            ("+0 -0.17.7", "+0 -17.0.7", "+0 -0.17.7"),
            ("+0.7.2", "+0 -0.7.1", "+0.7.2"), // does not reach so far
            ("+0", "", "+0"),
        ] {
            let mut closed = ranges(own);
            close_with(&mut closed, &ranges(custom));
            assert_eq!(closed, ranges(expected), "{own} | {custom}");
        }
    }
}
