//! What lists have in common: pages, their size, JSON or CSV, and the names images are shown under.
//!
//! A list is a function from parameters to a page. Who asks for JSON gets the page; who asks for CSV gets every page from there on, each
//! asked for by the cursor of the one before and sent on its way, so that weir never holds more than one.

use bytes::Bytes;
use hyper::Response;
use hyper::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, HeaderValue};
use schemars::JsonSchema;
use serde::Serialize;
use weir_scanner::oci::Digest;
use weir_storage::index::{ImageRecord, Index, IndexError};

use super::csv::{Columns, MEDIA_TYPE};
use super::format::preference;
use super::problem::Problem;
use super::{Parameters, Report, json};
use crate::http::{Body, BodyError, from_chunks, full};

/// Items of a page unless `limit` says otherwise, and the most it may say.
pub(super) const LIMIT: usize = 100;
pub(super) const MOST: usize = 1000;
/// Rows of CSV asked for at once, and all there are of one list.
const ROWS_AT_ONCE: usize = 10_000;
const MOST_ROWS: usize = 1_000_000;
/// Tags of a repository looked through for a name to show.
const TAGS: usize = 256;

/// What a list answers with: a page and whatever stands beside it.
pub(super) trait Listing: Serialize + Send + 'static {
    /// An item, which is a row of CSV.
    type Item: Serialize + JsonSchema;

    /// The items of the page.
    fn items(&self) -> &[Self::Item];

    /// Where the next page begins.
    fn next_cursor(&self) -> Option<&str>;
}

/// A page of a list.
#[derive(Serialize, JsonSchema)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next_cursor: Option<String>,
}

impl<T: Serialize + JsonSchema + Send + 'static> Listing for Page<T> {
    type Item = T;

    fn items(&self) -> &[T] {
        &self.items
    }

    fn next_cursor(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }
}

impl Report {
    /// Answers with a list as JSON or, by `format=csv` or `Accept: text/csv`, as CSV: there without `limit` every page, with it the one that
    /// JSON would have. `name` is what a saved file is called.
    pub(super) async fn listed<L, F>(
        &self,
        headers: &HeaderMap,
        mut parameters: Parameters,
        name: &'static str,
        page: impl Fn(Self, Parameters) -> F + Send + 'static,
    ) -> Result<Response<Body>, Problem>
    where
        L: Listing,
        F: Future<Output = Result<L, Problem>> + Send + 'static,
    {
        let csv = wants_csv(parameters.take("format").as_deref(), headers)?;
        let report = self.clone();
        let page = move |parameters| page(report.clone(), parameters);
        if !csv {
            return json(&page(parameters).await?);
        }
        let goes_on = parameters.get("limit").is_none();
        if goes_on {
            parameters.at_once = Some(ROWS_AT_ONCE);
        }
        let columns = Columns::of::<L::Item>();
        let first = page(parameters.clone()).await?;
        let mut head = columns.header().map_err(unwritten)?;
        let first = lines(&columns, first, MOST_ROWS).await.map_err(unwritten)?;
        head.extend(first.text);
        let body = match first.next_cursor.filter(|_| goes_on) {
            None => full(head),
            Some(cursor) => {
                let rest = Rest { parameters: parameters.from(&cursor), columns, left: MOST_ROWS };
                rows(head, rest.after(first.count), page)
            }
        };
        let mut response = Response::new(body);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        let disposition = HeaderValue::from_str(&format!("attachment; filename=\"weir-{name}.csv\""));
        response.headers_mut().extend(disposition.ok().map(|value| (CONTENT_DISPOSITION, value)));
        Ok(response)
    }
}

/// The pages of a list that are still to be written.
struct Rest {
    parameters: Parameters,
    columns: Columns,
    /// Rows that may follow.
    left: usize,
}

impl Rest {
    fn after(mut self, rows: usize) -> Self {
        self.left = self.left.saturating_sub(rows);
        self
    }
}

