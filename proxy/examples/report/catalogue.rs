//! The packages and vulnerabilities that a made-up fleet is put together from.
//!
//! Owns their numbers and texts: names, ids, ratings and summaries are as long as real ones, so that what is stored of them weighs what
//! real findings weigh. Everything follows from the random numbers it is given: the same seed gives the same catalogue.

use std::fmt::Write as _;

use fastrand::Rng;
use weir_scanner::advisory::{Rating, RatingValue};
use weir_scanner::finding::{CvssScore, Finding, FixState, Severity, severity_of_score};
use weir_scanner::package::{Distribution, Package, PackageType, package_url};

/// A kind of package: its share of the vulnerabilities in percent, how many packages there are, and what its ids look like.
const KINDS: [(PackageType, usize, usize, &str); 7] = [
    (PackageType::Deb, 42, 1500, "DEBIAN-"),
    (PackageType::Rpm, 10, 500, "ALSA-2024:"),
    (PackageType::Apk, 6, 300, "ALPINE-"),
    (PackageType::Npm, 14, 900, "GHSA-"),
    (PackageType::Pypi, 9, 400, "PYSEC-"),
    (PackageType::Golang, 9, 400, "GO-2024-"),
    (PackageType::Maven, 10, 400, "GHSA-"),
];
/// Versions of a package; each is rid of some vulnerabilities of the one before.
pub(crate) const VERSIONS: usize = 5;
/// CVSS vectors with their scores, the frequent ones several times.
const VECTORS: [(&str, f64, &str); 14] = [
    ("3.1", 9.8, "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"),
    ("4.0", 9.3, "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"),
    ("3.1", 8.8, "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"),
    ("3.1", 7.8, "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"),
    ("3.1", 7.5, "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"),
    ("3.1", 7.5, "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"),
    ("3.1", 6.1, "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N"),
    ("3.1", 5.9, "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:H"),
    ("3.1", 5.5, "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:N/I:N/A:H"),
    ("3.1", 5.3, "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N"),
    ("3.1", 4.7, "CVSS:3.1/AV:L/AC:H/PR:L/UI:N/S:U/C:N/I:N/A:H"),
    ("3.1", 4.3, "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:L/I:N/A:N"),
    ("3.1", 3.7, "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:L/I:N/A:N"),
    ("3.1", 3.3, "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:L/I:N/A:N"),
];
const SYLLABLES: [&str; 24] = [
    "lib", "core", "net", "xml", "ssl", "http", "json", "data", "fast", "py", "node", "log", "auth", "img", "zip",
    "sql", "yaml", "crypt", "term", "sys", "web", "io", "util", "parse",
];
const FAULTS: [&str; 8] = [
    "Out-of-bounds read in the handling of compressed headers",
    "Use after free when a connection is closed while a request is being answered",
    "Uncontrolled recursion in the parser allows denial of service",
    "Improper neutralization of special elements leads to command injection",
    "Path traversal when an archive with crafted names is unpacked",
    "Improper certificate validation with wildcard names",
    "Integer overflow in the allocation of tables leads to a heap overflow",
    "Regular expression of quadratic cost on crafted input",
];

/// A vulnerability.
pub(crate) struct Vulnerability {
    /// The id it is shown under.
    pub(crate) id: String,
    aliases: Vec<String>,
    /// The place among [`VECTORS`]; `None` where nobody rated it.
    vector: Option<usize>,
    summary: String,
    is_fixed: bool,
}

/// A package with the vulnerabilities it may have.
pub(crate) struct KnownPackage {
    kind: PackageType,
    name: String,
    prefix: &'static str,
    holes: Vec<usize>,
}

/// Everything there is.
pub(crate) struct Catalogue {
    pub(crate) vulnerabilities: Vec<Vulnerability>,
    pub(crate) packages: Vec<KnownPackage>,
}

