//! Decisions about findings and repositories, over the API.

mod decide;
mod life;
mod vex;

use serde_json::{Value, json};

use crate::support::{Got, Weir, get, post};
use crate::workloads::{Images, World, running};

/// A vulnerability of openssl in every image of [`world`].
pub(crate) const OPENSSL: &str = "CVE-2026-0001";

/// A draft that is right, with members of the test's own.
pub(crate) fn draft(members: &Value) -> Value {
    let mut draft =
        json!({"target": "vulnerability", "kind": "accepted_risk", "vulnerability": OPENSSL, "reason": "known"});
    for (member, value) in members.as_object().unwrap() {
        draft[member] = value.clone();
    }
    draft
}

/// Posts JSON below `/api/v1/`.
pub(crate) async fn send(weir: &Weir, path: &str, body: &Value) -> Got {
    post(weir.report, &format!("/api/v1/{path}"), &[("Content-Type", "application/json")], body.to_string().as_bytes())
        .await
}

/// Sets one decision; answers with its id.
pub(crate) async fn set(weir: &Weir, members: &Value) -> String {
    let got = send(weir, "exceptions", &draft(members)).await;
    assert_eq!(got.status, 201, "{}", got.json());
    got.json()["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn listed(weir: &Weir, query: &str) -> Vec<Value> {
    let got = get(weir.report, &format!("/api/v1/{query}")).await;
    assert_eq!(got.status, 200, "{}", got.json());
    got.json()["items"].as_array().unwrap().clone()
}

/// The values of a member.
pub(crate) fn all<'a>(items: &'a [Value], member: &str) -> Vec<&'a str> {
    items.iter().map(|item| item[member].as_str().unwrap_or("null")).collect()
}

/// Two images of one tag, that run in two namespaces: `one` runs the first, `two` the other.
pub(crate) async fn world() -> (Images, World) {
    let images = Images::new("exceptions");
    let world = World::new(&[&images.held("team/app", "1")]).await;
    world.pull("team/app", "1", &images.amd).await;
    world.pull("team/app", "1", &images.arm).await;
    let id = format!("docker.io/team/app@{}", images.amd.index_digest);
    world.put([running("one", "amd", "team/app:1", &id), running("two", "arm", "team/app:1", &id)]);
    world.until("resources", |items| items.len() == 2 && items[0]["findings"]["high"] == 2).await;
    (images, world)
}
