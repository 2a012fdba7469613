//! The severity of a finding: one rating chosen among all, by a stated order.
//!
//! 1. ratings of the affected package itself;
//! 2. the distribution's own word on the vulnerability, where its record gives one besides a vector (Ubuntu's priority);
//! 3. ratings of the records that matched, where they speak of this vulnerability alone;
//! 4. ratings of matched records that speak of several vulnerabilities at once (AlmaLinux's, in their summaries);
//! 5. GitHub's records of the same alias group;
//! 6. sources of scores, which speak of the CVE;
//! 7. other records of the alias group.
//!
//! Inside a step vectors go first, CVSS 4 before 3.1, 3.0 and 2, then the higher score; then scores without a vector; then
//! words. Vectors that cannot be read and words that rate nothing (`not yet assigned`) are passed over.

use cvss::Cvss;

use super::{CvssScore, Severity};
use crate::advisory::{Rating, RatingValue};

/// The most ratings a finding keeps.
const MAX_RATINGS: usize = 16;

/// The ratings of one finding, by who gave them.
#[derive(Debug, Default)]
pub(super) struct Ratings<'a> {
    /// For the affected package alone.
    pub(super) package: Vec<&'a Rating>,
    /// The distribution's word.
    pub(super) vendor: Vec<&'a Rating>,
    /// Of matched records about this vulnerability alone.
    pub(super) matched: Vec<&'a Rating>,
    /// Of matched records about several vulnerabilities.
    pub(super) bulletin: Vec<&'a Rating>,
    /// Of GitHub's records of the alias group.
    pub(super) github: Vec<&'a Rating>,
    /// Of sources of scores.
    pub(super) scores: Vec<&'a Rating>,
    /// Of other records of the alias group.
    pub(super) others: Vec<&'a Rating>,
}

/// A chosen rating.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chosen {
    pub(super) severity: Severity,
    /// The score it was taken from, where that is a vector's.
    pub(super) cvss: Option<CvssScore>,
    /// Who gave it; `None` where nobody did.
    pub(super) by: Option<String>,
}

