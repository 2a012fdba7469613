//! What the statuses of VEX mean as decisions, and decisions as statuses.
//!
//! | status | decision |
//! |---|---|
//! | `not_affected` | false positive, with its justification |
//! | `fixed` | false positive: what the scanner sees was mended another way |
//! | `under_investigation` | a note, which excepts nothing |
//! | `affected`, to stay so by its action or impact statement | accepted risk |
//! | `affected` otherwise | none: something is to be done |

use weir_scanner::exception::{Justification, Kind};

use super::super::draft::MAX_REASON;

/// What an accepted risk's action statement begins with.
const WILL_NOT_FIX: &str = "will not fix: ";
/// Words by which a statement says that nothing will be done.
const STAYS: [&str; 8] = [
    "will not fix",
    "will_not_fix",
    "won't fix",
    "wont fix",
    "wontfix",
    "will not be fixed",
    "risk accepted",
    "accepted risk",
];

/// The words of one statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::report) struct Words {
    pub(in crate::report) status: String,
    pub(in crate::report) status_notes: Option<String>,
    pub(in crate::report) justification: Option<String>,
    pub(in crate::report) impact_statement: Option<String>,
    pub(in crate::report) action_statement: Option<String>,
}

/// What a statement decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) kind: Kind,
    pub(super) justification: Option<Justification>,
    pub(super) reason: String,
}

impl Words {
    /// What they decide; else why they decide nothing.
    ///
    /// # Errors
    /// They are no words of OpenVEX.
    pub(super) fn meaning(&self) -> Result<Result<Meaning, String>, String> {
        let justification = self.justification.as_deref().filter(|text| !text.is_empty());
        let justification = justification.map(|text| {
            let found = Justification::ALL.into_iter().find(|known| known.name() == text);
            found.ok_or_else(|| {
                let names = Justification::ALL.map(Justification::name).join(", ");
                format!("justification: expected one of {names}, found {text:?}")
            })
        });
        let justification = justification.transpose()?;
        let decided =
            |kind, justification, reason: String| Ok(Ok(Meaning { kind, justification, reason: cut(&reason) }));
        let said = || self.said(&[&self.impact_statement, &self.status_notes]);
        match self.status.as_str() {
            "not_affected" => {
                let without = justification.map_or("not affected", Justification::name);
                decided(Kind::FalsePositive, justification, said().unwrap_or(without).to_owned())
            }
            "fixed" => {
                let reason = said().map_or_else(|| "fixed".to_owned(), |said| format!("fixed: {said}"));
                decided(Kind::FalsePositive, None, reason)
            }
            "under_investigation" => {
                decided(Kind::UnderInvestigation, None, said().unwrap_or("under investigation").to_owned())
            }
            "affected" => {
                match [&self.action_statement, &self.impact_statement].into_iter().flatten().find(|text| stays(text)) {
                    Some(text) => decided(Kind::AcceptedRisk, None, without_prefix(text).to_owned()),
                    None => Ok(Err("affected, and nothing says that it is to stay so: excepts nothing".to_owned())),
                }
            }
            other => Err(format!(
                "status: expected one of not_affected, affected, fixed, under_investigation, found {other:?}"
            )),
        }
    }

    /// A decision in them.
    pub(in crate::report) fn of(kind: Kind, justification: Option<&str>, reason: &str) -> (&'static str, Self) {
        let words = Self { justification: justification.map(str::to_owned), ..Self::default() };
        let reason = Some(reason.to_owned());
        match kind {
            Kind::FalsePositive => ("not_affected", Self { impact_statement: reason, ..words }),
            Kind::UnderInvestigation => ("under_investigation", Self { status_notes: reason, ..words }),
            Kind::AcceptedRisk => {
                let action = reason.map(|reason| format!("{WILL_NOT_FIX}{reason}"));
                ("affected", Self { action_statement: action, ..words })
            }
        }
    }

    fn said<'a>(&self, texts: &[&'a Option<String>]) -> Option<&'a str> {
        texts.iter().filter_map(|text| text.as_deref()).map(str::trim).find(|text| !text.is_empty())
    }
}

fn stays(text: &str) -> bool {
    let text = text.to_lowercase();
    STAYS.iter().any(|words| text.contains(words))
}

/// A reason as it was before this weir or another one wrote it out.
fn without_prefix(text: &str) -> &str {
    let rest = text.trim().strip_prefix(WILL_NOT_FIX).map(str::trim);
    rest.filter(|rest| !rest.is_empty()).unwrap_or(text.trim())
}

fn cut(text: &str) -> String {
    if text.chars().count() <= MAX_REASON {
        return text.to_owned();
    }
    let cut: String = text.chars().take(MAX_REASON - 1).collect();
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(status: &str, texts: [&str; 4]) -> Words {
        let [notes, justification, impact, action] =
            texts.map(|text| Some(text.to_owned()).filter(|text| !text.is_empty()));
        Words {
            status: status.into(),
            status_notes: notes,
            justification,
            impact_statement: impact,
            action_statement: action,
        }
    }

    #[test]
    fn statuses_mean_decisions() {
        let path = "vulnerable_code_not_in_execute_path";
        for (status, texts, kind, reason) in [
            ("not_affected", ["", path, "", ""], Kind::FalsePositive, path),
            ("not_affected", ["n", path, "never called", ""], Kind::FalsePositive, "never called"),
            ("not_affected", ["", "", "", ""], Kind::FalsePositive, "not affected"),
            ("fixed", ["", "", "", ""], Kind::FalsePositive, "fixed"),
            ("fixed", ["patched in 1.2", "", "", ""], Kind::FalsePositive, "fixed: patched in 1.2"),
            ("under_investigation", ["", "", "", ""], Kind::UnderInvestigation, "under investigation"),
            ("affected", ["", "", "", "Will not fix: end of life"], Kind::AcceptedRisk, "Will not fix: end of life"),
            ("affected", ["", "", "", "will not fix: end of life"], Kind::AcceptedRisk, "end of life"),
            (
                "affected",
                ["", "", "Risk accepted by the board", "none"],
                Kind::AcceptedRisk,
                "Risk accepted by the board",
            ),
        ] {
            let meaning = words(status, texts).meaning().unwrap().unwrap();
            assert_eq!((meaning.kind, meaning.reason.as_str()), (kind, reason), "{status} {texts:?}");
            assert_eq!(meaning.justification.is_some(), !texts[1].is_empty(), "{status} {texts:?}");
        }
        assert!(words("affected", ["", "", "", "upgrade to 2.0"]).meaning().unwrap().is_err());
        assert!(words("exploitable", [""; 4]).meaning().unwrap_err().contains("under_investigation"));
        assert!(
            words("not_affected", ["", "because", "", ""]).meaning().unwrap_err().contains("component_not_present")
        );
        let long = "ä".repeat(3000);
        let meaning = words("not_affected", ["", "", &long, ""]).meaning().unwrap().unwrap();
        assert_eq!(meaning.reason.chars().count(), MAX_REASON);
    }

    #[test]
    fn what_is_written_means_what_was_decided() {
        for (kind, justification) in [
            (Kind::FalsePositive, Some(Justification::ComponentNotPresent)),
            (Kind::FalsePositive, None),
            (Kind::AcceptedRisk, None),
            (Kind::UnderInvestigation, None),
        ] {
            let (status, words) = Words::of(kind, justification.map(Justification::name), "the port is closed");
            let meaning = Words { status: status.into(), ..words }.meaning().unwrap().unwrap();
            assert_eq!(meaning, Meaning { kind, justification, reason: "the port is closed".into() });
        }
    }
}
