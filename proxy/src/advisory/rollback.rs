//! Tells a source that was set back in time from one that moved on.

use weir_storage::index::{FolderDifference, ImportRecord};

/// So many records may be older than what is stored before a source counts as set back: single records are dated back now and then.
const SOME: u64 = 10;

/// What a list or an archive says of its age.
#[derive(Clone, Copy, Debug)]
pub(super) struct Survey {
    /// Records in it.
    pub(super) listed: u64,
    /// Its newest `modified` that is not in the future.
    pub(super) newest: Option<i64>,
    /// Records it has an older form of than what is stored.
    pub(super) older: u64,
}

/// The source offers older data than what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "older than stored: its newest record is of {newest:?} (seconds since the epoch) where one of {stored:?} was seen before, and {older} of \
     {listed} records are older than what is stored"
)]
pub struct Rollback {
    newest: Option<i64>,
    stored: Option<i64>,
    older: u64,
    listed: u64,
}

impl Survey {
    /// What a comparison found.
    pub(super) const fn of(difference: &FolderDifference) -> Self {
        Self { listed: difference.listed, newest: difference.newest, older: difference.older }
    }

    /// Whether it may replace what is stored.
    pub(super) fn judge(self, stored: &ImportRecord) -> Result<(), Rollback> {
        let Self { listed, newest, older } = self;
        // Nothing where there was something is the oldest state of all.
        let behind = newest < stored.newest || (listed == 0 && stored.records > 0);
        if behind || (older > SOME && older > listed / 10) {
            return Err(Rollback { newest, stored: stored.newest, older, listed });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_back_is_told_from_what_moved_on() {
        let stored = ImportRecord { newest: Some(100), records: 50, ..ImportRecord::default() };
        for (listed, newest, older, taken) in [
            (50, Some(100), 0, true),
            (51, Some(101), 0, true),
            (51, Some(101), 10, true),
            (50, Some(99), 0, false),
            (50, None, 0, false),
            (0, None, 0, false),
            (50, Some(200), 11, false),
            (500, Some(200), 11, true),
        ] {
            let survey = Survey { listed, newest, older };
            assert_eq!(survey.judge(&stored).is_ok(), taken, "{survey:?}");
        }
        let from_the_first_version = ImportRecord { newest: None, ..stored };
        assert!(Survey { listed: 1, newest: Some(1), older: 0 }.judge(&from_the_first_version).is_ok());
    }
}
