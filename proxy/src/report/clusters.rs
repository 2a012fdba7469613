//! `clusters`, and `unresolved`: what is watched, how fresh it is, and what runs that could not be brought to an image.

use std::collections::{BTreeMap, BTreeSet};

use hyper::{Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use weir_storage::index::ClusterSource;

use super::filter::WorkloadFilter;
use super::fleet::{FleetView, running_images};
use super::list::{Page, limit};
use super::nodes::{StateCounts, counts};
use super::problem::Problem;
use super::resources::{WorkloadCursor, WorkloadName};
use super::{Parameters, Report};
use crate::auth::Caller;
use crate::clock::rfc3339;
use crate::http::{Body, empty};
use crate::workload::{Content, Freshness, ImageId};

/// One cluster.
#[derive(Serialize, JsonSchema)]
pub(super) struct ClusterItem {
    name: String,
    /// `local` where the server watches it itself, else `agent`.
    source: &'static str,
    /// `live`, `connecting` or `stale`: a cluster that is not heard of shows what was heard last.
    status: &'static str,
    synced_at: String,
    /// Seconds since then.
    age_seconds: i64,
    first_seen: String,
    kubernetes_version: Option<String>,
    agent_version: Option<String>,
    nodes: usize,
    /// How many nodes pull through weir (`through_weir`), go past it (`bypasses`), and of how many it is not known (`unknown`). Those that
    /// told a check and that the cluster does not have are among them.
    node_states: BTreeMap<&'static str, u64>,
    pods: usize,
    workloads: usize,
    namespaces: Vec<String>,
    /// Distinct images that run, by how far reading them has come.
    running_images: BTreeMap<&'static str, u64>,
    /// Distinct image ids that lead to no image.
    unresolved_image_ids: usize,
    /// What fails or is not offered.
    problems: Vec<ProblemItem>,
}

#[derive(Serialize, JsonSchema)]
struct ProblemItem {
    kind: &'static str,
    detail: String,
}

/// A container whose image could not be told.
#[derive(Serialize, JsonSchema)]
pub(super) struct UnresolvedItem {
    #[serde(flatten)]
    workload: WorkloadName,
    container: String,
    image: String,
    image_id: Option<String>,
    /// How the runtime names it: `repository_digest`, `digest`, `bare_id`, `name`, `other`.
    form: &'static str,
    /// `platform_unknown`, `platform_ambiguous`, `config_unknown`, `no_digest`.
    reason: &'static str,
    platform: Option<String>,
}

impl Report {
    pub(super) fn list_clusters(&self, parameters: &Parameters) -> Result<Page<ClusterItem>, Problem> {
        parameters.only(&["cluster", "limit", "cursor"])?;
        let (filter, limit) = (WorkloadFilter::parse(parameters)?, limit(parameters)?);
        let (view, now) = (self.fleet.view(), self.clock.now());
        let after = parameters.get("cursor");
        let states = counts(&view.nodes);
        let is_meant = |name: &str| filter.takes_cluster(name) && after.is_none_or(|after| name > after);
        let mut items: Vec<_> = (0..view.inventory.clusters.len())
            .filter(|at| is_meant(&view.inventory.clusters[*at].status.name))
            .take(limit + 1)
            .map(|at| cluster(&view, at, &states, now))
            .collect();
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| more).map(|item| item.name.clone());
        Ok(Page { items, next_cursor })
    }

    /// Forgets a cluster that is gone for good: one that is not heard of any more, and that the server does not watch itself.
    pub(super) async fn remove_cluster(
        &self,
        caller: &Caller,
        name: &str,
        parameters: &Parameters,
    ) -> Result<Response<Body>, Problem> {
        parameters.only(&[])?;
        let statuses = self.clusters.statuses(self.clock.now());
        let Some(status) = statuses.into_iter().find(|status| status.name == name) else {
            return Err(Problem::not_found(format!("the cluster {name:?}")));
        };
        let conflict = |detail: &str| Err(Problem::new(StatusCode::CONFLICT, detail));
        if self.clusters.is_watched(name) {
            return conflict("this server watches the cluster itself: set cluster.kubernetes to \"off\" first");
        }
        if status.freshness != Freshness::Stale {
            return conflict("its agent reports it: stop the agent and revoke its token first");
        }
        let name = name.to_owned();
        let removed = name.clone();
        // From here on its agent, should it come back, is asked for a new snapshot.
        let checks = self.checks.clone();
        self.index
            .run(move |index| {
                index.clusters().remove(&removed)?;
                checks.remove_cluster(&removed)
            })
            .await?;
        self.clusters.remove(&name);
        self.audit(&caller.name, "cluster.remove", &name, "").await;
        let mut response = Response::new(empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }

    pub(super) fn unresolved(&self, parameters: &Parameters) -> Result<Page<UnresolvedItem>, Problem> {
        parameters.only(&["cluster", "namespace", "label", "limit", "cursor"])?;
        let (filter, limit) = (WorkloadFilter::parse(parameters)?, limit(parameters)?);
        let after = WorkloadCursor::of(parameters)?;
        let view = self.fleet.view();
        let (mut items, mut next_cursor, mut last) = (Vec::new(), None, None);
        for (_, workload) in view.workloads().filter(|(_, workload)| filter.takes(workload)) {
            if after.as_ref().is_some_and(|after| !after.is_before(&workload.key)) {
                continue;
            }
            // A page ends between workloads, so that a cursor can name its place.
            if items.len() >= limit {
                next_cursor = last;
                break;
            }
            let before = items.len();
            for used in &workload.uses {
                let Content::Unresolved(reason) = used.content else { continue };
                items.push(UnresolvedItem {
                    workload: WorkloadName::from(&workload.key),
                    container: used.container.to_string(),
                    image: used.image.to_string(),
                    image_id: used.image_id.as_ref().map(ToString::to_string),
                    form: ImageId::parse(used.image_id.as_deref().unwrap_or_default()).form.name(),
                    reason: reason.name(),
                    platform: used.platform.as_ref().map(ToString::to_string),
                });
            }
            if items.len() > before {
                last = Some(WorkloadCursor::at(&workload.key).to_string());
            }
        }
        Ok(Page { items, next_cursor })
    }
}

fn cluster(view: &FleetView, at: usize, states: &BTreeMap<&str, StateCounts>, now: i64) -> ClusterItem {
    let cluster = &view.inventory.clusters[at];
    let status = &cluster.status;
    let images: BTreeSet<_> = cluster.workloads.iter().flat_map(running_images).collect();
    let mut running_images: BTreeMap<&'static str, u64> = BTreeMap::new();
    for image in images.iter().filter_map(|digest| view.images.get(digest)) {
        *running_images.entry(image.status().name()).or_default() += 1;
    }
    let uses = cluster.workloads.iter().flat_map(|workload| &workload.uses);
    let unresolved: BTreeSet<_> = uses
        .filter(|used| matches!(used.content, Content::Unresolved(_)))
        .map(|used| used.image_id.as_deref().unwrap_or_default())
        .collect();
    let namespaces: BTreeSet<_> = cluster.workloads.iter().map(|workload| workload.key.namespace.clone()).collect();
    ClusterItem {
        name: status.name.clone(),
        source: match status.source {
            ClusterSource::Local => "local",
            ClusterSource::Agent { .. } => "agent",
        },
        status: status.freshness.name(),
        synced_at: rfc3339(status.synced_at),
        age_seconds: (now - status.synced_at).max(0),
        first_seen: rfc3339(status.first_seen),
        kubernetes_version: status.kubernetes_version.clone(),
        agent_version: status.agent_version.clone(),
        nodes: status.nodes,
        node_states: states.get(status.name.as_str()).copied().unwrap_or_default().each().collect(),
        pods: status.pods,
        workloads: cluster.workloads.len(),
        namespaces: namespaces.into_iter().collect(),
        running_images,
        unresolved_image_ids: unresolved.len(),
        problems: status
            .problems
            .iter()
            .map(|(kind, detail)| ProblemItem { kind: kind.name(), detail: detail.clone() })
            .collect(),
    }
}
