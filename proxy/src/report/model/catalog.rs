//! Every image of the index in memory, kept up to date by what changed.
//!
//! Owns when what is read: all of it once, then the images that the index says were written, and what is known of exploitation when a
//! newer list is there. Whoever reads holds a [`Catalog`], which does not change under it. Invariant: a change is in the next catalog
//! or in a later one, since the place to go on from is noted before the index is read.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use weir_scanner::oci::Digest;
use weir_storage::index::{Changed, CveKind, Index, IndexError};

use super::finding::Found;
use super::holders::Holders;
use super::read::{Reader, likelihoods, read_tags};
use super::row::ImageRow;
use super::texts::{Package, Repository, Texts, Vulnerability};

/// Repositories asked for of one digest.
const MOST_HOLDERS: usize = 64;
/// Of how many findings one may be of an image that was read since those of all were put together.
const LOOSE: usize = 8;
/// Findings that may be in any case: so few in tests that those of small indexes are put together too.
const MOST_LOOSE: usize = if cfg!(test) { 4 } else { 50_000 };
/// Texts that may be left over from what is gone before all is read anew.
const MOST_LEFT_OVER: usize = 200_000;

/// Every image of the index at one moment.
#[derive(Clone, Debug, Default)]
pub(in crate::report) struct Catalog {
    /// First seen last first, those of one moment by digest.
    pub(super) images: Vec<Arc<ImageRow>>,
    by_digest: HashMap<Digest, Arc<ImageRow>>,
    pub(super) vulnerabilities: Arc<Vec<Arc<Vulnerability>>>,
    pub(super) packages: Arc<Vec<Arc<Package>>>,
    pub(super) versions: Arc<Vec<Box<str>>>,
    pub(super) blobs: Arc<Vec<Digest>>,
    /// Whether there is a list of exploited vulnerabilities at all.
    pub(super) knows_exploited: bool,
    /// Made when they are asked for first.
    holders: OnceLock<Holders>,
}

impl Catalog {
    /// Puts images in their order.
    pub(super) fn of(mut images: Vec<Arc<ImageRow>>, texts: &Texts, knows_exploited: bool) -> Self {
        sort(&mut images, |row| row);
        Self {
            by_digest: images.iter().map(|row| (row.digest, Arc::clone(row))).collect(),
            images,
            vulnerabilities: Arc::clone(&texts.vulnerabilities.all),
            packages: Arc::clone(&texts.packages.all),
            versions: Arc::clone(&texts.versions.all),
            blobs: Arc::clone(&texts.blobs.all),
            knows_exploited,
            holders: OnceLock::new(),
        }
    }

    /// The images that have a vulnerability, by its number, in their order, which is a model's too.
    pub(super) fn holders(&self, number: u32) -> impl Iterator<Item = &ImageRow> {
        let all = self.holders.get_or_init(|| Holders::of(&self.images, self.vulnerabilities.len()));
        all.images(number).iter().map(|at| &*self.images[*at as usize])
    }

    /// An image that weir has seen.
    pub(in crate::report) fn image(&self, digest: &Digest) -> Option<&Arc<ImageRow>> {
        self.by_digest.get(digest)
    }

    /// The configuration and the layers of an image.
    pub(in crate::report) fn blobs_of(&self, image: &ImageRow) -> impl Iterator<Item = Digest> {
        let numbers = std::iter::once(image.config).chain(image.layers.iter().copied());
        numbers.filter_map(|number| self.blobs.get(number as usize)).copied()
    }
}

/// Puts images in their order: first seen last first, those of one moment by digest.
pub(super) fn sort<T>(images: &mut [T], row: impl Fn(&T) -> &ImageRow) {
    // Most are in it already.
    images.sort_by(|a, b| {
        let (a, b) = (row(a), row(b));
        b.first_seen.cmp(&a.first_seen).then_with(|| a.digest.cmp(&b.digest))
    });
}

/// How much is read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// Some of what changed; whoever asks goes on until there is no more.
    Some,
    /// What changed where that is little, so that whoever waits for it does not wait long.
    Little,
}

/// How far following the index has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// All that was asked for is read.
    Done,
    /// More is to be read.
    More,
    /// All is to be read anew.
    Anew,
}

/// Images read in one step.
const STEP: usize = 64;

/// Keeps the catalog.
#[derive(Default)]
pub(super) struct Keeper {
    pub(super) texts: Texts,
    images: HashMap<Digest, Arc<ImageRow>>,
    /// Where reading what changed goes on; `None` before all was read.
    read_to: Option<u64>,
    /// What changed and was not read yet.
    pending: BTreeSet<Digest>,
    has_changed: bool,
    was_read: bool,
    exploited: HashSet<String>,
    /// The lists of exploited vulnerabilities and of likelihoods that were read.
    sources: Sources,
    /// Texts there were when all was read last.
    texts_read: usize,
    /// Vulnerabilities whose likelihood was asked for.
    asked: usize,
    /// Findings of images that were read since those of all were put together.
    loose: usize,
}

