//! The one style sheet and the one script, under names that change with what they hold, so that browsers may keep them for ever.

use std::sync::LazyLock;

use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use weir_scanner::oci::Digest;

use crate::http::{Body, full};
use crate::report::problem::Problem;

/// One file that pages link to.
pub(super) struct Asset {
    /// Its path.
    pub(super) path: String,
    text: &'static str,
    media_type: &'static str,
}

/// The style sheet.
pub(super) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("css", "text/css; charset=utf-8", include_str!("../../../templates/weir.css")));
/// The script.
pub(super) static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("js", "text/javascript; charset=utf-8", include_str!("../../../templates/weir.js")));
/// The picture beside the page's title.
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("svg", "image/svg+xml", include_str!("../../../templates/weir.svg")));

impl Asset {
    fn new(extension: &str, media_type: &'static str, text: &'static str) -> Self {
        let hash = Digest::of(text.as_bytes()).to_string();
        let hash: String = hash.chars().skip_while(|c| *c != ':').skip(1).take(12).collect();
        Self { path: format!("/assets/weir.{hash}.{extension}"), text, media_type }
    }
}

#[cfg(test)]
impl Asset {
    /// What it holds.
    pub(super) fn text(&self) -> &'static str {
        self.text
    }
}

/// The file of a name below `/assets/`.
pub(super) fn answer(name: &str) -> Result<Response<Body>, Problem> {
    let all = [&*STYLE, &*SCRIPT, &*ICON];
    let found = all.into_iter().find(|asset| asset.path.strip_prefix("/assets/") == Some(name));
    let asset = found.ok_or_else(|| Problem::not_found(format!("the file {name:?}")))?;
    let mut response = Response::new(full(asset.text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_small_and_nothing_comes_from_elsewhere() {
        assert!(SCRIPT.text.len() <= 10 * 1024, "{} bytes", SCRIPT.text.len());
        for asset in [&*STYLE, &*SCRIPT] {
            assert!(!asset.text.contains("//cdn") && !asset.text.contains("https:"), "{}", asset.path);
        }
    }

    #[test]
    fn an_asset_is_found_by_its_whole_name() {
        let name = STYLE.path.strip_prefix("/assets/").unwrap();
        assert!(answer(name).is_ok());
        assert!(answer("weir.css").is_err());
    }
}
