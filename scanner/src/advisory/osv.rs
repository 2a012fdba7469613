//! Reads one OSV record, after the OSV schema 1.x.
//!
//! Unknown fields are passed over, GIT ranges left out, package names keyed. A record is read wholly or refused
//! with the field that broke: half a range would match wrongly.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::custom::close_with;
use super::key::package_key;
use super::specific::Specific;
use super::{Advisory, Affected, AffectedRange, RangeEvent, Rating, RatingValue, cve_of};
use crate::package::Ecosystem;

/// The longest record that is read, in bytes; the largest of the public bucket is a tenth of it.
pub const MAX_RECORD_BYTES: usize = 8 << 20;

/// The most ids a record may name as aliases, upstream or related; a kernel's update names hundreds.
pub const MAX_NAMES: usize = 4096;

/// Why a record was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecord {
    /// Longer than [`MAX_RECORD_BYTES`].
    #[error("record is over {MAX_RECORD_BYTES} bytes")]
    TooLong,
    /// Not JSON, or not an object.
    #[error("record is no JSON object: {detail}")]
    Malformed {
        /// What the JSON reader says, with line and column.
        detail: String,
    },
    /// A field that is missing, or not what the schema says.
    #[error("record {id:?}: field {field}: {detail}")]
    Field {
        /// The record's id; empty where even that cannot be read.
        id: String,
        /// The field: `modified`, `affected[3].ranges`.
        field: String,
        /// What is wrong with it.
        detail: String,
    },
}

/// Reads one record.
///
/// # Errors
/// Where the bytes are too long, are no JSON object, or break the schema; the error names record and field.
pub fn read(bytes: &[u8]) -> Result<Advisory, InvalidRecord> {
    if bytes.len() > MAX_RECORD_BYTES {
        return Err(InvalidRecord::TooLong);
    }
    serde_json::from_slice::<RawRecord>(bytes).map_err(|error| blame(bytes, &error))?.into_advisory()
}

#[derive(Deserialize)]
struct RawRecord {
    id: String,
    modified: String,
    withdrawn: Option<String>,
    aliases: Option<Vec<String>>,
    upstream: Option<Vec<String>>,
    related: Option<Vec<String>>,
    summary: Option<String>,
    severity: Option<Vec<RawSeverity>>,
    affected: Option<Vec<RawAffected>>,
    database_specific: Option<Specific>,
}

#[derive(Deserialize)]
struct RawAffected {
    package: Option<RawPackage>,
    ranges: Option<Vec<RawRange>>,
    versions: Option<Vec<String>>,
    severity: Option<Vec<RawSeverity>>,
    ecosystem_specific: Option<Specific>,
    database_specific: Option<Specific>,
}

#[derive(Deserialize)]
struct RawPackage {
    ecosystem: String,
    name: String,
}

#[derive(Deserialize)]
pub(super) struct RawRange {
    #[serde(rename = "type")]
    pub(super) range_type: String,
    pub(super) events: Option<Vec<RawEvent>>,
}

#[derive(Deserialize)]
pub(super) struct RawEvent {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
    limit: Option<String>,
}

#[derive(Deserialize)]
struct RawSeverity {
    #[serde(rename = "type")]
    severity_type: String,
    score: String,
}

