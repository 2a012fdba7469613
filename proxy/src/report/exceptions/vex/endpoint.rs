//! `vex`: documents in and out over the API.

use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use weir_storage::index::Index;

use super::export::all;
use crate::auth::Caller;
use crate::http::Body;
use crate::report::body::read_json;
use crate::report::filter::boolean;
use crate::report::problem::Problem;
use crate::report::{Format, Parameters, Report, json};

/// Longest document, in bytes.
pub(in crate::report) const MAX_VEX_BODY: usize = 8 << 20;

impl Report {
    /// Imports a document, or says what that would do with `dry_run=true`.
    pub(in crate::report) async fn take_vex<B>(
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
        let body = read_json(request, MAX_VEX_BODY).await?;
        json(&self.import_vex(body.to_vec(), &caller.name, is_dry).await?)
    }

    /// Every decision that holds, as a document.
    pub(in crate::report) async fn give_vex(&self, parameters: &Parameters) -> Result<Response<Body>, Problem> {
        parameters.only(&[])?;
        let (rules, now) = (self.exceptions.rules(), self.clock.now());
        let write = move |index: &Index| -> Result<_, Problem> {
            let mut holding: Vec<_> = rules.holding(now).collect();
            holding.sort_by_key(|exception| exception.id.parse::<u64>().unwrap_or_default());
            Ok(all(index, &holding)?)
        };
        let document = self.index.run(write).await?;
        let document = document.ok_or_else(nothing_to_say)?;
        let mut response = json(&document)?;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(Format::OpenVex.media_type()));
        Ok(response)
    }
}

/// The answer where a document would have no statement, which OpenVEX does not allow.
pub(in crate::report) fn nothing_to_say() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no decision that OpenVEX has words for holds here")
}
