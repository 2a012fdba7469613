//! The filters that lists share: which workloads, and which images.
//!
//! Different parameters narrow; one repeated means any of them, except `label`, where all must hold.

use std::str::FromStr;

use weir_scanner::image::ScanStatus;
use weir_storage::index::WorkloadKey;

use super::Parameters;
use super::problem::Problem;
use crate::workload::Workload;

/// The parameters of [`WorkloadFilter`].
pub(super) const OF_WORKLOADS: [&str; 3] = ["cluster", "namespace", "label"];
/// The parameters of [`ImageFilter`] beside those.
pub(super) const OF_IMAGES: [&str; 4] = ["image_status", "scan_status", "pulled", "ran"];

/// Which workloads are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct WorkloadFilter {
    clusters: Vec<String>,
    namespaces: Vec<String>,
    /// A key, and the value it must have if one was given.
    labels: Vec<(String, Option<String>)>,
}

impl WorkloadFilter {
    pub(super) fn parse(parameters: &Parameters) -> Result<Self, Problem> {
        let labels = parameters.all("label").map(|label| match label.split_once('=') {
            Some(("", _)) => Err(Problem::bad_request(format!("label: {label:?} has no key"))),
            Some((key, value)) => Ok((key.to_owned(), Some(value.to_owned()))),
            None if label.is_empty() => Err(Problem::bad_request("label: expected key or key=value")),
            None => Ok((label.to_owned(), None)),
        });
        let texts = |name| parameters.all(name).map(str::to_owned).collect();
        Ok(Self {
            clusters: texts("cluster"),
            namespaces: texts("namespace"),
            labels: labels.collect::<Result<_, _>>()?,
        })
    }

    /// Whether every workload is meant.
    pub(super) fn is_empty(&self) -> bool {
        self.clusters.is_empty() && self.namespaces.is_empty() && self.labels.is_empty()
    }

    /// Whether labels are asked for, which only workloads that run have.
    pub(super) fn has_labels(&self) -> bool {
        !self.labels.is_empty()
    }

    pub(super) fn takes_cluster(&self, cluster: &str) -> bool {
        is_any(&self.clusters, cluster)
    }

    /// Whether a workload is in a cluster and a namespace that are meant.
    pub(super) fn takes_place(&self, key: &WorkloadKey) -> bool {
        self.takes_cluster(&key.cluster) && is_any(&self.namespaces, &key.namespace)
    }

    pub(super) fn takes(&self, workload: &Workload) -> bool {
        let has = |(key, value): &(String, Option<String>)| {
            workload
                .labels
                .iter()
                .any(|(known, said)| **known == **key && value.as_ref().is_none_or(|value| **said == **value))
        };
        self.takes_place(&workload.key) && self.labels.iter().all(has)
    }
}

fn is_any(wanted: &[String], text: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| wanted == text)
}

/// How an image is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ImageStatus {
    /// A container has it now.
    Running,
    /// It was pulled or ran within `report.idle_after`.
    Idle,
    /// It was not.
    Retired,
}

impl ImageStatus {
    const ALL: [Self; 3] = [Self::Running, Self::Idle, Self::Retired];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Idle => "idle",
            Self::Retired => "retired",
        }
    }
}

impl FromStr for ImageStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        one_of(&Self::ALL, Self::name, text)
    }
}

fn one_of<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str, text: &str) -> Result<T, String> {
    let found = all.iter().copied().find(|known| name(*known) == text);
    found.ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|known| name(*known)).collect();
        format!("expected one of {}, found {text:?}", names.join(", "))
    })
}

/// Which images are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ImageFilter {
    pub(super) workloads: WorkloadFilter,
    statuses: Vec<ImageStatus>,
    scan_statuses: Vec<ScanStatus>,
    pulled: Option<bool>,
    ran: Option<bool>,
}

/// What an image filter looks at.
pub(super) struct ImageFacts {
    pub(super) status: ImageStatus,
    pub(super) scan_status: ScanStatus,
    /// Whether a client ever pulled it through weir.
    pub(super) pulled: bool,
    /// Whether a workload ever ran it.
    pub(super) ran: bool,
}

impl ImageFilter {
    pub(super) fn parse(parameters: &Parameters) -> Result<Self, Problem> {
        let scan_status = |text: &str| one_of(&ScanStatus::ALL, ScanStatus::name, text);
        Ok(Self {
            workloads: WorkloadFilter::parse(parameters)?,
            statuses: words(parameters, "image_status", str::parse)?,
            scan_statuses: words(parameters, "scan_status", scan_status)?,
            pulled: boolean(parameters, "pulled")?,
            ran: boolean(parameters, "ran")?,
        })
    }

    /// Whether only images that run now can be meant.
    pub(super) fn is_of_running(&self) -> bool {
        !self.workloads.is_empty() || self.statuses == [ImageStatus::Running]
    }

    /// Whether nothing is asked of images.
    pub(super) fn is_of_any_image(&self) -> bool {
        self.statuses.is_empty() && self.scan_statuses.is_empty() && self.pulled.is_none() && self.ran.is_none()
    }

    pub(super) fn takes(&self, facts: &ImageFacts) -> bool {
        (self.statuses.is_empty() || self.statuses.contains(&facts.status))
            && (self.scan_statuses.is_empty() || self.scan_statuses.contains(&facts.scan_status))
            && self.pulled.is_none_or(|pulled| pulled == facts.pulled)
            && self.ran.is_none_or(|ran| ran == facts.ran)
    }
}

fn words<T>(parameters: &Parameters, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, Problem> {
    let parsed =
        parameters.all(name).map(|text| parse(text).map_err(|error| Problem::bad_request(format!("{name}: {error}"))));
    parsed.collect()
}

fn boolean(parameters: &Parameters, name: &str) -> Result<Option<bool>, Problem> {
    let parse = |text: &str| text.parse().map_err(|_| format!("expected true or false, found {text:?}"));
    Ok(words(parameters, name, parse)?.into_iter().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(cluster: &str, namespace: &str, labels: &[(&str, &str)]) -> Workload {
        Workload {
            key: WorkloadKey {
                cluster: cluster.into(),
                namespace: namespace.into(),
                group: "apps".into(),
                kind: "Deployment".into(),
                name: "web".into(),
            },
            created_at: None,
            labels: labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
            pods: 1,
            uses: Vec::new(),
        }
    }

    #[test]
    fn parameters_narrow_repetitions_widen_and_labels_must_all_hold() {
        let web = workload("a", "shop", &[("app", "web"), ("tier", "front")]);
        for (query, takes) in [
            ("", true),
            ("cluster=a", true),
            ("cluster=b", false),
            ("cluster=b&cluster=a", true),
            ("cluster=a&namespace=other", false),
            ("namespace=other&namespace=shop", true),
            ("label=app", true),
            ("label=app=web&label=tier=front", true),
            ("label=app=web&label=tier=back", false),
            ("label=missing", false),
        ] {
            let filter = WorkloadFilter::parse(&Parameters::parse(query)).unwrap();
            assert_eq!(filter.takes(&web), takes, "{query}");
        }
    }

    #[test]
    fn values_that_are_none_are_refused_with_those_that_are() {
        for (query, says) in [
            ("image_status=old", "running, idle, retired"),
            ("scan_status=fine", "never_seen"),
            ("pulled=perhaps", "true or false"),
            ("label==x", "has no key"),
        ] {
            let problem = ImageFilter::parse(&Parameters::parse(query)).unwrap_err();
            assert!(format!("{problem:?}").contains(says), "{query}: {problem:?}");
        }
    }
}