/// A body of what is there already and of all pages that follow.
fn rows<L, F>(head: Vec<u8>, rest: Rest, page: impl Fn(Parameters) -> F + Send + 'static) -> Body
where
    L: Listing,
    F: Future<Output = Result<L, Problem>> + Send + 'static,
{
    let next = move |(head, rest): (Option<Vec<u8>>, Option<Rest>)| {
        let asked = match (&head, &rest) {
            (None, Some(rest)) if rest.left > 0 => Some(page(rest.parameters.clone())),
            _ => None,
        };
        async move {
            if let Some(head) = head {
                return Ok(Some((Bytes::from(head), (None, rest))));
            }
            let (Some(asked), Some(rest)) = (asked, rest) else { return Ok(None) };
            let found = asked.await.map_err(|problem| BodyError::new(format!("a page of a list: {problem:?}")))?;
            let written = lines(&rest.columns, found, rest.left).await.map_err(BodyError::new)?;
            let rest = written.next_cursor.map(|cursor| {
                let parameters = rest.parameters.from(&cursor);
                Rest { parameters, ..rest }.after(written.count)
            });
            Ok(Some((Bytes::from(written.text), (None, rest))))
        }
    };
    from_chunks((Some(head), Some(rest)), None, next)
}

/// A page as lines.
struct Lines {
    text: Vec<u8>,
    count: usize,
    next_cursor: Option<String>,
}

/// Writes up to `most` items of a page, off the threads that serve: a page of CSV has thousands.
async fn lines<L: Listing>(columns: &Columns, page: L, most: usize) -> Result<Lines, ::csv::Error> {
    let columns = columns.clone();
    let write = move || -> Result<Lines, ::csv::Error> {
        let items = page.items();
        let items = items.get(..most).unwrap_or(items);
        let next_cursor = page.next_cursor().map(str::to_owned);
        Ok(Lines { text: columns.rows(items)?, count: items.len(), next_cursor })
    };
    tokio::task::spawn_blocking(write).await.unwrap_or_else(|error| Err(std::io::Error::other(error).into()))
}

fn unwritten(error: ::csv::Error) -> Problem {
    tracing::error!(%error, "a list could not be written");
    Problem::new(hyper::StatusCode::INTERNAL_SERVER_ERROR, "the list could not be written")
}

/// Whether a list is asked for as CSV: by `format`, else by whether `Accept` likes it better than JSON.
fn wants_csv(format: Option<&str>, headers: &HeaderMap) -> Result<bool, Problem> {
    match format {
        Some("csv") => Ok(true),
        Some("json") => Ok(false),
        Some(other) => Err(Problem::bad_request(format!("format: expected json or csv, found {other:?}"))),
        None => {
            let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
            let accept = lines.collect::<Vec<_>>().join(",").to_ascii_lowercase();
            if accept.trim().is_empty() {
                return Ok(false);
            }
            let (csv, json) = (preference(&accept, "text/csv"), preference(&accept, "application/json"));
            if csv == 0 && json == 0 {
                let detail = "none of what Accept names is written here; written are application/json, text/csv";
                return Err(Problem::new(hyper::StatusCode::NOT_ACCEPTABLE, detail));
            }
            Ok(csv > json)
        }
    }
}

/// A name to show an image under: a tag that leads to it, else its repository and digest.
pub(super) fn reference(index: &Index, digest: Digest, record: &ImageRecord) -> Result<Option<String>, IndexError> {
    let mut leading = vec![digest];
    leading.extend(index.aliases().parents(&digest)?.into_iter().map(|edge| edge.parent));
    for (upstream, repository) in &record.names {
        let tags = index.tags().list(upstream, repository, None, TAGS)?;
        if let Some((tag, _)) = tags.into_iter().find(|(_, row)| leading.contains(&row.digest)) {
            return Ok(Some(format!("{upstream}/{repository}:{tag}")));
        }
    }
    Ok(record.names.first().map(|(upstream, repository)| format!("{upstream}/{repository}@{digest}")))
}

/// How many items a page has.
pub(super) fn limit(parameters: &Parameters) -> Result<usize, Problem> {
    let Some(text) = parameters.get("limit") else { return Ok(parameters.at_once.unwrap_or(LIMIT)) };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let limit = text.parse().ok().filter(|limit| digits && (1..=MOST).contains(limit));
    limit.ok_or_else(|| Problem::bad_request(format!("limit: a number from 1 to {MOST} is needed")))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[derive(Serialize, JsonSchema)]
    struct Item {
        number: usize,
    }

    /// A page of numbers below 7, two a page, from the cursor on; one beyond them is a mistake.
    async fn numbers(parameters: Parameters) -> Result<Page<Item>, Problem> {
        let start = parameters.get("cursor").map_or(0, |cursor| cursor.parse::<usize>().unwrap());
        if start > 7 {
            return Err(Problem::bad_request("beyond the end"));
        }
        let items = (start..7).take(2).map(|number| Item { number }).collect();
        Ok(Page { items, next_cursor: (start + 2 < 7).then(|| (start + 2).to_string()) })
    }

    async fn written(cursor: &str, left: usize) -> Result<String, BodyError> {
        let rest = Rest { parameters: Parameters::default().from(cursor), columns: Columns::of::<Item>(), left };
        let body = rows(b"head\r\n".to_vec(), rest, numbers);
        Ok(String::from_utf8(body.collect().await?.to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn csv_goes_on_from_page_to_page() {
        assert_eq!(written("2", 100).await.unwrap(), "head\r\n2\r\n3\r\n4\r\n5\r\n6\r\n");
        assert_eq!(written("2", 3).await.unwrap(), "head\r\n2\r\n3\r\n4\r\n", "no more rows than may be");
        // A page that fails breaks the body off, so that nobody takes it for whole.
        assert!(written("9", 100).await.is_err());
    }

    #[test]
    fn csv_is_asked_for_by_name_or_preferred_over_json() {
        for (format, accept, expected) in [
            (None, None, Ok(false)),
            (None, Some("*/*"), Ok(false)),
            (None, Some("text/csv"), Ok(true)),
            (None, Some("TEXT/*"), Ok(true)),
            (None, Some("text/csv;q=0.5, application/json;q=0.4"), Ok(true)),
            (None, Some("text/html,application/xhtml+xml,*/*;q=0.8"), Ok(false)),
            (None, Some("image/png"), Err(406)),
            (Some("csv"), Some("application/json"), Ok(true)),
            (Some("json"), Some("text/csv"), Ok(false)),
            (Some("xml"), None, Err(400)),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(accept.map(|accept| (ACCEPT, HeaderValue::from_static(accept))));
            let found = wants_csv(format, &headers).map_err(|problem| problem.response().status().as_u16());
            assert_eq!(found, expected, "{format:?} {accept:?}");
        }
    }
}
