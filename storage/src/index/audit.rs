//! The audit: who did what, when.
//!
//! Owns that entries are only ever added, under numbers that grow. Texts are cut at a length, so that nobody can fill the disk with one
//! entry; what deserves an entry is decided above.

use super::engine::{Batch, Scan, Table};
use super::{Index, IndexError, decode_key, key, lock, next_number, record};

/// Bytes of a text that are kept.
const MAX_TEXT: usize = 4096;
/// Rows looked at for one page, whatever they are filtered by.
const PAGE_ROWS: usize = 50_000;

/// One thing that somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When, seconds since the epoch.
    pub at: i64,
    /// Who: a caller's name.
    pub by: String,
    /// What: `exception.create`, `token.revoke`.
    pub action: String,
    /// What it was done to: an id, a name.
    pub subject: String,
    /// The rest that is worth telling.
    pub detail: String,
}

/// A page of the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditPage {
    /// The entries with their numbers, newest first.
    pub entries: Vec<(u64, AuditEntry)>,
    /// The number beyond which the next page begins; `None` at the end.
    pub next: Option<u64>,
}

/// The audit's table. What it writes survives a loss of power.
pub struct Audit<'a> {
    index: &'a Index,
}

impl<'a> Audit<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// Adds an entry.
    pub fn append(&self, entry: &AuditEntry) -> Result<(), IndexError> {
        write(self.index, Batch::new(), std::slice::from_ref(entry))
    }

    /// Up to `limit` entries that are wanted, newest first, older than the one numbered `after`. A page may hold fewer and still have a
    /// next one, since only so many rows are looked at.
    pub fn list(
        &self,
        after: Option<u64>,
        limit: usize,
        wanted: impl Fn(&AuditEntry) -> bool,
    ) -> Result<AuditPage, IndexError> {
        let start = after.map(|number| key::encode(&number));
        let scan = Scan::prefix(Table::Audit, Vec::new()).after(start).backward();
        let (mut entries, mut last) = (Vec::new(), None);
        for (looked, row) in self.index.rows(scan).enumerate() {
            // One row more than fits tells that there is a next page.
            if entries.len() == limit || looked == PAGE_ROWS {
                return Ok(AuditPage { entries, next: last });
            }
            let row = row?;
            let number: u64 = decode_key(Table::Audit, &row.key)?;
            let entry: AuditEntry = record::decode(Table::Audit, &row.key, &row.value)?;
            if wanted(&entry) {
                entries.push((number, entry));
            }
            last = Some(number);
        }
        Ok(AuditPage { entries, next: None })
    }
}

/// Writes a batch with these entries in it. Takes the audit's lock: of those that a caller holds, it is the last.
pub(super) fn write(index: &Index, mut batch: Batch, entries: &[AuditEntry]) -> Result<(), IndexError> {
    let _guard = lock(&index.locks.audit);
    for (number, entry) in (next_number(index, Table::Audit)?..).zip(entries) {
        let cut = AuditEntry {
            at: entry.at,
            by: cut(&entry.by),
            action: cut(&entry.action),
            subject: cut(&entry.subject),
            detail: cut(&entry.detail),
        };
        batch.put(Table::Audit, key::encode(&number), record::encode(&cut));
    }
    index.write(batch.durable())
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: i64, by: &str) -> AuditEntry {
        AuditEntry { at, by: by.into(), action: "sign_in".into(), subject: "t1".into(), detail: "x".into() }
    }

    #[test]
    fn entries_come_newest_first_whatever_the_page() {
        let index = Index::in_memory();
        for at in 0..7 {
            index.audit().append(&entry(at, if at % 2 == 0 { "ada" } else { "bob" })).unwrap();
        }
        for limit in 1..9 {
            let (mut read, mut after) = (Vec::new(), None);
            loop {
                let page = index.audit().list(after, limit, |entry| entry.by == "ada").unwrap();
                assert!(page.entries.len() <= limit);
                read.extend(page.entries.into_iter().map(|(_, entry)| entry.at));
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            assert_eq!(read, [6, 4, 2, 0], "{limit}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let index = Index::in_memory();
        index.audit().append(&AuditEntry { detail: format!("x{}", "ä".repeat(MAX_TEXT)), ..entry(1, "ada") }).unwrap();
        let (_, kept) = index.audit().list(None, 1, |_| true).unwrap().entries.remove(0);
        assert_eq!((kept.detail.len(), kept.by.as_str()), (MAX_TEXT - 1, "ada"));
    }
}
