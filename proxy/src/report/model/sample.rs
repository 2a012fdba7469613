//! Small models for tests.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use weir_scanner::exception::{Exception, Kind, Rules, Scope, Target};
use weir_scanner::finding::Severity;
use weir_scanner::image::ScanStatus;
use weir_scanner::oci::Digest;
use weir_storage::index::{ContainerKind, WorkloadKey};

use super::catalog::Catalog;
use super::finding::{FindingParts, Found};
use super::row::ImageRow;
use super::texts::{Package, Repository, Texts, Vulnerability};
use super::{Model, ModelParts, Settings};
use crate::report::fleet::{FleetView, Known, RunningImage, running_images};
use crate::workload::{
    ClusterInventory, ClusterStatus, Content, Freshness, ImageUse, Inventory, StateCounts, Unresolved, Workload,
};

/// The time of every sample.
pub(in crate::report) const NOW: i64 = 1_000_000;

/// A finding of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::report) struct SampleFinding {
    /// The number in its id; its alias ends on the same.
    pub(in crate::report) vulnerability: usize,
    pub(in crate::report) package: usize,
    pub(in crate::report) severity: Severity,
    pub(in crate::report) layer: u32,
    pub(in crate::report) fixable: bool,
    pub(in crate::report) covered: bool,
    pub(in crate::report) first_seen: i64,
}

/// An image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::report) struct SampleImage {
    pub(in crate::report) repositories: Vec<usize>,
    pub(in crate::report) tag: Option<String>,
    pub(in crate::report) first_seen: i64,
    pub(in crate::report) last_pulled: Option<i64>,
    pub(in crate::report) last_run: Option<i64>,
    /// `None` where it was not read.
    pub(in crate::report) findings: Option<Vec<SampleFinding>>,
}

/// A workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::report) struct SampleUser {
    pub(in crate::report) cluster: usize,
    pub(in crate::report) namespace: String,
    pub(in crate::report) labels: Vec<(String, String)>,
    /// The images it uses and whether each runs; `None` for one that leads nowhere.
    pub(in crate::report) uses: Vec<(Option<usize>, bool)>,
}

/// A model's parts.
#[derive(Clone, Debug, Default)]
pub(in crate::report) struct Sample {
    pub(in crate::report) images: Vec<SampleImage>,
    pub(in crate::report) clusters: usize,
    pub(in crate::report) users: Vec<SampleUser>,
    pub(in crate::report) exceptions: Vec<Exception>,
    /// Vulnerabilities that are known to be exploited.
    pub(in crate::report) exploited: Vec<usize>,
}

/// The digest of an image by its number.
pub(in crate::report) fn digest(number: usize) -> Digest {
    Digest::of(&number.to_le_bytes())
}

/// The digest of a layer by its number.
pub(in crate::report) fn layer(number: u32) -> Digest {
    Digest::of(&[b'l', number as u8])
}

/// The id of a vulnerability.
pub(in crate::report) fn id(number: usize) -> String {
    format!("CVE-2026-{number:04}")
}

/// The name of a repository.
pub(in crate::report) fn repository(number: usize) -> String {
    format!("docker.io/team/app-{number}")
}

/// The package URL of a package.
pub(in crate::report) fn purl(number: usize) -> String {
    format!("pkg:deb/debian/lib-{number}@1.0?arch=amd64")
}

/// An exception that holds, of a vulnerability or, without one, of a repository.
pub(in crate::report) fn exception(number: usize, vulnerability: Option<usize>, scope: Scope) -> Exception {
    Exception {
        id: format!("e-{number}"),
        target: if vulnerability.is_some() { Target::Vulnerability } else { Target::Repository },
        kind: Kind::AcceptedRisk,
        vulnerability: vulnerability.map(id).into_iter().collect(),
        scope,
        justification: None,
        reason: "as it is".to_owned(),
        created_by: "test".to_owned(),
        created_at: 0,
        expires_at: None,
        expire_on_fix: false,
        cancelled: None,
        document: None,
    }
}

impl Sample {
    /// The model these make, at [`NOW`].
    pub(in crate::report) fn model(&self) -> Model {
        let mut texts = Texts::default();
        let rows: Vec<Arc<ImageRow>> = self
            .images
            .iter()
            .enumerate()
            .map(|(number, image)| Arc::new(self.row(&mut texts, number, image)))
            .collect();
        self.tags(&mut texts);
        let view = self.view(&rows);
        let catalog = Catalog::of(rows, &texts, true);
        let due = [(Severity::Critical, Duration::from_secs(100)), (Severity::High, Duration::from_secs(1000))];
        let parts = ModelParts {
            catalog: Arc::new(catalog),
            view: Arc::new(view),
            rules: Arc::new(Rules::new(self.exceptions.clone())),
            unseen: Vec::new(),
            repositories: Arc::clone(&texts.repositories.all),
            settings: Settings { due: Arc::new(due.into()), idle_seconds: 1000 },
            now: NOW,
        };
        Model::new(parts, &Model::default())
    }

