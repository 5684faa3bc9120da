//! Frames on one connection, with a cap on their size and a deadline on their coming.

use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use probity_protocol::{
    FrameError, Interrupt, MAX_REPLY_FRAME, MAX_REQUEST_FRAME, Refusal, RefusalKind, Reply,
    Request, decode, decode_hello, encode,
};
use tokio::{
    io::AsyncWriteExt as _,
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};
use tokio_util::codec::{
    Encoder as _, FramedRead, LengthDelimitedCodec, LengthDelimitedCodecError,
};

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
    stream: OwnedWriteHalf,
    codec: LengthDelimitedCodec,
    unsent: BytesMut,
}

/// The peer is gone, or does not take what it is sent. There is nobody to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

pub(crate) fn split(stream: UnixStream) -> (Incoming, Outgoing) {
    // RULE: A frame is capped before memory is given to it.
    let codec = |most| LengthDelimitedCodec::builder().max_frame_length(most).new_codec();
    let (read, write) = stream.into_split();
    (
        Incoming { frames: FramedRead::new(read, codec(MAX_REQUEST_FRAME)) },
        Outgoing { stream: write, codec: codec(MAX_REPLY_FRAME), unsent: BytesMut::new() },
    )
}

impl Incoming {
    /// The peer's request, to be read by [`read`], or what is wrong with it. `None` where it closed
    /// without a word.
    pub(crate) async fn request(&mut self) -> Option<Result<BytesMut, Refusal>> {
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
                request => request,
            }
        };
        let stalled = || refusal(RefusalKind::Stalled, "no whole request came within 2 seconds");
        // RULE: A peer has 2 seconds for its request.
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
    /// Sends one message, and waits until the peer has taken it.
    pub(crate) async fn send(&mut self, reply: &Reply) -> Result<(), Gone> {
        self.put(reply)?;
        timeout(SEND, self.flush()).await.unwrap_or(Err(Gone))
    }

    /// Sends a frame that others may be sent, too: as it is, without a copy of it.
    pub(crate) async fn send_frame(&mut self, frame: &[u8]) -> Result<(), Gone> {
        let send = async {
            self.flush().await?;
            self.stream.write_all(frame).await.map_err(|_| Gone)
        };
        timeout(SEND, send).await.unwrap_or(Err(Gone))
    }

    /// Puts one message in line, without waiting.
    pub(crate) fn put(&mut self, reply: &Reply) -> Result<(), Gone> {
        let body = Bytes::from(encode(reply));
        self.codec.encode(body, &mut self.unsent).map_err(|_| Gone)
    }

    /// Whether anything is in line.
    pub(crate) fn is_pending(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Sends what is in line. When this is dropped halfway, the next one goes on from there.
    pub(crate) async fn flush(&mut self) -> Result<(), Gone> {
        while self.is_pending() {
            match self.stream.write_buf(&mut self.unsent).await {
                Ok(sent) if sent > 0 => {}
                Ok(_) | Err(_) => return Err(Gone),
            }
        }
        Ok(())
    }
}

/// Reads a request, which takes the longer the larger it is.
pub(crate) fn read(body: &[u8]) -> Result<Request, Refusal> {
    decode(body).map_err(unreadable)
}

/// A message as a whole frame; `None` where it is larger than one may be.
pub(crate) fn framed(reply: &Reply) -> Option<Vec<u8>> {
    let body = encode(reply);
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX_REPLY_FRAME)?;
    let mut frame = Vec::with_capacity(body.len() + size_of_val(&length));
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&body);
    Some(frame)
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
