//! Reads images, their findings and their tags from the index into rows.
//!
//! Owns how that is quick: texts are borrowed from the stored rows, and all images are read by two threads, which only take turns to give
//! texts their numbers. Pure but for the index.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use weir_scanner::image::ScanStatus;
use weir_scanner::oci::{Digest, Repository as RepositoryName};
use weir_storage::index::{FindingsBrief, ImageRecord, Index, IndexError};

use super::finding::{FindingParts, Found};
use super::row::ImageRow;
use super::texts::{Package, Texts, Vulnerability};

/// Threads that read.
const THREADS: usize = 2;
/// Vulnerabilities from which on several threads ask for them.
const MANY: usize = 1024;
/// Tags of one repository that are held.
const MOST_TAGS: usize = 10_000;
/// Tags read at once.
const TAGS: usize = 1000;

/// What the names of a vulnerability were found to be, within one image.
#[derive(Clone)]
struct LookedUp<'f> {
    /// Its other names, as places of the image's texts.
    aliases: &'f [u32],
    /// Its number, and whether it is exploited.
    known: (u32, bool),
}

/// Reads rows.
pub(super) struct Reader<'a> {
    index: &'a Index,
    texts: Mutex<Texts>,
    /// The CVEs that are known to be exploited.
    exploited: &'a HashSet<String>,
}

impl<'a> Reader<'a> {
    /// A reader that adds to these texts.
    pub(super) fn new(index: &'a Index, texts: Texts, exploited: &'a HashSet<String>) -> Self {
        Self { index, texts: Mutex::new(texts), exploited }
    }

    /// The texts, with those of all that was read.
    pub(super) fn into_texts(self) -> Texts {
        self.texts.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every image. Blocks for as long as a disk takes.
    pub(super) fn all(&self) -> Result<Vec<ImageRow>, IndexError> {
        let digests: Vec<Digest> = self.index.images().digests().collect::<Result<_, _>>()?;
        let mut lives: HashMap<Digest, i64> = HashMap::new();
        for row in self.index.life().all() {
            let (_, digest, life) = row?;
            let last = lives.entry(digest).or_insert(life.last_seen);
            *last = life.last_seen.max(*last);
        }
        let read = |digests: &[Digest]| -> Result<Vec<ImageRow>, IndexError> {
            let rows = digests.iter().map(|digest| self.row(digest, lives.get(digest).copied()));
            rows.filter_map(Result::transpose).collect()
        };
        let mut rows = Vec::with_capacity(digests.len());
        for part in in_parts(&digests, digests.len().div_ceil(THREADS), &read) {
            rows.extend(part?);
        }
        Ok(rows)
    }

    /// One image; `None` where there is none of this digest.
    pub(super) fn one(&self, digest: &Digest) -> Result<Option<ImageRow>, IndexError> {
        self.row(digest, last_run(self.index, digest)?)
    }

    fn row(&self, digest: &Digest, last_run: Option<i64>) -> Result<Option<ImageRow>, IndexError> {
        let Some(record) = self.index.images().get(digest)? else { return Ok(None) };
        let parents = self.index.aliases().parents(digest)?.into_iter().map(|edge| edge.parent).collect();
        let is_read = matches!(record.status, ScanStatus::Complete | ScanStatus::Partial);
        let found = if is_read { self.index.findings().brief(digest, |brief| self.found(brief))? } else { None };
        let ImageRecord {
            status, reasons, platform, config, layers, names, first_seen, last_pulled, matched_at, ..
        } = record;
        let mut texts = self.texts();
        let name = |(upstream, repository): &(String, RepositoryName)| format!("{upstream}/{repository}");
        Ok(Some(ImageRow {
            digest: *digest,
            status,
            reasons: reasons.into(),
            unseen: None,
            named_as: None,
            platform,
            repositories: names.iter().map(|named| texts.repository(&name(named))).collect(),
            parents,
            config: texts.blob(&config),
            layers: layers.iter().map(|layer| texts.blob(&layer.digest)).collect(),
            first_seen,
            last_pulled,
            last_run,
            matched_at,
            found: found.flatten(),
        }))
    }

    /// The findings of an image; `None` where no feed spoke, which says nothing of it.
    fn found(&self, brief: &FindingsBrief<'_>) -> Option<Found> {
        if !brief.has_feeds {
            return None;
        }
        let mut texts = self.texts();
        // What one text of this image leads to is looked up once; a vulnerability again where another package's has other names.
        let mut vulnerabilities: Vec<Option<LookedUp<'_>>> = vec![None; brief.texts()];
        let mut packages: Vec<Option<u32>> = vec![None; brief.texts()];
        let parts = brief.findings.iter().map(|finding| {
            let looked_up = &mut vulnerabilities[finding.id as usize];
            let (vulnerability, is_exploited) = match looked_up {
                Some(before) if *before.aliases == *finding.aliases => before.known,
                _ => {
                    let aliases = finding.aliases.iter().map(|alias| brief.text(*alias));
                    let known =
                        self.vulnerability(&mut texts, brief.text(finding.id), aliases, brief.text(finding.summary));
                    *looked_up = Some(LookedUp { aliases: &finding.aliases, known });
                    known
                }
            };
            let purl = brief.text(finding.package);
            let package = *packages[finding.package as usize]
                .get_or_insert_with(|| texts.packages.number(purl, || Arc::new(Package::new(purl))));
            let fixed = finding.fixed_version.map(|version| {
                let version = brief.text(version);
                texts.versions.number(version, || version.into())
            });
            FindingParts {
                vulnerability,
                package,
                fixed,
                first_seen: finding.first_seen,
                layer: finding.layer,
                severity: finding.severity,
                cvss: finding.cvss,
                is_fixable: finding.is_fixable,
                is_covered: finding.is_covered,
                is_exploited,
            }
        });
        let parts = parts.collect();
        drop(texts);
        Some(Found::new(parts))
    }

    /// The number of a vulnerability, and whether it is exploited. Names that are new to it are added.
    fn vulnerability<'t>(
        &self,
        texts: &mut Texts,
        id: &'t str,
        aliases: impl Iterator<Item = &'t str> + Clone,
        summary: &str,
    ) -> (u32, bool) {
        let make = |aliases: Vec<Box<str>>, summary: &str| {
            let mut made = Vulnerability::new(id, aliases, summary);
            let is_exploited = made.names().any(|name| self.exploited.contains(name));
            made.is_exploited = is_exploited;
            made
        };
        let number = match texts.vulnerabilities.get(id) {
            Some(number) => number,
            None => {
                texts.vulnerabilities.add(id.into(), Arc::new(make(aliases.clone().map(Into::into).collect(), summary)))
            }
        };
        let known = &texts.vulnerabilities.all[number as usize];
        let is_known = |alias: &str| known.aliases.iter().any(|known| **known == *alias);
        if aliases.clone().all(is_known) {
            return (number, known.is_exploited);
        }
        let all = known.aliases.iter().cloned().chain(aliases.map(Into::into)).collect();
        let more = Vulnerability { epss: known.epss, ..make(all, &known.summary) };
        let is_exploited = more.is_exploited;
        if is_exploited != known.is_exploited {
            texts.flipped.insert(number);
        }
        Arc::make_mut(&mut texts.vulnerabilities.all)[number as usize] = Arc::new(more);
        (number, is_exploited)
    }

