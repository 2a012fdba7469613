//! `resources` and `images/{digest}/resources`: what runs, the images it runs, and where an image runs and ran.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use url::form_urlencoded;
use weir_scanner::finding::Severity;
use weir_scanner::image::ScanStatus;
use weir_scanner::oci::Digest;
use weir_scanner::verdict::SeverityCounts;
use weir_storage::index::{ContainerKind, Index, IndexError, LifeRecord, WorkloadKey};

use super::filter::{Filter, OF_WORKLOADS, WorkloadFilter};
use super::fleet::{FleetView, Known, Place, RunningImage, image_of, running_images};
use super::list::{Page, limit};
use super::model::{Model, Work};
use super::problem::Problem;
use super::schema::{ContainerKindName, DigestText, ScanStatusName, SeverityNumbers};
use super::{Parameters, Report};
use crate::clock::rfc3339;
use crate::workload::{Content, ImageUse, StateCounts, Workload};

/// What a workload is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub(super) struct WorkloadName {
    cluster: String,
    namespace: String,
    group: String,
    kind: String,
    name: String,
}

impl From<&WorkloadKey> for WorkloadName {
    fn from(key: &WorkloadKey) -> Self {
        let WorkloadKey { cluster, namespace, group, kind, name } = key.clone();
        Self { cluster, namespace, group, kind, name }
    }
}

/// A place in a list of workloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WorkloadCursor(WorkloadKey);

impl WorkloadCursor {
    /// The place after a workload.
    pub(super) fn at(key: &WorkloadKey) -> Self {
        Self(key.clone())
    }

    /// Whether a workload comes after this place.
    pub(super) fn is_before(&self, key: &WorkloadKey) -> bool {
        self.0 < *key
    }

    /// The place that the parameter `cursor` names, if it is there.
    pub(super) fn of(parameters: &Parameters) -> Result<Option<Self>, Problem> {
        let Some(text) = parameters.get("cursor") else { return Ok(None) };
        let parts: Vec<String> = form_urlencoded::parse(text.as_bytes()).map(|(key, _)| key.into_owned()).collect();
        match <[String; 5]>::try_from(parts) {
            Ok([cluster, namespace, group, kind, name]) => {
                // An empty part has a mark, since the form would swallow it.
                let part = |text: String| text.strip_prefix('.').map(str::to_owned);
                let parts = (part(cluster), part(namespace), part(group), part(kind), part(name));
                if let (Some(cluster), Some(namespace), Some(group), Some(kind), Some(name)) = parts {
                    return Ok(Some(Self(WorkloadKey { cluster, namespace, group, kind, name })));
                }
                Err(invalid())
            }
            Err(_) => Err(invalid()),
        }
    }
}

fn invalid() -> Problem {
    Problem::bad_request("cursor: not a cursor of a list of workloads")
}

impl fmt::Display for WorkloadCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WorkloadKey { cluster, namespace, group, kind, name } = &self.0;
        for (at, part) in [cluster, namespace, group, kind, name].into_iter().enumerate() {
            if at > 0 {
                f.write_str("&")?;
            }
            f.write_str(".")?;
            for piece in form_urlencoded::byte_serialize(part.as_bytes()) {
                f.write_str(piece)?;
            }
        }
        Ok(())
    }
}

/// One workload.
#[derive(Serialize, JsonSchema)]
pub(super) struct ResourceItem {
    #[serde(flatten)]
    workload: WorkloadName,
    /// When it was made; `null` where weir does not watch its kind.
    created_at: Option<String>,
    /// When weir first saw it run one of its images.
    first_seen: Option<String>,
    labels: BTreeMap<String, String>,
    pods: u32,
    /// What its containers run.
    images: Vec<UseItem>,
    /// Findings by severity over its running images: package times vulnerability, without those that an exception covers here. `null`
    /// where none of them was judged.
    #[schemars(with = "Option<SeverityNumbers>")]
    findings: Option<SeverityCounts>,
    /// How many of them a newer version fixes.
    fixable: Option<u64>,
}

