//! Images that run and that weir has not seen: pulled before it came, or past it. They are fetched by digest, in the background and a
//! few at a time, with weir's own settings for their upstream; the scanner then reads them like any other.
//!
//! Owns when each is tried and what came of it. What an upstream refuses is told from what cannot be reached: the first is an image
//! weir has no access to, the second one it has not seen yet. Both are tried again when that can help.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use weir_scanner::oci::{Digest, Document, Platform, Reference, Selector};

use super::image_id::ImageId;
use super::inventory::Inventory;
use super::resolve::{Content, Unresolved};
use crate::clock::Clock;
use crate::pull::{Accept, FetchReason, Location, ManifestAnswer, PullError, Puller, Purpose};
use crate::scan::Scanner;
use crate::tasks::Tasks;

/// Images fetched at once. Their layers come under the scanner's own budget.
const AT_ONCE: usize = 2;
/// Images remembered; of more, the rest waits until some are known.
const MOST: usize = 65_536;
/// Names an image is asked for under, one after the other.
const MOST_NAMES: usize = 4;
/// Seconds after which a tag that led to another configuration than the one that runs is looked at again.
const OTHER_CONFIG_SECONDS: i64 = 21_600;

/// What has become of an image that runs unseen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnseenState {
    /// Why the last try failed; `None` before the first has ended.
    pub reason: Option<FetchReason>,
    /// What the last try said.
    pub detail: String,
    /// Tries so far.
    pub tries: u32,
    /// When it is tried next, seconds since the epoch; `None` where no try can help before the configuration changes.
    pub next_try: Option<i64>,
}

/// What to ask for: an image by its digest, or a tag that may lead to a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Want {
    Content(Digest),
    /// The configuration, and the platform among those the tag has.
    Config(Digest, Option<Platform>),
}

/// Fetches images that run unseen. Clones share everything.
#[derive(Clone)]
pub struct Unseen(Arc<Inner>);

struct Inner {
    puller: Puller,
    scanner: Scanner,
    tasks: Tasks,
    clock: Clock,
    slots: Arc<Semaphore>,
    /// What is due, as the last look had it.
    due: Mutex<VecDeque<(Want, Vec<Reference>)>>,
    states: Mutex<HashMap<Want, Known>>,
}

/// What is known of what runs unseen.
#[derive(Clone)]
struct Known {
    state: UnseenState,
    /// The names it was asked for under last.
    names: Vec<Reference>,
}

impl Unseen {
    /// A fetcher that has nothing to do yet.
    pub fn new(puller: Puller, scanner: Scanner, tasks: Tasks, clock: Clock) -> Self {
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        Self(Arc::new(Inner { puller, scanner, tasks, clock, slots, due: Mutex::default(), states: Mutex::default() }))
    }

    /// What has become of the image a digest leads to, where it runs unseen.
    pub fn state(&self, digest: &Digest) -> Option<UnseenState> {
        self.states().get(&Want::Content(*digest)).map(|known| known.state.clone())
    }

    /// Has everything fetched that runs unseen and is due, a few at a time. What runs no more, or was seen since, is forgotten.
    pub fn look(&self, inventory: &Inventory) {
        let wanted = wanted(inventory);
        let now = self.0.clock.now();
        let mut due = VecDeque::new();
        {
            let mut states = self.states();
            states.retain(|want, _| wanted.contains_key(want));
            for (want, names) in wanted {
                let known = states.get(&want);
                if known.is_none() && states.len() + due.len() >= MOST {
                    break;
                }
                if known.is_none_or(|known| known.is_due(&names, now)) {
                    due.push_back((want, names));
                }
            }
        }
        *self.due() = due;
        while let Ok(slot) = Arc::clone(&self.0.slots).try_acquire_owned() {
            let Some(mut next) = self.next() else { return };
            let this = self.clone();
            self.0.tasks.spawn("unseen-fetch", async move {
                let _slot = slot;
                let token = this.0.tasks.token();
                loop {
                    let (want, names) = next;
                    let Some(outcome) = token.run_until_cancelled(this.fetch(&want, &names)).await else { return };
                    this.ended(&want, outcome);
                    let Some(other) = this.next() else { return };
                    next = other;
                }
            });
        }
    }

