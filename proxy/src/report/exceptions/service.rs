//! Every decision, in memory, for whoever asks whether something is excepted.
//!
//! Owns the one way a decision comes into the index: what is to be written is decided over all that was written before, one after
//! the other. Readers get the last rules whole and wait for nobody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::watch;
use weir_scanner::exception::{Cancelled, Exception, Rules};
use weir_storage::index::{ExceptionChange, ExceptionOutcome, Index, IndexError};

/// The decisions. Clones share them.
#[derive(Clone)]
pub struct Exceptions(Arc<Shared>);

struct Shared {
    index: Index,
    rules: RwLock<Arc<Rules>>,
    /// Held while somebody decides.
    turn: Mutex<()>,
    changed: watch::Sender<u64>,
}

impl Exceptions {
    /// Reads every decision. Blocks.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn load(index: &Index) -> Result<Self, IndexError> {
        let rules = Rules::new(index.exceptions().list()?);
        let changed = watch::Sender::new(rules.revision());
        let rules = RwLock::new(Arc::new(rules));
        Ok(Self(Arc::new(Shared { index: index.clone(), rules, turn: Mutex::default(), changed })))
    }

    /// The decisions as they are now.
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.0.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells of every change, by the revision after it.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Writes what `decide` makes of the decisions there are; nobody else decides meanwhile. Blocks.
    ///
    /// # Errors
    /// What `decide` says, in which case nothing is written; the index cannot be written.
    pub fn decide<E: From<IndexError>>(
        &self,
        decide: impl FnOnce(&Rules) -> Result<ExceptionChange, E>,
    ) -> Result<ExceptionOutcome, E> {
        // It guards no memory: a poisoned one is as good as any.
        let _turn = self.0.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.rules();
        let change = decide(&before)?;
        let mut ended: HashMap<String, Cancelled> = change.cancelled.iter().cloned().collect();
        let outcome = self.0.index.exceptions().change(change)?;
        if let ExceptionOutcome::Written(created) = &outcome {
            let mut all: Vec<Exception> = before.iter().cloned().chain(created.iter().cloned()).collect();
            for exception in &mut all {
                exception.cancelled = exception.cancelled.take().or_else(|| ended.remove(&exception.id));
            }
            let rules = Arc::new(Rules::new(all));
            let revision = rules.revision();
            *self.0.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
            self.0.changed.send_replace(revision);
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use weir_scanner::exception::{Kind, Scope, State, Target};

    use super::*;

    fn exception(name: &str) -> Exception {
        Exception {
            id: String::new(),
            target: Target::Vulnerability,
            kind: Kind::AcceptedRisk,
            vulnerability: vec![name.to_owned()],
            scope: Scope::default(),
            justification: None,
            reason: "known".into(),
            created_by: "ada".into(),
            created_at: 1,
            expires_at: None,
            expire_on_fix: false,
            cancelled: None,
            document: None,
        }
    }

    #[test]
    fn memory_says_what_the_index_would_after_a_restart() {
        let index = Index::in_memory();
        let exceptions = Exceptions::load(&index).unwrap();
        let changed = exceptions.changed();
        let created = vec![exception("CVE-1"), exception("CVE-2")];
        let change = ExceptionChange { created, ..ExceptionChange::default() };
        exceptions.decide(|_| Ok::<_, IndexError>(change)).unwrap();
        let cancelled = Cancelled { at: 2, by: "bob".into(), reason: "fixed".into() };
        let change = ExceptionChange { cancelled: vec![("1".into(), cancelled)], ..ExceptionChange::default() };
        exceptions.decide(|_| Ok::<_, IndexError>(change)).unwrap();
        let (now, later) = (exceptions.rules(), Exceptions::load(&index).unwrap().rules());
        assert_eq!(now.iter().collect::<Vec<_>>(), later.iter().collect::<Vec<_>>());
        assert_eq!((now.revision(), *changed.borrow()), (later.revision(), later.revision()));
        let states: Vec<State> = now.iter().map(|exception| exception.state(3)).collect();
        assert_eq!(states, [State::Cancelled, State::Active]);
    }

    #[test]
    fn what_is_refused_changes_nothing() {
        let exceptions = Exceptions::load(&Index::in_memory()).unwrap();
        let before = exceptions.rules().revision();
        let refused = exceptions.decide(|_| Err(IndexError::ShuttingDown));
        assert!(matches!(refused, Err(IndexError::ShuttingDown)));
        assert_eq!(exceptions.rules().revision(), before);
    }
}
