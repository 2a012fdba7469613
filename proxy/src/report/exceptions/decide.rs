//! Setting and cancelling decisions: all that is asked for together, or nothing.
//!
//! The API and the console call these; who may is asked before.

use std::collections::HashMap;

use hyper::StatusCode;
use serde_json::{Value, json};
use weir_scanner::exception::{Cancelled, Exception, Kind, Rules, Scope, State};
use weir_storage::index::{ExceptionChange, ExceptionOutcome, Index};

use super::draft::{DraftError, NewException, reason};
use crate::report::Report;
use crate::report::problem::Problem;
use crate::report::shape::{ExceptionItem, PreviewedException};

/// The most decisions of one request.
pub(in crate::report) const MAX_TOGETHER: usize = 1000;
/// The most decisions that hold at once; those that ended do not count.
const MAX_ACTIVE: usize = 50_000;
/// Mistakes that are told at once.
const MAX_TOLD: usize = 20;

impl Report {
    /// Sets decisions in the name of `by`: all, or none.
    ///
    /// # Errors
    /// 422 for members that are wrong, 409 where one is there already, each naming it.
    pub(in crate::report) async fn set_exceptions(
        &self,
        asked: Vec<NewException>,
        by: &str,
    ) -> Result<Vec<ExceptionItem>, Problem> {
        let (exceptions, by, now) = (self.exceptions.clone(), by.to_owned(), self.clock.now());
        let written = self.index.run(move |index| -> Result<_, Problem> {
            let created = check(index, asked, &by, now)?;
            let outcome = exceptions.decide(|rules| -> Result<_, Problem> {
                is_free(&created, rules, now)?;
                Ok(ExceptionChange { created, ..ExceptionChange::default() })
            })?;
            written(outcome)
        });
        Ok(written.await?.iter().map(|exception| ExceptionItem::of(exception, now)).collect())
    }

    /// What decisions would except, without setting them.
    ///
    /// # Errors
    /// As for setting them.
    pub(in crate::report) async fn preview_exceptions(
        &self,
        asked: Vec<NewException>,
        by: &str,
    ) -> Result<Vec<PreviewedException>, Problem> {
        let (rules, model) = (self.exceptions.rules(), self.model());
        let (by, now) = (by.to_owned(), self.clock.now());
        let previewed = self.index.run(move |index| -> Result<_, Problem> {
            let drafts = check(index, asked, &by, now)?;
            is_free(&drafts, &rules, now)?;
            let item = |draft: &Exception| PreviewedException {
                exception: ExceptionItem::of(draft, now),
                preview: model.preview(draft),
            };
            Ok(drafts.iter().map(item).collect())
        });
        previewed.await
    }

    /// Cancels decisions in the name of `by`: all, or none.
    ///
    /// # Errors
    /// 422 without a reason or without ids, 404 and 409 naming the one that is not there or has ended.
    pub(in crate::report) async fn cancel_exceptions(
        &self,
        ids: Vec<String>,
        why: &str,
        by: &str,
    ) -> Result<Vec<ExceptionItem>, Problem> {
        let reason = reason(why).map_err(|problem| Problem::unusable(format!("reason: {problem}")))?;
        if ids.is_empty() || ids.len() > MAX_TOGETHER {
            return Err(Problem::unusable(format!("ids: 1 to {MAX_TOGETHER} are needed, found {}", ids.len())));
        }
        let (exceptions, now) = (self.exceptions.clone(), self.clock.now());
        let cancelled = Cancelled { at: now, by: by.to_owned(), reason };
        let rules = self.index.run(move |_| -> Result<_, Problem> {
            let cancelled: Vec<_> = ids.iter().map(|id| (id.clone(), cancelled.clone())).collect();
            let change = ExceptionChange { cancelled, ..ExceptionChange::default() };
            written(exceptions.decide(|_| Ok::<_, Problem>(change))?)?;
            Ok((ids, exceptions.rules()))
        });
        let (ids, rules) = rules.await?;
        let by_id: HashMap<&str, &Exception> = rules.iter().map(|known| (known.id.as_str(), known)).collect();
        let items = ids.iter().filter_map(|id| by_id.get(id.as_str())).map(|known| ExceptionItem::of(known, now));
        Ok(items.collect())
    }
}

