//! What is written down of who signed in, and of what people did.

use weir_storage::index::AuditEntry;

use super::Report;

impl Report {
    /// Writes down that `by` did `action` to `subject`. What cannot be written down is logged, and what was done stays done.
    pub(super) async fn audit(&self, by: &str, action: &'static str, subject: &str, detail: &str) {
        let entry = AuditEntry {
            at: self.clock.now(),
            by: by.to_owned(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            detail: detail.to_owned(),
        };
        if let Err(error) = self.index.run(move |index| index.audit().append(&entry)).await {
            tracing::error!(%error, by, action, subject, detail, "{by}: {action} {subject}: the audit could not be written");
        }
    }
}
