//! Exceptions: every decision there ever was, and which were cancelled.
//!
//! Owns that none is changed or removed: a decision is a row under a number that only grows, cancelling it is a row beside it, and
//! a row that is there is never written again. Both come with their entry in the audit, in one batch that survives a loss of power.

use std::collections::HashSet;

use weir_scanner::exception::{Cancelled, Exception};

use super::engine::{Batch, Scan, Table};
use super::{AuditEntry, Index, IndexError, RecordError, audit, decode_key, key, lock, record};

/// What is to be decided together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExceptionChange {
    /// New decisions, in the order of their numbers. Their ids and that they were cancelled are not looked at.
    pub created: Vec<Exception>,
    /// Ids of decisions that end.
    pub cancelled: Vec<(String, Cancelled)>,
    /// The VEX document they come from, by its id: its row is set to this.
    pub document: Option<(String, VexDocumentRecord)>,
    /// What the audit says beside an entry for each of them.
    pub audit: Vec<AuditEntry>,
}

/// The version of a VEX document that was imported last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VexDocumentRecord {
    /// Its version, as it says.
    pub version: u64,
    /// When it was written, as it says, seconds since the epoch.
    pub issued_at: Option<i64>,
    /// When it was imported, seconds since the epoch.
    pub imported_at: i64,
    /// By whom.
    pub imported_by: String,
}

/// What became of an [`ExceptionChange`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExceptionOutcome {
    /// All of it is written: the new decisions with their ids.
    Written(Vec<Exception>),
    /// Nothing is: there is no decision of this id.
    Unknown(String),
    /// Nothing is: the decision of this id was cancelled before, or is named twice.
    Ended(String),
}

/// The tables of exceptions.
pub struct Exceptions<'a> {
    index: &'a Index,
}

