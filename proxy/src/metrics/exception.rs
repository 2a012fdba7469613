//! Instruments of exceptions: how many there are, and what they hold back.

use prometheus::{IntGaugeVec, Opts, register_int_gauge_vec_with_registry};
use weir_scanner::exception::{Narrowest, State};

use super::catalogue::Catalogue;

/// The exceptions' instruments.
#[derive(Clone)]
pub struct ExceptionMetrics {
    exceptions: IntGaugeVec,
    matches: IntGaugeVec,
    ending: IntGaugeVec,
}

/// Times within which exceptions that end are counted: what the label says, and seconds.
const WITHIN: [(&str, i64); 3] = [("1d", 86_400), ("7d", 7 * 86_400), ("30d", 30 * 86_400)];

impl ExceptionMetrics {
    pub(super) fn register(registry: &Catalogue) -> Result<Self, prometheus::Error> {
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
            ending: register_int_gauge_vec_with_registry!(
                Opts::new("weir_exceptions_ending", "Exceptions that hold and end within a time from now."),
                &["within"],
                registry
            )?,
        };
        metrics.count(|_, _| 0);
        metrics.ending(&[]);
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

    /// States how many exceptions end soon, by the seconds until the end of each that holds.
    pub fn ending(&self, left: &[i64]) {
        for (name, seconds) in WITHIN {
            let count = left.iter().filter(|left| **left <= seconds).count();
            self.ending.with_label_values(&[name]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}
