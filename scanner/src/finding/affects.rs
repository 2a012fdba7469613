//! Whether a record affects a version, and what fixes it: the evaluation of the OSV schema.
//!
//! Nothing is sorted: the state of a range at a version is what the last event at or below it says, and events of
//! one version count in the order they are written. So `introduced 0, fixed 0` is never affected, which is how
//! Alpine says that a package never was.

use std::cmp::Ordering;

use crate::advisory::{Affected, AffectedRange, RangeEvent};
use crate::version::{Scheme, compare};

/// The most fixes that are tried on one finding; the rest of a record's branches cannot make matching slow.
const MAX_FIXES_TRIED: usize = 32;

/// Whether the entry names the version, or one of its ranges holds it. An entry with neither affects nothing.
pub(super) fn affects(affected: &Affected, scheme: Scheme, version: &str) -> bool {
    affected.ranges.iter().any(|range| contains(range, scheme, version))
        || affected.versions.iter().any(|named| named == version)
        || affected.versions.iter().any(|named| compare(scheme, named, version).is_eq())
}

/// The smallest version above the installed one that none of the matching entries affects, among the fixes they name;
/// where an entry without a fix affects them all, the smallest that is safe for the entries that name fixes.
pub(super) fn smallest_fix(matching: &[&Affected], scheme: Scheme, installed: &str) -> Option<String> {
    let mut fixes: Vec<&str> = matching
        .iter()
        .flat_map(|affected| &affected.ranges)
        .flat_map(|range| &range.events)
        .filter_map(|event| match event {
            RangeEvent::Fixed(fix) if compare(scheme, fix, installed).is_gt() => Some(fix.as_str()),
            _ => None,
        })
        .collect();
    fixes.sort_by(|a, b| compare(scheme, a, b).then_with(|| a.cmp(b)));
    fixes.dedup();
    fixes.truncate(MAX_FIXES_TRIED);
    let names_fix = |affected: &&&Affected| {
        affected.ranges.iter().flat_map(|range| &range.events).any(|event| matches!(event, RangeEvent::Fixed(_)))
    };
    let fixing: Vec<&Affected> = matching.iter().filter(names_fix).copied().collect();
    [matching, &fixing]
        .into_iter()
        .find_map(|entries| fixes.iter().find(|fix| !entries.iter().any(|affected| affects(affected, scheme, fix))))
        .map(|fix| (*fix).to_owned())
}

fn contains(range: &AffectedRange, scheme: Scheme, version: &str) -> bool {
    if !before_limits(range, scheme, version) {
        return false;
    }
    let mut last: Option<(&str, bool)> = None;
    for event in &range.events {
        let (at, affected, reached) = match event {
            RangeEvent::Introduced(at) => (at, true, compare_event(scheme, version, at).is_ge()),
            RangeEvent::Fixed(at) => (at, false, compare_event(scheme, version, at).is_ge()),
            RangeEvent::LastAffected(at) => (at, false, compare_event(scheme, version, at).is_gt()),
            RangeEvent::Limit(_) => continue,
        };
        if reached && last.is_none_or(|(before, _)| compare_events(scheme, at, before).is_ge()) {
            last = Some((at, affected));
        }
    }
    last.is_some_and(|(_, affected)| affected)
}

/// Without a limit there is none; with several, being below one is enough; `*` is above every version.
fn before_limits(range: &AffectedRange, scheme: Scheme, version: &str) -> bool {
    let mut limits = range.events.iter().filter_map(|event| match event {
        RangeEvent::Limit(limit) => Some(limit.as_str()),
        _ => None,
    });
    let mut limited = false;
    let below = limits.any(|limit| {
        limited = true;
        limit == "*" || compare(scheme, version, limit).is_lt()
    });
    below || !limited
}

/// A version against an event's: `0` is before every version, whatever the scheme makes of it.
fn compare_event(scheme: Scheme, version: &str, at: &str) -> Ordering {
    if at == "0" { Ordering::Greater } else { compare(scheme, version, at) }
}

