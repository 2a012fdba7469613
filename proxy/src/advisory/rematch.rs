//! Matches again what imports touched, and nothing else.
//!
//! An import leaves rows of what it touched. They lead to packages, these to the images that hold one, and of each of these
//! images the touched packages are matched once. The rows go when their images are done, so a process that stops begins the
//! same plan anew. A plan holds the rows of one helping, a bounded set of packages and a bounded set of images; where more
//! packages are meant, all are, and where more images are meant, all are walked in the order of the index.
//!
//! The invariant: of every matched image, what is stored is what matching from nothing gives, but for packages that a row
//! still touches.

use std::collections::BTreeSet;
use std::collections::btree_set::IntoIter;

use weir_scanner::finding::{Answers, Stale, touched_by_names};
use weir_scanner::oci::Digest;
use weir_storage::index::{FindingEvent, ImageCursor, Index, IndexError, Touch, TouchedRow};

use crate::scan::match_image;

/// Rows taken into one plan. Each helping walks the images it means, so few large ones cost less than many small ones.
const PLAN_ROWS: usize = 32_768;
/// Packages of one plan; more of them are taken as all.
const PLAN_PACKAGES: usize = 262_144;
/// Images of one plan; more of them are walked as all.
const PLAN_IMAGES: usize = 65_536;
/// Names followed in one step, so that new images are matched between two steps.
const STEP_NAMES: usize = 512;
/// Images matched in one step.
const STEP_IMAGES: usize = 32;

/// What kept answers may weigh together: about 64 MB.
const ANSWERS_WEIGHT: usize = 262_144;

/// The work on what was touched.
pub(super) struct Rematch {
    plan: Option<Plan>,
    /// What advisories said before; nothing that is touched and not yet planned for is relied on, since its images are matched again.
    answers: Answers,
}

struct Plan {
    rows: Vec<TouchedRow>,
    /// Names not followed yet.
    names: IntoIter<String>,
    stale: Stale,
    /// `None` until all names are followed.
    images: Option<Images>,
}

enum Images {
    These(IntoIter<Digest>),
    All { after: Option<ImageCursor> },
}

/// What one step came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Images matched.
    pub(super) images: usize,
    /// What changed in which of them.
    pub(super) events: Vec<(Digest, FindingEvent)>,
    /// Whether more is to be done.
    pub(super) more: bool,
}

impl Default for Rematch {
    fn default() -> Self {
        Self { plan: None, answers: Answers::new(ANSWERS_WEIGHT) }
    }
}

impl Rematch {
    /// Matches a new image with what was answered before. Every answer is younger than the last plan; what an import changed
    /// since then is touched, and this image with it.
    pub(super) fn one(&mut self, index: &Index, image: &Digest, now: i64) -> Result<Vec<FindingEvent>, IndexError> {
        Ok(match_image(index, image, now, &mut self.answers, &Stale::everything())?.unwrap_or_default())
    }

    /// Makes a plan where there is none, or goes on with it, and matches the next images of it at `now` (seconds since the epoch).
    /// After an error the next step plans anew, from rows that are still there. Blocks.
    pub(super) fn step(&mut self, index: &Index, now: i64) -> Result<Step, IndexError> {
        let step = self.try_step(index, now);
        if step.is_err() {
            self.plan = None;
        }
        step
    }

    fn try_step(&mut self, index: &Index, now: i64) -> Result<Step, IndexError> {
        let plan = match &mut self.plan {
            Some(plan) => plan,
            None => match Plan::of(index.touched().take(PLAN_ROWS)?, index)? {
                Some(plan) => self.plan.insert(plan),
                None => return Ok(Step::default()),
            },
        };
        let mut step = Step { more: true, ..Step::default() };
        let Some(images) = &mut plan.images else {
            if plan.follow(index)? {
                self.answers.forget(&plan.stale);
                plan.images = Some(Images::of(&plan.stale, index)?);
            }
            return Ok(step);
        };
        let next = images.next(index)?;
        step.images = next.len();
        for image in &next {
            // One that was never matched waits for its feeds, and has its own turn.
            if index.images().get(image)?.is_none_or(|record| record.matched_at.is_none()) {
                continue;
            }
            let events = match_image(index, image, now, &mut self.answers, &plan.stale)?;
            step.events.extend(events.unwrap_or_default().into_iter().map(|event| (*image, event)));
        }
        if next.is_empty() {
            index.touched().done(&plan.rows)?;
            self.plan = None;
            step.more = !index.touched().is_empty()?;
        }
        Ok(step)
    }
}

