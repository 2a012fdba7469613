//! What importing a document changes: what it says now, beside what was decided for it before.
//!
//! Pure but for the index that names are looked up in. Of several statements about the same the one said last counts, as OpenVEX has it.

use std::collections::{BTreeMap, HashMap, HashSet};

use schemars::JsonSchema;
use serde::Serialize;
use weir_scanner::advisory::cve_of;
use weir_scanner::exception::{Exception, Kind, Rules, Scope, Target, names_of};
use weir_storage::index::{Index, IndexError};

use super::super::decide::says_the_same;
use super::product::scopes;
use super::read::{Read, ReadStatement};
use super::statement::Meaning;

/// The most products of statements that a document may have.
const MAX_DECISIONS: usize = 10_000;

/// Something a document says that is not held here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::report) struct Skipped {
    /// Its statement, counted from 0.
    pub(in crate::report) statement: usize,
    pub(in crate::report) vulnerability: String,
    /// The product that is meant; `null` where the whole statement is.
    pub(in crate::report) product: Option<String>,
    pub(in crate::report) reason: String,
}

/// Why a document cannot be taken.
#[derive(Debug)]
pub(super) enum PlanError {
    /// It is wrong, and where.
    Document(String),
    /// The index could not be read.
    Index(IndexError),
}

impl From<IndexError> for PlanError {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

/// What a document says, each thing once.
#[derive(Debug, Default)]
pub(super) struct Said {
    decisions: Vec<(usize, Exception)>,
    skipped: Vec<Skipped>,
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) created: Vec<Exception>,
    /// Ids of decisions it no longer says.
    pub(super) cancelled: Vec<String>,
    /// Ids of decisions it still says.
    pub(super) unchanged: Vec<String>,
    pub(super) skipped: Vec<Skipped>,
}

/// What one statement says of one scope.
struct Saying {
    statement: usize,
    at: Option<i64>,
    names: Vec<String>,
    product: String,
    scope: Scope,
    meaning: Result<Meaning, String>,
}

/// What a document says, in the name of `by`, at `now` (seconds since the epoch). Blocks.
///
/// # Errors
/// A statement is wrong; the index cannot be read.
pub(super) fn said(document: &Read, index: &Index, by: &str, now: i64) -> Result<Said, PlanError> {
    let mut said = Said::default();
    let mut last: BTreeMap<(String, Scope), Saying> = BTreeMap::new();
    let mut known_names: HashMap<Vec<String>, Vec<String>> = HashMap::new();
    for (at, statement) in document.statements.iter().enumerate() {
        let meaning = statement.words.meaning();
        let meaning = meaning.map_err(|error| PlanError::Document(format!("statements[{at}].{error}")))?;
        let names = match known_names.get(&statement.names) {
            Some(names) => names.clone(),
            None => {
                let names = all_names(statement, index)?;
                known_names.insert(statement.names.clone(), names.clone());
                names
            }
        };
        if statement.products.is_empty() {
            said.skip(at, &names, None, "it names no product".to_owned());
        }
        // Parts of all products are looked at once for each of them.
        if statement.products.len().saturating_mul(statement.subcomponents.len()) > MAX_DECISIONS {
            return Err(too_many());
        }
        for product in &statement.products {
            let scopes = match scopes(index, product, &statement.subcomponents)? {
                Ok(scopes) => scopes,
                Err(why) => {
                    said.skip(at, &names, Some(product.name()), why);
                    Vec::new()
                }
            };
            for scope in scopes {
                let scope = scope.check().map_err(|error| PlanError::Document(format!("statements[{at}]: {error}")))?;
                let (names, product, meaning) = (names.clone(), product.name(), meaning.clone());
                let saying = Saying { statement: at, at: statement.at, names, product, scope, meaning };
                said.keep_last(&mut last, saying);
            }
            if last.len() + said.skipped.len() > MAX_DECISIONS {
                return Err(too_many());
            }
        }
    }
    for saying in last.into_values() {
        match saying.meaning {
            Ok(meaning) => {
                let exception = decision(document, meaning, saying.names, saying.scope, by, now);
                said.decisions.push((saying.statement, exception));
            }
            Err(why) => said.skip(saying.statement, &saying.names, Some(saying.product), why),
        }
    }
    said.decisions.sort_by_key(|(statement, _)| *statement);
    Ok(said)
}

fn too_many() -> PlanError {
    PlanError::Document(format!("statements: over {MAX_DECISIONS} products of statements; split the document"))
}

