//! JSON-RPC over standard input and output, a message a line, with what the library leaves out: a
//! line that is no JSON is answered with -32700 and the session goes on, a line that is too long is
//! skipped, and a client that asks and never reads is no longer read from.
//!
//! The session's end is made here too. The library would wait five seconds for answers at the end of
//! input, whatever is to be waited for; it is told of the end only once every request is answered, the
//! grace period is over, or nobody reads any more.

use std::{
    collections::{HashMap, VecDeque},
    future::pending,
    io,
    sync::{Arc, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use rmcp::{
    RoleServer,
    model::{
        ClientJsonRpcMessage, ClientNotification, ClientRequest, GetMeta as _, JsonRpcMessage,
        ProtocolVersion, RequestId, ServerJsonRpcMessage,
    },
    transport::Transport,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter},
    sync::{Mutex, Notify},
    task::JoinHandle,
    time::sleep,
};
use tokio_util::{codec::FramedRead, sync::CancellationToken};

use super::{
    batch::Batch,
    ids,
    lines::{Answer, Input, Line, LineDecoder, MAX_LINE, Message, WITH_BATCHES, line_message},
};
use crate::process::shutdown::Shutdown;

/// Most requests that wait for their answer, and as many again that wait for a place. Beyond that no
/// more is read until some are answered.
const MAX_OUTSTANDING: usize = 640;

/// How long a client with that many open requests may take not a single answer, before it counts as
/// gone.
const READER_PATIENCE: Duration = Duration::from_secs(60);

/// A session's two streams.
pub struct LineTransport<R, W> {
    lines: FramedRead<R, LineDecoder>,
    output: Arc<Output<W>>,
    /// Requests read while there was no room for them, oldest first.
    held: VecDeque<ClientJsonRpcMessage>,
    /// The parts of a batch that are still to be looked at.
    parts: VecDeque<Part>,
    /// The protocol's version is the one that has batches.
    takes_batches: bool,
    /// The answer to a line that was no message, on its way out. A task of its own, since `receive`
    /// is dropped and called again at any moment, and half a line would spoil the next.
    answering: Option<JoinHandle<io::Result<()>>>,
    /// A request has come: only then is anything else heard.
    begun: bool,
    /// The client has said in which era of the protocol it speaks.
    opened: bool,
    /// The client has said all that it will say.
    input_ended: bool,
    /// The log has how many calls are waited for.
    waits: bool,
    shutdown: Shutdown,
}

/// A message or what to answer, alone or in a batch.
struct Part {
    read: Result<Box<Message>, Box<Answer>>,
    batch: Option<Arc<Batch>>,
}

struct Output<W> {
    writer: Mutex<BufWriter<W>>,
    requests: std::sync::Mutex<HashMap<RequestId, Open>>,
    answered: Notify,
    /// Nobody reads any more.
    broken: CancellationToken,
}

/// An open request.
#[derive(Debug)]
struct Open {
    batch: Option<Arc<Batch>>,
    is_call: bool,
    /// Its answer is on the way out, and no cancelling takes that back.
    is_answered: bool,
}

impl<R, W> LineTransport<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    /// A transport over `input` and `output`. `broken` is cancelled by whoever sees first that nobody
    /// reads any more.
    pub fn new(input: R, output: W, broken: CancellationToken, shutdown: Shutdown) -> Self {
        Self {
            lines: FramedRead::new(input, LineDecoder::default()),
            output: Arc::new(Output {
                writer: Mutex::new(BufWriter::new(output)),
                requests: std::sync::Mutex::default(),
                answered: Notify::new(),
                broken,
            }),
            held: VecDeque::new(),
            parts: VecDeque::new(),
            takes_batches: false,
            answering: None,
            begun: false,
            opened: false,
            input_ended: false,
            waits: false,
            shutdown,
        }
    }

    /// The next message that the session can take; `None` where it is over.
    async fn next(&mut self) -> Option<ClientJsonRpcMessage> {
        let (broken, shutdown) = (self.output.broken.clone(), self.shutdown.clone());
        loop {
            let is_recalling = shutdown.is_recalling();
            if is_recalling && self.is_done(is_recalling) {
                return None;
            }
            if let Some(answering) = &mut self.answering {
                let written = tokio::select! {
                    written = answering => written,
                    // It may be one that nobody reads.
                    () = shutdown.recalling(), if !is_recalling => continue,
                    () = self.output.answered.notified(), if is_recalling => continue,
                    () = broken.cancelled() => return None,
                    () = shutdown.over() => return None,
                };
                self.answering = None;
                written.ok()?.ok()?;
            }
            if self.output.has_room()
                && let Some(message) = self.held.pop_front()
            {
                return Some(message);
            }
            let is_stopping = shutdown.is_stopping();
            if let Some(part) = self.parts.pop_front() {
                match self.take(part, is_stopping) {
                    Some(message) => return Some(message),
                    None => continue,
                }
            }
            if is_stopping && self.is_done(is_recalling) {
                return None;
            }
            let is_full = self.held.len() >= MAX_OUTSTANDING;
            // Of one that is stopping, the grace period is what a client may take.
            let patience = async {
                match is_full && !is_stopping {
                    true => sleep(READER_PATIENCE).await,
                    false => pending().await,
                }
            };
            let read = tokio::select! {
                () = broken.cancelled() => return None,
                () = shutdown.over() => return None,
                () = shutdown.stopping(), if !is_stopping => continue,
                () = shutdown.recalling(), if !is_recalling => continue,
                // There may be room for one that is held, or nothing left to wait for.
                () = self.output.answered.notified() => continue,
                () = patience => {
                    broken.cancel();
                    return None;
                }
                read = Self::read(&mut self.lines), if !is_full && !self.input_ended => read,
            };
            match read {
                Some(input) => self.divide(input),
                None => {
                    self.input_ended = true;
                    shutdown.stop("end of input");
                }
            }
        }
    }

    /// Puts what was read where it is taken from, part by part.
    fn divide(&mut self, input: Result<Input, Box<Answer>>) {
        let alone = |read| Part { read, batch: None };
        match input {
            Ok(Input::One(message)) => self.parts.push_back(alone(Ok(message))),
            Ok(Input::Batch(_)) if !self.takes_batches => {
                self.parts.push_back(alone(Err(Answer::unwanted_batch())));
            }
            Ok(Input::Batch(parts)) => {
                let is_answered = |part: &Result<Message, _>| match part {
                    Ok(part) => matches!(part.message, JsonRpcMessage::Request(_)),
                    Err(_) => true,
                };
                let batch = Arc::new(Batch::new(parts.iter().filter(|it| is_answered(it)).count()));
                self.parts.extend(parts.into_iter().map(|part| Part {
                    batch: is_answered(&part).then(|| Arc::clone(&batch)),
                    read: match part {
                        Ok(Message { message: JsonRpcMessage::Request(request), .. })
                            if matches!(request.request, ClientRequest::InitializeRequest(_)) =>
                        {
                            Err(Answer::initialize_in_batch(request.id))
                        }
                        part => part.map(Box::new),
                    },
                }));
            }
            Err(answer) => self.parts.push_back(alone(Err(answer))),
        }
    }

    /// Takes a part: answers it, holds it, or gives it to the session.
    fn take(&mut self, part: Part, is_stopping: bool) -> Option<ClientJsonRpcMessage> {
        let Part { read, batch } = part;
        let message = match read {
            Ok(message) => message.message,
            Err(answer) => {
                self.answer(*answer, batch);
                return None;
            }
        };
        if let JsonRpcMessage::Request(request) = &message {
            let id = || request.id.clone();
            let refusal = if self.output.has_open(&request.id) {
                Some(Answer::repeated(id()))
            } else if is_stopping {
                Some(Answer::stopping(id()))
            } else if self.is_too_early(&request.request) {
                Some(Answer::too_early(id(), &missing_metadata(&request.request)))
            } else {
                None
            };
            if let Some(answer) = refusal {
                self.answer(*answer, batch);
                return None;
            }
        }
        let message = self.admit(message, batch)?;
        match self.output.has_room() || !matches!(message, JsonRpcMessage::Request(_)) {
            true => Some(message),
            false => {
                self.held.push_back(message);
                None
            }
        }
    }

    /// Whether nothing is left to be waited for: answers that the client still has to take, or, once
    /// calls are recalled, those that are still to be written. Calls are logged, once.
    fn is_done(&mut self, is_recalling: bool) -> bool {
        if is_recalling {
            // There was no room to begin them.
            let held = self.held.drain(..).filter_map(request_id);
            held.for_each(|id| Output::forget(&self.output, &id));
        }
        let (open, calls) = self.output.open_requests();
        if calls > 0 && !self.waits {
            self.waits = true;
            tracing::info!(calls, "shutdown.waiting");
        }
        if is_recalling { calls == 0 } else { open == 0 }
    }

    /// Whether a request comes before the one that opens a session. The library would refuse it in
    /// words that say nothing of `initialize`, and then end the session at a notification.
    fn is_too_early(&mut self, request: &ClientRequest) -> bool {
        let has_all = missing_metadata(request).is_empty();
        // Both may be asked before anything is settled.
        let is_probe =
            matches!(request, ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_));
        let opens = has_all && !is_probe || matches!(request, ClientRequest::InitializeRequest(_));
        self.opened = self.opened || opens;
        !self.opened && !has_all && !matches!(request, ClientRequest::PingRequest(_))
    }

    /// Answers a message that nobody is to serve.
    fn answer(&mut self, answer: Answer, batch: Option<Arc<Batch>>) {
        let output = Arc::clone(&self.output);
        let message = ServerJsonRpcMessage::error(answer.error, answer.id);
        self.answering =
            Some(tokio::spawn(async move { output.write(&message, batch.as_deref()).await }));
    }

    /// Reads the next line that has anything in it.
    async fn read(lines: &mut FramedRead<R, LineDecoder>) -> Option<Result<Input, Box<Answer>>> {
        loop {
            return Some(match lines.next().await?.ok()? {
                Line::Whole(line) => match line_message(&line) {
                    Ok(None) => continue,
                    Ok(Some(input)) => Ok(input),
                    Err(answer) => Err(answer),
                },
                Line::TooLong(id) => {
                    tracing::warn!(limit = MAX_LINE, "mcp.line_too_long");
                    Err(Answer::too_long(id))
                }
            });
        }
    }

    /// Lets a message in, unless it means nothing here: before the first request there is nothing
    /// to notify of, and a held request that is cancelled is forgotten.
    fn admit(
        &mut self,
        message: ClientJsonRpcMessage,
        batch: Option<Arc<Batch>>,
    ) -> Option<ClientJsonRpcMessage> {
        if let JsonRpcMessage::Request(request) = &message {
            self.begun = true;
            let is_call = matches!(request.request, ClientRequest::CallToolRequest(_));
            self.output.open(request.id.clone(), is_call, batch);
            if let ClientRequest::InitializeRequest(initialize) = &request.request {
                self.takes_batches = initialize.params.protocol_version.as_str() == WITH_BATCHES;
            }
        } else if !self.begun {
            return None;
        }
        let cancelled = cancelled_id(&message);
        let held = |held: &ClientJsonRpcMessage| matches!(held, JsonRpcMessage::Request(request) if Some(&request.id) == cancelled.as_ref());
        if let Some(at) = self.held.iter().position(held) {
            self.held.remove(at);
            cancelled.iter().for_each(|id| Output::forget(&self.output, id));
            return None;
        }
        if let Some(id) = &cancelled {
            Output::cancel(&self.output, id);
        }
        Some(message)
    }
}

