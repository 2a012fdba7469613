//! A layer's tar stream out of its compressed bytes.
//!
//! The encoding is read from the first bytes, not from the media type: containerd and Docker unpack a layer labelled gzip
//! that is zstd or plain, so that is what nodes run. Owns counting of compressed bytes and telling a failed source from a
//! broken encoding. The decoders are asynchronous because the source grows while it is read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, ReadBuf};

use crate::oci::LayerEncoding;

/// Compressed bytes read at once.
const SOURCE_BUFFER: usize = 128 * 1024;
/// Largest zstd window accepted, as a power of two: 128 MiB, what `zstd --long` writes and containerd accepts.
const ZSTD_WINDOW_LOG: u32 = 27;

/// The compressed bytes with one buffer, a count, and the memory of a failed read.
pub(crate) struct Source<R> {
    inner: R,
    buffer: Box<[u8]>,
    position: usize,
    end: usize,
    consumed: u64,
    failure: Option<String>,
}

/// Decodes gzip (several members), zstd (several frames) or plain bytes, whichever the stream is.
pub struct LayerDecoder<R>(Decoder<R>);

enum Decoder<R> {
    Plain(Source<R>),
    Gzip(Box<GzipDecoder<Source<R>>>),
    Zstd(Box<ZstdDecoder<Source<R>>>),
}

impl<R: AsyncRead + Unpin> LayerDecoder<R> {
    /// Reads the first bytes of `blob` and chooses the decoder. Errors are those of `blob`.
    pub async fn open(blob: R) -> io::Result<Self> {
        let buffer = vec![0; SOURCE_BUFFER].into_boxed_slice();
        let mut source = Source { inner: blob, buffer, position: 0, end: 0, consumed: 0, failure: None };
        let encoding = sniff(source.peek(4).await?);
        Ok(Self(match encoding {
            LayerEncoding::Plain => Decoder::Plain(source),
            LayerEncoding::Gzip => {
                let mut decoder = GzipDecoder::new(source);
                decoder.multiple_members(true);
                Decoder::Gzip(Box::new(decoder))
            }
            LayerEncoding::Zstd => {
                let mut decoder = ZstdDecoder::with_params(source, &[DParameter::window_log_max(ZSTD_WINDOW_LOG)]);
                decoder.multiple_members(true);
                Decoder::Zstd(Box::new(decoder))
            }
        }))
    }

    /// How the stream is encoded.
    pub fn encoding(&self) -> LayerEncoding {
        match &self.0 {
            Decoder::Plain(_) => LayerEncoding::Plain,
            Decoder::Gzip(_) => LayerEncoding::Gzip,
            Decoder::Zstd(_) => LayerEncoding::Zstd,
        }
    }

    /// Compressed bytes taken so far.
    pub fn consumed(&self) -> u64 {
        self.source().consumed
    }

    /// What the source said when a read of it failed; `None` means that an error is the encoding's.
    pub fn source_failure(&self) -> Option<&str> {
        self.source().failure.as_deref()
    }

    /// Reads the source to its end without decoding, so that a source that verifies its bytes has verified all of them.
    pub async fn drain(self) -> io::Result<()> {
        let mut source = match self.0 {
            Decoder::Plain(source) => source,
            Decoder::Gzip(decoder) => decoder.into_inner(),
            Decoder::Zstd(decoder) => decoder.into_inner(),
        };
        while source.inner.read(&mut source.buffer).await? > 0 {}
        Ok(())
    }

    fn source(&self) -> &Source<R> {
        match &self.0 {
            Decoder::Plain(source) => source,
            Decoder::Gzip(decoder) => decoder.get_ref(),
            Decoder::Zstd(decoder) => decoder.get_ref(),
        }
    }
}

/// Names the encoding by the magic numbers of RFC 1952 and RFC 8878, skippable zstd frames among them.
fn sniff(head: &[u8]) -> LayerEncoding {
    match head {
        [0x1f, 0x8b, 0x08, ..] => LayerEncoding::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => LayerEncoding::Zstd,
        _ => LayerEncoding::Plain,
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for LayerDecoder<R> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Decoder::Plain(source) => {
                let bytes = ready!(Pin::new(&mut *source).poll_fill_buf(context))?;
                let count = bytes.len().min(out.remaining());
                out.put_slice(&bytes[..count]);
                source.consume(count);
                Poll::Ready(Ok(()))
            }
            Decoder::Gzip(decoder) => Pin::new(decoder).poll_read(context, out),
            Decoder::Zstd(decoder) => Pin::new(decoder).poll_read(context, out),
        }
    }
}

impl<R: AsyncRead + Unpin> Source<R> {
    /// Up to `count` bytes from the start, fewer where the source is shorter; nothing is consumed.
    async fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.end < count {
            match self.inner.read(&mut self.buffer[self.end..]).await? {
                0 => break,
                more => self.end += more,
            }
        }
        Ok(&self.buffer[..self.end.min(count)])
    }
}

impl<R: AsyncRead + Unpin> AsyncBufRead for Source<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.position == this.end {
            let mut buffer = ReadBuf::new(&mut this.buffer);
            if let Err(error) = ready!(Pin::new(&mut this.inner).poll_read(context, &mut buffer)) {
                this.failure = Some(error.to_string());
                return Poll::Ready(Err(error));
            }
            this.end = buffer.filled().len();
            this.position = 0;
        }
        Poll::Ready(Ok(&this.buffer[this.position..this.end]))
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        let this = self.get_mut();
        this.position += count;
        this.consumed += count as u64;
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Source<R> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let bytes = ready!(self.as_mut().poll_fill_buf(context))?;
        let count = bytes.len().min(out.remaining());
        out.put_slice(&bytes[..count]);
        self.consume(count);
        Poll::Ready(Ok(()))
    }
}
