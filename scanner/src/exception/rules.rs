//! Which decision a finding or a repository stands under.
//!
//! Owns that question for every decision there is; cancelled and expired ones never hold. Where several hold, the narrowest is named,
//! of these the oldest, so that the same question always has the same answer.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::{Exception, Kind, State, Target};
use crate::oci::Digest;
use crate::package::PackageIdentity;

/// A finding of one image, as far as decisions ask about it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Every name of the vulnerability: its id and its aliases.
    pub names: &'a [&'a str],
    /// The affected package's package URL.
    pub package: &'a str,
    /// Whether a fixed version can be had.
    pub fixable: bool,
    /// The image, by its platform manifest's digest.
    pub image: &'a Digest,
    /// The repositories the image is known from, each `<upstream>/<repository>`.
    pub repositories: &'a [&'a str],
}

/// A workload that runs the image, as far as decisions ask about it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its cluster.
    pub cluster: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its labels; a key may have several values.
    pub labels: &'a [(Arc<str>, Arc<str>)],
}

/// Every decision, made ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The one to be named first comes first.
    rules: Vec<Rule>,
    /// Positions of the decisions about a vulnerability by each of its names, ascending. Cancelled ones are left out.
    by_name: HashMap<String, Vec<usize>>,
    /// Positions of the decisions about whole repositories, by the repository.
    by_repository: HashMap<String, Vec<usize>>,
    revision: u64,
}

#[derive(Clone, Debug)]
struct Rule {
    exception: Exception,
    package: Option<PackageIdentity>,
    /// A key, and the value it must have if one was given.
    labels: Vec<(String, Option<String>)>,
}

impl Rules {
    /// The decisions; whether each holds is asked with the time.
    pub fn new(mut exceptions: Vec<Exception>) -> Self {
        exceptions.sort_by_cached_key(|exception| {
            let scope = &exception.scope;
            // Ids are numbers: of one second the shorter is the older.
            let number = (exception.id.len(), exception.id.clone());
            (Reverse(scope.narrowest()), Reverse(scope.parts()), exception.created_at, number)
        });
        let mut made = Self { revision: revision(&exceptions), ..Self::default() };
        for (at, exception) in exceptions.into_iter().enumerate() {
            let package = exception.scope.package.as_deref().map(PackageIdentity::parse);
            // A package that cannot be read is not any package.
            let is_readable = !matches!(package, Some(Err(_)));
            let rule = Rule { package: package.and_then(Result::ok), labels: labels(&exception), exception };
            if is_readable && rule.exception.cancelled.is_none() {
                made.note(at, &rule.exception);
            }
            made.rules.push(rule);
        }
        made
    }

    fn note(&mut self, at: usize, exception: &Exception) {
        match exception.target {
            Target::Vulnerability => {
                let names: HashSet<&String> = exception.vulnerability.iter().collect();
                for name in names {
                    self.by_name.entry(name.clone()).or_default().push(at);
                }
            }
            Target::Repository => {
                if let Some(repository) = &exception.scope.repository {
                    self.by_repository.entry(repository.clone()).or_default().push(at);
                }
            }
        }
    }

    /// Changes whenever a decision is made or cancelled, and only then: the same decisions have the same number after a restart.
    /// That one expires changes nothing here, see [`Rules::next_expiry`].
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// When the next of those that hold at `now` expires, seconds since the epoch: until then every answer stays what it is.
    pub fn next_expiry(&self, now: i64) -> Option<i64> {
        self.holding(now).filter_map(|exception| exception.expires_at).min()
    }

    /// Whether there is no decision at all.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Every decision, cancelled and expired ones too, the one that is named first where several hold first.
    pub fn iter(&self) -> impl Iterator<Item = &Exception> {
        self.rules.iter().map(|rule| &rule.exception)
    }

    /// Those that hold at `now`.
    pub fn holding(&self, now: i64) -> impl Iterator<Item = &Exception> {
        self.iter().filter(move |exception| exception.state(now) == State::Active)
    }

    /// Every name of a vulnerability that some decision speaks of and that was not cancelled: a finding without any of these stands
    /// under none.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The decision that excepts a finding for one workload, or for an image that is looked at by itself (`None`).
    pub fn of_finding(&self, subject: &Subject<'_>, place: Option<&Place<'_>>, now: i64) -> Option<&Exception> {
        self.of_finding_in(subject, place.into_iter().copied(), now)
    }

