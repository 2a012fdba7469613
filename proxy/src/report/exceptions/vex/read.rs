//! OpenVEX documents as they come: of 0.2.0, and of the versions before it, whose vulnerabilities and products are mere names.

use serde::Deserialize;
use serde_json::Value;
use weir_scanner::exception::vulnerability;

use super::statement::Words;
use crate::clock::seconds;

/// The most statements of a document.
const MAX_STATEMENTS: usize = 10_000;
/// The longest id of a document.
const MAX_ID: usize = 1024;
/// The most other names of one vulnerability: each decision of a document keeps all of them.
const MAX_ALIASES: usize = 128;
/// How much of a product's name an answer has, in characters: it stands there once for each of its parts.
const MAX_NAME: usize = 512;

/// A document.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) id: String,
    pub(super) version: u64,
    /// When it was written last, seconds since the epoch.
    pub(super) issued_at: Option<i64>,
    pub(super) statements: Vec<ReadStatement>,
}

/// A statement.
#[derive(Clone, Debug)]
pub(super) struct ReadStatement {
    /// The names of the vulnerability, the one it is called by first.
    pub(super) names: Vec<String>,
    pub(super) products: Vec<ReadComponent>,
    /// Parts of every product, as the first versions of OpenVEX have them.
    pub(super) subcomponents: Vec<ReadComponent>,
    pub(super) words: Words,
    /// When it was said, seconds since the epoch; a statement without a time has its document's.
    pub(super) at: Option<i64>,
}

/// A product or a part of one: what it is called, and its package URL where it has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ReadComponent {
    pub(super) id: Option<String>,
    pub(super) purl: Option<String>,
    /// Its SHA-256, in lower case.
    pub(super) sha256: Option<String>,
    pub(super) subcomponents: Vec<ReadComponent>,
}

impl ReadComponent {
    /// What to call it in an answer.
    pub(super) fn name(&self) -> String {
        let name = self.purl.as_ref().or(self.id.as_ref()).or(self.sha256.as_ref());
        name.map_or_else(|| "a product without a name".to_owned(), |name| name.chars().take(MAX_NAME).collect())
    }
}

#[derive(Deserialize)]
struct RawDocument {
    #[serde(rename = "@context")]
    context: String,
    #[serde(rename = "@id")]
    id: String,
    #[serde(default)]
    timestamp: Option<String>,
    #[serde(default)]
    last_updated: Option<String>,
    version: Value,
    statements: Vec<Value>,
}

#[derive(Deserialize)]
struct RawStatement {
    vulnerability: Value,
    #[serde(default)]
    timestamp: Option<String>,
    #[serde(default)]
    last_updated: Option<String>,
    #[serde(default)]
    products: Vec<Value>,
    #[serde(default)]
    subcomponents: Vec<Value>,
    status: String,
    #[serde(default)]
    status_notes: Option<String>,
    #[serde(default)]
    justification: Option<String>,
    #[serde(default)]
    impact_statement: Option<String>,
    #[serde(default)]
    action_statement: Option<String>,
}

#[derive(Deserialize)]
struct RawVulnerability {
    #[serde(default, rename = "@id")]
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
}

#[derive(Deserialize)]
struct RawComponent {
    #[serde(default, rename = "@id")]
    id: Option<String>,
    #[serde(default)]
    identifiers: Identifiers,
    #[serde(default)]
    hashes: serde_json::Map<String, Value>,
    #[serde(default)]
    subcomponents: Vec<Value>,
}

#[derive(Default, Deserialize)]
struct Identifiers {
    #[serde(default)]
    purl: Option<String>,
}

