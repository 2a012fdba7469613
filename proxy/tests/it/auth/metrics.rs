//! Health and metrics: open, unless the settings ask for credentials.

use weir_config::Role;

use super::harness::Door;

const PATHS: [&str; 3] = ["/metrics", "/healthz", "/readyz"];

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_need_credentials_only_where_they_are_protected() {
    for (anonymous, protected) in [("none", false), ("none", true), ("viewer", true), ("auto", true)] {
        let word = if protected { "true" } else { "false" };
        let door = Door::start(&[("AUTH__ANONYMOUS", anonymous), ("AUTH__PROTECT_METRICS", word)]).await;
        let (viewer, agent) = (door.token("viewer"), door.token("agent"));
        let (session, _) = door.session(Role::Viewer, &viewer);
        for path in PATHS {
            let status = async |header: &'static str, value: &str| {
                let headers = if value.is_empty() { Vec::new() } else { vec![(header, value)] };
                door.get(path, &headers).await.status
            };
            let case = format!("{path}, anonymous {anonymous}, protected {protected}");
            assert_eq!(status("Authorization", "").await, if protected { 401 } else { 200 }, "{case}");
            assert_eq!(status("Authorization", &viewer.header()).await, 200, "{case}");
            assert_eq!(status("Cookie", &session).await, 200, "{case}");
            if protected {
                assert_eq!(status("Authorization", &agent.header()).await, 403, "{case}");
                assert_eq!(status("Authorization", "Bearer x").await, 401, "{case}");
            }
        }
    }
}
