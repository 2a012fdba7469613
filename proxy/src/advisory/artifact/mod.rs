//! Advisories as an OCI artifact, in a registry or in an image layout: one layer for each file of a source laid out as the OSV bucket.
//!
//! Owns what makes an artifact one of advisories, and how its files are had: by the layer's digest, verified, within a size, and only
//! where the digest is not the one that was had last. Nothing of it is kept on disk.

mod fetch;
mod layout;
mod pack;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use weir_scanner::oci::{Digest, Document, ImageManifest, Reference};
use weir_storage::index::Validators;

use super::fetch::{Fetched, FetchedFile, SourceError};
use crate::upstream::UpstreamClient;

pub use pack::{PackParts, Packed, pack};

/// What the manifest says it is.
pub const ARTIFACT_TYPE: &str = "application/vnd.weir.advisories.v1";
/// The annotation that names a layer's file.
const TITLE: &str = "org.opencontainers.image.title";
/// How long a manifest is good for: one round of refreshes asks for it once for each feed.
const FRESH: Duration = Duration::from_secs(60);
/// Most layers; the OSV bucket has some hundred files of this kind.
const MAX_LAYERS: usize = 4096;
/// The longest title.
const MAX_TITLE: usize = 200;
/// Folders of what is known of single CVEs; no ecosystem has these names.
pub(super) const KEV: &str = "kev";
pub(super) const EPSS: &str = "epss";
pub(super) const CVSS: &str = "cvss";

/// An artifact; clones share what is known of it.
#[derive(Clone)]
pub struct Artifact(Arc<Inner>);

struct Inner {
    place: Place,
    /// What is fetched passes through nameless files here.
    scratch: PathBuf,
    known: tokio::sync::Mutex<Option<(Instant, Arc<Contents>)>>,
}

enum Place {
    Layout { directory: PathBuf, tag: Option<String> },
    Registry { client: Box<UpstreamClient>, reference: Reference },
}

/// The files of an artifact by their titles.
pub(super) struct Contents(BTreeMap<String, Layer>);

#[derive(Clone, Copy)]
struct Layer {
    digest: Digest,
    size: u64,
}

impl Artifact {
    /// One in a layout: `DIR` or `DIR:TAG`.
    pub(super) fn layout(text: &str, scratch: PathBuf) -> Self {
        let (directory, tag) = split_tag(text);
        Self::new(Place::Layout { directory: directory.to_owned(), tag: tag.map(str::to_owned) }, scratch)
    }

    /// One in a registry: `HOST/REPOSITORY[:TAG][@DIGEST]`, where `HOST` is one of `registries`. Nothing is contacted.
    pub(super) fn registry(text: &str, registries: &[UpstreamClient], scratch: PathBuf) -> Result<Self, SourceError> {
        let failed = |detail: String| SourceError::Artifact { place: format!("oci://{text}"), detail };
        let reference: Reference = text.parse().map_err(|error| failed(format!("{error}")))?;
        let client = registries.iter().find(|client| client.name() == reference.upstream).ok_or_else(|| {
            failed(format!("{} is no configured upstream: an [[upstream]] of this name is needed", reference.upstream))
        })?;
        Ok(Self::new(Place::Registry { client: Box::new(client.clone()), reference }, scratch))
    }

    fn new(place: Place, scratch: PathBuf) -> Self {
        Self(Arc::new(Inner { place, scratch, known: tokio::sync::Mutex::default() }))
    }

    /// Where it is, for people and to tell one source's validators from another's.
    pub(super) fn location(&self) -> String {
        match &self.0.place {
            Place::Layout { directory, tag: None } => format!("oci:{}", directory.display()),
            Place::Layout { directory, tag: Some(tag) } => format!("oci:{}:{tag}", directory.display()),
            Place::Registry { reference, .. } => format!("oci://{reference}"),
        }
    }

    /// What it holds, at most a minute ago.
    pub(super) async fn contents(&self) -> Result<Arc<Contents>, SourceError> {
        let mut known = self.0.known.lock().await;
        if let Some((at, contents)) = &*known
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(contents));
        }
        let bytes = match &self.0.place {
            Place::Layout { directory, tag } => layout::manifest(directory, tag.as_deref()),
            Place::Registry { client, reference } => fetch::manifest(client, reference).await,
        };
        let contents = bytes.and_then(|bytes| Contents::read(&bytes)).map_err(|detail| self.failed(detail))?;
        let contents = Arc::new(contents);
        *known = Some((Instant::now(), Arc::clone(&contents)));
        Ok(contents)
    }

    /// A file of it, at most `limit` bytes, unless it is the version that is `known`.
    pub(super) async fn file(&self, title: &str, limit: u64, known: &Validators) -> Result<Fetched, SourceError> {
        let contents = self.contents().await?;
        let Some(layer) = contents.0.get(title) else { return Ok(Fetched::Absent) };
        let etag = layer.digest.to_string();
        if known.etag.as_deref() == Some(&etag) {
            return Ok(Fetched::Unchanged);
        }
        let failed = |detail: String| self.failed(format!("{title}: {detail}"));
        if layer.size > limit {
            return Err(failed(format!("it has {} bytes, over the limit of {limit}", layer.size)));
        }
        let file = match &self.0.place {
            Place::Layout { directory, .. } => layout::blob(directory.clone(), *layer).await,
            Place::Registry { client, reference } => {
                fetch::blob(client, &reference.repository, *layer, &self.0.scratch).await
            }
        };
        let file = file.map_err(failed)?;
        Ok(Fetched::File(FetchedFile { file, validators: Validators { etag: Some(etag), last_modified: None } }))
    }

    fn failed(&self, detail: String) -> SourceError {
        SourceError::Artifact { place: self.location(), detail }
    }
}

