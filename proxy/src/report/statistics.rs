//! `statistics` and `statistics/facets`: what a filter comes to, and what more of it would.

use hyper::Response;
use schemars::JsonSchema;
use serde::Serialize;

use super::filter::Filter;
use super::problem::Problem;
use super::shape::Facet;
use super::{Parameters, Report, json};
use crate::http::Body;

/// What `statistics/facets` answers.
#[derive(Serialize, JsonSchema)]
pub(super) struct FacetList {
    /// A facet for each parameter that can be chosen.
    items: Vec<Facet>,
}

impl Report {
    pub(super) async fn statistics(&self, parameters: &Parameters) -> Result<Response<Body>, Problem> {
        parameters.only(&Filter::PARAMETERS)?;
        let filter = Filter::of_list(parameters)?;
        json(&self.ask_model(move |model| Ok(model.statistics(&filter))).await?)
    }

    pub(super) async fn facets(&self, parameters: &Parameters) -> Result<Response<Body>, Problem> {
        parameters.only(&Filter::PARAMETERS)?;
        let filter = Filter::of_list(parameters)?;
        let items = self.ask_model(move |model| Ok(model.facets(&filter))).await?;
        json(&FacetList { items })
    }
}
