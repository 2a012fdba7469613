//! Which questions a changed record may change the answers of.
//!
//! Follows backwards what [`super::group`] follows: from the record's names to the records that lead to them, whose packages are
//! affected through them in names, ratings and summaries. Says more rather than less.

use std::collections::{BTreeSet, HashSet, VecDeque};

use crate::advisory::{Advisory, AdvisorySource};

/// Packages, each as the name of its ecosystem and its key there.
pub type Touched = BTreeSet<(String, String)>;

/// The names over which a record reaches findings of other packages than its own: none for a bulletin or for what is withdrawn,
/// which nobody follows a name to.
pub fn leading_names(advisory: &Advisory) -> BTreeSet<&str> {
    if leads_on(advisory) { advisory.found_under() } else { BTreeSet::new() }
}

/// The packages whose answers may differ once records that lead from these names, or scores of these CVEs, say something else.
///
/// # Errors
/// Where the source fails.
pub fn touched_by_names<S: AdvisorySource>(names: BTreeSet<String>, source: &S) -> Result<Touched, S::Error> {
    let mut touched = Touched::new();
    follow(names, source, &mut touched)?;
    Ok(touched)
}

/// Adds the packages of every record from which one of the names is reached.
fn follow<S: AdvisorySource>(names: BTreeSet<String>, source: &S, touched: &mut Touched) -> Result<(), S::Error> {
    let mut asked: HashSet<String> = names.iter().cloned().collect();
    let mut queue: VecDeque<String> = names.into_iter().collect();
    let mut seen: HashSet<String> = HashSet::new();
    while let Some(name) = queue.pop_front() {
        for advisory in source.named(&name)? {
            if !seen.insert(advisory.id.clone()) {
                continue;
            }
            touched.extend(packages(&advisory));
            if leads_on(&advisory) {
                // It is reached by its own names, and leads from them to all it is found under.
                let own = advisory.own_names().filter(|name| !asked.contains(*name)).map(str::to_owned);
                let own: Vec<String> = own.collect();
                asked.extend(own.iter().cloned());
                queue.extend(own);
            }
        }
    }
    Ok(())
}

/// Whether a record's names lead to further ones, once it is found by one of them.
fn leads_on(advisory: &Advisory) -> bool {
    advisory.withdrawn.is_none() && !advisory.is_bulletin()
}

