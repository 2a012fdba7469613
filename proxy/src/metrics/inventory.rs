//! Series of the inventory and of what runs: made whole in the background, so that a scrape reads memory only.

use std::sync::{Arc, PoisonError, RwLock};

use prometheus::core::{Collector, Desc};
use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};

use super::catalogue::Catalogue;

/// The published series. Clones share them.
#[derive(Clone, Default)]
pub struct InventoryMetrics(Arc<RwLock<Vec<MetricFamily>>>);

/// A gauge: its labels' values and its value.
pub type Sample = (Vec<String>, f64);

impl InventoryMetrics {
    pub(super) fn register(registry: &Catalogue) -> Result<Self, prometheus::Error> {
        let metrics = Self::default();
        registry.register(Box::new(metrics.clone()))?;
        Ok(metrics)
    }

    /// Replaces every series by these. The labels of a family must be unique among its samples: Prometheus refuses the whole page where
    /// they are not.
    pub fn publish(&self, families: Vec<MetricFamily>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = families;
    }
}

impl Collector for InventoryMetrics {
    fn desc(&self) -> Vec<&Desc> {
        // The registry asks for descriptions to refuse two instruments of one name; these series are this collector's own.
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A family of gauges.
pub fn gauges(name: &str, help: &str, labels: &[&str], samples: impl IntoIterator<Item = Sample>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(MetricType::GAUGE);
    for (values, value) in samples {
        let pairs = labels.iter().zip(values).map(|(label, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*label).to_owned());
            pair.set_value(value);
            pair
        });
        let mut gauge = prometheus::proto::Gauge::default();
        gauge.set_value(value);
        let mut metric = Metric::default();
        metric.set_label(pairs.collect());
        metric.set_gauge(gauge);
        family.mut_metric().push(metric);
    }
    family
}
