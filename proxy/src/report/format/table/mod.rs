//! The result as a person reads it in a terminal: how much is known first, then vulnerabilities by package, then risks.
//!
//! Text of the image reaches the terminal without control characters: an image must not be able to write to it.

mod finding;
mod text;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use weir_scanner::finding::Severity;
use weir_scanner::image::ScanStatus;
use weir_scanner::verdict::SeverityCounts;

use super::gap::{Gap, GapKind, gaps};
use super::word;
use crate::clock::{age, seconds};
use crate::report::document::{FeedPart, ResultDocument, RiskPart};
use text::{cut, plain, wrapped};

/// How the reader's terminal shows text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Columns; `None` where lines may be as long as they are, as in a file.
    pub width: Option<u16>,
    /// Whether it shows colours.
    pub colour: bool,
}

/// The result as text. `now` gives feeds their age; seconds since the epoch.
pub fn table(document: &ResultDocument, terminal: Terminal, now: i64) -> String {
    let gaps = gaps(document);
    let mut page = Page { text: String::new(), terminal };
    header(&mut page, document);
    unread(&mut page, document, &gaps);
    coverage(&mut page, document, &gaps, now);
    vulnerabilities(&mut page, document, &gaps);
    risks(&mut page, document);
    page.text
}

/// Where the values of the header begin.
const VALUES: usize = 12;

/// The text so far.
struct Page {
    text: String,
    terminal: Terminal,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn heading(&mut self, title: &str, rest: &str) {
        self.line("");
        let whole = if rest.is_empty() { title.to_owned() } else { format!("{title}: {rest}") };
        let bold = text::painted(title, text::BOLD, self.terminal.colour);
        for (number, line) in wrapped(&whole, 0, self.terminal.width).iter().enumerate() {
            self.line(&if number == 0 { line.replacen(title, &bold, 1) } else { line.clone() });
        }
    }

    /// A paragraph, each of its lines after `indent` spaces.
    fn paragraph(&mut self, indent: usize, paragraph: &str) {
        for line in wrapped(&plain(paragraph), indent, self.terminal.width) {
            self.line(&line);
        }
    }

    /// A name and its value, in a column of their own. A value of one word stays whole, so that it can be copied.
    fn field(&mut self, name: &str, value: &str) {
        let width = self.terminal.width.filter(|_| value.contains(' '));
        let mut lines = wrapped(&plain(value), VALUES, width).into_iter();
        let first = lines.next().unwrap_or_default();
        self.line(&format!("  {name:<10}{}", first.trim_start()));
        lines.for_each(|line| self.line(&line));
    }

    /// Rows under a header, each line cut at the terminal's edge; a line's first word is painted where it is a severity.
    fn rows(&mut self, table: &Table) {
        for line in table.lines() {
            let line = cut(line.trim_end(), self.terminal.width);
            self.line(&text::painted_severity(&line, self.terminal.colour));
        }
    }
}

