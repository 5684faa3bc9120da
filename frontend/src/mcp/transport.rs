//! JSON-RPC over standard input and output, a message a line, with what the library leaves out: a
//! line that is no JSON is answered with -32700 and the session goes on, a line that is too long is
//! skipped, and a client that asks and never reads is no longer read from.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Arc, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use rmcp::{
    RoleServer,
    model::{
        ClientJsonRpcMessage, ClientNotification, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
    },
    transport::Transport,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter},
    sync::{Mutex, Notify},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::{codec::FramedRead, sync::CancellationToken};

use super::lines::{Answer, Line, LineDecoder, MAX_LINE, message};

/// Most requests that wait for their answer, and as many again that wait for a place. Beyond that no
/// more is read until some are answered.
const MAX_OUTSTANDING: usize = 1024;

/// How long a client with that many open requests may take not a single answer, before it counts as
/// gone.
const READER_PATIENCE: Duration = Duration::from_secs(60);

/// A session's two streams.
pub struct LineTransport<R, W> {
    lines: FramedRead<R, LineDecoder>,
    output: Arc<Output<W>>,
    /// Requests read while there was no room for them, oldest first.
    held: VecDeque<ClientJsonRpcMessage>,
    /// The answer to a line that was no message, on its way out. A task of its own, since `receive`
    /// is dropped and called again at any moment, and half a line would spoil the next.
    answering: Option<JoinHandle<io::Result<()>>>,
    /// A request has come: only then is anything else heard.
    begun: bool,
    input_ended: CancellationToken,
}

struct Output<W> {
    writer: Mutex<BufWriter<W>>,
    requests: std::sync::Mutex<HashMap<RequestId, Open>>,
    answered: Notify,
    /// Nobody reads any more.
    broken: CancellationToken,
}

/// How far an open request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Served,
    /// Its answer is on the way out, and no cancelling takes that back.
    Answered,
}

impl<R, W> LineTransport<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    /// A transport over `input` and `output`. `input_ended` is cancelled when the client has said
    /// all that it will say.
    pub fn new(input: R, output: W, input_ended: CancellationToken) -> Self {
        Self {
            lines: FramedRead::new(input, LineDecoder::default()),
            output: Arc::new(Output {
                writer: Mutex::new(BufWriter::new(output)),
                requests: std::sync::Mutex::default(),
                answered: Notify::new(),
                broken: CancellationToken::new(),
            }),
            held: VecDeque::new(),
            answering: None,
            begun: false,
            input_ended,
        }
    }

    /// The next message that the session can take; `None` at the end of either stream.
    async fn next(&mut self) -> Option<ClientJsonRpcMessage> {
        let broken = self.output.broken.clone();
        loop {
            if let Some(answering) = &mut self.answering {
                let written = answering.await;
                self.answering = None;
                written.ok()?.ok()?;
            }
            if self.output.has_room()
                && let Some(message) = self.held.pop_front()
            {
                return Some(message);
            }
            if self.held.len() >= MAX_OUTSTANDING {
                let answered = self.output.answered.notified();
                tokio::select! {
                    () = broken.cancelled() => return None,
                    waited = timeout(READER_PATIENCE, answered) => waited.ok()?,
                }
                continue;
            }
            let waiting_for_room = !self.held.is_empty();
            let message = tokio::select! {
                () = broken.cancelled() => return None,
                () = self.output.answered.notified(), if waiting_for_room => continue,
                message = Self::read(&mut self.lines, &self.output) => match message {
                    Some(Ok(message)) => message,
                    Some(Err(answer)) => {
                        let output = Arc::clone(&self.output);
                        let message = ServerJsonRpcMessage::error(answer.error, answer.id);
                        let answering = async move { output.write(&message).await };
                        self.answering = Some(tokio::spawn(answering));
                        continue;
                    }
                    // The rest is still answered, in its turn.
                    None if waiting_for_room => {
                        let answered = self.output.answered.notified();
                        timeout(READER_PATIENCE, answered).await.ok()?;
                        continue;
                    }
                    None => return None,
                },
            };
            if let Some(message) = self.admit(message) {
                match self.output.has_room() || !matches!(message, JsonRpcMessage::Request(_)) {
                    true => return Some(message),
                    false => self.held.push_back(message),
                }
            }
        }
    }

    /// Reads the next message, or a line that has to be answered as none.
    async fn read(
        lines: &mut FramedRead<R, LineDecoder>,
        output: &Output<W>,
    ) -> Option<Result<ClientJsonRpcMessage, Box<Answer>>> {
        loop {
            return Some(match lines.next().await?.ok()? {
                Line::Whole(line) => match message(&line) {
                    Ok(None) => continue,
                    Ok(Some(message)) if output.repeats_an_id(&message) => {
                        Err(Answer::repeated(message))
                    }
                    Ok(Some(message)) => Ok(message),
                    Err(answer) => Err(answer),
                },
                Line::TooLong => {
                    tracing::warn!(limit = MAX_LINE, "mcp.line_too_long");
                    Err(Answer::too_long())
                }
            });
        }
    }

    /// Lets a message in, unless it means nothing here: before the first request there is nothing
    /// to notify of, and a held request that is cancelled is forgotten.
    fn admit(&mut self, message: ClientJsonRpcMessage) -> Option<ClientJsonRpcMessage> {
        if let JsonRpcMessage::Request(request) = &message {
            self.begun = true;
            self.output.open(request.id.clone());
        } else if !self.begun {
            return None;
        }
        let cancelled = cancelled_id(&message);
        let held = |held: &ClientJsonRpcMessage| matches!(held, JsonRpcMessage::Request(request) if Some(&request.id) == cancelled.as_ref());
        if let Some(at) = self.held.iter().position(held) {
            self.held.remove(at);
            cancelled.iter().for_each(|id| self.output.close(id));
            return None;
        }
        if let Some(id) = &cancelled {
            self.output.cancel(id);
        }
        Some(message)
    }
}

