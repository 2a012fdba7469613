//! The model that everyone reads, and who makes the next one.
//!
//! Owns the order of things: what the index says is read, joined with what runs and with the rules, and only then shown, one at a time.
//! A change of the index or of the rules is in the model before whoever made it is answered; a flood of changes, or all at the start,
//! is read in the background while the last model is still shown.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use weir_scanner::exception::Rules;
use weir_scanner::oci::{Digest, Reference};
use weir_storage::index::{Index, IndexError};

use super::catalog::{Catalog, Effort, Keeper, Step};
use super::row::ImageRow;
use super::texts::Texts;
use super::{Model, ModelParts, Settings};
use crate::report::fleet::{FleetView, Known, RunningImage, image_of};

/// The model and what makes it.
#[derive(Default)]
pub(in crate::report) struct Shared {
    making: Mutex<Making>,
    shown: RwLock<Shown>,
}

/// The model that is read.
#[derive(Clone, Default)]
struct Shown {
    model: Arc<Model>,
    /// Up to where the index is in it; `None` where something of that is still to be read.
    read_to: Option<u64>,
}

#[derive(Default)]
struct Making {
    keeper: Keeper,
    catalog: Arc<Catalog>,
    view: Arc<FleetView>,
    rules: Arc<Rules>,
    settings: Settings,
}

impl Shared {
    /// With what the configuration says, and nothing read yet.
    pub(in crate::report) fn new(settings: Settings) -> Self {
        Self { making: Mutex::new(Making { settings, ..Making::default() }), ..Self::default() }
    }

    /// The model as it was made last.
    pub(in crate::report) fn model(&self) -> Arc<Model> {
        self.shown().model
    }

    fn shown(&self) -> Shown {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads all that changed in the index, and answers with it. Shows nothing yet. Blocks.
    ///
    /// # Errors
    /// The index cannot be read; the next call goes on.
    pub(in crate::report) fn follow(&self, index: &Index) -> Result<Arc<Catalog>, IndexError> {
        loop {
            let step = self.making().keeper.follow(index, Effort::Some)?;
            match step {
                // Whoever asks for a model meanwhile is answered with the last one.
                Step::Anew => self.making().keeper = Keeper::anew(index)?,
                Step::More => {}
                Step::Done => return Ok(self.making().catalog()),
            }
        }
    }

    /// Shows what runs and what exceptions say now, at `now` (seconds since the epoch), and answers with the model. `rules` is asked when
    /// it is this one's turn, so that older rules never follow newer ones. Blocks.
    ///
    /// # Errors
    /// The index cannot be read.
    pub(in crate::report) fn set_view(
        &self,
        view: FleetView,
        rules: impl FnOnce() -> Arc<Rules>,
        index: &Index,
        now: i64,
    ) -> Result<Arc<Model>, IndexError> {
        let mut making = self.making();
        let ceased: Vec<Digest> =
            making.view.images.keys().filter(|digest| !view.images.contains_key(*digest)).copied().collect();
        for digest in ceased {
            making.keeper.ceased(index, &digest)?;
        }
        making.view = Arc::new(view);
        making.rules = rules();
        Ok(self.show(&mut making, now))
    }

    /// Shows what changed in the index a moment ago, and what exceptions say from now on, at `now` (seconds since the epoch). Blocks, for
    /// no longer than reading a few images takes: of more than these, the fleet's own making tells. Where nothing changed, it waits for
    /// nobody.
    ///
    /// # Errors
    /// The index cannot be read.
    pub(in crate::report) fn refresh(&self, index: &Index, rules: Arc<Rules>, now: i64) -> Result<(), IndexError> {
        let Shown { model, read_to } = self.shown();
        let is_read = read_to == Some(index.recent().next());
        if is_read && model.is_current(now) && model.rules.revision() == rules.revision() {
            return Ok(());
        }
        let mut making = self.making();
        let decided = rules.revision() != making.rules.revision();
        if decided {
            making.rules = rules;
        }
        if !making.keeper.was_read() {
            making.keeper = Keeper::anew(index)?;
        } else if making.keeper.is_behind(index) {
            making.keeper.follow(index, Effort::Little)?;
        }
        if decided || making.keeper.has_changed() || !self.model().is_current(now) {
            self.show(&mut making, now);
        }
        Ok(())
    }

    fn show(&self, making: &mut Making, now: i64) -> Arc<Model> {
        let catalog = making.catalog();
        let Making { keeper, view, rules, settings, .. } = making;
        let unseen = view.images.iter().filter(|(digest, _)| catalog.image(digest).is_none());
        let unseen =
            unseen.map(|(digest, image)| Arc::new(unseen_row(&mut keeper.texts, view, *digest, image))).collect();
        let parts = ModelParts {
            catalog,
            view: Arc::clone(view),
            rules: Arc::clone(rules),
            unseen,
            repositories: Arc::clone(&keeper.texts.repositories.all),
            settings: settings.clone(),
            now,
        };
        let model = Arc::new(Model::new(parts, &self.model()));
        let shown = Shown { model: Arc::clone(&model), read_to: keeper.read_to() };
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = shown;
        model
    }

    fn making(&self) -> MutexGuard<'_, Making> {
        self.making.lock().unwrap_or_else(|poisoned| {
            // Whoever panicked may have left rows without the texts they number: all is read anew.
            self.making.clear_poison();
            let mut making = poisoned.into_inner();
            (making.keeper, making.catalog) = (Keeper::default(), Arc::default());
            making
        })
    }
}

impl Making {
    /// The catalog, made anew where something was read since the last one.
    fn catalog(&mut self) -> Arc<Catalog> {
        if self.keeper.take_changed() {
            self.catalog = Arc::new(self.keeper.catalog());
        }
        Arc::clone(&self.catalog)
    }
}

/// The row of an image that runs and that weir has not seen: what its workloads say of it.
fn unseen_row(texts: &mut Texts, view: &FleetView, digest: Digest, image: &RunningImage) -> ImageRow {
    let uses = image.users.iter().flat_map(|place| &view.workload(*place).uses);
    let uses: Vec<_> = uses.filter(|used| image_of(used) == Some(digest)).collect();
    let named: BTreeSet<String> = uses
        .iter()
        .filter_map(|used| used.image.parse::<Reference>().ok())
        .map(|name| format!("{}/{}", name.upstream, name.repository))
        .collect();
    let unseen = match &image.known {
        Known::Unseen(Some(state)) => state.reason.map(|reason| (reason.name(), state.detail.clone())),
        Known::Unseen(None) | Known::Seen(_) => None,
    };
    ImageRow {
        digest,
        status: image.status(),
        reasons: Box::default(),
        unseen,
        named_as: uses.first().map(|used| Arc::clone(&used.image)),
        platform: uses.first().and_then(|used| used.platform.clone()),
        repositories: named.iter().map(|name| texts.repository(name)).collect(),
        parents: Box::default(),
        config: u32::MAX,
        layers: Box::default(),
        first_seen: image.first_seen,
        last_pulled: None,
        last_run: None,
        matched_at: None,
        found: None,
    }
}
