//! The body of a check: what a node may tell, and within which bounds.

use schemars::JsonSchema;
use serde::Deserialize;
use weir_storage::index::{NodeFinding, NodeFindingLevel};

use super::told::Told;
use crate::report::problem::Problem;

/// Longest body, in bytes.
pub(in crate::report) const MAX_CHECK_BODY: usize = 64 * 1024;
/// Things that one check may have found.
const MAX_FINDINGS: usize = 64;
/// Longest texts, in characters: a runtime's name, a version and a code; a path; a detail.
const MAX_WORD: usize = 64;
const MAX_PATH: usize = 1024;
const MAX_DETAIL: usize = 1024;
/// What a finding is called.
const CODE: &str = "^[a-z][a-z0-9_]{0,63}$";

/// What a node found out of how its container runtime pulls.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NodeCheck")]
pub(in crate::report) struct CheckBody {
    /// The container runtime, such as `containerd`.
    #[schemars(length(min = 1, max = MAX_WORD))]
    runtime: String,
    /// Its version, where it is known.
    #[serde(default)]
    #[schemars(length(min = 1, max = MAX_WORD))]
    version: Option<String>,
    /// The directory in which it looks for mirrors, where it has one.
    #[serde(default)]
    #[schemars(length(min = 1, max = MAX_PATH))]
    config_path: Option<String>,
    /// Whether it is set up to pull through weir.
    through_weir: bool,
    /// What is not as it should be.
    #[serde(default)]
    #[schemars(length(max = MAX_FINDINGS))]
    findings: Vec<FindingBody>,
}

/// One thing that is not as it should be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ToldNodeFinding")]
struct FindingBody {
    level: LevelBody,
    /// What it is, in a word.
    #[schemars(extend("pattern" = CODE))]
    code: String,
    /// What it is, for people.
    #[schemars(length(min = 1, max = MAX_DETAIL))]
    detail: String,
}

/// How much it matters: with an `error` images do not come through weir as they should.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "NodeFindingLevel")]
enum LevelBody {
    Error,
    Warning,
}

impl CheckBody {
    /// Reads one off its JSON.
    ///
    /// # Errors
    /// 400 that names what is wrong.
    pub(in crate::report) fn read(json: &[u8]) -> Result<Told, Problem> {
        let body: Self =
            serde_json::from_slice(json).map_err(|error| Problem::bad_request(format!("body: {error}")))?;
        let Self { runtime, version, config_path, through_weir, findings } = body;
        if findings.len() > MAX_FINDINGS {
            let detail = format!("findings: at most {MAX_FINDINGS} are taken, found {}", findings.len());
            return Err(Problem::bad_request(detail));
        }
        check("runtime", &runtime, MAX_WORD)?;
        check("version", version.as_deref().unwrap_or("-"), MAX_WORD)?;
        check("config_path", config_path.as_deref().unwrap_or("-"), MAX_PATH)?;
        let findings = findings.into_iter().enumerate().map(|(at, finding)| finding.read(at));
        Ok(Told { runtime, version, config_path, through_weir, findings: findings.collect::<Result<_, _>>()? })
    }
}

impl FindingBody {
    fn read(self, at: usize) -> Result<NodeFinding, Problem> {
        let Self { level, code, detail } = self;
        if !is_code(&code) {
            let detail = "a letter is needed, then up to 63 letters, digits and '_', all small";
            return Err(Problem::bad_request(format!("findings[{at}].code: {detail}")));
        }
        check(&format!("findings[{at}].detail"), &detail, MAX_DETAIL)?;
        let level = match level {
            LevelBody::Error => NodeFindingLevel::Error,
            LevelBody::Warning => NodeFindingLevel::Warning,
        };
        Ok(NodeFinding { level, code, detail })
    }
}

/// What [`CODE`] takes.
fn is_code(text: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    text.len() <= MAX_WORD && text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(rest)
}

/// Refuses a text that is empty, too long, or has control characters other than those that part lines and columns.
fn check(name: &str, text: &str, most: usize) -> Result<(), Problem> {
    let count = text.chars().count();
    if count == 0 || count > most {
        return Err(Problem::bad_request(format!("{name}: 1 to {most} characters are needed, found {count}")));
    }
    if text.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\t')) {
        return Err(Problem::bad_request(format!("{name}: control characters are not taken")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn whole() -> Value {
        json!({"runtime": "containerd", "version": "1.6.20", "config_path": "/etc/containerd/certs.d", "through_weir": true,
            "findings": [{"level": "warning", "code": "old_version", "detail": "line 1\n\tline 2"}]})
    }

    fn refused(body: &Value) -> String {
        CheckBody::read(body.to_string().as_bytes())
            .err()
            .map(|problem| problem.detail().to_owned())
            .unwrap_or_default()
    }

    #[test]
    fn a_check_says_what_it_found() {
        let told = CheckBody::read(whole().to_string().as_bytes()).unwrap();
        assert_eq!((told.runtime.as_str(), told.version.as_deref()), ("containerd", Some("1.6.20")));
        assert_eq!(told.findings[0].level, NodeFindingLevel::Warning);
        let least = json!({"runtime": "cri-o", "version": null, "config_path": null, "through_weir": false});
        let told = CheckBody::read(least.to_string().as_bytes()).unwrap();
        assert_eq!((told.version, told.config_path, told.through_weir, told.findings.len()), (None, None, false, 0));
    }

    #[test]
    fn what_is_too_much_or_unknown_is_refused_by_name() {
        for (pointer, value, says) in [
            ("/runtime", json!(""), "runtime: 1 to 64"),
            ("/runtime", json!("r".repeat(65)), "found 65"),
            ("/runtime", json!("a\u{1b}[2J"), "runtime: control characters"),
            ("/runtime", json!(null), "invalid type"),
            ("/version", json!("v".repeat(65)), "version: 1 to 64"),
            ("/config_path", json!("/".repeat(1025)), "config_path: 1 to 1024"),
            ("/through_weir", json!("yes"), "invalid type"),
            ("/findings", json!(null), "invalid type"),
            ("/findings/0/level", json!("fatal"), "unknown variant"),
            ("/findings/0/code", json!("Bad Code"), "findings[0].code: a letter"),
            ("/findings/0/code", json!("c".repeat(65)), "findings[0].code: a letter"),
            ("/findings/0/code", json!(""), "findings[0].code: a letter"),
            ("/findings/0/detail", json!(""), "findings[0].detail: 1 to 1024"),
            ("/findings/0/detail", json!("d".repeat(1025)), "findings[0].detail: 1 to 1024"),
        ] {
            let mut body = whole();
            *body.pointer_mut(pointer).unwrap() = value;
            let detail = refused(&body);
            assert!(detail.contains(says), "{pointer}: {detail:?}");
        }
        for (name, inside) in [("colour", false), ("colour", true)] {
            let mut body = whole();
            let place = if inside { &mut body["findings"][0] } else { &mut body };
            place[name] = json!("red");
            assert!(refused(&body).contains("unknown field `colour`"), "{body}");
        }
        let mut body = whole();
        body["findings"] = json!(vec![body["findings"][0].clone(); MAX_FINDINGS + 1]);
        assert!(refused(&body).contains("findings: at most 64"));
        body.as_object_mut().unwrap().remove("through_weir");
        assert!(refused(&body).contains("missing field `through_weir`"));
    }
}