impl Catalogue {
    /// A catalogue of so many vulnerabilities.
    pub(crate) fn new(random: &mut Rng, count: usize) -> Self {
        let vulnerabilities = (0..count).map(|number| vulnerability(random, number)).collect();
        let mut packages = Vec::new();
        let mut next = 0;
        for (kind, share, names, prefix) in KINDS {
            let first = packages.len();
            packages.extend((0..names).map(|number| KnownPackage {
                kind,
                name: name(random, kind, number),
                prefix,
                holes: Vec::new(),
            }));
            for hole in next..(next + count * share / 100).min(count) {
                // A few packages have most of them, and one vulnerability in five is in several packages.
                for _ in 0..if random.u8(..5) == 0 { random.usize(2..5) } else { 1 } {
                    let place = random.f64();
                    let holes = &mut packages[first + (place * place * names as f64) as usize].holes;
                    if !holes.contains(&hole) {
                        holes.push(hole);
                    }
                }
            }
            next += count * share / 100;
        }
        Self { vulnerabilities, packages }
    }

    /// The packages of a kind that any vulnerability is in, by their places.
    pub(crate) fn of_kind(&self, kind: PackageType) -> Vec<usize> {
        let packages = self.packages.iter().enumerate();
        packages.filter(|(_, package)| package.kind == kind && !package.holes.is_empty()).map(|(at, _)| at).collect()
    }

    /// A package in a version, as an image of a distribution has it.
    pub(crate) fn package(&self, at: usize, version: usize, distribution: &Distribution) -> (Package, String) {
        let known = &self.packages[at];
        let package = Package::new(known.kind, known.name.as_str(), known.version(version));
        let is_system = matches!(known.kind, PackageType::Deb | PackageType::Rpm | PackageType::Apk);
        let purl = package_url(&package, is_system.then_some(distribution));
        (package, purl)
    }

    /// How many vulnerabilities a package has in a version.
    pub(crate) fn count(&self, at: usize, version: usize) -> usize {
        let holes = self.packages[at].holes.iter();
        holes.filter(|hole| is_affected(**hole, at, version)).count()
    }

    /// The findings of a package in a version.
    pub(crate) fn findings(&self, at: usize, version: usize, purl: &str, layer: u32) -> impl Iterator<Item = Finding> {
        let known = &self.packages[at];
        let holes = known.holes.iter().filter(move |hole| is_affected(**hole, at, version));
        holes.map(move |hole| self.vulnerabilities[*hole].finding(known, *hole, purl, layer))
    }
}

/// Whether a version still has a vulnerability: older versions have more of them.
fn is_affected(hole: usize, at: usize, version: usize) -> bool {
    (hole * 31 + at * 17) % (VERSIONS + 1) >= version
}

impl KnownPackage {
    fn version(&self, version: usize) -> String {
        match self.kind {
            PackageType::Deb => format!("3.0.{}-1~deb12u{}", version + 8, version + 1),
            PackageType::Rpm => format!("1.1.1k-{}.el9_3", version + 6),
            PackageType::Apk => format!("1.2.{}-r{version}", version + 3),
            PackageType::Golang => format!("v0.{}.0", version + 17),
            _ => format!("4.{}.{}", version + 2, version * 3),
        }
    }
}

impl Vulnerability {
    /// Whether the catalogue of exploited ones has it.
    pub(crate) fn is_exploited(number: usize) -> bool {
        number.is_multiple_of(83)
    }

