//! Reads CVSS vectors by CVE: the yearly files of NVD's API 2.0 form, or a plain table `cve,type,vector,source`.
//!
//! Only vectors are taken, not scores: the score is computed from the vector, wherever it came from.

use std::io::{BufRead, Read};

use serde::Deserialize;

use super::epss::{CsvError, CsvLines};
use super::{Rating, RatingValue, json_list};

/// The most vectors of one CVE that are kept.
const MAX_RATINGS: usize = 32;
/// CISA's vulnrichment programme, as the CVE list names it in `source`.
const CISA_ADP: &str = "134c704f-9b21-4f2e-91b3-4a467353bcc0";

#[derive(Deserialize)]
struct RawItem {
    cve: RawCve,
}

#[derive(Deserialize)]
struct RawCve {
    id: String,
    #[serde(rename = "vulnStatus")]
    status: Option<String>,
    metrics: Option<RawMetrics>,
}

#[derive(Default, Deserialize)]
struct RawMetrics {
    #[serde(rename = "cvssMetricV40", default)]
    v40: Vec<RawMetric>,
    #[serde(rename = "cvssMetricV31", default)]
    v31: Vec<RawMetric>,
    #[serde(rename = "cvssMetricV30", default)]
    v30: Vec<RawMetric>,
    #[serde(rename = "cvssMetricV2", default)]
    v2: Vec<RawMetric>,
}

#[derive(Deserialize)]
struct RawMetric {
    source: String,
    #[serde(rename = "cvssData")]
    data: RawData,
}

#[derive(Deserialize)]
struct RawData {
    #[serde(rename = "vectorString")]
    vector: String,
}

/// Reads one NVD file (`"format": "NVD_CVE"`, version 2.0); the ratings of each CVE that has any go to `each`. Returns the file's
/// `timestamp`.
///
/// Sources are named `nvd`, `cisa-adp` and, for whoever assigned the CVE, `cna`.
///
/// # Errors
/// The outer one where the bytes are no such file, the inner one where `each` gave up.
pub fn read_nvd<E>(
    reader: impl Read,
    mut each: impl FnMut(String, Vec<Rating>) -> Result<(), E>,
) -> Result<Result<Option<String>, E>, serde_json::Error> {
    let stamp = json_list::read(reader, "vulnerabilities", ["timestamp"], |item: RawItem| {
        let RawCve { id, status, metrics } = item.cve;
        if status.is_some_and(|status| status == "Rejected") {
            return Ok(());
        }
        let RawMetrics { v40, v31, v30, v2 } = metrics.unwrap_or_default();
        let metrics = v40.into_iter().chain(v31).chain(v30).chain(v2);
        let ratings: Vec<Rating> = metrics.map(rating).take(MAX_RATINGS).collect();
        if ratings.is_empty() { Ok(()) } else { each(id, ratings) }
    });
    stamp.map(|inner| inner.map(|[stamp]| stamp))
}

fn rating(metric: RawMetric) -> Rating {
    let source = match metric.source.as_str() {
        "nvd@nist.gov" => "nvd",
        CISA_ADP => "cisa-adp",
        _ => "cna",
    };
    Rating { source: source.to_owned(), value: RatingValue::Cvss(metric.data.vector) }
}

