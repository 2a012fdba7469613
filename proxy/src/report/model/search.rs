//! What a text that is searched for is found in.

use std::sync::Arc;

use weir_scanner::oci::Digest;

use super::Model;
use crate::report::filter::Filter;

/// Where a text is found.
pub(super) struct Found {
    text: String,
    /// By number.
    pub(super) repositories: Vec<bool>,
    /// By number.
    pub(super) vulnerabilities: Vec<bool>,
    /// By number.
    pub(super) packages: Vec<bool>,
    /// Whether it is in any vulnerability or package.
    pub(super) is_in_findings: bool,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_do_not_matter() {
        for (text, part, is_found) in
            [("docker.io/Team/App", "team/a", true), ("1.2-RC1", "rc1", true), ("abc", "abcd", false), ("", "a", false)]
        {
            assert_eq!(is_in(text, part), is_found, "{text} {part}");
        }
    }
}