impl<'a> Exceptions<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// A decision, by its id.
    pub fn get(&self, id: &str) -> Result<Option<Exception>, IndexError> {
        let Some(number) = number(id) else { return Ok(None) };
        let row = key::encode(&number);
        let Some(exception) = self.index.get::<Exception>(Table::Exceptions, &row)? else { return Ok(None) };
        let cancelled = self.index.get::<Cancelled>(Table::ExceptionCancellations, &row)?;
        Ok(Some(Exception { id: number.to_string(), cancelled, ..exception }))
    }

    /// The version of a VEX document that was imported last.
    pub fn document(&self, id: &str) -> Result<Option<VexDocumentRecord>, IndexError> {
        self.index.get(Table::VexDocuments, &key::encode(id))
    }

    /// Every decision, cancelled and expired ones too, the oldest first.
    pub fn list(&self) -> Result<Vec<Exception>, IndexError> {
        let mut exceptions = Vec::new();
        // Read before the decisions, so that none is there whose decision is not.
        let ended = self.cancellations()?;
        let mut ended = ended.into_iter().peekable();
        for row in self.index.rows(Scan::prefix(Table::Exceptions, Vec::new())) {
            let row = row?;
            let number: u64 = decode_key(Table::Exceptions, &row.key)?;
            let exception: Exception = record::decode(Table::Exceptions, &row.key, &row.value)?;
            let cancelled = ended.next_if(|(of, _)| *of == number).map(|(_, cancelled)| cancelled);
            exceptions.push(Exception { id: number.to_string(), cancelled, ..exception });
        }
        match ended.next() {
            None => Ok(exceptions),
            Some((number, _)) => {
                let detail = "it cancels a decision that is not there";
                Err(RecordError::damaged(Table::ExceptionCancellations.name(), &key::encode(&number), detail).into())
            }
        }
    }

    fn cancellations(&self) -> Result<Vec<(u64, Cancelled)>, IndexError> {
        let rows = self.index.rows(Scan::prefix(Table::ExceptionCancellations, Vec::new())).map(|row| {
            let row = row?;
            let number = decode_key(Table::ExceptionCancellations, &row.key)?;
            Ok((number, record::decode(Table::ExceptionCancellations, &row.key, &row.value)?))
        });
        rows.collect()
    }

    /// Decides: all of it or nothing.
    pub fn change(&self, change: ExceptionChange) -> Result<ExceptionOutcome, IndexError> {
        let ExceptionChange { created, cancelled, document, mut audit } = change;
        let _guard = lock(&self.index.locks.exceptions);
        let mut batch = Batch::new();
        let mut named = HashSet::with_capacity(cancelled.len());
        for (id, cancelled) in cancelled {
            let Some(row) = number(&id).map(|number| key::encode(&number)) else {
                return Ok(ExceptionOutcome::Unknown(id));
            };
            if self.index.engine.get(Table::Exceptions, &row)?.is_none() {
                return Ok(ExceptionOutcome::Unknown(id));
            }
            if !named.insert(row.clone()) || self.index.engine.get(Table::ExceptionCancellations, &row)?.is_some() {
                return Ok(ExceptionOutcome::Ended(id));
            }
            batch.put(Table::ExceptionCancellations, row, record::encode(&cancelled));
            let Cancelled { at, by, reason } = cancelled;
            audit.push(AuditEntry { at, by, action: "exception.cancel".to_owned(), subject: id, detail: reason });
        }
        let mut written = Vec::with_capacity(created.len());
        for (number, exception) in (super::next_number(self.index, Table::Exceptions)?..).zip(created) {
            let exception = Exception { id: number.to_string(), cancelled: None, ..exception };
            batch.put(Table::Exceptions, key::encode(&number), record::encode(&exception));
            audit.push(AuditEntry {
                at: exception.created_at,
                by: exception.created_by.clone(),
                action: "exception.create".to_owned(),
                subject: exception.id.clone(),
                detail: format!("{}: {}", exception.summary(), exception.reason),
            });
            written.push(exception);
        }
        if let Some((id, document)) = document {
            batch.put(Table::VexDocuments, key::encode(&id), record::encode(&document));
        }
        audit::write(self.index, batch, &audit)?;
        Ok(ExceptionOutcome::Written(written))
    }
}

