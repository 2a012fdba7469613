//! Whether a record affects a version, and what fixes it: the evaluation of the OSV schema.
//!
//! Nothing is sorted: the state of a range at a version is what the last event at or below it says, and events of
//! one version count in the order they are written. So `introduced 0, fixed 0` is never affected, which is how
//! Alpine says that a package never was.

use std::cmp::Ordering;

use super::module::{is_modular, without_build};
use super::query::{Query, QueryName};
use crate::advisory::{Affected, AffectedRange, RangeEvent};
use crate::version::{Scheme, compare};

/// The most fixes that are tried on one finding; the rest of a record's branches cannot make matching slow.
const MAX_FIXES_TRIED: usize = 32;
/// The most fixes that are kept besides the smallest.
const MAX_OTHER_FIXES: usize = 8;

/// How the versions of one name compare in one feed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order(Scheme);

impl Order {
    /// The order of a question's name.
    pub(super) fn of(query: &Query, name: &QueryName) -> Self {
        Self(if name.without_epoch { Scheme::RpmWithoutEpoch } else { query.scheme })
    }

    fn compare(self, a: &str, b: &str) -> Ordering {
        if is_modular(a) && is_modular(b) {
            return compare(self.0, &without_build(a), &without_build(b));
        }
        compare(self.0, a, b)
    }

    /// A version against an event's: `0` is before every version, whatever the scheme makes of it.
    fn compare_event(self, version: &str, at: &str) -> Ordering {
        if at == "0" { Ordering::Greater } else { self.compare(version, at) }
    }

    fn compare_events(self, a: &str, b: &str) -> Ordering {
        match (a == "0", b == "0") {
            (false, false) => self.compare(a, b),
            (a, b) => b.cmp(&a),
        }
    }
}

/// An entry that matched, with the name and version it was asked for by.
#[derive(Clone, Copy)]
pub(super) struct Hit<'a> {
    pub(super) affected: &'a Affected,
    pub(super) order: Order,
    pub(super) installed: &'a str,
}

/// What a finding's entries say of its fixes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fixes {
    /// The smallest version that helps.
    pub(super) smallest: Option<String>,
    /// Those of other branches, in ascending order.
    pub(super) others: Vec<String>,
}

/// Whether the entry names the version, or one of its ranges holds it. An entry with neither affects nothing.
pub(super) fn affects(affected: &Affected, order: Order, version: &str) -> bool {
    affected.ranges.iter().any(|range| contains(range, order, version))
        || affected.versions.iter().any(|named| named == version)
        || affected.versions.iter().any(|named| order.compare(named, version).is_eq())
}

