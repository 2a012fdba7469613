//! Query parameters as they are described and, by the same description, as they are checked.
//!
//! What the description does not name is refused, as is a value that is too long and a parameter that is given twice and is no list. The
//! endpoints read the values.

use serde_json::{Map, Value, json};

use crate::report::Parameters;
use crate::report::filter::ImageStatus;
use crate::report::list::{LIMIT, MOST};
use crate::report::problem::Problem;
use crate::report::schema::{DIGEST_PATTERN, ScanStatusName, SeverityName};
use crate::report::tabs::except_words;

/// Texts without control characters, which no parameter takes.
pub(super) const TEXT: &str = r"^[^\u0000-\u001f\u007f-\u009f\ufffd]*$";
/// A platform: `os/architecture[/variant]`.
pub(in crate::report) const PLATFORM: &str = r"^[^/\u0000-\u001f\u007f-\u009f\ufffd]+/[^/\u0000-\u001f\u007f-\u009f\ufffd]+(/[^/\u0000-\u001f\u007f-\u009f\ufffd]+)?$";
/// Longest value of a parameter in characters, unless it says less, and of a cursor.
const LONG: usize = 512;
const CURSOR: usize = 8 * 1024;
/// Values of one parameter.
const MOST_VALUES: usize = 64;

/// One query parameter.
#[derive(Clone, Debug)]
pub(in crate::report) struct Parameter {
    pub(super) name: &'static str,
    about: &'static str,
    /// Of one value.
    schema: Value,
    most: usize,
    repeats: bool,
    required: bool,
}

impl Parameter {
    fn new(name: &'static str, about: &'static str, schema: Value) -> Self {
        Self { name, about, schema, most: LONG, repeats: false, required: false }
    }

    /// Any text.
    pub(super) fn text(name: &'static str, about: &'static str) -> Self {
        Self::new(name, about, json!({ "type": "string", "pattern": TEXT }))
    }

    /// A text of a form.
    pub(super) fn form(name: &'static str, about: &'static str, pattern: &str) -> Self {
        Self::new(name, about, json!({ "type": "string", "pattern": pattern }))
    }

    /// One of some words.
    pub(super) fn words(name: &'static str, about: &'static str, words: Vec<Value>) -> Self {
        Self::new(name, about, json!({ "type": "string", "enum": words }))
    }

    /// True or false.
    pub(super) fn boolean(name: &'static str, about: &'static str) -> Self {
        Self::new(name, about, json!({ "type": "boolean" }))
    }

    /// The same with at most so many characters.
    pub(super) fn at_most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// The same, given any number of times: any of the values.
    pub(super) fn repeats(mut self) -> Self {
        self.repeats = true;
        self
    }

    /// The same, without which nothing is answered.
    pub(super) fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// As OpenAPI describes it.
    pub(super) fn described(&self) -> Value {
        let mut value = self.schema.clone();
        if value["type"] == "string" && value.get("enum").is_none() {
            value["maxLength"] = self.most.into();
        }
        let mut described = json!({
            "name": self.name, "in": "query", "description": self.about, "required": self.required, "schema": value,
        });
        if self.repeats {
            described["schema"] = json!({ "type": "array", "items": value, "maxItems": MOST_VALUES });
            described["style"] = "form".into();
            described["explode"] = true.into();
        }
        described
    }
}

/// Refuses parameters that these do not describe.
///
/// # Errors
/// 400 that names the first that is wrong.
pub(super) fn check(known: &[Parameter], given: &Parameters) -> Result<(), Problem> {
    let names: Vec<&str> = known.iter().map(|parameter| parameter.name).collect();
    given.only(&names)?;
    for parameter in known {
        let name = parameter.name;
        let values: Vec<&str> = given.all(name).collect();
        let most = if parameter.repeats { MOST_VALUES } else { 1 };
        if values.len() > most {
            return Err(Problem::bad_request(format!("{name}: given {} times, which is over {most}", values.len())));
        }
        if values.iter().any(|value| value.chars().count() > parameter.most) {
            return Err(Problem::bad_request(format!("{name}: longer than {} characters", parameter.most)));
        }
        if parameter.required && values.is_empty() {
            return Err(Problem::bad_request(format!("{name}: needed here. {}", parameter.about)));
        }
    }
    Ok(())
}

/// The parameters that choose workloads.
pub(super) fn of_workloads() -> Vec<Parameter> {
    vec![
        Parameter::text("cluster", "Workloads of this cluster.").repeats(),
        Parameter::text("namespace", "Workloads of this namespace.").repeats(),
        Parameter::form(
            "label",
            "Workloads with this label, as `key` or `key=value`. All that are given must be there.",
            LABEL,
        )
        .repeats(),
    ]
}

/// A label's key, and its value after `=`.
const LABEL: &str = r"^[^=\u0000-\u001f\u007f-\u009f\ufffd]+(=[^\u0000-\u001f\u007f-\u009f\ufffd]*)?$";

/// The parameters that choose images.
pub(super) fn of_images() -> Vec<Parameter> {
    vec![
        image_status(),
        scan_status(),
        Parameter::boolean("pulled", "Images that a client ever pulled through weir, or never did."),
        Parameter::boolean("ran", "Images that a workload ever ran, or none ever did."),
    ]
}