    fn finding(&self, package: &KnownPackage, hole: usize, purl: &str, layer: u32) -> Finding {
        let advisory = match package.prefix {
            "GHSA-" => self.aliases.first().cloned().unwrap_or_else(|| self.id.clone()),
            "DEBIAN-" | "ALPINE-" => format!("{}{}", package.prefix, self.id),
            prefix => format!("{prefix}{hole:04}"),
        };
        let scored = self.vector.map(|at| VECTORS[at]);
        let cvss =
            scored.map(|(version, score, vector)| CvssScore { version: version.into(), score, vector: vector.into() });
        let mut ratings: Vec<Rating> = Vec::new();
        if let Some((_, score, vector)) = scored {
            ratings.push(Rating { source: advisory.clone(), value: RatingValue::Cvss(vector.into()) });
            ratings.push(Rating { source: "nvd".into(), value: RatingValue::Cvss(vector.into()) });
            let word = severity_of_score(score).name().to_uppercase();
            ratings.push(Rating { source: advisory.clone(), value: RatingValue::Word(word) });
        }
        let fixed = self.is_fixed.then(|| package.version(VERSIONS + hole % 3));
        let (fix_state, other_fixes) = match &fixed {
            Some(_) if hole.is_multiple_of(37) => (FixState::Pro, Vec::new()),
            Some(_) if hole.is_multiple_of(7) => (FixState::Fixed, vec![package.version(VERSIONS + 9)]),
            Some(_) => (FixState::Fixed, Vec::new()),
            None => (FixState::None, Vec::new()),
        };
        let is_go = package.kind == PackageType::Golang && hole.is_multiple_of(3);
        Finding {
            id: self.id.clone(),
            aliases: self.aliases.clone(),
            advisories: vec![advisory.clone()],
            package: purl.to_owned(),
            layer,
            severity: scored.map_or(Severity::Unknown, |(_, score, _)| severity_of_score(score)),
            cvss,
            rated_by: scored.map(|_| advisory),
            ratings,
            fixed_version: fixed,
            fix_state,
            other_fixes,
            imports: if is_go { vec![format!("{}/internal", package.name)] } else { Vec::new() },
            covered_by: (package.kind == PackageType::Pypi && hole.is_multiple_of(29))
                .then(|| format!("pkg:deb/debian/python3-{}@3.11.2-6", package.name)),
            summary: self.summary.clone(),
        }
    }
}

fn vulnerability(random: &mut Rng, number: usize) -> Vulnerability {
    let cve = format!("CVE-{}-{}", 2014 + number % 13, 1000 + number);
    let ghsa = ghsa(random);
    let (id, aliases) = match number % 20 {
        0 => (ghsa, Vec::new()),
        1..12 => (cve, vec![ghsa]),
        12 => (cve, vec![ghsa, format!("PYSEC-2024-{number}"), format!("SNYK-{number:06}")]),
        _ => (cve, Vec::new()),
    };
    // Middling scores are the frequent ones.
    let place = (random.f64() + random.f64()) / 2.0 * VECTORS.len() as f64;
    let vector = (random.u8(..16) != 0).then_some(place as usize);
    let mut summary = FAULTS[number % FAULTS.len()].to_owned();
    let _ = write!(summary, " of {} before {}.{}.{}", word(random), random.u8(1..9), random.u8(..30), random.u8(..20));
    Vulnerability { id, aliases, vector, summary, is_fixed: random.u8(..100) < 62 }
}

/// An id as the advisories of code hosts have it: `GHSA-` and three groups of four.
fn ghsa(random: &mut Rng) -> String {
    let mut group = || -> String {
        (0..4).map(|_| char::from(random.choice(b"23456789cfghjmpqrvwx".iter()).copied().unwrap_or(b'x'))).collect()
    };
    format!("GHSA-{}-{}-{}", group(), group(), group())
}

fn name(random: &mut Rng, kind: PackageType, number: usize) -> String {
    let word = word(random);
    match kind {
        PackageType::Golang => format!("github.com/{word}/{word}{number}"),
        PackageType::Maven => format!("org.{word}:{word}-{number}"),
        PackageType::Npm if number.is_multiple_of(4) => format!("@{word}/{word}{number}"),
        _ => format!("{word}{number}"),
    }
}

fn word(random: &mut Rng) -> String {
    (0..random.usize(2..4)).map(|_| SYLLABLES[random.usize(..SYLLABLES.len())]).collect()
}
