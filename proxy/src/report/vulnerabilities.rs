//! `vulnerabilities` and `vulnerabilities/{id}`: what is wrong, across all images.

use hyper::Response;

use super::filter::Filter;
use super::images::listed;
use super::model::{Listed, Page};
use super::problem::Problem;
use super::shape::VulnerabilityItem;
use super::{Parameters, Report, json};
use crate::http::Body;

impl Report {
    pub(super) async fn list_vulnerabilities(
        &self,
        parameters: &Parameters,
    ) -> Result<Listed<VulnerabilityItem>, Problem> {
        parameters.only(&listed())?;
        let (filter, page) = (Filter::of_list(parameters)?, Page::parse(parameters)?);
        self.ask_model(move |model| model.vulnerabilities(&filter, &page)).await
    }

    /// A vulnerability by any of its names.
    pub(super) async fn one_vulnerability(&self, id: &str, parameters: &Parameters) -> Result<Response<Body>, Problem> {
        let mut known = listed();
        known.retain(|parameter| *parameter != "sort");
        parameters.only(&known)?;
        let (filter, page) = (Filter::of_list(parameters)?, Page::parse(parameters)?);
        let named = id.to_owned();
        let detail = self.ask_model(move |model| model.vulnerability(&filter, &page, &named)).await?;
        json(&detail.ok_or_else(|| Problem::not_found(id))?)
    }
}
