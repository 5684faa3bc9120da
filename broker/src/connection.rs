//! Frames on one connection, with a cap on their size and a deadline on their coming.

use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use probity_protocol::{
    FrameError, Interrupt, MAX_REPLY_FRAME, MAX_REQUEST_FRAME, Refusal, RefusalKind, Reply,
    Request, decode, decode_hello, encode,
};
use tokio::{
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec, LengthDelimitedCodecError};

/// How long a peer may take to say what it wants.
const HANDSHAKE: Duration = Duration::from_secs(2);

/// How long a peer may take to accept one frame, outside a run.
const SEND: Duration = Duration::from_secs(5);

/// What a peer says.
pub(crate) struct Incoming {
    frames: FramedRead<OwnedReadHalf, LengthDelimitedCodec>,
}

/// What a peer is told.
pub(crate) struct Outgoing {
    frames: FramedWrite<OwnedWriteHalf, LengthDelimitedCodec>,
}

/// The peer is gone, or does not take what it is sent. There is nobody to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

pub(crate) fn split(stream: UnixStream) -> (Incoming, Outgoing) {
    let codec = |most| LengthDelimitedCodec::builder().max_frame_length(most).new_codec();
    let (read, write) = stream.into_split();
    (
        Incoming { frames: FramedRead::new(read, codec(MAX_REQUEST_FRAME)) },
        Outgoing { frames: FramedWrite::new(write, codec(MAX_REPLY_FRAME)) },
    )
}

impl Incoming {
    /// The peer's request, or what is wrong with it. `None` where it closed without a word.
    pub(crate) async fn request(&mut self) -> Option<Result<Request, Refusal>> {
        let read = async {
            let hello = match self.frame().await? {
                Ok(body) => body,
                Err(refusal) => return Some(Err(refusal)),
            };
            if let Err(error) = decode_hello(&hello) {
                return Some(Err(unreadable(error)));
            }
            match self.frame().await {
                None => Some(Err(refusal(
                    RefusalKind::Truncated,
                    "the connection ended before a request",
                ))),
                Some(Err(refusal)) => Some(Err(refusal)),
                Some(Ok(body)) => Some(decode(&body).map_err(unreadable)),
            }
        };
        let stalled = || refusal(RefusalKind::Stalled, "no whole request came within 2 seconds");
        timeout(HANDSHAKE, read).await.unwrap_or_else(|_| Some(Err(stalled())))
    }

    /// Waits until the peer no longer wants what it asked for: it cancels, closes, or says what
    /// does not belong here. True for a cancellation that wants its answer.
    pub(crate) async fn interrupted(&mut self) -> bool {
        match self.frame().await {
            Some(Ok(body)) => decode::<Interrupt>(&body) == Ok(Interrupt::Cancel),
            Some(Err(_)) | None => false,
        }
    }

    async fn frame(&mut self) -> Option<Result<BytesMut, Refusal>> {
        match self.frames.next().await? {
            Ok(body) => Some(Ok(body)),
            Err(error) if is_too_large(&error) => {
                let message = format!("a frame of more than {MAX_REQUEST_FRAME} bytes");
                Some(Err(refusal(RefusalKind::TooLarge, message)))
            }
            Err(error) if error.kind() == io::ErrorKind::Other => {
                Some(Err(refusal(RefusalKind::Truncated, "the connection ended within a frame")))
            }
            Err(_) => None,
        }
    }
}

impl Outgoing {
    /// Sends one message.
    pub(crate) async fn send(&mut self, reply: &Reply) -> Result<(), Gone> {
        self.send_within(reply, SEND).await
    }

    /// Sends one message to a peer that may be slow.
    pub(crate) async fn send_within(&mut self, reply: &Reply, limit: Duration) -> Result<(), Gone> {
        match timeout(limit, self.frames.send(Bytes::from(encode(reply)))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }
}

fn is_too_large(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<LengthDelimitedCodecError>())
}

fn unreadable(error: FrameError) -> Refusal {
    let kind = match error {
        FrameError::Version(_) => RefusalKind::Version,
        FrameError::Malformed | FrameError::Trailing(_) | FrameError::Magic => {
            RefusalKind::Malformed
        }
    };
    refusal(kind, error.to_string())
}

pub(crate) fn refusal(kind: RefusalKind, message: impl Into<String>) -> Refusal {
    Refusal { kind, message: message.into() }
}
