//! The namespaces and label keys of what runs, under numbers: what facets count by.

use std::collections::HashMap;

use crate::report::fleet::FleetView;

/// The namespaces and label keys of every workload.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Every namespace's name, whatever its cluster.
    pub(super) namespaces: Vec<String>,
    /// Every label key.
    pub(super) keys: Vec<String>,
    /// The number of the namespace, by the workload's number.
    pub(super) namespace_of: Vec<u32>,
    /// The numbers of the label keys, each once, by the workload's number.
    pub(super) keys_of: Vec<Box<[u32]>>,
}

impl Names {
    pub(super) fn of(view: &FleetView) -> Self {
        let (mut names, mut namespaces, mut keys) = (Self::default(), HashMap::new(), HashMap::new());
        for (_, workload) in view.workloads() {
            names.namespace_of.push(number(&mut namespaces, &mut names.namespaces, &workload.key.namespace));
            let mut own: Vec<u32> =
                workload.labels.iter().map(|(key, _)| number(&mut keys, &mut names.keys, key)).collect();
            own.sort_unstable();
            own.dedup();
            names.keys_of.push(own.into());
        }
        names
    }
}

fn number<'t>(numbers: &mut HashMap<&'t str, u32>, all: &mut Vec<String>, text: &'t str) -> u32 {
    *numbers.entry(text).or_insert_with(|| {
        all.push(text.to_owned());
        all.len() as u32 - 1
    })
}