/// `DIR` and the tag after its last colon, which is none where a slash follows it.
pub fn split_tag(text: &str) -> (&Path, Option<&str>) {
    match text.rsplit_once(':') {
        Some((directory, tag)) if !tag.is_empty() && !tag.contains('/') => (Path::new(directory), Some(tag)),
        _ => (Path::new(text), None),
    }
}

impl Contents {
    /// Reads a manifest, which may say anything.
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let manifest = match Document::parse(bytes).map_err(|error| error.to_string())? {
            Document::Image(manifest) => *manifest,
            Document::Index(_) | Document::Other => {
                return Err("it is no artifact, but an index or another kind".into());
            }
        };
        let ImageManifest { config, layers, artifact_type, .. } = manifest;
        let kind = artifact_type.unwrap_or_else(|| config.media_type.as_str().to_owned());
        if kind != ARTIFACT_TYPE {
            return Err(format!("it is no artifact of advisories: its type is {kind:?}, not {ARTIFACT_TYPE}"));
        }
        if layers.len() > MAX_LAYERS {
            return Err(format!("it has {} layers, over the limit of {MAX_LAYERS}", layers.len()));
        }
        let mut files = BTreeMap::new();
        for layer in layers {
            let title = layer.annotations.get(TITLE).filter(|title| is_path(title));
            let title =
                title.ok_or_else(|| format!("its layer {} has no annotation {TITLE} that is a path", layer.digest))?;
            if files.insert(title.clone(), Layer { digest: layer.digest, size: layer.size }).is_some() {
                return Err(format!("two of its layers are called {title:?}"));
            }
        }
        Ok(Self(files))
    }

    /// The ecosystems of which it has a feed.
    pub(super) fn ecosystems(&self) -> Vec<String> {
        self.0.keys().filter_map(|title| title.strip_suffix("/all.zip")).map(str::to_owned).collect()
    }

    /// The titles of the files of a folder.
    pub(super) fn folder<'c>(&'c self, name: &'c str) -> impl Iterator<Item = &'c str> {
        self.0
            .keys()
            .map(String::as_str)
            .filter(move |title| title.split_once('/').is_some_and(|(first, _)| first == name))
    }
}

/// Whether a title is a path that stays below where it begins.
fn is_path(title: &str) -> bool {
    let segment = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']);
    title.len() <= MAX_TITLE && !title.chars().any(char::is_control) && title.split('/').all(segment)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn manifest(kind: &str, titles: &[&str]) -> Value {
        let layers: Vec<Value> = titles
            .iter()
            .map(|title| {
                json!({"mediaType": "application/zip", "digest": Digest::of(title.as_bytes()), "size": 1,
                       "annotations": {TITLE: title}})
            })
            .collect();
        json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": kind,
               "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}"), "size": 2},
               "layers": layers})
    }

    fn read(manifest: &Value) -> Result<Contents, String> {
        Contents::read(manifest.to_string().as_bytes())
    }

    #[test]
    fn files_are_found_by_their_titles() {
        let contents =
            read(&manifest(ARTIFACT_TYPE, &["PyPI/all.zip", "PyPI/modified_id.csv", "kev/k.json", "npm/all.zip"]));
        let contents = contents.unwrap();
        assert_eq!(contents.ecosystems(), ["PyPI", "npm"]);
        assert_eq!(contents.folder(KEV).collect::<Vec<_>>(), ["kev/k.json"]);
        assert_eq!(contents.folder(CVSS).count(), 0);
    }

    #[test]
    fn what_is_no_artifact_of_advisories_is_refused() {
        let told = |manifest: &Value| read(manifest).err().unwrap();
        assert!(told(&manifest("application/vnd.example", &[])).contains("application/vnd.example"));
        for title in ["", "/etc/passwd", "../x", "a/../b", "a//b", "a\nb", "a\\b"] {
            assert!(told(&manifest(ARTIFACT_TYPE, &[title])).contains("annotation"), "{title:?}");
        }
        assert!(told(&manifest(ARTIFACT_TYPE, &["a/all.zip", "a/all.zip"])).contains("two"));
        let mut untitled = manifest(ARTIFACT_TYPE, &["a"]);
        untitled["layers"][0]["annotations"] = Value::Null;
        assert!(told(&untitled).contains("annotation"));
        assert!(told(&json!({"schemaVersion": 2, "manifests": []})).contains("index"));
    }

    #[test]
    fn a_tag_follows_the_last_colon() {
        assert_eq!(split_tag("/srv/a:1"), (Path::new("/srv/a"), Some("1")));
        assert_eq!(split_tag("/srv/a"), (Path::new("/srv/a"), None));
        assert_eq!(split_tag("/srv/a:b/c"), (Path::new("/srv/a:b/c"), None));
    }
}