/// The number that an id is: decimal, spelled in one way.
fn number(id: &str) -> Option<u64> {
    id.parse().ok().filter(|number: &u64| number.to_string() == id)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use weir_scanner::exception::{Kind, Scope, Target};

    use super::*;
    use crate::index::engine::{FaultyEngine, MemoryEngine};

    fn exception(reason: &str) -> Exception {
        Exception {
            id: String::new(),
            target: Target::Vulnerability,
            kind: Kind::AcceptedRisk,
            vulnerability: vec!["CVE-2026-0001".into()],
            scope: Scope::default(),
            justification: None,
            reason: reason.into(),
            created_by: "ada".into(),
            created_at: 1,
            expires_at: None,
            expire_on_fix: false,
            cancelled: None,
            document: None,
        }
    }

    fn cancelled(by: &str) -> Cancelled {
        Cancelled { at: 9, by: by.into(), reason: "it is fixed".into() }
    }

    fn audit(action: &str) -> AuditEntry {
        AuditEntry { at: 1, by: "ada".into(), action: action.into(), subject: "s".into(), detail: String::new() }
    }

    fn document() -> VexDocumentRecord {
        VexDocumentRecord { version: 2, issued_at: Some(1), imported_at: 3, imported_by: "ada".into() }
    }

    fn create(index: &Index, reasons: &[&str]) -> ExceptionOutcome {
        let created = reasons.iter().map(|reason| exception(reason)).collect();
        let change = ExceptionChange { created, ..ExceptionChange::default() };
        index.exceptions().change(change).unwrap()
    }

    fn cancel(index: &Index, ids: &[&str], by: &str) -> ExceptionOutcome {
        let cancelled = ids.iter().map(|id| ((*id).to_owned(), cancelled(by))).collect();
        let change = ExceptionChange { cancelled, ..ExceptionChange::default() };
        index.exceptions().change(change).unwrap()
    }

    fn listed(index: &Index) -> Vec<(String, String, Option<String>)> {
        let list = index.exceptions().list().unwrap().into_iter();
        list.map(|known| (known.id, known.reason, known.cancelled.map(|cancelled| cancelled.by))).collect()
    }

    fn line(id: &str, reason: &str, by: Option<&str>) -> (String, String, Option<String>) {
        (id.into(), reason.into(), by.map(str::to_owned))
    }

    #[test]
    fn decisions_are_numbered_and_cancelled_beside_themselves() {
        let index = Index::in_memory();
        let ExceptionOutcome::Written(written) = create(&index, &["a", "b"]) else { panic!() };
        assert_eq!(written.iter().map(|written| written.id.as_str()).collect::<Vec<_>>(), ["1", "2"]);
        create(&index, &["c"]);
        assert_eq!(cancel(&index, &["2"], "bob"), ExceptionOutcome::Written(Vec::new()));
        assert_eq!(listed(&index), [line("1", "a", None), line("2", "b", Some("bob")), line("3", "c", None)]);
        assert_eq!(index.exceptions().get("2").unwrap().unwrap().cancelled, Some(cancelled("bob")));
        for id in ["0", "4", "02", "+2", "", "x"] {
            assert_eq!(index.exceptions().get(id).unwrap(), None, "{id}");
        }
        let told = index.audit().list(None, 10, |_| true).unwrap().entries.into_iter();
        let told: Vec<_> = told.map(|(_, entry)| format!("{} {} {}", entry.by, entry.action, entry.subject)).collect();
        let created = |id: &str| format!("ada exception.create {id}");
        assert_eq!(told, ["bob exception.cancel 2".to_owned(), created("3"), created("2"), created("1")]);
    }

    #[test]
    fn a_document_is_noted_with_what_it_says() {
        let index = Index::in_memory();
        let change = ExceptionChange {
            created: vec![exception("a")],
            document: Some(("d".into(), document())),
            ..ExceptionChange::default()
        };
        index.exceptions().change(change).unwrap();
        assert_eq!(index.exceptions().document("d").unwrap(), Some(document()));
    }

    #[test]
    fn what_was_decided_stays_as_it_is() {
        let index = Index::in_memory();
        create(&index, &["a", "b"]);
        cancel(&index, &["1"], "bob");
        let before = listed(&index);
        for (ids, expected) in [
            (&["2", "1"][..], ExceptionOutcome::Ended("1".into())),
            (&["2", "2"], ExceptionOutcome::Ended("2".into())),
            (&["2", "9"], ExceptionOutcome::Unknown("9".into())),
            (&["x"], ExceptionOutcome::Unknown("x".into())),
        ] {
            assert_eq!(cancel(&index, ids, "eve"), expected);
            assert_eq!(listed(&index), before, "{ids:?}");
        }
        assert_eq!(index.audit().list(None, 10, |_| true).unwrap().entries.len(), 3);
    }

    #[test]
    fn a_change_that_could_not_be_written_left_nothing() {
        let engine = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::default())));
        let index = Index::new(Arc::clone(&engine) as Arc<dyn crate::index::engine::Engine>);
        create(&index, &["a"]);
        engine.fail_writes(true);
        let change = ExceptionChange {
            created: vec![exception("b")],
            cancelled: vec![("1".into(), cancelled("bob"))],
            document: Some(("d".into(), document())),
            audit: vec![audit("x")],
        };
        assert!(index.exceptions().change(change).is_err());
        engine.fail_writes(false);
        assert_eq!(listed(&index), [line("1", "a", None)]);
        assert_eq!(index.exceptions().document("d").unwrap(), None);
        assert_eq!(index.audit().list(None, 10, |_| true).unwrap().entries.len(), 1);
    }
}
