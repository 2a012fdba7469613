//! An artifact in a registry, by the client of its upstream: with its credentials, its authorities, its retries.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use weir_scanner::oci::{DigestHasher, MediaType, Reference, Repository, Selector, Tag};

use super::Layer;
use super::layout::verify;
use crate::http::chain;
use crate::upstream::{ClientAuth, Method, UpstreamClient};

/// Bodies of one layer that may be cut before it is given up; each goes on where the one before ended.
const MAX_CUTS: u32 = 8;

/// The bytes of the manifest a reference names, verified.
pub(super) async fn manifest(client: &UpstreamClient, reference: &Reference) -> Result<Vec<u8>, String> {
    let latest = || Selector::Tag(Tag::parse("latest").expect("latest is a tag after the specification"));
    let selector = reference.selector().unwrap_or_else(latest);
    let reply =
        client.manifest(&reference.repository, &selector, Method::Get, MediaType::OCI_MANIFEST, &ClientAuth::Own).await;
    let reply = reply.map_err(|error| chain(&error))?;
    let said = match selector {
        Selector::Digest(digest) => Some(digest),
        Selector::Tag(_) => reply.digest,
    };
    if let Some(said) = said {
        verify(&reply.bytes, &said)?;
    }
    Ok(reply.bytes.to_vec())
}

/// The bytes of a layer in a nameless file, at its beginning; they are what the digest says.
pub(super) async fn blob(
    client: &UpstreamClient,
    repository: &Repository,
    layer: Layer,
    scratch: &Path,
) -> Result<File, String> {
    let unwritable = |error: std::io::Error| format!("{}: {error}", scratch.display());
    let mut file = tempfile::tempfile_in(scratch).map_err(unwritable)?;
    let mut hasher = DigestHasher::new(layer.digest.algorithm());
    let (mut received, mut cuts) = (0, 0);
    while received < layer.size {
        let from = (received > 0).then_some(received);
        let mut reply =
            client.blob(repository, &layer.digest, from, &ClientAuth::Own).await.map_err(|error| chain(&error))?;
        // A registry that ignores ranges begins again; what is there already is passed over.
        let mut skip = received.checked_sub(reply.start).ok_or("a range begins behind what was asked for")?;
        let cut = loop {
            let mut bytes = match reply.chunk().await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break "the body ended early".to_owned(),
                Err(error) => break chain(&error),
            };
            let passed = usize::try_from(skip).map_or(bytes.len(), |skip| skip.min(bytes.len()));
            let bytes = bytes.split_off(passed);
            skip -= passed as u64;
            received += bytes.len() as u64;
            if received > layer.size {
                return Err(format!("more comes than the {} bytes of its descriptor", layer.size));
            }
            hasher.update(&bytes);
            file.write_all(&bytes).map_err(unwritable)?;
            if received == layer.size {
                break String::new();
            }
        };
        cuts += 1;
        if received < layer.size && cuts > MAX_CUTS {
            return Err(cut);
        }
    }
    let actual = hasher.finish();
    if actual != layer.digest {
        return Err(format!("what came is {actual}, not {}", layer.digest));
    }
    file.seek(SeekFrom::Start(0)).map_err(unwritable)?;
    Ok(file)
}
