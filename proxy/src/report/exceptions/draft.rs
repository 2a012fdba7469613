//! A decision as it is asked for, and what makes it one that can be kept.
//!
//! Owns every rule about its members; whether it says what another says already is asked when it is written.

use schemars::JsonSchema;
use serde::Deserialize;
use weir_scanner::exception::{Exception, Justification, Kind, Scope, Target, names_of, vulnerability};
use weir_scanner::oci::Digest;
use weir_storage::index::{Index, IndexError};

use crate::clock::seconds;
use crate::report::schema::{DecisionName, JustificationName, TargetName};

/// The longest reason, in characters.
pub(in crate::report) const MAX_REASON: usize = 2000;

/// What is asked for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::report) struct NewException {
    /// `repository` or `vulnerability`.
    #[schemars(with = "TargetName")]
    pub(in crate::report) target: Target,
    /// `false_positive`, `accepted_risk` or `under_investigation`.
    #[schemars(with = "DecisionName")]
    pub(in crate::report) kind: Kind,
    /// Any name of the vulnerability.
    #[serde(default)]
    pub(in crate::report) vulnerability: Option<String>,
    #[serde(default)]
    pub(in crate::report) scope: NewScope,
    /// Of a false positive: why, in a word of VEX.
    #[serde(default)]
    #[schemars(with = "Option<JustificationName>")]
    pub(in crate::report) justification: Option<Justification>,
    /// Why, for people: 1 to 2000 characters.
    #[schemars(length(min = 1, max = MAX_REASON))]
    pub(in crate::report) reason: String,
    /// When it ends, RFC 3339.
    #[serde(default)]
    #[schemars(extend("format" = "date-time"))]
    pub(in crate::report) expires_at: Option<String>,
    /// Whether it ends for a finding once that has a fix.
    #[serde(default)]
    pub(in crate::report) expire_on_fix: bool,
}

/// Where it is to hold: all that is given, and everywhere where nothing is.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::report) struct NewScope {
    pub(in crate::report) cluster: Option<String>,
    pub(in crate::report) namespace: Option<String>,
    /// `key` or `key=value`; all must hold.
    pub(in crate::report) labels: Vec<String>,
    /// `<upstream>/<repository>`; `nginx` is `docker.io/library/nginx`.
    pub(in crate::report) repository: Option<String>,
    /// Any digest that leads to one image.
    pub(in crate::report) image: Option<String>,
    /// A package URL; of any version where it names none.
    pub(in crate::report) package: Option<String>,
}

/// Why a draft is no decision.
#[derive(Debug)]
pub(in crate::report) enum DraftError {
    /// A member is wrong.
    Member { member: String, problem: String },
    /// The index could not be read.
    Index(IndexError),
}

impl From<IndexError> for DraftError {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

fn wrong(member: &str, problem: impl Into<String>) -> DraftError {
    DraftError::Member { member: member.to_owned(), problem: problem.into() }
}

impl NewException {
    /// The decision that `by` makes at `now` (seconds since the epoch), with every name the vulnerability has. Blocks.
    ///
    /// # Errors
    /// The first member that is wrong; the index cannot be read.
    pub(in crate::report) fn check(self, index: &Index, by: &str, now: i64) -> Result<Exception, DraftError> {
        let (target, kind) = (self.target, self.kind);
        self.check_together()?;
        let reason = reason(&self.reason).map_err(|problem| wrong("reason", problem))?;
        let expires_at = self.expires_at.as_deref().map(|text| end(text, now)).transpose()?;
        let scope = self.scope.check(index)?;
        if target == Target::Repository && scope.repository.is_none() {
            return Err(wrong("scope.repository", "a decision about a repository names it"));
        }
        let names = match self.vulnerability {
            Some(text) => {
                let name = vulnerability(&text).map_err(|problem| wrong("vulnerability", problem))?;
                names_of(&name, &index.advisories().source())?
            }
            None if target == Target::Vulnerability => {
                return Err(wrong("vulnerability", "a decision about a vulnerability names it"));
            }
            None => Vec::new(),
        };
        Ok(Exception {
            id: String::new(),
            target,
            kind,
            vulnerability: names,
            scope,
            justification: self.justification,
            reason,
            created_by: by.to_owned(),
            created_at: now,
            expires_at,
            expire_on_fix: self.expire_on_fix,
            cancelled: None,
            document: None,
        })
    }