/// An empty table, each of its columns after one space, these of them to the right.
pub(crate) fn columns(header: &[&str], numbers: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    for column in numbers {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn header(page: &mut Page, document: &ResultDocument) {
    let image = &document.image;
    page.line(&text::painted(&plain(&word::image(document)), text::BOLD, page.terminal.colour));
    let digest = image.digest.map(|digest| digest.to_string());
    let system = image.os.as_ref().map(|os| {
        let unsupported = if os.supported { "" } else { " (no advisories are kept for it here)" };
        let over = if os.end_of_life == Some(true) { " (past its end of life)" } else { "" };
        format!("{}{unsupported}{over}", word::system(os))
    });
    let status = format!("{}: the image {}", document.scan.status.name(), word::status(document.scan.status));
    let layers = word::count(document.layers.len() as u64, "layer", "layers");
    let packages = word::count(document.packages.len() as u64, "package", "packages");
    let lines = [
        ("digest", digest),
        ("platform", image.platform.clone()),
        ("system", Some(system.unwrap_or_else(|| "none was recognised".into()))),
        ("built on", image.base.as_ref().map(word::base)),
        ("scan", Some(status)),
        ("holds", Some(format!("{packages} in {layers}"))),
    ];
    for (name, value) in lines {
        if let Some(value) = value {
            page.field(name, &value);
        }
    }
    for runtime in &image.runtimes_end_of_life {
        let day = runtime.ended.split('T').next().unwrap_or(&runtime.ended);
        let package = plain(&runtime.package);
        page.field(
            "runtime",
            &format!("{} {} (past its end of life, {day}; {package})", runtime.name, runtime.version),
        );
    }
}

/// Why the status is not complete, every reason.
fn unread(page: &mut Page, document: &ResultDocument, gaps: &[Gap<'_>]) {
    if document.scan.status == ScanStatus::Complete {
        return;
    }
    page.heading("NOT READ", "what follows is not the whole image");
    let reasons: Vec<&Gap<'_>> = gaps.iter().filter(|gap| gap.kind == GapKind::Unread).collect();
    for gap in &reasons {
        let layer = gap.layer.map_or_else(|| "image".to_owned(), |layer| format!("layer {layer}"));
        let path = gap.path.map(|path| format!(" {path}")).unwrap_or_default();
        let why = gap.text.trim_start_matches("Not read: ");
        page.paragraph(2, &format!("{layer}{path}: {why}"));
    }
    if reasons.is_empty() {
        page.paragraph(2, &format!("The image {}.", word::status(document.scan.status)));
    }
}

/// What the packages were compared with, and how old it is.
fn coverage(page: &mut Page, document: &ResultDocument, gaps: &[Gap<'_>], now: i64) {
    page.heading("COMPARED WITH", "");
    let feeds = &document.coverage.feeds;
    if feeds.is_empty() {
        page.line("  no advisories");
    } else {
        let mut table = columns(&[" FEED", "RECORDS", "NEWEST RECORD", "FETCHED"], &[1]);
        for feed in feeds {
            table.add_row(feed_row(feed, now));
        }
        page.rows(&table);
    }
    let kinds = [GapKind::MissingFeed, GapKind::UncoveredPackages, GapKind::UnsupportedSystem, GapKind::EndOfLife];
    for gap in gaps.iter().filter(|gap| kinds.contains(&gap.kind)) {
        page.paragraph(2, &gap.text);
    }
}

fn feed_row(feed: &FeedPart, now: i64) -> [String; 4] {
    let old = |instant: &str| seconds(instant).map(|then| format!("{} ago", age(now.saturating_sub(then))));
    let newest = feed.as_of.as_deref().map_or_else(
        || "no date".to_owned(),
        |as_of| format!("{} ({})", as_of.split('T').next().unwrap_or(as_of), old(as_of).unwrap_or_default()),
    );
    let stale = if feed.stale { ", STALE" } else { "" };
    let fetched = old(&feed.fetched_at).unwrap_or_else(|| feed.fetched_at.clone());
    [format!(" {}", plain(&feed.ecosystem)), feed.records.to_string(), newest, format!("{fetched}{stale}")]
}

fn vulnerabilities(page: &mut Page, document: &ResultDocument, gaps: &[Gap<'_>]) {
    let Some(found) = &document.vulnerabilities else {
        page.heading("VULNERABILITIES", "unknown");
        for gap in gaps.iter().filter(|gap| gap.kind == GapKind::Unmatched) {
            page.paragraph(2, gap.text.trim_start_matches("Vulnerabilities are unknown: "));
        }
        return;
    };
    if found.is_empty() {
        page.heading("VULNERABILITIES", "none found");
        page.paragraph(2, &nothing_found(document, gaps));
        return;
    }
    let (counts, fixable) = finding::counted(found);
    let packages = finding::grouped(document, found);
    let affected = word::count(packages.len() as u64, "package", "packages");
    page.heading("VULNERABILITIES", &format!("{} in {affected}, {fixable} with a fix", by_severity(&counts)));
    if gaps.iter().any(|gap| gap.kind.hides()) {
        page.paragraph(2, "There may be more: see what was not read or compared above.");
    }
    finding::rows(page, &packages);
}

/// No vulnerabilities, never without what was compared with what.
fn nothing_found(document: &ResultDocument, gaps: &[Gap<'_>]) -> String {
    let uncovered = usize::try_from(document.coverage.uncovered_packages.unwrap_or(0)).unwrap_or(usize::MAX);
    let compared = document.packages.len().saturating_sub(uncovered) as u64;
    let feeds: Vec<&str> = document.coverage.feeds.iter().map(|feed| feed.ecosystem.as_str()).collect();
    let packages = word::count(compared, "package was", "packages were");
    let doubt = if gaps.is_empty() { "" } else { " That is not all there is to know: see above." };
    format!("{packages} compared with the advisories of {}.{doubt}", feeds.join(", "))
}

/// `1 critical, 3 high`.
fn by_severity(counts: &SeverityCounts) -> String {
    let present = Severity::ALL.into_iter().filter(|severity| counts.of(*severity) > 0);
    let parts: Vec<String> = present.map(|severity| format!("{} {}", counts.of(severity), severity.name())).collect();
    parts.join(", ")
}

fn risks(page: &mut Page, document: &ResultDocument) {
    if document.risks.is_empty() {
        let looked = match document.scan.status {
            ScanStatus::Complete => "none found",
            ScanStatus::Partial => "none found in what was read",
            _ => "unknown",
        };
        return page.heading("RISKS", looked);
    }
    let mut counts = SeverityCounts::default();
    document.risks.iter().for_each(|risk| counts.count(risk.severity));
    page.heading("RISKS", &by_severity(&counts));
    let mut table = columns(&[" SEVERITY", "RULE", "WHERE", "WHAT"], &[]);
    for risk in &document.risks {
        table.add_row(risk_row(risk));
    }
    page.rows(&table);
}

fn risk_row(risk: &RiskPart) -> [String; 4] {
    let line = risk.line.map(|line| format!(":{line}")).unwrap_or_default();
    let layer = risk.layer.map(|layer| format!("layer {layer} ")).unwrap_or_default();
    let place = match &risk.path {
        Some(path) => format!("{layer}{path}{line}"),
        None => format!("{layer}configuration"),
    };
    let hidden = if risk.visible { "" } else { "[hidden by an upper layer] " };
    [
        format!(" {}", risk.severity.name()),
        format!("{}/{}", word::risk_kind(risk.kind), plain(&risk.rule)),
        plain(&place),
        plain(&format!("{hidden}{}", risk.detail)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::format::sample;

    const FILE: Terminal = Terminal { width: None, colour: false };

    fn shown(document: &ResultDocument) -> String {
        table(document, FILE, sample::NOW)
    }

    #[test]
    fn a_complete_scan_reads_from_top_to_bottom() {
        let text = shown(&sample::complete());
        let digest = sample::complete().image.digest.unwrap();
        let expected = format!(
            "\
docker.io/team/app:1
  digest    {digest}
  platform  linux/amd64
  system    Debian GNU/Linux 12 (bookworm)
  built on  docker.io/library/debian:12, its first layer
  scan      complete: the image was read completely
  holds     3 packages in 2 layers

COMPARED WITH
  FEED       RECORDS  NEWEST RECORD          FETCHED
  Debian:12    51000  2026-01-01 (36 h ago)  3 h ago
  npm          51000  2026-01-01 (36 h ago)  3 h ago

VULNERABILITIES: 1 high, 1 unknown in 2 packages, 1 with a fix
"
        );
        assert!(text.starts_with(&expected), "{text}");
    }

    #[test]
    fn every_reason_stands_where_the_scan_is_not_complete() {
        let text = shown(&sample::partial());
        for expected in [
            "partial: the image was read in part only",
            "NOT READ: what follows is not the whole image",
            "  layer 1 opt/a b.jar: a Java archive is nested too deep (archive_limit).",
            "  layer 1: the gzip stream ends early (decode_failed).",
            "3 h ago, STALE",
            "  No advisories are at hand for npm: its packages were not compared.",
            "  2 packages were compared with no advisories.",
            "(past its end of life)",
            "  runtime   node 16.20.2 (past its end of life, 2023-09-12; pkg:generic/node@16.20.2)\n",
            "  There may be more: see what was not read or compared above.",
        ] {
            assert!(text.contains(expected), "no {expected:?} in\n{text}");
        }
    }

    #[test]
    fn nothing_found_is_never_said_without_what_was_compared() {
        let text = shown(&sample::clean());
        assert!(
            text.ends_with("VULNERABILITIES: none found\n  3 packages were compared with the advisories of Debian:12, npm.\n\nRISKS: none found\n"),
            "{text}"
        );
        let mut doubtful = sample::partial();
        doubtful.vulnerabilities = Some(Vec::new());
        doubtful.risks.clear();
        let text = shown(&doubtful);
        assert!(
            text.ends_with("  1 package was compared with the advisories of Debian:12. That is not all there is to know: see above.\n\nRISKS: none found in what was read\n"),
            "{text}"
        );
        for (document, why, risks) in [
            (sample::unmatched(), "the image was not compared with advisories yet.", "none found"),
            (sample::never_seen(), "nothing was read that could be compared with advisories.", "unknown"),
        ] {
            let text = shown(&document);
            let end = format!("VULNERABILITIES: unknown\n  {why}\n\nRISKS: {risks}\n");
            assert!(text.ends_with(&end) && text.contains("COMPARED WITH\n  no advisories\n"), "{text}");
        }
    }

    #[test]
    fn lines_end_at_the_terminal_s_edge() {
        for width in [40, 60, 80, 120] {
            let text = table(&sample::partial(), Terminal { width: Some(width), colour: false }, sample::NOW);
            for line in text.lines().filter(|line| !line.contains("sha256:")) {
                assert!(line.chars().count() <= usize::from(width), "{width}: {line}");
            }
        }
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let coloured = table(&sample::complete(), Terminal { width: Some(100), colour: true }, sample::NOW);
        let mono = table(&sample::complete(), Terminal { width: Some(100), colour: false }, sample::NOW);
        assert!(coloured.contains("\u{1b}[") && !mono.contains('\u{1b}'));
        let mut bare = coloured;
        for code in [text::BOLD, "\u{1b}[31;1m", "\u{1b}[31m", "\u{1b}[33m", "\u{1b}[36m", "\u{1b}[2m", text::RESET] {
            bare = bare.replace(code, "");
        }
        assert_eq!(bare, mono);
    }

    #[test]
    fn an_image_cannot_write_to_the_terminal() {
        let mut document = sample::partial();
        let evil = "\u{1b}]0;owned\u{7}\u{202e}x\r\n";
        document.image.reference = Some(evil.into());
        document.packages[0].name = evil.into();
        document.packages[0].version = evil.into();
        document.packages[0].paths = vec![evil.into()];
        document.risks[0].path = Some(evil.into());
        document.risks[0].detail = evil.into();
        document.scan.reasons[0].reason.path = Some(evil.into());
        for found in document.vulnerabilities.iter_mut().flatten() {
            found.summary = evil.into();
            found.fixed_version = Some(evil.into());
            found.id = evil.into();
        }
        let text = shown(&document);
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']), "{text:?}");
    }
}
