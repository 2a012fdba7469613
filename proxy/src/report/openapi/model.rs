//! Descriptions of what the read model tells: lists across images, and their numbers.

use schemars::JsonSchema;

use super::description::Description;
use super::parameter::{Parameter, filter, of_pages, sort};
use crate::report::list::Listing;
use crate::report::model::{IMAGE_SORTS, Listed, REPOSITORY_SORTS, VULNERABILITY_SORTS, VulnerabilityDetail};
use crate::report::repositories::RepositoryDocument;
use crate::report::shape::{ImageItem, RepositoryItem, Statistics, VulnerabilityItem};
use crate::report::statistics::FacetList;

fn list<T: JsonSchema>(summary: &'static str, sorts: &[&str]) -> Description
where
    Listed<T>: Listing + JsonSchema,
{
    Description::list::<Listed<T>>(summary).takes([filter(), vec![sort(sorts)]].concat())
}

pub(super) fn images() -> Description {
    list::<ImageItem>("Every image that was pulled or runs, newest first", &IMAGE_SORTS)
}

pub(super) fn repositories() -> Description {
    list::<RepositoryItem>("The repositories, those that are worst off first", &REPOSITORY_SORTS)
}

pub(super) fn repository() -> Description {
    let mut parameters = filter();
    parameters.retain(|parameter: &Parameter| parameter.name != "repository");
    Description::document::<RepositoryDocument>("A repository, and its images")
        .takes([parameters, vec![sort(&IMAGE_SORTS)], of_pages()].concat())
}

pub(super) fn vulnerabilities() -> Description {
    list::<VulnerabilityItem>("Every vulnerability, and how much of what runs it is in", &VULNERABILITY_SORTS)
}

pub(super) fn vulnerability() -> Description {
    Description::document::<VulnerabilityDetail>("A vulnerability by any of its names, and where it is")
        .takes([filter(), of_pages()].concat())
}

pub(super) fn statistics() -> Description {
    Description::document::<Statistics>("What a filter comes to").takes(filter())
}

pub(super) fn facets() -> Description {
    Description::document::<FacetList>("What each value of each parameter would list").takes(filter())
}
