//! The events of a watch.

use std::collections::BTreeMap;

use kube::core::Status;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The annotation of the bookmark that ends a streamed list (KEP-3157).
const LIST_END: &str = "k8s.io/initial-events-end";

/// One event; its line has the type first, so that the object is read into its form at once.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", content = "object", rename_all = "UPPERCASE")]
pub(super) enum Event<F> {
    /// The object came.
    Added(F),
    /// The object changed.
    Modified(F),
    /// The object went; this is its last state.
    Deleted(F),
    /// Nothing else happened up to a version.
    Bookmark(Bookmark),
    /// The watch is over.
    Error(Box<Status>),
}

/// A bookmark.
#[derive(Debug, Deserialize)]
pub(super) struct Bookmark {
    metadata: BookmarkMetadata,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BookmarkMetadata {
    resource_version: String,
    #[serde(default)]
    annotations: Option<BTreeMap<String, IgnoredAny>>,
}

impl Bookmark {
    /// Whether it says that a streamed list is whole.
    pub(super) fn ends_list(&self) -> bool {
        self.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(LIST_END))
    }

    /// Up to which version nothing else happened.
    pub(super) fn into_version(self) -> String {
        self.metadata.resource_version
    }
}
