//! An artifact in an OCI image layout on this machine.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use weir_scanner::oci::{Descriptor, Digest, DigestHasher, MAX_MANIFEST_BYTES};

use super::Layer;

/// The annotation that names an entry of a layout.
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Bytes hashed at a time.
const PIECE: usize = 256 << 10;

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

/// The bytes of the manifest that a tag names, or the only one, verified.
pub(super) fn manifest(directory: &Path, tag: Option<&str>) -> Result<Vec<u8>, String> {
    let text = small(&directory.join("index.json"))?;
    let index: Index = serde_json::from_slice(&text).map_err(|error| format!("index.json is no index: {error}"))?;
    let name = |entry: &Descriptor| entry.annotations.get(REF_NAME).cloned().unwrap_or_default();
    let found: Vec<&Descriptor> =
        index.manifests.iter().filter(|entry| tag.is_none_or(|tag| name(entry) == tag)).collect();
    let [entry] = found[..] else {
        let names: Vec<String> = index.manifests.iter().map(name).collect();
        return Err(format!("{} of its entries fit; it has the tags {}", found.len(), names.join(", ")));
    };
    let bytes = small(&blob_path(directory, &entry.digest))?;
    verify(&bytes, &entry.digest)?;
    Ok(bytes)
}

/// A layer's file at its beginning, once its bytes are known to be what the digest says.
pub(super) async fn blob(directory: PathBuf, layer: Layer) -> Result<File, String> {
    let open = move || {
        let path = blob_path(&directory, &layer.digest);
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut file = File::open(&path).map_err(failed)?;
        let (mut hasher, mut piece, mut size) = (DigestHasher::new(layer.digest.algorithm()), vec![0; PIECE], 0);
        loop {
            let count = file.read(&mut piece).map_err(failed)?;
            if count == 0 {
                break;
            }
            hasher.update(&piece[..count]);
            size += count as u64;
        }
        let actual = hasher.finish();
        if (size, actual) != (layer.size, layer.digest) {
            return Err(format!("{} is damaged: {size} bytes of {actual}", path.display()));
        }
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        Ok(file)
    };
    tokio::task::spawn_blocking(open).await.map_err(|error| error.to_string())?
}

/// Whether bytes are what a digest says.
pub(super) fn verify(bytes: &[u8], digest: &Digest) -> Result<(), String> {
    let mut hasher = DigestHasher::new(digest.algorithm());
    hasher.update(bytes);
    let actual = hasher.finish();
    if actual == *digest { Ok(()) } else { Err(format!("its manifest is {actual}, not {digest}")) }
}

pub(super) fn blob_path(directory: &Path, digest: &Digest) -> PathBuf {
    directory.join("blobs").join(digest.algorithm().name()).join(digest.hex())
}

fn small(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_MANIFEST_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() > MAX_MANIFEST_BYTES {
        return Err(format!("{} is over {MAX_MANIFEST_BYTES} bytes", path.display()));
    }
    Ok(bytes)
}