fn cancelled_id(message: &ClientJsonRpcMessage) -> Option<RequestId> {
    match message {
        JsonRpcMessage::Notification(notification) => match &notification.notification {
            ClientNotification::CancelledNotification(cancelled) => {
                cancelled.params.request_id.clone()
            }
            _ => None,
        },
        _ => None,
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
        let id = match &message {
            JsonRpcMessage::Response(response) => Some(response.id.clone()),
            JsonRpcMessage::Error(error) => error.id.clone(),
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
        };
        id.iter().for_each(|id| output.answer(id));
        async move {
            let written = output.write(&message).await;
            id.iter().for_each(|id| output.close(id));
            written
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        // What was asked before goes first: a client that writes without pause would otherwise have
        // thousands of requests begun, and none done.
        tokio::task::yield_now().await;
        let message = self.next().await;
        if message.is_none() && !self.input_ended.is_cancelled() {
            let reason = match self.output.broken.is_cancelled() {
                true => "end of output",
                false => "end of input",
            };
            tracing::info!(reason, "shutdown.started");
            self.input_ended.cancel();
        }
        message
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
        let written = match writer.write_all(&line).await {
            Ok(()) => writer.flush().await,
            Err(error) => Err(error),
        };
        written.inspect_err(|_| self.broken.cancel())
    }
}

impl<W> Output<W> {
    fn has_room(&self) -> bool {
        // Those held have their place in the table too, so that their ids count as used.
        self.with(|requests| requests.len() <= MAX_OUTSTANDING)
    }

    fn repeats_an_id(&self, message: &ClientJsonRpcMessage) -> bool {
        matches!(message, JsonRpcMessage::Request(request)
            if self.with(|requests| requests.contains_key(&request.id)))
    }

    fn open(&self, id: RequestId) {
        self.with(|requests| requests.insert(id, Open::Served));
    }

    fn answer(&self, id: &RequestId) {
        self.with(|requests| {
            if let Some(open) = requests.get_mut(id) {
                *open = Open::Answered;
            }
        });
    }

    /// A cancelled request is not answered, unless its answer is on the way already.
    fn cancel(&self, id: &RequestId) {
        if self.with(|requests| requests.get(id) == Some(&Open::Served)) {
            self.close(id);
        }
    }

    fn close(&self, id: &RequestId) {
        if self.with(|requests| requests.remove(id)).is_some() {
            self.answered.notify_one();
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<RequestId, Open>) -> T) -> T {
        // Nothing panics while it is held.
        act(&mut self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
