//! Takes a document in: all of it, or nothing.

use std::collections::HashMap;

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use weir_scanner::exception::{Cancelled, Exception, Rules};
use weir_storage::index::{AuditEntry, ExceptionChange, Index, VexDocumentRecord};

use super::super::decide::{within_limit, written};
use super::plan::{Plan, PlanError, Skipped, said};
use super::read::{Read, read};
use crate::clock::rfc3339;
use crate::report::Report;
use crate::report::problem::Problem;
use crate::report::shape::ExceptionItem;

/// What importing a document did.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(in crate::report) struct Imported {
    /// The document's id.
    pub(in crate::report) document: String,
    pub(in crate::report) version: u64,
    pub(in crate::report) created: Vec<ExceptionItem>,
    /// What an earlier version said and this one does not.
    pub(in crate::report) cancelled: Vec<ExceptionItem>,
    pub(in crate::report) unchanged: Vec<ExceptionItem>,
    pub(in crate::report) skipped: Vec<Skipped>,
}

impl Report {
    /// Imports an OpenVEX document in the name of `by`, or says what that would do.
    ///
    /// # Errors
    /// 422 where it is wrong, 409 where a newer version of it was imported before or too much would hold.
    pub(in crate::report) async fn import_vex(
        &self,
        body: Vec<u8>,
        by: &str,
        is_dry: bool,
    ) -> Result<Imported, Problem> {
        let (exceptions, by, now) = (self.exceptions.clone(), by.to_owned(), self.clock.now());
        let import = move |index: &Index| -> Result<_, Problem> {
            let document = read(&body).map_err(Problem::unusable)?;
            let said = said(&document, index, &by, now).map_err(|error| match error {
                PlanError::Document(detail) => Problem::unusable(detail),
                PlanError::Index(error) => error.into(),
            })?;
            let is_new = |index: &Index| is_newest(&document, index);
            if is_dry {
                is_new(index)?;
                let rules = exceptions.rules();
                let plan = said.plan(&document.id, &rules, now);
                let created = plan.created.clone();
                return Ok(imported(&document, plan, created, &rules, now));
            }
            let mut planned = Plan::default();
            let outcome = exceptions.decide(|rules| -> Result<_, Problem> {
                is_new(index)?;
                let plan = said.plan(&document.id, rules, now);
                within_limit(rules, plan.created.len(), now)?;
                let change = change(&document, &plan, &by, now);
                planned = plan;
                Ok(change)
            })?;
            Ok(imported(&document, planned, written(outcome)?, &exceptions.rules(), now))
        };
        self.index.run(import).await
    }
}

/// Whether no later version of the document was imported.
///
/// # Errors
/// 409 with that version.
fn is_newest(document: &Read, index: &Index) -> Result<(), Problem> {
    let Some(known) = index.exceptions().document(&document.id)? else { return Ok(()) };
    let is_older =
        document.version < known.version || (document.version == known.version && document.issued_at < known.issued_at);
    if !is_older {
        return Ok(());
    }
    let issued = known.issued_at.map(|at| format!(" of {}", rfc3339(at))).unwrap_or_default();
    let detail = format!("version {}{issued} of {} was imported before; this one is older", known.version, document.id);
    Err(Problem::new(StatusCode::CONFLICT, detail))
}

fn change(document: &Read, plan: &Plan, by: &str, now: i64) -> ExceptionChange {
    let reason = format!("version {} of the document {} does not say it", document.version, document.id);
    let cancelled = |id: &String| (id.clone(), Cancelled { at: now, by: by.to_owned(), reason: reason.clone() });
    let counts = [plan.created.len(), plan.cancelled.len(), plan.unchanged.len(), plan.skipped.len()];
    let [created, ended, unchanged, skipped] = counts;
    let detail = format!(
        "version {}: {created} created, {ended} cancelled, {unchanged} unchanged, {skipped} skipped",
        document.version
    );
    let record = VexDocumentRecord {
        version: document.version,
        issued_at: document.issued_at,
        imported_at: now,
        imported_by: by.to_owned(),
    };
    ExceptionChange {
        created: plan.created.clone(),
        cancelled: plan.cancelled.iter().map(cancelled).collect(),
        document: Some((document.id.clone(), record)),
        audit: vec![AuditEntry {
            at: now,
            by: by.to_owned(),
            action: "vex.import".to_owned(),
            subject: document.id.clone(),
            detail,
        }],
    }
}

fn imported(document: &Read, plan: Plan, created: Vec<Exception>, rules: &Rules, now: i64) -> Imported {
    let known: HashMap<&str, &Exception> = rules.iter().map(|known| (known.id.as_str(), known)).collect();
    let items = |ids: &[String]| -> Vec<ExceptionItem> {
        let found = ids.iter().filter_map(|id| known.get(id.as_str()));
        found.map(|exception| ExceptionItem::of(exception, now)).collect()
    };
    Imported {
        document: document.id.clone(),
        version: document.version,
        created: created.iter().map(|exception| ExceptionItem::of(exception, now)).collect(),
        cancelled: items(&plan.cancelled),
        unchanged: items(&plan.unchanged),
        skipped: plan.skipped,
    }
}