fn compare_events(scheme: Scheme, a: &str, b: &str) -> Ordering {
    match (a == "0", b == "0") {
        (false, false) => compare(scheme, a, b),
        (a, b) => b.cmp(&a),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Ecosystem;

    /// `+1` introduced, `-1` fixed, `=1` last affected, `^1` limit; `,` between ranges; after `|` named versions.
    fn affected(text: &str) -> Affected {
        let (ranges, versions) = text.split_once('|').unwrap_or((text, ""));
        let event = |word: &str| {
            let version = word[1..].to_owned();
            match &word[..1] {
                "+" => RangeEvent::Introduced(version),
                "-" => RangeEvent::Fixed(version),
                "=" => RangeEvent::LastAffected(version),
                _ => RangeEvent::Limit(version),
            }
        };
        Affected {
            ecosystem: Ecosystem::parse("Debian:12"),
            package: "a".into(),
            ranges: ranges
                .split(',')
                .map(|range| AffectedRange { events: range.split_whitespace().map(event).collect() })
                .collect(),
            versions: versions.split_whitespace().map(str::to_owned).collect(),
            ratings: Vec::new(),
        }
    }

    #[test]
    fn ranges_hold_what_the_schema_says() {
        for (text, inside, outside) in [
            ("+0 -2", "0~a 0 1 2~rc1", "2 3"),
            ("+1 -2", "1 1.5", "0 0.9 2 1~rc1"),
            ("+1 =2", "1 2", "0 2.0.1 3"),
            ("+1", "1 99", "0"),
            ("-2 +0", "0 1", "2"), // in any order
            ("-3 +2.5 -2 +1", "1 2.5 2.7", "0 2 2.2 3"),
            ("+1 -2,+3 -4", "1 3", "2 4"),
            ("+1 -2 +2 -3", "1 2 2.5", "3"), // events of one version, as written
            ("+0 -0", "", "0 1 0~a"),        // never affected
            ("+1 -1", "", "0 1 2"),
            ("+1 =1", "1", "0 2"),
            ("+0 ^2", "0 1", "2 3"),
            ("+0 ^2 ^*", "1 2 3", ""),
            ("+0 ^2 ^3", "2", "3"),
            ("-2", "", "1 2"), // nothing introduces it
            ("", "", "0 1"),
            ("|1 1.5", "1 1.5 1-0", "1.4 2"), // named exactly, or the same under the order
            ("+3|1", "1 3", "2"),
        ] {
            let affected = affected(text);
            for version in inside.split_whitespace() {
                assert!(affects(&affected, Scheme::Dpkg, version), "{text}: {version} is affected");
            }
            for version in outside.split_whitespace() {
                assert!(!affects(&affected, Scheme::Dpkg, version), "{text}: {version} is not affected");
            }
        }
    }

    #[test]
    fn a_fix_is_the_smallest_version_that_nothing_matching_affects() {
        for (texts, installed, fix) in [
            (&["+0 -2"][..], "1", Some("2")),
            (&["+0 -2,+3 -4"], "1", Some("2")),
            (&["+0 -2,+3 -4"], "3.5", Some("4")),
            (&["+0"], "1", None),
            (&["+0 =3"], "1", None),
            (&["+0 -2,+1 -3"], "1", Some("3")), // 2 is still affected by the second range
            (&["+0 -2", "+0 -2.1"], "1", Some("2.1")), // two records of one vulnerability
            (&["+0 -2", "+0"], "1", Some("2")), // one of them knows of no fix
            (&["+0 -2,+3 -4", "+0 =3"], "1", Some("4")), // one of them says only what is still affected
            (&["+0 -2|2"], "1", None),          // its own fix is named as affected
        ] {
            let entries: Vec<Affected> = texts.iter().map(|text| affected(text)).collect();
            let entries: Vec<&Affected> = entries.iter().collect();
            assert_eq!(smallest_fix(&entries, Scheme::Dpkg, installed).as_deref(), fix, "{texts:?} {installed}");
        }
    }
}
