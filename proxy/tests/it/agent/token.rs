//! Tokens over the local socket of a running weir.

use weir_proxy::admin::local::{LocalRequest, ask};
use weir_proxy::auth::{NewToken, TokenLine, Tokens};

use super::harness::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_running_weir_makes_lists_and_revokes_tokens() {
    let server = Server::start().await;
    let data = server.weir.data();
    let tokens = Tokens::new(server.index.clone());
    let now = server.weir.clock.now();
    let text = server.token("agent", Some("east")).await;
    let viewer = server.token("viewer", None).await;
    let id = tokens.verify(&text, now).unwrap().id;
    let listed = ask(&data, &LocalRequest::ListTokens, |_| {}).await.unwrap();
    let lines: Vec<TokenLine> = serde_json::from_value(listed.clone()).unwrap();
    assert_eq!(lines.len(), 2);
    let line = lines.iter().find(|line| line.id == id).unwrap();
    assert_eq!((line.role.as_str(), line.cluster.as_deref(), line.created_at), ("agent", Some("east"), now));
    for secret in [&text, &viewer] {
        assert!(!listed.to_string().contains(secret.rsplit('_').next().unwrap()), "a list never shows a secret");
    }
    let revoked = ask(&data, &LocalRequest::RevokeToken { id: id.clone() }, |_| {}).await.unwrap();
    assert_eq!(revoked, true);
    assert!(tokens.verify(&text, now).is_err() && tokens.verify(&viewer, now).is_ok());
    let told: Vec<String> = server
        .index
        .audit()
        .list(None, 10, |_| true)
        .unwrap()
        .entries
        .into_iter()
        .map(|(_, entry)| entry.action)
        .collect();
    assert_eq!(told, ["token.revoke", "token.create", "token.create"], "newest first");
    let unknown = ask(&data, &LocalRequest::RevokeToken { id: "aaaaaaaa".into() }, |_| {}).await.unwrap();
    assert_eq!(unknown, false);
    let token = NewToken { role: "king".into(), name: None, cluster: None, lifetime_seconds: None };
    let refused = ask(&data, &LocalRequest::CreateToken { token }, |_| {}).await.unwrap_err();
    assert!(refused.to_string().contains("expected viewer"), "{refused}");
}