pub(super) fn image_status() -> Parameter {
    let words = ImageStatus::ALL.map(|status| Value::from(status.name())).to_vec();
    Parameter::words("image_status", "How the image is used.", words).repeats()
}

pub(super) fn scan_status() -> Parameter {
    Parameter::words("scan_status", "How far the image was read.", ScanStatusName::all()).repeats()
}

/// The parameters that choose findings, `layer` aside.
pub(super) fn of_findings() -> Vec<Parameter> {
    vec![
        Parameter::words("severity", "Findings of this severity.", SeverityName::all()).repeats(),
        Parameter::boolean("fixable", "Findings that a newer version fixes, or that none does.").repeats(),
        Parameter::boolean("known_exploited", "Findings that are known to be exploited, or are not.").repeats(),
        Parameter::words(
            "except",
            "Findings that stand under no exception (`active`, unless this is given), under one, or both.",
            except_words(),
        ),
        Parameter::boolean(
            "covered",
            "With `true` also findings of packages for which a distribution's feed speaks; they count nowhere.",
        ),
        Parameter::text("q", "What the id or an alias of the vulnerability, or the package's name, has in it.")
            .at_most(256),
    ]
}

/// The whole filter, as every list of the report takes it.
pub(super) fn filter() -> Vec<Parameter> {
    let repository = Parameter::text("repository", "Of this repository, `<upstream>/<repository>`.").repeats();
    let layer = Parameter::form("layer", "What this layer brought, by its digest.", DIGEST_PATTERN).repeats();
    let mut findings = of_findings();
    findings.retain(|parameter| parameter.name != "covered" && parameter.name != "q");
    let about = "What the name of the repository, a tag, the digest, a name of a vulnerability or the package's name has in it.";
    let q = Parameter::text("q", about).at_most(256);
    [of_workloads(), vec![repository], of_images(), findings, vec![layer, q]].concat()
}

/// One layer.
pub(super) fn layer() -> Parameter {
    let pattern = format!("{}|^[0-9]{{1,9}}$", DIGEST_PATTERN);
    Parameter::form("layer", "What this layer brought: its index from the bottom, or its digest.", &pattern).repeats()
}

pub(super) fn platform() -> Parameter {
    Parameter::form("platform", "The platform, where the digest is of an index: `os/architecture[/variant]`.", PLATFORM)
}

/// What to sort by.
pub(super) fn sort(fields: &[&str]) -> Parameter {
    let words = fields.iter().flat_map(|field| [Value::from(*field), format!("-{field}").into()]).collect();
    Parameter::words("sort", "What to sort by, after `-` from the greatest down.", words)
}

/// The parameters of a page.
pub(super) fn of_pages() -> Vec<Parameter> {
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT });
    vec![
        Parameter::new(
            "limit",
            "Items of a page; of CSV, rows, of which there are all where this is not given.",
            limit,
        ),
        Parameter::text("cursor", "Where to go on: `next_cursor` of the page before.").at_most(CURSOR),
    ]
}

/// JSON or CSV.
pub(super) fn format() -> Parameter {
    let words = vec!["json".into(), "csv".into()];
    Parameter::words("format", "The form of the list, before what `Accept` says.", words)
}

/// A place of a path.
pub(super) fn of_path(name: &str) -> Value {
    let (about, schema) = match name {
        "digest" => ("A digest.", json!({ "type": "string", "pattern": DIGEST_PATTERN })),
        "cluster" => {
            ("The name of a cluster.", json!({ "type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,62}$" }))
        }
        // A DNS subdomain, as Kubernetes names nodes.
        "node" => ("The name of a node.", json!({ "type": "string", "maxLength": 253, "pattern": NODE })),
        "name" => (
            "A repository: `<upstream>/<repository>`, its slashes as they are or percent-encoded.",
            json!({ "type": "string", "minLength": 1 }),
        ),
        _ => ("The id.", json!({ "type": "string", "minLength": 1 })),
    };
    json!({ "name": name, "in": "path", "required": true, "description": about, "schema": schema })
}

/// The name of a node: labels of letters, digits and `-`, with dots between.
const NODE: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$";

/// A JSON object of some members.
pub(super) fn object(members: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(members.into_iter().collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(known: &[Parameter], query: &str) -> Option<String> {
        check(known, &Parameters::parse(query)).err().map(|problem| format!("{problem:?}"))
    }

    #[test]
    fn what_is_not_described_is_refused() {
        let known = [platform(), scan_status(), Parameter::text("a", "It is needed.").required().at_most(3)];
        for (query, says) in [
            ("a=1", None),
            ("a=1&scan_status=failed&scan_status=queued", None),
            ("a=1&b=2", Some("unknown parameter")),
            ("a=1&platform=a/b&platform=a/c", Some("platform: given 2 times")),
            ("platform=a/b", Some("a: needed here")),
            ("a=1234", Some("longer than 3")),
        ] {
            let found = refused(&known, query);
            assert_eq!(found.is_some(), says.is_some(), "{query}: {found:?}");
            assert!(says.is_none_or(|says| found.unwrap().contains(says)), "{query}");
        }
        let many = "scan_status=queued&".repeat(MOST_VALUES + 1);
        assert!(refused(&known, &format!("{many}a=1")).is_some());
    }
}
