//! Decodes zstd from memory, a piece at a time.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use async_compression::tokio::bufread::ZstdDecoder;
use async_compression::zstd::DParameter;
use tokio::io::{AsyncRead as _, ReadBuf};

/// Largest window accepted, as a power of two: 32 MiB, the largest that any level of common encoders chooses by itself.
const WINDOW_LOG: u32 = 25;

/// Reads what zstd frames in memory hold.
pub(super) struct ZstdReader<'a>(ZstdDecoder<&'a [u8]>);

impl<'a> ZstdReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut decoder = ZstdDecoder::with_params(bytes, &[DParameter::window_log_max(WINDOW_LOG)]);
        decoder.multiple_members(true);
        Self(decoder)
    }
}

impl Read for ZstdReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(out);
        // Bytes in memory are always ready, so there is nobody to wake.
        match Pin::new(&mut self.0).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer) {
            Poll::Ready(outcome) => outcome.map(|()| buffer.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}
