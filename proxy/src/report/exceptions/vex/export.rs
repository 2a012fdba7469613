//! Every decision that holds, as one OpenVEX document.
//!
//! OpenVEX speaks of products: decisions that hold in some clusters, namespaces or workloads only, that hold everywhere whatever the
//! product, or that are about a whole repository, have no words there. They are left out, and the document says how many.

use weir_scanner::exception::{Exception, Scope, Target};
use weir_scanner::oci::Digest;
use weir_storage::index::{Index, IndexError};

use super::form::{CONTEXT, Component, Document, Statement, Vulnerability};
use super::statement::Words;
use crate::clock::rfc3339;
use crate::report::format::{image_url, repository_url, uuid_of};

/// The decisions as a document; `None` where it would say nothing, which OpenVEX does not allow. Blocks.
pub(super) fn all(index: &Index, decisions: &[&Exception]) -> Result<Option<Document>, IndexError> {
    let mut statements = Vec::new();
    for decision in decisions {
        statements.extend(statement(index, decision)?);
    }
    let left_out = decisions.len() - statements.len();
    Ok(document_of(statements, left_out))
}

/// A document of these statements; `None` without any.
pub(in crate::report) fn document_of(statements: Vec<Statement>, left_out: usize) -> Option<Document> {
    let timestamp = statements.iter().map(|statement| statement.timestamp.clone()).max()?;
    let said = serde_json::to_vec(&statements).unwrap_or_default();
    let note = match left_out {
        0 => String::new(),
        1 => "; 1 decision that is not about a product is left out".to_owned(),
        count => format!("; {count} decisions that are not about a product are left out"),
    };
    Some(Document {
        context: CONTEXT,
        id: format!("urn:uuid:{}", uuid_of(&said)),
        author: "weir",
        timestamp,
        version: 1,
        tooling: format!("weir {}{note}", env!("CARGO_PKG_VERSION")),
        statements,
    })
}

fn statement(index: &Index, decision: &Exception) -> Result<Option<Statement>, IndexError> {
    if decision.target == Target::Repository || decision.scope.is_of_workloads() {
        return Ok(None);
    }
    let Some(product) = product(index, &decision.scope)? else { return Ok(None) };
    let mut names = decision.vulnerability.iter().cloned();
    let Some(name) = names.next() else { return Ok(None) };
    let justification = decision.justification.map(weir_scanner::exception::Justification::name);
    let (status, words) = Words::of(decision.kind, justification, &decision.reason);
    Ok(Some(Statement {
        vulnerability: Vulnerability { name, aliases: names.collect() },
        timestamp: rfc3339(decision.created_at),
        products: vec![product],
        status,
        status_notes: words.status_notes,
        justification: words.justification,
        impact_statement: words.impact_statement,
        action_statement: words.action_statement,
    }))
}

fn product(index: &Index, scope: &Scope) -> Result<Option<Component>, IndexError> {
    let whole = match (&scope.image, &scope.repository) {
        (Some(image), repository) => Some(image_product(index, image, repository.as_deref())?),
        (None, Some(repository)) => Some(repository_url(repository)),
        (None, None) => None,
    };
    let package = scope.package.clone().map(Component::new);
    Ok(match (whole, package) {
        (Some(whole), package) => {
            Some(Component { subcomponents: package.into_iter().collect(), ..Component::new(whole) })
        }
        (None, package) => package,
    })
}

/// An image's package URL, under the repository that is meant, else the first it is known from.
fn image_product(index: &Index, image: &Digest, repository: Option<&str>) -> Result<String, IndexError> {
    let known = index.images().get(image)?.and_then(|record| record.names.first().cloned());
    let known = known.map(|(upstream, repository)| format!("{upstream}/{repository}"));
    let name = repository.map(str::to_owned).or(known);
    let url = name.and_then(|name| image_url(&format!("{name}@{image}"), image, None));
    Ok(url.unwrap_or_else(|| format!("pkg:oci/image@{image}")))
}
