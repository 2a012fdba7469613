//! `images`: every image weir has seen, and those that run unseen, newest first.

use super::filter::Filter;
use super::model::{Listed, Page};
use super::problem::Problem;
use super::shape::ImageItem;
use super::{Parameters, Report};

impl Report {
    pub(super) async fn list_images(&self, parameters: &Parameters) -> Result<Listed<ImageItem>, Problem> {
        parameters.only(&listed())?;
        let (filter, page) = (Filter::of_list(parameters)?, Page::parse(parameters)?);
        self.ask_model(move |model| model.images(&filter, &page)).await
    }
}

/// The parameters of a list of the model.
pub(super) fn listed() -> Vec<&'static str> {
    [&Filter::PARAMETERS[..], &Page::PARAMETERS].concat()
}
