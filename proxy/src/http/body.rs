//! Response bodies: from memory, from a reader, from chunks as they come.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, ReadBuf};

/// How much a reader is asked for at once; one such buffer is the memory a response takes.
const READ_BYTES: usize = 128 * 1024;

/// The body of every response. An error in it closes the connection short of the body's end.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body ended before its time.
#[derive(Debug, thiserror::Error)]
#[error("response body failed")]
pub struct BodyError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl BodyError {
    /// Wraps the cause.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// A body of bytes in memory, with its length.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// No body.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body read from `reader`. With `length`, the response carries it, at most that many bytes are read, and an end of file
/// before it is an error; without, the body ends where the reader does.
pub fn from_reader(reader: impl AsyncRead + Send + 'static, length: Option<u64>) -> Body {
    ReaderBody { reader: Box::pin(reader), remaining: length, buffer: BytesMut::new(), ended: false }.boxed_unsync()
}

/// A body of chunks: `next` is called with `state` for each and returns the chunk with the state for the one after, or
/// `None` at the end. The length is not announced unless `length` says it.
pub fn from_chunks<S, F, Fut>(state: S, length: Option<u64>, next: F) -> Body
where
    S: Send + 'static,
    F: FnMut(S) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Option<(Bytes, S)>, BodyError>> + Send + 'static,
{
    ChunkBody { next, step: Step::Ready(state), remaining: length }.boxed_unsync()
}

struct ReaderBody {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    remaining: Option<u64>,
    buffer: BytesMut,
    ended: bool,
}

impl hyper::body::Body for ReaderBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.ended || this.remaining == Some(0) {
            return Poll::Ready(None);
        }
        let wanted =
            this.remaining.map_or(READ_BYTES, |left| READ_BYTES.min(usize::try_from(left).unwrap_or(READ_BYTES)));
        this.buffer.resize(wanted, 0);
        let mut space = ReadBuf::new(&mut this.buffer);
        let outcome = ready!(this.reader.as_mut().poll_read(context, &mut space));
        let count = space.filled().len();
        if let Err(error) = outcome {
            this.ended = true;
            return Poll::Ready(Some(Err(BodyError::new(error))));
        }
        if count == 0 {
            this.ended = true;
            return Poll::Ready(
                this.remaining.map(|left| Err(BodyError::new(format!("reader ended {left} bytes early")))),
            );
        }
        if let Some(left) = &mut this.remaining {
            *left -= count as u64;
        }
        let chunk = this.buffer.split_to(count).freeze();
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.remaining == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

struct ChunkBody<S, F, Fut> {
    next: F,
    step: Step<S, Fut>,
    remaining: Option<u64>,
}

enum Step<S, Fut> {
    Ready(S),
    Waiting(Pin<Box<Fut>>),
    Ended,
}

// The future is boxed, so nothing in a ChunkBody depends on its own address.
impl<S, F, Fut> Unpin for ChunkBody<S, F, Fut> {}

impl<S, F, Fut> hyper::body::Body for ChunkBody<S, F, Fut>
where
    F: FnMut(S) -> Fut,
    Fut: Future<Output = Result<Option<(Bytes, S)>, BodyError>>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let mut future = match std::mem::replace(&mut this.step, Step::Ended) {
            Step::Ready(state) => Box::pin((this.next)(state)),
            Step::Waiting(future) => future,
            Step::Ended => return Poll::Ready(None),
        };
        let Poll::Ready(outcome) = future.as_mut().poll(context) else {
            this.step = Step::Waiting(future);
            return Poll::Pending;
        };
        Poll::Ready(match outcome {
            Ok(Some((chunk, state))) => {
                this.step = Step::Ready(state);
                if let Some(left) = &mut this.remaining {
                    *left = left.saturating_sub(chunk.len() as u64);
                }
                Some(Ok(Frame::data(chunk)))
            }
            Ok(None) => match this.remaining {
                Some(left) if left > 0 => Some(Err(BodyError::new(format!("chunks ended {left} bytes early")))),
                _ => None,
            },
            Err(error) => Some(Err(error)),
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn a_reader_gives_its_length_and_no_more() {
        let body = from_reader(&b"hello world"[..], Some(5));
        assert_eq!(hyper::body::Body::size_hint(&body).exact(), Some(5));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "hello");
        assert_eq!(from_reader(&b"hello"[..], None).collect().await.unwrap().to_bytes(), "hello");
    }

    #[tokio::test]
    async fn a_reader_short_of_its_length_is_an_error() {
        assert!(from_reader(&b"hell"[..], Some(5)).collect().await.is_err());
    }

    #[tokio::test]
    async fn chunks_follow_their_state() {
        let count = |n: u32| async move { Ok((n < 3).then(|| (Bytes::from(n.to_string()), n + 1))) };
        assert_eq!(from_chunks(0, None, count).collect().await.unwrap().to_bytes(), "012");
        assert!(from_chunks(0, Some(4), count).collect().await.is_err());
        let fails = |()| async { Err(BodyError::new("cut")) };
        assert!(from_chunks((), None, fails).collect().await.is_err());
    }
}
