//! Image configurations: the parts weir reports, after the OCI image specification 1.1 with Docker's additions.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::manifest::null_as_default;
use super::{Digest, InvalidManifest, MAX_MANIFEST_BYTES, Platform};

/// The image configuration: the parts weir reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ImageConfig {
    /// `linux`, `windows`, …
    #[serde(default)]
    pub os: String,
    /// The architecture, Go's name.
    #[serde(default)]
    pub architecture: String,
    /// The architecture's variant.
    #[serde(default)]
    pub variant: Option<String>,
    /// How its containers run.
    #[serde(default, deserialize_with = "null_as_default")]
    pub config: RunConfig,
    /// The layers' diff IDs, bottom first.
    #[serde(default)]
    pub rootfs: RootFs,
    /// How the layers came to be, entries without a layer among them.
    #[serde(default, deserialize_with = "null_as_default")]
    pub history: Vec<HistoryEntry>,
}

/// The `config` object of an image configuration: what a container of the image starts with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RunConfig {
    /// The user, and a group after a colon, by name or number; empty for root.
    #[serde(default, deserialize_with = "null_as_default")]
    pub user: String,
    /// Variables, each as `NAME=value`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub env: Vec<String>,
    /// Ports, as `22/tcp`, `53/udp` or `80`.
    #[serde(default, deserialize_with = "keys")]
    pub exposed_ports: BTreeSet<String>,
    /// How its health is checked: Docker's addition to the specification.
    #[serde(default)]
    pub healthcheck: Option<HealthCheck>,
    /// Free labels.
    #[serde(default, deserialize_with = "null_as_default")]
    pub labels: BTreeMap<String, String>,
    /// The program, and its first arguments.
    #[serde(default, deserialize_with = "null_as_default")]
    pub entrypoint: Vec<String>,
    /// Further arguments, or the program where there is no entry point.
    #[serde(default, deserialize_with = "null_as_default")]
    pub cmd: Vec<String>,
}

/// A container's health check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthCheck {
    /// `CMD` or `CMD-SHELL` and a command, `NONE` for no check; empty to inherit one.
    #[serde(default, deserialize_with = "null_as_default")]
    pub test: Vec<String>,
}

/// The `rootfs` object of an image configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct RootFs {
    /// Digests of the uncompressed layers, bottom first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub diff_ids: Vec<Digest>,
}

/// One step of a build, as the configuration's `history` records it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct HistoryEntry {
    /// When, as written (RFC 3339).
    #[serde(default)]
    pub created: Option<String>,
    /// The command.
    #[serde(default)]
    pub created_by: Option<String>,
    /// Whether the step made no layer.
    #[serde(default)]
    pub empty_layer: bool,
}

impl ImageConfig {
    /// Reads a configuration's bytes, at most [`MAX_MANIFEST_BYTES`] of them.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidManifest> {
        if bytes.len() > MAX_MANIFEST_BYTES {
            return Err(InvalidManifest::TooLarge { size: bytes.len() });
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    /// The platform, where the configuration states one.
    pub fn platform(&self) -> Option<Platform> {
        let stated = !self.os.is_empty() && !self.architecture.is_empty();
        stated.then(|| Platform {
            os: self.os.clone(),
            architecture: self.architecture.clone(),
            variant: self.variant.clone().filter(|v| !v.is_empty()),
        })
    }
}

/// The keys of an object whose values say nothing.
fn keys<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<String>, D::Error> {
    let object: Option<BTreeMap<String, IgnoredAny>> = Option::deserialize(deserializer)?;
    Ok(object.unwrap_or_default().into_keys().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_gives_diff_ids_history_and_platform() {
        let text = format!(
            r#"{{"os":"linux","architecture":"amd64","rootfs":{{"type":"layers","diff_ids":["{}"]}},
                "history":[{{"created_by":"ADD rootfs"}},{{"created_by":"ENV A=1","empty_layer":true}}]}}"#,
            Digest::of(b"")
        );
        let config = ImageConfig::parse(text.as_bytes()).unwrap();
        assert_eq!((config.rootfs.diff_ids.len(), config.history[1].empty_layer), (1, true));
        assert_eq!(config.platform().unwrap().to_string(), "linux/amd64");
        assert_eq!(ImageConfig::parse(br#"{"history":null}"#).unwrap(), ImageConfig::default());
    }

    #[test]
    fn a_config_says_how_containers_run() {
        let text = r#"{"config":{"User":"app:1","Env":["A=1"],"ExposedPorts":{"22/tcp":{},"80":null},"Labels":{"a":"b"},
            "Healthcheck":{"Test":["CMD","true"],"Interval":1},"Entrypoint":["/a"],"Cmd":["b"],"OnBuild":null}}"#;
        let config = ImageConfig::parse(text.as_bytes()).unwrap().config;
        assert_eq!((&*config.user, config.env, config.labels["a"].as_str()), ("app:1", vec!["A=1".to_owned()], "b"));
        assert_eq!(config.exposed_ports.into_iter().collect::<Vec<_>>(), ["22/tcp", "80"]);
        assert_eq!(config.healthcheck.unwrap().test, ["CMD", "true"]);
        let nulls = r#"{"config":{"User":null,"Env":null,"ExposedPorts":null,"Labels":null,"Healthcheck":null,"Cmd":null,"Entrypoint":null}}"#;
        assert_eq!(ImageConfig::parse(nulls.as_bytes()).unwrap(), ImageConfig::default());
        assert_eq!(ImageConfig::parse(br#"{"config":null}"#).unwrap(), ImageConfig::default());
    }
}
