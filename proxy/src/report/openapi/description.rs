//! What is told of an endpoint: in words, and in the schemas of what it takes and gives.

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::parameter::{Parameter, check, format, of_pages};
use crate::report::Parameters;
use crate::report::list::Listing;
use crate::report::problem::Problem;

/// Writes the schema of a type, and notes those it refers to.
pub(super) type Schemed = fn(&mut SchemaGenerator) -> Schema;

/// What is told of one endpoint.
pub(in crate::report) struct Description {
    pub(super) summary: &'static str,
    pub(super) detail: &'static str,
    pub(super) query: Vec<Parameter>,
    pub(super) body: Option<Body>,
    pub(super) answer: Answer,
    /// What else is answered where nothing is wrong, by another status.
    pub(super) or: Vec<(u16, &'static str, Schemed)>,
    /// Refusals beside those that any endpoint may give.
    pub(super) refusals: Vec<(u16, &'static str)>,
    /// Whether parameters are checked by this description, and it is part of `/openapi.json`.
    is_api: bool,
}

/// What a request carries.
pub(super) struct Body {
    pub(super) schema: Schemed,
    pub(super) most_bytes: usize,
}

/// What is answered where nothing is wrong.
pub(super) enum Answer {
    /// A list, as JSON and as CSV.
    List(Schemed),
    /// A document; 202 where something was begun by it.
    Document { schema: Schemed, status: u16 },
    /// A document in several forms.
    Forms(Schemed, Vec<&'static str>),
    /// Nothing but the status.
    Nothing(u16),
}

impl Description {
    fn new(summary: &'static str, answer: Answer) -> Self {
        Self {
            summary,
            detail: "",
            query: Vec::new(),
            body: None,
            answer,
            or: Vec::new(),
            refusals: Vec::new(),
            is_api: true,
        }
    }

    /// A list, with `limit`, `cursor` and `format`.
    pub(super) fn list<L: Listing + JsonSchema>(summary: &'static str) -> Self {
        let description = Self::new(summary, Answer::List(|generator| generator.subschema_for::<L>()));
        description.takes([of_pages(), vec![format()]].concat())
    }

    /// One document.
    pub(super) fn document<T: JsonSchema>(summary: &'static str) -> Self {
        Self::new(summary, Answer::Document { schema: |generator| generator.subschema_for::<T>(), status: 200 })
    }

    /// The same with what another way of asking is answered with, by a status of its own.
    pub(super) fn or<T: JsonSchema>(mut self, status: u16, what: &'static str) -> Self {
        self.or.push((status, what, |generator| generator.subschema_for::<T>()));
        self
    }

    /// One document in several forms, by their media types.
    pub(super) fn forms<T: JsonSchema>(summary: &'static str, media_types: Vec<&'static str>) -> Self {
        Self::new(summary, Answer::Forms(|generator| generator.subschema_for::<T>(), media_types))
    }

    /// Nothing but the status.
    pub(super) fn nothing(summary: &'static str, status: u16) -> Self {
        Self::new(summary, Answer::Nothing(status))
    }

    /// A page for people: no part of the API, and its parameters are its own affair.
    pub(super) fn page() -> Self {
        Self { is_api: false, ..Self::new("", Answer::Nothing(200)) }
    }

    /// The same with more words.
    pub(super) fn detail(mut self, detail: &'static str) -> Self {
        self.detail = detail;
        self
    }

    /// The same with these parameters, before those it has.
    pub(super) fn takes(mut self, parameters: Vec<Parameter>) -> Self {
        self.query.splice(0..0, parameters);
        self
    }

    /// The same with a body of JSON.
    pub(super) fn body<T: JsonSchema>(mut self, most_bytes: usize) -> Self {
        self.body = Some(Body { schema: |generator| generator.subschema_for::<T>(), most_bytes });
        self
    }

    /// The same with the status of what was begun.
    pub(super) fn status(mut self, of: u16) -> Self {
        if let Answer::Document { status, .. } = &mut self.answer {
            *status = of;
        }
        self
    }

    /// The same with one more way to refuse.
    pub(super) fn refuses(mut self, status: u16, why: &'static str) -> Self {
        self.refusals.push((status, why));
        self
    }

    /// Whether it is part of the API.
    pub(super) fn is_api(&self) -> bool {
        self.is_api
    }

    /// Refuses parameters that are not described.
    ///
    /// # Errors
    /// 400 that names the first that is wrong.
    pub(in crate::report) fn check(&self, given: &Parameters) -> Result<(), Problem> {
        if self.is_api { check(&self.query, given) } else { Ok(()) }
    }
}
