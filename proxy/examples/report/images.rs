//! Stores the images of a plan as weir would have: rows, manifests, tags, inventories, and what each matching found, in the order of time.

use std::path::Path;

use fastrand::Rng;
use weir_scanner::advisory::Feed;
use weir_scanner::detect::DetectorSet;
use weir_scanner::finding::{Finding, ImageFindings, MATCHER_VERSION, Rematched, Severity};
use weir_scanner::image::{Base, ImageInventory, ImagePackage, ImageReason, ScanStatus};
use weir_scanner::layer::{Reason, ReasonCode};
use weir_scanner::oci::{Digest, HistoryEntry, MediaType, Tag};
use weir_storage::index::{
    ChildKind, ChildLink, ImageLayer, ImageRecord, Index, InventoryRecord, ManifestPut, Matching,
};

use crate::catalogue::{Catalogue, Vulnerability};
use crate::plan::{DAY, Image, Plan, REGISTRY};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// One image in so many was matched again with other advisories.
const AGAIN: usize = 3;
/// The stamp of the matching rules that stored images were prepared for; without it, weir matches all of them anew.
const MATCHER_STAMP: &str = "matcher";

/// Stores images of a plan. `fingerprint` is that of this version's detectors, so that nothing is read again.
pub(crate) struct Store<'a> {
    pub(crate) index: &'a Index,
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) plan: &'a Plan,
    fingerprint: String,
    now: i64,
}

impl<'a> Store<'a> {
    pub(crate) fn new(index: &'a Index, catalogue: &'a Catalogue, plan: &'a Plan, now: i64) -> Self {
        Self { index, catalogue, plan, fingerprint: DetectorSet::standard().fingerprint().to_owned(), now }
    }

    /// Stores everything.
    pub(crate) fn run(&self) {
        self.index.stamps().put(MATCHER_STAMP, i64::from(MATCHER_VERSION), b"").unwrap();
        let mut random = Rng::with_seed(11);
        // What happened when: events are numbered as they are written.
        let mut matchings: Vec<(i64, usize, bool)> = Vec::new();
        for (number, image) in self.plan.images.iter().enumerate() {
            let seen = self.plan.teams[image.team].releases[image.release].at;
            self.put(image, seen, &mut random);
            if image.is_matched() {
                let again =
                    number.is_multiple_of(AGAIN).then(|| random.i64((self.now - 60 * DAY).max(seen) + 1..self.now));
                matchings.push((seen + 60, number, again.is_none()));
                matchings.extend(again.map(|at| (at, number, true)));
            }
        }
        matchings.sort_unstable();
        for (at, number, is_last) in matchings {
            self.find(&self.plan.images[number], at, is_last);
        }
        self.index.sync().unwrap();
    }

    /// The layers of an image: its base's, then its own.
    pub(crate) fn layers(&self, image: &Image) -> Vec<Digest> {
        let team = &self.plan.teams[image.team];
        let base = &self.plan.bases[team.base];
        let name = |layer: u32| {
            if layer < base.layers {
                format!("layer {layer} of {} {}", base.name, image.platform)
            } else {
                // The upper ones are new with every release.
                let release = if layer * 2 > team.layers { image.release } else { 0 };
                format!("layer {layer} of {:?} {} {release}", team.repository.to_string(), image.platform)
            }
        };
        (0..team.layers).map(|layer| Digest::of(name(layer).as_bytes())).collect()
    }

