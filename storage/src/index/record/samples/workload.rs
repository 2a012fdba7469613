//! Values of the samples of what clusters hold, checks of nodes, pulls, tokens, sessions and requests to scan.

use weir_scanner::oci::{Digest, Repository, Tag};

use super::sha512;
use crate::index::{
    ClusterObject, ClusterRecord, ClusterSource, ContainerKind, ContainerRecord, ContainerState, Labels,
    NodeCheckRecord, NodeFinding, NodeFindingLevel, NodeRecord, OwnerRecord, OwnerReference, PodRecord, PullNode,
    PullRecord, ScanRequestRecord, ScanRequestState, SessionOrigin, SessionRecord, TokenRecord, TokenRole, WatchedKind,
    WebhookDelivery, WebhookFailure, WebhookRecord,
};

pub(super) fn cluster() -> ClusterRecord {
    ClusterRecord {
        source: ClusterSource::Agent { token: "t1".into() },
        session: "b7".into(),
        sequence: 300,
        synced_at: 1_700_000_000,
        first_seen: -1,
        kubernetes_version: Some("v1.34.1".into()),
        agent_version: Some("0.1.0".into()),
    }
}

pub(super) fn cluster_objects() -> Vec<(&'static str, ClusterObject)> {
    let labels = Labels::from([("app".to_owned(), "web".to_owned()), ("tier".to_owned(), String::new())]);
    let owner =
        OwnerReference { group: "apps".into(), kind: "ReplicaSet".into(), name: "web-7d4".into(), uid: "u2".into() };
    let container = |kind, state| ContainerRecord {
        name: "web".into(),
        kind,
        image: "nginx:1.27".into(),
        image_id: Some(format!("docker.io/library/nginx@{}", Digest::of(b"manifest"))),
        state,
    };
    let pod = PodRecord {
        namespace: "default".into(),
        name: "web-7d4-x2x".into(),
        uid: "u1".into(),
        node: Some("n1".into()),
        created_at: 1_700_000_000,
        labels: labels.clone(),
        owner: Some(owner.clone()),
        containers: vec![
            container(ContainerKind::Container, ContainerState::Running),
            container(ContainerKind::Init, ContainerState::Completed),
            container(ContainerKind::Sidecar, ContainerState::Running),
            ContainerRecord { image_id: None, ..container(ContainerKind::Ephemeral, ContainerState::Waiting) },
            container(ContainerKind::Volume, ContainerState::Mounted),
        ],
    };
    let node = NodeRecord {
        name: "n1".into(),
        platform: Some("linux/arm64/v8".parse().unwrap()),
        addresses: vec!["10.0.0.1".into(), "fd00::1".into()],
        runtime: Some("containerd://1.6.20".into()),
    };
    let record = OwnerRecord {
        kind: WatchedKind::Rollout,
        namespace: "default".into(),
        name: "web-7d4".into(),
        uid: "u2".into(),
        created_at: 1_600_000_000,
        labels,
        owner: Some(owner),
    };
    vec![
        ("cluster-pod", ClusterObject::Pod(pod)),
        ("cluster-node", ClusterObject::Node(node)),
        ("cluster-owner", ClusterObject::Owner(record)),
    ]
}

pub(super) fn node_check() -> NodeCheckRecord {
    let finding =
        |level, code: &str| NodeFinding { level, code: code.into(), detail: "no file of containerd's names it".into() };
    NodeCheckRecord {
        at: 1_700_000_000,
        since: 1_600_000_000,
        runtime: "containerd".into(),
        version: Some("1.6.20".into()),
        config_path: Some("/etc/containerd/certs.d".into()),
        through_weir: false,
        findings: vec![
            finding(NodeFindingLevel::Error, "config_path_missing"),
            finding(NodeFindingLevel::Warning, "restart_needed"),
        ],
    }
}

pub(super) fn pull() -> PullRecord {
    PullRecord {
        at: 1_700_000_000,
        image: sha512(),
        upstream: "docker.io".into(),
        repository: Repository::parse("library/nginx").unwrap(),
        tag: Some(Tag::parse("1.27").unwrap()),
        node: Some("n1".into()),
        node_source: PullNode::Address,
        cluster: Some("default".into()),
        address: "10.0.0.1".into(),
        agent: "containerd/2.0.0".into(),
    }
}

pub(super) fn token() -> TokenRecord {
    TokenRecord {
        id: "t1".into(),
        name: "agent of default".into(),
        role: TokenRole::Agent,
        cluster: Some("default".into()),
        hash: std::array::from_fn(|at| u8::try_from(at).unwrap()),
        created_at: 1_700_000_000,
        expires_at: Some(1_800_000_000),
        revoked_at: Some(1_750_000_000),
    }
}

pub(super) fn sessions() -> Vec<(&'static str, SessionRecord)> {
    let by_token = SessionRecord {
        id: "s1".into(),
        name: "ada".into(),
        role: TokenRole::Editor,
        origin: SessionOrigin::Token("t1".into()),
        hash: [3; 32],
        created_at: 1_700_000_000,
        last_used_at: 1_700_003_600,
        expires_at: 1_700_604_800,
        revoked_at: None,
    };
    let issuer = "https://login.example".into();
    let by_provider = SessionRecord {
        origin: SessionOrigin::Oidc { issuer, subject: "00u1".into() },
        role: TokenRole::Administrator,
        revoked_at: Some(1_700_007_200),
        ..by_token.clone()
    };
    vec![("session-token", by_token), ("session-oidc", by_provider)]
}

pub(super) fn scan_requests() -> Vec<(&'static str, ScanRequestRecord)> {
    let done = ScanRequestRecord {
        id: "r1".into(),
        reference: "nginx:1.27".into(),
        platform: Some("linux/amd64".parse().unwrap()),
        requested_at: 1_700_000_000,
        updated_at: 1_700_000_100,
        state: ScanRequestState::Done,
        images: vec![Digest::of(b"manifest"), sha512()],
    };
    let state = ScanRequestState::Failed { code: "denied".into(), detail: "the upstream said no".into() };
    let failed = ScanRequestRecord { state, images: Vec::new(), ..done.clone() };
    vec![("scan-request-done", done), ("scan-request-failed", failed)]
}

pub(super) fn webhook() -> WebhookRecord {
    WebhookRecord {
        settings: "high".into(),
        sequence: 300,
        next_number: 7,
        delivered: 5,
        dropped: 1,
        last_success_at: Some(1_700_000_000),
        last_failure: Some(WebhookFailure { at: -1, detail: "503".into() }),
    }
}

pub(super) fn webhook_delivery() -> WebhookDelivery {
    WebhookDelivery {
        id: "d1".into(),
        kind: "opened".into(),
        created_at: 1_700_000_000,
        attempts: 3,
        next_attempt_at: 1_700_000_100,
        body: b"{\"id\":\"d1\"}".to_vec(),
    }
}
