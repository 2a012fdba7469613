//! Packs a source of advisories into an image layout, as one artifact. The same files give the same bytes.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use weir_scanner::oci::{Algorithm, Digest, DigestHasher, MediaType};
use weir_storage::index::Validators;

use super::layout::{REF_NAME, blob_path};
use super::{ARTIFACT_TYPE, CVSS, EPSS, KEV, TITLE};
use crate::advisory::cve::CveSources;
use crate::advisory::fetch::{Fetched, SourceError};
use crate::advisory::source::FeedSource;

/// The configuration of artifacts that have none, after the image specification.
const EMPTY: &[u8] = b"{}";
/// Bytes copied at a time.
const PIECE: usize = 256 << 10;

/// What is packed.
pub struct PackParts {
    /// The feeds.
    pub source: FeedSource,
    /// Of these ecosystems; empty for all the source has.
    pub ecosystems: Vec<String>,
    /// What is known of single CVEs.
    pub cves: CveSources,
    /// The time, seconds since the epoch: up to its year there are files of years.
    pub now: i64,
}

/// What was packed.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The digest of the artifact's manifest.
    pub digest: Digest,
    /// Files in it.
    pub files: u64,
    /// Their bytes together.
    pub bytes: u64,
}

/// Packs into the layout `directory`, which is made where it is missing, as `tag`; `progress` hears each file before it is read.
///
/// # Errors
/// A file of the source cannot be had, the source has no feed, or the layout cannot be written.
pub async fn pack(
    parts: PackParts,
    directory: &Path,
    tag: &str,
    mut progress: impl FnMut(String),
) -> Result<Packed, SourceError> {
    let layout = Layout { directory: directory.to_owned() };
    layout.begin()?;
    let PackParts { source, ecosystems, cves, now } = parts;
    let names = if ecosystems.is_empty() { source.ecosystems().await? } else { ecosystems };
    let absent = |title: &str| SourceError::Artifact { place: source.location(), detail: format!("it has no {title}") };
    if names.is_empty() {
        return Err(absent("feed: <Ecosystem>/all.zip is looked for"));
    }
    let (mut layers, unknown) = (Vec::new(), Validators::default());
    for name in &names {
        let title = format!("{name}/all.zip");
        progress(title.clone());
        match source.archive(name, &unknown).await? {
            Fetched::File(file) => layers.push(layout.add(&title, file.file)?),
            Fetched::Absent | Fetched::Unchanged => return Err(absent(&title)),
        }
        // A source without lists is as good: the archives say what changed.
        if let Fetched::File(file) = source.list(name, &unknown).await? {
            layers.push(layout.add(&format!("{name}/modified_id.csv"), file.file)?);
        }
    }
    // What takes the files out again has the whole of a source.
    let list: String = names.iter().map(|name| format!("{name}\n")).collect();
    layers.push(layout.add("ecosystems.txt", list.as_bytes())?);
    for (folder, source) in [(KEV, &cves.kev), (EPSS, &cves.epss), (CVSS, &cves.scores)] {
        let Some(source) = source else { continue };
        progress(folder.to_owned());
        for (name, file) in source.files(now).await? {
            layers.push(layout.add(&format!("{folder}/{name}"), file)?);
        }
    }
    layout.finish(layers, tag)
}

struct Layout {
    directory: PathBuf,
}

struct Added {
    title: String,
    digest: Digest,
    size: u64,
}

impl Layout {
    fn begin(&self) -> Result<(), SourceError> {
        let blobs = self.directory.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).map_err(|source| SourceError::Io { path: blobs, source })?;
        self.replace("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)
    }

    /// Copies a file in, under its digest.
    fn add(&self, title: &str, from: impl io::Read) -> Result<Added, SourceError> {
        let blobs = self.directory.join("blobs/sha256");
        let add = || {
            let mut file = tempfile::NamedTempFile::new_in(&blobs)?;
            let (digest, size) = copy(from, file.as_file_mut())?;
            // Those who carry a layout away are not always those who made it.
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            file.as_file().set_permissions(mode)?;
            file.persist(blob_path(&self.directory, &digest)).map_err(|error| error.error)?;
            Ok(Added { title: title.to_owned(), digest, size })
        };
        add().map_err(|source| SourceError::Io { path: blobs.clone(), source })
    }

    /// Writes the manifest, and its entry in the place of the one that had the tag.
    fn finish(&self, mut layers: Vec<Added>, tag: &str) -> Result<Packed, SourceError> {
        layers.sort_by(|a, b| a.title.cmp(&b.title));
        let config = self.add("", EMPTY)?;
        let described: Vec<Value> = layers
            .iter()
            .map(|Added { title, digest, size }| {
                json!({"mediaType": media_type(title), "digest": digest, "size": size, "annotations": {TITLE: title}})
            })
            .collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "artifactType": ARTIFACT_TYPE,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config.digest, "size": config.size},
            "layers": described,
        });
        let Added { digest, size, .. } = self.add("", manifest.to_string().as_bytes())?;
        let entry = json!({"mediaType": MediaType::OCI_MANIFEST, "digest": digest, "size": size,
                           "artifactType": ARTIFACT_TYPE, "annotations": {REF_NAME: tag}});
        let mut entries = self.entries()?;
        entries.retain(|entry| entry["annotations"][REF_NAME] != tag);
        entries.push(entry);
        entries.sort_by_key(|entry| entry["annotations"][REF_NAME].as_str().unwrap_or_default().to_owned());
        let index = json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": entries});
        self.replace("index.json", index.to_string().as_bytes())?;
        let bytes = layers.iter().map(|layer| layer.size).sum();
        Ok(Packed { digest, files: layers.len() as u64, bytes })
    }

    /// The entries of a layout that is there already.
    fn entries(&self) -> Result<Vec<Value>, SourceError> {
        let path = self.directory.join("index.json");
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(SourceError::Io { path, source }),
        };
        let index: Value =
            serde_json::from_slice(&bytes).map_err(|error| SourceError::Io { path, source: error.into() })?;
        Ok(index["manifests"].as_array().cloned().unwrap_or_default())
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), SourceError> {
        let path = self.directory.join(name);
        let write = || {
            let beside = path.with_extension("new");
            File::create(&beside)?.write_all(bytes)?;
            std::fs::rename(&beside, &path)
        };
        write().map_err(|source| SourceError::Io { path: path.clone(), source })
    }
}

fn copy(mut from: impl io::Read, to: &mut File) -> io::Result<(Digest, u64)> {
    let (mut hasher, mut piece, mut size) = (DigestHasher::new(Algorithm::Sha256), vec![0; PIECE], 0);
    loop {
        let count = from.read(&mut piece)?;
        if count == 0 {
            return Ok((hasher.finish(), size));
        }
        hasher.update(&piece[..count]);
        to.write_all(&piece[..count])?;
        size += count as u64;
    }
}

fn media_type(title: &str) -> &'static str {
    match title.rsplit('.').next().unwrap_or_default() {
        "zip" => "application/zip",
        "gz" => "application/gzip",
        "json" => "application/json",
        "csv" => "text/csv",
        _ => "text/plain",
    }
}