impl RawRecord {
    fn into_advisory(self) -> Result<Advisory, InvalidRecord> {
        let Self {
            id,
            modified,
            withdrawn,
            aliases,
            upstream,
            related,
            summary,
            severity,
            affected,
            database_specific,
        } = self;
        let wrong = |field: &str, detail: &str| InvalidRecord::Field {
            id: id.clone(),
            field: field.to_owned(),
            detail: detail.to_owned(),
        };
        if id.trim().is_empty() {
            return Err(wrong("id", "is empty"));
        }
        let names = |field: &str, names: Option<Vec<String>>| {
            let names = names.unwrap_or_default();
            if names.len() > MAX_NAMES { Err(wrong(field, "names too many ids")) } else { Ok(names) }
        };
        let instant = |field: &str, text: &str| instant(text).ok_or_else(|| wrong(field, "is no RFC 3339 time"));
        let modified = instant("modified", &modified)?;
        let withdrawn = withdrawn.map(|text| instant("withdrawn", &text)).transpose()?;
        let aliases = names("aliases", aliases)?;
        let upstream = names("upstream", upstream)?;
        let related = names("related", related)?;
        let mut ratings = ratings(&id, severity, &[database_specific]);
        let summary = summary.unwrap_or_default();
        // AlmaLinux's and Rocky's have their word nowhere else.
        if matches!(id.get(..5), Some("ALSA-" | "RLSA-")) {
            let word = first_word(&summary).map(|word| RatingValue::Word(word.to_owned()));
            ratings.extend(word.map(|value| Rating { source: id.clone(), value }));
        }
        // What is rated, or has a CVE, somebody took for a vulnerability, whatever else the record says of itself.
        let is_vulnerability = !ratings.is_empty() || aliases.iter().any(|alias| cve_of(alias).is_some());
        let mut entries = Vec::new();
        for (index, raw) in affected.unwrap_or_default().into_iter().enumerate() {
            entries.extend(raw.into_affected(&id, index, is_vulnerability)?);
        }
        Ok(Advisory { id, modified, withdrawn, aliases, upstream, related, summary, ratings, affected: entries })
    }
}

impl RawAffected {
    /// `None` for an entry without a package, which speaks of a repository only. `is_vulnerability` where the record as a whole is known
    /// to be about one.
    fn into_affected(self, id: &str, index: usize, is_vulnerability: bool) -> Result<Option<Affected>, InvalidRecord> {
        let Some(package) = self.package else {
            return Ok(None);
        };
        let ecosystem = Ecosystem::parse(&package.ecosystem);
        let mut ranges = Vec::new();
        for raw in self.ranges.unwrap_or_default() {
            if raw.range_type != "GIT" {
                let events = events(raw.events.unwrap_or_default()).ok_or_else(|| InvalidRecord::Field {
                    id: id.to_owned(),
                    field: format!("affected[{index}].ranges"),
                    detail: "an event says none of introduced, fixed, last_affected, limit".to_owned(),
                })?;
                ranges.push(AffectedRange { events });
            }
        }
        let specific = [self.ecosystem_specific, self.database_specific];
        let ratings = ratings(id, self.severity, &specific);
        let [of_ecosystem, of_database] = specific.map(Option::unwrap_or_default);
        if let Some(known) = of_database.last_known {
            end_at_last_known(&mut ranges, &known);
        }
        if ecosystem.name() == "Go" {
            close_with(&mut ranges, &of_ecosystem.custom_ranges);
        }
        let mut versions = self.versions.unwrap_or_default();
        // RustSec's word that a crate is not maintained is kept, and affects no version.
        if of_database.is_note && !is_vulnerability && ratings.is_empty() {
            ranges.clear();
            versions.clear();
        }
        Ok(Some(Affected {
            package: package_key(ecosystem.name(), &package.name).into_owned(),
            ranges,
            versions,
            // Only SUSE's are names of its binaries; what others have under that key says which versions were built.
            binaries: if ecosystem.name().ends_with("SUSE") { of_ecosystem.binaries } else { Vec::new() },
            imports: of_ecosystem.imports,
            ratings,
            ecosystem,
        }))
    }
}

/// The events in their order; one object may hold several, as early records do. `None` where one holds no known event:
/// a range with a hole would reach too far.
pub(super) fn events(raw: Vec<RawEvent>) -> Option<Vec<RangeEvent>> {
    let mut events = Vec::with_capacity(raw.len());
    for event in raw {
        let before = events.len();
        events.extend(event.introduced.map(RangeEvent::Introduced));
        events.extend(event.fixed.map(RangeEvent::Fixed));
        events.extend(event.last_affected.map(RangeEvent::LastAffected));
        events.extend(event.limit.map(RangeEvent::Limit));
        if events.len() == before {
            return None;
        }
    }
    Some(events)
}

