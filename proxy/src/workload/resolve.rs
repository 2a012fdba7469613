//! Which image a container really runs: from what its runtime calls it, through the alias graph, to one platform's manifest.
//!
//! The content comes from the runtime's `imageID`, the repository from the pod's specification. An index leads to the manifest of
//! the node's platform, and to none where that is not known: a platform is never guessed. A configuration leads to the manifests
//! that name it, which hold the same content; the one of the pod's own repository stands for them.

use std::collections::{HashMap, HashSet};

use weir_scanner::oci::{Digest, Platform, Reference};
use weir_storage::index::{AliasKind, AliasTarget, Index, IndexError};

use super::image_id::{ImageId, ImageIdForm};

/// What a container runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// An image weir has seen, by its manifest's digest.
    Image(Digest),
    /// A digest that leads to no image weir has seen: the digest to fetch.
    Unseen(Digest),
    /// What the runtime says cannot be brought to one image.
    Unresolved(Unresolved),
    /// The runtime has not said yet.
    Pending,
}

/// Why what a runtime says cannot be brought to one image. The names are the API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unresolved {
    /// It names an index, and the node's platform is not known.
    PlatformUnknown,
    /// It names an index that has nothing, or several things, for the node's platform.
    PlatformAmbiguous,
    /// It is the digest of a configuration that weir has seen no manifest of, which no registry can be asked for.
    ConfigUnknown,
    /// It names no digest.
    NoDigest,
}

impl Unresolved {
    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PlatformUnknown => "platform_unknown",
            Self::PlatformAmbiguous => "platform_ambiguous",
            Self::ConfigUnknown => "config_unknown",
            Self::NoDigest => "no_digest",
        }
    }
}

/// What is asked of the resolver, and what its answer is kept under.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question<'a> {
    /// The image as the pod's specification names it.
    pub(super) image: &'a str,
    /// The runtime's word.
    pub(super) image_id: Option<&'a str>,
    /// The node's platform.
    pub(super) platform: Option<&'a Platform>,
}

/// Answers kept before they are all asked again.
const MOST_ANSWERS: usize = 65_536;

/// Resolves, and remembers what it resolved for as long as the index has nothing new about it.
#[derive(Default)]
pub(super) struct Resolver {
    answers: HashMap<(String, Option<String>, Option<Platform>), Content>,
}

impl Resolver {
    /// The index has something new about these digests: what led to one of them is asked again, and what led to no image, since any
    /// of them may be what was missing.
    pub(super) fn forget(&mut self, changed: &[Digest]) {
        let changed: HashSet<&Digest> = changed.iter().collect();
        self.answers.retain(|_, content| matches!(content, Content::Image(image) if !changed.contains(image)));
    }

    /// Anything may have changed: everything is asked again.
    pub(super) fn forget_all(&mut self) {
        self.answers.clear();
    }

    /// What a container runs. Blocks.
    pub(super) fn resolve(&mut self, index: &Index, question: &Question<'_>) -> Result<Content, IndexError> {
        let key = (question.image.to_owned(), question.image_id.map(str::to_owned), question.platform.cloned());
        if let Some(known) = self.answers.get(&key) {
            return Ok(known.clone());
        }
        let content = resolve(index, question)?;
        if self.answers.len() >= MOST_ANSWERS {
            self.answers.clear();
        }
        self.answers.insert(key, content.clone());
        Ok(content)
    }
}

