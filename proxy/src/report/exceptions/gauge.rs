//! Counts decisions and what they hold back, for the metrics: when a decision is made, and every so often, since times pass and images
//! come and go.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_scanner::exception::{Narrowest, Rules, Subject};
use weir_scanner::finding::{Finding, FixState};
use weir_storage::index::{Index, IndexError};

use super::item::place;
use super::service::Exceptions;
use crate::clock::Clock;
use crate::metrics::ExceptionMetrics;
use crate::report::fleet::{Fleet, FleetView};
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
        let (rules, view, now) = (parts.exceptions.rules(), parts.fleet.view(), parts.clock.now());
        let counts = states(&rules, now);
        parts.metrics.count(|scope, state| counts.get(&(scope, state.name())).copied().unwrap_or_default());
        let index = parts.index.clone();
        let counted = parts.tasks.blocking("exceptions", &class, move || matches(&index, &view, &rules, now));
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
fn matches(index: &Index, view: &FleetView, rules: &Rules, now: i64) -> Result<BTreeMap<Narrowest, u64>, IndexError> {
    let mut counts: BTreeMap<Narrowest, u64> = BTreeMap::new();
    if rules.holding(now).next().is_none() {
        return Ok(counts);
    }
    for (digest, image) in &view.images {
        let Some(record) = index.images().get(digest)? else { continue };
        let Some(found) = index.findings().get(digest)? else { continue };
        let found: Vec<&Finding> =
            found.findings.findings.iter().filter(|finding| finding.covered_by.is_none()).collect();
        let names: Vec<String> =
            record.names.iter().map(|(upstream, repository)| format!("{upstream}/{repository}")).collect();
        let repositories: Vec<&str> = names.iter().map(String::as_str).collect();
        for user in &image.users {
            let place = place(view.workload(*user));
            if let Some(whole) = rules.of_repository(&repositories, digest, Some(&place), now) {
                *counts.entry(whole.scope.narrowest()).or_default() += found.len() as u64;
                continue;
            }
            for finding in &found {
                let names: Vec<&str> =
                    std::iter::once(&finding.id).chain(&finding.aliases).map(String::as_str).collect();
                let subject = Subject {
                    names: &names,
                    package: &finding.package,
                    fixable: finding.fix_state == FixState::Fixed,
                    image: digest,
                    repositories: &repositories,
                };
                if let Some(exception) = rules.of_finding(&subject, Some(&place), now) {
                    *counts.entry(exception.scope.narrowest()).or_default() += 1;
                }
            }
        }
    }
    Ok(counts)
}
