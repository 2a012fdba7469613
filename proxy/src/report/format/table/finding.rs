//! Vulnerabilities by package: what is installed, then each of its vulnerabilities with what fixes it.

use std::collections::BTreeMap;

use weir_scanner::finding::Severity;
use weir_scanner::verdict::SeverityCounts;

use super::text::{cut, painted, painted_severity, plain};
use super::{Page, columns, text};
use crate::report::document::{PackagePart, ResultDocument, VulnerabilityPart};

/// A package with its findings, in the order of the document.
pub(super) struct Affected<'a> {
    /// Its package URL.
    url: &'a str,
    layer: u32,
    package: Option<&'a PackagePart>,
    findings: Vec<&'a VulnerabilityPart>,
}

/// Distinct vulnerabilities, each as its worst finding; and how many of them have a fix.
pub(super) fn counted(found: &[VulnerabilityPart]) -> (SeverityCounts, u64) {
    let mut worst: BTreeMap<&str, (Severity, bool)> = BTreeMap::new();
    for finding in found {
        let (severity, fixable) = worst.entry(&finding.id).or_insert((finding.severity, false));
        *severity = finding.severity.max(*severity);
        *fixable |= finding.fixed_version.is_some();
    }
    let mut counts = SeverityCounts::default();
    worst.values().for_each(|(severity, _)| counts.count(*severity));
    (counts, worst.values().filter(|(_, fixable)| *fixable).count() as u64)
}

/// The findings by package, the packages in the order of their worst.
pub(super) fn grouped<'a>(document: &'a ResultDocument, found: &'a [VulnerabilityPart]) -> Vec<Affected<'a>> {
    let packages: BTreeMap<(&str, u32), &PackagePart> =
        document.packages.iter().map(|package| ((package.purl.as_str(), package.layer), package)).collect();
    let mut numbers: BTreeMap<(&str, u32), usize> = BTreeMap::new();
    let mut groups: Vec<Affected<'a>> = Vec::new();
    for finding in found {
        let key = (finding.package.as_str(), finding.layer);
        let number = *numbers.entry(key).or_insert(groups.len());
        if number == groups.len() {
            let package = packages.get(&key).copied();
            groups.push(Affected { url: key.0, layer: key.1, package, findings: Vec::new() });
        }
        groups[number].findings.push(finding);
    }
    groups
}

/// One table for all, so that its columns stand under each other, with a line for each package before its rows.
pub(super) fn rows(page: &mut Page, packages: &[Affected<'_>]) {
    let mut table = columns(&["   SEVERITY", "VULNERABILITY", "CVSS", "EXPLOITED", "FIXED IN", "ABOUT"], &[2]);
    for finding in packages.iter().flat_map(|package| &package.findings) {
        table.add_row(row(finding));
    }
    let (width, colour) = (page.terminal.width, page.terminal.colour);
    let mut lines = table.lines();
    let mut next = |page: &mut Page| {
        if let Some(line) = lines.next() {
            page.line(&painted_severity(&cut(line.trim_end(), width), colour));
        }
    };
    next(page);
    for package in packages {
        page.line(&title(package, width, colour));
        for _ in &package.findings {
            next(page);
        }
    }
}

fn title(affected: &Affected<'_>, width: Option<u16>, colour: bool) -> String {
    let place = format!("layer {}", affected.layer);
    let Some(package) = affected.package else {
        return cut(&format!("  {}  ({place})", plain(affected.url)), width);
    };
    let path = package.paths.first().map(|path| format!(", {path}")).unwrap_or_default();
    let more = if package.paths.len() > 1 { format!(" and {} more", package.paths.len() - 1) } else { String::new() };
    let name = plain(&format!("{} {}", package.name, package.version));
    let line = format!("  {name}  ({}, {place}{}{more})", package.package_type, plain(&path));
    cut(&line, width).replacen(&name, &painted(&name, text::BOLD, colour), 1)
}

fn row(finding: &VulnerabilityPart) -> [String; 6] {
    let exploited = match finding.known_exploited {
        Some(true) => "yes",
        Some(false) => "no",
        None => "?",
    };
    [
        format!("   {}", finding.severity.name()),
        plain(&finding.id),
        finding.cvss.as_ref().map(|cvss| format!("{:.1}", cvss.score)).unwrap_or_default(),
        exploited.into(),
        finding
            .fixed_version
            .as_deref()
            .map_or_else(|| "no fix known".into(), |version| format!("→ {}", plain(version))),
        plain(&finding.summary),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::{Terminal, table};
    use super::*;
    use crate::report::format::sample;

    #[test]
    fn a_package_stands_before_its_findings() {
        let text = table(&sample::complete(), Terminal { width: None, colour: false }, sample::NOW);
        let from = text.find("SEVERITY").unwrap();
        let words: Vec<Vec<&str>> =
            text[from..].lines().take(6).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[1], ["libssl3", "3.0.11-1", "(deb,", "layer", "0,", "var/lib/dpkg/status)"]);
        assert_eq!(words[2][..6], ["high", "CVE-2023-0464", "7.5", "yes", "→", "3.0.11-2"]);
        assert_eq!(words[3][..2], ["lodash", "4.17.11"]);
        assert_eq!(words[4][..6], ["medium", "CVE-2023-0464", "5.0", "yes", "→", "4.17.12"]);
        assert_eq!(words[5][..6], ["unknown", "GHSA-0000-0000-0001", "no", "no", "fix", "known"]);
    }

    #[test]
    fn a_vulnerability_counts_once() {
        let document = sample::complete();
        let (counts, fixable) = counted(document.vulnerabilities.as_deref().unwrap());
        assert_eq!((counts.high, counts.medium, counts.unknown, fixable), (1, 0, 1, 1));
    }
}