impl Plan {
    /// The plan for these rows; `None` where there are none.
    fn of(rows: Vec<TouchedRow>, index: &Index) -> Result<Option<Self>, IndexError> {
        if rows.is_empty() {
            return Ok(None);
        }
        // Before the first image everything is imported for the first time, and nothing is worth following.
        let is_idle = index.images().list(None, 1)?.images.is_empty();
        if is_idle {
            return Ok(Some(Self {
                names: BTreeSet::new().into_iter(),
                stale: Stale::everything(),
                images: None,
                rows,
            }));
        }
        let (mut stale, mut names) = (Stale::default(), BTreeSet::new());
        for row in &rows {
            match &row.touch {
                Touch::AllNames => stale = Stale::everything(),
                Touch::Ecosystem(ecosystem) => stale.add_ecosystem(ecosystem),
                Touch::Package { ecosystem, package } => stale.add_packages([(ecosystem.clone(), package.clone())]),
                Touch::Name(name) => {
                    names.insert(name.clone());
                }
                Touch::Folder(folder) => {
                    let reach = index.advisories().reach(folder)?;
                    stale.add_ecosystem(folder);
                    stale.add_packages(reach.packages);
                    names.extend(reach.names);
                }
            }
        }
        if stale.package_count() > PLAN_PACKAGES {
            stale = Stale::everything();
        }
        Ok(Some(Self { names: names.into_iter(), stale, images: None, rows }))
    }

    /// Follows the next names to packages; whether that was the last of them.
    fn follow(&mut self, index: &Index) -> Result<bool, IndexError> {
        let names: BTreeSet<String> = self.names.by_ref().take(STEP_NAMES).collect();
        if self.stale.is_everything() || names.is_empty() {
            return Ok(true);
        }
        self.stale.add_packages(touched_by_names(names, &index.advisories().source())?);
        if self.stale.package_count() > PLAN_PACKAGES {
            self.stale = Stale::everything();
        }
        Ok(self.names.len() == 0)
    }
}

impl Images {
    /// The images that hold a package of these.
    fn of(stale: &Stale, index: &Index) -> Result<Self, IndexError> {
        if stale.is_everything() {
            return Ok(Self::All { after: None });
        }
        let users = index.package_users();
        let mut found = BTreeSet::new();
        let of_packages = stale.packages().flat_map(|(ecosystem, package)| users.of_package(ecosystem, package));
        let of_ecosystems = stale.ecosystems().flat_map(|ecosystem| users.of_ecosystem(ecosystem));
        for image in of_packages.chain(of_ecosystems) {
            found.insert(image?);
            if found.len() > PLAN_IMAGES {
                return Ok(Self::All { after: None });
            }
        }
        Ok(Self::These(found.into_iter()))
    }