/// Reads a document.
///
/// # Errors
/// What is wrong with it, and where.
pub(super) fn read(body: &[u8]) -> Result<Read, String> {
    let raw: RawDocument = serde_json::from_slice(body).map_err(|error| format!("body: {error}"))?;
    if !raw.context.starts_with("https://openvex.dev/ns") {
        return Err(format!("@context: expected https://openvex.dev/ns/v0.2.0, found {:?}", shortened(&raw.context)));
    }
    if raw.id.is_empty() || raw.id.len() > MAX_ID {
        return Err(format!("@id: 1 to {MAX_ID} bytes are needed"));
    }
    let version = match &raw.version {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    let version = version.ok_or_else(|| format!("version: expected a number, found {}", raw.version))?;
    if raw.statements.is_empty() || raw.statements.len() > MAX_STATEMENTS {
        return Err(format!("statements: 1 to {MAX_STATEMENTS} are needed, found {}", raw.statements.len()));
    }
    let issued_at =
        time(raw.last_updated.as_deref().or(raw.timestamp.as_deref())).map_err(|e| format!("timestamp: {e}"))?;
    let statements = raw
        .statements
        .into_iter()
        .enumerate()
        .map(|(at, value)| statement(value, issued_at).map_err(|error| format!("statements[{at}]: {error}")));
    Ok(Read { id: raw.id, version, issued_at, statements: statements.collect::<Result<_, _>>()? })
}

fn statement(value: Value, issued_at: Option<i64>) -> Result<ReadStatement, String> {
    let raw: RawStatement = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let said_at =
        time(raw.last_updated.as_deref().or(raw.timestamp.as_deref())).map_err(|e| format!("timestamp: {e}"))?;
    Ok(ReadStatement {
        names: names(raw.vulnerability)?,
        products: components(raw.products).map_err(|error| format!("products{error}"))?,
        subcomponents: components(raw.subcomponents).map_err(|error| format!("subcomponents{error}"))?,
        words: Words {
            status: raw.status,
            status_notes: raw.status_notes,
            justification: raw.justification,
            impact_statement: raw.impact_statement,
            action_statement: raw.action_statement,
        },
        at: said_at.or(issued_at),
    })
}

fn names(value: Value) -> Result<Vec<String>, String> {
    let raw = match value {
        Value::String(name) => RawVulnerability { id: None, name: Some(name), aliases: Vec::new() },
        other => serde_json::from_value(other).map_err(|error| format!("vulnerability: {error}"))?,
    };
    // An id is an IRI; its last part is what people call it.
    let named = raw.name.filter(|name| !name.trim().is_empty());
    let named = named.or_else(|| Some(raw.id?.rsplit(['/', '#']).next()?.to_owned()));
    let named = named.ok_or("vulnerability: it has no name")?;
    if raw.aliases.len() > MAX_ALIASES {
        return Err(format!("vulnerability.aliases: at most {MAX_ALIASES}, found {}", raw.aliases.len()));
    }
    let mut names = vec![vulnerability(&named).map_err(|error| format!("vulnerability: {error}"))?];
    for alias in &raw.aliases {
        let alias = vulnerability(alias).map_err(|error| format!("vulnerability.aliases: {error}"))?;
        if !names.contains(&alias) {
            names.push(alias);
        }
    }
    Ok(names)
}

fn components(values: Vec<Value>) -> Result<Vec<ReadComponent>, String> {
    let read =
        values.into_iter().enumerate().map(|(at, value)| component(value).map_err(|error| format!("[{at}]{error}")));
    read.collect()
}

fn component(value: Value) -> Result<ReadComponent, String> {
    let raw: RawComponent = match value {
        Value::String(id) => return Ok(named(Some(id), None, None)),
        other => serde_json::from_value(other).map_err(|error| format!(": {error}"))?,
    };
    let sha256 = raw.hashes.get("sha-256").and_then(Value::as_str).map(str::to_lowercase);
    let subcomponents = components(raw.subcomponents).map_err(|error| format!(".subcomponents{error}"))?;
    Ok(ReadComponent { subcomponents, ..named(raw.id, raw.identifiers.purl, sha256) })
}

fn named(id: Option<String>, purl: Option<String>, sha256: Option<String>) -> ReadComponent {
    let purl = purl.or_else(|| id.clone().filter(|id| id.starts_with("pkg:")));
    ReadComponent { id, purl, sha256, subcomponents: Vec::new() }
}

fn time(text: Option<&str>) -> Result<Option<i64>, String> {
    let Some(text) = text else { return Ok(None) };
    seconds(text).map(Some).ok_or_else(|| format!("expected RFC 3339, found {:?}", shortened(text)))
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(members: &Value) -> Value {
        let mut document = json!({
            "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://vex.example/1", "author": "a", "version": 3,
            "timestamp": "2026-01-01T00:00:00Z",
            "statements": [{
                "vulnerability": {"name": "cve-2026-1", "aliases": ["GHSA-A", "CVE-2026-1"]}, "status": "fixed",
                "products": [{"@id": "https://p.example", "identifiers": {"purl": "pkg:npm/a"}, "hashes": {"sha-256": "AB"},
                              "subcomponents": [{"@id": "pkg:npm/b"}]}],
            }],
        });
        for (member, value) in members.as_object().unwrap() {
            document[member] = value.clone();
        }
        document
    }

    #[test]
    fn documents_of_each_version_are_read() {
        let new = read(document(&json!({})).to_string().as_bytes()).unwrap();
        assert_eq!((new.id.as_str(), new.version, new.issued_at), ("https://vex.example/1", 3, Some(1_767_225_600)));
        let statement = &new.statements[0];
        assert_eq!(
            (&statement.names[..], statement.at),
            (&["CVE-2026-1".to_owned(), "GHSA-a".into()][..], new.issued_at)
        );
        let product = &statement.products[0];
        assert_eq!((product.name(), product.sha256.as_deref()), ("pkg:npm/a".into(), Some("ab")));
        assert_eq!(product.subcomponents[0].purl.as_deref(), Some("pkg:npm/b"));
        let old = json!({"@context": "https://openvex.dev/ns", "version": "1", "statements": [
            {"vulnerability": "CVE-2026-1", "status": "fixed", "products": ["pkg:npm/a"], "subcomponents": ["pkg:npm/b"],
             "timestamp": "2026-01-02T00:00:00Z"}]});
        let old = read(document(&old).to_string().as_bytes()).unwrap();
        assert_eq!((old.version, old.statements[0].at), (1, Some(1_767_312_000)));
        assert_eq!(old.statements[0].products[0].purl.as_deref(), Some("pkg:npm/a"));
        assert_eq!(old.statements[0].subcomponents.len(), 1);
        let by_id = json!({"statements": [{"vulnerability": {"@id": "https://nvd.example/vuln/CVE-2026-2"}, "status": "fixed"}]});
        assert_eq!(read(document(&by_id).to_string().as_bytes()).unwrap().statements[0].names, ["CVE-2026-2"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (members, says) in [
            (json!({"@context": "https://cyclonedx.org"}), "@context: "),
            (json!({"@id": ""}), "@id: "),
            (json!({"version": "two"}), "version: "),
            (json!({"timestamp": "today"}), "timestamp: expected RFC 3339"),
            (json!({"statements": []}), "statements: 1 to"),
            (json!({"statements": [1]}), "statements[0]: "),
            (json!({"statements": [{"status": "fixed"}]}), "statements[0]: missing field `vulnerability`"),
            (
                json!({"statements": [{"vulnerability": {"name": "CVE-1", "aliases": vec!["A-1"; 129]}, "status": "fixed"}]}),
                "statements[0]: vulnerability.aliases: at most 128",
            ),
            (
                json!({"statements": [{"vulnerability": {}, "status": "fixed"}]}),
                "statements[0]: vulnerability: it has no name",
            ),
            (
                json!({"statements": [{"vulnerability": "CVE-1", "status": "fixed", "products": [1]}]}),
                "statements[0]: products[0]: ",
            ),
        ] {
            let error = read(document(&members).to_string().as_bytes()).unwrap_err();
            assert!(error.starts_with(says), "{members}: {error}");
        }
        assert!(read(b"{").unwrap_err().starts_with("body: "));
        let long = ReadComponent { id: Some("ä".repeat(2 * MAX_NAME)), ..ReadComponent::default() };
        assert_eq!(long.name().chars().count(), MAX_NAME);
    }
}
