//! The hierarchy of an image: the base image's layers, then its own, each a link that narrows to it.

use super::super::super::Place;
use super::super::super::shown;
use crate::report::shape::LayerItem;

/// The layers of an image.
pub(in super::super) struct Layers {
    /// Whether all of them are shown, which is where one begins.
    pub(super) all: bool,
    /// Whether any command is known.
    pub(super) commands: bool,
    pub(super) bytes: u64,
    pub(super) largest: u64,
    /// The most vulnerabilities of a layer.
    pub(super) most: u64,
    pub(super) segments: Vec<Segment>,
}

/// Layers of one origin.
pub(in super::super) struct Segment {
    pub(super) head: Option<&'static str>,
    pub(super) class: &'static str,
    pub(super) layers: Vec<Layer>,
}

/// One layer.
pub(in super::super) struct Layer {
    pub(super) item: LayerItem,
    pub(super) link: Place,
    pub(super) current: bool,
}

impl Layers {
    pub(super) fn new(here: &Place, items: Vec<LayerItem>) -> Self {
        let chosen = here.query.get("layer").map(str::to_owned);
        let counts = items.iter().filter_map(|layer| layer.counts.as_ref());
        let most = counts.map(|counts| shown::total(counts.vulnerabilities)).max().unwrap_or_default();
        let (all, commands) = (chosen.is_none(), items.iter().any(|layer| layer.created_by.is_some()));
        let (bytes, largest) = (
            items.iter().map(|layer| layer.size_bytes).sum(),
            items.iter().map(|layer| layer.size_bytes).max().unwrap_or_default(),
        );
        let mut segments: Vec<(Option<bool>, Segment)> = Vec::new();
        for item in items {
            let base = item.base;
            let layer = Layer {
                link: here.set("layer", item.index),
                current: chosen.as_deref().is_some_and(|c| c == item.digest || c == item.index.to_string()),
                item,
            };
            match segments.last_mut() {
                Some((known, segment)) if *known == base => segment.layers.push(layer),
                _ => {
                    let (head, class) = match base {
                        Some(true) => (Some("Base image"), "base"),
                        Some(false) => (Some("This image"), "own"),
                        None => (None, "own"),
                    };
                    segments.push((base, Segment { head, class, layers: vec![layer] }));
                }
            }
        }
        let segments = segments.into_iter().map(|(_, segment)| segment).collect();
        Self { all, commands, bytes, largest, most, segments }
    }
}