    fn texts(&self) -> MutexGuard<'_, Texts> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When an image was last known to run.
pub(super) fn last_run(index: &Index, digest: &Digest) -> Result<Option<i64>, IndexError> {
    let lives = index.life().of_image(digest).map(|row| Ok::<_, IndexError>(row?.1.last_seen));
    Ok(lives.collect::<Result<Vec<_>, _>>()?.into_iter().max())
}

/// The tags of a repository by the digests they lead to; the first of very many.
pub(super) fn read_tags(index: &Index, name: &str) -> Result<HashMap<Digest, Vec<Box<str>>>, IndexError> {
    let mut tags: HashMap<Digest, Vec<Box<str>>> = HashMap::new();
    let Some((upstream, repository)) = name.split_once('/') else { return Ok(tags) };
    // A name that only a workload gives may be none.
    let Ok(repository) = RepositoryName::parse(repository) else { return Ok(tags) };
    let (mut after, mut read) = (None, 0);
    while read < MOST_TAGS {
        let page = index.tags().list(upstream, &repository, after.as_ref(), TAGS)?;
        read += page.len();
        let is_last = page.len() < TAGS;
        for (tag, record) in page {
            tags.entry(record.digest).or_default().push(tag.to_string().into());
            after = Some(tag);
        }
        if is_last {
            break;
        }
    }
    Ok(tags)
}

/// The likelihood of each vulnerability. Blocks.
pub(super) fn likelihoods(
    index: &Index,
    vulnerabilities: &[Arc<Vulnerability>],
) -> Result<Vec<Option<f64>>, IndexError> {
    let ask = |part: &[Arc<Vulnerability>]| -> Result<Vec<Option<f64>>, IndexError> {
        part.iter().map(|vulnerability| vulnerability.likelihood(index)).collect()
    };
    let size = if vulnerabilities.len() < MANY { MANY } else { vulnerabilities.len().div_ceil(THREADS) };
    let mut all = Vec::with_capacity(vulnerabilities.len());
    for part in in_parts(vulnerabilities, size, &ask) {
        all.extend(part?);
    }
    Ok(all)
}

/// What `work` makes of each part of so many items, in order. Parts beyond the first have threads of their own.
fn in_parts<T: Sync, R: Send>(items: &[T], size: usize, work: &(impl Fn(&[T]) -> R + Sync)) -> Vec<R> {
    let mut parts = items.chunks(size.max(1));
    let Some(first) = parts.next() else { return Vec::new() };
    thread::scope(|scope| {
        let others: Vec<_> = parts.map(|part| scope.spawn(move || work(part))).collect();
        let mut made = vec![work(first)];
        for other in others {
            match other.join() {
                Ok(result) => made.push(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        made
    })
}
