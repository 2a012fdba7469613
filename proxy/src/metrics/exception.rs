//! Instruments of exceptions: how many there are, and what they hold back.

use prometheus::{IntGaugeVec, Opts, Registry, register_int_gauge_vec_with_registry};
use weir_scanner::exception::{Narrowest, State};

/// The exceptions' instruments.
#[derive(Clone)]
pub struct ExceptionMetrics {
    exceptions: IntGaugeVec,
    matches: IntGaugeVec,
}

impl ExceptionMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            exceptions: register_int_gauge_vec_with_registry!(
                Opts::new("weir_exceptions", "Exceptions, by the narrowest part of their scope and by their state."),
                &["scope", "state"],
                registry
            )?,
            matches: register_int_gauge_vec_with_registry!(
                Opts::new(
                    "weir_exception_matches",
                    "Findings in what runs that stand under an exception: workload times package times vulnerability, \
                     by the narrowest part of its scope."
                ),
                &["scope"],
                registry
            )?,
        };
        metrics.count(|_, _| 0);
        metrics.matches(|_| 0);
        Ok(metrics)
    }

    /// States how many exceptions there are of each scope and state.
    pub fn count(&self, count: impl Fn(Narrowest, State) -> u64) {
        for scope in Narrowest::ALL {
            for state in State::ALL {
                let gauge = self.exceptions.with_label_values(&[scope.name(), state.name()]);
                gauge.set(i64::try_from(count(scope, state)).unwrap_or(i64::MAX));
            }
        }
    }

    /// States how many findings stand under exceptions of each scope.
    pub fn matches(&self, matches: impl Fn(Narrowest) -> u64) {
        for scope in Narrowest::ALL {
            let gauge = self.matches.with_label_values(&[scope.name()]);
            gauge.set(i64::try_from(matches(scope)).unwrap_or(i64::MAX));
        }
    }
}
