//! What there is to measure, told without measuring anything.
//!
//! Owns a registry that remembers how each instrument describes itself. A page of metrics leaves out what was never counted; the table
//! in `docs/metrics.md` must not.

use std::cell::RefCell;

use prometheus::core::Collector;
use prometheus::proto::MetricType;
use prometheus::{Error, Registry};

/// How an instrument describes itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Described {
    /// Its name, without the endings that a histogram's series have.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The labels of its series.
    pub labels: Vec<String>,
    /// What it says of itself.
    pub help: String,
}

/// A registry, and what was registered there.
#[derive(Default)]
pub(super) struct Catalogue {
    registry: Registry,
    described: RefCell<Vec<Described>>,
}

impl Catalogue {
    /// As [`Registry::register`]. The macros of `prometheus` call it.
    pub(super) fn register(&self, collector: Box<dyn Collector>) -> Result<(), Error> {
        let mut described = self.described.borrow_mut();
        // A family without a series is there all the same, with its name and kind; its labels are in the description alone.
        let families = collector.collect();
        for desc in collector.desc() {
            let Some(family) = families.iter().find(|family| family.name() == desc.fq_name) else { continue };
            let kind = match family.get_field_type() {
                MetricType::COUNTER => "counter",
                MetricType::HISTOGRAM => "histogram",
                _ => "gauge",
            };
            let (name, help) = (desc.fq_name.clone(), desc.help.clone());
            described.push(Described { name, kind, labels: desc.variable_labels.clone(), help });
        }
        self.registry.register(collector)
    }

    /// The registry, and what it has, by name.
    pub(super) fn finish(self) -> (Registry, Vec<Described>) {
        let mut described = self.described.into_inner();
        described.sort();
        (self.registry, described)
    }
}
