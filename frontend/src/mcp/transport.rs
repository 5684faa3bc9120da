//! JSON-RPC over standard input and output, a message a line, with what the library leaves out: a
//! line that is no JSON is answered with -32700 and the session goes on, a line that is too long is
//! skipped, and a client that asks and never reads is no longer read from.

use std::{collections::HashSet, io, sync::Arc};

use bytes::{Buf, BytesMut};
use futures_util::StreamExt;
use rmcp::{
    RoleServer,
    model::{
        ClientJsonRpcMessage, ClientNotification, ErrorCode, ErrorData, JsonRpcMessage, RequestId,
        ServerJsonRpcMessage,
    },
    transport::Transport,
};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter},
    sync::{Mutex, Notify},
};
use tokio_util::codec::{Decoder, FramedRead};

/// Longest line read. The largest honest request is a call with 2 KiB of arguments; a call with a
/// mebibyte of them still gets the answer of a call.
pub const MAX_LINE: usize = 4 * 1024 * 1024;

/// Most requests that wait for their answer. Beyond that no more is read until some are answered.
const MAX_OUTSTANDING: usize = 1024;

/// A session's two streams.
pub struct LineTransport<R, W> {
    lines: FramedRead<R, LineDecoder>,
    output: Arc<Output<W>>,
}

struct Output<W> {
    writer: Mutex<BufWriter<W>>,
    outstanding: std::sync::Mutex<HashSet<RequestId>>,
    answered: Notify,
}

impl<R, W> LineTransport<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin,
{
    /// A transport over `input` and `output`.
    pub fn new(input: R, output: W) -> Self {
        Self {
            lines: FramedRead::new(input, LineDecoder::default()),
            output: Arc::new(Output {
                writer: Mutex::new(BufWriter::new(output)),
                outstanding: std::sync::Mutex::default(),
                answered: Notify::new(),
            }),
        }
    }

    /// The next message, with every line before it answered that is none.
    async fn next(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            self.output.room().await;
            let answer = match self.lines.next().await?.ok()? {
                Line::Whole(line) => match read(&line) {
                    Ok(Some(message)) => return Some(message),
                    Ok(None) => continue,
                    Err(answer) => answer,
                },
                Line::TooLong => {
                    tracing::warn!(limit = MAX_LINE, "mcp.line_too_long");
                    let message = format!("the line is longer than {MAX_LINE} bytes");
                    Box::new(Answer { id: None, error: ErrorData::invalid_request(message, None) })
                }
            };
            let message = ServerJsonRpcMessage::error(answer.error, answer.id);
            self.output.write(&message).await.ok()?;
        }
    }
}

impl<R, W> Transport<RoleServer> for LineTransport<R, W>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let output = Arc::clone(&self.output);
        async move {
            let written = output.write(&message).await;
            match message {
                JsonRpcMessage::Response(response) => output.settle(&response.id),
                JsonRpcMessage::Error(error) => {
                    error.id.iter().for_each(|id| output.settle(id));
                }
                JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => {}
            }
            written
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        let Some(message) = self.next().await else {
            tracing::info!(reason = "end of input", "shutdown.started");
            return None;
        };
        match &message {
            JsonRpcMessage::Request(request) => self.output.expect(request.id.clone()),
            // A cancelled request is not answered.
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) =
                    &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.output.settle(id);
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
        Some(message)
    }

    async fn close(&mut self) -> io::Result<()> {
        self.output.writer.lock().await.flush().await
    }
}

impl<W: AsyncWrite + Unpin> Output<W> {
    /// Writes one line.
    async fn write(&self, message: &ServerJsonRpcMessage) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        let mut writer = self.writer.lock().await;
        writer.write_all(&line).await?;
        writer.flush().await
    }
}

impl<W> Output<W> {
    /// Waits until there is room for one more request.
    async fn room(&self) {
        loop {
            let answered = self.answered.notified();
            if self.with_outstanding(|ids| ids.len() < MAX_OUTSTANDING) {
                return;
            }
            answered.await;
        }
    }

    fn expect(&self, id: RequestId) {
        self.with_outstanding(|ids| ids.insert(id));
    }

    fn settle(&self, id: &RequestId) {
        if self.with_outstanding(|ids| ids.remove(id)) {
            self.answered.notify_one();
        }
    }

    fn with_outstanding<T>(&self, act: impl FnOnce(&mut HashSet<RequestId>) -> T) -> T {
        // Nothing panics while it is held.
        act(&mut self.outstanding.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// The answer to a line that is no message.
struct Answer {
    id: Option<RequestId>,
    error: ErrorData,
}

impl Answer {
    fn no_json(why: &str) -> Box<Self> {
        let message = format!("the line is no JSON: {why}");
        Box::new(Self { id: None, error: ErrorData::new(ErrorCode::PARSE_ERROR, message, None) })
    }
}

/// Reads a line: a message, nothing where it can be ignored, or what to answer.
fn read(line: &[u8]) -> Result<Option<ClientJsonRpcMessage>, Box<Answer>> {
    // A byte order mark is no part of the text.
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    if let Ok(message) = serde_json::from_slice(line) {
        return Ok(Some(message));
    }
    let value: Value =
        serde_json::from_slice(line).map_err(|error| Answer::no_json(&error.to_string()))?;
    let id = value.get("id").and_then(|id| serde_json::from_value(id.clone()).ok());
    let message = match value {
        Value::Array(_) => "batches are not served: send one message a line",
        _ => "the line is no JSON-RPC 2.0 message",
    };
    Err(Box::new(Answer { id, error: ErrorData::invalid_request(message, None) }))
}

/// What stands between two line ends.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Whole(BytesMut),
    /// Longer than [`MAX_LINE`]; what it held is gone.
    TooLong,
}

/// Splits input into lines, none of which can fill the memory.
#[derive(Debug, Default)]
struct LineDecoder {
    /// How much of the buffer is known to hold no line end.
    searched: usize,
    /// In the rest of a line that is too long.
    skipping: bool,
}

impl Decoder for LineDecoder {
    type Item = Line;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Line>> {
        loop {
            let end = buffer[self.searched..].iter().position(|byte| *byte == b'\n');
            let Some(end) = end.map(|at| self.searched + at) else {
                self.searched = buffer.len();
                if self.skipping || buffer.len() > MAX_LINE {
                    buffer.clear();
                    (self.searched, self.skipping) = (0, true);
                }
                return Ok(None);
            };
            self.searched = 0;
            let line = buffer.split_to(end);
            buffer.advance(1);
            if std::mem::take(&mut self.skipping) || line.len() > MAX_LINE {
                return Ok(Some(Line::TooLong));
            }
            if !line.is_empty() {
                return Ok(Some(Line::Whole(line)));
            }
        }
    }

    /// A last line without its end is one all the same.
    fn decode_eof(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Line>> {
        if let Some(line) = self.decode(buffer)? {
            return Ok(Some(line));
        }
        self.searched = 0;
        if std::mem::take(&mut self.skipping) {
            return Ok(Some(Line::TooLong));
        }
        let rest = buffer.split();
        Ok((!rest.is_empty()).then_some(Line::Whole(rest)))
    }
}

#[cfg(test)]
#[path = "transport_tests.rs"]
mod tests;