fn packages(advisory: &Advisory) -> impl Iterator<Item = (String, String)> + '_ {
    advisory.affected.iter().map(|affected| (affected.ecosystem.name().to_owned(), affected.package.clone()))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::advisory::{MemoryAdvisories, Rating, RatingValue};
    use crate::finding::answer;
    use crate::finding::query::{Coverage, Host, Query, query};
    use crate::fixture::AdvisoryBuilder;
    use crate::package::{Distribution, Package, PackageType};

    const IDS: [&str; 10] = [
        "CVE-2024-1",
        "CVE-2024-2",
        "GHSA-a",
        "GHSA-b",
        "PYSEC-1",
        "DSA-1-1",
        "DEBIAN-CVE-2024-1",
        "BELL-CVE-2024-2",
        "UBUNTU-CVE-2024-3",
        "ALSA-2024:1",
    ];
    const PACKAGES: [(&str, &str); 4] = [("npm", "a"), ("npm", "b"), ("PyPI", "a"), ("Debian:12", "a")];

    /// What an image could ask of such records.
    fn every_question() -> Vec<Query> {
        let debian = Distribution { id: "debian".into(), version: "12".into(), pretty_name: None };
        let host = Host::new(Some(&debian), &[]);
        let packages = PACKAGES.map(|(ecosystem, name)| {
            let package_type = match ecosystem {
                "npm" => PackageType::Npm,
                "PyPI" => PackageType::Pypi,
                _ => PackageType::Deb,
            };
            Package::new(package_type, name, "1")
        });
        let asked = packages.iter().map(|package| match query(package, &host) {
            Coverage::Asked(query) => query,
            other => panic!("{other:?}"),
        });
        asked.collect()
    }

    fn names() -> impl Strategy<Value = Vec<&'static str>> {
        vec(select(&IDS[..]), 0..3)
    }

    fn record() -> impl Strategy<Value = Advisory> {
        let affected = vec((select(&PACKAGES[..]), any::<bool>()), 0..3);
        let names = (select(&IDS[..]), names(), names(), names());
        (names, affected, select(vec!["", "LOW", "HIGH"]), prop::bool::weighted(0.1)).prop_map(
            |((id, aliases, upstream, related), affected, word, withdrawn)| {
                let mut record = AdvisoryBuilder::new(id).summary(word);
                record = aliases.into_iter().fold(record, |record, name| record.alias(name));
                record = upstream.into_iter().fold(record, |record, name| record.upstream(name));
                record = related.into_iter().fold(record, |record, name| record.related(name));
                record = affected.into_iter().fold(record, |record, ((ecosystem, package), fixed)| {
                    record.affects(ecosystem, package, if fixed { &["0", "2"] } else { &["0"] })
                });
                record = if word.is_empty() { record } else { record.word(word) };
                if withdrawn { record.withdrawn(1).build() } else { record.build() }
            },
        )
    }

    fn source(records: &[Advisory]) -> MemoryAdvisories {
        let mut source = MemoryAdvisories::new(10);
        records.iter().for_each(|record| source.insert(record.clone()));
        source
    }

    /// All a change of one record touches, as storage notes it: its packages, before and after, and what its names lead to.
    fn touched_by<S: AdvisorySource>(
        old: Option<&Advisory>,
        new: Option<&Advisory>,
        source: &S,
    ) -> Result<Touched, S::Error> {
        let mut touched = Touched::new();
        let mut names = BTreeSet::new();
        for advisory in [old, new].into_iter().flatten() {
            touched.extend(packages(advisory));
            names.extend(leading_names(advisory).into_iter().map(str::to_owned));
        }
        touched.extend(touched_by_names(names, source)?);
        Ok(touched)
    }

    fn is_touched(query: &Query, touched: &Touched) -> bool {
        let ecosystem = query.ecosystem.name();
        query.names.iter().any(|name| touched.contains(&(ecosystem.to_owned(), name.key.clone())))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn an_answer_that_differs_is_touched(records in vec(record(), 0..6), new in record(), removed in any::<bool>()) {
            let mut changing = source(&records);
            let old = changing.named(&new.id).unwrap().into_iter().find(|record| record.id == new.id);
            let new = (!removed).then_some(new);
            let before: Vec<_> = every_question().iter().map(|query| answer(query, &changing).unwrap()).collect();
            let touched_before = touched_by(old.as_deref(), new.as_ref(), &changing).unwrap();
            match (&old, &new) {
                (_, Some(new)) => changing.insert(new.clone()),
                (Some(old), None) => changing.remove(&old.id),
                (None, None) => {}
            }
            let touched_after = touched_by(old.as_deref(), new.as_ref(), &changing).unwrap();
            for (query, before) in every_question().iter().zip(before) {
                let after = answer(query, &changing).unwrap();
                if before != after {
                    for touched in [&touched_before, &touched_after] {
                        prop_assert!(is_touched(query, touched), "{query:?}\n{before:?}\n{after:?}\n{touched:?}");
                    }
                }
            }
        }

        #[test]
        fn a_score_touches_what_it_rates(records in vec(record(), 0..6), cve in select(vec!["CVE-2024-1", "CVE-2024-2", "CVE-2024-3"])) {
            let mut changing = source(&records);
            let before: Vec<_> = every_question().iter().map(|query| answer(query, &changing).unwrap()).collect();
            let touched = touched_by_names(BTreeSet::from([cve.to_owned()]), &changing).unwrap();
            changing.rate(cve, Rating { source: "nvd".into(), value: RatingValue::Word("CRITICAL".into()) });
            for (query, before) in every_question().iter().zip(before) {
                if before != answer(query, &changing).unwrap() {
                    prop_assert!(is_touched(query, &touched), "{query:?} {touched:?}");
                }
            }
        }
    }

    #[test]
    fn a_rating_elsewhere_touches_those_it_reaches_and_nobody_else() {
        let source = source(&[
            AdvisoryBuilder::new("DSA-1-1")
                .upstream("CVE-2024-1")
                .upstream("CVE-2024-2")
                .affects("Debian:12", "a", &["0"])
                .build(),
            AdvisoryBuilder::new("PYSEC-1").alias("GHSA-a").affects("PyPI", "b", &["0"]).build(),
            AdvisoryBuilder::new("PYSEC-2").alias("CVE-2024-2").affects("PyPI", "c", &["0"]).build(),
        ]);
        let record = AdvisoryBuilder::new("GHSA-a").alias("CVE-2024-1").affects("npm", "d", &["0"]).build();
        let touched = touched_by(None, Some(&record), &source).unwrap();
        let touched: Vec<_> = touched.iter().map(|(ecosystem, package)| (&**ecosystem, &**package)).collect();
        assert_eq!(touched, [("Debian", "a"), ("PyPI", "b"), ("npm", "d")]);
        let bulletin = AdvisoryBuilder::new("DSA-2-1").upstream("CVE-2024-1").upstream("CVE-2024-2");
        let bulletin = bulletin.affects("Debian:12", "e", &["0"]).build();
        assert_eq!(touched_by(Some(&bulletin), None, &source).unwrap().len(), 1, "nobody is rated by a bulletin");
    }
}
