//! Matches an image again: asks each feed once for each package and version that may be answered otherwise than before, and keeps
//! what was found of all others.
//!
//! The invariant: what is kept and what is found anew are together what matching from nothing gives, as long as every
//! question whose answer changed is stale, and the earlier findings are those of an equal inventory under the same rules.

use std::collections::{HashMap, HashSet};

use super::matching::default_order;
use super::query::{Host, Query, query};
use super::question::{Questions, is_spoken_for};
use super::{Answer, Answers, Finding, ImageFindings, Stale};
use crate::advisory::{AdvisorySource, Feed};
use crate::image::{ImageInventory, ImagePackage};

/// What matching an image again gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rematched {
    /// Earlier findings that stay as they were.
    pub kept: Vec<Finding>,
    /// Earlier findings of the packages that were asked for again, and of those that nobody asked for.
    pub before: Vec<Finding>,
    /// What was found of these packages now, in the default order, with which feeds spoke for the whole image.
    pub found: ImageFindings,
    /// Whether other feeds spoke than before, or for other packages. How old they were is not part of it.
    pub coverage_changed: bool,
}

impl Rematched {
    /// Whether all is as it was.
    pub fn is_same(&self) -> bool {
        !self.coverage_changed && self.before == self.found.findings
    }

    /// The findings of the whole image.
    pub fn whole(self) -> ImageFindings {
        let Self { kept, mut found, .. } = self;
        if !kept.is_empty() {
            found.findings.extend(kept);
            found.findings.sort_by(default_order);
        }
        found
    }
}

/// Matches what an image holds against a source where that may give something else than `earlier`, what a matching of an equal
/// inventory gave: for the questions in `stale`, and for every package that none of the others asks about. Without an earlier
/// matching everything is asked. `answers` are the source's to other images.
///
/// # Errors
/// Where the source fails; there is no half answer.
pub fn rematch_image<S: AdvisorySource>(
    inventory: &ImageInventory,
    source: &S,
    answers: &mut Answers,
    earlier: Option<ImageFindings>,
    stale: &Stale,
) -> Result<Rematched, S::Error> {
    match earlier {
        Some(earlier) if stale.is_of_packages() => few(inventory, source, answers, earlier, stale),
        Some(earlier) => many(inventory, source, answers, earlier, stale),
        None => many(inventory, source, answers, ImageFindings::default(), &Stale::everything()),
    }
}

/// For single packages: which feeds speak is as it was.
fn few<S: AdvisorySource>(
    inventory: &ImageInventory,
    source: &S,
    answers: &mut Answers,
    earlier: ImageFindings,
    stale: &Stale,
) -> Result<Rematched, S::Error> {
    let host = Host::of(inventory);
    let question = |package: &ImagePackage| query(&package.package, &host).question();
    let touched = |package: &&ImagePackage| question(package).is_some_and(|question| stale.contains(&question));
    let purls: HashSet<&str> = inventory.packages.iter().filter(touched).map(|package| package.purl.as_str()).collect();
    let mut found = Vec::new();
    for package in inventory.packages.iter().filter(|package| purls.contains(package.purl.as_str())) {
        let Some(asked) = question(package) else { continue };
        let answer = answers.answer(&asked, source)?;
        // A record of another folder may name a package of a feed that is not there.
        if answer.findings.is_empty() || !is_spoken_for(&asked, source)? {
            continue;
        }
        let owner = package.owner.as_ref().and_then(|owner| inventory.packages.iter().find(|held| held.purl == *owner));
        let covered_by = match owner.map(|owner| (owner, question(owner))) {
            Some((owner, Some(asked))) if is_spoken_for(&asked, source)? => Some(owner.purl.clone()),
            _ => None,
        };
        found.extend(of_package(&answer, package, covered_by.as_ref()));
    }
    found.sort_by(default_order);
    let is_asked = |finding: &Finding| purls.contains(finding.package.as_str());
    let (before, kept) = earlier.findings.into_iter().partition(is_asked);
    let found = ImageFindings { findings: found, ..earlier };
    Ok(Rematched { kept, before, found, coverage_changed: false })
}

