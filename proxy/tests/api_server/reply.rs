//! What the test API server answers: who may ask, lists in pages, and where a watch begins.

use std::sync::Arc;

use serde_json::{Value, json};
use weir_storage::index::ObjectKey;

use super::answer::{Question, event, line, status};
use super::ask::Ask;
use super::server::{Behaviour, Shared, Streams};
use super::store::Store;

/// An answer.
pub(super) enum Reply {
    /// Status code and body.
    Whole(u16, Value),
    /// A watch from a version on, after these lines.
    Watch(Question, u64, String),
}

/// What a request is answered, after its token and its rights were checked.
pub(super) fn reply(shared: &Shared, ask: &Ask) -> Reply {
    let behaviour = &shared.behaviour;
    if ask.header("authorization") != Some(&format!("Bearer {}", behaviour.token)) {
        return Reply::Whole(401, status(401, "Unauthorized", "Unauthorized"));
    }
    if ask.path() == "/version" {
        let minor = behaviour.minor;
        let body = json!({"major": "1", "minor": format!("{minor}+"), "gitVersion": format!("v1.{minor}.2-test"),
            "platform": "linux/amd64"});
        return Reply::Whole(200, body);
    }
    let question = Question::of(ask).filter(|question| !behaviour.absent.contains(&question.kind));
    let Some(question) = question else {
        return Reply::Whole(404, status(404, "NotFound", "the server could not find the requested resource"));
    };
    let verb = if question.is_watch() { "watch" } else { "list" };
    let (group, resource) = (question.kind.group(), question.resource);
    if behaviour.rules.as_ref().is_some_and(|rules| !rules.allow(group, resource, verb)) {
        let message = format!(
            "{resource} is forbidden: User \"system:serviceaccount:weir:weir\" cannot {verb} resource \"{resource}\" in \
             API group \"{group}\" at the cluster scope"
        );
        return Reply::Whole(403, status(403, "Forbidden", &message));
    }
    let mut store = shared.store.lock().unwrap();
    if question.is_watch() { watch_from(behaviour, &store, question) } else { list(&mut store, &question) }
}

fn list(store: &mut Store, question: &Question) -> Reply {
    // From its cache a server takes no limit (kubernetes#118394).
    let cached = question.parameter("resourceVersion") == "0";
    let limit =
        question.parameter("limit").parse().ok().filter(|limit| *limit > 0 && !cached).unwrap_or(usize::MAX - 1);
    let goes_on = question.goes_on();
    let (at, after) = (goes_on.as_ref().map(|(version, _)| *version), goes_on.as_ref().map(|(_, key)| key));
    let Some((page, more)) = store.page(question.kind, at, after, limit) else {
        let message = "The provided continue parameter is too old to display a consistent list result.";
        return Reply::Whole(410, status(410, "Expired", message));
    };
    let version = at.unwrap_or(store.version());
    let token = |(ObjectKey { namespace, name, .. }, _): &(ObjectKey, _)| format!("{version} {namespace} {name}");
    let token = more.then(|| page.last().map(token).unwrap());
    let objects = page.iter().map(|(_, object)| Value::clone(object)).collect();
    Reply::Whole(200, question.list(version, token, objects))
}

fn watch_from(behaviour: &Behaviour, store: &Store, question: Question) -> Reply {
    let invalid = |message: &str| Reply::Whole(422, status(422, "Invalid", message));
    let now = store.version();
    let streamed = question.parameter("sendInitialEvents") == "true" && behaviour.streams != Streams::Ignored;
    let begin = |question: &Question| {
        let added = |object: &Arc<Value>| line(&event("ADDED", question.shown(object)));
        store.of_kind(question.kind).iter().map(added).collect::<String>()
    };
    if streamed {
        if behaviour.streams == Streams::Refused {
            return invalid(
                "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList \
                            feature gate is enabled",
            );
        }
        if question.parameter("resourceVersionMatch") != "NotOlderThan" {
            return invalid("resourceVersionMatch: Forbidden: sendInitialEvents requires NotOlderThan");
        }
        assert_eq!(question.parameter("allowWatchBookmarks"), "true", "else no bookmark would end the list");
        let first = begin(&question) + &line(&question.bookmark(now, true));
        return Reply::Watch(question, now, first);
    }
    match question.parameter("resourceVersion") {
        "" | "0" => {
            let first = begin(&question);
            Reply::Watch(question, now, first)
        }
        version => {
            let Ok(version) = version.parse() else { return invalid("resourceVersion: Invalid value") };
            if behaviour.gone_as_status && store.since(question.kind, version).is_none() {
                return Reply::Whole(410, status(410, "Expired", "too old resource version"));
            }
            Reply::Watch(question, version, String::new())
        }
    }
}