/// Reads the plain table; the ratings of each run of lines with one CVE go to `each`.
///
/// # Errors
/// The outer one where a line is none of such a table or the last one is cut off, the inner one where `each` gave up.
pub fn read_table<E>(
    reader: impl BufRead,
    mut each: impl FnMut(String, Vec<Rating>) -> Result<(), E>,
) -> Result<Result<(), E>, CsvError> {
    let mut lines = CsvLines::new(reader);
    if lines.next()?.as_deref() != Some("cve,type,vector,source") {
        return Err(lines.wrong("there is no header cve,type,vector,source"));
    }
    let mut run: Option<(String, Vec<Rating>)> = None;
    while let Some(line) = lines.next()? {
        let fields: Vec<&str> = line.split(',').collect();
        let [cve, kind, vector, source] = fields.as_slice() else {
            return Err(lines.wrong("it does not have four fields"));
        };
        if !cve.starts_with("CVE-") || !matches!(*kind, "CVSS_V2" | "CVSS_V3" | "CVSS_V4") || vector.is_empty() {
            return Err(lines.wrong("it is no CVE with a vector"));
        }
        let rating = Rating { source: (*source).to_owned(), value: RatingValue::Cvss((*vector).to_owned()) };
        match &mut run {
            Some((running, ratings)) if running == cve => {
                if ratings.len() < MAX_RATINGS {
                    ratings.push(rating);
                }
            }
            _ => {
                if let Some((cve, ratings)) = run.replace(((*cve).to_owned(), vec![rating]))
                    && let Err(error) = each(cve, ratings)
                {
                    return Ok(Err(error));
                }
            }
        }
    }
    Ok(run.map_or(Ok(()), |(cve, ratings)| each(cve, ratings)))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    type Read = Vec<(String, Vec<(String, String)>)>;

    fn plain(cve: String, ratings: Vec<Rating>) -> (String, Vec<(String, String)>) {
        let pair = |rating: Rating| match rating.value {
            RatingValue::Cvss(vector) => (rating.source, vector),
            RatingValue::Word(text) | RatingValue::Score(text) => panic!("{text}"),
        };
        (cve, ratings.into_iter().map(pair).collect())
    }

    fn table(text: &str) -> Result<Read, CsvError> {
        let mut read = Vec::new();
        let Ok(()) = read_table(text.as_bytes(), |cve, ratings| {
            read.push(plain(cve, ratings));
            Ok::<_, Infallible>(())
        })?;
        Ok(read)
    }

    fn pair(source: &str, vector: &str) -> (String, String) {
        (source.into(), vector.into())
    }

    #[test]
    fn the_table_gives_each_cve_its_vectors() {
        let text = "cve,type,vector,source\nCVE-1,CVSS_V2,AV:N/AC:L,nvd\nCVE-1,CVSS_V3,CVSS:3.1/AV:N,cna\nCVE-2,CVSS_V4,CVSS:4.0/AV:N,nvd\n";
        let expected = [
            ("CVE-1".to_owned(), vec![pair("nvd", "AV:N/AC:L"), pair("cna", "CVSS:3.1/AV:N")]),
            ("CVE-2".to_owned(), vec![pair("nvd", "CVSS:4.0/AV:N")]),
        ];
        assert_eq!(table(text).unwrap(), expected);
        assert!(table("cve,type,vector,source\n").unwrap().is_empty());
        for bad in
            ["", "cve,epss\n", "cve,type,vector,source\nCVE-1,CVSS_V2,AV:N", "cve,type,vector,source\nCVE-1,WORD,x,y\n"]
        {
            assert!(table(bad).is_err(), "{bad:?}");
        }
    }

    /// A file as NVD's yearly ones are, made for this test.
    #[test]
    fn nvd_files_give_vectors_of_every_version_and_source() {
        let text = r#"{"resultsPerPage":3,"format":"NVD_CVE","version":"2.0","timestamp":"2026-08-16T03:00:00.123",
            "vulnerabilities":[
              {"cve":{"id":"CVE-2024-1","sourceIdentifier":"a@b","vulnStatus":"Analyzed","descriptions":[{"lang":"en","value":"x"}],
                "metrics":{
                  "cvssMetricV31":[
                    {"source":"nvd@nist.gov","type":"Primary","cvssData":{"version":"3.1","vectorString":"CVSS:3.1/A","baseScore":9.8}},
                    {"source":"134c704f-9b21-4f2e-91b3-4a467353bcc0","type":"Secondary","cvssData":{"vectorString":"CVSS:3.1/B"}}],
                  "cvssMetricV2":[{"source":"nvd@nist.gov","cvssData":{"version":"2.0","vectorString":"AV:N"},"acInsufInfo":false}],
                  "cvssMetricV40":[{"source":"security@vendor.example","cvssData":{"vectorString":"CVSS:4.0/C"}}]}}},
              {"cve":{"id":"CVE-2024-2","vulnStatus":"Rejected","metrics":{"cvssMetricV2":[
                {"source":"nvd@nist.gov","cvssData":{"vectorString":"AV:N"}}]}}},
              {"cve":{"id":"CVE-2024-3","vulnStatus":"Received","metrics":{}}}]}"#;
        let mut read = Vec::new();
        let Ok(stamp) = read_nvd(text.as_bytes(), |cve, ratings| {
            read.push(plain(cve, ratings));
            Ok::<_, Infallible>(())
        })
        .unwrap();
        let ratings = vec![
            pair("cna", "CVSS:4.0/C"),
            pair("nvd", "CVSS:3.1/A"),
            pair("cisa-adp", "CVSS:3.1/B"),
            pair("nvd", "AV:N"),
        ];
        assert_eq!(read, [("CVE-2024-1".to_owned(), ratings)]);
        assert_eq!(stamp.as_deref(), Some("2026-08-16T03:00:00.123"));
        assert!(read_nvd(&text.as_bytes()[..text.len() - 9], |_, _| Ok::<_, Infallible>(())).is_err());
    }

    #[test]
    fn the_shared_table_is_read_to_its_end() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/advisories/cvss/cve_cvss.csv.gz");
        let Ok(file) = std::fs::File::open(path) else { return };
        let reader = std::io::BufReader::new(flate2::read::MultiGzDecoder::new(file));
        let (mut cves, mut vectors) = (std::collections::BTreeSet::new(), 0);
        let Ok(()) = read_table(reader, |cve, ratings| {
            cves.insert(cve);
            vectors += ratings.len();
            Ok::<_, Infallible>(())
        })
        .unwrap();
        assert_eq!((cves.len(), vectors), (141_729, 153_861));
    }
}
