//! How values are written on pages: numbers, sizes, moments, digests, severities, and what states of a scan mean.

use std::borrow::Borrow;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use weir_scanner::finding::Severity;
use weir_scanner::package::PackageUrl;
use weir_scanner::verdict::SeverityCounts;

use crate::report::shape::{ExceptionItem, ScopeItem};

/// Units of width that a bar of severities has.
pub(super) const BAR: u64 = 96;

/// A count of any width, by value or by reference: templates have both.
pub(super) trait Count {
    fn count(&self) -> u64;
}

impl Count for u64 {
    fn count(&self) -> u64 {
        *self
    }
}

impl Count for u32 {
    fn count(&self) -> u64 {
        u64::from(*self)
    }
}

impl Count for usize {
    fn count(&self) -> u64 {
        u64::try_from(*self).unwrap_or(u64::MAX)
    }
}

impl<T: Count> Count for &T {
    fn count(&self) -> u64 {
        T::count(self)
    }
}

/// A value, however often it is referred to: templates have all of these.
pub(super) trait Value<T> {
    fn value(&self) -> T;
}

impl Value<f64> for f64 {
    fn value(&self) -> f64 {
        *self
    }
}

impl Value<Severity> for Severity {
    fn value(&self) -> Severity {
        *self
    }
}

impl<T, V: Value<T>> Value<T> for &V {
    fn value(&self) -> T {
        V::value(self)
    }
}

