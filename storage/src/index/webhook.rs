//! Webhooks: how far each has been told what happens, what waits to be sent, and what was told once and must not be again.
//!
//! Owns the outbox. A webhook's place in the sequence of events moves in the batch that puts up what it led to, so a death in between
//! neither loses nor repeats. Deliveries are sent oldest first and are bounded: beyond the bound the oldest go, and are counted. Leaves
//! to the caller what is told, in which form, and when it is tried again.

use std::collections::BTreeMap;

use super::engine::{Batch, Scan, Table};
use super::{Index, IndexError, StampRecord, decode_key, key, lock, record};

/// Rows removed together.
const REMOVE_ROWS: usize = 512;

/// How far a webhook is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookRecord {
    /// What its settings mean, in words of the writer's: who finds others begins anew.
    pub settings: String,
    /// The number of the last row of events that was gathered.
    pub sequence: u64,
    /// The number of the next delivery.
    pub next_number: u64,
    /// Deliveries that were taken.
    pub delivered: u64,
    /// Deliveries that were given up, for whatever reason.
    pub dropped: u64,
    /// When one was last taken, seconds since the epoch.
    pub last_success_at: Option<i64>,
    /// How the last try that failed did.
    pub last_failure: Option<WebhookFailure>,
}

/// How a try failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookFailure {
    /// When, seconds since the epoch.
    pub at: i64,
    /// Why, for people.
    pub detail: String,
}

/// A notification that waits to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookDelivery {
    /// Its id, which every try carries.
    pub id: String,
    /// What it is about.
    pub kind: String,
    /// When it was put up, seconds since the epoch.
    pub created_at: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is to be tried next, seconds since the epoch.
    pub next_attempt_at: i64,
    /// What is sent.
    pub body: Vec<u8>,
}

/// Something that was told once, or need not be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookMark {
    /// What kind of thing, in a word of the writer's.
    pub kind: String,
    /// Which one.
    pub subject: String,
}

/// What a webhook has been told, with the numbers that are the writer's affair.
pub type WebhookMarks = BTreeMap<WebhookMark, u64>;

/// What one round of gathering leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// The number of the last row of events that was looked at.
    pub sequence: u64,
    /// Marks to set, and to remove where there is no number.
    pub marks: Vec<(WebhookMark, Option<u64>)>,
    /// What is to be sent, oldest first.
    pub deliveries: Vec<WebhookDelivery>,
}

/// What becomes of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// It was taken.
    Taken {
        /// When, seconds since the epoch.
        at: i64,
    },
    /// It is tried again.
    Again {
        /// When, seconds since the epoch.
        next_attempt_at: i64,
        /// How this try failed.
        failure: WebhookFailure,
    },
    /// It is given up.
    GivenUp {
        /// How the last try failed.
        failure: WebhookFailure,
    },
}

/// The tables of webhooks.
pub struct Webhooks<'a> {
    index: &'a Index,
}