/// One use of an image.
#[derive(Serialize, JsonSchema)]
struct UseItem {
    container: String,
    #[schemars(with = "ContainerKindName")]
    kind: ContainerKind,
    /// As the specification names it.
    image: String,
    /// As the runtime names it.
    image_id: Option<String>,
    platform: Option<String>,
    /// The image: its manifest's digest, or that by which it is still to be fetched.
    #[schemars(with = "Option<DigestText>")]
    digest: Option<Digest>,
    /// The repository the runtime has it from, where that is another than the specification's.
    served_as: Option<String>,
    states: States,
    /// `null` where the runtime has not named the image yet, or it leads to none.
    #[schemars(with = "Option<ScanStatusName>")]
    scan_status: Option<ScanStatus>,
    /// Why there is no image, or why weir could not fetch it.
    reason: Option<&'static str>,
    detail: Option<String>,
    /// Distinct vulnerabilities by severity, without those that an exception covers here; `null` until the image was read and matched.
    #[schemars(with = "Option<SeverityNumbers>")]
    vulnerabilities: Option<SeverityCounts>,
    fixable: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct States {
    running: u32,
    waiting: u32,
    completed: u32,
    mounted: u32,
}

impl From<StateCounts> for States {
    fn from(counts: StateCounts) -> Self {
        let StateCounts { running, waiting, completed, mounted } = counts;
        Self { running, waiting, completed, mounted }
    }
}

/// Where an image runs or ran.
#[derive(Serialize, JsonSchema)]
pub(super) struct AffectedItem {
    #[serde(flatten)]
    workload: WorkloadName,
    /// Whether it runs there now.
    running: bool,
    /// When the workload was made, where it is still there.
    created_at: Option<String>,
    /// When weir first saw the image there.
    first_seen: Option<String>,
    /// When it was last seen there: now, where it runs.
    last_seen: Option<String>,
    pods: Option<u32>,
    containers: Vec<ContainerItem>,
}

#[derive(Serialize, JsonSchema)]
struct ContainerItem {
    container: String,
    #[schemars(with = "ContainerKindName")]
    kind: ContainerKind,
    image: String,
    served_as: Option<String>,
    states: States,
}

impl Report {
    pub(super) async fn resources(&self, parameters: &Parameters) -> Result<Page<ResourceItem>, Problem> {
        let known = [&Filter::PARAMETERS[..], &["limit", "cursor"]].concat();
        parameters.only(&known)?;
        let (filter, limit) = (Filter::of_facts(parameters)?, limit(parameters)?);
        let after = WorkloadCursor::of(parameters)?;
        let model = self.model();
        let load = move |index: &Index| -> Result<_, IndexError> {
            let meant = (!filter.is_of_any_image()).then(|| model.meant(&filter));
            let takes_images = |workload: &Workload| {
                meant.as_ref().is_none_or(|meant| running_images(workload).any(|digest| meant.contains(&digest)))
            };
            let (mut items, mut next_cursor, mut last) = (Vec::new(), None, None);
            for (place, workload) in model.view().workloads() {
                let is_after = after.as_ref().is_none_or(|after| after.is_before(&workload.key));
                if !is_after || !filter.workloads.takes(workload) || !takes_images(workload) {
                    continue;
                }
                if items.len() == limit {
                    next_cursor = last;
                    break;
                }
                items.push(resource(index, &model, place, workload)?);
                last = Some(WorkloadCursor::at(&workload.key).to_string());
            }
            Ok(Page { items, next_cursor })
        };
        Ok(self.index.run(load).await?)
    }

