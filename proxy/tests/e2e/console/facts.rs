//! What the browser's tests are told of the world: a document of addresses, names and digests.

use serde_json::{Value, json};
use weir_scanner::fixture::BuiltImage;

use super::feed::{KNOWN, LATER, LISTED, RERATED, WITHDRAWN};
use super::workloads::{ENDED, PRIVATE, PRIVATE_REPOSITORY};
use super::world::World;

/// The facts as one JSON document; `tokens` by role, `provider` as the provider's script takes it.
pub(super) fn facts(world: &World, tokens: &Value, provider: &Value) -> Value {
    let images = &world.images;
    let image = |repository: &str, tags: &[&str], image: &BuiltImage| {
        let layers: Vec<_> = image.layers.iter().map(|layer| layer.digest.to_string()).collect();
        json!({"repository": repository, "tags": tags, "digest": image.manifest_digest, "layers": layers,
               "config": image.config_digest})
    };
    json!({
        "report": format!("http://{}", world.weir().report),
        "tokens": tokens,
        "provider": provider,
        "images": {
            "demo": {"repository": "docker.io/library/weir-demo", "tags": ["1"], "digest": world.demo},
            "base": image("docker.io/library/debian", &["12"], &images.base),
            "old": image("docker.io/acme/shop", &["1", "1.0"], &images.shop_old),
            "new": image("docker.io/acme/shop", &["1.1", "latest"], &images.shop_new),
            "amd": image("docker.io/acme/log", &["1"], &images.log_amd),
            "arm": image("docker.io/acme/log", &["1"], &images.log_arm),
            "index": {"repository": "docker.io/acme/log", "tags": ["1"], "digest": images.log_index},
            "empty": image("docker.io/acme/empty", &["1"], &images.empty),
            "broken": image("docker.io/acme/broken", &["1"], &images.broken),
            "sealed": image("docker.io/acme/sealed", &["1"], &images.sealed),
            "plain": image("docker.io/acme/plain", &["1"], &images.plain),
            "tool": image("quay.io/team/tool", &["1"], &images.tool),
            "chart": image("docker.io/vendor/chart", &["2"], &images.chart),
            "private": {"repository": PRIVATE_REPOSITORY, "tags": ["1"], "digest": PRIVATE},
        },
        "vulnerabilities": KNOWN.iter().map(|known| known.cve).collect::<Vec<_>>(),
        "clusters": {"prod": ["billing", "logging", "shop"], "edge": ["kiosk", "sensors"]},
        "events": {"opened": LATER, "rerated": RERATED, "rerated known exploited": LISTED, "closed": WITHDRAWN},
        "ended": ENDED,
        "created": crate::api_server::CREATED,
    })
}
