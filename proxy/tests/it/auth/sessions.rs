//! What sessions hold on to, and what those may do who have none.

use serde_json::Value;
use weir_config::Role;

use super::harness::{CLOSED, Door};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_does_not_hold_is_refused_also_where_none_is_needed() {
    let door = Door::start(&[("AUTH__ANONYMOUS", "viewer")]).await;
    let token = door.token("editor");
    let (session, _) = door.session(Role::Editor, &token);
    let status = async |cookie: String| door.get("/api/v1/images", &[("Cookie", &cookie)]).await.status;
    assert_eq!(door.get("/api/v1/images", &[]).await.status, 200);
    assert_eq!((status(session.clone()).await, status("weir_session=x".into()).await), (200, 401));
    assert_eq!(door.get("/api/v1/images", &[("Authorization", "Bearer x")]).await.status, 401);
    assert_eq!(door.get("/sign-in", &[("Cookie", "weir_session=x")]).await.status, 200, "the way to sign in again");

    door.weir.clock.advance(12 * 3600);
    assert_eq!(status(session).await, 401, "unused for too long");
    let (session, _) = door.session(Role::Editor, &token);
    assert_eq!(status(session.clone()).await, 200);
    door.index.tokens().revoke(&token.id, door.weir.clock.now()).unwrap();
    assert_eq!(status(session).await, 401, "it ends with its token");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_sees_and_ends_sessions() {
    let door = Door::start(&[CLOSED]).await;
    let (administrator, editor) = (door.token("administrator"), door.token("editor"));
    let (own, csrf) = door.session(Role::Administrator, &administrator);
    let (other, _) = door.session(Role::Editor, &editor);
    let list = door.get("/api/v1/sessions", &[("Cookie", &own)]).await.json();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    let find = |token: &str| items.iter().find(|item| item["token"] == token).unwrap();
    let (mine, theirs) = (find(&administrator.id), find(&editor.id));
    assert_eq!((&mine["current"], &theirs["current"]), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!((&theirs["role"], &theirs["subject"]), (&"editor".into(), &Value::Null));
    assert!(!list.to_string().contains(own.rsplit('_').next().unwrap()), "a list shows no secret");

    let path = format!("/api/v1/sessions/{}", theirs["id"].as_str().unwrap());
    let headers = [("Cookie", own.as_str()), ("X-CSRF-Token", csrf.as_str())];
    assert_eq!(door.ask("DELETE", &path, &headers, "").await.status, 204);
    assert_eq!(door.get("/api/v1/me", &[("Cookie", &other)]).await.status, 401);
    assert_eq!(door.ask("DELETE", "/api/v1/sessions/none", &headers, "").await.status, 404);
    assert_eq!(door.get("/api/v1/sessions", &headers).await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_loopback_address_everything_is_open_to_who_asks_for_this_machine() {
    let door = Door::start(&[]).await;
    for (host, open) in [("localhost:8080", true), ("[::1]", true), ("attacker.example", false), ("10.0.0.1", false)] {
        let answer = ask_for(door.weir.report, host).await;
        let status = if open { "HTTP/1.1 200" } else { "HTTP/1.1 401" };
        assert!(answer.starts_with(status) && answer.contains("\"administrator\"") == open, "{host}: {answer}");
    }
    let viewer = door.token("viewer");
    let me = door.get("/api/v1/me", &[("Authorization", &viewer.header())]).await.json();
    assert_eq!(me["role"], "viewer", "what is presented decides, also where it allows less");
}

/// What `me` answers to one who asks for this host.
async fn ask_for(address: std::net::SocketAddr, host: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET /api/v1/me HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
