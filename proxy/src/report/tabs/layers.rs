//! The tab of layers: what each brought, the command that made it, and what is wrong with it.

use std::collections::HashMap;

use weir_scanner::image::history_layers;

use super::ask::Ask;
use super::decision::Decisions;
use super::facts::{Meant, OneImage, counts};
use crate::report::shape::LayerItem;

/// Every layer, bottom first, with counts of the findings that are meant; `None` for an image of which weir has no manifest.
pub(in crate::report) fn layers(image: &OneImage, ask: &Ask, decisions: &Decisions) -> Option<Vec<LayerItem>> {
    let record = image.record.as_ref()?;
    let ask = ask.of_every_layer();
    let mut of_layer: HashMap<u32, Vec<Meant<'_>>> = HashMap::new();
    for one in image.meant(&ask, decisions).into_iter().flatten() {
        of_layer.entry(one.finding.layer).or_default().push(one);
    }
    let is_matched = image.matched().is_some();
    let made_by = history_layers(&record.history, record.layers.len());
    let items = (0_u32..).zip(&record.layers).map(|(index, layer)| {
        let entry = made_by.iter().position(|made| *made == Some(index)).map(|at| &record.history[at]);
        let packages = image
            .inventory()
            .map(|inventory| inventory.packages.iter().filter(|package| package.layer == index).count() as u64);
        LayerItem {
            index,
            digest: layer.digest.to_string(),
            diff_id: layer.diff_id.map(|diff_id| diff_id.to_string()),
            size_bytes: layer.size,
            created_by: entry.and_then(|entry| entry.created_by.clone()),
            created: entry.and_then(|entry| entry.created.clone()),
            base: record.base.as_ref().and_then(|base| base.layers).map(|layers| index < layers),
            packages,
            counts: is_matched.then(|| counts(of_layer.get(&index).into_iter().flatten())),
        }
    });
    Some(items.collect())
}
