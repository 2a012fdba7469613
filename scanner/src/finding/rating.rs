//! The severity of a finding: one rating chosen among all, by a stated order.
//!
//! 1. ratings of the affected package itself: a vector, else a word;
//! 2. vectors of the records that matched, where they speak of this vulnerability alone;
//! 3. vectors of records that matched none of the image's packages but are of the same alias group;
//! 4. vectors of matched records that speak of several vulnerabilities at once;
//! 5. words, in the order of 2 to 4.
//!
//! Inside a step CVSS 4 goes before 3.1, 3.0 and 2, then the higher score. Vectors that cannot be read and words that
//! rate nothing (`not yet assigned`) are passed over.

use cvss::Cvss;

use super::{CvssScore, Severity};
use crate::advisory::{Rating, RatingValue};

/// The ratings of one finding, by who gave them.
#[derive(Debug, Default)]
pub(super) struct Ratings<'a> {
    /// For the affected package alone.
    pub(super) package: Vec<&'a Rating>,
    /// Of matched records about this vulnerability alone.
    pub(super) matched: Vec<&'a Rating>,
    /// Of other records of the alias group.
    pub(super) group: Vec<&'a Rating>,
    /// Of matched records about several vulnerabilities.
    pub(super) bulletin: Vec<&'a Rating>,
}

impl Ratings<'_> {
    /// The chosen severity, with the score it was taken from where that is a vector's.
    pub(super) fn choose(&self) -> (Severity, Option<CvssScore>) {
        let steps = [&self.matched, &self.group, &self.bulletin];
        if let Some(chosen) = by_vector(&self.package).or_else(|| by_word(&self.package)) {
            return chosen;
        }
        let vector = steps.iter().find_map(|ratings| by_vector(ratings));
        vector.or_else(|| steps.iter().find_map(|ratings| by_word(ratings))).unwrap_or((Severity::Unknown, None))
    }
}

type Chosen = (Severity, Option<CvssScore>);

fn by_vector(ratings: &[&Rating]) -> Option<Chosen> {
    let scores = ratings.iter().filter_map(|rating| match &rating.value {
        RatingValue::Cvss(vector) => cvss_score(vector),
        RatingValue::Word(_) => None,
    });
    let best = scores.max_by(|a, b| {
        // Versions are single digits with one decimal, so their texts order as they do.
        a.version.cmp(&b.version).then(a.score.total_cmp(&b.score)).then_with(|| a.vector.cmp(&b.vector))
    })?;
    Some((severity_of_score(best.score), Some(best)))
}

fn by_word(ratings: &[&Rating]) -> Option<Chosen> {
    let words = ratings.iter().filter_map(|rating| match &rating.value {
        RatingValue::Word(word) => severity_of_word(word),
        RatingValue::Cvss(_) => None,
    });
    Some((words.max()?, None))
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
        let (critical, unassigned) = (word("CRITICAL"), word("not yet assigned"));
        let broken = vector("CVSS:3.1/broken");
        for (package, matched, group, bulletin, severity) in [
            (vec![&low], vec![&high], vec![], vec![], Severity::Low),
            (vec![&critical], vec![&low], vec![], vec![], Severity::Critical),
            (vec![&unassigned], vec![&low], vec![], vec![], Severity::Low),
            (vec![], vec![&critical, &low], vec![&high], vec![], Severity::Low),
            (vec![], vec![&broken], vec![&high], vec![], Severity::Critical),
            (vec![], vec![&critical], vec![&low], vec![], Severity::Low),
            (vec![], vec![], vec![], vec![&high], Severity::Critical),
            (vec![], vec![&critical], vec![], vec![], Severity::Critical),
            (vec![], vec![&high, &v4, &v2], vec![], vec![], Severity::Medium),
            (vec![], vec![&low, &high], vec![], vec![], Severity::Critical),
            (vec![], vec![&v2, &low], vec![], vec![], Severity::Low),
            (vec![], vec![&unassigned, &broken], vec![], vec![], Severity::Unknown),
        ] {
            let ratings = Ratings { package, matched, group, bulletin };
            assert_eq!(ratings.choose().0, severity, "{ratings:?}");
        }
    }
}
