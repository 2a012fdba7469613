//! The one filter grammar of every list: which workloads, which images, and which of their findings.
//!
//! Different parameters narrow; one repeated means any of them, except `label`, where all must hold. Owns the grammar alone: what is
//! meant by it is worked out by [`super::model`].

#[cfg(test)]
mod tests;

use std::str::FromStr;

use weir_scanner::finding::Severity;
use weir_scanner::image::ScanStatus;
use weir_scanner::oci::Digest;
use weir_storage::index::WorkloadKey;

use super::Parameters;
use super::problem::Problem;
use crate::workload::Workload;

/// The parameters of [`WorkloadFilter`].
pub(super) const OF_WORKLOADS: [&str; 3] = ["cluster", "namespace", "label"];
/// Values of one parameter, and bytes of each, at most.
const MOST_VALUES: usize = 100;
const MOST_BYTES: usize = 512;

/// Which workloads are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct WorkloadFilter {
    pub(super) clusters: Vec<String>,
    pub(super) namespaces: Vec<String>,
    /// A key, and the value it must have if one was given.
    pub(super) labels: Vec<(String, Option<String>)>,
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
        self.takes_cluster(&key.cluster) && self.takes_namespace(&key.namespace)
    }

    pub(super) fn takes(&self, workload: &Workload) -> bool {
        self.takes_place(&workload.key) && self.takes_labels(workload)
    }

    /// Whether a workload is in a namespace that is meant.
    pub(super) fn takes_namespace(&self, namespace: &str) -> bool {
        is_any(&self.namespaces, namespace)
    }

    /// Whether a workload has the labels that are meant.
    pub(super) fn takes_labels(&self, workload: &Workload) -> bool {
        self.labels.iter().all(|(key, value)| {
            let is_it = |(known, said): &(std::sync::Arc<str>, std::sync::Arc<str>)| {
                **known == **key && value.as_ref().is_none_or(|value| **said == **value)
            };
            workload.labels.iter().any(is_it)
        })
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
    pub(super) const ALL: [Self; 3] = [Self::Running, Self::Idle, Self::Retired];

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

/// The one of some that has a name.
pub(super) fn one_of<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str, text: &str) -> Result<T, String> {
    let found = all.iter().copied().find(|known| name(*known) == text);
    found.ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|known| name(*known)).collect();
        format!("expected one of {}, found {text:?}", names.join(", "))
    })
}

/// Which findings are meant, as far as exceptions are concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Except {
    /// Those that stand under no exception.
    #[default]
    Active,
    /// Those that do.
    Excepted,
    /// Both.
    All,
}

impl Except {
    const ALL: [Self; 3] = [Self::Active, Self::Excepted, Self::All];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Excepted => "excepted",
            Self::All => "all",
        }
    }

    /// Whether what is excepted, or is not, is meant.
    pub(super) const fn takes(self, is_excepted: bool) -> bool {
        match self {
            Self::Active => !is_excepted,
            Self::Excepted => is_excepted,
            Self::All => true,
        }
    }
}

impl FromStr for Except {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        one_of(&Self::ALL, Self::name, text)
    }
}

/// Which of two values are meant: one, the other, both, or nothing was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) yes: bool,
    pub(super) no: bool,
}

impl Choice {
    pub(super) const fn is_given(self) -> bool {
        self.yes || self.no
    }

    pub(super) const fn takes(self, value: bool) -> bool {
        !self.is_given() || if value { self.yes } else { self.no }
    }
}

/// A layer, by its digest or by its position in one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LayerChoice {
    Index(u32),
    Digest(Digest),
}

impl FromStr for LayerChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text.parse(), Digest::parse(text)) {
            (Ok(index), _) => Ok(Self::Index(index)),
            (_, Ok(digest)) => Ok(Self::Digest(digest)),
            _ => Err(format!("expected a digest or the number of a layer, found {text:?}")),
        }
    }
}

/// What is meant, the one grammar of every list. An empty one means everything that no exception hides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) workloads: WorkloadFilter,
    /// `<upstream>/<repository>`, any of them.
    pub(super) repositories: Vec<String>,
    pub(super) statuses: Vec<ImageStatus>,
    pub(super) scan_statuses: Vec<ScanStatus>,
    pub(super) pulled: Choice,
    pub(super) ran: Choice,
    pub(super) severities: Vec<Severity>,
    pub(super) fixable: Choice,
    pub(super) known_exploited: Choice,
    pub(super) layers: Vec<LayerChoice>,
    pub(super) except: Except,
    /// What is searched for, in lower case.
    pub(super) q: Option<String>,
}

/// What an image is asked about without its findings.
#[derive(Clone, Copy, Debug)]
pub(super) struct ImageFacts {
    pub(super) status: ImageStatus,
    pub(super) scan_status: ScanStatus,
    /// Whether a client ever pulled it through weir.
    pub(super) pulled: bool,
    /// Whether a workload ever ran it.
    pub(super) ran: bool,
}

impl Filter {
    /// The parameters it is read from.
    pub(super) const PARAMETERS: [&'static str; 14] = [
        "cluster",
        "namespace",
        "label",
        "repository",
        "image_status",
        "scan_status",
        "pulled",
        "ran",
        "severity",
        "fixable",
        "known_exploited",
        "layer",
        "except",
        "q",
    ];

