//! Descriptions of what people decide, and of what is written of it.

use schemars::JsonSchema;
use serde_json::{Map, Value};
use weir_config::NoticeKind;
use weir_scanner::exception::{Kind, State, Target};

use super::description::Description;
use super::parameter::Parameter;
use crate::report::exceptions::{
    CancelOne, CancelSeveral, Document, ExceptionPage, Imported, MAX_BODY, MAX_CANCEL_BODY, MAX_TOGETHER, MAX_VEX_BODY,
    NewException,
};
use crate::report::format::Format;
use crate::report::list::Page;
use crate::report::shape::{AuditItem, ExceptionItem, PreviewedException};
use crate::report::webhooks::{TestResult, WebhookItem};

/// A repository, with or without its upstream: parts of letters and digits with `.`, `_` or `-` between; no upstream has a `_`.
const REPOSITORY: &str = concat!(
    r"^([a-z0-9]+([._-][a-z0-9]+)*",
    r"|([a-z0-9]+([.-][a-z0-9]+)*|[a-z0-9]+([_-][a-z0-9]+)*)(/[a-z0-9]+([._-][a-z0-9]+)*)+)$",
);
/// The longest name of a repository, its upstream with it.
const MOST_REPOSITORY: usize = 255;

/// One, or several of which all or none are taken.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "stands for what is asked in the description alone")]
enum OneOrMore<T> {
    One(T),
    Several(#[schemars(length(min = 1, max = MAX_TOGETHER))] Vec<T>),
}

/// One for one that was asked for, else as many as were.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "stands for what is answered in the description alone")]
enum OneOrItems<T> {
    One(T),
    Several { items: Vec<T> },
}

/// Several decisions.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "stands for what is answered in the description alone")]
struct Cancelled {
    items: Vec<ExceptionItem>,
}

pub(super) fn audit() -> Description {
    Description::list::<Page<AuditItem>>("What people decided and changed, newest first").takes(vec![
        Parameter::text("by", "What this person or token did.").repeats(),
        Parameter::text("action", "Entries of this action, such as `exception.create`.").repeats(),
        Parameter::text("q", "Text in the name, the subject or the detail.").repeats(),
    ])
}

/// Which way events come, and from where.
pub(super) fn of_events() -> Vec<Parameter> {
    vec![
        Parameter::words("order", "Newest first, or oldest first.", vec!["asc".into(), "desc".into()]),
        Parameter::form("after", "Only events after this one, by its id; oldest first.", r"^[0-9]+\.[0-9]+$"),
    ]
}

pub(super) fn webhooks() -> Description {
    Description::list::<Page<WebhookItem>>("The webhooks, and how each does")
}

pub(super) fn test_webhook() -> Description {
    let kinds = NoticeKind::ALL.map(NoticeKind::name).into_iter().map(Value::from).collect();
    Description::document::<TestResult>("Sends a webhook a sample now, and tells what came of it")
        .detail("With `dry_run=true` nothing is sent, and the answer is the body that would be.")
        .takes(vec![
            Parameter::words("kind", "What the sample tells; else the first kind that the webhook is told.", kinds),
            Parameter::boolean("dry_run", "Only shows the body."),
        ])
}

pub(super) fn exceptions() -> Description {
    let words = |names: &[&str]| names.iter().copied().map(Value::from).collect();
    let states = [&State::ALL.map(State::name)[..], &["all"]].concat();
    Description::list::<ExceptionPage>("The exceptions, newest first").takes(vec![
        Parameter::words("state", "What became of them.", words(&states)).repeats(),
        Parameter::words("target", "What they are about.", words(&Target::ALL.map(Target::name))).repeats(),
        Parameter::words("kind", "What was decided.", words(&Kind::ALL.map(Kind::name))).repeats(),
        Parameter::form("vulnerability", "Of this vulnerability, by any name.", r"^[!-~]+$").at_most(128).repeats(),
        Parameter::form("repository", "In the scope of this repository, `<upstream>/<repository>`.", REPOSITORY)
            .at_most(MOST_REPOSITORY)
            .repeats(),
        Parameter::text("image", "In the scope of this image, by its digest.").repeats(),
        Parameter::text("cluster", "In the scope of this cluster.").repeats(),
        Parameter::text("namespace", "In the scope of this namespace.").repeats(),
        Parameter::text("q", "Text in the names, the scope or the reason.").repeats(),
        Parameter::text("by", "Set by this person or token.").repeats(),
    ])
}

pub(super) fn exception() -> Description {
    Description::document::<ExceptionItem>("An exception")
}

pub(super) fn create() -> Description {
    Description::document::<OneOrItems<ExceptionItem>>("Sets exceptions: one, or a list of which all or none are taken")
        .detail("With `dry_run=true` nothing is set, and the answer (200) says what each would match.")
        .takes(vec![Parameter::boolean("dry_run", "Only says what would be matched.")])
        .body::<OneOrMore<NewException>>(MAX_BODY)
        .status(201)
        .or::<OneOrItems<PreviewedException>>(200, "What each would match; nothing was set.")
        .refuses(409, "An equal exception is active.")
        .refuses(422, "A member is missing or means nothing.")
}

pub(super) fn cancel() -> Description {
    Description::document::<ExceptionItem>("Cancels an exception")
        .body::<CancelOne>(MAX_CANCEL_BODY)
        .refuses(409, "It is over already.")
        .refuses(422, "The reason is missing.")
}

pub(super) fn cancel_several() -> Description {
    Description::document::<Cancelled>("Cancels exceptions: all of them, or none")
        .body::<CancelSeveral>(MAX_CANCEL_BODY)
        .refuses(404, "One of them is not known here.")
        .refuses(409, "One of them is over already.")
        .refuses(422, "The reason is missing, or there are too many.")
}

/// An OpenVEX document, of 0.2.0 or before; what is in it is told by its specification and by docs/exceptions.md.
#[derive(JsonSchema)]
#[schemars(transparent)]
#[expect(dead_code, reason = "stands for the documents in the description alone")]
struct VexDocument(Map<String, Value>);

pub(super) fn export_vex() -> Description {
    Description::forms::<Document>(
        "The exceptions that hold and are about products, as one OpenVEX document",
        vec![Format::OpenVex.media_type()],
    )
    .refuses(404, "No such exception holds: OpenVEX has no document without a statement.")
}

pub(super) fn import_vex() -> Description {
    Description::document::<Imported>(
        "Makes exceptions of the statements of an OpenVEX document, and ends those it no longer has",
    )
    .detail("With `dry_run=true` nothing changes, and the answer says what would.")
    .takes(vec![Parameter::boolean("dry_run", "Only says what would change.")])
    .body::<VexDocument>(MAX_VEX_BODY)
    .refuses(409, "A newer version of the document was imported before.")
    .refuses(422, "It is no OpenVEX document, or a statement is wrong.")
}
