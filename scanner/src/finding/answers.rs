//! Answers kept for further images: most packages of an image are those of others.

use std::collections::HashMap;
use std::sync::Arc;

use super::query::Query;
use super::{Answer, Stale, answer};
use crate::advisory::AdvisorySource;

/// Answers by question, in two generations: once the young ones weigh their share, the old are dropped and the young grow old. What is
/// asked for grows young again.
///
/// Kept answers are the source's of that time: whoever changes the source calls [`Answers::forget`] with what
/// [`super::touched_by_names`] says.
#[derive(Debug)]
pub struct Answers {
    young: HashMap<Query, Arc<Answer>>,
    old: HashMap<Query, Arc<Answer>>,
    /// What the young ones weigh, and may.
    weight: usize,
    max_weight: usize,
}

/// What an answer weighs besides its findings; a unit is about 256 bytes.
const EMPTY_WEIGHT: usize = 1;
/// What a finding weighs.
const FINDING_WEIGHT: usize = 4;

impl Answers {
    /// Keeps answers of up to `max_weight` in all: one for each answer, four for each of its findings. One is about 256 bytes.
    pub fn new(max_weight: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), weight: 0, max_weight: max_weight / 2 }
    }

    /// The answer to a question: a kept one, or the source's, which is kept.
    ///
    /// # Errors
    /// Where the source fails.
    pub fn answer<S: AdvisorySource>(&mut self, query: &Query, source: &S) -> Result<Arc<Answer>, S::Error> {
        if let Some(known) = self.young.get(query) {
            return Ok(Arc::clone(known));
        }
        let known = match self.old.remove(query) {
            Some(known) => known,
            None => Arc::new(answer(query, source)?),
        };
        self.keep(query.clone(), Arc::clone(&known));
        Ok(known)
    }

    fn keep(&mut self, query: Query, answer: Arc<Answer>) {
        let weight = weight(&answer);
        if weight > self.max_weight {
            return;
        }
        if self.weight + weight > self.max_weight {
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
        self.weight += weight;
        self.young.insert(query, answer);
    }

    /// Drops the answers to these questions.
    pub fn forget(&mut self, stale: &Stale) {
        self.old.retain(|query, _| !stale.contains(query));
        self.young.retain(|query, _| !stale.contains(query));
        self.weight = self.young.values().map(|answer| weight(answer)).sum();
    }

    /// The number of answers kept.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn weight(answer: &Answer) -> usize {
    EMPTY_WEIGHT + FINDING_WEIGHT * answer.findings.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisory::MemoryAdvisories;
    use crate::finding::query::{Coverage, Host, query};
    use crate::fixture::AdvisoryBuilder;
    use crate::package::{Package, PackageType};

    fn question(name: &str) -> Query {
        let package = Package::new(PackageType::Npm, name, "1.0.0");
        let Coverage::Asked(query) = query(&package, &Host::new(None, &[])) else { panic!("npm is asked") };
        query
    }

    #[test]
    fn a_kept_answer_stays_until_it_is_forgotten() {
        let (mut answers, mut source) = (Answers::new(100), MemoryAdvisories::new(0));
        let found = |answers: &mut Answers, source: &MemoryAdvisories, name: &str| {
            answers.answer(&question(name), source).unwrap().findings.len()
        };
        assert_eq!((found(&mut answers, &source, "a"), found(&mut answers, &source, "b")), (0, 0));
        source.insert(AdvisoryBuilder::new("GHSA-1").affects("npm", "a", &["0"]).affects("npm", "b", &["0"]).build());
        assert_eq!(found(&mut answers, &source, "a"), 0, "as of then");
        let mut stale = Stale::default();
        stale.add_packages([("npm".to_owned(), "a".to_owned()), ("PyPI".to_owned(), "b".to_owned())]);
        answers.forget(&stale);
        assert_eq!((found(&mut answers, &source, "a"), found(&mut answers, &source, "b")), (1, 0));
        answers.forget(&Stale::everything());
        assert!(answers.is_empty());
        assert_eq!(found(&mut answers, &source, "b"), 1);
    }

    #[test]
    fn no_more_is_kept_than_allowed_and_what_is_asked_for_stays() {
        let (mut answers, source) = (Answers::new(20), MemoryAdvisories::new(0));
        let often = question("often");
        for number in 0..1000 {
            answers.answer(&question(&number.to_string()), &source).unwrap();
            let kept = answers.answer(&often, &source).unwrap();
            assert!(number == 0 || Arc::strong_count(&kept) > 1);
            assert!(answers.len() <= 20);
        }
        assert!(answers.young.contains_key(&often) || answers.old.contains_key(&often));
    }
}