impl<'a> Webhooks<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// How far a webhook is; `None` for one that never began.
    pub fn get(&self, name: &str) -> Result<Option<WebhookRecord>, IndexError> {
        self.index.get(Table::Webhooks, &key::encode(name))
    }

    /// Every webhook that began.
    pub fn names(&self) -> Result<Vec<String>, IndexError> {
        let rows = self.index.rows(Scan::prefix(Table::Webhooks, Vec::new()).keys_only());
        rows.map(|row| Ok(decode_key(Table::Webhooks, &row?.key)?)).collect()
    }

    /// Begins a webhook, or begins it anew under other settings: marks are replaced, what waits to be sent stays. One that never
    /// began is told nothing of before now.
    pub fn begin(&self, name: &str, settings: &str, marks: &WebhookMarks) -> Result<WebhookRecord, IndexError> {
        let _guard = lock(&self.index.locks.webhooks);
        let mut row = match self.get(name)? {
            Some(row) => row,
            None => WebhookRecord { sequence: self.index.events().last()?, ..WebhookRecord::default() },
        };
        settings.clone_into(&mut row.settings);
        let mut batch = Batch::new();
        for (old, _) in self.marks(name)? {
            batch.delete(Table::WebhookMarks, mark_key(name, &old));
        }
        for (mark, number) in marks {
            batch.put(Table::WebhookMarks, mark_key(name, mark), mark_value(*number));
        }
        batch.put(Table::Webhooks, key::encode(name), record::encode(&row));
        self.index.write(batch)?;
        Ok(row)
    }

    /// What a webhook has been told.
    pub fn marks(&self, name: &str) -> Result<WebhookMarks, IndexError> {
        let rows = self.index.rows(Scan::prefix(Table::WebhookMarks, key::encode(name)));
        let marks = rows.map(|row| {
            let row = row?;
            let (_, kind, subject): (String, String, String) = decode_key(Table::WebhookMarks, &row.key)?;
            let stamp: StampRecord = record::decode(Table::WebhookMarks, &row.key, &row.value)?;
            Ok((WebhookMark { kind, subject }, stamp.at.cast_unsigned()))
        });
        marks.collect()
    }

    /// Moves a webhook's place and puts up what that led to, all or nothing. Of more than `most` deliveries the oldest go; answers
    /// with how many went.
    pub fn gather(&self, name: &str, gathered: Gathered, most: usize) -> Result<usize, IndexError> {
        let _guard = lock(&self.index.locks.webhooks);
        let mut row = self.get(name)?.unwrap_or_default();
        let mut batch = Batch::new();
        let mut waiting = self.numbers(name)?;
        for delivery in gathered.deliveries {
            waiting.push(row.next_number);
            batch.put(Table::WebhookDeliveries, key::encode(&(name, row.next_number)), record::encode(&delivery));
            row.next_number += 1;
        }
        let gone = waiting.len().saturating_sub(most);
        for number in &waiting[..gone] {
            batch.delete(Table::WebhookDeliveries, key::encode(&(name, *number)));
        }
        for (mark, number) in &gathered.marks {
            match number {
                Some(number) => batch.put(Table::WebhookMarks, mark_key(name, mark), mark_value(*number)),
                None => batch.delete(Table::WebhookMarks, mark_key(name, mark)),
            }
        }
        row.sequence = row.sequence.max(gathered.sequence);
        row.dropped += gone as u64;
        batch.put(Table::Webhooks, key::encode(name), record::encode(&row));
        self.index.write(batch)?;
        Ok(gone)
    }

    /// The oldest delivery that waits, with its number.
    pub fn first(&self, name: &str) -> Result<Option<(u64, WebhookDelivery)>, IndexError> {
        let scan = Scan::prefix(Table::WebhookDeliveries, key::encode(name));
        let Some(row) = self.index.rows(scan).next().transpose()? else { return Ok(None) };
        let (_, number): (String, u64) = decode_key(Table::WebhookDeliveries, &row.key)?;
        Ok(Some((number, record::decode(Table::WebhookDeliveries, &row.key, &row.value)?)))
    }

    /// How many deliveries wait.
    pub fn waiting(&self, name: &str) -> Result<usize, IndexError> {
        Ok(self.numbers(name)?.len())
    }

    /// Notes what a try led to. A delivery that is gone meanwhile stays gone.
    pub fn tried(&self, name: &str, number: u64, outcome: DeliveryOutcome) -> Result<(), IndexError> {
        let _guard = lock(&self.index.locks.webhooks);
        let place = key::encode(&(name, number));
        let Some(mut row) = self.get(name)? else { return Ok(()) };
        let waiting: Option<WebhookDelivery> = self.index.get(Table::WebhookDeliveries, &place)?;
        let mut batch = Batch::new();
        match outcome {
            DeliveryOutcome::Taken { at } => {
                row.delivered += 1;
                row.last_success_at = Some(at);
                batch.delete(Table::WebhookDeliveries, place);
            }
            DeliveryOutcome::Again { next_attempt_at, failure } => {
                row.last_failure = Some(failure);
                if let Some(delivery) = waiting {
                    let attempts = delivery.attempts.saturating_add(1);
                    let delivery = WebhookDelivery { attempts, next_attempt_at, ..delivery };
                    batch.put(Table::WebhookDeliveries, place, record::encode(&delivery));
                }
            }
            DeliveryOutcome::GivenUp { failure } => {
                row.last_failure = Some(failure);
                row.dropped += u64::from(waiting.is_some());
                batch.delete(Table::WebhookDeliveries, place);
            }
        }
        batch.put(Table::Webhooks, key::encode(name), record::encode(&row));
        self.index.write(batch)
    }

    /// Forgets a webhook and what waits for it, a part at a time; answers with the number of deliveries removed and whether anything
    /// may be left.
    pub fn remove(&self, name: &str) -> Result<(usize, bool), IndexError> {
        let _guard = lock(&self.index.locks.webhooks);
        let mut batch = Batch::new();
        let mut deliveries = 0;
        for table in [Table::WebhookDeliveries, Table::WebhookMarks] {
            let scan = Scan::prefix(table, key::encode(name)).keys_only();
            for row in self.index.rows(scan).take(REMOVE_ROWS) {
                deliveries += usize::from(table == Table::WebhookDeliveries);
                batch.delete(table, row?.key);
            }
        }
        let left = batch.len() >= REMOVE_ROWS;
        if !left {
            batch.delete(Table::Webhooks, key::encode(name));
        }
        self.index.write(batch)?;
        Ok((deliveries, left))
    }

    fn numbers(&self, name: &str) -> Result<Vec<u64>, IndexError> {
        let scan = Scan::prefix(Table::WebhookDeliveries, key::encode(name)).keys_only();
        let rows = self.index.rows(scan);
        rows.map(|row| Ok(decode_key::<(String, u64)>(Table::WebhookDeliveries, &row?.key)?.1)).collect()
    }
}

fn mark_key(name: &str, mark: &WebhookMark) -> Vec<u8> {
    key::encode(&(name, &mark.kind, &mark.subject))
}

