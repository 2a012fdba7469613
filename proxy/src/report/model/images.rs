//! The list of images.

use std::collections::BTreeSet;

use weir_scanner::oci::Digest;

use super::Model;
use super::count::Tally;
use super::cursor::{Entry, Listed, Numbers, Page, Sort, cut};
use super::repositories::severities;
use super::row::ImageRow;
use super::select::{Question, Selected, Selection};
use crate::clock::rfc3339;
use crate::report::filter::{Except, Filter};
use crate::report::problem::Problem;
use crate::report::shape::ImageItem;

/// The orders of the list.
pub(in crate::report) const SORTS: [&str; 6] =
    ["first_seen", "last_pulled", "matched_at", "vulnerabilities", "known_exploited", "running_resources"];

impl Model {
    /// A page of the images that are meant.
    ///
    /// # Errors
    /// 400 for an order or a cursor that the list does not know.
    pub(in crate::report) fn images(&self, filter: &Filter, page: &Page) -> Result<Listed<ImageItem>, Problem> {
        let selection = Selection::new(Question::new(self, filter));
        let (positions, next_cursor, total) = self.page_of_images(&selection, page)?;
        let items = positions.into_iter().map(|at| self.image_item(&selection, &selection.images[at])).collect();
        Ok(Listed { items, next_cursor, total })
    }

    /// The positions of a page's images in a selection, with the cursor of the next page and how many there are.
    pub(super) fn page_of_images(
        &self,
        selection: &Selection<'_>,
        page: &Page,
    ) -> Result<(Vec<usize>, Option<String>, u64), Problem> {
        let sort = Sort::of(page, &SORTS)?;
        let entry = |(at, selected): (usize, &Selected)| Entry {
            numbers: key(sort, selection, selected),
            id: self.image(selected.number).row.digest.bytes(),
            at,
        };
        cut(page, selection.images.iter().enumerate().map(entry).collect(), false)
    }

    /// One image, by its manifest's digest, with all that is found in it and no exception hides; `None` for one that is not known.
    pub(in crate::report) fn image_of(&self, digest: &Digest) -> Option<ImageItem> {
        let number = self.number(digest)?;
        let (open, all) = (Filter::default(), Filter { except: Except::All, ..Filter::default() });
        let selection = Selection::among(Question::new(self, &open), [number]);
        if let Some(selected) = selection.images.first() {
            return Some(self.image_item(&selection, selected));
        }
        // An exception of its repository hides it from lists, not from whoever asks for it.
        let selection = Selection::among(Question::new(self, &all), [number]);
        selection.images.first().map(|selected| self.image_item(&selection, selected))
    }

    /// The images that are meant, by their manifests' digests.
    pub(in crate::report) fn meant(&self, filter: &Filter) -> BTreeSet<Digest> {
        let selection = Selection::new(Question::new(self, filter));
        selection.images.iter().map(|selected| self.image(selected.number).row.digest).collect()
    }

    pub(super) fn image_item(&self, selection: &Selection<'_>, selected: &Selected) -> ImageItem {
        let image = self.image(selected.number);
        let row = &*image.row;
        let names: Vec<&str> = row.repositories.iter().map(|number| self.repository_name(*number)).collect();
        let tags = self.tags(row);
        let tally = selection.tally(selected);
        let reason = row.reasons.first().map(|first| &first.reason);
        let (reason, detail) = match (&row.unseen, reason) {
            (Some((reason, detail)), _) => (Some((*reason).to_owned()), Some(detail.clone())),
            (None, Some(reason)) => (Some(reason.code.name().to_owned()), Some(reason.detail.clone())),
            (None, None) => (None, None),
        };
        ImageItem {
            digest: row.digest.to_string(),
            reference: reference(row, &names, &tags),
            repositories: names.iter().map(|name| (*name).to_owned()).collect(),
            tags,
            platform: row.platform.as_ref().map(ToString::to_string),
            image_status: image.status.name().to_owned(),
            running_resources: selection.relevant(selected).count() as u64,
            clusters: self.clusters(selection.relevant(selected)),
            scan_status: row.status.name().to_owned(),
            reason,
            detail: detail.filter(|detail| !detail.is_empty()),
            first_seen: rfc3339(row.first_seen),
            last_pulled: row.last_pulled.map(rfc3339),
            last_run: image.last_run.map(rfc3339),
            matched_at: row.matched_at.map(rfc3339),
            vulnerabilities: tally.map(|tally| tally.severities()),
            fixable: tally.map(|tally| tally.fixable),
            known_exploited: tally.map(|tally| tally.exploited),
            exception: self.whole_exception(selection, selected, &names),
        }
    }

    /// Every tag known to lead to an image, as `<upstream>/<repository>:<tag>`.
    fn tags(&self, row: &ImageRow) -> Vec<String> {
        let repositories = row.repositories.iter().map(|number| &self.repositories[*number as usize]);
        let tags = repositories.flat_map(|repository| {
            repository.tags_of(&row.digest, &row.parents).map(move |tag| format!("{}:{tag}", repository.name))
        });
        let tags: BTreeSet<String> = tags.collect();
        tags.into_iter().collect()
    }

    /// A name to show an image under.
    pub(super) fn reference(&self, row: &ImageRow) -> Option<String> {
        let names: Vec<&str> = row.repositories.iter().map(|number| self.repository_name(*number)).collect();
        reference(row, &names, &self.tags(row))
    }
}

/// A name to show an image under: what a workload calls it where weir never saw it, a tag that leads to it, else its repository and
/// digest.
fn reference(row: &ImageRow, names: &[&str], tags: &[String]) -> Option<String> {
    let named = row.named_as.as_ref().map(ToString::to_string);
    let by_digest = || names.first().map(|name| format!("{name}@{}", row.digest));
    named.or_else(|| tags.first().cloned()).or_else(by_digest)
}

/// The key of an image in an order.
fn key(sort: Sort<'_>, selection: &Selection<'_>, selected: &Selected) -> Numbers {
    let row = &selection.model().image(selected.number).row;
    let tally = || selection.tally(selected);
    match sort.name {
        "first_seen" => sort.key(Some([row.first_seen])),
        "last_pulled" => sort.key(row.last_pulled.map(|at| [at])),
        "matched_at" => sort.key(row.matched_at.map(|at| [at])),
        "running_resources" => sort.key(Some([selection.relevant(selected).count() as i64])),
        "vulnerabilities" => sort.key(tally().map(|tally| severities(&tally))),
        "known_exploited" => {
            sort.key(tally().map(|Tally { exploited, .. }| [i64::try_from(exploited).unwrap_or(i64::MAX)]))
        }
        // Newest first.
        _ => Sort { name: "", descends: true }.key(Some([row.first_seen])),
    }
}
