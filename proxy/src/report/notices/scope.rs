//! Which images a webhook is told of: those that run where it looks, and when they began to.
//!
//! An image that runs and was told has the mark `runs`; one that ceased to run has `left` with the event up to which it was told. An image
//! without a mark was never told.

use std::collections::HashMap;

use weir_config::WebhookSection;
use weir_scanner::oci::Digest;
use weir_storage::index::{WebhookMark, WebhookMarks};

use crate::report::fleet::{FleetView, Place};

/// Marks of images.
const RUNS: &str = "runs";
const LEFT: &str = "left";

/// The images that run where a webhook looks, with the workloads that run them there.
pub(super) struct Scope {
    images: HashMap<Digest, Vec<Place>>,
}

/// What has become of an image since the last round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It runs, and was never told: its findings are to be told as they are.
    Began,
    /// It runs again: what happened to it since this event is to be told.
    Returned(u64),
    /// It runs no longer.
    Left,
}

impl Scope {
    /// Images that were read and matched; of others there is nothing to tell yet.
    pub(super) fn of(view: &FleetView, settings: &WebhookSection) -> Self {
        let takes = |place: &Place| {
            let key = &view.workload(*place).key;
            let is_any = |wanted: &[String], text: &str| wanted.is_empty() || wanted.iter().any(|name| name == text);
            is_any(&settings.clusters, &key.cluster) && is_any(&settings.namespaces, &key.namespace)
        };
        let judged = view.images.iter().filter(|(_, image)| image.row().is_some_and(|row| row.found.is_some()));
        let images = judged.filter_map(|(digest, image)| {
            let users: Vec<Place> = image.users.iter().copied().filter(takes).collect();
            (!users.is_empty()).then_some((*digest, users))
        });
        Self { images: images.collect() }
    }

    /// The workloads that run an image, where it runs.
    pub(super) fn users(&self, image: &Digest) -> Option<&[Place]> {
        self.images.get(image).map(Vec::as_slice)
    }

    /// The marks of a webhook that knows all that runs.
    pub(super) fn marks(&self) -> WebhookMarks {
        self.images.keys().map(|image| (mark(RUNS, image), 0)).collect()
    }

    /// What has become of images since these marks were set, in the order of their digests.
    pub(super) fn changes(&self, marks: &WebhookMarks) -> Vec<(Digest, Change)> {
        let mut changes: Vec<(Digest, Change)> = Vec::new();
        for image in self.images.keys() {
            if marks.contains_key(&mark(RUNS, image)) {
                continue;
            }
            let left = marks.get(&mark(LEFT, image));
            changes.push((*image, left.map_or(Change::Began, |sequence| Change::Returned(*sequence))));
        }
        let marked = marks.keys().filter(|mark| mark.kind == RUNS).filter_map(|mark| mark.subject.parse().ok());
        changes.extend(marked.filter(|image| !self.images.contains_key(image)).map(|image| (image, Change::Left)));
        changes.sort_by_key(|(image, _)| *image);
        changes
    }
}

/// The images of marks that do not run.
pub(super) fn at_rest(marks: &WebhookMarks) -> impl Iterator<Item = Digest> {
    marks.keys().filter(|mark| mark.kind == LEFT).filter_map(|mark| mark.subject.parse().ok())
}

/// The marks of an image that runs.
pub(super) fn runs(image: &Digest) -> [(WebhookMark, Option<u64>); 2] {
    [(mark(RUNS, image), Some(0)), (mark(LEFT, image), None)]
}

/// The marks of an image that runs no longer and was told up to an event.
pub(super) fn left(image: &Digest, sequence: u64) -> [(WebhookMark, Option<u64>); 2] {
    [(mark(RUNS, image), None), (mark(LEFT, image), Some(sequence))]
}

/// The marks of an image that is gone.
pub(super) fn gone(image: &Digest) -> (WebhookMark, Option<u64>) {
    (mark(LEFT, image), None)
}

fn mark(kind: &str, image: &Digest) -> WebhookMark {
    super::mark(kind, image.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_tell_who_began_returned_and_left() {
        let [new, known, back, gone] = [b"1", b"2", b"3", b"4"].map(|name: &[u8; 1]| Digest::of(name));
        let places = || vec![(0, 0)];
        let scope = Scope { images: HashMap::from([(new, places()), (known, places()), (back, places())]) };
        let mut marks = WebhookMarks::new();
        let set = [runs(&known), left(&back, 7), runs(&gone)].into_iter().flatten();
        marks.extend(set.filter_map(|(mark, number)| Some((mark, number?))));
        let mut expected = vec![(new, Change::Began), (back, Change::Returned(7)), (gone, Change::Left)];
        expected.sort_by_key(|(image, _)| *image);
        assert_eq!(scope.changes(&marks), expected);
        assert_eq!(at_rest(&marks).collect::<Vec<_>>(), [back]);
        assert_eq!(scope.changes(&scope.marks()), []);
    }
}
