//! Lists of decisions and of the audit: what is asked of them, and their pages.

use hyper::Response;
use schemars::JsonSchema;
use serde::Serialize;
use weir_scanner::exception::{Exception, Kind, State, Target, repository, vulnerability};
use weir_storage::index::{AuditEntry, Index, IndexError};

use crate::http::Body;
use crate::report::filter::{one_of, words};
use crate::report::list::{Listing, Page, limit};
use crate::report::problem::Problem;
use crate::report::shape::{AuditItem, ExceptionItem};
use crate::report::{Parameters, Report, json};

/// What the list of decisions is asked with.
pub(in crate::report) const OF_EXCEPTIONS: [&str; 10] =
    ["state", "target", "kind", "vulnerability", "repository", "image", "cluster", "namespace", "q", "by"];

/// Which decisions are meant: different parameters narrow, one repeated means any of them.
#[derive(Clone, Debug, Default)]
pub(in crate::report) struct ExceptionFilter {
    states: Vec<State>,
    targets: Vec<Target>,
    kinds: Vec<Kind>,
    vulnerabilities: Vec<String>,
    repositories: Vec<String>,
    images: Vec<String>,
    clusters: Vec<String>,
    namespaces: Vec<String>,
    by: Vec<String>,
    q: Vec<String>,
}

/// A page of decisions, newest first.
#[derive(Serialize, JsonSchema)]
pub(in crate::report) struct ExceptionPage {
    pub(in crate::report) items: Vec<ExceptionItem>,
    pub(in crate::report) next_cursor: Option<String>,
    pub(in crate::report) total: u64,
}

impl Listing for ExceptionPage {
    type Item = ExceptionItem;

    fn items(&self) -> &[ExceptionItem] {
        &self.items
    }

    fn next_cursor(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }
}

impl ExceptionFilter {
    pub(in crate::report) fn parse(parameters: &Parameters) -> Result<Self, Problem> {
        let texts = |name| parameters.all(name).map(str::to_owned).collect();
        let states = if parameters.all("state").any(|state| state == "all") {
            Vec::new()
        } else {
            words(parameters, "state", |text| one_of(&State::ALL, State::name, text))?
        };
        Ok(Self {
            states,
            targets: words(parameters, "target", |text| one_of(&Target::ALL, Target::name, text))?,
            kinds: words(parameters, "kind", |text| one_of(&Kind::ALL, Kind::name, text))?,
            vulnerabilities: words(parameters, "vulnerability", vulnerability)?,
            repositories: words(parameters, "repository", repository)?,
            images: texts("image"),
            clusters: texts("cluster"),
            namespaces: texts("namespace"),
            by: texts("by"),
            q: parameters.all("q").map(str::to_lowercase).collect(),
        })
    }

    fn takes(&self, exception: &Exception, now: i64) -> bool {
        let scope = &exception.scope;
        let image = scope.image.map(|image| image.to_string());
        is_any(&self.states, &exception.state(now))
            && is_any(&self.targets, &exception.target)
            && is_any(&self.kinds, &exception.kind)
            && (self.vulnerabilities.is_empty()
                || exception.vulnerability.iter().any(|name| self.vulnerabilities.contains(name)))
            && is_given(&self.repositories, scope.repository.as_ref())
            && is_given(&self.images, image.as_ref())
            && is_given(&self.clusters, scope.cluster.as_ref())
            && is_given(&self.namespaces, scope.namespace.as_ref())
            && is_any(&self.by, &exception.created_by)
            && (self.q.is_empty() || self.q.iter().any(|q| is_said(exception, q)))
    }
}

fn is_any<T: PartialEq>(wanted: &[T], found: &T) -> bool {
    wanted.is_empty() || wanted.contains(found)
}

fn is_given(wanted: &[String], found: Option<&String>) -> bool {
    wanted.is_empty() || found.is_some_and(|found| wanted.contains(found))
}

