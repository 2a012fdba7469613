//! The test API server's words: what a request asks for, and how answers are written.

use std::collections::HashMap;

use serde_json::{Value, json};
use weir_storage::index::{ObjectKey, WatchedKind};

use super::ask::Ask;
use super::sample::api_version;

/// The kinds with their plural names.
pub(crate) const RESOURCES: [(WatchedKind, &str); 9] = [
    (WatchedKind::Pod, "pods"),
    (WatchedKind::Node, "nodes"),
    (WatchedKind::ReplicaSet, "replicasets"),
    (WatchedKind::Deployment, "deployments"),
    (WatchedKind::StatefulSet, "statefulsets"),
    (WatchedKind::DaemonSet, "daemonsets"),
    (WatchedKind::Job, "jobs"),
    (WatchedKind::CronJob, "cronjobs"),
    (WatchedKind::Rollout, "rollouts"),
];

/// What a request for objects asks.
pub(crate) struct Question {
    pub(crate) kind: WatchedKind,
    pub(crate) resource: &'static str,
    pub(crate) parameters: HashMap<String, String>,
    /// Whether only the metadata is wanted.
    pub(crate) metadata_only: bool,
}

impl Question {
    /// `None` where nothing is at that path.
    pub(crate) fn of(ask: &Ask) -> Option<Self> {
        let at = |(kind, resource): &(WatchedKind, &str)| {
            let root = if kind.group().is_empty() { "/api/" } else { "/apis/" };
            ask.path() == format!("{root}{}/{resource}", api_version(*kind))
        };
        let (kind, resource) = *RESOURCES.iter().find(|entry| at(entry))?;
        let query = ask.target.split_once('?').map_or("", |(_, query)| query);
        let parameters = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let metadata_only = ask.header("accept").is_some_and(|accept| accept.contains("as=PartialObjectMetadata"));
        Some(Self { kind, resource, parameters, metadata_only })
    }

    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    pub(crate) fn is_watch(&self) -> bool {
        self.parameter("watch") == "true"
    }

    /// Where a list goes on: at which version, after which object.
    pub(crate) fn goes_on(&self) -> Option<(u64, ObjectKey)> {
        let mut parts = self.parameters.get("continue")?.splitn(3, ' ');
        let version = parts.next()?.parse().ok()?;
        let (namespace, name) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        Some((version, ObjectKey { kind: self.kind, namespace, name }))
    }

    /// The object, or what of it was asked for.
    pub(crate) fn shown(&self, object: &Value) -> Value {
        if self.metadata_only {
            json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
        } else {
            object.clone()
        }
    }

    /// A bookmark; `end` marks the one that ends a streamed list.
    pub(crate) fn bookmark(&self, version: u64, end: bool) -> Value {
        let mut object = json!({"kind": self.kind.name(), "apiVersion": api_version(self.kind),
            "metadata": {"resourceVersion": version.to_string(), "creationTimestamp": null}});
        if end {
            object["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        event("BOOKMARK", object)
    }

    /// A page of a list; in a list, full objects do not name their kind.
    pub(crate) fn list(&self, version: u64, token: Option<String>, objects: Vec<Value>) -> Value {
        let items: Vec<Value> = objects
            .into_iter()
            .map(|object| {
                let mut shown = self.shown(&object);
                if !self.metadata_only {
                    shown.as_object_mut().unwrap().retain(|key, _| key != "kind" && key != "apiVersion");
                }
                shown
            })
            .collect();
        let mut metadata = json!({"resourceVersion": version.to_string()});
        if let Some(token) = token {
            metadata["continue"] = json!(token);
        }
        let (kind, version) = match self.metadata_only {
            true => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned()),
            false => (format!("{}List", self.kind.name()), api_version(self.kind)),
        };
        json!({"kind": kind, "apiVersion": version, "metadata": metadata, "items": items})
    }
}

/// One event; its line names the type first, as Go writes it.
pub(crate) fn event(what: &str, object: Value) -> Value {
    json!({"type": what, "object": object})
}

/// An event as its line.
pub(crate) fn line(event: &Value) -> String {
    format!("{{\"type\":{},\"object\":{}}}\n", event["type"], event["object"])
}

/// What an API server answers where it refuses.
pub(crate) fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": reason, "code": code})
}