/// What a request lacks to stand for itself, as requests do since 2026-07-28.
fn missing_metadata(request: &ClientRequest) -> Vec<&'static str> {
    request.get_meta().missing_required_keys(&ProtocolVersion::V_2026_07_28)
}

fn request_id(message: ClientJsonRpcMessage) -> Option<RequestId> {
    match message {
        JsonRpcMessage::Request(request) => Some(request.id),
        _ => None,
    }
}

pub(crate) fn cancelled_id(message: &ClientJsonRpcMessage) -> Option<RequestId> {
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
        let batch = id.as_ref().and_then(|id| output.answer(id));
        async move {
            let written = output.write(&message, batch.as_deref()).await;
            id.iter().for_each(|id| output.written(id));
            written
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        // What was asked before goes first: a client that writes without pause would otherwise have
        // thousands of requests begun, and none done.
        tokio::task::yield_now().await;
        let message = self.next().await;
        if message.is_none() {
            let is_broken = self.output.broken.is_cancelled();
            // What still runs is taken back before the library waits for it.
            self.shutdown.end(if is_broken { "end of output" } else { "end of input" });
        }
        message
    }

    async fn close(&mut self) -> io::Result<()> {
        self.output.writer.lock().await.flush().await
    }
}

impl<W: AsyncWrite + Unpin> Output<W> {
    /// Writes a message, or all the answers of its batch if it is the last.
    async fn write(&self, message: &ServerJsonRpcMessage, batch: Option<&Batch>) -> io::Result<()> {
        let text = ids::restored(serde_json::to_vec(message)?);
        match batch {
            None => self.write_line(text).await,
            Some(batch) => match batch.take(Some(text)) {
                Some(answers) => self.write_line(answers).await,
                None => Ok(()),
            },
        }
    }

