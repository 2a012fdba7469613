//! Which step of a build made which layer.

use crate::oci::HistoryEntry;

/// For each entry of an image's history the index of the layer it made: `None` for entries without a layer, which keep their place, and
/// for all where the entries with a layer are not as many as the layers. Then the history is incomplete, and a guess
/// would blame the wrong command.
pub fn history_layers(history: &[HistoryEntry], layers: usize) -> Vec<Option<u32>> {
    let made = history.iter().filter(|entry| !entry.empty_layer).count();
    let mut indices = 0..;
    history.iter().map(|entry| if made == layers && !entry.empty_layer { indices.next() } else { None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_with_a_layer_are_matched_in_order() {
        let (layer, empty) = (false, true);
        for (history, layers, expected) in [
            (vec![layer, empty, layer, empty], 2, vec![Some(0), None, Some(1), None]),
            (vec![empty, layer], 1, vec![None, Some(0)]),
            (vec![empty], 0, vec![None]),
            (vec![layer], 2, vec![None]),
            (vec![layer, layer, empty], 1, vec![None, None, None]),
            (vec![], 3, vec![]),
        ] {
            let entry = |empty_layer: &bool| HistoryEntry { empty_layer: *empty_layer, ..HistoryEntry::default() };
            let entries: Vec<_> = history.iter().map(entry).collect();
            assert_eq!(history_layers(&entries, layers), expected, "{history:?} {layers}");
        }
    }
}
