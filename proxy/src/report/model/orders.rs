//! Every order of the lists holds the same items, page after page, in the order of what they say of themselves.

use std::fmt::Debug;

use proptest::prelude::*;
use weir_scanner::finding::Severity;
use weir_scanner::verdict::SeverityCounts;

use super::cursor::{Listed, Page};
use super::properties::{all, query, sample};
use super::{IMAGE_SORTS, REPOSITORY_SORTS, VULNERABILITY_SORTS};
use crate::report::Parameters;
use crate::report::filter::Filter;
use crate::report::problem::Problem;
use crate::report::shape::{ImageItem, RepositoryItem, VulnerabilityItem};

/// What an item is put in order by: nothing comes last, whichever way.
type Key = Option<Vec<i64>>;

fn text(text: &str) -> Vec<i64> {
    text.bytes().map(i64::from).collect()
}

fn number(number: u64) -> Vec<i64> {
    vec![number as i64]
}

fn worst_first(counts: &SeverityCounts) -> Vec<i64> {
    Severity::ALL.map(|severity| counts.of(severity) as i64).to_vec()
}

fn of_vulnerability(item: &VulnerabilityItem, sort: &str) -> Key {
    match sort {
        "id" => Some(text(&item.id)),
        "severity" => Some(vec![item.severity as i64]),
        "cvss" => item.cvss.map(|score| vec![(score * 10.0).round() as i64]),
        "epss" => item.epss.map(|epss| vec![(epss * 1e9).round() as i64]),
        "known_exploited" => Some(vec![i64::from(item.known_exploited == Some(true))]),
        "images" => Some(number(item.images)),
        _ => Some(text(&item.first_seen)),
    }
}

fn of_repository(item: &RepositoryItem, sort: &str) -> Key {
    let counts = item.counts.as_ref();
    match sort {
        "name" => Some(text(&item.name)),
        "vulnerabilities" => counts.map(|counts| worst_first(&counts.vulnerabilities)),
        "known_exploited" => counts.map(|counts| number(counts.known_exploited)),
        "images" => Some(number(item.images)),
        "running_resources" => Some(number(item.running_resources)),
        _ => item.oldest_finding.as_deref().map(text),
    }
}

fn of_image(item: &ImageItem, sort: &str) -> Key {
    match sort {
        "first_seen" => Some(text(&item.first_seen)),
        "last_pulled" => item.last_pulled.as_deref().map(text),
        "matched_at" => item.matched_at.as_deref().map(text),
        "vulnerabilities" => item.vulnerabilities.as_ref().map(worst_first),
        "known_exploited" => item.known_exploited.map(number),
        _ => Some(number(item.running_resources)),
    }
}

fn check<T: Debug>(
    limit: usize,
    sorts: &[&str],
    list: impl Fn(&Page) -> Result<Listed<T>, Problem>,
    key: impl Fn(&T, &str) -> Key,
) {
    let texts = |items: &[T]| {
        let mut texts: Vec<String> = items.iter().map(|item| format!("{item:?}")).collect();
        texts.sort();
        texts
    };
    let expected = texts(&all(limit, |page| list(page).unwrap()));
    for sort in sorts {
        for descends in [false, true] {
            let asked = if descends { format!("-{sort}") } else { (*sort).to_owned() };
            let items = all(limit, |page| list(&Page { sort: Some(asked.clone()), ..page.clone() }).unwrap());
            assert_eq!(texts(&items), expected, "{asked}");
            let keys: Vec<Key> = items.iter().map(|item| key(item, sort)).collect();
            let is_in_order = keys.is_sorted_by(|a, b| match (a, b) {
                (Some(a), Some(b)) => {
                    if descends {
                        a >= b
                    } else {
                        a <= b
                    }
                }
                (a, b) => a.is_some() || b.is_none(),
            });
            assert!(is_in_order, "{asked}: {keys:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn every_order_has_the_same_items_in_that_order(sample in sample(), query in query(), limit in 1..4_usize) {
        let model = sample.model();
        let filter = Filter::parse(&Parameters::parse(&query)).unwrap();
        check(limit, &VULNERABILITY_SORTS, |page| model.vulnerabilities(&filter, page), of_vulnerability);
        check(limit, &REPOSITORY_SORTS, |page| model.repositories(&filter, page), of_repository);
        check(limit, &IMAGE_SORTS, |page| model.images(&filter, page), of_image);
    }
}