    async fn write_line(&self, mut line: Vec<u8>) -> io::Result<()> {
        line.push(b'\n');
        let mut writer = self.writer.lock().await;
        let written = match writer.write_all(&line).await {
            Ok(()) => writer.flush().await,
            Err(error) => Err(error),
        };
        written.inspect_err(|_| self.broken.cancel())
    }
}

impl<W: AsyncWrite + Send + Unpin + 'static> Output<W> {
    /// A cancelled request is not answered, unless its answer is on the way already.
    fn cancel(output: &Arc<Self>, id: &RequestId) {
        if output.with(|requests| requests.get(id).is_some_and(|open| !open.is_answered)) {
            Self::forget(output, id);
        }
    }

    /// Closes a request that is not answered; the others of its batch may have waited for it alone.
    fn forget(output: &Arc<Self>, id: &RequestId) {
        let batch = output.close(id).and_then(|open| open.batch);
        if let Some(answers) = batch.and_then(|batch| batch.take(None)) {
            let output = Arc::clone(output);
            tokio::spawn(async move { output.write_line(answers).await });
        }
    }
}

impl<W> Output<W> {
    fn has_room(&self) -> bool {
        // Those held have their place in the table too, so that their ids count as used.
        self.with(|requests| requests.len() <= MAX_OUTSTANDING)
    }