/// A number with its thousands apart.
pub(super) fn number(value: impl Count) -> String {
    let digits = value.count().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A number of things, in the right form: `1 image`, `2 images`.
pub(super) fn things(count: impl Count, one: &str) -> String {
    let count = count.count();
    let text = number(count);
    match (count, one.strip_suffix('y')) {
        (1, _) => format!("{text} {one}"),
        (_, Some(stem)) if !one.ends_with("ay") => format!("{text} {stem}ies"),
        _ => format!("{text} {one}s"),
    }
}

/// Bytes by powers of ten, as registries write them.
pub(super) fn size(bytes: impl Count) -> String {
    let bytes = bytes.count();
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let (mut value, mut unit) = (bytes as f64 / 1000.0, 0);
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A moment of the API to the minute: `2026-11-29 00:39`.
pub(super) fn moment(rfc3339: &str) -> String {
    match (rfc3339.get(..10), rfc3339.get(11..16)) {
        (Some(day), Some(minute)) if rfc3339.ends_with('Z') => format!("{day} {minute}"),
        _ => rfc3339.to_owned(),
    }
}

/// The day of a moment of the API.
pub(super) fn day(rfc3339: &str) -> &str {
    rfc3339.get(..10).unwrap_or(rfc3339)
}

/// Seconds since the epoch of a moment of the API.
pub(super) fn seconds(rfc3339: &str) -> Option<i64> {
    OffsetDateTime::parse(rfc3339, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
}

/// How long a number of seconds is, to one unit: `40 s`, `12 min`, `5 h`, `34 d`.
pub(super) fn span(seconds: impl Borrow<i64>) -> String {
    match seconds.borrow().unsigned_abs() {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7_200 => format!("{} min", s / 60),
        s @ 7_200..172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", number(s / 86_400)),
    }
}

/// A digest, short enough to tell apart from others beside it.
pub(super) fn short(digest: &str) -> &str {
    match digest.find(':') {
        Some(colon) => digest.get(..colon + 13).unwrap_or(digest),
        None => digest,
    }
}

/// A score of CVSS.
pub(super) fn score(cvss: impl Value<f64>) -> String {
    format!("{:.1}", cvss.value())
}

/// A probability of EPSS, in percent.
pub(super) fn percent(epss: impl Value<f64>) -> String {
    let value = epss.value() * 100.0;
    if value > 0.0 && value < 0.1 { "<0.1%".to_owned() } else { format!("{value:.1}%") }
}

/// The word for a severity, which is its class too.
pub(super) fn severity(severity: impl Value<Severity>) -> &'static str {
    match severity.value() {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
        Severity::None => "none",
        Severity::Unknown => "unknown",
    }
}

/// Counts in the order pages show them.
pub(super) fn ordered(counts: impl Borrow<SeverityCounts>) -> [(&'static str, u64); 6] {
    let SeverityCounts { critical, high, medium, low, none, unknown } = *counts.borrow();
    [("critical", critical), ("high", high), ("medium", medium), ("low", low), ("none", none), ("unknown", unknown)]
}

/// The severities that tables have a column for.
pub(super) const FOUR: [&str; 4] = ["critical", "high", "medium", "low"];

/// The counts of these.
pub(super) fn four(counts: impl Borrow<SeverityCounts>) -> [(&'static str, u64); 4] {
    let SeverityCounts { critical, high, medium, low, .. } = *counts.borrow();
    [("critical", critical), ("high", high), ("medium", medium), ("low", low)]
}

/// The count of one severity, by its name.
pub(super) fn of(counts: impl Borrow<SeverityCounts>, name: &str) -> u64 {
    ordered(counts).iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| *count)
}

/// All of some counts.
pub(super) fn total(counts: impl Borrow<SeverityCounts>) -> u64 {
    ordered(counts).iter().map(|(_, count)| count).sum()
}

/// One part of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The severity, as a class.
    pub(super) class: &'static str,
    pub(super) x: u64,
    pub(super) width: u64,
}

/// A bar of severities: as long as there are findings, where `most` fills [`BAR`]. What there is can be seen, however little.
pub(super) fn bar(counts: impl Borrow<SeverityCounts>, most: impl Count) -> Vec<Part> {
    let (most, mut x) = (most.count().max(1), 0);
    let mut parts = Vec::new();
    for (class, count) in ordered(counts) {
        if count > 0 {
            let width = (count.saturating_mul(BAR) / most).max(2);
            parts.push(Part { class, x, width });
            x += width;
        }
    }
    parts
}

/// A share of a whole as a width of up to `wide`, at least one where there is any.
pub(super) fn share(part: impl Count, whole: impl Count, wide: u64) -> u64 {
    let (part, whole) = (part.count(), whole.count());
    let width = part.saturating_mul(wide) / whole.max(1);
    if part > 0 { width.clamp(1, wide) } else { 0 }
}

/// What a state of a scan means, and what can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScanState {
    pub(super) word: &'static str,
    /// One of `ok`, `part`, `wait`, `bad`: how it is drawn.
    pub(super) tone: &'static str,
    pub(super) means: &'static str,
    pub(super) todo: &'static str,
    /// Whether asking for a scan may help.
    pub(super) retry: bool,
}

/// A state of a scan by its name in the API.
pub(super) fn scan_state(status: &str) -> ScanState {
    let state = |word, tone, means, todo, retry| ScanState { word, tone, means, todo, retry };
    match status {
        "complete" => state("read", "ok", "Every layer was read.", "", false),
        "partial" => state(
            "partly read",
            "part",
            "Some of the image could not be read: what was found holds, what was not found is not known.",
            "See what was left out below. A scan after an upgrade of weir reads it again.",
            true,
        ),
        "queued" => state("queued", "wait", "It waits for its turn to be read.", "Look again in a minute.", false),
        "scanning" => state("scanning", "wait", "It is being read now.", "Look again in a minute.", false),
        "failed" => state("failed", "bad", "It could not be read.", "Ask for a scan to try again.", true),
        "unsupported" => state(
            "unsupported",
            "bad",
            "weir does not read images of this form.",
            "Nothing is known of it: look at it by other means.",
            false,
        ),
        "no_access" => state(
            "no access",
            "bad",
            "It runs, but never came through weir, and the registry does not let weir have it.",
            "Give weir credentials for the registry (upstream.password_file), then ask for a scan.",
            true,
        ),
        "never_seen" => state(
            "never seen",
            "bad",
            "It runs, but never came through weir, and could not be fetched yet.",
            "Ask for a scan, or point the node at weir.",
            true,
        ),
        _ => state("unknown", "bad", "Nothing is known of its scan.", "", false),
    }
}

/// A text with a full stop, and with a capital where it begins with a word rather than a name such as a digest.
pub(super) fn sentence(text: &str) -> String {
    let is_word = text.split(' ').next().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()));
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    let mut letters = text.chars();
    match letters.next().filter(|_| is_word) {
        Some(first) => format!("{}{}{end}", first.to_uppercase(), letters.as_str()),
        None => format!("{text}{end}"),
    }
}

/// The first two of some names, and how many more there are.
pub(super) fn few(names: &[String]) -> String {
    match names {
        [] => "–".to_owned(),
        [first, second, rest @ ..] if !rest.is_empty() => format!("{first}, {second} +{}", rest.len()),
        names => names.join(", "),
    }
}

/// What an exception is about.
pub(super) fn decided(exception: &ExceptionItem) -> &str {
    let repository = exception.scope.repository.as_deref();
    exception.vulnerability.as_deref().or(repository).unwrap_or("every repository")
}