    fn row(&self, texts: &mut Texts, number: usize, image: &SampleImage) -> ImageRow {
        let found = image.findings.as_ref().map(|findings| {
            let parts = findings.iter().map(|finding| {
                let (name, package) = (id(finding.vulnerability), purl(finding.package));
                let is_exploited = self.exploited.contains(&finding.vulnerability);
                let alias = format!("GHSA-{:04}", finding.vulnerability).into();
                let known = Vulnerability { is_exploited, ..Vulnerability::new(&name, vec![alias], "a hole") };
                FindingParts {
                    vulnerability: texts.vulnerabilities.number(&*name, || Arc::new(known)),
                    package: texts.packages.number(&*package, || Arc::new(Package::new(&package))),
                    fixed: finding.fixable.then(|| texts.versions.number("2.0", || "2.0".into())),
                    first_seen: finding.first_seen,
                    layer: finding.layer,
                    severity: finding.severity,
                    cvss: Some(finding.severity as u8 as f64 * 1.5),
                    is_fixable: finding.fixable,
                    is_covered: finding.covered,
                    is_exploited,
                }
            });
            Found::new(parts.collect())
        });
        ImageRow {
            digest: digest(number),
            status: if found.is_some() { ScanStatus::Complete } else { ScanStatus::Queued },
            reasons: Box::default(),
            unseen: None,
            named_as: None,
            platform: "linux/amd64".parse().ok(),
            repositories: image.repositories.iter().map(|number| texts.repository(&repository(*number))).collect(),
            parents: Box::default(),
            config: texts.blob(&digest(number)),
            // Every image has the same three layers, the last of which is its own.
            layers: [layer(0), layer(1), layer(2 + number as u32)].iter().map(|layer| texts.blob(layer)).collect(),
            first_seen: image.first_seen,
            last_pulled: image.last_pulled,
            last_run: image.last_run,
            matched_at: found.as_ref().map(|_| image.first_seen),
            found,
        }
    }

    fn tags(&self, texts: &mut Texts) {
        for (number, image) in self.images.iter().enumerate() {
            for name in &image.repositories {
                let known = texts.repository(&repository(*name)) as usize;
                let all = Arc::make_mut(&mut texts.repositories.all);
                let mut tags = all[known].tags.clone();
                tags.entry(digest(number)).or_default().extend(image.tag.as_deref().map(Into::into));
                all[known] = Arc::new(Repository { tags, name: all[known].name.clone() });
            }
        }
    }

    fn view(&self, rows: &[Arc<ImageRow>]) -> FleetView {
        let mut workloads: Vec<Vec<Workload>> = vec![Vec::new(); self.clusters];
        for (number, user) in self.users.iter().enumerate() {
            workloads[user.cluster].push(workload(number, user));
        }
        let mut images: HashMap<Digest, RunningImage> = HashMap::new();
        for (cluster, workloads) in workloads.iter().enumerate() {
            for (index, workload) in workloads.iter().enumerate() {
                for digest in running_images(workload) {
                    let row = rows.iter().find(|row| row.digest == digest).unwrap();
                    let known = Known::Seen(Arc::clone(row));
                    let image = RunningImage { known, users: Vec::new(), first_seen: 0 };
                    images.entry(digest).or_insert(image).users.push((cluster, index));
                }
            }
        }
        let inventory = |(number, workloads): (usize, Vec<Workload>)| ClusterInventory {
            status: cluster(&format!("cluster-{number:03}")),
            workloads: Arc::new(workloads),
            nodes: Arc::default(),
        };
        let clusters = workloads.into_iter().enumerate().map(inventory).collect();
        FleetView { inventory: Inventory { clusters, at: NOW, ..Inventory::default() }, images, nodes: Vec::new() }
    }
}

/// A cluster that the server watches itself.
pub(in crate::report) fn cluster(name: &str) -> ClusterStatus {
    ClusterStatus { first_seen: 0, ..ClusterStatus::sample(name, Freshness::Live, NOW) }
}

fn workload(number: usize, user: &SampleUser) -> Workload {
    let used = |(image, active): &(Option<usize>, bool)| ImageUse {
        container: "app".into(),
        kind: ContainerKind::Container,
        image: "team/app:1".into(),
        image_id: Some(Digest::of(b"config").to_string().into()),
        platform: None,
        states: StateCounts::default(),
        active: *active,
        content: image.map_or(Content::Unresolved(Unresolved::ConfigUnknown), |image| Content::Image(digest(image))),
    };
    Workload {
        key: WorkloadKey {
            cluster: format!("cluster-{:03}", user.cluster),
            namespace: user.namespace.clone(),
            group: "apps".to_owned(),
            kind: "Deployment".to_owned(),
            name: format!("web-{number}"),
        },
        created_at: None,
        labels: user.labels.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect(),
        pods: 1,
        uses: user.uses.iter().map(used).collect(),
    }
}
