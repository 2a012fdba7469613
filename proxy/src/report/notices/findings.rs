//! Findings of one kind, gathered: one item a vulnerability, however many images and packages it is in.
//!
//! What is told of a vulnerability is bounded; what goes beyond is counted.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use weir_config::NoticeKind;
use weir_scanner::finding::Severity;
use weir_scanner::oci::Digest;
use weir_storage::index::{Index, IndexError};

use super::image::repositories;
use super::scope::Scope;
use crate::notify::{
    FindingTotals, Notice, NoticeImage, NoticeItem, NoticePackage, NoticeWorkload, VulnerabilityNotice, cut,
};
use crate::report::fleet::FleetView;

/// Vulnerabilities of a notice.
const MOST_ITEMS: usize = 500;
/// Packages and images of a vulnerability, repositories and workloads of an image.
const MOST_NAMES: usize = 10;

/// One finding that something happened to.
pub(super) struct Told<'a> {
    pub(super) image: Digest,
    pub(super) id: &'a str,
    pub(super) package: &'a str,
    pub(super) severity: Severity,
    pub(super) previous_severity: Option<Severity>,
    pub(super) fixed_version: Option<&'a str>,
    pub(super) reason: Option<&'static str>,
    /// The kind of the decision that it is told in spite of.
    pub(super) despite: Option<&'static str>,
    pub(super) known_exploited: Option<bool>,
}

/// Everything of one kind.
#[derive(Default)]
pub(super) struct Summary {
    vulnerabilities: BTreeMap<String, Entry>,
    /// Every image once: vulnerabilities name them by their place, since thousands of images share hundreds of vulnerabilities.
    images: Vec<Digest>,
    places: HashMap<Digest, u32>,
    findings: u64,
}

#[derive(Default)]
struct Entry {
    severity: Severity,
    previous_severity: Option<Severity>,
    known_exploited: Option<bool>,
    reasons: BTreeSet<&'static str>,
    packages: BTreeMap<String, Option<String>>,
    /// Places of images; the same one may stand there several times until the notice is made.
    images: Vec<u32>,
}

/// What names are looked up in.
pub(super) struct Names<'a> {
    pub(super) index: &'a Index,
    pub(super) view: &'a FleetView,
    pub(super) scope: &'a Scope,
    /// Where people reach the report.
    pub(super) public_url: Option<&'a str>,
}

impl Summary {
    pub(super) fn add(&mut self, told: &Told<'_>) {
        self.findings += 1;
        let image = self.place(told.image);
        let entry = self.vulnerabilities.entry(told.id.to_owned()).or_default();
        entry.severity = entry.severity.max(told.severity);
        entry.previous_severity = match (entry.previous_severity, told.previous_severity) {
            (Some(known), Some(other)) => Some(known.min(other)),
            (known, other) => known.or(other),
        };
        entry.known_exploited = entry.known_exploited.max(told.known_exploited);
        entry.reasons.extend(told.reason.into_iter().chain(told.despite));
        // What is found in one image comes together.
        if entry.images.last() != Some(&image) {
            entry.images.push(image);
        }
        entry.packages.insert(told.package.to_owned(), told.fixed_version.map(cut));
    }