/// The fixes above the installed version that the entries name. The smallest is one that no entry of its name affects; where an
/// entry without a fix affects them all, one that is safe for the entries that name fixes.
pub(super) fn fixes(hits: &[Hit<'_>]) -> Fixes {
    let mut found: Vec<(&str, Order)> = hits
        .iter()
        .flat_map(|hit| fixes_of(hit.affected).map(move |fix| (hit, fix)))
        .filter(|(hit, fix)| hit.order.compare(fix, hit.installed).is_gt())
        .map(|(hit, fix)| (fix, hit.order))
        .collect();
    let Some(order) = hits.first().map(|hit| hit.order) else { return Fixes::default() };
    found.sort_by(|(a, _), (b, _)| order.compare(a, b).then_with(|| a.cmp(b)));
    found.dedup_by(|(a, _), (b, _)| a == b);
    found.truncate(MAX_FIXES_TRIED);
    let fixing: Vec<Hit<'_>> = hits.iter().filter(|hit| fixes_of(hit.affected).next().is_some()).copied().collect();
    let smallest = [hits, &fixing].into_iter().find_map(|hits| {
        found.iter().position(|(fix, _)| !hits.iter().any(|hit| affects(hit.affected, hit.order, fix)))
    });
    let Some(smallest) = smallest else { return Fixes::default() };
    let others = found.iter().enumerate().filter(|(index, _)| *index != smallest);
    Fixes {
        others: others.map(|(_, (fix, _))| (*fix).to_owned()).take(MAX_OTHER_FIXES).collect(),
        smallest: Some(found[smallest].0.to_owned()),
    }
}

fn fixes_of(affected: &Affected) -> impl Iterator<Item = &str> {
    affected.ranges.iter().flat_map(|range| &range.events).filter_map(|event| match event {
        RangeEvent::Fixed(fix) => Some(fix.as_str()),
        _ => None,
    })
}

fn contains(range: &AffectedRange, order: Order, version: &str) -> bool {
    if !before_limits(range, order, version) {
        return false;
    }
    let mut last: Option<(&str, bool)> = None;
    for event in &range.events {
        let (at, affected, reached) = match event {
            RangeEvent::Introduced(at) => (at, true, order.compare_event(version, at).is_ge()),
            RangeEvent::Fixed(at) => (at, false, order.compare_event(version, at).is_ge()),
            RangeEvent::LastAffected(at) => (at, false, order.compare_event(version, at).is_gt()),
            RangeEvent::Limit(_) => continue,
        };
        if reached && last.is_none_or(|(before, _)| order.compare_events(at, before).is_ge()) {
            last = Some((at, affected));
        }
    }
    last.is_some_and(|(_, affected)| affected)
}

/// Without a limit there is none; with several, being below one is enough; `*` is above every version.
fn before_limits(range: &AffectedRange, order: Order, version: &str) -> bool {
    let mut limits = range.events.iter().filter_map(|event| match event {
        RangeEvent::Limit(limit) => Some(limit.as_str()),
        _ => None,
    });
    let mut limited = false;
    let below = limits.any(|limit| {
        limited = true;
        limit == "*" || order.compare(version, limit).is_lt()
    });
    below || !limited
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
            binaries: Vec::new(),
            imports: Vec::new(),
            ratings: Vec::new(),
        }
    }

    const DPKG: Order = Order(Scheme::Dpkg);

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
                assert!(affects(&affected, DPKG, version), "{text}: {version} is affected");
            }
            for version in outside.split_whitespace() {
                assert!(!affects(&affected, DPKG, version), "{text}: {version} is not affected");
            }
        }
    }

    #[test]
    fn a_fix_is_the_smallest_version_that_nothing_matching_affects() {
        for (texts, installed, fix, others) in [
            (&["+0 -2"][..], "1", Some("2"), &[][..]),
            (&["+0 -2,+3 -4"], "1", Some("2"), &["4"]),
            (&["+0 -2,+3 -4"], "3.5", Some("4"), &[]),
            (&["+0"], "1", None, &[]),
            (&["+0 =3"], "1", None, &[]),
            (&["+0 -2,+1 -3"], "1", Some("3"), &["2"]), // 2 is still affected by the second range
            (&["+0 -2", "+0 -2.1"], "1", Some("2.1"), &["2"]), // two records of one vulnerability
            (&["+0 -2", "+0"], "1", Some("2"), &[]),    // one of them knows of no fix
            (&["+0 -2,+3 -4", "+0 =3"], "1", Some("4"), &["2"]), // one of them says only what is still affected
            (&["+0 -2|2"], "1", None, &[]),             // its own fix is named as affected
        ] {
            let entries: Vec<Affected> = texts.iter().map(|text| affected(text)).collect();
            let hits: Vec<Hit<'_>> = entries.iter().map(|affected| Hit { affected, order: DPKG, installed }).collect();
            let expected = Fixes {
                smallest: fix.map(str::to_owned),
                others: others.iter().map(|fix| (*fix).to_owned()).collect(),
            };
            assert_eq!(fixes(&hits), expected, "{texts:?} {installed}");
        }
    }

    #[test]
    fn an_epoch_that_is_not_known_is_compared_on_neither_side() {
        let entry = affected("+0 -1:11.0.13-1");
        let (known, unknown) = (Order(Scheme::Rpm), Order(Scheme::RpmWithoutEpoch));
        assert!(affects(&entry, known, "11.0.14-1") && !affects(&entry, unknown, "11.0.14-1"));
        assert!(affects(&entry, unknown, "11.0.12-1") && affects(&entry, unknown, "2:11.0.12-1"));
    }

    #[test]
    fn rebuilds_of_a_module_are_one_release() {
        let entry = affected("+0 -1.0-2.module_el8.5.0+119+9a9ec082");
        for (version, inside) in [
            ("1.0-1.module_el8.5.0+119+9a9ec082", true),
            ("1.0-2.module_el8.3.0+2044+12421f43", false),
            ("1.0-2.module_el8.6.0+9+aaaaaaaa", false),
        ] {
            assert_eq!(affects(&entry, Order(Scheme::Rpm), version), inside, "{version}");
        }
        let further = affected("+0 -1.0-2.module_el8.5.0+119+9a9ec082.1");
        assert!(affects(&further, Order(Scheme::Rpm), "1.0-2.module_el8.5.0+119+9a9ec082"));
    }
}