/// Whether a decision has a text, in lower case, in its words.
fn is_said(exception: &Exception, q: &str) -> bool {
    let Exception { vulnerability, scope, reason, created_by, document, .. } = exception;
    let words = vulnerability.iter().chain([reason, created_by]).chain(document);
    let mut words = words.map(|word| word.to_lowercase()).chain([scope.to_string().to_lowercase()]);
    words.any(|word| word.contains(q))
}

/// The order of decisions: their ids are numbers.
fn number(exception: &Exception) -> u64 {
    exception.id.parse().unwrap_or_default()
}

impl Report {
    /// Up to `limit` decisions that are meant, newest first, made before the one numbered `after`.
    pub(in crate::report) fn list_exceptions(
        &self,
        filter: &ExceptionFilter,
        after: Option<u64>,
        limit: usize,
    ) -> ExceptionPage {
        let (rules, now) = (self.exceptions.rules(), self.clock.now());
        let mut meant: Vec<&Exception> = rules.iter().filter(|exception| filter.takes(exception, now)).collect();
        let total = meant.len() as u64;
        meant.retain(|exception| after.is_none_or(|after| number(exception) < after));
        meant.sort_by_cached_key(|exception| std::cmp::Reverse(number(exception)));
        let next_cursor = (meant.len() > limit).then(|| meant[limit - 1].id.clone());
        let items = meant.into_iter().take(limit).map(|exception| ExceptionItem::of(exception, now)).collect();
        ExceptionPage { items, next_cursor, total }
    }

    /// A decision, by its id.
    pub(in crate::report) fn exception_item(&self, id: &str) -> Option<ExceptionItem> {
        let rules = self.exceptions.rules();
        let found = rules.iter().find(|exception| exception.id == id)?;
        Some(ExceptionItem::of(found, self.clock.now()))
    }

    pub(in crate::report) fn exceptions(&self, parameters: &Parameters) -> Result<ExceptionPage, Problem> {
        parameters.only(&[OF_EXCEPTIONS.as_slice(), &["limit", "cursor"]].concat())?;
        let (filter, limit, after) = (ExceptionFilter::parse(parameters)?, limit(parameters)?, cursor(parameters)?);
        Ok(self.list_exceptions(&filter, after, limit))
    }

    pub(in crate::report) fn exception(&self, id: &str, parameters: &Parameters) -> Result<Response<Body>, Problem> {
        parameters.only(&[])?;
        json(&self.exception_item(id).ok_or_else(|| Problem::not_found(format!("the exception {id:?}")))?)
    }

    /// The audit, newest first.
    pub(in crate::report) async fn list_audit(&self, parameters: &Parameters) -> Result<Page<AuditItem>, Problem> {
        parameters.only(&["by", "action", "q", "limit", "cursor"])?;
        let (limit, after) = (limit(parameters)?, cursor(parameters)?);
        let texts = |name: &'static str| -> Vec<String> { parameters.all(name).map(str::to_owned).collect() };
        let (by, actions) = (texts("by"), texts("action"));
        let q: Vec<String> = parameters.all("q").map(str::to_lowercase).collect();
        let is_wanted = move |entry: &AuditEntry| {
            let said = |q: &String| {
                [&entry.by, &entry.subject, &entry.detail].iter().any(|text| text.to_lowercase().contains(q))
            };
            is_any(&by, &entry.by) && is_any(&actions, &entry.action) && (q.is_empty() || q.iter().any(said))
        };
        let load = move |index: &Index| -> Result<_, IndexError> { index.audit().list(after, limit, is_wanted) };
        let page = self.index.run(load).await?;
        let items: Vec<AuditItem> = page.entries.into_iter().map(AuditItem::from).collect();
        Ok(Page { items, next_cursor: page.next.map(|next| next.to_string()) })
    }
}

/// The number beyond which a page begins.
fn cursor(parameters: &Parameters) -> Result<Option<u64>, Problem> {
    let Some(text) = parameters.get("cursor") else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Problem::bad_request("cursor: not a cursor of this list"))
}