    fn place(&mut self, image: Digest) -> u32 {
        *self.places.entry(image).or_insert_with(|| {
            self.images.push(image);
            u32::try_from(self.images.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// The notice of it, the gravest first; `None` where nothing happened.
    pub(super) fn notice(self, kind: NoticeKind, at: i64, names: &Names<'_>) -> Result<Option<Notice>, IndexError> {
        if self.vulnerabilities.is_empty() {
            return Ok(None);
        }
        let totals = FindingTotals {
            vulnerabilities: self.vulnerabilities.len() as u64,
            images: self.images.len() as u64,
            findings: self.findings,
        };
        let Self { vulnerabilities, images, .. } = self;
        let mut entries: Vec<(String, Entry)> = vulnerabilities.into_iter().collect();
        for (_, entry) in &mut entries {
            entry.images.sort_unstable();
            entry.images.dedup();
        }
        // Exploited ones first, then by severity and by how many images have them; the sort keeps the order of ids.
        entries.sort_by_key(|(_, entry)| {
            std::cmp::Reverse((entry.known_exploited == Some(true), entry.severity, entry.images.len()))
        });
        let more = entries.len().saturating_sub(MOST_ITEMS) as u64;
        entries.truncate(MOST_ITEMS);
        let mut known = HashMap::new();
        let items: Result<Vec<_>, _> =
            entries.into_iter().map(|(id, entry)| entry.item(id, &images, names, &mut known)).collect();
        Ok(Some(Notice { kind, at, is_test: false, totals: Some(totals), items: items?, more }))
    }
}

impl Entry {
    fn item(
        self,
        id: String,
        images: &[Digest],
        names: &Names<'_>,
        known: &mut HashMap<Digest, NoticeImage>,
    ) -> Result<NoticeItem, IndexError> {
        let more_images = self.images.len().saturating_sub(MOST_NAMES) as u64;
        let mut shown = Vec::new();
        for digest in self.images.iter().filter_map(|place| images.get(*place as usize)).take(MOST_NAMES) {
            let image = match known.get(digest) {
                Some(image) => NoticeImage::clone(image),
                None => names.image(digest)?,
            };
            known.insert(*digest, image.clone());
            shown.push(image);
        }
        let more_packages = self.packages.len().saturating_sub(MOST_NAMES) as u64;
        let packages = self.packages.into_iter().take(MOST_NAMES);
        let packages = packages.map(|(purl, fixed_version)| NoticePackage { purl: cut(&purl), fixed_version });
        let url = names.public_url.map(|base| {
            let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
            format!("{base}/vulnerabilities/{id}")
        });
        Ok(NoticeItem::Vulnerability(VulnerabilityNotice {
            id: cut(&id),
            severity: self.severity,
            previous_severity: self.previous_severity,
            known_exploited: self.known_exploited,
            reasons: self.reasons.into_iter().collect(),
            packages: packages.collect(),
            more_packages,
            images: shown,
            more_images,
            url,
        }))
    }
}

impl Names<'_> {
    fn image(&self, digest: &Digest) -> Result<NoticeImage, IndexError> {
        let users = self.scope.users(digest).unwrap_or_default();
        let workloads = users.iter().take(MOST_NAMES).map(|place| {
            let key = &self.view.workload(*place).key;
            NoticeWorkload {
                cluster: key.cluster.clone(),
                namespace: key.namespace.clone(),
                kind: key.kind.clone(),
                name: key.name.clone(),
            }
        });
        Ok(NoticeImage {
            digest: digest.to_string(),
            repositories: repositories(self.index, digest)?.into_iter().take(MOST_NAMES).collect(),
            workloads: workloads.collect(),
            more_workloads: users.len().saturating_sub(MOST_NAMES) as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<'a>(image: &[u8], id: &'a str, package: &'a str, severity: Severity) -> Told<'a> {
        Told {
            image: Digest::of(image),
            id,
            package,
            severity,
            previous_severity: None,
            fixed_version: None,
            reason: Some("advisory"),
            despite: None,
            known_exploited: Some(id == "exploited"),
        }
    }

    fn notice(summary: Summary) -> (FindingTotals, Vec<VulnerabilityNotice>, u64) {
        let (view, index) = (FleetView::default(), Index::in_memory());
        let scope = Scope::of(&view, &crate::report::notices::round::tests::settings(""));
        let names = Names { index: &index, view: &view, scope: &scope, public_url: Some("https://w") };
        let notice = summary.notice(NoticeKind::Opened, 7, &names).unwrap().unwrap();
        let items = notice.items.into_iter().map(|item| match item {
            NoticeItem::Vulnerability(vulnerability) => vulnerability,
            other => panic!("{other:?}"),
        });
        (notice.totals.unwrap(), items.collect(), notice.more)
    }

    #[test]
    fn a_vulnerability_is_told_once_and_the_gravest_come_first() {
        let mut summary = Summary::default();
        for (image, id, package, severity) in [
            (&b"a"[..], "low", "pkg:deb/a@1", Severity::Low),
            (b"a", "wide", "pkg:deb/a@1", Severity::High),
            (b"b", "wide", "pkg:deb/b@1", Severity::Critical),
            (b"b", "wide", "pkg:deb/a@1", Severity::High),
            (b"a", "single", "pkg:deb/a@1", Severity::Critical),
            (b"a", "exploited", "pkg:deb/a@1", Severity::Low),
        ] {
            summary.add(&told(image, id, package, severity));
        }
        let (totals, items, more) = notice(summary);
        assert_eq!(totals, FindingTotals { vulnerabilities: 4, images: 2, findings: 6 });
        assert_eq!(
            items.iter().map(|item| item.id.as_str()).collect::<Vec<_>>(),
            ["exploited", "wide", "single", "low"]
        );
        assert_eq!(
            (items[1].severity, items[1].images.len(), items[1].packages.len(), more),
            (Severity::Critical, 2, 2, 0)
        );
        assert_eq!(items[1].url.as_deref(), Some("https://w/vulnerabilities/wide"));
    }

    #[test]
    fn what_goes_beyond_the_bounds_is_counted() {
        let mut summary = Summary::default();
        for at in 0..MOST_ITEMS + 3 {
            summary.add(&told(b"a", &format!("CVE-{at:05}"), "pkg:deb/a@1", Severity::High));
        }
        for at in 0..MOST_NAMES + 5 {
            let package = format!("pkg:deb/{at}@1");
            for _ in 0..2 {
                summary.add(&told(at.to_string().as_bytes(), "exploited", &package, Severity::High));
            }
        }
        let (totals, items, more) = notice(summary);
        assert_eq!((totals.vulnerabilities, more, items.len()), (MOST_ITEMS as u64 + 4, 4, MOST_ITEMS));
        let first = &items[0];
        assert_eq!((first.packages.len(), first.more_packages), (MOST_NAMES, 5));
        assert_eq!((first.images.len(), first.more_images), (MOST_NAMES, 5));
    }
}