fn decision(document: &Read, meaning: Meaning, names: Vec<String>, scope: Scope, by: &str, now: i64) -> Exception {
    let Meaning { kind, justification, reason } = meaning;
    Exception {
        id: String::new(),
        target: Target::Vulnerability,
        kind,
        vulnerability: names,
        scope,
        justification,
        reason,
        created_by: by.to_owned(),
        created_at: now,
        expires_at: None,
        expire_on_fix: false,
        cancelled: None,
        document: Some(document.id.clone()),
    }
}

/// The names of a statement's vulnerability: those the advisories know, and the document's own unless they are another CVE.
fn all_names(statement: &ReadStatement, index: &Index) -> Result<Vec<String>, IndexError> {
    let mut names = names_of(&statement.names[0], &index.advisories().source())?;
    for alias in &statement.names[1..] {
        let cve = names.iter().find_map(|name| cve_of(name));
        let is_other = cve.is_some_and(|cve| cve_of(alias).is_some_and(|other| other != cve));
        if !is_other && !names.contains(alias) {
            names.push(alias.clone());
        }
    }
    Ok(names)
}

/// What stands for a vulnerability whatever it is called by: its CVE, else its first name.
fn key(names: &[String]) -> String {
    let cve = names.iter().find_map(|name| cve_of(name)).map(str::to_owned);
    cve.or_else(|| names.iter().min().cloned()).unwrap_or_default()
}

impl Said {
    fn skip(&mut self, statement: usize, names: &[String], product: Option<String>, reason: String) {
        let vulnerability = names.first().cloned().unwrap_or_default();
        self.skipped.push(Skipped { statement, vulnerability, product, reason });
    }

    /// Keeps what was said last; of the same time, what stands last in the document.
    fn keep_last(&mut self, last: &mut BTreeMap<(String, Scope), Saying>, saying: Saying) {
        let key = (key(&saying.names), saying.scope.clone());
        let Some(before) = last.remove(&key) else {
            last.insert(key, saying);
            return;
        };
        let (kept, lost) = if saying.at >= before.at { (saying, before) } else { (before, saying) };
        let reason = format!("statement {} says it later", kept.statement);
        self.skip(lost.statement, &lost.names, Some(lost.product), reason);
        last.insert(key, kept);
    }

    /// What is to be done about it, beside the decisions that hold at `now` (seconds since the epoch).
    pub(super) fn plan(&self, document: &str, rules: &Rules, now: i64) -> Plan {
        let mut plan = Plan { skipped: self.skipped.clone(), ..Plan::default() };
        let is_own = |exception: &Exception| exception.document.as_deref() == Some(document);
        // By scope and name: a document may say thousands of things of one image, and so may the one before it have.
        let mut holding: HashMap<(&Scope, &str), Vec<&Exception>> = HashMap::new();
        for exception in rules.holding(now) {
            for name in &exception.vulnerability {
                holding.entry((&exception.scope, name.as_str())).or_default().push(exception);
            }
        }
        let mut kept: HashSet<&str> = HashSet::new();
        for (statement, decision) in &self.decisions {
            let names = decision.vulnerability.iter();
            let about = names.filter_map(|name| holding.get(&(&decision.scope, name.as_str()))).flatten().copied();
            let about: Vec<&Exception> = about.filter(|known| says_the_same(decision, known)).collect();
            let same = about.iter().copied().find(|known| {
                is_own(known)
                    && known.kind == decision.kind
                    && known.justification == decision.justification
                    && known.reason == decision.reason
            });
            if let Some(same) = same {
                kept.insert(&same.id);
                continue;
            }
            match about.iter().copied().find(|known| !is_own(known)) {
                Some(other) => plan.skipped.push(Skipped {
                    statement: *statement,
                    vulnerability: decision.vulnerability.first().cloned().unwrap_or_default(),
                    product: Some(decision.scope.to_string()),
                    reason: format!("exception {} says so already: {}", other.id, Kind::name(other.kind)),
                }),
                None => plan.created.push(decision.clone()),
            }
        }
        let own = rules.holding(now).filter(|exception| is_own(exception));
        let mut ids: Vec<&str> = own.map(|known| known.id.as_str()).collect();
        ids.sort_by_key(|id| id.parse::<u64>().unwrap_or_default());
        for id in ids {
            let list = if kept.contains(id) { &mut plan.unchanged } else { &mut plan.cancelled };
            list.push(id.to_owned());
        }
        plan.skipped.sort_by_key(|skipped| skipped.statement);
        plan
    }
}
