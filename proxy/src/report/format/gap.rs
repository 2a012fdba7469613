//! What a result does not know: the one list that every form tells, so that none looks clean where nothing was looked at.

use weir_scanner::image::{ImageReason, ScanStatus};

use super::word;
use crate::report::document::ResultDocument;

/// What sort of thing is not known; the names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GapKind {
    /// The image was not read, or not completely.
    Scan,
    /// One thing in it that was not read, and why.
    Unread,
    /// It was compared with no advisories.
    Unmatched,
    /// No feed has records for an ecosystem of it.
    MissingFeed,
    /// A feed is older than it should be.
    StaleFeed,
    /// No feed could speak for some of its packages.
    UncoveredPackages,
    /// Its distribution is none that this version has advisories for.
    UnsupportedSystem,
    /// Its distribution gets no advisories any more.
    EndOfLife,
}

impl GapKind {
    pub(super) const ALL: [Self; 8] = [
        Self::Scan,
        Self::Unread,
        Self::Unmatched,
        Self::MissingFeed,
        Self::StaleFeed,
        Self::UncoveredPackages,
        Self::UnsupportedSystem,
        Self::EndOfLife,
    ];

    /// The name in the forms.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Scan => "scan-incomplete",
            Self::Unread => "unread",
            Self::Unmatched => "not-matched",
            Self::MissingFeed => "missing-feed",
            Self::StaleFeed => "stale-feed",
            Self::UncoveredPackages => "uncovered-packages",
            Self::UnsupportedSystem => "unsupported-system",
            Self::EndOfLife => "end-of-life",
        }
    }

    /// One sentence on the sort, for lists of rules.
    pub(super) const fn about(self) -> &'static str {
        match self {
            Self::Scan => "The image was not read completely.",
            Self::Unread => "Something in the image was not read.",
            Self::Unmatched => "The image was compared with no advisories.",
            Self::MissingFeed => "No advisories are at hand for an ecosystem in the image.",
            Self::StaleFeed => "The advisories of a feed are older than they should be.",
            Self::UncoveredPackages => "Some packages were compared with no advisories.",
            Self::UnsupportedSystem => "The image's distribution is none that advisories are at hand for.",
            Self::EndOfLife => "The image's distribution gets no advisories any more.",
        }
    }

    /// Whether vulnerabilities may hide behind it, as `weir scan --fail-on` judges: then nothing can be passed.
    pub(super) const fn hides(self) -> bool {
        matches!(self, Self::Scan | Self::Unmatched | Self::MissingFeed)
    }
}

/// One thing that is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap<'a> {
    pub(super) kind: GapKind,
    /// One sentence for people.
    pub(super) text: String,
    pub(super) layer: Option<u32>,
    pub(super) path: Option<&'a str>,
}

impl Gap<'_> {
    const fn new(kind: GapKind, text: String) -> Self {
        Self { kind, text, layer: None, path: None }
    }

    /// The sentence with its place before it.
    pub(super) fn placed(&self, document: &ResultDocument) -> String {
        let path = self.path.map(str::to_owned);
        let place: Vec<String> = path.into_iter().chain(self.layer.map(|layer| word::layer(document, layer))).collect();
        if place.is_empty() { self.text.clone() } else { format!("{}: {}", place.join(", "), self.text) }
    }
}

/// Everything the document does not know, in the order of [`GapKind`].
pub(super) fn gaps(document: &ResultDocument) -> Vec<Gap<'_>> {
    let mut gaps = Vec::new();
    if document.scan.status != ScanStatus::Complete {
        gaps.push(Gap::new(GapKind::Scan, format!("The image {}.", word::status(document.scan.status))));
    }
    gaps.extend(document.scan.reasons.iter().map(unread));
    if document.vulnerabilities.is_none() {
        gaps.push(Gap::new(GapKind::Unmatched, unmatched(document)));
    }
    let coverage = &document.coverage;
    let missing = |ecosystem: &String| {
        Gap::new(
            GapKind::MissingFeed,
            format!("No advisories are at hand for {ecosystem}: its packages were not compared."),
        )
    };
    gaps.extend(coverage.missing_feeds.iter().map(missing));
    for feed in coverage.feeds.iter().filter(|feed| feed.stale) {
        let text = format!("The advisories of {} were fetched last at {}.", feed.ecosystem, feed.fetched_at);
        gaps.push(Gap::new(GapKind::StaleFeed, text));
    }
    if let Some(count @ 1..) = coverage.uncovered_packages {
        let text = format!("{} compared with no advisories.", word::count(count, "package was", "packages were"));
        gaps.push(Gap::new(GapKind::UncoveredPackages, text));
    }
    gaps.extend(system(document));
    gaps
}

fn unread(reason: &ImageReason) -> Gap<'_> {
    let code = reason.reason.code.name();
    let text = format!("Not read: {} ({code}).", reason.reason.detail.trim_end_matches('.'));
    Gap { kind: GapKind::Unread, text, layer: reason.layer, path: reason.reason.path.as_deref() }
}

fn unmatched(document: &ResultDocument) -> String {
    let why = match (document.scan.status, &document.scan.matched_at) {
        (ScanStatus::Complete | ScanStatus::Partial, Some(_)) => "no advisories are at hand for anything in the image",
        (ScanStatus::Complete | ScanStatus::Partial, None) => "the image was not compared with advisories yet",
        _ => "nothing was read that could be compared with advisories",
    };
    format!("Vulnerabilities are unknown: {why}.")
}

fn system(document: &ResultDocument) -> Option<Gap<'_>> {
    let os = document.image.os.as_ref()?;
    let name = word::system(os);
    match (os.supported, os.end_of_life) {
        (false, _) => Some(Gap::new(
            GapKind::UnsupportedSystem,
            format!("{name} is no release that advisories are kept for here: its packages were not compared."),
        )),
        (true, Some(true)) => Some(Gap::new(
            GapKind::EndOfLife,
            format!("{name} is past its end of life: later vulnerabilities have no advisories."),
        )),
        (true, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::format::sample;

    fn kinds(document: &ResultDocument) -> Vec<&'static str> {
        gaps(document).iter().map(|gap| gap.kind.name()).collect()
    }

    #[test]
    fn each_thing_that_is_not_known_is_named() {
        assert_eq!(gaps(&sample::complete()), []);
        assert_eq!(
            kinds(&sample::partial()),
            ["scan-incomplete", "unread", "unread", "missing-feed", "stale-feed", "uncovered-packages", "end-of-life"]
        );
        assert_eq!(kinds(&sample::unmatched()), ["not-matched"]);
        assert_eq!(kinds(&sample::never_seen()), ["scan-incomplete", "not-matched"]);
        let mut document = sample::complete();
        if let Some(os) = &mut document.image.os {
            os.supported = false;
        }
        assert_eq!(kinds(&document), ["unsupported-system"]);
    }

    #[test]
    fn a_sentence_says_what_why_and_where() {
        let document = sample::partial();
        let gaps = gaps(&document);
        assert_eq!(gaps[0].text, "The image was read in part only.");
        assert_eq!(gaps[1].text, "Not read: a Java archive is nested too deep (archive_limit).");
        assert_eq!((gaps[1].layer, gaps[1].path), (Some(1), Some("opt/a b.jar")));
        assert_eq!(gaps[5].text, "2 packages were compared with no advisories.");
    }
}
