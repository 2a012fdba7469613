//! What was decided about a vulnerability, in CycloneDX's words.
//!
//! | decision | state | response |
//! |---|---|---|
//! | false positive with a justification | `not_affected` | |
//! | false positive without one | `false_positive` | |
//! | accepted risk | `exploitable` | `will_not_fix` |
//! | under investigation | `in_triage` | |

use serde::Serialize;
use weir_scanner::exception::{Justification, Kind};

use crate::report::document::ExceptionPart;

/// A vulnerability's analysis.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Analysis {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    justification: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    response: Vec<&'static str>,
    detail: String,
    first_issued: String,
}

impl Analysis {
    /// A decision.
    pub(super) fn of(exception: &ExceptionPart) -> Self {
        let state = match (exception.kind, exception.justification) {
            (Kind::FalsePositive, Some(_)) => "not_affected",
            (Kind::FalsePositive, None) => "false_positive",
            (Kind::AcceptedRisk, _) => "exploitable",
            (Kind::UnderInvestigation, _) => "in_triage",
        };
        let response = if exception.kind == Kind::AcceptedRisk { vec!["will_not_fix"] } else { Vec::new() };
        Self {
            state,
            justification: exception.justification.map(justification),
            response,
            detail: exception.reason.clone(),
            first_issued: exception.at.clone(),
        }
    }
}

/// CycloneDX has more words than OpenVEX: the nearest.
fn justification(word: Justification) -> &'static str {
    match word {
        Justification::ComponentNotPresent | Justification::VulnerableCodeNotPresent => "code_not_present",
        Justification::VulnerableCodeNotInExecutePath => "code_not_reachable",
        Justification::VulnerableCodeCannotBeControlledByAdversary => "requires_environment",
        Justification::InlineMitigationsAlreadyExist => "protected_by_mitigating_control",
    }
}