    /// The next that is due, which from now on is not: it is being fetched.
    fn next(&self) -> Option<(Want, Vec<Reference>)> {
        let (want, names) = self.due().pop_front()?;
        self.update(&want, |known| {
            known.state.next_try = Some(i64::MAX);
            known.names.clone_from(&names);
        });
        Some((want, names))
    }

    async fn fetch(&self, want: &Want, names: &[Reference]) -> Result<(), (FetchReason, String)> {
        let mut failure: Option<(FetchReason, String)> = None;
        for name in names {
            let outcome = match want {
                Want::Content(digest) => self.fetch_one(name, Selector::Digest(*digest)).await.map(drop),
                Want::Config(config, platform) => self.fetch_tag(name, *config, platform.as_ref()).await,
            };
            match outcome {
                Ok(()) => return Ok(()),
                // Of equals the first counts, which is the name in the specification.
                Err(failed) if failure.as_ref().is_none_or(|known| hope(failed.0) > hope(known.0)) => {
                    failure = Some(failed);
                }
                Err(_) => {}
            }
        }
        Err(failure.unwrap_or((FetchReason::BadReference, "no container names a repository for it".to_owned())))
    }

    /// Fetches one manifest and has it read, where it is an image's.
    async fn fetch_one(&self, name: &Reference, selector: Selector) -> Result<ManifestAnswer, (FetchReason, String)> {
        let puller = &self.0.puller;
        if !puller.knows(&name.upstream) {
            return Err((FetchReason::UnknownUpstream, format!("{} is not a configured upstream", name.upstream)));
        }
        let location = Location { upstream: name.upstream.clone(), repository: name.repository.clone() };
        let Some(identity) = puller.reader_identity(&location) else {
            let detail = format!("{location} is read with each client's own credentials, and none is known now");
            return Err((FetchReason::CredentialsNeeded, detail));
        };
        let answer = puller.manifest(&location, &selector, &Accept::anything(), &identity, Purpose::Scan).await;
        let answer = answer.map_err(|error| failed(&error))?;
        let is_image = match Document::parse(&answer.bytes) {
            Ok(Document::Image(manifest)) => manifest.is_image(),
            Ok(Document::Index(_)) => true,
            _ => false,
        };
        if !is_image {
            let detail = format!("{} is {}, which is no container image", answer.digest, answer.media_type);
            return Err((FetchReason::NotAnImage, detail));
        }
        let asked = self.0.scanner.request(&location, answer.digest).await;
        // Where the scanner is busy, the image's row is there and its sweep finds it.
        asked.map_err(|error| (FetchReason::StoreFailed, error.to_string()))?;
        Ok(answer)
    }

    /// Fetches what a tag leads to, in the hope that it is still what runs.
    async fn fetch_tag(
        &self,
        name: &Reference,
        config: Digest,
        platform: Option<&Platform>,
    ) -> Result<(), (FetchReason, String)> {
        let Some(selector) = name.selector() else {
            return Err((FetchReason::BadReference, "its name has neither tag nor digest".into()));
        };
        let answer = self.fetch_one(name, selector).await?;
        let other = || (FetchReason::NotFound, format!("{name} leads to another image by now than {config}"));
        match Document::parse(&answer.bytes) {
            Ok(Document::Image(manifest)) if manifest.config.digest == config => Ok(()),
            Ok(Document::Index(index)) => {
                let fits = |found: &Platform| platform.is_some_and(|wanted| found.is_for(wanted));
                for child in index.manifests.iter().filter(|child| child.platform.as_ref().is_some_and(fits)) {
                    let answer = self.fetch_one(name, Selector::Digest(child.digest)).await?;
                    if let Ok(Document::Image(manifest)) = Document::parse(&answer.bytes)
                        && manifest.config.digest == config
                    {
                        return Ok(());
                    }
                }
                Err(other())
            }
            _ => Err(other()),
        }
    }

