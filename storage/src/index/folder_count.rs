//! Keeps the count of a folder's feeds by what an increment changes, so that its cost is that of the change and not of the folder.
//!
//! What was counted for a record is known while its mark has the time of the stored record. Where another folder brought a newer
//! form meanwhile, or an earlier import was cut between records and counts, it is not, and the folder is counted anew.

use weir_scanner::advisory::{Advisory, Feed, FeedTally};

use super::import_record::ImportRecord;
use super::record::MarkRecord;

/// The counts of one folder during one increment.
pub(super) struct FolderCount {
    tally: FeedTally,
    records: u64,
    sure: bool,
}

impl FolderCount {
    /// Begins with the counts that the last import left, at `now` (seconds since the epoch). `import` is the state of the folder after this
    /// increment began.
    pub(super) fn begin(ecosystem: &str, import: &ImportRecord, feeds: &[Feed], now: i64) -> Self {
        let sure = import.imported_at.is_some() && import.counted + 1 == import.generation;
        Self { tally: FeedTally::resume(ecosystem, feeds, now), records: import.records, sure }
    }

    /// Counts a record that is `before` in the index and will be `after`; `mark` is the folder's mark of it before.
    pub(super) fn put(&mut self, mark: Option<MarkRecord>, before: Option<&Advisory>, after: &Advisory) {
        match mark {
            None => self.records += 1,
            Some(mark) => self.uncount(mark, before),
        }
        self.tally.count(after);
    }

    /// Counts a record as gone from the folder.
    pub(super) fn remove(&mut self, mark: MarkRecord, before: Option<&Advisory>) {
        self.records = self.records.saturating_sub(1);
        self.uncount(mark, before);
    }

    fn uncount(&mut self, mark: MarkRecord, before: Option<&Advisory>) {
        match before {
            Some(before) if mark.modified == Some(before.modified) => self.tally.uncount(before),
            _ => self.sure = false,
        }
    }

    /// Records and feeds of the folder; `None` where they have to be counted anew.
    pub(super) fn counted(&self) -> Option<(u64, Vec<Feed>)> {
        self.sure.then(|| (self.records, self.tally.feeds()))
    }
}