    fn put(&self, image: &Image, seen: i64, random: &mut Rng) {
        let team = &self.plan.teams[image.team];
        let (layers, base) = (self.layers(image), &self.plan.bases[team.base]);
        let config = Digest::of(format!("config of {}", image.digest).as_bytes());
        let reasons = reasons(image.status);
        let has_inventory = image.is_matched();
        let used = random.i64(seen..self.now).min(seen + 20 * DAY);
        let record = ImageRecord {
            status: image.status,
            reasons: reasons.clone(),
            platform: has_inventory.then(|| image.platform.clone()),
            config,
            layers: layers.iter().enumerate().map(|(at, digest)| layer(*digest, at)).collect(),
            history: layers.iter().enumerate().map(|(at, _)| step(at, base.layers as usize, &base.name)).collect(),
            base: Some(Base {
                name: Some(base.name.clone()),
                digest: Some(Digest::of(base.name.as_bytes())),
                layers: Some(base.layers),
            }),
            names: vec![(REGISTRY.into(), team.repository.clone())],
            access_restricted: false,
            first_seen: seen,
            last_pulled: (random.u8(..10) > 0).then_some(used),
            inventory_fingerprint: (image.status != ScanStatus::Queued).then(|| self.fingerprint.clone()),
            matched_at: has_inventory.then_some(seen + 60),
        };
        self.put_manifests(image, config, &layers, seen);
        if has_inventory {
            let packages = image.packages.iter().map(|(package, version, layer)| {
                let (package, purl) = self.catalogue.package(*package, *version, &base.distribution);
                ImagePackage { package, purl, layer: *layer, paths: vec!["var/lib/dpkg/status".into()], owner: None }
            });
            let inventory = ImageInventory {
                status: image.status,
                reasons,
                distribution: Some(base.distribution.clone()),
                channels: Vec::new(),
                packages: packages.collect(),
                risks: Vec::new(),
            };
            let fingerprint = self.fingerprint.clone();
            self.index.inventories().put(&image.digest, &InventoryRecord { fingerprint, inventory }).unwrap();
        }
        self.index.images().put(&image.digest, record).unwrap();
    }

    /// The image's manifest, and with its release's last image the index; each tag leads to what the release is.
    fn put_manifests(&self, image: &Image, config: Digest, layers: &[Digest], now: i64) {
        let team = &self.plan.teams[image.team];
        let release = &team.releases[image.release];
        let child =
            |digest, kind| ChildLink { digest, kind, platform: None, size: 1, media_type: MediaType::new(LAYER) };
        let of_layers = layers.iter().map(|digest| child(*digest, ChildKind::Layer));
        let children: Vec<ChildLink> = std::iter::once(child(config, ChildKind::Config)).chain(of_layers).collect();
        let mut tags = vec![Tag::parse(&format!("1.{}.0", image.release)).unwrap()];
        if image.release + 1 == team.releases.len() {
            tags.extend(["latest", "main"].map(|tag| Tag::parse(tag).unwrap()));
        }
        let put = |digest, media_type: &str, tag, children: Vec<ChildLink>| {
            let put = ManifestPut {
                upstream: REGISTRY.into(),
                repository: team.repository.clone(),
                digest,
                media_type: MediaType::new(media_type),
                bytes: b"{}".to_vec(),
                tag,
                children,
                link_children: true,
                now,
            };
            self.index.manifests().put(put).unwrap();
        };
        let Some(index) = release.index else {
            tags.into_iter().for_each(|tag| put(image.digest, MediaType::OCI_MANIFEST, Some(tag), children.clone()));
            return;
        };
        put(image.digest, MediaType::OCI_MANIFEST, None, children);
        let images = release.images.iter().map(|at| &self.plan.images[*at]);
        let of_index = |image: &Image| ChildLink {
            platform: Some(image.platform.clone()),
            ..child(image.digest, ChildKind::Manifest)
        };
        let of_index: Vec<ChildLink> = images.map(of_index).collect();
        tags.into_iter().for_each(|tag| put(index, MediaType::OCI_INDEX, Some(tag), of_index.clone()));
    }

    /// Matches an image at a time; the last time gives what it has now, an earlier one a little less and something that closed since.
    fn find(&self, image: &Image, at: i64, is_last: bool) {
        let base = &self.plan.bases[self.plan.teams[image.team].base];
        let mut findings: Vec<Finding> = Vec::new();
        for (package, version, layer) in &image.packages {
            let (_, purl) = self.catalogue.package(*package, *version, &base.distribution);
            findings.extend(self.catalogue.findings(*package, *version, &purl, *layer));
        }
        let score = |finding: &Finding| finding.cvss.as_ref().map_or(0.0, |cvss| cvss.score);
        findings.sort_by(|a, b| {
            b.severity
                .cmp(&a.severity)
                .then(score(b).total_cmp(&score(a)))
                .then_with(|| (&a.id, &a.package).cmp(&(&b.id, &b.package)))
        });
        if !is_last {
            earlier(&mut findings);
        }
        let inventory = self.index.inventories().get(&image.digest).unwrap().unwrap().inventory;
        let matching = Matching { at, by: format!("{}/{MATCHER_VERSION}", self.fingerprint), inventory: &inventory };
        let feeds = vec![Feed {
            ecosystem: base.distribution.ecosystem().unwrap(),
            records: 40_000,
            as_of: Some(at - DAY),
            fetched_at: at,
        }];
        let found = ImageFindings { findings, feeds, ..ImageFindings::default() };
        let rematch = |earlier: Option<ImageFindings>| {
            let before = earlier.map(|earlier| earlier.findings).unwrap_or_default();
            Ok(Rematched { before, found, ..Rematched::default() })
        };
        self.index.findings().update(&image.digest, matching, rematch).unwrap();
        self.index
            .images()
            .update(&image.digest, |old| Some(ImageRecord { matched_at: Some(at), ..old?.clone() }))
            .unwrap();
    }
}

