//! Which images there are: repositories with their releases, what each holds, and since when.
//!
//! Owns the shape of the fleet and nothing of its storage. A repository is built on one of a few bases and gets better with time: its
//! later releases have newer versions of the same packages. Sizes are skewed as real ones are, and scaled until the fleet has as many
//! findings as it should.

use fastrand::Rng;
use weir_scanner::image::ScanStatus;
use weir_scanner::oci::{Digest, Platform, Repository};
use weir_scanner::package::{Distribution, PackageType};

use crate::catalogue::{Catalogue, VERSIONS};

/// The registry everything comes from; no upstream of weir's is called so, and nothing is fetched.
pub(crate) const REGISTRY: &str = "registry.example";
pub(crate) const DAY: i64 = 86_400;

const BASES: usize = 40;
/// Images of a repository, on average.
const PER_REPOSITORY: usize = 8;
/// The part of an image's findings that its base brings, of the average.
const OF_BASE: f64 = 0.65;
const SYSTEMS: [(&str, &str, PackageType); 5] = [
    ("debian", "12", PackageType::Deb),
    ("debian", "12", PackageType::Deb),
    ("debian", "12", PackageType::Deb),
    ("almalinux", "9.3", PackageType::Rpm),
    ("alpine", "3.18.4", PackageType::Apk),
];
const LANGUAGES: [PackageType; 4] = [PackageType::Npm, PackageType::Pypi, PackageType::Golang, PackageType::Maven];
const SUBJECTS: [&str; 12] = [
    "checkout", "catalog", "search", "billing", "identity", "mail", "media", "ledger", "fraud", "orders", "stock",
    "gateway",
];

/// A package of an image: which, in which version, of which layer.
pub(crate) type Held = (usize, usize, u32);

/// What images are built on.
pub(crate) struct Base {
    pub(crate) name: String,
    pub(crate) distribution: Distribution,
    pub(crate) layers: u32,
    packages: Vec<usize>,
}

/// A repository.
pub(crate) struct Team {
    pub(crate) repository: Repository,
    pub(crate) base: usize,
    pub(crate) layers: u32,
    /// Its releases, oldest first, each with its images' places in the plan.
    pub(crate) releases: Vec<Release>,
}

/// What one tag leads to.
pub(crate) struct Release {
    pub(crate) at: i64,
    /// The index, where it has several images.
    pub(crate) index: Option<Digest>,
    pub(crate) images: Vec<usize>,
}

/// One image.
pub(crate) struct Image {
    pub(crate) digest: Digest,
    pub(crate) team: usize,
    pub(crate) release: usize,
    pub(crate) platform: Platform,
    pub(crate) status: ScanStatus,
    pub(crate) packages: Vec<Held>,
}

/// The whole fleet.
pub(crate) struct Plan {
    pub(crate) bases: Vec<Base>,
    pub(crate) teams: Vec<Team>,
    pub(crate) images: Vec<Image>,
}

impl Plan {
    /// A plan of `images` with some `findings` altogether, as of `now` (seconds since the epoch).
    pub(crate) fn new(catalogue: &Catalogue, seed: u64, (images, findings): (usize, usize), now: i64) -> Self {
        let mut average = findings as f64 / images as f64;
        let mut plan = Self::of_average(catalogue, seed, (images, average), now);
        // What is chosen in whole packages misses the average, by less each time.
        for _ in 0..5 {
            average *= findings as f64 / plan.findings(catalogue) as f64;
            plan = Self::of_average(catalogue, seed, (images, average), now);
        }
        plan
    }

    /// How many findings there are.
    pub(crate) fn findings(&self, catalogue: &Catalogue) -> usize {
        let matched = self.images.iter().filter(|image| image.is_matched());
        let held = matched.flat_map(|image| &image.packages);
        held.map(|(package, version, _)| catalogue.count(*package, *version)).sum()
    }

    fn of_average(catalogue: &Catalogue, seed: u64, (count, average): (usize, f64), now: i64) -> Self {
        let mut random = Rng::with_seed(seed);
        let bases: Vec<Base> =
            (0..BASES).map(|number| base(&mut random, catalogue, number, average * OF_BASE)).collect();
        let mut plan = Self { bases, teams: Vec::new(), images: Vec::with_capacity(count) };
        while plan.images.len() < count {
            plan.add_team(&mut random, catalogue, (count, average * (1.0 - OF_BASE)), now);
        }
        plan
    }

