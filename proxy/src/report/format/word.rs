//! How the forms word and name what they share: the image, its layers and system, risks, records, identities.

use std::collections::BTreeMap;

use weir_scanner::finding::Severity;
use weir_scanner::image::ScanStatus;
use weir_scanner::oci::Digest;
use weir_scanner::risk::RiskKind;

use crate::clock::rfc3339;
use crate::report::document::{BasePart, OsPart, ResultDocument, RiskPart};

/// What the image is called: its reference, else its digest.
pub(super) fn image(document: &ResultDocument) -> String {
    let image = &document.image;
    let digest = || image.digest.map(|digest| digest.to_string());
    image.reference.clone().or_else(digest).unwrap_or_else(|| "image".into())
}

/// When the document was made: the time of matching, else `now`.
pub(super) fn made_at(document: &ResultDocument, now: i64) -> String {
    document.scan.matched_at.clone().unwrap_or_else(|| rfc3339(now))
}

/// The status as the end of a sentence that begins with "The image".
pub(super) const fn status(status: ScanStatus) -> &'static str {
    match status {
        ScanStatus::Queued => "waits to be read",
        ScanStatus::Scanning => "is being read",
        ScanStatus::Complete => "was read completely",
        ScanStatus::Partial => "was read in part only",
        ScanStatus::Failed => "could not be read",
        ScanStatus::Unsupported => "is of a kind that is not read",
        ScanStatus::NoAccess => "could not be read: its registry gives no access",
        ScanStatus::NeverSeen => "was never seen here: nothing of it was read",
    }
}

/// The distribution by its own name for itself, else id and version.
pub(super) fn system(os: &OsPart) -> String {
    os.pretty_name.clone().unwrap_or_else(|| format!("{} {}", os.id, os.version).trim_end().to_owned())
}

/// What the image was built on: `docker.io/library/debian:12, its first 2 layers`.
pub(super) fn base(base: &BasePart) -> String {
    let digest = || base.digest.map(|digest| digest.to_string());
    let name = base.name.clone().or_else(digest).unwrap_or_else(|| "an image without a name".into());
    match base.layers {
        None => name,
        Some(1) => format!("{name}, its first layer"),
        Some(layers) => format!("{name}, its first {layers} layers"),
    }
}

/// `layer 2 (sha256:…)`.
pub(super) fn layer(document: &ResultDocument, index: u32) -> String {
    match layer_digest(document, index) {
        Some(digest) => format!("layer {index} ({digest})"),
        None => format!("layer {index}"),
    }
}

/// The digest of a layer by its index.
pub(super) fn layer_digest(document: &ResultDocument, index: u32) -> Option<Digest> {
    document.layers.iter().find(|layer| layer.index == index).map(|layer| layer.digest)
}

/// The kind of a risk as in the report.
pub(super) const fn risk_kind(kind: RiskKind) -> &'static str {
    match kind {
        RiskKind::Secret => "secret",
        RiskKind::Configuration => "configuration",
        RiskKind::Permission => "permission",
    }
}

/// A risk as one line: `high secret private-key in etc/key.pem, layer 1: …`.
pub(super) fn risk(document: &ResultDocument, risk: &RiskPart) -> String {
    let mut text = format!("{} {} {}", risk.severity.name(), risk_kind(risk.kind), risk.rule);
    if let Some(path) = &risk.path {
        text.push_str(&format!(" in {path}"));
    }
    if let Some(line) = risk.line {
        text.push_str(&format!(":{line}"));
    }
    if let Some(index) = risk.layer {
        text.push_str(&format!(", {}", layer(document, index)));
    }
    text.push_str(&format!(": {}", risk.detail));
    if !risk.visible {
        text.push_str(HIDDEN);
    }
    text
}

/// Said of a risk that an upper layer hides.
const HIDDEN: &str = " (hidden by an upper layer, still in the image's bytes)";

/// `1 package`, `2 packages`.
pub(super) fn count(number: impl Into<u64>, one: &str, many: &str) -> String {
    let number = number.into();
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Where a record or vulnerability can be read about.
pub(super) fn record_url(id: &str) -> String {
    format!("https://osv.dev/vulnerability/{id}")
}

/// These names, each only once: one that was there before is numbered.
pub(super) fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut name = |name: String| {
        let times = seen.entry(name.clone()).or_default();
        *times += 1;
        if *times == 1 { name } else { format!("{name}-{times}") }
    };
    names.map(&mut name).collect()
}

/// Hex digits by which equal things are known again.
pub(super) fn fingerprint(parts: &[&str]) -> String {
    // A separator that no part holds, so that no two lists of parts read the same.
    Digest::of(parts.join("\0").as_bytes()).hex()
}

/// A UUID of the document's content: equal documents have equal ones, different documents different ones.
pub(super) fn uuid(document: &ResultDocument) -> serde_json::Result<String> {
    Ok(uuid_of(&serde_json::to_vec(document)?))
}

/// A UUID of some bytes: the same of the same (RFC 9562, version 8, whose bits are the maker's to choose).
pub(in crate::report) fn uuid_of(bytes: &[u8]) -> String {
    let hex = Digest::of(bytes).hex();
    format!("{}-{}-8{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

/// The version of CVSS as the forms of others spell it, where they know it.
pub(super) fn cvss_method(version: &str) -> &'static str {
    match version {
        "2.0" => "CVSSv2",
        "3.0" => "CVSSv3",
        "3.1" => "CVSSv31",
        "4.0" => "CVSSv4",
        _ => "other",
    }
}

/// The middle of a severity's scores, for readers that know numbers only; `None` where nobody rated.
pub(super) const fn typical_score(severity: Severity) -> Option<f64> {
    match severity {
        Severity::Critical => Some(9.5),
        Severity::High => Some(8.0),
        Severity::Medium => Some(5.5),
        Severity::Low => Some(2.0),
        Severity::None => Some(0.0),
        Severity::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::format::sample;

    #[test]
    fn an_identity_is_the_content_s() {
        let one = uuid(&sample::complete()).unwrap();
        assert_eq!(one, uuid(&sample::complete()).unwrap());
        assert_ne!(one, uuid(&sample::partial()).unwrap());
        assert_eq!((one.len(), &one[14..15], &one[19..20]), (36, "8", "8"));
        assert_ne!(fingerprint(&["a", "bc"]), fingerprint(&["ab", "c"]));
    }

    #[test]
    fn a_risk_says_what_where_and_whether_it_shows() {
        let document = sample::complete();
        let key = risk(&document, &document.risks[0]);
        assert!(key.starts_with("high secret private-key in root/.ssh/id_rsa:1, layer 1 (sha256:"), "{key}");
        assert!(key.ends_with(HIDDEN), "{key}");
        let root = risk(&document, &document.risks[1]);
        assert_eq!(root, "medium configuration runs-as-root: No user is set: it runs as root.");
        let mut known = BasePart { name: Some("docker.io/library/debian:12".into()), digest: None, layers: Some(1) };
        assert_eq!(base(&known), "docker.io/library/debian:12, its first layer");
        (known.name, known.layers) = (None, None);
        assert_eq!(base(&known), "an image without a name");
        assert_eq!(
            (count(1_u64, "layer", "layers"), count(0_u64, "layer", "layers")),
            ("1 layer".into(), "0 layers".into())
        );
    }
}
