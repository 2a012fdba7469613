//! Counts decisions and what they hold back, for the metrics: when a decision is made, and every so often, since times pass and images
//! come and go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use weir_scanner::exception::{Narrowest, Rules};
use weir_storage::index::{Index, IndexError};

use super::service::Exceptions;
use crate::clock::Clock;
use crate::metrics::ExceptionMetrics;
use crate::report::fleet::Fleet;
use crate::tasks::{PermitClass, Tasks};

/// How often they are counted where no decision is made.
const EVERY: Duration = Duration::from_secs(60);

/// What [`count_exceptions`] works with.
pub struct ExceptionGaugeParts {
    /// The decisions.
    pub exceptions: Exceptions,
    /// The index.
    pub index: Index,
    /// What runs where.
    pub fleet: Fleet,
    /// Where the counts are shown.
    pub metrics: ExceptionMetrics,
    /// Owner of its task.
    pub tasks: Tasks,
    /// The time.
    pub clock: Clock,
}

/// Counts until cancelled.
pub async fn count_exceptions(parts: ExceptionGaugeParts) {
    let (token, class) = (parts.tasks.token(), PermitClass::new("exceptions", 1));
    let mut changed = parts.exceptions.changed();
    if token.run_until_cancelled(parts.fleet.made()).await.is_none() {
        return;
    }
    loop {
        let (rules, now) = (parts.exceptions.rules(), parts.clock.now());
        let counts = states(&rules, now);
        parts.metrics.count(|scope, state| counts.get(&(scope, state.name())).copied().unwrap_or_default());
        let ends = rules.holding(now).filter_map(|exception| exception.expires_at);
        parts.metrics.ending(&ends.map(|end| end - now).collect::<Vec<_>>());
        let (index, fleet) = (parts.index.clone(), parts.fleet.clone());
        let counted = parts.tasks.blocking("exceptions", &class, move || matches(&index, &fleet, rules, now));
        match counted.await {
            Ok(Ok(counts)) => parts.metrics.matches(|scope| counts.get(&scope).copied().unwrap_or_default()),
            Ok(Err(error)) => tracing::warn!(%error, "what exceptions hold back could not be counted"),
            // The log has the panic, or weir is stopping.
            Err(_) => {}
        }
        tokio::select! {
            () = token.cancelled() => return,
            _ = changed.changed() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

fn states(rules: &Rules, now: i64) -> BTreeMap<(Narrowest, &'static str), u64> {
    let mut counts = BTreeMap::new();
    for exception in rules.iter() {
        *counts.entry((exception.scope.narrowest(), exception.state(now).name())).or_default() += 1;
    }
    counts
}

/// Findings of what runs that stand under a decision, by its scope. Blocks.
fn matches(index: &Index, fleet: &Fleet, rules: Arc<Rules>, now: i64) -> Result<BTreeMap<Narrowest, u64>, IndexError> {
    let mut counts: BTreeMap<Narrowest, u64> = BTreeMap::new();
    fleet.refresh(index, rules, now)?;
    fleet.model().each_excepted(|exception, findings| {
        *counts.entry(exception.scope.narrowest()).or_default() += findings;
    });
    Ok(counts)
}
