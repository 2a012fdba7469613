//! Findings over time: how many opened and closed each day, as bars.

use std::collections::BTreeMap;

use super::super::read::Event;
use super::super::shown;

/// Days that are shown at most, the latest.
const MOST: usize = 60;
/// The tallest bar.
const TALL: u64 = 50;

/// Bars for some days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Days {
    pub(super) bars: Vec<Bar>,
    pub(super) bar: u64,
    pub(super) width: u64,
    pub(super) first: String,
    pub(super) last: String,
    /// The picture in words.
    pub(super) told: String,
    /// Events that it is made of.
    pub(super) events: usize,
}

/// One day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) x: u64,
    pub(super) up: u64,
    pub(super) down: u64,
    pub(super) text: String,
}

impl Days {
    /// The days of some events.
    pub(super) fn of(events: &[Event]) -> Self {
        let mut days: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for event in events {
            let (opened, closed) = days.entry(shown::day(&event.at)).or_default();
            match event.kind.as_str() {
                "opened" => *opened += 1,
                "closed" => *closed += 1,
                _ => {}
            }
        }
        let days: Vec<_> = days.into_iter().rev().take(MOST).collect::<Vec<_>>().into_iter().rev().collect();
        let most = days.iter().map(|(_, (opened, closed))| *opened.max(closed)).max().unwrap_or_default();
        let (opened, closed) = days.iter().fold((0, 0), |(a, b), (_, (opened, closed))| (a + opened, b + closed));
        let count = u64::try_from(days.len()).unwrap_or_default();
        let step = (840 / count.max(1)).clamp(12, 48);
        Self {
            first: days.first().map(|(day, _)| (*day).to_owned()).unwrap_or_default(),
            last: if count > 1 {
                days.last().map(|(day, _)| (*day).to_owned()).unwrap_or_default()
            } else {
                String::new()
            },
            told: format!(
                "{} opened and {} closed over {}",
                shown::number(opened),
                shown::number(closed),
                shown::things(count, "day")
            ),
            events: events.len(),
            bar: step - 4,
            width: (step * count).max(160),
            bars: days
                .into_iter()
                .zip(0_u64..)
                .map(|((day, (opened, closed)), at)| Bar {
                    x: at * step + 2,
                    up: shown::share(opened, most, TALL),
                    down: shown::share(closed, most, TALL),
                    text: format!("{day}: {opened} opened, {closed} closed"),
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::sample;
    use super::*;

    #[test]
    fn days_are_counted_and_drawn_to_the_greatest() {
        let days = Days::of(&sample::events());
        assert_eq!(days.bars.iter().map(|bar| (bar.up, bar.down)).collect::<Vec<_>>(), [(25, 0), (50, 25)]);
        assert_eq!((days.first.as_str(), days.last.as_str()), ("2026-11-27", "2026-11-28"));
        assert_eq!(days.told, "3 opened and 1 closed over 2 days");
        assert!(Days::of(&[]).bars.is_empty());
    }
}
