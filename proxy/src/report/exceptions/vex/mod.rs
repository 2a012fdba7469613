//! Decisions in the words of VEX: documents of OpenVEX 0.2.0 taken in, and written.
//!
//! Owns what each word means here. What a document says and cannot be held here is told by name, never passed over; what was decided
//! here and OpenVEX cannot say is left out of what is written, and counted there.

mod endpoint;
mod export;
mod form;
mod import;
mod plan;
mod product;
mod read;
mod statement;

pub(in crate::report) use endpoint::{MAX_VEX_BODY, nothing_to_say};
pub(in crate::report) use export::document_of;
pub(in crate::report) use form::{Component, Document, Statement, Vulnerability};
pub(in crate::report) use import::Imported;
pub(in crate::report) use statement::Words;
