//! Reads FIRST's exploit prediction scores: CSV with one comment line, `#model_version:…,score_date:…`, and a header.

use std::io::{BufRead, Read as _};

/// The longest line read, in bytes.
const MAX_LINE_BYTES: u64 = 1024;

/// How likely a vulnerability is to be exploited within 30 days.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpssScore {
    /// The probability, 0 to 1.
    pub score: f64,
    /// The share of vulnerabilities whose probability is at most this one's, 0 to 1.
    pub percentile: f64,
}

/// Why the scores were refused.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// They cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// A line is none of the table.
    #[error("line {line}: {detail}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        detail: &'static str,
    },
}

/// Reads the scores; each goes to `each` with its CVE. Returns the day they are of, as the comment line says.
///
/// # Errors
/// The outer one where a line is none of such a table or the last one is cut off, the inner one where `each` gave up.
pub fn read<E>(
    reader: impl BufRead,
    mut each: impl FnMut(&str, EpssScore) -> Result<(), E>,
) -> Result<Result<Option<String>, E>, CsvError> {
    let mut lines = CsvLines::new(reader);
    let (mut date, mut columns) = (None, None::<[usize; 3]>);
    while let Some(line) = lines.next()? {
        if let Some(comment) = line.strip_prefix('#') {
            date = comment.split(',').find_map(|part| part.strip_prefix("score_date:")).map(str::to_owned);
            continue;
        }
        let fields: Vec<&str> = line.split(',').collect();
        let Some([cve, score, percentile]) = columns else {
            let column = |name| fields.iter().position(|field| *field == name);
            let found = column("cve").zip(column("epss")).zip(column("percentile"));
            let ((cve, score), percentile) =
                found.ok_or_else(|| lines.wrong("there is no header cve,epss,percentile"))?;
            columns = Some([cve, score, percentile]);
            continue;
        };
        let share = |at: usize| {
            let share: Option<f64> = fields.get(at).and_then(|field| field.parse().ok());
            share.filter(|share| (0.0..=1.0).contains(share))
        };
        let read = fields.get(cve).zip(share(score).zip(share(percentile)));
        let Some((cve, (score, percentile))) = read.filter(|(cve, _)| cve.starts_with("CVE-")) else {
            return Err(lines.wrong("it is no CVE with two shares between 0 and 1"));
        };
        if let Err(error) = each(cve, EpssScore { score, percentile }) {
            return Ok(Err(error));
        }
    }
    if columns.is_none() {
        return Err(lines.wrong("there is no header cve,epss,percentile"));
    }
    Ok(Ok(date))
}

/// The lines of a table, one in memory at a time.
pub(super) struct CsvLines<R> {
    reader: R,
    line: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> CsvLines<R> {
    pub(super) const fn new(reader: R) -> Self {
        Self { reader, line: 0, buffer: Vec::new() }
    }

    /// The next line; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<String>, CsvError> {
        self.buffer.clear();
        self.reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut self.buffer)?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        self.line += 1;
        let text = self.buffer.strip_suffix(b"\n").ok_or_else(|| self.wrong("it is cut off, or too long"))?;
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        Ok(Some(str::from_utf8(text).map_err(|_| self.wrong("it is no text"))?.to_owned()))
    }

    /// An error of the line read last.
    pub(super) const fn wrong(&self, detail: &'static str) -> CsvError {
        CsvError::Line { line: self.line, detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Scores = Vec<(String, f64, f64)>;

    fn collect(text: &str) -> Result<(Scores, Option<String>), CsvError> {
        let mut scores = Vec::new();
        let date = read(text.as_bytes(), |cve, epss| {
            scores.push((cve.to_owned(), epss.score, epss.percentile));
            Ok::<_, std::convert::Infallible>(())
        })?;
        let Ok(date) = date;
        Ok((scores, date))
    }

    #[test]
    fn scores_are_read_with_their_day() {
        let text = "#model_version:v2025.03.14,score_date:2026-08-16T00:00:00+0000\ncve,epss,percentile\nCVE-1999-0001,0.03351,0.8765\nCVE-2,1,0.0\n";
        let (scores, date) = collect(text).unwrap();
        assert_eq!(scores, [("CVE-1999-0001".into(), 0.033_51, 0.8765), ("CVE-2".into(), 1.0, 0.0)]);
        assert_eq!(date.as_deref(), Some("2026-08-16T00:00:00+0000"));
    }

    #[test]
    fn a_table_with_any_other_line_is_refused() {
        let head = "cve,epss,percentile\nCVE-1,0.1,0.2\n";
        for bad in ["", "<html>\n", "cve,score\n"] {
            assert!(collect(bad).is_err(), "{bad:?}");
        }
        for bad in
            ["CVE-1,0.1", "CVE-1,0.1\n", "CVE-1,2,0.1\n", "CVE-1,NaN,0.1\n", "GHSA-1,0.1,0.1\n", "CVE-1,-0.1,0\n", "\n"]
        {
            assert!(matches!(collect(&format!("{head}{bad}")), Err(CsvError::Line { line: 3, .. })), "{bad:?}");
        }
    }

    #[test]
    fn the_shared_scores_are_read_to_their_end() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/advisories/epss/epss_scores.csv.gz");
        let Ok(file) = std::fs::File::open(path) else { return };
        let reader = std::io::BufReader::new(flate2::read::MultiGzDecoder::new(file));
        let mut count = 0;
        let Ok(date) = read(reader, |_, _| {
            count += 1;
            Ok::<_, std::convert::Infallible>(())
        })
        .unwrap();
        assert_eq!((count, date.as_deref()), (360_142, Some("2026-08-16T02:43:54Z")));
    }
}