fn mark_value(number: u64) -> Vec<u8> {
    record::encode(&StampRecord { at: number.cast_signed(), value: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(id: &str) -> WebhookDelivery {
        WebhookDelivery {
            id: id.into(),
            kind: "opened".into(),
            created_at: 10,
            attempts: 0,
            next_attempt_at: 10,
            body: b"{}".to_vec(),
        }
    }

    fn mark(subject: &str) -> WebhookMark {
        WebhookMark { kind: "runs".into(), subject: subject.into() }
    }

    fn gathered(sequence: u64, ids: &[&str]) -> Gathered {
        Gathered { sequence, marks: Vec::new(), deliveries: ids.iter().map(|id| delivery(id)).collect() }
    }

    fn failure(detail: &str) -> WebhookFailure {
        WebhookFailure { at: 20, detail: detail.into() }
    }

    fn first(index: &Index, name: &str) -> Option<(u64, String)> {
        index.webhooks().first(name).unwrap().map(|(number, delivery)| (number, delivery.id))
    }

    #[test]
    fn deliveries_leave_oldest_first_and_each_webhook_has_its_own() {
        let index = Index::in_memory();
        index.webhooks().begin("a", "s", &WebhookMarks::new()).unwrap();
        index.webhooks().begin("a2", "s", &WebhookMarks::new()).unwrap();
        assert_eq!(index.webhooks().gather("a", gathered(3, &["1", "2"]), 9).unwrap(), 0);
        assert_eq!(index.webhooks().gather("a2", gathered(4, &["3"]), 9).unwrap(), 0);
        assert_eq!(index.webhooks().gather("a", gathered(2, &["4"]), 9).unwrap(), 0);
        assert_eq!(index.webhooks().get("a").unwrap().unwrap().sequence, 3, "a place never moves back");
        assert_eq!(index.webhooks().waiting("a").unwrap(), 3);
        for id in ["1", "2", "4"] {
            let (number, found) = first(&index, "a").unwrap();
            assert_eq!(found, id);
            let again = DeliveryOutcome::Again { next_attempt_at: 99, failure: failure("no") };
            index.webhooks().tried("a", number, again).unwrap();
            let (_, waits) = index.webhooks().first("a").unwrap().unwrap();
            assert_eq!((waits.id.as_str(), waits.attempts, waits.next_attempt_at), (id, 1, 99));
            index.webhooks().tried("a", number, DeliveryOutcome::Taken { at: 30 }).unwrap();
        }
        assert_eq!((first(&index, "a"), first(&index, "a2")), (None, Some((0, "3".into()))));
        let row = index.webhooks().get("a").unwrap().unwrap();
        assert_eq!((row.delivered, row.last_success_at, row.last_failure), (3, Some(30), Some(failure("no"))));
    }

    #[test]
    fn beyond_the_bound_the_oldest_go_and_are_counted() {
        let index = Index::in_memory();
        index.webhooks().begin("a", "s", &WebhookMarks::new()).unwrap();
        assert_eq!(index.webhooks().gather("a", gathered(1, &["1", "2", "3"]), 2).unwrap(), 1);
        assert_eq!(index.webhooks().gather("a", gathered(2, &["4"]), 2).unwrap(), 1);
        assert_eq!((first(&index, "a"), index.webhooks().waiting("a").unwrap()), (Some((2, "3".into())), 2));
        index.webhooks().tried("a", 2, DeliveryOutcome::GivenUp { failure: failure("gone") }).unwrap();
        // The answer to a delivery that went meanwhile brings nothing back.
        let again = DeliveryOutcome::Again { next_attempt_at: 1, failure: failure("late") };
        index.webhooks().tried("a", 1, again).unwrap();
        assert_eq!((first(&index, "a"), index.webhooks().waiting("a").unwrap()), (Some((3, "4".into())), 1));
        assert_eq!(index.webhooks().get("a").unwrap().unwrap().dropped, 3);
    }

    #[test]
    fn marks_are_replaced_where_settings_change_and_what_waits_stays() {
        let index = Index::in_memory();
        index.webhooks().begin("a", "one", &WebhookMarks::from([(mark("x"), 7)])).unwrap();
        let marks = vec![(mark("x"), None), (mark("y"), Some(8))];
        index.webhooks().gather("a", Gathered { marks, ..gathered(1, &["1"]) }, 9).unwrap();
        assert_eq!(index.webhooks().marks("a").unwrap(), WebhookMarks::from([(mark("y"), 8)]));
        index.webhooks().begin("a", "two", &WebhookMarks::from([(mark("z"), 9)])).unwrap();
        assert_eq!(index.webhooks().marks("a").unwrap(), WebhookMarks::from([(mark("z"), 9)]));
        let row = index.webhooks().get("a").unwrap().unwrap();
        assert_eq!((row.settings.as_str(), row.sequence), ("two", 1));
        assert_eq!(index.webhooks().remove("a").unwrap(), (1, false));
        assert_eq!(index.webhooks().names().unwrap(), Vec::<String>::new());
        assert_eq!((first(&index, "a"), index.webhooks().marks("a").unwrap().len()), (None, 0));
    }
}