    pub(super) async fn image_resources(
        &self,
        digest: Digest,
        parameters: &Parameters,
    ) -> Result<Page<AffectedItem>, Problem> {
        let known = [&OF_WORKLOADS[..], &["platform", "limit", "cursor"]].concat();
        parameters.only(&known)?;
        let (filter, limit) = (WorkloadFilter::parse(parameters)?, limit(parameters)?);
        let after = WorkloadCursor::of(parameters)?;
        let platform = parameters.get("platform").map(str::parse::<weir_scanner::oci::Platform>).transpose();
        let platform = platform.map_err(|error| Problem::bad_request(format!("platform: {error}")))?;
        let view = self.fleet.view();
        let load = move |index: &Index| -> Result<_, IndexError> {
            let mut digests: BTreeSet<Digest> = BTreeSet::new();
            for target in index.aliases().resolve(&digest)? {
                let known = target.platform.or(index.images().get(&target.manifest)?.and_then(|image| image.platform));
                if platform.as_ref().is_none_or(|wanted| known.as_ref() == Some(wanted)) {
                    digests.insert(target.manifest);
                }
            }
            digests.insert(digest);
            let affected = affected(index, &view, &digests, &filter)?;
            if affected.is_empty() && digests.len() == 1 && index.aliases().kind(&digest)?.is_none() {
                return Ok(None);
            }
            let mut rest =
                affected.into_iter().filter(|(key, _)| after.as_ref().is_none_or(|after| after.is_before(key)));
            let (mut items, mut last) = (Vec::new(), None);
            for (key, item) in rest.by_ref().take(limit) {
                last = Some(WorkloadCursor::at(&key).to_string());
                items.push(item);
            }
            let next_cursor = if rest.next().is_some() { last } else { None };
            Ok(Some(Page { items, next_cursor }))
        };
        self.index.run(load).await?.ok_or_else(|| Problem::not_found(digest))
    }
}

fn resource(index: &Index, model: &Model, place: Place, workload: &Workload) -> Result<ResourceItem, IndexError> {
    let mut first_seen: Option<i64> = None;
    let mut work: Option<Work> = None;
    for digest in running_images(workload) {
        if let Some(life) = index.life().get(&workload.key, &digest)? {
            first_seen = Some(first_seen.map_or(life.first_seen, |first| first.min(life.first_seen)));
        }
        if let Some(found) = model.work_at(&digest, place) {
            work.get_or_insert_default().add(&found);
        }
    }
    let (mut findings, mut fixable) = (SeverityCounts::default(), 0);
    let counts = work.unwrap_or_default().counts;
    for severity in Severity::ALL {
        fixable += counts.of(severity, true);
        findings.add(severity, counts.of(severity, true) + counts.of(severity, false));
    }
    Ok(ResourceItem {
        workload: WorkloadName::from(&workload.key),
        created_at: workload.created_at.map(rfc3339),
        first_seen: first_seen.map(rfc3339),
        labels: workload.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        pods: workload.pods,
        images: workload.uses.iter().map(|used| use_item(model, place, used)).collect(),
        findings: work.is_some().then_some(findings),
        fixable: work.is_some().then_some(fixable),
    })
}

fn use_item(model: &Model, place: Place, used: &ImageUse) -> UseItem {
    let digest = image_of(used);
    let image = digest.and_then(|digest| model.view().images.get(&digest));
    let counts = digest.and_then(|digest| model.counts_at(&digest, place));
    // What the index has by now goes before what the view of the fleet knew of it.
    let row = digest.and_then(|digest| model.catalog().image(&digest).cloned());
    let (reason, detail) = match (&used.content, image.map(|image| &image.known)) {
        (Content::Unresolved(reason), _) => (Some(reason.name()), None),
        (_, Some(Known::Unseen(Some(state)))) if row.is_none() => {
            (state.reason.map(|reason| reason.name()), (!state.detail.is_empty()).then(|| state.detail.clone()))
        }
        _ => (None, None),
    };
    UseItem {
        container: used.container.to_string(),
        kind: used.kind,
        image: used.image.to_string(),
        image_id: used.image_id.as_ref().map(ToString::to_string),
        platform: used.platform.as_ref().map(ToString::to_string),
        digest,
        served_as: used.served_as(),
        states: used.states.into(),
        scan_status: row.map(|row| row.status).or_else(|| image.map(RunningImage::status)),
        reason,
        detail,
        vulnerabilities: counts.as_ref().map(|counts| counts.vulnerabilities),
        fixable: counts.as_ref().map(|counts| counts.fixable),
    }
}

/// Where any of some digests runs, and where they ran.
fn affected(
    index: &Index,
    view: &FleetView,
    digests: &BTreeSet<Digest>,
    filter: &WorkloadFilter,
) -> Result<BTreeMap<WorkloadKey, AffectedItem>, IndexError> {
    let mut items: BTreeMap<WorkloadKey, AffectedItem> = BTreeMap::new();
    let mut lives: BTreeMap<WorkloadKey, LifeRecord> = BTreeMap::new();
    for digest in digests {
        for row in index.life().of_image(digest) {
            let (key, life) = row?;
            let known = lives.entry(key).or_insert(life);
            known.first_seen = known.first_seen.min(life.first_seen);
            known.last_seen = known.last_seen.max(life.last_seen);
        }
    }
    let places: BTreeSet<_> =
        digests.iter().filter_map(|digest| view.images.get(digest)).flat_map(|image| &image.users).collect();
    for place in places {
        let workload = view.workload(*place);
        if !filter.takes(workload) {
            continue;
        }
        let uses = workload.uses.iter().filter(|used| image_of(used).is_some_and(|digest| digests.contains(&digest)));
        let containers = uses.map(|used| ContainerItem {
            container: used.container.to_string(),
            kind: used.kind,
            image: used.image.to_string(),
            served_as: used.served_as(),
            states: used.states.into(),
        });
        let item = AffectedItem {
            workload: WorkloadName::from(&workload.key),
            running: true,
            created_at: workload.created_at.map(rfc3339),
            first_seen: lives.get(&workload.key).map(|life| rfc3339(life.first_seen)),
            last_seen: Some(rfc3339(view.inventory.at)),
            pods: Some(workload.pods),
            containers: containers.collect(),
        };
        items.insert(workload.key.clone(), item);
    }
    for (key, life) in lives {
        // What is gone has no labels to ask for.
        if items.contains_key(&key) || filter.has_labels() || !filter.takes_place(&key) {
            continue;
        }
        let item = AffectedItem {
            workload: WorkloadName::from(&key),
            running: false,
            created_at: None,
            first_seen: Some(rfc3339(life.first_seen)),
            last_seen: Some(rfc3339(life.last_seen)),
            pods: None,
            containers: Vec::new(),
        };
        items.insert(key, item);
    }
    Ok(items)
}
