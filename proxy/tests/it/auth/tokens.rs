//! Tokens over the API: made, listed, revoked, by administrators alone.

use serde_json::{Value, json};

use super::harness::{CLOSED, Door};

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_makes_lists_and_revokes_tokens() {
    let door = Door::start(&[CLOSED]).await;
    let administrator = door.token("administrator").header();
    let headers = [("Authorization", administrator.as_str()), ("Content-Type", "application/json")];
    let wish = json!({"role": "editor", "name": "ci", "expires_at": "2026-09-22T00:00:00Z"}).to_string();
    let got = door.ask("POST", "/api/v1/tokens", &headers, &wish).await;
    assert_eq!((got.status, got.header("cache-control")), (201, Some("no-store")), "{:?}", got.json());
    let made = got.json();
    let id = made["id"].as_str().unwrap();
    assert_eq!(got.header("location"), Some(format!("/api/v1/tokens/{id}").as_str()));
    assert_eq!((&made["role"], &made["state"], &made["name"]), (&"editor".into(), &"active".into(), &"ci".into()));
    assert_eq!(made["expires_at"], "2026-09-22T00:00:00Z");
    let text = made["token"].as_str().unwrap();
    let bearer = format!("Bearer {text}");
    let me = door.get("/api/v1/me", &[("Authorization", &bearer)]).await.json();
    assert_eq!((&me["name"], &me["id"], &me["csrf_token"]), (&"ci".into(), &made["id"], &Value::Null));

    let list = door.get("/api/v1/tokens", &headers).await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    assert!(!list.to_string().contains(text.rsplit('_').next().unwrap()), "a list shows no secret");
    let first = door.get("/api/v1/tokens?limit=1", &headers).await.json();
    let next = format!("/api/v1/tokens?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    let second = door.get(&next, &headers).await.json();
    assert_ne!(first["items"][0]["id"], second["items"][0]["id"]);
    assert_eq!(second["next_cursor"], Value::Null);

    let path = format!("/api/v1/tokens/{id}");
    assert_eq!(door.ask("DELETE", &path, &headers, "").await.status, 204);
    assert_eq!(door.get("/api/v1/me", &[("Authorization", &bearer)]).await.status, 401);
    assert_eq!(door.ask("DELETE", "/api/v1/tokens/none", &headers, "").await.status, 404);
    let told = ["token.create", "token.revoke"].map(|action| ("administrator's".into(), action.into(), id.to_owned()));
    assert_eq!(door.audit(), told);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_makes_no_token() {
    let door = Door::start(&[CLOSED]).await;
    let administrator = door.token("administrator").header();
    let headers = [("Authorization", administrator.as_str())];
    for (wish, status, said) in [
        (json!({"role": "king"}), 400, "king"),
        (json!({"name": "a"}), 400, "role"),
        (json!({"role": "viewer", "cluster": "east"}), 422, "agent"),
        (json!({"role": "viewer", "expires_at": "tomorrow"}), 422, "expires_at"),
        (json!({"role": "viewer", "expires_at": "2020-01-01T00:00:00Z"}), 422, "expires_at"),
        (json!({"role": "viewer", "lifetime": 5}), 400, "lifetime"),
        (json!({"role": "viewer", "name": "a\nb"}), 422, "name"),
    ] {
        let got = door.ask("POST", "/api/v1/tokens", &headers, &wish.to_string()).await;
        let detail = got.json()["detail"].as_str().unwrap().to_owned();
        assert!(got.status == status && detail.contains(said), "{wish}: {} {detail}", got.status);
    }
    let long = json!({"role": "viewer", "name": "a".repeat(20_000)}).to_string();
    assert_eq!(door.ask("POST", "/api/v1/tokens", &headers, &long).await.status, 413);
    let got = door.get("/api/v1/tokens?cursor=x", &headers).await;
    assert_eq!(got.status, 400);
    assert_eq!(door.get("/api/v1/tokens", &headers).await.json()["items"].as_array().unwrap().len(), 1);
}
