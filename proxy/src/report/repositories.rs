//! `repositories` and `repositories/{name}`: what images come from, and what is wrong with them together.

use hyper::Response;
use schemars::JsonSchema;
use serde::Serialize;

use super::filter::{Filter, repository_name};
use super::images::listed;
use super::model::{Listed, Page, RepositoryImage};
use super::problem::Problem;
use super::shape::RepositoryItem;
use super::{Parameters, Report, json};
use crate::http::Body;

/// What `repositories/{name}` answers.
#[derive(Serialize, JsonSchema)]
pub(super) struct RepositoryDocument {
    #[serde(flatten)]
    item: RepositoryItem,
    /// Its images that are meant, newest first. Not `images`, which is how many there are.
    digests: Listed<RepositoryImage>,
}

impl Report {
    pub(super) async fn list_repositories(&self, parameters: &Parameters) -> Result<Listed<RepositoryItem>, Problem> {
        parameters.only(&listed())?;
        let (filter, page) = (Filter::of_list(parameters)?, Page::parse(parameters)?);
        self.ask_model(move |model| model.repositories(&filter, &page)).await
    }

    /// A repository, by its name, where `library/` may be left out for Docker Hub's own.
    pub(super) async fn one_repository(&self, name: &str, parameters: &Parameters) -> Result<Response<Body>, Problem> {
        let mut known = listed();
        known.retain(|parameter| *parameter != "repository");
        parameters.only(&known)?;
        let (filter, page, name) = (Filter::of_list(parameters)?, Page::parse(parameters)?, repository_name(name));
        let document = self.ask_model(move |model| {
            let item = model.repository(&filter, &name).ok_or_else(|| Problem::not_found(&name))?;
            let digests = model.repository_images(&filter, &page, &name)?;
            Ok(RepositoryDocument { item, digests })
        });
        json(&document.await?)
    }
}