    fn ended(&self, want: &Want, outcome: Result<(), (FetchReason, String)>) {
        let now = self.0.clock.now();
        self.update(want, |Known { state, .. }| {
            state.tries += 1;
            match outcome {
                Ok(()) => {
                    // The next inventory finds it; should that not lead to it, asking again at once would not either.
                    state.reason = None;
                    state.next_try = Some(now + OTHER_CONFIG_SECONDS);
                }
                Err((reason, detail)) => {
                    let wait = reason.next_try(state.tries).map(|wait| i64::try_from(wait.as_secs()).unwrap_or(i64::MAX));
                    state.next_try = wait.map(|wait| now.saturating_add(wait));
                    tracing::info!(image = %describe(want), reason = reason.name(), detail, "an image that runs could not be fetched");
                    state.reason = Some(reason);
                    state.detail = detail;
                }
            }
        });
    }

    fn update(&self, want: &Want, change: impl FnOnce(&mut Known)) {
        let state = UnseenState { reason: None, detail: String::new(), tries: 0, next_try: None };
        change(self.states().entry(want.clone()).or_insert(Known { state, names: Vec::new() }));
    }

    fn due(&self) -> MutexGuard<'_, VecDeque<(Want, Vec<Reference>)>> {
        self.0.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn states(&self) -> MutexGuard<'_, HashMap<Want, Known>> {
        self.0.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whether it is to be asked for: it is time, or it has a name now under which it was not. Never while it is being fetched.
    fn is_due(&self, names: &[Reference], now: i64) -> bool {
        match self.state.next_try {
            Some(i64::MAX) => false,
            next_try => next_try.is_some_and(|at| at <= now) || names.iter().any(|name| !self.names.contains(name)),
        }
    }
}

/// What runs unseen, and the names it may be had under.
fn wanted(inventory: &Inventory) -> BTreeMap<Want, Vec<Reference>> {
    let mut wanted: BTreeMap<Want, Vec<Reference>> = BTreeMap::new();
    for used in inventory.workloads().flat_map(|workload| &workload.uses).filter(|used| used.active) {
        let id = used.image_id.as_deref().map(ImageId::parse);
        let want = match &used.content {
            Content::Unseen(digest) => Want::Content(*digest),
            Content::Unresolved(Unresolved::ConfigUnknown) => {
                let Some(config) = id.as_ref().and_then(|id| id.digest) else { continue };
                Want::Config(config, used.platform.clone())
            }
            Content::Unresolved(_) | Content::Image(_) | Content::Pending => continue,
        };
        let is_content = matches!(want, Want::Content(_));
        let names = wanted.entry(want).or_default();
        let mut add = |name: Option<Reference>| {
            let Some(name) = name else { return };
            // By its digest it is the same under every tag.
            let same = |known: &Reference| {
                known.upstream == name.upstream
                    && known.repository == name.repository
                    && (is_content || known.selector() == name.selector())
            };
            if names.len() < MOST_NAMES && !names.iter().any(same) {
                names.push(name);
            }
        };
        add(used.image.parse().ok());
        // The runtime may have it from elsewhere than the pod says.
        add(id.and_then(|id| format!("{}@{}", id.repository?, id.digest?).parse().ok()));
    }
    wanted
}

/// How much another try may help: of an image's names the most hopeful decides when that is.
fn hope(reason: FetchReason) -> u8 {
    match reason {
        FetchReason::BadReference => 0,
        FetchReason::UnknownUpstream => 1,
        reason if reason.is_refusal() => 2,
        _ => 3,
    }
}

fn failed(error: &PullError) -> (FetchReason, String) {
    (FetchReason::of(error), error.to_string())
}

fn describe(want: &Want) -> String {
    match want {
        Want::Content(digest) => digest.to_string(),
        Want::Config(config, _) => format!("configuration {config}"),
    }
}