    /// Reads the parameters it knows and leaves the others alone; whoever answers refuses those he does not know.
    ///
    /// # Errors
    /// 400 for a value that is none, or for more or longer ones than [`MOST_VALUES`] and [`MOST_BYTES`].
    pub(super) fn parse(parameters: &Parameters) -> Result<Self, Problem> {
        for name in Self::PARAMETERS {
            if parameters.all(name).count() > MOST_VALUES {
                return Err(Problem::bad_request(format!("{name}: at most {MOST_VALUES} values")));
            }
            if parameters.all(name).any(|value| value.len() > MOST_BYTES) {
                return Err(Problem::bad_request(format!("{name}: at most {MOST_BYTES} bytes")));
            }
        }
        let scan_status = |text: &str| one_of(&ScanStatus::ALL, ScanStatus::name, text);
        let severity = |text: &str| one_of(&Severity::ALL, Severity::name, text);
        let q = parameters.get("q").map(|text| text.trim().to_ascii_lowercase()).filter(|text| !text.is_empty());
        Ok(Self {
            workloads: WorkloadFilter::parse(parameters)?,
            repositories: parameters.all("repository").map(repository_name).collect(),
            statuses: words(parameters, "image_status", str::parse)?,
            scan_statuses: words(parameters, "scan_status", scan_status)?,
            pulled: choice(parameters, "pulled")?,
            ran: choice(parameters, "ran")?,
            severities: words(parameters, "severity", severity)?,
            fixable: choice(parameters, "fixable")?,
            known_exploited: choice(parameters, "known_exploited")?,
            layers: words(parameters, "layer", str::parse)?,
            except: single(words(parameters, "except", str::parse)?, "except")?.unwrap_or_default(),
            q,
        })
    }

    /// The same for lists of many images, where the number of a layer says nothing.
    ///
    /// # Errors
    /// As [`Filter::parse`], and 400 for such a number.
    pub(super) fn of_list(parameters: &Parameters) -> Result<Self, Problem> {
        let filter = Self::parse(parameters)?;
        match filter.layers.iter().find(|layer| matches!(layer, LayerChoice::Index(_))) {
            Some(_) => Err(Problem::bad_request("layer: a digest is needed where images are many")),
            None => Ok(filter),
        }
    }

    /// The same for what is not about findings: a decision on findings hides nothing there unless it is asked to.
    ///
    /// # Errors
    /// As [`Filter::of_list`].
    pub(super) fn of_facts(parameters: &Parameters) -> Result<Self, Problem> {
        let filter = Self::of_list(parameters)?;
        let except = if parameters.get("except").is_some() { filter.except } else { Except::All };
        Ok(Self { except, ..filter })
    }

    /// Whether nothing is asked beside which workloads.
    pub(super) fn is_of_any_image(&self) -> bool {
        let rest = Self { workloads: WorkloadFilter::default(), ..self.clone() };
        rest == Self { except: Except::All, ..Self::default() }
    }

    /// Whether single findings are asked for: an image is meant only if it has one of them.
    pub(super) fn is_of_findings(&self) -> bool {
        !self.severities.is_empty()
            || self.fixable.is_given()
            || self.known_exploited.is_given()
            || !self.layers.is_empty()
    }

    /// Whether an image is meant, as far as it can be told without its findings, its names and who runs it.
    pub(super) fn takes_facts(&self, facts: &ImageFacts) -> bool {
        (self.statuses.is_empty() || self.statuses.contains(&facts.status))
            && (self.scan_statuses.is_empty() || self.scan_statuses.contains(&facts.scan_status))
            && self.pulled.takes(facts.pulled)
            && self.ran.takes(facts.ran)
    }
}

/// The name of a repository as the report has it, `<upstream>/<repository>`: `nginx` is `docker.io/library/nginx`. What is no name stays
/// as it is, and names nothing.
pub(super) fn repository_name(text: &str) -> String {
    weir_scanner::exception::repository(text).unwrap_or_else(|_| text.to_owned())
}

/// Every value of a parameter that may be repeated.
pub(super) fn words<T>(
    parameters: &Parameters,
    name: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, Problem> {
    let parsed =
        parameters.all(name).map(|text| parse(text).map_err(|error| Problem::bad_request(format!("{name}: {error}"))));
    parsed.collect()
}

/// The one value of a parameter that cannot be repeated.
fn single<T>(values: Vec<T>, name: &str) -> Result<Option<T>, Problem> {
    if values.len() > 1 {
        return Err(Problem::bad_request(format!("{name}: one value is needed")));
    }
    Ok(values.into_iter().next())
}

/// A parameter that is true or false.
pub(super) fn boolean(parameters: &Parameters, name: &str) -> Result<Option<bool>, Problem> {
    Ok(truths(parameters, name)?.into_iter().next())
}

fn choice(parameters: &Parameters, name: &str) -> Result<Choice, Problem> {
    let values = truths(parameters, name)?;
    Ok(Choice { yes: values.contains(&true), no: values.contains(&false) })
}

fn truths(parameters: &Parameters, name: &str) -> Result<Vec<bool>, Problem> {
    words(parameters, name, |text| text.parse().map_err(|_| format!("expected true or false, found {text:?}")))
}
