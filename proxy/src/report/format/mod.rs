//! The result document in the forms of others: CycloneDX, SPDX and SARIF for programs, a table for people.
//!
//! Owns shapes alone: pure functions over a [`ResultDocument`], whose instants come from the document or are handed in, so
//! that equal documents give equal bytes. The invariant: no form looks clean where the document does not know. What is not
//! known is listed in one place, [`gap`], and every form tells all of it.

mod accept;
mod cyclonedx;
mod gap;
mod openvex;
mod purl;
mod said;
#[cfg(test)]
mod sample;
mod sarif;
mod spdx;
mod table;
mod word;

pub(super) use accept::{negotiate, preference};
pub(super) use purl::{image as image_url, repository as repository_url};
pub(super) use said::{Said, ratings, said};
pub(crate) use table::columns;
pub use table::{Terminal, table};
pub(super) use word::uuid_of;

use super::document::ResultDocument;

/// A form of the result for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// weir's own.
    Json,
    /// CycloneDX 1.6.
    CycloneDx,
    /// SPDX 2.3.
    Spdx,
    /// SARIF 2.1.0.
    Sarif,
    /// OpenVEX 0.2.0: what was decided about the image, and nothing else.
    OpenVex,
    /// The same as CycloneDX 1.6.
    CycloneDxVex,
}

impl Format {
    /// Every form; the first is the one nobody has to ask for.
    pub const ALL: [Self; 6] =
        [Self::Json, Self::CycloneDx, Self::Spdx, Self::Sarif, Self::OpenVex, Self::CycloneDxVex];

    /// The name in `?format=` and `--format`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::CycloneDx => "cyclonedx",
            Self::Spdx => "spdx",
            Self::Sarif => "sarif",
            Self::OpenVex => "openvex",
            Self::CycloneDxVex => "cyclonedx-vex",
        }
    }

    /// The form of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// What `Accept` and `Content-Type` call it.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::CycloneDx | Self::CycloneDxVex => "application/vnd.cyclonedx+json",
            Self::Spdx => "application/spdx+json",
            Self::Sarif => "application/sarif+json",
            // As its specification names it; no registry does.
            Self::OpenVex => "application/openvex+json",
        }
    }

    /// Whether it is about the image alone, whatever runs it: decisions about some workloads are not told in it.
    pub const fn is_of_image(self) -> bool {
        !matches!(self, Self::Json)
    }
}

/// The result as JSON of one form. `now` dates what was never matched; seconds since the epoch.
///
/// # Errors
/// None that a document can cause: JSON refuses keys that are no text, and no form has such.
pub fn render(document: &ResultDocument, format: Format, now: i64) -> serde_json::Result<Vec<u8>> {
    match format {
        Format::Json => serde_json::to_vec(document),
        Format::CycloneDx => serde_json::to_vec(&cyclonedx::bom(document, now)?),
        Format::Spdx => serde_json::to_vec(&spdx::document(document, now)?),
        Format::Sarif => serde_json::to_vec(&sarif::log(document, now)),
        Format::OpenVex => serde_json::to_vec(&openvex::document(document)),
        Format::CycloneDxVex => serde_json::to_vec(&cyclonedx::vex(document, now)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_documents_give_equal_bytes() {
        for format in Format::ALL {
            let bytes = render(&sample::complete(), format, sample::NOW).unwrap();
            assert_eq!(bytes, render(&sample::complete(), format, sample::NOW).unwrap(), "{}", format.name());
            // The time of asking changes nothing that was matched at a known time.
            assert_eq!(bytes, render(&sample::complete(), format, sample::NOW + 60).unwrap(), "{}", format.name());
            assert_eq!(Format::named(format.name()), Some(format));
        }
        assert_eq!(Format::named("xml"), None);
    }
}