/// The decisions of a request, or what is wrong with it. Blocks.
fn check(index: &Index, asked: Vec<NewException>, by: &str, now: i64) -> Result<Vec<Exception>, Problem> {
    if asked.is_empty() || asked.len() > MAX_TOGETHER {
        return Err(Problem::unusable(format!("1 to {MAX_TOGETHER} exceptions are needed, found {}", asked.len())));
    }
    let several = asked.len() > 1;
    let (mut drafts, mut mistakes) = (Vec::with_capacity(asked.len()), Vec::new());
    for (at, asked) in asked.into_iter().enumerate() {
        match asked.check(index, by, now) {
            Ok(draft) => drafts.push(draft),
            Err(DraftError::Index(error)) => return Err(error.into()),
            Err(DraftError::Member { member, problem }) => {
                let place = if several { format!("[{at}].{member}") } else { member };
                mistakes.push((place, problem));
            }
        }
    }
    let Some((place, problem)) = mistakes.first() else { return Ok(drafts) };
    let told: Vec<Value> =
        mistakes.iter().take(MAX_TOLD).map(|(at, detail)| json!({"at": at, "detail": detail})).collect();
    let more = match mistakes.len() {
        1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    Err(Problem::unusable(format!("{place}: {problem}{more}")).with("errors", told.into()))
}

/// Whether so many more decisions may hold.
///
/// # Errors
/// 409 where they may not.
pub(super) fn within_limit(rules: &Rules, more: usize, now: i64) -> Result<(), Problem> {
    let active = rules.holding(now).count();
    if active + more <= MAX_ACTIVE {
        return Ok(());
    }
    let detail = format!("{active} exceptions hold, and at most {MAX_ACTIVE} may: cancel some, or widen a scope");
    Err(Problem::new(StatusCode::CONFLICT, detail))
}

/// Whether none of the drafts says what another or a decision that holds says: of the same thing in the same scope, both by their word or
/// both as a note.
///
/// # Errors
/// 409 naming the other, or saying that there are too many.
pub(super) fn is_free(drafts: &[Exception], rules: &Rules, now: i64) -> Result<(), Problem> {
    within_limit(rules, drafts.len(), now)?;
    let mut known: HashMap<&Scope, Vec<&Exception>> = HashMap::new();
    for exception in rules.iter().filter(|exception| exception.state(now) == State::Active) {
        known.entry(&exception.scope).or_default().push(exception);
    }
    for (at, draft) in drafts.iter().enumerate() {
        let others = known.entry(&draft.scope).or_default();
        if let Some(other) = others.iter().find(|other| says_the_same(draft, other)) {
            let place = if drafts.len() > 1 { format!("[{at}]: ") } else { String::new() };
            let detail = match other.id.as_str() {
                "" => format!("{place}{} is asked for twice", draft.summary()),
                id => format!("{place}exception {id} says so already: {}", other.summary()),
            };
            return Err(Problem::new(StatusCode::CONFLICT, detail).with("exception", json!(other.id)));
        }
        others.push(draft);
    }
    Ok(())
}

/// Whether two decisions of the same scope are about the same, and to the same effect.
pub(super) fn says_the_same(a: &Exception, b: &Exception) -> bool {
    let is_note = |exception: &Exception| exception.kind == Kind::UnderInvestigation;
    a.target == b.target
        && is_note(a) == is_note(b)
        && (a.vulnerability.is_empty() || a.vulnerability.iter().any(|name| b.vulnerability.contains(name)))
}

/// What was written, or why nothing was.
pub(super) fn written(outcome: ExceptionOutcome) -> Result<Vec<Exception>, Problem> {
    match outcome {
        ExceptionOutcome::Written(written) => Ok(written),
        ExceptionOutcome::Unknown(id) => Err(Problem::not_found(format!("the exception {id:?}"))),
        ExceptionOutcome::Ended(id) => {
            let detail = format!("the exception {id} was cancelled before, or is named twice");
            Err(Problem::new(StatusCode::CONFLICT, detail).with("exception", json!(id)))
        }
    }
}