    /// What members say of each other.
    fn check_together(&self) -> Result<(), DraftError> {
        if self.justification.is_some() && self.kind != Kind::FalsePositive {
            return Err(wrong("justification", "only a false positive has one"));
        }
        if self.target == Target::Vulnerability {
            return Ok(());
        }
        let only = "only a decision about a vulnerability has one";
        if self.kind == Kind::UnderInvestigation {
            return Err(wrong("kind", "only a vulnerability is under investigation"));
        }
        for (member, is_given) in [
            ("vulnerability", self.vulnerability.is_some()),
            ("justification", self.justification.is_some()),
            ("expire_on_fix", self.expire_on_fix),
            ("scope.package", self.scope.package.is_some()),
        ] {
            if is_given {
                return Err(wrong(member, only));
            }
        }
        Ok(())
    }
}

impl NewScope {
    fn check(self, index: &Index) -> Result<Scope, DraftError> {
        let Self { cluster, namespace, labels, repository, image, package } = self;
        let image = image.map(|text| platform_manifest(index, &text)).transpose()?;
        let scope = Scope { cluster, namespace, labels, repository, image, package };
        scope.check().map_err(|error| wrong(&format!("scope.{}", error.member), error.problem))
    }
}

/// The platform manifest a digest leads to; the digest itself where weir has not seen it.
fn platform_manifest(index: &Index, text: &str) -> Result<Digest, DraftError> {
    let digest = Digest::parse(text).map_err(|error| wrong("scope.image", error.to_string()))?;
    let found = index.aliases().resolve(&digest)?;
    if let [one] = found.as_slice() {
        return Ok(one.manifest);
    }
    // Of an index with several platforms the one that weir has, if there is one alone.
    let mut seen = Vec::new();
    for target in found {
        if index.images().get(&target.manifest)?.is_some() {
            seen.push(target.manifest);
        }
    }
    match seen.as_slice() {
        [] => Ok(digest),
        [one] => Ok(*one),
        several => {
            let several: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(wrong("scope.image", format!("{digest} is an index of several images: {}", several.join(", "))))
        }
    }
}

/// A reason without space around it.
///
/// # Errors
/// It is blank or too long.
pub(in crate::report) fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 || length > MAX_REASON {
        return Err(format!("1 to {MAX_REASON} characters are needed, found {length}"));
    }
    Ok(text.to_owned())
}

fn end(text: &str, now: i64) -> Result<i64, DraftError> {
    let at = seconds(text).ok_or_else(|| wrong("expires_at", format!("expected RFC 3339, found {text:?}")))?;
    if at <= now { Err(wrong("expires_at", format!("{text} is not in the future"))) } else { Ok(at) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_790_000_000;

    fn check(members: &Value) -> Result<Exception, String> {
        let mut draft = json!({"target": "vulnerability", "kind": "false_positive", "vulnerability": "cve-2026-0001",
                               "reason": " the port is closed "});
        for (member, value) in members.as_object().unwrap() {
            match value {
                Value::Null => drop(draft.as_object_mut().unwrap().remove(member)),
                value => draft[member] = value.clone(),
            }
        }
        let draft: NewException = serde_json::from_value(draft).map_err(|error| error.to_string())?;
        draft.check(&Index::in_memory(), "ada", NOW).map_err(|error| match error {
            DraftError::Member { member, problem } => format!("{member}: {problem}"),
            DraftError::Index(error) => error.to_string(),
        })
    }

    #[test]
    fn a_draft_becomes_a_decision_in_one_spelling() {
        let members = json!({"scope": {"repository": "nginx", "package": "pkg:npm/a?x=y"}, "expire_on_fix": true,
                             "expires_at": "2027-01-01T00:00:00+01:00", "justification": "component_not_present"});
        let made = check(&members).unwrap();
        assert_eq!(made.vulnerability, ["CVE-2026-0001"]);
        assert_eq!(
            (made.reason.as_str(), made.created_by.as_str(), made.created_at),
            ("the port is closed", "ada", NOW)
        );
        assert_eq!(made.scope.repository.as_deref(), Some("docker.io/library/nginx"));
        assert_eq!(made.scope.package.as_deref(), Some("pkg:npm/a"));
        assert_eq!((made.expires_at, made.expire_on_fix), (Some(1_798_758_000), true));
        let about = json!({"target": "repository", "vulnerability": null, "scope": {"repository": "ghcr.io/a/b"}});
        assert!(check(&about).unwrap().vulnerability.is_empty());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (members, says) in [
            (json!({"reason": " "}), "reason: 1 to 2000"),
            (json!({"reason": "ä".repeat(2001)}), "reason: 1 to 2000 characters are needed, found 2001"),
            (json!({"reason": null}), "missing field `reason`"),
            (json!({"kind": "fine"}), "unknown variant `fine`"),
            (json!({"until": "x"}), "unknown field `until`"),
            (json!({"scope": {"pod": "x"}}), "unknown field `pod`"),
            (json!({"scope": {"image": "sha256:1"}}), "scope.image: "),
            (json!({"scope": {"namespace": "A"}}), "scope.namespace: "),
            (json!({"vulnerability": null}), "vulnerability: a decision about a vulnerability names it"),
            (json!({"vulnerability": "a b"}), "vulnerability: an id"),
            (json!({"expires_at": "tomorrow"}), "expires_at: expected RFC 3339"),
            (json!({"expires_at": "2026-09-21T14:13:20Z"}), "is not in the future"),
            (json!({"kind": "accepted_risk", "justification": "component_not_present"}), "justification: only"),
            (json!({"target": "repository", "vulnerability": null}), "scope.repository: "),
            (json!({"target": "repository"}), "vulnerability: only"),
            (json!({"target": "repository", "vulnerability": null, "kind": "under_investigation"}), "kind: only"),
            (json!({"target": "repository", "vulnerability": null, "expire_on_fix": true}), "expire_on_fix: only"),
        ] {
            let error = check(&members).unwrap_err();
            assert!(error.contains(says), "{members}: {error}");
        }
    }
}