/// The generations of the lists beside the advisories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sources {
    exploited: Option<u64>,
    likelihoods: Option<u64>,
}

impl Sources {
    fn of(index: &Index) -> Result<Self, IndexError> {
        let current = |kind| Ok::<_, IndexError>(index.cves().source(kind)?.and_then(|state| state.current));
        Ok(Self { exploited: current(CveKind::Kev)?, likelihoods: current(CveKind::Epss)? })
    }
}

impl Keeper {
    /// Whether the index has changed since.
    pub(super) fn is_behind(&self, index: &Index) -> bool {
        !self.pending.is_empty() || Some(index.recent().next()) != self.read_to
    }

    /// Up to where the index was read; `None` where something before is still to be read.
    pub(super) fn read_to(&self) -> Option<u64> {
        self.read_to.filter(|_| self.pending.is_empty())
    }

    /// Whether all was read at some time: before, what is shown is not all there is.
    pub(super) fn was_read(&self) -> bool {
        self.was_read
    }

    /// Whether anything was read since [`Keeper::take_changed`].
    pub(super) fn has_changed(&self) -> bool {
        self.has_changed
    }

    /// Whether anything was read since this was asked last.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    /// Reads all anew. Blocks.
    ///
    /// # Errors
    /// The index cannot be read.
    pub(super) fn anew(index: &Index) -> Result<Self, IndexError> {
        let mut keeper =
            Self { read_to: Some(index.recent().next()), has_changed: true, was_read: true, ..Self::default() };
        keeper.read_all(index)?;
        keeper.flip();
        keeper.ask(index)?;
        keeper.pack();
        Ok(keeper)
    }

    /// Reads what changed. Blocks.
    ///
    /// # Errors
    /// The index cannot be read; what was to be read is read by a later call.
    pub(super) fn follow(&mut self, index: &Index, effort: Effort) -> Result<Step, IndexError> {
        let Some(read_to) = self.read_to else { return Ok(Step::Anew) };
        let changes = index.recent().since(read_to);
        let Changed::These(digests) = changes.digests else {
            self.read_to = None;
            return Ok(Step::Anew);
        };
        self.read_to = Some(changes.next);
        self.pending.extend(digests);
        if self.left_over() > MOST_LEFT_OVER {
            return Ok(Step::Anew);
        }
        if effort == Effort::Little && self.pending.len() > STEP {
            return Ok(Step::More);
        }
        let digests: Vec<Digest> = self.pending.iter().take(STEP).copied().collect();
        if !digests.is_empty() {
            self.has_changed = true;
            self.read_these(index, &digests)?;
            digests.iter().for_each(|digest| _ = self.pending.remove(digest));
        }
        if effort == Effort::Some {
            self.follow_sources(index)?;
        }
        self.flip();
        self.ask(index)?;
        if effort == Effort::Some && self.loose > MOST_LOOSE && self.loose > self.findings() / LOOSE {
            self.pack();
        }
        Ok(if self.pending.is_empty() { Step::Done } else { Step::More })
    }

    fn left_over(&self) -> usize {
        self.texts.count().saturating_sub(2 * self.texts_read)
    }

    /// All findings.
    fn findings(&self) -> usize {
        self.images.values().map(|row| row.findings().len()).sum()
    }

    /// Puts the findings of all images one behind the other, in the order in which they are gone through.
    fn pack(&mut self) {
        let mut rows: Vec<&mut Arc<ImageRow>> = self.images.values_mut().collect();
        sort(&mut rows, |row| row);
        let found: Vec<&Found> = rows.iter().filter_map(|row| row.found.as_ref()).collect();
        let mut packed = Found::pack(&found).into_iter();
        for row in rows.into_iter().filter(|row| row.found.is_some()) {
            *row = Arc::new(ImageRow { found: packed.next(), ..ImageRow::clone(row) });
        }
        (self.loose, self.has_changed) = (0, true);
    }

    fn read_all(&mut self, index: &Index) -> Result<(), IndexError> {
        self.sources = Sources::of(index)?;
        self.exploited = index.cves().known_exploited()?;
        self.asked = 0;
        let reader = Reader::new(index, Texts::default(), &self.exploited);
        let rows = reader.all()?;
        self.texts = reader.into_texts();
        self.images = rows.into_iter().map(|row| (row.digest, Arc::new(row))).collect();
        self.texts_read = self.texts.count();
        let all: BTreeSet<u32> = (0..self.texts.repositories.len() as u32).collect();
        self.read_tags(index, all)
    }