impl<'a> Ratings<'a> {
    fn steps(&self) -> [&[&'a Rating]; 7] {
        [&self.package, &self.vendor, &self.matched, &self.bulletin, &self.github, &self.scores, &self.others]
    }

    /// The chosen severity.
    pub(super) fn choose(&self) -> Chosen {
        let chosen = self.steps().into_iter().find_map(|step| by_vector(step).or_else(|| by_word(step)));
        chosen.unwrap_or(Chosen { severity: Severity::Unknown, cvss: None, by: None })
    }

    /// Every rating once, in the order of the steps.
    pub(super) fn all(&self) -> Vec<Rating> {
        let mut all: Vec<Rating> = Vec::new();
        for rating in self.steps().into_iter().flatten() {
            if all.len() < MAX_RATINGS && !all.contains(rating) {
                all.push((*rating).clone());
            }
        }
        all
    }
}

fn by_vector(ratings: &[&Rating]) -> Option<Chosen> {
    let scores = ratings.iter().filter_map(|rating| match &rating.value {
        RatingValue::Cvss(vector) => Some((cvss_score(vector)?, rating)),
        RatingValue::Word(_) | RatingValue::Score(_) => None,
    });
    let (best, rating) = scores.max_by(|(a, _), (b, _)| {
        // Versions are single digits with one decimal, so their texts order as they do.
        a.version.cmp(&b.version).then(a.score.total_cmp(&b.score)).then_with(|| a.vector.cmp(&b.vector))
    })?;
    let severity = severity_of_score(best.score);
    Some(Chosen { severity, cvss: Some(best), by: Some(rating.source.clone()) })
}

/// By a score without a vector, else by a word; the worst of either.
fn by_word(ratings: &[&Rating]) -> Option<Chosen> {
    let by = |severity: fn(&RatingValue) -> Option<Severity>| {
        let rated = ratings.iter().filter_map(|rating| Some((severity(&rating.value)?, rating)));
        let (severity, rating) = rated.max_by_key(|(severity, _)| *severity)?;
        Some(Chosen { severity, cvss: None, by: Some(rating.source.clone()) })
    };
    let of_score = |value: &RatingValue| match value {
        RatingValue::Score(score) => {
            let score = score.parse().ok().filter(|score| (0.0..=10.0).contains(score))?;
            Some(severity_of_score(score))
        }
        RatingValue::Cvss(_) | RatingValue::Word(_) => None,
    };
    let of_word = |value: &RatingValue| match value {
        RatingValue::Word(word) => severity_of_word(word),
        RatingValue::Cvss(_) | RatingValue::Score(_) => None,
    };
    by(of_score).or_else(|| by(of_word))
}

/// The base score of a vector of CVSS 2.0, 3.0, 3.1 or 4.0, after FIRST's specifications; `None` where the text is no
/// such vector.
pub fn cvss_score(vector: &str) -> Option<CvssScore> {
    // Some feeds write version 2 with the prefix that only later versions have, or in parentheses.
    let plain = vector.trim().trim_start_matches('(').trim_end_matches(')');
    let cvss: Cvss = plain.strip_prefix("CVSS:2.0/").unwrap_or(plain).parse().ok()?;
    let version = match cvss {
        Cvss::CvssV20(_) => "2.0",
        Cvss::CvssV30(_) => "3.0",
        Cvss::CvssV31(_) => "3.1",
        Cvss::CvssV40(_) => "4.0",
        _ => return None,
    };
    // Rounded once more: a sum of tenths in binary is not a tenth.
    let score = (cvss.score() * 10.0).round() / 10.0;
    (0.0..=10.0).contains(&score).then(|| CvssScore { version: version.to_owned(), score, vector: vector.to_owned() })
}

/// The severity of a score on the qualitative scale of CVSS 3 and 4.
pub fn severity_of_score(score: f64) -> Severity {
    match score {
        score if score >= 9.0 => Severity::Critical,
        score if score >= 7.0 => Severity::High,
        score if score >= 4.0 => Severity::Medium,
        score if score > 0.0 => Severity::Low,
        _ => Severity::None,
    }
}

/// The severity a feed's word stands for; `None` where the word rates nothing.
///
/// GitHub says `moderate`, Red Hat and SUSE `important`, Ubuntu `negligible` for what is real but theoretical, and Debian
/// `unimportant` for what does not touch the binary packages.
pub fn severity_of_word(word: &str) -> Option<Severity> {
    let severity = match word.trim().trim_end_matches('*').to_ascii_lowercase().as_str() {
        "critical" => Severity::Critical,
        "high" | "important" => Severity::High,
        "medium" | "moderate" => Severity::Medium,
        "low" | "negligible" => Severity::Low,
        "none" | "unimportant" => Severity::None,
        _ => return None,
    };
    Some(severity)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: &str = "AV:N/AC:L/Au:N/C:C/I:C/A:C";
    const V30: &str = "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N";
    const V31: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
    const V31_LOW: &str = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N";
    const V4: &str = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N";

    fn vector(vector: &str) -> Rating {
        Rating { source: "a".into(), value: RatingValue::Cvss(vector.into()) }
    }

    fn word(word: &str) -> Rating {
        Rating { source: "a".into(), value: RatingValue::Word(word.into()) }
    }

    #[test]
    fn scores_are_those_the_specifications_give() {
        for (vector, version, score) in [
            (V2, "2.0", 10.0),
            ("(AV:N/AC:M/Au:N/C:N/I:P/A:N)", "2.0", 4.3),
            ("CVSS:2.0/AV:L/AC:H/Au:N/C:C/I:C/A:C", "2.0", 6.2),
            (V30, "3.0", 7.5),
            (V31, "3.1", 9.8),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", "3.1", 10.0),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", "3.1", 0.0),
            (V31_LOW, "3.1", 1.8),
            (V4, "4.0", 6.9),
        ] {
            let found = cvss_score(vector).unwrap();
            assert_eq!((found.version.as_str(), found.score, found.vector.as_str()), (version, score, vector));
        }
    }