/// Makes of what is found today what was found some weeks ago.
fn earlier(findings: &mut Vec<Finding>) {
    let closed =
        findings.first().map(|first| Finding { id: format!("{}0", first.id), aliases: Vec::new(), ..first.clone() });
    let mut at = 0;
    findings.retain(|_| {
        at += 1;
        at % 30 != 0
    });
    for finding in findings.iter_mut().skip(7).step_by(60) {
        finding.severity = Severity::Unknown;
    }
    findings.extend(closed);
}

fn reasons(status: ScanStatus) -> Vec<ImageReason> {
    let (code, detail) = match status {
        ScanStatus::Partial => (ReasonCode::UnreadDatabase, "an RPM database of a format that is not read"),
        ScanStatus::Failed => (ReasonCode::DecodeFailed, "the compressed stream ends early"),
        ScanStatus::Unsupported => (ReasonCode::UnsupportedMediaType, "application/vnd.example.model"),
        _ => return Vec::new(),
    };
    vec![ImageReason { layer: Some(0), reason: Reason::new(code, detail) }]
}

fn layer(digest: Digest, at: usize) -> ImageLayer {
    let diff_id = Some(Digest::of(format!("files of {digest}").as_bytes()));
    ImageLayer { digest, size: 3_000_000 + 700_000 * at as u64, media_type: MediaType::new(LAYER), diff_id }
}

fn step(at: usize, of_base: usize, base: &str) -> HistoryEntry {
    let command = match at {
        0 => format!("/bin/sh -c #(nop) ADD file:4eedf861fb567fffb2694b65ebdd58d5e371a2c28c3863f363f333cb34e5eb7b in / # {base}"),
        at if at < of_base => "RUN /bin/sh -c set -eux; apt-get update; apt-get install -y --no-install-recommends ca-certificates curl netbase tzdata; rm -rf /var/lib/apt/lists/* # buildkit".into(),
        at => format!("COPY --chown=65532:65532 /workspace/build/stage-{at}/ /opt/application/stage-{at}/ # buildkit"),
    };
    HistoryEntry { created: Some("2025-11-04T00:00:00Z".into()), created_by: Some(command), empty_layer: false }
}

/// Writes the list of exploited vulnerabilities and the likelihood of exploitation, as their publishers have them.
pub(crate) fn write_feeds(folder: &Path, catalogue: &Catalogue) {
    let (mut exploited, mut scores) = (
        Vec::new(),
        String::from("#model_version:v2025.03.14,score_date:2026-11-01T00:00:00+0000\ncve,epss,percentile\n"),
    );
    for (number, vulnerability) in
        catalogue.vulnerabilities.iter().enumerate().filter(|(_, known)| known.id.starts_with("CVE-"))
    {
        if Vulnerability::is_exploited(number) {
            exploited.push(serde_json::json!({ "cveID": vulnerability.id, "dateAdded": "2025-05-01", "dueDate": "2025-05-22",
                "knownRansomwareCampaignUse": "Unknown", "vulnerabilityName": "Example Application Code Injection Vulnerability" }));
        }
        let score = (number * 7919 % 10_007) as f64 / 10_007.0;
        scores += &format!("{},{:.5},{score:.5}\n", vulnerability.id, score.powi(6));
    }
    let list = serde_json::json!({ "dateReleased": "2026-11-01T00:00:00Z", "vulnerabilities": exploited });
    std::fs::write(folder.join("kev.json"), list.to_string()).unwrap();
    std::fs::write(folder.join("epss.csv"), scores).unwrap();
}