fn resolve(index: &Index, question: &Question<'_>) -> Result<Content, IndexError> {
    let named = question.image.parse::<Reference>().ok();
    let pinned = named.as_ref().and_then(|reference| reference.digest);
    let Some(id) = question.image_id.filter(|id| !id.is_empty()).map(ImageId::parse) else {
        // A container that waits for its image runs nothing yet, whatever it is to run.
        return Ok(Content::Pending);
    };
    // Where the runtime says a name, the digest in the specification is what it was made to run.
    let Some(digest) = id.digest.or(pinned) else { return Ok(Content::Unresolved(Unresolved::NoDigest)) };
    let aliases = index.aliases();
    match aliases.kind(&digest)? {
        None => Ok(match id.form {
            // A bare digest names a configuration, which is no manifest to ask a registry for.
            ImageIdForm::Digest | ImageIdForm::BareId => match pinned {
                Some(pinned) if aliases.kind(&pinned)?.is_none() => Content::Unseen(pinned),
                _ => Content::Unresolved(Unresolved::ConfigUnknown),
            },
            _ => Content::Unseen(digest),
        }),
        Some(AliasKind::Manifest) => seen(index, digest),
        Some(AliasKind::Index) => {
            let mut targets = aliases.resolve(&digest)?;
            // An index may leave its entries' platforms to their configurations.
            for target in targets.iter_mut().filter(|target| target.platform.is_none()) {
                target.platform = index.images().get(&target.manifest)?.and_then(|image| image.platform);
            }
            // The specification may name the platform's manifest itself, and the runtime the index it came by.
            if let Some(pinned) = pinned.filter(|pinned| targets.iter().any(|target| target.manifest == *pinned)) {
                return seen(index, pinned);
            }
            match for_platform(&targets, question.platform) {
                Ok(Some(manifest)) => seen(index, manifest),
                // The index itself is known by name only: it has to be read before it can lead anywhere.
                Ok(None) => Ok(Content::Unseen(digest)),
                Err(unresolved) => Ok(Content::Unresolved(unresolved)),
            }
        }
        Some(AliasKind::Config) => of_config(index, digest, named.as_ref()),
    }
}

/// The one manifest of an index for a platform; `Ok(None)` where nothing is known of what the index holds.
fn for_platform(targets: &[AliasTarget], platform: Option<&Platform>) -> Result<Option<Digest>, Unresolved> {
    if targets.is_empty() {
        return Ok(None);
    }
    let Some(wanted) = platform else { return Err(Unresolved::PlatformUnknown) };
    let fits = |target: &&AliasTarget| target.platform.as_ref().is_some_and(|found| found.is_for(wanted));
    let mut fitting: Vec<&AliasTarget> = targets.iter().filter(fits).collect();
    if fitting.len() > 1 {
        // A node tells no variant. Of several, the one without is for all of them, and v8 is what every arm64 machine is.
        let plain = |target: &&AliasTarget| {
            let variant = target.platform.as_ref().and_then(|platform| platform.variant.as_deref());
            variant.is_none() || (wanted.architecture == "arm64" && variant == Some("v8"))
        };
        fitting.retain(plain);
    }
    match fitting.as_slice() {
        [one] => Ok(Some(one.manifest)),
        _ => Err(Unresolved::PlatformAmbiguous),
    }
}

/// The manifest that stands for a configuration.
fn of_config(index: &Index, config: Digest, named: Option<&Reference>) -> Result<Content, IndexError> {
    let mut best: Option<(bool, Digest)> = None;
    for target in index.aliases().resolve(&config)? {
        let Some(record) = index.images().get(&target.manifest)? else { continue };
        let own = named.is_some_and(|named| {
            record
                .names
                .iter()
                .any(|(upstream, repository)| *upstream == named.upstream && *repository == named.repository)
        });
        let candidate = (own, target.manifest);
        // Of equals the smallest, so that the answer does not depend on the order of reading.
        if best.is_none_or(|best| (candidate.0, best.1) > (best.0, candidate.1)) {
            best = Some(candidate);
        }
    }
    Ok(best.map_or(Content::Unresolved(Unresolved::ConfigUnknown), |(_, manifest)| Content::Image(manifest)))
}

fn seen(index: &Index, manifest: Digest) -> Result<Content, IndexError> {
    let known = index.images().get(&manifest)?.is_some();
    Ok(if known { Content::Image(manifest) } else { Content::Unseen(manifest) })
}

#[cfg(test)]
mod tests;
