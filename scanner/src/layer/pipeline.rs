//! Hands decoded bytes from the thread that decodes to the thread that hashes and walks.
//!
//! Owns a few buffers that go round between the two, the caps on length and ratio, and the diff ID: every byte is
//! hashed as it arrives, whatever the walk does with it. The channels are bounded by the number of buffers.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::runtime::Handle;

use super::{LayerDecoder, LayerLimits, Reason, ReasonCode};
use crate::oci::{Algorithm, Digest, DigestHasher};

/// Decoded bytes handed over at once.
const CHUNK: usize = 256 * 1024;
/// Buffers in the round: one being filled, one being walked, two in between against jitter.
const CHUNKS: usize = 4;

/// A filled buffer, or why there are no more before the end of the stream.
type Chunk = Result<Vec<u8>, Reason>;

/// The decoding end.
pub(crate) struct ChunkWriter {
    filled: SyncSender<Chunk>,
    spare: Receiver<Vec<u8>>,
}

/// The walking end: decoded bytes in order, hashed.
pub(crate) struct ChunkReader {
    filled: Receiver<Chunk>,
    spare: SyncSender<Vec<u8>>,
    chunk: Vec<u8>,
    position: usize,
    digest: DigestHasher,
    length: u64,
    stopped: Option<Reason>,
}

/// Both ends of a pipeline.
pub(crate) fn pipeline() -> (ChunkWriter, ChunkReader) {
    let (filled, filled_end) = sync_channel(CHUNKS);
    let (spare, spare_end) = sync_channel(CHUNKS);
    for _ in 0..CHUNKS {
        spare.send(Vec::with_capacity(CHUNK)).expect("the other end is held below, and all buffers fit");
    }
    let digest = DigestHasher::new(Algorithm::Sha256);
    let reader =
        ChunkReader { filled: filled_end, spare, chunk: Vec::new(), position: 0, digest, length: 0, stopped: None };
    (ChunkWriter { filled, spare: spare_end }, reader)
}

impl ChunkWriter {
    /// Decodes `blob` to its end, into the other end of the pipeline. Where decoding stops early, the blob is still read to
    /// its end, so that a blob that verifies itself has done so.
    pub(crate) fn run<R: AsyncRead + Unpin>(self, blob: R, limits: &LayerLimits, runtime: &Handle) {
        let stopped = match runtime.block_on(LayerDecoder::open(blob)) {
            Err(error) => Err(fetch_failed(&error.to_string())),
            Ok(mut decoder) => match self.decode(&mut decoder, limits, runtime) {
                Err(reason) if reason.code != ReasonCode::FetchFailed => Err(runtime
                    .block_on(decoder.drain())
                    .map_or_else(|error| fetch_failed(&error.to_string()), |()| reason)),
                outcome => outcome,
            },
        };
        if let Err(reason) = stopped {
            // A reader that is gone needs no reason.
            let _ = self.filled.send(Err(reason));
        }
    }

    fn decode<R: AsyncRead + Unpin>(
        &self,
        decoder: &mut LayerDecoder<R>,
        limits: &LayerLimits,
        runtime: &Handle,
    ) -> Result<(), Reason> {
        let mut length = 0;
        // A reader that is gone has panicked, and its thread tells.
        while let Ok(mut chunk) = self.spare.recv() {
            chunk.clear();
            let filled = runtime.block_on(async {
                while chunk.len() < CHUNK
                    && (&mut *decoder).take((CHUNK - chunk.len()) as u64).read_buf(&mut chunk).await? > 0
                {
                }
                io::Result::Ok(())
            });
            length += chunk.len() as u64;
            if length > limits.max_uncompressed_bytes {
                let detail = format!("the layer has more than {} uncompressed bytes", limits.max_uncompressed_bytes);
                return Err(Reason::new(ReasonCode::LayerTooLarge, detail));
            }
            if length > limits.ratio_free_bytes && length / limits.max_ratio.max(1) > decoder.consumed() {
                let detail = format!("the layer expands to more than {} times its size", limits.max_ratio);
                return Err(Reason::new(ReasonCode::RatioTooHigh, detail));
            }
            let ended = filled.is_ok() && chunk.len() < CHUNK;
            if !chunk.is_empty() && self.filled.send(Ok(chunk)).is_err() {
                return Ok(());
            }
            if let Err(error) = filled {
                return Err(match decoder.source_failure() {
                    Some(failure) => fetch_failed(failure),
                    None => Reason::new(ReasonCode::DecodeFailed, format!("the compressed stream is broken: {error}")),
                });
            }
            if ended {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn fetch_failed(error: &str) -> Reason {
    Reason::new(ReasonCode::FetchFailed, format!("the layer's bytes stopped coming: {error}"))
}

impl ChunkReader {
    /// The digest and length of all that arrived, and why it stopped before the end of the stream.
    pub(crate) fn finish(self) -> (Digest, u64, Option<Reason>) {
        (self.digest.finish(), self.length, self.stopped)
    }
}

impl BufRead for ChunkReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.chunk.len() && self.stopped.is_none() {
            match self.filled.recv() {
                Ok(Ok(chunk)) => {
                    self.digest.update(&chunk);
                    self.length += chunk.len() as u64;
                    self.position = 0;
                    let spent = std::mem::replace(&mut self.chunk, chunk);
                    if spent.capacity() > 0 {
                        // The writer that has ended needs no more buffers.
                        let _ = self.spare.send(spent);
                    }
                }
                Ok(Err(reason)) => self.stopped = Some(reason),
                // The writer is done and said nothing: this is the end.
                Err(_) => {}
            }
        }
        match &self.stopped {
            Some(reason) if self.position == self.chunk.len() => Err(io::Error::other(reason.to_string())),
            _ => Ok(&self.chunk[self.position..]),
        }
    }

    fn consume(&mut self, count: usize) {
        self.position += count;
    }
}

impl Read for ChunkReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut bytes = self.fill_buf()?;
        let count = Read::read(&mut bytes, out)?;
        self.consume(count);
        Ok(count)
    }
}
