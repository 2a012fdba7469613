//! Ubuntu Pro: which of its services are enabled, after the status file of its client.

use serde::Deserialize;

use super::super::{Detector, FactList, Want};
use crate::layer::{Channel, ChannelKind, Fact};

pub(crate) struct UbuntuPro;

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    services: Vec<Service>,
}

#[derive(Deserialize)]
struct Service {
    name: String,
    #[serde(default)]
    status: String,
}

impl Detector for UbuntuPro {
    fn name(&self) -> &'static str {
        "ubuntu-pro"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        (path == "var/lib/ubuntu-advantage/status.json").then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        if bytes.is_empty() {
            return;
        }
        let Ok(Status { services }) = serde_json::from_slice(bytes) else {
            return facts.malformed(path, "this is no status of Ubuntu Pro");
        };
        // A warning is of a service that is enabled all the same.
        for Service { name, .. } in
            services.into_iter().filter(|service| matches!(&*service.status, "enabled" | "warning"))
        {
            facts.push(Fact::Channel(Channel { kind: ChannelKind::UbuntuPro, name }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::owned::check::{facts, says_unread};
    use super::*;

    const PATH: &str = "var/lib/ubuntu-advantage/status.json";

    #[test]
    fn enabled_services_are_channels() {
        let text = br#"{"attached":true,"services":[{"name":"esm-infra","entitled":"yes","status":"enabled"},
            {"name":"livepatch","status":"disabled"},{"name":"fips","status":"n/a"},{"name":"esm-apps","status":"warning"}]}"#;
        let channel = |name: &str| Fact::Channel(Channel { kind: ChannelKind::UbuntuPro, name: name.into() });
        assert_eq!(facts(&UbuntuPro, PATH, text), [channel("esm-infra"), channel("esm-apps")]);
        assert_eq!(facts(&UbuntuPro, PATH, br#"{"attached":false}"#), []);
        assert!(says_unread(&facts(&UbuntuPro, PATH, b"{")));
    }
}
