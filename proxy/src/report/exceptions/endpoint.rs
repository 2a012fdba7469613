//! What the API takes to set and to cancel decisions.

use hyper::header::{HeaderValue, LOCATION};
use hyper::{Request, Response, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::decide::MAX_TOGETHER;
use super::draft::{MAX_REASON, NewException};
use crate::auth::Caller;
use crate::http::Body;
use crate::report::body::parsed;
use crate::report::filter::boolean;
use crate::report::problem::Problem;
use crate::report::{Parameters, Report, json as answer};

/// Longest body of decisions, in bytes.
pub(in crate::report) const MAX_BODY: usize = 4 << 20;
/// Longest body that cancels decisions, in bytes.
pub(in crate::report) const MAX_CANCEL_BODY: usize = 64 << 10;

/// What cancels one decision.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::report) struct CancelOne {
    #[schemars(length(min = 1, max = MAX_REASON))]
    reason: String,
}

/// What cancels several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::report) struct CancelSeveral {
    #[schemars(length(min = 1, max = MAX_TOGETHER))]
    ids: Vec<String>,
    #[schemars(length(min = 1, max = MAX_REASON))]
    reason: String,
}

impl Report {
    /// Sets one decision or a list of them, or previews them with `dry_run=true`.
    pub(in crate::report) async fn create_exceptions<B>(
        &self,
        parameters: &Parameters,
        request: Request<B>,
        caller: &Caller,
    ) -> Result<Response<Body>, Problem>
    where
        B: hyper::body::Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        parameters.only(&["dry_run"])?;
        let is_dry = boolean(parameters, "dry_run")?.unwrap_or(false);
        let (asked, is_list) = drafts(parsed(request, MAX_BODY).await?)?;
        if is_dry {
            let previewed = self.preview_exceptions(asked, &caller.name).await?;
            return match previewed.as_slice() {
                [only] if !is_list => answer(only),
                all => answer(&json!({"items": all})),
            };
        }
        let created = self.set_exceptions(asked, &caller.name).await?;
        let mut response = match created.as_slice() {
            [only] if !is_list => {
                let mut response = answer(only)?;
                let place = HeaderValue::from_str(&format!("/api/v1/exceptions/{}", only.id));
                response.headers_mut().extend(place.ok().map(|place| (LOCATION, place)));
                response
            }
            all => answer(&json!({"items": all}))?,
        };
        *response.status_mut() = StatusCode::CREATED;
        Ok(response)
    }

    pub(in crate::report) async fn cancel_exception<B>(
        &self,
        id: &str,
        parameters: &Parameters,
        request: Request<B>,
        caller: &Caller,
    ) -> Result<Response<Body>, Problem>
    where
        B: hyper::body::Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        parameters.only(&[])?;
        let CancelOne { reason } = parsed::<CancelOne, _>(request, MAX_CANCEL_BODY).await?;
        let cancelled = self.cancel_exceptions(vec![id.to_owned()], &reason, &caller.name).await?;
        answer(&cancelled.first().ok_or_else(|| Problem::not_found(format!("the exception {id:?}")))?)
    }

    pub(in crate::report) async fn cancel_several<B>(
        &self,
        parameters: &Parameters,
        request: Request<B>,
        caller: &Caller,
    ) -> Result<Response<Body>, Problem>
    where
        B: hyper::body::Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        parameters.only(&[])?;
        let CancelSeveral { ids, reason } = parsed::<CancelSeveral, _>(request, MAX_CANCEL_BODY).await?;
        answer(&json!({"items": self.cancel_exceptions(ids, &reason, &caller.name).await?}))
    }
}

/// The decisions of a body, and whether it is a list.
fn drafts(body: Value) -> Result<(Vec<NewException>, bool), Problem> {
    let Value::Array(items) = body else { return Ok((vec![member(body, "")?], false)) };
    if items.len() > MAX_TOGETHER {
        return Err(Problem::unusable(format!("at most {MAX_TOGETHER} exceptions at once, found {}", items.len())));
    }
    let drafts = items.into_iter().enumerate().map(|(at, item)| member(item, &format!("[{at}]")));
    Ok((drafts.collect::<Result<_, _>>()?, true))
}

/// A part of a body as what it should be; `at` says which part.
fn member<T: DeserializeOwned>(value: Value, at: &str) -> Result<T, Problem> {
    serde_json::from_value(value).map_err(|error| Problem::bad_request(format!("body{at}: {error}")))
}
