//! The namespaces and labels of what runs, under numbers: what facets count by.

use std::collections::HashMap;
use std::sync::Arc;

use crate::report::filter::WorkloadFilter;
use crate::report::fleet::FleetView;
use crate::workload::Workload;

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

/// The values that workloads have of the label keys a filter asks for.
#[derive(Default)]
pub(super) struct LabelValues<'v> {
    /// Each as `key=value`.
    pub(super) texts: Vec<String>,
    keys: Vec<&'v str>,
    numbers: HashMap<(&'v str, &'v str), u32>,
}

impl<'v> LabelValues<'v> {
    pub(super) fn of(view: &'v FleetView, filter: &'v WorkloadFilter) -> Self {
        let mut values = Self { keys: filter.labels.iter().map(|(key, _)| key.as_str()).collect(), ..Self::default() };
        if values.keys.is_empty() {
            return values;
        }
        for (_, workload) in view.workloads() {
            for (key, value) in workload.labels.iter().filter(|(key, _)| values.keys.contains(&key.as_ref())) {
                values.numbers.entry((key, value)).or_insert_with(|| {
                    values.texts.push(format!("{key}={value}"));
                    values.texts.len() as u32 - 1
                });
            }
        }
        values
    }

    /// The numbers of a workload's values, each once.
    pub(super) fn numbers_of(&self, workload: &Workload) -> impl Iterator<Item = u32> {
        let number = |(key, value): &(Arc<str>, Arc<str>)| self.numbers.get(&(&**key, &**value)).copied();
        workload.labels.iter().filter_map(number)
    }
}

fn number<'t>(numbers: &mut HashMap<&'t str, u32>, all: &mut Vec<String>, text: &'t str) -> u32 {
    *numbers.entry(text).or_insert_with(|| {
        all.push(text.to_owned());
        all.len() as u32 - 1
    })
}
