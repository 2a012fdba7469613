//! How rows look on disk: a version byte, then that version's struct in postcard's encoding.
//!
//! Owns the stored structs and their conversions. They are the disk's own: a domain type may change its fields and its
//! JSON without a stored byte moving. A new form is a new struct with the next version; the old one stays and is still read,
//! and a sample of each is kept in `tests/samples`, in the folder of the version of weir that wrote it first. Invariant: any bytes give a value or a [`RecordError`], never a panic.

mod advisory;
mod cluster;
mod common;
mod cve;
mod event;
mod exception;
mod finding;
mod finding_brief;
mod image;
mod import;
mod layer;
mod life;
mod manifest;
mod node_check;
mod pull;
#[cfg(test)]
mod samples;
mod scan_request;
mod session;
mod token;
mod webhook;

pub(crate) use advisory::AdvisoryParts;
use advisory::read_parts;
use finding_brief::read_brief;
pub(crate) use import::MarkRecord;
use serde::{Deserialize, Serialize};

use super::RecordError;
use super::engine::Table;

/// A value with a stored form.
pub(crate) trait Record: Sized {
    /// The version this build writes.
    const VERSION: u8;

    /// The stored form of that version, without the version byte, appended to `out`.
    fn write(&self, out: Vec<u8>) -> Vec<u8>;

    /// Reads the stored form of any version there has been.
    fn read(version: u8, body: &[u8]) -> Result<Self, Unreadable>;
}

/// Declares every stored form with the name it has in an index's format and in the names of samples.
macro_rules! forms {
    ($($name:literal = $record:ty,)*) => {
        /// Every stored form and the version this build writes.
        pub(crate) const FORMS: &[(&str, u8)] = &[$(($name, <$record>::VERSION),)*];

        /// The name of a stored form.
        #[cfg(test)]
        fn form_of<R: 'static>() -> &'static str {
            let wanted = std::any::TypeId::of::<R>();
            $(if wanted == std::any::TypeId::of::<$record>() { return $name; })*
            panic!("{} is in no line of the list of forms", std::any::type_name::<R>())
        }

        /// Reads bytes as every record there is.
        #[cfg(test)]
        fn read_as_all(bytes: &[u8]) {
            $(let _: Result<$record, _> = decode(Table::Stamps, b"key", bytes);)*
        }
    };
}

forms! {
    "stamp" = super::StampRecord,
    "manifest" = super::ManifestRecord,
    "link" = super::LinkRecord,
    "tag" = super::TagRecord,
    "alias" = super::AliasEdge,
    "image" = super::ImageRecord,
    "layer" = super::LayerOutcome,
    "inventory" = super::InventoryRecord,
    "findings" = super::FindingsRecord,
    "event" = super::EventRecord,
    "advisory" = weir_scanner::advisory::Advisory,
    "mark" = MarkRecord,
    "import" = super::ImportRecord,
    "feed" = weir_scanner::advisory::Feed,
    "kev" = weir_scanner::advisory::kev::KevEntry,
    "epss" = weir_scanner::advisory::epss::EpssScore,
    "cve-ratings" = super::cve::CveRatings,
    "cve-state" = super::CveState,
    "exploitation-change" = super::ExploitationChange,
    "cluster" = super::ClusterRecord,
    "cluster-object" = super::ClusterObject,
    "life" = super::LifeRecord,
    "node-check" = super::NodeCheckRecord,
    "pull" = super::PullRecord,
    "token" = super::TokenRecord,
    "session" = super::SessionRecord,
    "scan-request" = super::ScanRequestRecord,
    "webhook" = super::WebhookRecord,
    "webhook-delivery" = super::WebhookDelivery,
    "exception" = weir_scanner::exception::Exception,
    "exception-cancelled" = weir_scanner::exception::Cancelled,
    "audit" = super::AuditEntry,
    "vex-document" = super::VexDocumentRecord,
}

/// Why a stored form was not read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// The version is none of those there have been.
    Version,
    /// The bytes do not fit the version.
    Body(String),
}

impl From<postcard::Error> for Unreadable {
    fn from(error: postcard::Error) -> Self {
        Self::Body(error.to_string())
    }
}

