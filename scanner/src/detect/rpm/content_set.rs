//! The content sets a Red Hat image was built from: which product's advisories speak for its packages.
//!
//! Red Hat's build system writes them to `content_manifests` as one file an image layer, named after the image; newer images have
//! `usr/share/buildinfo/content-sets.json`. Both hold `{"content_sets": [NAME, …]}`.

use serde::Deserialize;

use crate::detect::{Detector, FactList, Want, base_name};
use crate::layer::{Channel, ChannelKind, Fact, parent};

/// Longest name of a content set that is believed, in bytes.
const MAX_NAME: usize = 256;

pub(in crate::detect) struct ContentSets;

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    content_sets: Vec<String>,
}

impl Detector for ContentSets {
    fn name(&self) -> &'static str {
        "content-sets"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        let folder = matches!(parent(path), "root/buildinfo/content_manifests" | "usr/share/buildinfo");
        (folder && base_name(path).ends_with(".json")).then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        if bytes.is_empty() {
            return;
        }
        // Other files beside them hold other objects, which state no sets.
        let Ok(manifest) = serde_json::from_slice::<Manifest>(bytes) else {
            return facts.malformed(path, "the file is no JSON of a content manifest");
        };
        for name in manifest.content_sets {
            if name.is_empty() || name.len() > MAX_NAME {
                return facts.malformed(path, "a content set's name is empty or over 256 bytes");
            }
            facts.push(Fact::Channel(Channel { kind: ChannelKind::ContentSet, name }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(text: &str) -> Vec<Fact> {
        let mut facts = FactList::new(1 << 20);
        ContentSets.detect("usr/share/buildinfo/content-sets.json", text.as_bytes(), &mut facts);
        facts.into_parts().0
    }

    #[test]
    fn each_set_is_a_channel() {
        let set = |name: &str| Fact::Channel(Channel { kind: ChannelKind::ContentSet, name: name.into() });
        let text = r#"{"metadata":{"icm_version":1},"from_dnf_hint":true,
                       "content_sets":["rhel-9-for-x86_64-baseos-rpms","rhel-9-for-x86_64-appstream-rpms"],"image_contents":[]}"#;
        assert_eq!(detect(text), [set("rhel-9-for-x86_64-baseos-rpms"), set("rhel-9-for-x86_64-appstream-rpms")]);
        assert!(detect(r#"{"architecture":"x86_64"}"#).is_empty() && detect("").is_empty());
    }

    #[test]
    fn what_is_no_manifest_is_said() {
        for text in ["{", "7", r#"{"content_sets":[1]}"#, r#"{"content_sets":[""]}"#] {
            assert!(matches!(detect(text)[..], [Fact::Unread(_)]), "{text}");
        }
    }

    #[test]
    fn manifests_are_known_by_their_place() {
        for path in
            ["root/buildinfo/content_manifests/ubi9-container-9.3-1476.json", "usr/share/buildinfo/content-sets.json"]
        {
            assert_eq!(ContentSets.wants(path), Some(Want::Bytes), "{path}");
        }
        for path in ["root/buildinfo/labels.json", "usr/share/buildinfo/Dockerfile", "usr/share/buildinfo/a/b.json"] {
            assert_eq!(ContentSets.wants(path), None, "{path}");
        }
    }
}
