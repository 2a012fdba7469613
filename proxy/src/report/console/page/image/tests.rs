use super::super::super::sample;
use super::body::{Findings, silence};
use super::*;
use crate::report::shape::ImageVulnerability;

fn findings(rows: Vec<ImageVulnerability>, headline: &'static str, silence: String) -> Body {
    Body::Vulnerabilities(Findings {
        api: "/api/v1/images/x/vulnerabilities".into(),
        total: Some(2),
        next: None,
        fixes: None,
        rows,
        headline,
        silence,
    })
}

fn parts(address: &str, item: ImageItem, body: Body) -> Parts {
    let frame = sample::frame(Section::Repositories, "nginx", address);
    Parts {
        kind: Kind::of(&frame.here.query).unwrap(),
        frame,
        title: "docker.io/library/nginx:1.27.3".into(),
        item,
        said: Said {
            system: Some("Debian GNU/Linux 12".into()),
            base: Some("debian:12, its first layer".into()),
            ..Said::default()
        },
        layers: Some(sample::layers()),
        siblings: Vec::new(),
        platforms: Vec::new(),
        body,
    }
}

#[test]
fn all_layers_are_chosen_until_one_is() {
    let rows = || findings(sample::findings(), "", String::new());
    let text = sample::keep("image", &Image::new(parts("/images/sha256:a", sample::image('a'), rows())));
    assert!(text.contains("href=\"/images/sha256:a\" aria-current=\"true\"><span class=\"i\"><span class=\"radio\""));
    assert!(text.contains("Base image") && text.contains("apt-get install") && text.contains(">ADD file:4b2f in /<"));
    let text = sample::keep("image-layer", &Image::new(parts("/images/sha256:a?layer=1", sample::image('a'), rows())));
    assert!(text.contains("href=\"/images/sha256:a?layer=1\" aria-current=\"true\""));
    assert!(text.contains("(all layers)"));
}

#[test]
fn an_image_without_commands_says_so() {
    let mut parts = parts("/images/sha256:a", sample::image('a'), findings(Vec::new(), "x", "y".into()));
    for layer in parts.layers.iter_mut().flatten() {
        (layer.created_by, layer.base) = (None, None);
    }
    assert!(sample::keep("image-commandless", &Image::new(parts)).contains("carries no metadata of its build"));
}

#[test]
fn every_state_has_its_own_words() {
    let here = Place::new("/images/x", Query::default());
    let read = Tab::<ImageVulnerability> {
        items: Some(Vec::new()),
        matched_at: Some("2026-11-29T00:10:00Z".into()),
        advisories_as_of: Some("2026-11-28T23:00:00Z".into()),
        ..Tab::default()
    };
    let mut seen = std::collections::BTreeSet::new();
    for status in weir_scanner::image::ScanStatus::ALL {
        let mut item = sample::image('a');
        item.scan_status = status.name().to_owned();
        let is_read = ["complete", "partial"].contains(&status.name());
        let tab = if is_read { read.clone() } else { Tab::default() };
        let (headline, text) = silence(&here, &item, &tab, "vulnerability");
        assert!(seen.insert(text.clone()), "{}: {text}", status.name());
        assert_eq!(headline.contains("Nothing"), is_read, "{}", status.name());
        let page = Image::new(parts("/images/sha256:a", item, findings(Vec::new(), headline, text)));
        let html = sample::keep(&format!("image-{}", status.name()), &page);
        let offers = html.contains(">Scan now</button>");
        assert_eq!(offers, shown::scan_state(status.name()).retry, "{}", status.name());
    }
    let clean = silence(&here, &sample::image('a'), &read, "vulnerability").1;
    assert!(clean.contains("2026-11-28 23:00 UTC"), "a clean image says how old what it was matched with is: {clean}");
}

#[test]
fn an_unknown_tab_is_refused() {
    assert!(Kind::of(&Query::parse("tab=secrets")).is_err());
}
