//! What a text that is searched for is found in.

use std::ops::Range;
use std::sync::Arc;

use weir_scanner::oci::Digest;

use super::Model;
use super::finding::{Findings, Head};
use crate::report::filter::Filter;

/// Findings of a word of bits.
const WORD: usize = u64::BITS as usize;

/// Where a text is found.
pub(super) struct Found {
    text: String,
    /// By number.
    pub(super) repositories: Vec<bool>,
    /// By number.
    vulnerabilities: Vec<bool>,
    /// By number.
    packages: Vec<bool>,
    /// Whether it is in any vulnerability or package.
    is_in_findings: bool,
    /// Whether it can be a part of a digest.
    is_of_digests: bool,
}

impl Found {
    /// Looks for the text that a filter asks for, if any.
    pub(super) fn asked(model: &Model, filter: &Filter) -> Option<Arc<Self>> {
        filter.q.as_deref().map(|text| Arc::new(Self::of(model, text)))
    }

    /// Looks for a text in lower case.
    fn of(model: &Model, text: &str) -> Self {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let hex = text.split_once(':').map_or(text, |(_, hex)| hex);
        let vulnerabilities: Vec<bool> =
            model.catalog.vulnerabilities.iter().map(|known| known.searched.contains(text)).collect();
        let packages: Vec<bool> =
            model.catalog.packages.iter().map(|package| package.searched.contains(text)).collect();
        Self {
            text: text.to_owned(),
            is_in_findings: vulnerabilities.contains(&true) || packages.contains(&true),
            repositories: model.repositories.iter().map(|repository| is_in(&repository.name, text)).collect(),
            vulnerabilities,
            packages,
            is_of_digests: text.contains(':') || hex.bytes().all(is_hex),
        }
    }

    /// Which of an image's findings it is in, a bit for each; empty where it is in none.
    pub(super) fn bits(&self, findings: &Findings<'_>) -> Box<[u64]> {
        if !self.is_in_findings {
            return Box::default();
        }
        let is_in = |head: &Head, package: &u32| {
            self.vulnerabilities[head.vulnerability() as usize] | self.packages[*package as usize]
        };
        let words = findings.heads.chunks(WORD).zip(findings.packages.chunks(WORD)).map(|(heads, packages)| {
            let bits = (0..)
                .zip(heads.iter().zip(packages))
                .map(|(bit, (head, package))| u64::from(is_in(head, package)) << bit);
            bits.fold(0, |word, bit| word | bit)
        });
        let words: Box<[u64]> = words.collect();
        if words.iter().all(|word| *word == 0) { Box::default() } else { words }
    }

    /// Whether it is in a digest.
    pub(super) fn is_in_digest(&self, digest: &Digest) -> bool {
        self.is_of_digests && digest.to_string().contains(&self.text)
    }

    /// Whether it is in a tag.
    pub(super) fn is_in_tag(&self, tag: &str) -> bool {
        is_in(tag, &self.text)
    }
}

/// Whether a text in lower case is in another, which may have capitals.
fn is_in(text: &str, part: &str) -> bool {
    text.as_bytes().windows(part.len().max(1)).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

/// Tells the positions of the bits that are set, ascending, as far as they are in a stretch.
pub(super) fn each_set(bits: &[u64], stretch: Range<usize>, mut tell: impl FnMut(usize)) {
    let words = stretch.start / WORD..stretch.end.div_ceil(WORD).min(bits.len());
    for at in words {
        let mut word = bits[at];
        let begin = at * WORD;
        if begin < stretch.start {
            word &= u64::MAX << (stretch.start - begin);
        }
        if begin + WORD > stretch.end {
            word &= !(u64::MAX << (stretch.end - begin));
        }
        while word != 0 {
            tell(begin + word.trailing_zeros() as usize);
            word &= word - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_scanner::finding::Severity;

    use super::super::finding::{self, FindingParts};
    use super::*;

    #[test]
    fn bits_of_a_stretch_are_told_and_no_others() {
        let bits = [1 << 3 | 1 << 63, 0, 1 | 1 << 5];
        let set = |stretch| {
            let mut told = Vec::new();
            each_set(&bits, stretch, |at| told.push(at));
            told
        };
        assert_eq!(set(0..192), [3, 63, 128, 133]);
        assert_eq!(set(4..133), [63, 128]);
        assert_eq!((set(3..4), set(64..128), set(5..5), set(133..1000)), (vec![3], vec![], vec![], vec![133]));
        each_set(&[], 0..100, |at| panic!("{at}"));
    }

    #[test]
    fn a_bit_says_of_each_finding_whether_the_text_is_in_its_vulnerability_or_its_package() {
        let part = |number| FindingParts { package: 149 - number, ..FindingParts::sample(number, Severity::Low) };
        let parts = (0..150).map(part);
        let findings = finding::Found::new(parts.collect());
        let asked = |vulnerabilities: &[usize], packages: &[usize]| {
            let among = |numbers: &[usize]| (0..150).map(|number| numbers.contains(&number)).collect();
            let found = Found {
                text: String::new(),
                repositories: Vec::new(),
                vulnerabilities: among(vulnerabilities),
                packages: among(packages),
                is_in_findings: !vulnerabilities.is_empty() || !packages.is_empty(),
                is_of_digests: false,
            };
            let mut told = Vec::new();
            each_set(&found.bits(&findings.findings()), 0..150, |at| told.push(at));
            told
        };
        // Package 0 is of the last finding.
        assert_eq!(asked(&[0, 63, 64], &[0, 85]), [0, 63, 64, 149]);
        assert_eq!(asked(&[], &[20]), [129]);
        assert!(asked(&[], &[]).is_empty());
    }

    #[test]
    fn capitals_do_not_matter() {
        for (text, part, is_found) in
            [("docker.io/Team/App", "team/a", true), ("1.2-RC1", "rc1", true), ("abc", "abcd", false), ("", "a", false)]
        {
            assert_eq!(is_in(text, part), is_found, "{text} {part}");
        }
    }
}