    /// Whether a request has the id of one that has no answer yet. Who has read an answer may be quicker
    /// than this process is to note that it is written.
    fn has_open(&self, id: &RequestId) -> bool {
        self.with(|requests| requests.get(id).is_some_and(|open| !open.is_answered))
    }

    fn open(&self, id: RequestId, is_call: bool, batch: Option<Arc<Batch>>) {
        self.with(|requests| requests.insert(id, Open { batch, is_call, is_answered: false }));
    }

    /// How many requests are open, and how many of those are calls without an answer.
    fn open_requests(&self) -> (usize, usize) {
        self.with(|requests| {
            let calls = requests.values().filter(|open| open.is_call && !open.is_answered);
            (requests.len(), calls.count())
        })
    }

    /// Notes that a request's answer is on its way; gives its batch.
    fn answer(&self, id: &RequestId) -> Option<Arc<Batch>> {
        let batch = self.with(|requests| {
            let open = requests.get_mut(id)?;
            open.is_answered = true;
            open.batch.clone()
        });
        self.answered.notify_one();
        batch
    }

    /// Its answer is written; a new request of the same id stays open.
    fn written(&self, id: &RequestId) {
        if self.with(|requests| requests.get(id).is_some_and(|open| open.is_answered)) {
            drop(self.close(id));
        }
    }

    fn close(&self, id: &RequestId) -> Option<Open> {
        let closed = self.with(|requests| requests.remove(id));
        if closed.is_some() {
            self.answered.notify_one();
        }
        closed
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<RequestId, Open>) -> T) -> T {
        // Nothing panics while it is held.
        act(&mut self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