    fn add_team(&mut self, random: &mut Rng, catalogue: &Catalogue, (count, average): (usize, f64), now: i64) {
        let number = self.teams.len();
        let (place, kind) = (random.f64(), LANGUAGES[random.usize(..LANGUAGES.len())]);
        // Few bases have most of the repositories.
        let base = (place * place * BASES as f64) as usize;
        let wanted = exponential(random) * average;
        let packages = choose(&mut random.fork(), catalogue, kind, wanted);
        let releases = 1 + (exponential(random) * (PER_REPOSITORY - 1) as f64 / 1.6) as usize;
        let platforms = if random.u8(..10) < 3 { &["amd64", "arm64"][..] } else { &["amd64"] };
        let born = now - DAY * random.i64(10..420);
        let name = format!(
            "{}-{}/{}-{number}",
            ["team", "shop", "core"][number % 3],
            number % 60,
            SUBJECTS[number % SUBJECTS.len()]
        );
        let mut team = Team {
            repository: Repository::parse(&name).unwrap(),
            base,
            layers: self.bases[base].layers + random.u32(2..8),
            releases: Vec::new(),
        };
        for release in 0..releases {
            let (left, at) = (releases - release, born + (now - DAY - born) / releases as i64 * (release as i64 + 1));
            let index = (platforms.len() > 1).then(|| Digest::of(format!("index {name} {release}").as_bytes()));
            let mut images = Vec::new();
            for platform in platforms.iter().take(count.saturating_sub(self.images.len())) {
                images.push(self.images.len());
                // The older the release, the older its packages.
                let version = |package: usize| (VERSIONS - 1).saturating_sub((left - 1) / 3 + package % 2);
                let of_base = self.bases[base]
                    .packages
                    .iter()
                    .map(|package| (*package, version(*package), *package as u32 % self.bases[base].layers));
                let own = self.bases[base].layers..team.layers;
                let of_team = packages
                    .iter()
                    .map(|package| (*package, version(*package), own.start + *package as u32 % own.len() as u32));
                self.images.push(Image {
                    digest: Digest::of(format!("image {name} {release} {platform}").as_bytes()),
                    team: number,
                    release,
                    platform: Platform {
                        os: "linux".into(),
                        architecture: (*platform).into(),
                        variant: (*platform == "arm64").then(|| "v8".into()),
                    },
                    status: status(self.images.len()),
                    packages: of_base.chain(of_team).collect(),
                });
            }
            if !images.is_empty() {
                team.releases.push(Release { at, index, images });
            }
        }
        self.teams.push(team);
    }
}

impl Image {
    /// Whether it was read and matched.
    pub(crate) fn is_matched(&self) -> bool {
        matches!(self.status, ScanStatus::Complete | ScanStatus::Partial)
    }
}

/// Most images were read; some in part, some not at all, and of some weir knows no more than that they are there.
fn status(number: usize) -> ScanStatus {
    match number % 200 {
        3 | 53 | 103 | 153 => ScanStatus::Partial,
        7 | 107 => ScanStatus::Failed,
        11 => ScanStatus::Unsupported,
        13 => ScanStatus::Queued,
        17 => ScanStatus::NoAccess,
        _ => ScanStatus::Complete,
    }
}

fn base(random: &mut Rng, catalogue: &Catalogue, number: usize, average: f64) -> Base {
    let (id, version, kind) = SYSTEMS[number % SYSTEMS.len()];
    let distribution = Distribution { id: id.into(), version: version.into(), pretty_name: None };
    // One base in eight has next to nothing.
    let wanted = if number % 8 == 7 { 2.0 } else { exponential(random) * average * 8.0 / 7.0 };
    Base {
        name: format!("{REGISTRY}/library/{id}:{version}-{number}"),
        distribution,
        layers: random.u32(1..4),
        packages: choose(&mut random.fork(), catalogue, kind, wanted),
    }
}

/// Packages of a kind that have so many findings together. Takes random numbers of its own, so that more packages change nothing else.
fn choose(random: &mut Rng, catalogue: &Catalogue, kind: PackageType, findings: f64) -> Vec<usize> {
    let all = catalogue.of_kind(kind);
    let (mut chosen, mut found) = (Vec::new(), 0);
    while (found as f64) < findings && chosen.len() < all.len() * 9 / 10 {
        let package = all[random.usize(..all.len())];
        if !chosen.contains(&package) {
            found += catalogue.count(package, VERSIONS - 1 - package % 2);
            chosen.push(package);
        }
    }
    chosen
}

/// A number of average 1 that is small mostly and large at times.
pub(crate) fn exponential(random: &mut Rng) -> f64 {
    -(1.0 - random.f64()).ln()
}