/// Where an exception holds, in words.
pub(super) fn scope(scope: &ScopeItem) -> String {
    let ScopeItem { cluster, namespace, labels, repository, image, package: purl } = scope;
    let mut parts = Vec::new();
    parts.extend(purl.as_deref().map(package));
    parts.extend(image.as_deref().map(|image| format!("image {}", short(image))));
    parts.extend(repository.as_deref().map(|name| format!("repository {name}")));
    parts.extend(namespace.as_deref().map(|name| format!("namespace {name}")));
    parts.extend(cluster.as_deref().map(|name| format!("cluster {name}")));
    parts.extend(labels.iter().map(|label| format!("label {label}")));
    if parts.is_empty() { "everywhere".to_owned() } else { format!("in {}", parts.join(", ")) }
}

/// Why an image id leads to no image.
pub(super) fn unresolved(reason: &str) -> String {
    match reason {
        "platform_unknown" => "the node's platform is not known".to_owned(),
        "platform_ambiguous" => "several images fit the node's platform".to_owned(),
        "config_unknown" => "the runtime names a configuration that weir has not seen".to_owned(),
        "no_digest" => "the runtime names no digest".to_owned(),
        other => plain(other),
    }
}

/// A package URL for people: type, namespace, name and version, without qualifiers and without what stands for other characters
/// (purl-spec). What is none stays as it is.
pub(super) fn package(purl: &str) -> String {
    let Ok(PackageUrl { type_name, namespace, name, version, .. }) = PackageUrl::parse(purl) else {
        return purl.to_owned();
    };
    let namespace = namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default();
    let version = version.map(|version| format!("@{version}")).unwrap_or_default();
    format!("{type_name}/{namespace}{name}{version}")
}

/// The command of a layer without what every builder puts before it.
pub(super) fn command(created_by: &str) -> &str {
    let plain = created_by.trim();
    let plain = plain.strip_prefix("/bin/sh -c #(nop) ").unwrap_or(plain);
    plain.strip_prefix("/bin/sh -c ").unwrap_or(plain).trim()
}

/// A word of the API, for people.
pub(super) fn plain(word: &str) -> String {
    word.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_for_people() {
        assert_eq!(number(1_234_567_u64), "1\u{202f}234\u{202f}567");
        assert_eq!(
            [size(999_u64), size(1_500_u64), size(999_960_u64), size(3_200_000_000_u64)],
            ["999 B", "1.5 kB", "1.0 MB", "3.2 GB"]
        );
        assert_eq!(moment("2026-11-29T00:39:02Z"), "2026-11-29 00:39");
        assert_eq!([span(90), span(600), span(7_200), span(864_000)], ["90 s", "10 min", "2 h", "10 d"]);
        assert_eq!(
            [things(1_u64, "repository"), things(2_u64, "repository"), things(0_u64, "day")],
            ["1 repository", "2 repositories", "0 days"]
        );
        assert_eq!([percent(0.0), percent(0.000_2), percent(0.97)], ["0.0%", "<0.1%", "97.0%"]);
        assert_eq!(short("sha256:0123456789abcdef"), "sha256:0123456789ab");
    }

    #[test]
    fn a_package_is_shown_as_people_write_it() {
        for (purl, shown) in [
            ("pkg:deb/debian/libstdc%2B%2B6@12.2.0-14?arch=amd64&distro=debian-12", "deb/debian/libstdc++6@12.2.0-14"),
            ("pkg:deb/debian/passwd@1%3A4.13", "deb/debian/passwd@1:4.13"),
            ("pkg:npm/%40angular/core@1.0#sub", "npm/@angular/core@1.0"),
            ("pkg:pypi/django", "pypi/django"),
            ("no package", "no package"),
        ] {
            assert_eq!(package(purl), shown);
        }
    }

    #[test]
    fn a_bar_shows_whatever_there_is() {
        let counts = SeverityCounts { critical: 1, low: 999, ..SeverityCounts::default() };
        let parts = bar(counts, 2000_u64);
        assert_eq!(
            parts.iter().map(|part| (part.class, part.width)).collect::<Vec<_>>(),
            [("critical", 2), ("low", 47)]
        );
        assert_eq!(parts[1].x, 2);
        assert!(bar(SeverityCounts::default(), 0_u64).is_empty());
    }

    #[test]
    fn every_state_but_complete_says_what_it_means_and_what_to_do() {
        for status in weir_scanner::image::ScanStatus::ALL {
            let state = scan_state(status.name());
            assert_ne!(state.word, "unknown", "{}", status.name());
            assert!(!state.means.is_empty());
            assert_eq!(state.todo.is_empty(), status.name() == "complete", "{}", status.name());
        }
    }
}
