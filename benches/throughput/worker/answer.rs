//! The body of an answer: nothing is made for it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::Slot;

const CHUNKS: u32 = 256;
/// The bytes of a chunk, and of a whole stream.
pub(crate) const CHUNK_BYTES: usize = 64 * 1024;
pub(crate) const STREAM_BYTES: usize = CHUNK_BYTES * CHUNKS as usize;
static CHUNK: [u8; CHUNK_BYTES] = [b'.'; CHUNK_BYTES];

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// One piece, or nothing more.
    Whole(Option<Bytes>),
    /// So many chunks, as fast as they are taken. The slot is in use until the end.
    Stream { left: u32, _slot: Slot },
}

impl Answer {
    pub(super) fn whole(body: impl Into<Bytes>) -> Self {
        Self::Whole(Some(body.into()))
    }

    pub(super) fn stream(slot: Slot) -> Self {
        Self::Stream { left: CHUNKS, _slot: slot }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match self.get_mut() {
            Self::Whole(body) => body.take(),
            Self::Stream { left: 0, .. } => None,
            Self::Stream { left, .. } => {
                *left -= 1;
                Some(Bytes::from_static(&CHUNK))
            }
        };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None) | Self::Stream { left: 0, .. })
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64)),
            Self::Stream { .. } => SizeHint::default(),
        }
    }
}