fn many<S: AdvisorySource>(
    inventory: &ImageInventory,
    source: &S,
    answers: &mut Answers,
    earlier: ImageFindings,
    stale: &Stale,
) -> Result<Rematched, S::Error> {
    let mut questions = Questions::of(inventory);
    let feeds = questions.ask_feeds(source)?;
    // Packages of one package URL share their findings' place, so they are asked for together.
    let asked = |(question, _): &(&Query, &Vec<&ImagePackage>)| stale.contains(question);
    let packages = questions.packages.iter().filter(asked).flat_map(|(_, packages)| packages);
    let asked: HashSet<&str> = packages.map(|package| package.purl.as_str()).collect();
    let mut found = Vec::new();
    let mut stays: HashMap<(&str, u32), Option<&String>> = HashMap::new();
    for (question, packages) in &questions.packages {
        let mut answer = None;
        for package in packages {
            let covered_by = package.owner.as_ref().filter(|owner| questions.speaks_for(owner));
            if !asked.contains(package.purl.as_str()) {
                stays.insert((&package.purl, package.layer), covered_by);
                continue;
            }
            let answer = match &mut answer {
                Some(answer) => answer,
                none => none.insert(answers.answer(question, source)?),
            };
            found.extend(of_package(answer, package, covered_by));
        }
    }
    let (mut kept, mut before) = (Vec::new(), Vec::new());
    for finding in earlier.findings {
        match stays.get(&(finding.package.as_str(), finding.layer)) {
            Some(covered_by) if finding.covered_by.as_ref() == *covered_by => kept.push(finding),
            // Whether another feed speaks for its owner has changed, and nothing else.
            Some(covered_by) => {
                found.push(Finding { covered_by: covered_by.cloned(), ..finding.clone() });
                before.push(finding);
            }
            None => before.push(finding),
        }
    }
    found.sort_by(default_order);
    let (missing_feeds, uncovered) = questions.uncovered();
    let uncovered_packages = uncovered.iter().map(|uncovered| uncovered.packages).sum();
    let coverage_changed = ecosystems(&feeds) != ecosystems(&earlier.feeds)
        || missing_feeds != earlier.missing_feeds
        || uncovered != earlier.uncovered;
    let found = ImageFindings { findings: found, feeds, missing_feeds, uncovered_packages, uncovered };
    Ok(Rematched { kept, before, found, coverage_changed })
}

fn ecosystems(feeds: &[Feed]) -> Vec<&str> {
    feeds.iter().map(|feed| feed.ecosystem.as_str()).collect()
}

