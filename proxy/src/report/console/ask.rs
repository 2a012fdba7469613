//! The console's questions to the API, within the process.
//!
//! A page shows what the API answers to the same caller and the same query: console, API and CSV cannot differ, and what the API refuses
//! the console cannot do. Nothing leaves the process. Whether the caller's role is enough is asked for each question, as for any request.

use std::pin::Pin;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::query::Query;
use crate::auth::Caller;
use crate::http::Body;
use crate::report::problem::Problem;
use crate::report::route::{self, Found};
use crate::report::{Report, unwritten};

/// Asks the API in the name of one request.
pub(super) struct Ask<'a> {
    report: &'a Report,
    caller: Caller,
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response<Body>, Problem>> + Send + 'a>>;

impl<'a> Ask<'a> {
    /// In the name of `caller`.
    pub(super) fn new(report: &'a Report, caller: Caller) -> Self {
        Self { report, caller }
    }

    /// Who asks.
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What a form has to send back, where the caller has a session.
    pub(super) fn csrf(&self) -> Option<String> {
        self.caller.csrf().map(str::to_owned)
    }

    /// The time, seconds since the epoch.
    pub(super) fn now(&self) -> i64 {
        self.report.clock.now()
    }

    /// The service, for what only it holds in memory.
    pub(super) fn report(&self) -> &'a Report {
        self.report
    }

    /// What `GET` of a path answers.
    ///
    /// # Errors
    /// The problem the API answers with.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, query: &Query) -> Result<T, Problem> {
        let response = self.send(Method::GET, &format!("{path}?{query}"), Bytes::new()).await?;
        read(path, response).await
    }

    /// The same, where there may be no such thing.
    pub(super) async fn find<T: DeserializeOwned>(&self, path: &str, query: &Query) -> Result<Option<T>, Problem> {
        match self.get(path, query).await {
            Ok(found) => Ok(Some(found)),
            Err(problem) if problem.status() == StatusCode::NOT_FOUND => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// What `POST` of a document answers.
    ///
    /// # Errors
    /// The problem the API answers with.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, document: &impl Serialize) -> Result<T, Problem> {
        let body = serde_json::to_vec(document).map_err(unwritten)?;
        read(path, self.send(Method::POST, path, body.into()).await?).await
    }

    /// The same, where nothing is answered.
    pub(super) async fn tell(&self, method: Method, path: &str, body: Bytes) -> Result<(), Problem> {
        self.send(method, path, body).await.map(drop)
    }

    /// Boxed, since a page is itself an answer of what it asks.
    fn send(&self, method: Method, target: &str, body: Bytes) -> Answer<'a> {
        let (report, caller) = (self.report, self.caller.clone());
        let request = Request::builder().method(method).uri(target).body(Full::new(body));
        Box::pin(async move {
            let request = request.map_err(|error| Problem::bad_request(format!("address: {error}")))?;
            match route::find(request.method(), request.uri().path()) {
                Found::Route(route, places) => report.take_as(route, &places, request, caller).await,
                Found::Method(_) | Found::Nothing => Err(Problem::not_found(format!("{:?}", request.uri().path()))),
            }
        })
    }
}

async fn read<T: DeserializeOwned>(path: &str, response: Response<Body>) -> Result<T, Problem> {
    let unread = |error: &dyn std::fmt::Display| {
        tracing::error!(path, %error, "an answer of the API could not be shown");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made")
    };
    let body = response.into_body().collect().await.map_err(|error| unread(&error))?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| unread(&error))
}