impl From<weir_scanner::oci::InvalidReference> for Unreadable {
    fn from(error: weir_scanner::oci::InvalidReference) -> Self {
        Self::Body(error.to_string())
    }
}

/// The bytes of a row.
pub(crate) fn encode<R: Record>(record: &R) -> Vec<u8> {
    record.write(vec![R::VERSION])
}

/// The value of a row.
pub(crate) fn decode<R: Record>(table: Table, key: &[u8], bytes: &[u8]) -> Result<R, RecordError> {
    decode_by(table, key, bytes, R::VERSION, R::read)
}

/// Some parts of an advisory's row.
pub(crate) fn decode_parts(
    key: &[u8],
    bytes: &[u8],
    parts: AdvisoryParts<'_>,
) -> Result<weir_scanner::advisory::Advisory, RecordError> {
    let newest = weir_scanner::advisory::Advisory::VERSION;
    decode_by(Table::Advisories, key, bytes, newest, |version, body| read_parts(version, body, parts))
}

/// The brief form of an image's findings, handed to `take`.
pub(crate) fn decode_brief<R>(
    key: &[u8],
    bytes: &[u8],
    take: impl FnOnce(&super::FindingsBrief<'_>) -> R,
) -> Result<R, RecordError> {
    decode_by(Table::Findings, key, bytes, super::FindingsRecord::VERSION, |version, body| {
        read_brief(version, body, take)
    })
}

fn decode_by<R>(
    table: Table,
    key: &[u8],
    bytes: &[u8],
    newest: u8,
    read: impl FnOnce(u8, &[u8]) -> Result<R, Unreadable>,
) -> Result<R, RecordError> {
    let Some((version, body)) = bytes.split_first() else {
        return Err(RecordError::damaged(table.name(), key, "it is empty"));
    };
    read(*version, body).map_err(|unreadable| match unreadable {
        Unreadable::Version if *version > newest => RecordError::Newer { table: table.name(), version: *version },
        Unreadable::Version => {
            RecordError::damaged(table.name(), key, format!("no version {version} was ever written"))
        }
        Unreadable::Body(detail) => RecordError::damaged(table.name(), key, detail),
    })
}

/// Appends a stored struct.
fn seal(stored: &impl Serialize, out: Vec<u8>) -> Vec<u8> {
    postcard::to_extend(stored, out).expect("a Vec takes all bytes, and every stored sequence knows its length")
}

/// Reads a stored struct that fills `body`.
fn unseal<'de, S: Deserialize<'de>>(body: &'de [u8]) -> Result<S, Unreadable> {
    let (stored, rest) = postcard::take_from_bytes(body)?;
    if rest.is_empty() { Ok(stored) } else { Err(Unreadable::Body(format!("{} bytes too many", rest.len()))) }
}

/// Implements [`Record`] for a type whose only stored form so far is `$stored`.
macro_rules! first_version {
    ($domain:ty as $stored:ty) => {
        impl Record for $domain {
            const VERSION: u8 = 1;

            fn write(&self, out: Vec<u8>) -> Vec<u8> {
                seal(&<$stored>::from(self), out)
            }

            fn read(version: u8, body: &[u8]) -> Result<Self, Unreadable> {
                match version {
                    1 => Ok(unseal::<$stored>(body)?.try_into()?),
                    _ => Err(Unreadable::Version),
                }
            }
        }
    };
}
use first_version;

impl From<std::convert::Infallible> for Unreadable {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::StampRecord;
    use super::*;

    #[test]
    fn a_record_says_which_kind_of_unreadable_it_is() {
        let decode = |bytes: &[u8]| decode::<StampRecord>(Table::Stamps, b"k\xff", bytes);
        let good = encode(&StampRecord { at: 1, value: vec![1, 2] });
        assert!(decode(&good).is_ok());
        let newer = [&[9], &good[1..]].concat();
        assert_eq!(decode(&newer), Err(RecordError::Newer { table: "stamps", version: 9 }));
        for bad in [&[], &good[..good.len() - 1], [good.as_slice(), &[0]].concat().as_slice(), &[0]] {
            let error = decode(bad).unwrap_err();
            assert!(matches!(&error, RecordError::Damaged { table: "stamps", key, .. } if key == "k\\xff"), "{error}");
        }
    }
}