    /// The next few; none at the end.
    fn next(&mut self, index: &Index) -> Result<Vec<Digest>, IndexError> {
        match self {
            Self::These(images) => Ok(images.take(STEP_IMAGES).collect()),
            Self::All { after } => {
                let page = index.images().list(after.as_ref(), STEP_IMAGES)?;
                let next = page.images.iter().map(|(digest, _)| *digest).collect();
                *self = match page.next {
                    Some(next) => Self::All { after: Some(next) },
                    None => Self::These(BTreeSet::new().into_iter()),
                };
                Ok(next)
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use weir_scanner::advisory::{Advisory, FeedTally};
    use weir_scanner::fixture::{AdvisoryBuilder, inventory};
    use weir_scanner::image::ScanStatus;
    use weir_scanner::oci::Repository;
    use weir_scanner::package::{Distribution, Package, PackageType};
    use weir_storage::index::{ImageRecord, ImportFinish, InventoryRecord};

    use super::*;

    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    const IDS: [&str; 6] = ["GHSA-1", "GHSA-2", "PYSEC-1", "CVE-2024-1", "CVE-2024-2", "DSA-1-1"];

    fn record() -> impl Strategy<Value = Advisory> {
        let ids = || proptest::collection::vec(prop::sample::select(&IDS[..]), 0..3);
        let package =
            (prop::sample::select(&["npm", "PyPI", "Debian:12"][..]), prop::sample::select(&NAMES[..]), 1..4_u8);
        let packages = proptest::collection::vec(package, 0..3);
        let rating = prop::option::of(prop::sample::select(&["LOW", "HIGH"][..]));
        (prop::sample::select(&IDS[..]), ids(), ids(), packages, rating, prop::bool::weighted(0.1)).prop_map(
            |(id, aliases, upstream, packages, rating, withdrawn)| {
                let mut builder = AdvisoryBuilder::new(id);
                for (ecosystem, name, fixed) in packages {
                    builder = builder.affects(ecosystem, name, &["0", &format!("{fixed}.0.0")]);
                }
                for alias in aliases {
                    builder = builder.alias(alias);
                }
                for name in upstream {
                    builder = builder.upstream(name);
                }
                if let Some(word) = rating {
                    builder = builder.word(word);
                }
                if withdrawn { builder.withdrawn(1).build() } else { builder.build() }
            },
        )
    }

    /// An import of one folder with these records, each newer than all before.
    pub(in crate::advisory) fn import(index: &Index, folder: &str, records: &[Advisory], now: i64) {
        let mut import = index.advisories().begin(folder).unwrap();
        let mut tally = FeedTally::new(folder, now);
        for record in records {
            let record = Advisory { modified: now, ..record.clone() };
            tally.count(&record);
            import.put(record).unwrap();
        }
        import.finish(ImportFinish { feeds: tally.feeds(), now, ..ImportFinish::default() }).unwrap();
    }

    pub(in crate::advisory) fn store(index: &Index, number: usize, packages: &[(PackageType, &str, u8)]) -> Digest {
        let digest = Digest::of(format!("image {number}").as_bytes());
        let image = ImageRecord {
            status: ScanStatus::Complete,
            reasons: Vec::new(),
            platform: None,
            config: digest,
            layers: Vec::new(),
            history: Vec::new(),
            base: None,
            names: vec![("docker.io".into(), Repository::parse("a/b").unwrap())],
            access_restricted: false,
            first_seen: 1,
            last_pulled: Some(1),
            inventory_fingerprint: Some("1".into()),
            matched_at: None,
        };
        index.images().put(&digest, image).unwrap();
        let debian = Distribution { id: "debian".into(), version: "12".into(), pretty_name: None };
        let packages: Vec<Package> =
            packages.iter().map(|(kind, name, version)| Package::new(*kind, *name, format!("{version}.0.0"))).collect();
        let inventory = InventoryRecord { fingerprint: "1".into(), inventory: inventory(Some(debian), &packages) };
        index.inventories().put(&digest, &inventory).unwrap();
        digest
    }

    pub(in crate::advisory) fn settle(rematch: &mut Rematch, index: &Index, now: i64) -> usize {
        let mut images = 0;
        loop {
            let step = rematch.step(index, now).unwrap();
            images += step.images;
            if !step.more {
                return images;
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn matching_again_what_was_touched_is_matching_all_from_scratch(
            images in proptest::collection::vec(proptest::collection::vec(
                (prop::sample::select(&[PackageType::Npm, PackageType::Pypi, PackageType::Deb][..]), prop::sample::select(&NAMES[..]), 0..4_u8), 0..4), 1..5),
            imports in proptest::collection::vec(
                (prop::sample::select(&["npm", "PyPI", "Debian"][..]), proptest::collection::vec(record(), 0..5)), 1..6),
        ) {
            let (index, mut rematch) = (Index::in_memory(), Rematch::default());
            let mut digests = Vec::new();
            for (number, packages) in images.iter().enumerate() {
                let digest = store(&index, number, packages);
                rematch.one(&index, &digest, 1).unwrap();
                digests.push(digest);
            }
            for (now, (folder, records)) in (2..).zip(&imports) {
                import(&index, folder, records, now);
                settle(&mut rematch, &index, now);
                for digest in &digests {
                    let inventory = index.inventories().get(digest).unwrap().unwrap().inventory;
                    let scratch = weir_scanner::finding::match_image(&inventory, &index.advisories().source()).unwrap();
                    let stored = index.findings().get(digest).unwrap().unwrap().findings;
                    prop_assert_eq!(stored.findings, scratch.findings);
                    prop_assert_eq!(stored.missing_feeds, scratch.missing_feeds);
                    prop_assert_eq!(stored.uncovered, scratch.uncovered);
                }
            }
        }
    }

    #[test]
    fn an_image_that_was_read_anew_meanwhile_still_waits_for_its_own_matching() {
        let (index, mut rematch) = (Index::in_memory(), Rematch::default());
        let digest = store(&index, 0, &[(PackageType::Npm, "a", 1)]);
        rematch.one(&index, &digest, 1).unwrap();
        let matched_at = || index.images().get(&digest).unwrap().unwrap().matched_at;
        let unmatched = |old: Option<&ImageRecord>| Some(ImageRecord { matched_at: None, ..old?.clone() });
        index.images().update(&digest, unmatched).unwrap();
        match_image(&index, &digest, 2, &mut rematch.answers, &Stale::default()).unwrap();
        assert_eq!(matched_at(), None);
        rematch.one(&index, &digest, 3).unwrap();
        assert_eq!(matched_at(), Some(3));
    }

    #[test]
    fn only_images_with_a_touched_package_are_matched_again_and_a_plan_survives_a_stop() {
        let (index, mut rematch) = (Index::in_memory(), Rematch::default());
        let first = AdvisoryBuilder::new("GHSA-1").affects("npm", "a", &["0", "2.0.0"]).build();
        import(&index, "npm", std::slice::from_ref(&first), 1);
        let with = store(&index, 0, &[(PackageType::Npm, "b", 1)]);
        rematch.one(&index, &with, 1).unwrap();
        for number in 1..100 {
            let other = store(&index, number, &[(PackageType::Npm, "a", 1)]);
            rematch.one(&index, &other, 1).unwrap();
        }
        settle(&mut rematch, &index, 2);
        import(&index, "npm", &[first, AdvisoryBuilder::new("GHSA-2").affects("npm", "b", &["0"]).build()], 3);
        // Every row of the first record has changed its `modified`, so touch only what the second brings.
        let rows: Vec<_> = index.touched().take(100).unwrap();
        let others: Vec<_> = rows
            .into_iter()
            .filter(|row| !matches!(&row.touch, Touch::Package { package, .. } if package == "b"))
            .collect();
        index.touched().done(&others).unwrap();
        let planned = rematch.step(&index, 4).unwrap();
        assert_eq!(planned, Step { images: 0, events: Vec::new(), more: true });
        let step = rematch.step(&index, 4).unwrap();
        assert_eq!((step.images, step.events.len(), step.more), (1, 1, true));
        drop(rematch);
        let mut again = Rematch::default();
        assert_eq!(settle(&mut again, &index, 5), 1, "the row stays until the end of its plan");
        assert_eq!(settle(&mut again, &index, 6), 0);
        assert_eq!(index.findings().get(&with).unwrap().unwrap().findings.findings[0].id, "GHSA-2");
    }
}
