//! Response bodies: from memory, from chunks as they come.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use hyper::body::{Frame, SizeHint};

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

struct ChunkBody<S, F, Fut> {
    next: F,
    step: Step<S, Fut>,
    remaining: Option<u64>,
}

enum Step<S, Fut> {
    Ready(S),
    Waiting(Pin<Box<Fut>>),
    /// hyper drops what it has not flushed when a body fails, the response's head included. It flushes when a body has
    /// nothing to give for now, so a failure is shown one poll later.
    Failing(BodyError),
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
            Step::Failing(error) => return Poll::Ready(Some(Err(error))),
            Step::Ended => return Poll::Ready(None),
        };
        let Poll::Ready(outcome) = future.as_mut().poll(context) else {
            this.step = Step::Waiting(future);
            return Poll::Pending;
        };
        let error = match outcome {
            Ok(Some((chunk, state))) => {
                this.step = Step::Ready(state);
                if let Some(left) = &mut this.remaining {
                    *left = left.saturating_sub(chunk.len() as u64);
                }
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
            Ok(None) => match this.remaining {
                Some(left) if left > 0 => BodyError::new(format!("chunks ended {left} bytes early")),
                _ => return Poll::Ready(None),
            },
            Err(error) => error,
        };
        this.step = Step::Failing(error);
        context.waker().wake_by_ref();
        Poll::Pending
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
    async fn chunks_follow_their_state() {
        let count = |n: u32| async move { Ok((n < 3).then(|| (Bytes::from(n.to_string()), n + 1))) };
        assert_eq!(from_chunks(0, None, count).collect().await.unwrap().to_bytes(), "012");
        assert!(from_chunks(0, Some(4), count).collect().await.is_err());
        let fails = |()| async { Err(BodyError::new("cut")) };
        assert!(from_chunks((), None, fails).collect().await.is_err());
    }
}
