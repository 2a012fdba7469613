//! Owns the whole of the checked settings. Each part of weir gets its own piece of it.

use std::path::Path;

use crate::check::check;
use crate::section::advisory::AdvisorySection;
use crate::section::auth::AuthSection;
use crate::section::cluster::ClusterSection;
use crate::section::data::DataSection;
use crate::section::listen::ListenSection;
use crate::section::log::LogSection;
use crate::section::report::ReportSection;
use crate::section::scan::ScanSection;
use crate::section::upstream::UpstreamSection;
use crate::section::webhook::WebhookSection;

/// Settings without any mistake.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where weir listens.
    pub listen: ListenSection,
    /// Where it keeps its data.
    pub data: DataSection,
    /// The registries it mirrors; at least one, no name twice.
    pub upstreams: Vec<UpstreamSection>,
    /// The limits of scanning.
    pub scan: ScanSection,
    /// Where advisories come from.
    pub advisory: AdvisorySection,
    /// The watched cluster.
    pub cluster: ClusterSection,
    /// What the report remembers and expects.
    pub report: ReportSection,
    /// Who may use the report.
    pub auth: AuthSection,
    /// Whom it tells what happens; no name twice.
    pub webhooks: Vec<WebhookSection>,
    /// How weir logs.
    pub log: LogSection,
}

impl Config {
    /// The settings without a file and without variables: the defaults.
    pub fn embedded() -> Self {
        check(None, [], Path::new("")).config.expect("constants: a unit test reads every default")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_raise_no_warning() {
        let defaults = check(None, [], Path::new(""));
        assert_eq!(defaults.mistakes, []);
        assert_eq!(defaults.warnings, []);
        assert!(defaults.config.is_some());
    }
}