    #[test]
    fn a_text_that_is_no_vector_has_no_score() {
        for text in ["", "7.5", "CVSS:3.1/", "CVSS:9.9/AV:N", "CVSS:3.1/AV:N/AV:N", "CVSS:4.0/AV:N", "HIGH"] {
            assert_eq!(cvss_score(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_scale_has_its_edges_where_first_puts_them() {
        for (score, severity) in [
            (0.0, Severity::None),
            (0.1, Severity::Low),
            (3.9, Severity::Low),
            (4.0, Severity::Medium),
            (6.9, Severity::Medium),
            (7.0, Severity::High),
            (8.9, Severity::High),
            (9.0, Severity::Critical),
            (10.0, Severity::Critical),
        ] {
            assert_eq!(severity_of_score(score), severity, "{score}");
        }
    }

    #[test]
    fn the_order_of_sources_decides_before_the_score() {
        let (low, high, v4, v2) = (vector(V31_LOW), vector(V31), vector(V4), vector(V2));
        let (critical, unassigned, broken) = (word("CRITICAL"), word("not yet assigned"), vector("CVSS:3.1/broken"));
        let score = Rating { source: "a".into(), value: RatingValue::Score("6.1".into()) };
        let no_score = Rating { source: "a".into(), value: RatingValue::Score("61".into()) };
        let steps = |steps: [&[&'static str]; 7]| steps.map(|step| step.to_vec());
        let of = |name: &str| match name {
            "low" => &low,
            "high" => &high,
            "v4" => &v4,
            "v2" => &v2,
            "critical" => &critical,
            "unassigned" => &unassigned,
            "score" => &score,
            "no score" => &no_score,
            _ => &broken,
        };
        for (given, severity) in [
            ([&["low"][..], &["critical"], &["high"], &[], &[], &[], &[]], Severity::Low),
            ([&["critical"], &[], &["low"], &[], &[], &[], &[]], Severity::Critical),
            ([&["unassigned"], &[], &["low"], &[], &[], &[], &[]], Severity::Low),
            ([&[], &["critical"], &["low"], &[], &[], &[], &[]], Severity::Critical),
            ([&[], &[], &["critical", "low"], &[], &["high"], &[], &[]], Severity::Low),
            ([&[], &[], &["broken"], &[], &["high"], &[], &[]], Severity::Critical),
            ([&[], &[], &["critical"], &[], &["low"], &[], &[]], Severity::Critical),
            ([&[], &[], &[], &["critical"], &["low"], &["low"], &["low"]], Severity::Critical),
            ([&[], &[], &[], &[], &["low"], &["high"], &["high"]], Severity::Low),
            ([&[], &[], &[], &[], &[], &["low"], &["high"]], Severity::Low),
            ([&[], &[], &[], &[], &[], &[], &["high"]], Severity::Critical),
            ([&[], &[], &["high", "v4", "v2"], &[], &[], &[], &[]], Severity::Medium),
            ([&[], &[], &["low", "high"], &[], &[], &[], &[]], Severity::Critical),
            ([&[], &[], &["v2", "low"], &[], &[], &[], &[]], Severity::Low),
            ([&[], &[], &["score", "critical"], &[], &[], &[], &[]], Severity::Medium),
            ([&[], &[], &["no score"], &[], &["low"], &[], &[]], Severity::Low),
            ([&[], &[], &["unassigned", "broken"], &[], &[], &[], &[]], Severity::Unknown),
        ] {
            let [package, vendor, matched, bulletin, github, scores, others] =
                steps(given).map(|step| step.into_iter().map(of).collect());
            let ratings = Ratings { package, vendor, matched, bulletin, github, scores, others };
            assert_eq!(ratings.choose().severity, severity, "{given:?}");
        }
    }

    #[test]
    fn every_rating_is_kept_once_and_not_without_end() {
        let many: Vec<Rating> = (0..100).map(|number| word(&number.to_string())).collect();
        let (matched, others): (Vec<&Rating>, Vec<&Rating>) = (many.iter().take(2).collect(), many.iter().collect());
        let kept = Ratings { matched, others, ..Ratings::default() }.all();
        assert_eq!((kept.len(), &kept[..3]), (MAX_RATINGS, &many[..3]));
    }
}
