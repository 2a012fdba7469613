//! Until when a distribution's release, or a language's runtime, gets security updates.
//!
//! Owns the table of dates, a data file. A release that is not in it is unknown, never supported: new ones appear
//! after the table's own date.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer};
use time::{Date, Month};

use super::Distribution;

/// Whether security updates still come. Instants are seconds of Unix time, the first after the last day in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndOfLife {
    /// Updates come until then.
    Supported {
        /// When they end for everybody.
        until: i64,
        /// When they end for subscribers, or by volunteers, where there is such a thing.
        extended_until: Option<i64>,
    },
    /// Updates have ended for everybody.
    Ended {
        /// When.
        since: i64,
        /// When they end, or ended, for subscribers or by volunteers, where there is such a thing.
        extended_until: Option<i64>,
    },
    /// There are no releases that could end.
    Rolling,
    /// The table does not know the release.
    Unknown,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    table_date: Day,
    distribution: BTreeMap<String, Product>,
    runtime: BTreeMap<String, Product>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Product {
    parts: usize,
    #[serde(default)]
    releases: BTreeMap<String, Release>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Release {
    Until(Day),
    Extended { until: Day, extended: Day },
}

const SECONDS_OF_A_DAY: i64 = 86_400;

/// The first second after a day.
#[derive(Clone, Copy)]
struct Day(i64);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = toml::value::Datetime::deserialize(deserializer)?;
        let day = written.date.and_then(|date| {
            let day = Date::from_calendar_date(date.year.into(), Month::try_from(date.month).ok()?, date.day).ok()?;
            day.next_day()
        });
        let day = day.ok_or_else(|| serde::de::Error::custom("not a day"))?;
        Ok(Self(day.midnight().assume_utc().unix_timestamp()))
    }
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    toml::from_str(include_str!("end_of_life.toml")).expect("the file is part of the program and its tests read it")
});

/// Whether a distribution's release still gets security updates at `now`, in seconds of Unix time.
pub fn end_of_life(distribution: &Distribution, now: i64) -> EndOfLife {
    // SLES for SAP has the same releases under an ID of its own.
    let id = if distribution.id == "sles_sap" { "sles" } else { &*distribution.id };
    let Some(product) = TABLE.distribution.get(id) else { return EndOfLife::Unknown };
    // CentOS Stream 8 outlived CentOS Linux 8, with the same ID and version.
    let stream = distribution.pretty_name.as_ref().is_some_and(|name| name.contains("Stream"));
    let streamed = stream.then(|| product.judge(&format!("{} stream", distribution.version), now));
    streamed.filter(|known| *known != EndOfLife::Unknown).unwrap_or_else(|| product.judge(&distribution.version, now))
}

/// The same of a language's runtime: `node`, `python`, `php`, `ruby`, `java` or `go`, by its version.
pub fn runtime_end_of_life(name: &str, version: &str, now: i64) -> EndOfLife {
    TABLE.runtime.get(name).map_or(EndOfLife::Unknown, |product| product.judge(version, now))
}

/// The day the table was last looked over, its first second of Unix time in UTC: later releases are unknown to it.
pub fn end_of_life_table_date() -> i64 {
    TABLE.table_date.0 - SECONDS_OF_A_DAY
}

impl Product {
    fn judge(&self, version: &str, now: i64) -> EndOfLife {
        if self.parts == 0 {
            return EndOfLife::Rolling;
        }
        let release = version.split('.').take(self.parts).collect::<Vec<_>>().join(".");
        let (end, extended_until) = match self.releases.get(&release) {
            Some(Release::Until(Day(end))) => (*end, None),
            Some(Release::Extended { until: Day(end), extended: Day(extended) }) => (*end, Some(*extended)),
            None => return EndOfLife::Unknown,
        };
        if now < end {
            EndOfLife::Supported { until: end, extended_until }
        } else {
            EndOfLife::Ended { since: end, extended_until }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(year: i32, month: u8, day: u8) -> i64 {
        let month = Month::try_from(month).unwrap();
        Date::from_calendar_date(year, month, day).unwrap().midnight().assume_utc().unix_timestamp()
    }

    fn judge(id: &str, version: &str, pretty_name: &str, now: i64) -> EndOfLife {
        let distribution =
            Distribution { id: id.into(), version: version.into(), pretty_name: Some(pretty_name.into()) };
        end_of_life(&distribution, now)
    }

    #[test]
    fn a_release_ends_after_its_last_day() {
        let (end, extended) = (at(2024, 8, 15), Some(at(2026, 9, 1)));
        let supported = EndOfLife::Supported { until: end, extended_until: extended };
        assert_eq!(judge("debian", "11", "", end - 1), supported);
        assert_eq!(judge("debian", "11.2", "", end), EndOfLife::Ended { since: end, extended_until: extended });
    }

    #[test]
    fn releases_are_named_by_as_many_parts_as_the_distribution_counts() {
        let now = at(2025, 1, 1);
        for (id, version, name, supported) in [
            ("alpine", "3.20.3", "", Some(true)),
            ("alpine", "3.9.6", "", Some(false)),
            ("ubuntu", "22.04", "", Some(true)),
            ("ubuntu", "23.10", "", Some(false)),
            ("rhel", "8.9", "", Some(true)),
            ("rocky", "9.3", "", Some(true)),
            ("centos", "8", "CentOS Linux 8", Some(false)),
            ("centos", "9", "CentOS Stream 9", Some(true)),
            ("amzn", "2018.03", "", Some(false)),
            ("sles_sap", "15.5", "", Some(false)),
            ("photon", "3.0", "", Some(false)),
            ("debian", "", "", None),
            ("debian", "99", "", None),
            ("plan9", "4", "", None),
        ] {
            let known = match judge(id, version, name, now) {
                EndOfLife::Supported { .. } => Some(true),
                EndOfLife::Ended { .. } => Some(false),
                EndOfLife::Rolling | EndOfLife::Unknown => None,
            };
            assert_eq!(known, supported, "{id} {version}");
        }
        assert_eq!(judge("wolfi", "20230201", "", now), EndOfLife::Rolling);
        let stream = at(2022, 6, 1);
        assert!(matches!(judge("centos", "8", "CentOS Stream 8", stream), EndOfLife::Supported { .. }));
        assert!(matches!(judge("centos", "8", "CentOS Linux 8", stream), EndOfLife::Ended { .. }));
    }

    #[test]
    fn runtimes_end_too() {
        let now = at(2025, 1, 1);
        assert!(matches!(runtime_end_of_life("node", "16.20.2", now), EndOfLife::Ended { .. }));
        assert!(matches!(runtime_end_of_life("python", "3.12.1", now), EndOfLife::Supported { .. }));
        assert_eq!(runtime_end_of_life("node", "8.0.0", now), EndOfLife::Unknown);
        assert_eq!(runtime_end_of_life("cobol", "1", now), EndOfLife::Unknown);
    }

    #[test]
    fn extended_support_never_ends_first() {
        assert!(end_of_life_table_date() > at(2025, 1, 1));
        for (name, product) in TABLE.distribution.iter().chain(&TABLE.runtime) {
            for (version, release) in &product.releases {
                if let Release::Extended { until, extended } = release {
                    assert!(until.0 < extended.0, "{name} {version}");
                }
            }
        }
    }
}