    /// The decision that excepts a finding for all of these workloads: each must be covered, by this one or another; the narrowest that
    /// covers all of them is named, else one that covers the first. Without workloads only decisions that do not speak of workloads hold.
    pub fn of_finding_in<'p>(
        &self,
        subject: &Subject<'_>,
        places: impl IntoIterator<Item = Place<'p>>,
        now: i64,
    ) -> Option<&Exception> {
        covering(&self.about(subject, now, excepts), places)
    }

    /// The decision by which a finding is being looked at, for one workload or for the image by itself. It excepts nothing.
    pub fn note_of_finding(&self, subject: &Subject<'_>, place: Option<&Place<'_>>, now: i64) -> Option<&Exception> {
        self.note_of_finding_in(subject, place.into_iter().copied(), now)
    }

    /// The decision by which a finding is being looked at for any of these workloads, or everywhere.
    pub fn note_of_finding_in<'p>(
        &self,
        subject: &Subject<'_>,
        places: impl IntoIterator<Item = Place<'p>>,
        now: i64,
    ) -> Option<&Exception> {
        let notes = self.about(subject, now, |kind| !excepts(kind));
        let places: Vec<Place<'p>> = if notes.is_empty() { Vec::new() } else { places.into_iter().collect() };
        let speaks = |rule: &&Rule| {
            !rule.exception.scope.is_of_workloads() || places.iter().any(|place| rule.covers_place(place))
        };
        notes.into_iter().find(speaks).map(|rule| &rule.exception)
    }

    /// The decision that excepts an image with all these repositories, for one workload or by itself. An image that several repositories
    /// have is excepted where every one of them is: ask with one name to know of that one.
    pub fn of_repository(
        &self,
        repositories: &[&str],
        image: &Digest,
        place: Option<&Place<'_>>,
        now: i64,
    ) -> Option<&Exception> {
        self.of_repository_in(repositories, image, place.into_iter().copied(), now)
    }

    /// The same for all of these workloads, by the rule of [`Rules::of_finding_in`].
    pub fn of_repository_in<'p, P>(
        &self,
        repositories: &[&str],
        image: &Digest,
        places: P,
        now: i64,
    ) -> Option<&Exception>
    where
        P: IntoIterator<Item = Place<'p>>,
        P::IntoIter: Clone,
    {
        if self.by_repository.is_empty() {
            return None;
        }
        let places = places.into_iter();
        let mut first = None;
        for repository in repositories {
            let rules = self.by_repository.get(*repository).map(Vec::as_slice).unwrap_or_default();
            let rules: Vec<&Rule> = rules
                .iter()
                .map(|at| &self.rules[*at])
                .filter(|rule| rule.holds(now, excepts) && rule.is_of_image(image))
                .collect();
            let found = covering(&rules, places.clone())?;
            first = first.or(Some(found));
        }
        first
    }

    /// The decisions about a finding whatever runs it, the one to be named first.
    fn about(&self, subject: &Subject<'_>, now: i64, wanted: fn(Kind) -> bool) -> Vec<&Rule> {
        let mut found: Vec<usize> =
            subject.names.iter().filter_map(|name| self.by_name.get(*name)).flatten().copied().collect();
        found.sort_unstable();
        found.dedup();
        let package = OnceCell::new();
        let package = || package.get_or_init(|| PackageIdentity::parse(subject.package).ok()).as_ref();
        let is_about = |rule: &&Rule| {
            let scope = &rule.exception.scope;
            rule.holds(now, wanted)
                && !(rule.exception.expire_on_fix && subject.fixable)
                && rule.is_of_image(subject.image)
                && scope.repository.as_deref().is_none_or(|repository| subject.repositories.contains(&repository))
                && rule.package.as_ref().is_none_or(|meant| package().is_some_and(|package| meant.covers(package)))
        };
        found.into_iter().map(|at| &self.rules[at]).filter(is_about).collect()
    }
}

impl Rule {
    fn holds(&self, now: i64, wanted: fn(Kind) -> bool) -> bool {
        wanted(self.exception.kind) && self.exception.state(now) == State::Active
    }

    fn is_of_image(&self, image: &Digest) -> bool {
        self.exception.scope.image.as_ref().is_none_or(|meant| meant == image)
    }

    fn covers_place(&self, place: &Place<'_>) -> bool {
        let scope = &self.exception.scope;
        let has = |(key, value): &(String, Option<String>)| {
            let is = |said: &str| value.as_deref().is_none_or(|value| value == said);
            place.labels.iter().any(|(known, said)| **known == **key && is(said))
        };
        scope.cluster.as_deref().is_none_or(|cluster| cluster == place.cluster)
            && scope.namespace.as_deref().is_none_or(|namespace| namespace == place.namespace)
            && self.labels.iter().all(has)
    }
}

fn excepts(kind: Kind) -> bool {
    kind != Kind::UnderInvestigation
}

/// The decision that stands for those that cover every place, as [`Rules::of_finding_in`] says. Pure.
fn covering<'r, 'p>(rules: &[&'r Rule], places: impl IntoIterator<Item = Place<'p>>) -> Option<&'r Exception> {
    if rules.is_empty() {
        return None;
    }
    let mut of_all: Vec<&'r Rule> = rules.to_vec();
    let mut of_first = None;
    for place in places {
        let found = rules.iter().find(|rule| rule.covers_place(&place))?;
        of_first = of_first.or(Some(found));
        of_all.retain(|rule| rule.covers_place(&place));
    }
    let named = match of_first {
        None => rules.iter().find(|rule| !rule.exception.scope.is_of_workloads()),
        Some(first) => of_all.first().or(Some(first)),
    };
    named.map(|rule| &rule.exception)
}

fn labels(exception: &Exception) -> Vec<(String, Option<String>)> {
    let split = |label: &String| match label.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (label.clone(), None),
    };
    exception.scope.labels.iter().map(split).collect()
}

/// Decisions are never changed but by being cancelled, so ids and that are enough.
fn revision(exceptions: &[Exception]) -> u64 {
    let mut hash = Sha256::new();
    for exception in exceptions {
        hash.update((exception.id.len() as u64).to_le_bytes());
        hash.update(&exception.id);
        hash.update([u8::from(exception.cancelled.is_some())]);
    }
    let hash: [u8; 32] = hash.finalize().into();
    hash[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
