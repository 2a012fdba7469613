//! Forgets sources of CVEs that are no longer configured: what they said must not stay in force for ever.

use weir_storage::index::{CveKind, CveSourceRecord, Index, IndexError};

use super::cve::{CveSource, CveSources};

/// Removes the sets of sources that `sources` does not have. Scores in one file give way to yearly files, and these to it, only once
/// there is a set of the new form. What a person imported from an artifact, other than the configured source at `location`, is in no
/// setting and stays. Blocks.
pub(super) fn forget_unconfigured(index: &Index, sources: &CveSources, location: &str) -> Result<(), IndexError> {
    let stored = index.cves().sources()?;
    let is_there = |years: bool| {
        let of_form = |source: &&CveSourceRecord| match source.kind {
            CveKind::Scores => !years,
            CveKind::YearScores(_) => years,
            CveKind::Kev | CveKind::Epss => false,
        };
        stored.iter().filter(of_form).any(|source| source.state.current.is_some())
    };
    let wants_years = sources.scores.as_ref().map(CveSource::is_folder);
    let by_hand = |source: &CveSourceRecord| {
        let from = source.state.location.as_deref().unwrap_or_default();
        from.starts_with("oci:") && !from.starts_with(location)
    };
    for source in stored.iter().filter(|source| !by_hand(source)) {
        let is_configured = match source.kind {
            CveKind::Kev => sources.kev.is_some(),
            CveKind::Epss => sources.epss.is_some(),
            CveKind::Scores => wants_years.is_some_and(|years| !years || !is_there(true)),
            CveKind::YearScores(_) => wants_years.is_some_and(|years| years || !is_there(false)),
        };
        if !is_configured {
            index.cves().remove(source.kind)?;
            tracing::info!(source = %source.kind, "what a source of CVEs said was forgotten, since it is no longer configured");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use weir_scanner::advisory::{Rating, RatingValue};
    use weir_storage::index::{CveFinish, Touch};

    use super::*;

    fn store(index: &Index, kind: CveKind) {
        let mut import = index.cves().begin(kind).unwrap();
        let rating = Rating { source: kind.to_string(), value: RatingValue::Score("7.0".into()) };
        import.put_ratings("CVE-2024-1", vec![rating]).unwrap();
        import.finish(CveFinish::default()).unwrap();
        let rows = index.touched().take(9).unwrap();
        index.touched().done(&rows).unwrap();
    }

    fn left(index: &Index) -> Vec<String> {
        index.cves().sources().unwrap().into_iter().map(|source| source.kind.to_string()).collect()
    }

    fn rated_by(index: &Index) -> Vec<String> {
        index.cves().ratings("CVE-2024-1").unwrap().into_iter().map(|rating| rating.source).collect()
    }

    #[test]
    fn a_form_of_scores_gives_way_once_the_other_is_there() {
        let (index, place) = (Index::in_memory(), tempfile::tempdir().unwrap());
        let years = CveSources { scores: Some(CveSource::from(place.path())), ..CveSources::default() };
        let file = CveSources { scores: Some(CveSource::from(Path::new("scores.csv"))), ..CveSources::default() };
        store(&index, CveKind::Scores);
        forget_unconfigured(&index, &years, "osv").unwrap();
        assert_eq!(rated_by(&index), ["cvss"], "the yearly files could not be had yet");
        store(&index, CveKind::YearScores(2024));
        forget_unconfigured(&index, &years, "osv").unwrap();
        assert_eq!((left(&index), rated_by(&index)), (vec!["cvss-2024".to_owned()], vec!["cvss-2024".to_owned()]));
        assert_eq!(index.touched().take(9).unwrap()[0].touch, Touch::AllNames);
        forget_unconfigured(&index, &file, "osv").unwrap();
        assert_eq!(left(&index), ["cvss-2024"]);
        store(&index, CveKind::Scores);
        forget_unconfigured(&index, &file, "osv").unwrap();
        assert_eq!(left(&index), ["cvss"]);
        forget_unconfigured(&index, &CveSources::default(), "osv").unwrap();
        assert_eq!((left(&index), rated_by(&index)), (vec![], vec![]));
        store(&index, CveKind::Scores);
        assert_eq!(rated_by(&index), ["cvss"], "it may come again");
    }

    #[test]
    fn exploitation_and_likelihood_are_forgotten_with_their_sources() {
        let index = Index::in_memory();
        for kind in [CveKind::Kev, CveKind::Epss] {
            index.cves().failed(kind, 1, "cut").unwrap();
        }
        let kev = CveSources { kev: Some(CveSource::from(Path::new("kev.json"))), ..CveSources::default() };
        forget_unconfigured(&index, &kev, "osv").unwrap();
        assert_eq!(left(&index), ["kev"]);
    }
}
