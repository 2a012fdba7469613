//! Exceptions: what people have decided about findings and repositories, and the audit of who decided it.
//!
//! Owns what may be decided, its lists and its preview. What a decision covers is [`weir_scanner::exception`]'s, that it is kept for ever
//! the index's; who may decide is asked by the report before anything here is called.

mod decide;
mod draft;
mod endpoint;
mod gauge;
mod item;
mod list;
mod service;
mod standing;
mod vex;
mod warning;

pub(super) use decide::MAX_TOGETHER;
pub(super) use draft::NewException;
pub(super) use endpoint::{CancelOne, CancelSeveral, MAX_BODY, MAX_CANCEL_BODY};
pub use gauge::{ExceptionGaugeParts, count_exceptions};
pub(super) use item::place;
pub(super) use list::ExceptionPage;
pub use service::Exceptions;
pub(super) use standing::stand;
pub(super) use vex::{
    Component, Document, Imported, MAX_VEX_BODY, Statement, Vulnerability, Words, document_of, nothing_to_say,
};
pub(super) use warning::warning;