/// Vectors have the record as their source; a type that is no CVSS (`Ubuntu`) is its own source and a word.
fn ratings(id: &str, severity: Option<Vec<RawSeverity>>, specific: &[Option<Specific>]) -> Vec<Rating> {
    let scored = severity.unwrap_or_default().into_iter().map(|raw| match raw.severity_type.as_str() {
        "CVSS_V2" | "CVSS_V3" | "CVSS_V4" => Rating { source: id.to_owned(), value: RatingValue::Cvss(raw.score) },
        _ => Rating { source: raw.severity_type, value: RatingValue::Word(raw.score) },
    });
    let further = specific.iter().flatten().flat_map(|specific| &specific.ratings);
    let further = further.map(|value| Rating { source: id.to_owned(), value: value.clone() });
    scored.chain(further).collect()
}

/// The rating at the head of a summary: `Important: nodejs:18 security update`.
fn first_word(summary: &str) -> Option<&str> {
    let (word, _) = summary.split_once(": ")?;
    matches!(word, "Critical" | "Important" | "Moderate" | "Low").then_some(word)
}

/// Ends ranges without an end at the last version GitHub knows to be affected, `<= 1.2` or `< 1.2`: no fix is known by then, and later
/// versions are not judged. Nothing is done where some range of the entry has an end of its own.
fn end_at_last_known(ranges: &mut [AffectedRange], known: &str) {
    let open = |range: &AffectedRange| range.events.iter().all(|event| matches!(event, RangeEvent::Introduced(_)));
    if !ranges.iter().all(open) {
        return;
    }
    let known = known.trim();
    let end = match (known.strip_prefix("<="), known.strip_prefix('<')) {
        (Some(last), _) => RangeEvent::LastAffected(last.trim().to_owned()),
        (None, Some(limit)) => RangeEvent::Limit(limit.trim().to_owned()),
        (None, None) => return,
    };
    // Several bounds in one text say more than one event can.
    if end.version().is_empty() || end.version().contains([',', ' ', '<', '>', '=']) {
        return;
    }
    for range in ranges.iter_mut().filter(|range| !range.events.is_empty()) {
        range.events.push(end.clone());
    }
}

fn instant(text: &str) -> Option<i64> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
}

/// Finds the field that made a record unreadable, by reading each on its own.
fn blame(bytes: &[u8], error: &serde_json::Error) -> InvalidRecord {
    let malformed = || InvalidRecord::Malformed { detail: error.to_string() };
    let Ok(serde_json::Value::Object(record)) = serde_json::from_slice(bytes) else {
        return malformed();
    };
    let id = record.get("id").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let mut fields = vec![
        ("id".to_owned(), check::<String>(record.get("id"))),
        ("modified".to_owned(), check::<String>(record.get("modified"))),
        ("withdrawn".to_owned(), check::<Option<String>>(record.get("withdrawn"))),
        ("aliases".to_owned(), check::<Option<Vec<String>>>(record.get("aliases"))),
        ("upstream".to_owned(), check::<Option<Vec<String>>>(record.get("upstream"))),
        ("related".to_owned(), check::<Option<Vec<String>>>(record.get("related"))),
        ("summary".to_owned(), check::<Option<String>>(record.get("summary"))),
        ("severity".to_owned(), check::<Option<Vec<RawSeverity>>>(record.get("severity"))),
    ];
    for (index, affected) in record.get("affected").and_then(|field| field.as_array()).into_iter().flatten().enumerate()
    {
        let mut part = |name: &str, detail| fields.push((format!("affected[{index}].{name}"), detail));
        part("package", check::<Option<RawPackage>>(affected.get("package")));
        part("ranges", check::<Option<Vec<RawRange>>>(affected.get("ranges")));
        part("versions", check::<Option<Vec<String>>>(affected.get("versions")));
        part("severity", check::<Option<Vec<RawSeverity>>>(affected.get("severity")));
    }
    fields.push(("affected".to_owned(), check::<Option<Vec<RawAffected>>>(record.get("affected"))));
    fields
        .into_iter()
        .find_map(|(field, detail)| Some(InvalidRecord::Field { id: id.clone(), field, detail: detail? }))
        .unwrap_or_else(malformed)
}

