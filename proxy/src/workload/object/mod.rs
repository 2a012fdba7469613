//! Pods, nodes and owners as the API server sends them, in the little of them that is needed.
//!
//! Owns the forms that a cluster's JSON is read into, and what they mean as records of the index. Everything else (managed
//! fields, annotations, environments, conditions) is skipped while parsing, so no whole object is ever in memory. Leaves
//! which workload an object belongs to, and which image an id means, to others.

mod bounded;
mod node;
mod pod;

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, SeqAccess, Visitor};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use weir_storage::index::{ClusterObject, OwnerRecord, OwnerReference, WatchedKind};

use bounded::{BoundedLabels, Name, Text};

pub(super) use node::NodeForm;
pub(super) use pod::PodForm;

/// An object as it is read.
pub(super) trait ObjectForm: DeserializeOwned + Send {
    /// The version of the cluster's store that wrote it.
    fn resource_version(&self) -> &str;

    /// What it says. `kind` is what was asked for: objects in a list do not tell it.
    fn into_object(self, kind: WatchedKind) -> ClusterObject;
}

/// An owner, of which the metadata is enough.
#[derive(Debug, Deserialize)]
pub(super) struct OwnerForm {
    metadata: Metadata,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(deserialize_with = "required")]
    name: Name,
    #[serde(default)]
    namespace: Name,
    #[serde(default)]
    uid: Name,
    #[serde(default)]
    resource_version: Name,
    #[serde(default)]
    creation_timestamp: Text<64>,
    #[serde(default)]
    labels: BoundedLabels,
    #[serde(default)]
    owner_references: Controller,
}

/// The one among the owner references that has `controller: true`.
#[derive(Debug, Default)]
struct Controller(Option<OwnerReference>);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnerReferenceForm {
    #[serde(default)]
    api_version: Name,
    #[serde(default)]
    kind: Name,
    #[serde(default)]
    name: Name,
    #[serde(default)]
    uid: Name,
    #[serde(default)]
    controller: Option<bool>,
}

impl ObjectForm for OwnerForm {
    fn resource_version(&self) -> &str {
        &self.metadata.resource_version.0
    }

    fn into_object(self, kind: WatchedKind) -> ClusterObject {
        let metadata = self.metadata;
        ClusterObject::Owner(OwnerRecord {
            kind,
            created_at: metadata.created_at(),
            namespace: metadata.namespace.0,
            name: metadata.name.0,
            uid: metadata.uid.0,
            labels: metadata.labels.0,
            owner: metadata.owner_references.0,
        })
    }
}

/// A name, which must be there: it is the object's key.
fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
    let name = Name::deserialize(deserializer)?;
    if name.0.is_empty() { Err(D::Error::custom("an object without a name")) } else { Ok(name) }
}

impl Metadata {
    /// Seconds since the epoch; 0 where the server names no instant.
    fn created_at(&self) -> i64 {
        OffsetDateTime::parse(&self.creation_timestamp.0, &Rfc3339).map_or(0, OffsetDateTime::unix_timestamp)
    }
}

impl<'de> Deserialize<'de> for Controller {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(ControllerVisitor)
    }
}

struct ControllerVisitor;

impl<'de> Visitor<'de> for ControllerVisitor {
    type Value = Controller;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("owner references")
    }

    fn visit_none<E>(self) -> Result<Controller, E> {
        Ok(Controller(None))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Controller, D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut references: A) -> Result<Controller, A::Error> {
        let mut controller = None;
        while let Some(reference) = references.next_element::<OwnerReferenceForm>()? {
            if controller.is_none() && reference.controller == Some(true) {
                // The core group has a version alone: `v1`.
                let group = reference.api_version.0.split_once('/').map_or("", |(group, _)| group);
                controller = Some(OwnerReference {
                    group: group.to_owned(),
                    kind: reference.kind.0,
                    name: reference.name.0,
                    uid: reference.uid.0,
                });
            }
        }
        Ok(Controller(controller))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ClusterObject {
        serde_json::from_str::<OwnerForm>(text).unwrap().into_object(WatchedKind::ReplicaSet)
    }

    #[test]
    fn an_owner_is_its_metadata() {
        let text = r#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{
            "name":"web-6d4cf56db6","namespace":"shop","uid":"5b1f","resourceVersion":"812","generation":1,
            "creationTimestamp":"2026-03-01T10:00:00Z","labels":{"app":"web","pod-template-hash":"6d4cf56db6"},
            "annotations":{"deployment.kubernetes.io/revision":"1"},
            "ownerReferences":[
                {"apiVersion":"v1","kind":"ConfigMap","name":"not-me","uid":"1"},
                {"apiVersion":"argoproj.io/v1alpha1","kind":"Rollout","name":"web","uid":"77","controller":true,"blockOwnerDeletion":true}],
            "managedFields":[{"manager":"kube-controller-manager","operation":"Update","fieldsV1":{"f:metadata":{}}}]}}"#;
        let owner = OwnerReference {
            group: "argoproj.io".to_owned(),
            kind: "Rollout".to_owned(),
            name: "web".to_owned(),
            uid: "77".to_owned(),
        };
        let labels = [("app", "web"), ("pod-template-hash", "6d4cf56db6")];
        assert_eq!(
            read(text),
            ClusterObject::Owner(OwnerRecord {
                kind: WatchedKind::ReplicaSet,
                namespace: "shop".to_owned(),
                name: "web-6d4cf56db6".to_owned(),
                uid: "5b1f".to_owned(),
                created_at: 1_772_359_200,
                labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
                owner: Some(owner),
            })
        );
    }

    #[test]
    fn what_is_not_there_is_empty_and_a_name_must_be() {
        let ClusterObject::Owner(owner) =
            read(r#"{"metadata":{"name":"a","creationTimestamp":null,"labels":null,"ownerReferences":null}}"#)
        else {
            panic!("no owner")
        };
        assert_eq!((owner.created_at, owner.labels.len(), owner.owner), (0, 0, None));
        assert!(serde_json::from_str::<OwnerForm>(r#"{"metadata":{}}"#).is_err());
        assert!(serde_json::from_str::<OwnerForm>(r#"{"metadata":{"name":null}}"#).is_err());
        assert!(serde_json::from_str::<OwnerForm>("{}").is_err());
    }

    #[test]
    fn the_core_group_is_empty() {
        let text = r#"{"metadata":{"name":"kube-proxy-n1","ownerReferences":[
            {"apiVersion":"v1","kind":"Node","name":"n1","uid":"9","controller":true}]}}"#;
        let ClusterObject::Owner(owner) = read(text) else { panic!("no owner") };
        assert_eq!(owner.owner.unwrap().group, "");
    }
}
