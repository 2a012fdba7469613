//! The tabs of one image, comparison, and the forms every answer of the report comes in, over sockets.

mod compare;
mod forms;
mod image;
mod openapi;

use serde_json::{Value, json};
use weir_scanner::fixture::{BuiltImage, BuiltLayer, ImageBuilder, LayerBuilder};

use crate::scan::{NEVER, advisory, over, pull};
use crate::support::{Registry, Weir, get};

/// A base of Debian with one source that is built into two packages.
fn debian(openssl: &str) -> BuiltLayer {
    let package = |name: &str| {
        format!(
            "Package: {name}\nStatus: install ok installed\nSource: openssl\nVersion: {openssl}\nArchitecture: amd64\n\n"
        )
    };
    let bash = "Package: bash\nStatus: install ok installed\nVersion: 5.2.15-2\nArchitecture: amd64\n\n";
    LayerBuilder::new()
        .file("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n")
        .file("var/lib/dpkg/status", [package("libssl3"), package("openssl"), bash.to_owned()].concat())
        .gzip()
}

fn python(name: &str, version: &str) -> BuiltLayer {
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n");
    LayerBuilder::new().file(&format!("usr/lib/python3/{name}-{version}.dist-info/METADATA"), metadata).gzip()
}

/// Debian's openssl, one of its two flaws mended by the first update and both by the second; a flaw of Python's requests; a layer that is
/// removed again.
fn image() -> BuiltImage {
    let removed = LayerBuilder::new().whiteout("usr/lib/python3/evil-1.0.dist-info").gzip();
    ImageBuilder::new()
        .layer_by(debian("3.0.11-1"), "ADD rootfs.tar /")
        .layer_by(python("requests", "2.19.0"), "RUN pip install requests")
        .layer_by(python("evil", "1.0"), "RUN pip install evil")
        .layer_by(removed, "RUN pip uninstall evil")
        .build()
}

fn feeds() -> Vec<(&'static str, Vec<Value>)> {
    let mut mild = advisory("PYSEC-1", "CVE-2024-0003", "PyPI", "requests", "2.20.0");
    mild["severity"] = json!([{"type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:L"}]);
    let debian = vec![
        advisory("DSA-1-1", "CVE-2024-0001", "Debian:12", "openssl", "3.0.11-2"),
        advisory("DSA-2-1", "CVE-2024-0002", "Debian:12", "openssl", "3.0.11-10"),
    ];
    let python = vec![mild, advisory("PYSEC-2", "CVE-2024-0004", "PyPI", "evil", "2.0")];
    vec![("Debian", debian), ("PyPI", python)]
}

/// weir over a registry with these images, pulled and scanned.
async fn scanned(images: &[&BuiltImage]) -> (Registry, Weir) {
    let feeds = feeds();
    let feeds: Vec<(&str, &[Value])> = feeds.iter().map(|(name, records)| (*name, records.as_slice())).collect();
    let (registry, weir) = over(images, NEVER, &feeds).await;
    for (tag, image) in (1..).zip(images) {
        pull(&weir, tag, image).await;
        weir.scanned(&image.manifest_digest).await;
    }
    (registry, weir)
}

/// A tab, which is there.
async fn tab(weir: &Weir, image: &BuiltImage, name: &str, query: &str) -> Value {
    let got = get(weir.report, &format!("/api/v1/images/{}/{name}?{query}", image.manifest_digest)).await;
    assert_eq!(got.status, 200, "{name}?{query}: {}", String::from_utf8_lossy(&got.body));
    got.json()
}

/// One member of every item.
fn each(tab: &Value, member: &str) -> Vec<String> {
    let text = |item: &Value| item[member].as_str().map_or_else(|| item[member].to_string(), str::to_owned);
    tab["items"].as_array().unwrap_or_else(|| panic!("{tab}")).iter().map(text).collect()
}
