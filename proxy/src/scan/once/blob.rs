//! The bytes of one layer, from a registry, a piece of a file, or a folder, as one reader; with what is told of them on the way.

use std::fs::File;
use std::io::{self, PipeReader, Read, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread;

use tokio::io::{AsyncRead, ReadBuf};
use weir_scanner::layer::{LayerInventory, Reason, ReasonCode};
use weir_scanner::oci::{Digest, DigestHasher};

use super::OnceParts;
use super::rootfs;
use crate::pull::{Location, Puller, Purpose};

/// Bytes read from a file at once.
const CHUNK: usize = 256 << 10;

/// Is told how far reading has come.
pub trait Progress: Send + Sync {
    /// A layer of `size` bytes begins (0 where nobody knows); what is returned is told of every piece read, in bytes.
    fn layer(&self, digest: &Digest, size: u64) -> Box<dyn Fn(u64) + Send + Sync>;
}

/// Where a layer's bytes are.
pub(super) enum Blob {
    /// In a registry.
    Registry(Box<(Puller, Location, Digest)>),
    /// A piece of a file.
    Region(Region),
    /// A folder, as the tar it would be.
    Tree(PathBuf),
}

/// A piece of a file.
#[derive(Clone, Debug)]
pub(super) struct Region {
    pub(super) path: PathBuf,
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl Region {
    /// Its bytes, from the start.
    pub(super) fn open(&self) -> io::Result<io::Take<File>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        Ok(file.take(self.length))
    }
}

/// Reads a piece of a file to its end and compares it with its digest.
pub(super) fn verify(region: &Region, expected: &Digest) -> Result<(), Reason> {
    let failed = |error: io::Error| {
        Reason::new(ReasonCode::FetchFailed, format!("{} cannot be read: {error}", region.path.display()))
    };
    let mut reader = region.open().map_err(failed)?;
    let mut hasher = DigestHasher::new(expected.algorithm());
    let mut chunk = vec![0; CHUNK];
    loop {
        match reader.read(&mut chunk).map_err(failed)? {
            0 => break,
            count => hasher.update(&chunk[..count]),
        }
    }
    let actual = hasher.finish();
    if actual == *expected {
        return Ok(());
    }
    Err(Reason::new(ReasonCode::FetchFailed, format!("the layer's bytes are {actual}, the manifest says {expected}")))
}

/// A reader whose bytes are there without waiting for a runtime: only for threads that may block.
struct Blocking<R>(R);

impl<R: Read + Unpin> AsyncRead for Blocking<R> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let count = self.0.read(out.initialize_unfilled())?;
        out.advance(count);
        Poll::Ready(Ok(()))
    }
}

/// Tells of every piece that passes.
struct Told<R> {
    inner: R,
    tell: Box<dyn Fn(u64) + Send + Sync>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Told<R> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, out))?;
        (self.tell)((out.filled().len() - before) as u64);
        Poll::Ready(Ok(()))
    }
}

type Reader = Box<dyn AsyncRead + Unpin + Send>;

/// A layer's bytes, ready to be read.
pub(super) enum Opened {
    /// To be read as they are.
    Bytes(Reader),
    /// From a thread that packs a folder; what it could not read is a reason.
    Packing(Reader, thread::JoinHandle<Vec<Reason>>),
}

impl Blob {
    /// The piece of a file it is.
    pub(super) fn file(&self) -> Option<&Region> {
        if let Self::Region(region) = self { Some(region) } else { None }
    }

    /// A reader from its start on.
    pub(super) async fn open(
        self,
        tell: Box<dyn Fn(u64) + Send + Sync>,
        parts: &Arc<OnceParts>,
    ) -> Result<Opened, Reason> {
        let failed = |detail: String| Reason::new(ReasonCode::FetchFailed, detail);
        match self {
            Self::Registry(place) => {
                let (puller, location, digest) = *place;
                let missing = |detail: String| Reason::new(ReasonCode::MissingLayers, detail);
                let identity =
                    puller.reader_identity(&location).ok_or_else(|| missing("nobody may read it".to_owned()))?;
                let blob = puller.blob(&location, digest, &identity, Purpose::Scan).await;
                let blob = blob.map_err(|error| missing(error.to_string()))?;
                Ok(Opened::Bytes(Box::new(Told { inner: blob.reader.unverified(), tell })))
            }
            Self::Region(region) => {
                let file = region.open().map_err(|error| failed(format!("{}: {error}", region.path.display())))?;
                Ok(Opened::Bytes(Box::new(Told { inner: Blocking(file), tell })))
            }
            Self::Tree(root) => {
                let (reader, packing) = packing(root, parts).map_err(|error| failed(error.to_string()))?;
                Ok(Opened::Packing(Box::new(Told { inner: Blocking(reader), tell }), packing))
            }
        }
    }
}

fn packing(root: PathBuf, parts: &Arc<OnceParts>) -> io::Result<(PipeReader, thread::JoinHandle<Vec<Reason>>)> {
    let (reader, writer) = io::pipe()?;
    let limits = parts.limits;
    let pack = move || rootfs::pack(&root, writer, &limits);
    let packing = thread::Builder::new().name("rootfs-pack".to_owned()).spawn(pack)?;
    Ok((reader, packing))
}

impl Opened {
    /// Reads the layer with `scan`, and adds what the packing of a folder had to leave out.
    pub(super) fn read(
        self,
        scan: impl FnOnce(Reader) -> Result<LayerInventory, Reason>,
    ) -> Result<LayerInventory, Reason> {
        match self {
            Self::Bytes(reader) => scan(reader),
            Self::Packing(reader, packing) => {
                let scanned = scan(reader);
                let left_out = packing
                    .join()
                    .unwrap_or_else(|_| vec![Reason::new(ReasonCode::ScannerFailed, "packing the folder panicked")]);
                scanned.map(|mut inventory| {
                    inventory.reasons.extend(left_out);
                    inventory
                })
            }
        }
    }
}