/// What is wrong with a field, if anything.
fn check<T: DeserializeOwned>(field: Option<&serde_json::Value>) -> Option<String> {
    let Some(value) = field else {
        // Only a field that may be absent reads from null.
        return T::deserialize(serde_json::Value::Null).err().map(|_| "is missing".to_owned());
    };
    T::deserialize(value).err().map(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GHSA-462w-v97r-4m45 of the GitHub Advisory Database (CC-BY-4.0), shortened.
    const GITHUB: &str = r#"{"schema_version":"1.4.0","id":"GHSA-462w-v97r-4m45","modified":"2024-09-20T15:47:15.5Z",
        "published":"2019-04-10T14:30:24Z","aliases":["CVE-2019-10906","PYSEC-2019-217"],"summary":"Jinja2 sandbox escape",
        "severity":[{"type":"CVSS_V3","score":"CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:N/A:N"}],
        "affected":[{"package":{"ecosystem":"PyPI","name":"Jinja2"},
            "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.10.1"}]},
                      {"type":"GIT","repo":"https://example.org/r","events":[{"introduced":"0"}]}],
            "versions":["2.0"],"database_specific":{"source":"x"}}],
        "database_specific":{"severity":"HIGH","cwe_ids":["CWE-693"]}}"#;

    fn word(source: &str, word: &str) -> Rating {
        Rating { source: source.into(), value: RatingValue::Word(word.into()) }
    }

    #[test]
    fn a_record_is_read_with_what_matching_uses() {
        let advisory = read(GITHUB.as_bytes()).unwrap();
        assert_eq!((advisory.id.as_str(), advisory.modified), ("GHSA-462w-v97r-4m45", 1_726_847_235));
        assert_eq!(advisory.aliases, ["CVE-2019-10906", "PYSEC-2019-217"]);
        assert_eq!(advisory.ratings[1], word("GHSA-462w-v97r-4m45", "HIGH"));
        let affected = &advisory.affected[0];
        assert_eq!((affected.package.as_str(), affected.ecosystem.as_str()), ("jinja2", "PyPI"));
        let events = vec![RangeEvent::Introduced("0".into()), RangeEvent::Fixed("2.10.1".into())];
        assert_eq!(affected.ranges, [AffectedRange { events }], "the GIT range is left out");
    }

    #[test]
    fn words_of_distributions_are_ratings() {
        let advisory = read(
            br#"{"id":"X-1","modified":"2024-01-01T00:00:00Z","severity":[{"type":"Ubuntu","score":"medium"}],
                "affected":[{"package":{"ecosystem":"Debian:12","name":"a"},"ecosystem_specific":{"urgency":"low"}}]}"#,
        )
        .unwrap();
        assert_eq!(advisory.ratings, [word("Ubuntu", "medium")]);
        assert_eq!(advisory.affected[0].ratings, [word("X-1", "low")]);
        assert!(advisory.affected[0].ranges.is_empty());
    }

    #[test]
    fn an_error_names_the_record_and_the_field() {
        for (json, field) in [
            (r#"{"modified":"2024-01-01T00:00:00Z"}"#, "id"),
            (r#"{"id":" ","modified":"2024-01-01T00:00:00Z"}"#, "id"),
            (r#"{"id":"X"}"#, "modified"),
            (r#"{"id":"X","modified":"yesterday"}"#, "modified"),
            (r#"{"id":"X","modified":"2024-01-01T00:00:00Z","withdrawn":"no"}"#, "withdrawn"),
            (r#"{"id":"X","modified":"2024-01-01T00:00:00Z","aliases":"CVE-1"}"#, "aliases"),
            (r#"{"id":"X","modified":"2024-01-01T00:00:00Z","affected":7}"#, "affected"),
            (
                r#"{"id":"X","modified":"2024-01-01T00:00:00Z","affected":[{},{"package":{"ecosystem":"npm"}}]}"#,
                "affected[1].package",
            ),
            (
                r#"{"id":"X","modified":"2024-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"npm","name":"a"},
                    "ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"mended":"1"}]}]}]}"#,
                "affected[0].ranges",
            ),
        ] {
            match read(json.as_bytes()) {
                Err(InvalidRecord::Field { field: found, .. }) => {
                    assert_eq!(found, field, "{json}")
                }
                other => panic!("{json}: {other:?}"),
            }
        }
        assert!(matches!(read(b"{"), Err(InvalidRecord::Malformed { .. })));
        assert!(matches!(read(b"[]"), Err(InvalidRecord::Malformed { .. })));
        assert_eq!(read(&vec![b' '; MAX_RECORD_BYTES + 1]), Err(InvalidRecord::TooLong));
    }

    #[test]
    fn a_record_cannot_name_ids_without_end() {
        let names = vec!["\"CVE-2024-1\""; MAX_NAMES + 1].join(",");
        let json = format!(r#"{{"id":"X","modified":"2024-01-01T00:00:00Z","upstream":[{names}]}}"#);
        assert!(matches!(read(json.as_bytes()), Err(InvalidRecord::Field { field, .. }) if field == "upstream"));
    }

    fn record(json: &str) -> Advisory {
        read(json.as_bytes()).unwrap_or_else(|error| panic!("{json}: {error}"))
    }

    #[test]
    fn a_range_without_an_end_ends_at_the_last_known_version() {
        let events = |known: &str, events: &str| {
            let json = format!(
                r#"{{"id":"GHSA-a","modified":"2024-01-01T00:00:00Z","affected":[{{"package":{{"ecosystem":"npm","name":"a"}},
                    "ranges":[{{"type":"SEMVER","events":[{events}]}}],
                    "database_specific":{{"last_known_affected_version_range":"{known}"}}}}]}}"#
            );
            record(&json).affected[0].ranges[0].events.last().cloned().unwrap()
        };
        let open = r#"{"introduced":"1"}"#;
        assert_eq!(events("<= 2.0", open), RangeEvent::LastAffected("2.0".into()));
        assert_eq!(events("< 2.0", open), RangeEvent::Limit("2.0".into()), "no fix");
        assert_eq!(events(">= 1, < 2", open), RangeEvent::Introduced("1".into()));
        assert_eq!(events("<", open), RangeEvent::Introduced("1".into()));
        assert_eq!(events("< 2.0", r#"{"introduced":"0"},{"fixed":"3"}"#), RangeEvent::Fixed("3".into()));
    }

    #[test]
    fn an_almalinux_summary_begins_with_its_rating() {
        let ratings = |id: &str, summary: &str| {
            record(&format!(r#"{{"id":"{id}","modified":"2024-01-01T00:00:00Z","summary":"{summary}"}}"#)).ratings
        };
        assert_eq!(ratings("ALSA-2024:1", "Important: nodejs:18 update"), [word("ALSA-2024:1", "Important")]);
        assert_eq!(ratings("ALSA-2024:1", "nodejs:18 update"), []);
        assert_eq!(ratings("GHSA-a", "Low: a"), []);
    }

    #[test]
    fn binaries_are_suses_and_imports_are_gos() {
        let affected = |ecosystem: &str, specific: &str| {
            let json = format!(
                r#"{{"id":"X","modified":"2024-01-01T00:00:00Z","affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"a"}},
                    "ecosystem_specific":{specific}}}]}}"#
            );
            record(&json).affected.remove(0)
        };
        assert_eq!(affected("openSUSE:Leap 15.5", r#"{"binaries":[{"b":"1"}]}"#).binaries, ["b"]);
        assert_eq!(affected("Ubuntu:22.04:LTS", r#"{"binaries":[{"b":"1"}]}"#).binaries, [""; 0]);
        assert_eq!(affected("Go", r#"{"imports":[{"path":"a/b"}]}"#).imports, ["a/b"]);
    }
}