    fn read_these(&mut self, index: &Index, digests: &[Digest]) -> Result<(), IndexError> {
        let mut repositories: BTreeSet<u32> = BTreeSet::new();
        let reader = Reader::new(index, std::mem::take(&mut self.texts), &self.exploited);
        let read: Result<Vec<Option<ImageRow>>, IndexError> = digests.iter().map(|digest| reader.one(digest)).collect();
        self.texts = reader.into_texts();
        for (digest, row) in digests.iter().zip(read?) {
            let before = match row {
                Some(row) => {
                    repositories.extend(&row.repositories);
                    self.loose += row.findings().len();
                    self.images.insert(*digest, Arc::new(row))
                }
                None => self.images.remove(digest),
            };
            repositories.extend(before.iter().flat_map(|row| row.repositories.iter()));
            // A tag leads to an index as often as to an image.
            for (upstream, repository) in index.links().holders(digest, MOST_HOLDERS)? {
                repositories.extend(self.texts.repositories.get(&*format!("{upstream}/{repository}")));
            }
        }
        self.read_tags(index, repositories)
    }

    fn read_tags(&mut self, index: &Index, repositories: BTreeSet<u32>) -> Result<(), IndexError> {
        for number in repositories {
            let Some(known) = self.texts.repositories.all.get(number as usize) else { continue };
            let tags = read_tags(index, &known.name)?;
            if tags != known.tags {
                let name = known.name.clone();
                Arc::make_mut(&mut self.texts.repositories.all)[number as usize] = Arc::new(Repository { name, tags });
            }
        }
        Ok(())
    }

    /// Takes up newer lists of exploited vulnerabilities and of likelihoods.
    fn follow_sources(&mut self, index: &Index) -> Result<(), IndexError> {
        let now = Sources::of(index)?;
        if now == self.sources {
            return Ok(());
        }
        self.has_changed = true;
        if now.likelihoods != self.sources.likelihoods {
            self.asked = 0;
        }
        if now.exploited != self.sources.exploited {
            self.exploited = index.cves().known_exploited()?;
            self.mark_exploited();
        }
        self.sources = now;
        Ok(())
    }

    fn mark_exploited(&mut self) {
        let exploited = &self.exploited;
        for (number, known) in Arc::make_mut(&mut self.texts.vulnerabilities.all).iter_mut().enumerate() {
            let is_exploited = known.names().any(|name| exploited.contains(name));
            if known.is_exploited != is_exploited {
                Arc::make_mut(known).is_exploited = is_exploited;
                self.texts.flipped.extend(u32::try_from(number));
            }
        }
    }

    /// Says in the rows what is known of exploitation now.
    fn flip(&mut self) {
        let changed = std::mem::take(&mut self.texts.flipped);
        if changed.is_empty() {
            return;
        }
        let all = &self.texts.vulnerabilities.all;
        for row in self.images.values_mut() {
            if row.findings().heads.iter().any(|head| changed.contains(&head.vulnerability())) {
                let is_exploited = |number: u32| all[number as usize].is_exploited;
                let found = row.found.as_ref().map(|found| found.exploited(is_exploited));
                self.loose += row.findings().len();
                *row = Arc::new(ImageRow { found, ..ImageRow::clone(row) });
            }
        }
    }

    /// Asks for the likelihood of what is new.
    fn ask(&mut self, index: &Index) -> Result<(), IndexError> {
        let asked = likelihoods(index, &self.texts.vulnerabilities.all[self.asked..])?;
        if !asked.is_empty() {
            let all = &mut Arc::make_mut(&mut self.texts.vulnerabilities.all)[self.asked..];
            for (known, epss) in all.iter_mut().zip(asked).filter(|(known, epss)| known.epss != *epss) {
                Arc::make_mut(known).epss = epss;
            }
        }
        self.asked = self.texts.vulnerabilities.len();
        Ok(())
    }

    /// When an image that no longer runs was last known to.
    pub(super) fn ceased(&mut self, index: &Index, digest: &Digest) -> Result<(), IndexError> {
        if let Some(row) = self.images.get_mut(digest) {
            let last_run = super::read::last_run(index, digest)?.max(row.last_run);
            *row = Arc::new(ImageRow { last_run, ..ImageRow::clone(row) });
            self.has_changed = true;
        }
        Ok(())
    }

    /// The catalog as it is now.
    pub(super) fn catalog(&self) -> Catalog {
        Catalog::of(self.images.values().cloned().collect(), &self.texts, self.sources.exploited.is_some())
    }
}