/// An answer as findings of a package.
fn of_package<'a>(
    answer: &'a Answer,
    package: &'a ImagePackage,
    covered_by: Option<&'a String>,
) -> impl Iterator<Item = Finding> + 'a {
    answer.findings.iter().map(move |told| Finding {
        package: package.purl.clone(),
        layer: package.layer,
        covered_by: covered_by.cloned(),
        ..told.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisory::MemoryAdvisories;
    use crate::fixture::{AdvisoryBuilder, inventory};
    use crate::package::{Distribution, Package, PackageType};

    fn held() -> ImageInventory {
        let debian = Distribution { id: "debian".into(), version: "12".into(), pretty_name: None };
        let mut packages = [("a", PackageType::Npm), ("b", PackageType::Npm), ("c", PackageType::Pypi)]
            .map(|(name, kind)| Package::new(kind, name, "1.0.0"))
            .to_vec();
        packages.push(Package::new(PackageType::Deb, "d", "1"));
        let mut held = inventory(Some(debian), &packages);
        let owner =
            held.packages.iter().find(|package| package.package.package_type == PackageType::Deb).unwrap().purl.clone();
        held.packages.iter_mut().find(|package| package.package.name == "c").unwrap().owner = Some(owner);
        held
    }

    fn source(records: &[AdvisoryBuilder]) -> MemoryAdvisories {
        let mut source = MemoryAdvisories::new(0);
        for record in records {
            source.insert(record.clone().build());
        }
        source
    }

    fn names(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(|finding| format!("{} of {}", finding.id, finding.package)).collect()
    }

    #[test]
    fn what_is_not_stale_stays_as_it_was_and_is_not_asked() {
        let old = [("npm", "a"), ("npm", "b"), ("PyPI", "c")]
            .map(|(ecosystem, name)| AdvisoryBuilder::new(&format!("OLD-{name}")).affects(ecosystem, name, &["0"]));
        let new = [("npm", "a"), ("npm", "b"), ("PyPI", "c")]
            .map(|(ecosystem, name)| AdvisoryBuilder::new(&format!("NEW-{name}")).affects(ecosystem, name, &["0"]));
        let earlier = match_image_from(&source(&old));
        let mut stale = Stale::default();
        stale.add_packages([("npm".into(), "a".into()), ("PyPI".into(), "b".into())]);
        let rematched =
            rematch_image(&held(), &source(&new), &mut Answers::new(0), Some(earlier.clone()), &stale).unwrap();
        assert_eq!(names(&rematched.before), ["OLD-a of pkg:npm/a@1.0.0"]);
        assert_eq!(names(&rematched.found.findings), ["NEW-a of pkg:npm/a@1.0.0"]);
        let whole = ["NEW-a of pkg:npm/a@1.0.0", "OLD-b of pkg:npm/b@1.0.0", "OLD-c of pkg:pypi/c@1.0.0"];
        assert_eq!(names(&rematched.whole().findings), whole);
        let mut stale = Stale::default();
        stale.add_ecosystem("npm");
        let rematched = rematch_image(&held(), &source(&new), &mut Answers::new(0), Some(earlier), &stale).unwrap();
        assert_eq!(names(&rematched.kept), ["OLD-c of pkg:pypi/c@1.0.0"]);
        assert_eq!(rematched.found.findings.len(), 2);
    }

    #[test]
    fn a_feed_that_begins_to_speak_for_an_owner_shows_on_what_stays() {
        let python = AdvisoryBuilder::new("PYSEC-1").affects("PyPI", "c", &["0"]);
        let earlier = match_image_from(&source(std::slice::from_ref(&python)));
        assert_eq!(earlier.findings[0].covered_by, None);
        let debian = AdvisoryBuilder::new("DSA-1").affects("Debian:12", "other", &["0"]);
        let mut stale = Stale::default();
        stale.add_ecosystem("Debian");
        let source = source(&[python, debian]);
        let rematched = rematch_image(&held(), &source, &mut Answers::new(0), Some(earlier.clone()), &stale).unwrap();
        assert_eq!((rematched.kept.len(), &rematched.before), (0, &earlier.findings));
        assert!(rematched.coverage_changed);
        assert!(rematched.found.findings[0].covered_by.is_some());
        assert_eq!(rematched.whole(), match_image_from(&source));
    }

    #[test]
    fn earlier_findings_that_no_package_asks_for_any_more_are_told_as_before() {
        let mut earlier = match_image_from(&source(&[AdvisoryBuilder::new("OLD-a").affects("npm", "a", &["0"])]));
        earlier.findings[0].package = "pkg:npm/gone@1".into();
        let source = source(&[AdvisoryBuilder::new("X").affects("npm", "z", &["0"])]);
        let mut stale = Stale::default();
        stale.add_ecosystem("npm");
        let rematched = rematch_image(&held(), &source, &mut Answers::new(0), Some(earlier.clone()), &stale).unwrap();
        assert_eq!((rematched.before, rematched.found.findings), (earlier.findings, vec![]));
    }

    #[test]
    fn a_single_package_is_covered_by_its_owner_as_in_a_whole_matching() {
        let debian = AdvisoryBuilder::new("DSA-1").affects("Debian:12", "other", &["0"]);
        let python = AdvisoryBuilder::new("PYSEC-1").affects("PyPI", "c", &["0"]);
        let earlier = match_image_from(&source(std::slice::from_ref(&debian)));
        let source = source(&[debian, python]);
        let mut stale = Stale::default();
        stale.add_packages([("PyPI".into(), "c".into())]);
        let rematched = rematch_image(&held(), &source, &mut Answers::new(0), Some(earlier), &stale).unwrap();
        assert!(!rematched.is_same() && rematched.found.findings[0].covered_by.is_some());
        assert_eq!(rematched.whole().findings, match_image_from(&source).findings);
    }

    fn match_image_from(source: &MemoryAdvisories) -> ImageFindings {
        crate::finding::match_image(&held(), source).unwrap()
    }
}
