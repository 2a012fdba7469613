//! The images of one repository, each beside the one before it.

use schemars::JsonSchema;
use serde::Serialize;

use super::Model;
use super::cursor::{Listed, Page};
use super::select::{Question, Selected, Selection};
use crate::report::filter::Filter;
use crate::report::problem::Problem;
use crate::report::shape::ImageItem;

/// An image of a repository.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(in crate::report) struct RepositoryImage {
    #[serde(flatten)]
    pub(in crate::report) image: ImageItem,
    /// How its vulnerabilities differ from those of the image of the same platform that came before it, of what is meant of both;
    /// `null` where there is none, or either was not read and matched.
    pub(in crate::report) delta: Option<Delta>,
}

/// How an image's vulnerabilities differ from an earlier one's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::report) struct Delta {
    /// The earlier image.
    pub(in crate::report) previous: String,
    /// Distinct vulnerabilities that it did not have.
    pub(in crate::report) added: u64,
    /// Distinct vulnerabilities that it had alone.
    pub(in crate::report) removed: u64,
}

impl Model {
    /// A page of the images of a repository that are meant.
    ///
    /// # Errors
    /// 400 for an order or a cursor that the list does not know.
    pub(in crate::report) fn repository_images(
        &self,
        filter: &Filter,
        page: &Page,
        name: &str,
    ) -> Result<Listed<RepositoryImage>, Problem> {
        let filter = Filter { repositories: vec![name.to_owned()], ..filter.clone() };
        let selection = Selection::new(Question::new(self, &filter));
        let (positions, next_cursor, total) = self.page_of_images(&selection, page)?;
        let items = positions.into_iter().map(|at| RepositoryImage {
            image: self.image_item(&selection, &selection.images[at]),
            delta: self.delta(&selection, at),
        });
        Ok(Listed { items: items.collect(), next_cursor, total })
    }

    fn delta(&self, selection: &Selection<'_>, at: usize) -> Option<Delta> {
        let row = &self.image(selection.images[at].number).row;
        // A selection has the newest first.
        let earlier = selection.images[at + 1..].iter().find(|earlier| {
            let earlier = &self.image(earlier.number).row;
            earlier.platform == row.platform && earlier.first_seen < row.first_seen
        })?;
        let earlier_row = &self.image(earlier.number).row;
        row.found.as_ref().and(earlier_row.found.as_ref())?;
        let (now, before) = (numbers(selection, &selection.images[at]), numbers(selection, earlier));
        let missing = |from: &[u32], of: &[u32]| of.iter().filter(|number| from.binary_search(number).is_err()).count();
        Some(Delta {
            previous: earlier_row.digest.to_string(),
            added: missing(&before, &now) as u64,
            removed: missing(&now, &before) as u64,
        })
    }
}

/// The distinct vulnerabilities of an image that are meant, ascending.
fn numbers(selection: &Selection<'_>, selected: &Selected) -> Vec<u32> {
    let mut numbers = Vec::new();
    selection.each_kind(selected, |_, number, kind| {
        if !kind.is_none() {
            numbers.push(number);
        }
    });
    numbers.dedup();
    numbers
}
