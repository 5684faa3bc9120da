//! MCP over HTTP ("Streamable HTTP"), for clients of both eras of the protocol.
//!
//! Each request stands for itself: it brings its own token, nothing of it is left when it is
//! answered, and any replica can serve it. The library reads and answers; what is added here is what
//! it leaves out where there are no sessions: a client of the older era can take a request back
//! ([`open`]) and hear that tools have changed, and nobody waits long for the head of an answer
//! ([`stream`]).
//!
//! A session's id is a name under which one client's requests are told from another's with the same
//! token. It opens nothing, and is not kept.

mod open;
mod stream;

use std::{pin::Pin, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{
        HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header, request::Parts,
    },
    response::IntoResponse as _,
};
use futures_util::{StreamExt as _, future::join_all};
use http_body_util::Full;
use probity_output::clean::clean_str;
use rmcp::{
    model::{
        ClientJsonRpcMessage, ClientRequest, ErrorCode, JsonRpcError, JsonRpcMessage, RequestId,
        RequestMetaObject,
    },
    transport::{
        StreamableHttpServerConfig, StreamableHttpService,
        streamable_http_server::session::never::NeverSessionManager,
    },
};
use serde_json::Value;
use tokio::time::timeout;

pub(super) use self::stream::{Withdrawable, news};
use self::{
    open::{OpenRequest, OpenRequests},
    stream::Late,
};
use super::{Kind, Problem, accept::Accept, sse};
use crate::{
    calls::control::gate::ClientKey,
    serve::mcp::{Answer, Client, Message, Server, Shared, array, cancelled_id, restored_bytes},
};

pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Both forms that an answer may have.
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

const JSON: &str = "application/json";
const EVENTS: &str = sse::MEDIA_TYPE;

/// The first version without sessions.
pub(super) const WITHOUT_SESSIONS: &str = "2026-07-28";

/// How long a request may go unanswered before its answer begins all the same. Clients and proxies
/// give up on one that does not.
const HEAD_PATIENCE: Duration = Duration::from_secs(5);

/// Time between signs of life on a stream that says nothing else.
const PULSE: Duration = Duration::from_secs(15);

/// Longest session id: those that are made here are shorter.
const MAX_SESSION_ID: usize = 64;

/// What answers.
pub(super) struct Mcp {
    pub(super) shared: Arc<Shared>,
    config: StreamableHttpServerConfig,
    open: Arc<OpenRequests>,
}

impl Mcp {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        // Hosts and origins have been looked at where the request came in, by one list of each.
        let config = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_sse_keep_alive(Some(PULSE))
            .with_sse_retry(None)
            // They are capped where they come in, and written anew for the library.
            .with_max_request_body_bytes(usize::MAX);
        Self { shared, config, open: Arc::default() }
    }

    /// Answers a message that came with these headers, in one of these forms.
    pub(super) async fn answer(
        &self,
        client: Client,
        read: Message,
        parts: Parts,
        forms: Forms,
    ) -> Response<Body> {
        let Message { message, mut value, is_disguised } = read;
        if let Some(refusal) = refusal(&message, &parts.headers, forms) {
            return restored(refusal, is_disguised);
        }
        let (key, session) = (client.key(), session_id(&parts.headers));
        if let (Some(session), Some(id)) = (&session, cancelled_id(&message)) {
            self.open.withdraw(key, session, &id);
        }
        let open = self.open(key, session, &message);
        let server = Server::for_client(&self.shared, client);
        let sessions = Arc::new(NeverSessionManager::default());
        let service =
            StreamableHttpService::new(move || Ok(server.clone()), sessions, self.config.clone());
        if !forms.events
            && let Some(meta) = value.pointer_mut("/params/_meta").and_then(Value::as_object_mut)
        {
            // Its progress would make the answer a stream.
            meta.remove("progressToken");
        }
        let text = serde_json::to_vec(&value).unwrap_or_default();
        let mut request = Request::from_parts(parts, Full::new(Bytes::from(text)));
        // What was read is written anew, and what is taken was looked at before.
        request.headers_mut().remove(header::CONTENT_LENGTH);
        request.headers_mut().insert(header::ACCEPT, BOTH);
        let answering = Box::pin(async move {
            let response = presentable(service.handle(request).await.map(Body::new)).await;
            restored(response, is_disguised)
        });
        let mut response = tokio::select! {
            biased;
            () = open.withdrawn() => return stream::event_stream(Body::empty()),
            response = in_time(answering, forms) => response,
        };
        if begins_session(&message) && response.status() == StatusCode::OK {
            let id = uuid::Uuid::new_v4().to_string();
            response.headers_mut().extend(HeaderValue::from_str(&id).map(|id| (SESSION_ID, id)));
        }
        // It is open until its body is dropped.
        response
            .map(|body| Body::new(Withdrawable::new(body, async move { open.withdrawn().await })))
    }

    /// Answers the messages of a batch, with one array.
    pub(super) async fn answer_batch(
        self: &Arc<Self>,
        client: Client,
        batch: Vec<Result<Message, Box<Answer>>>,
        parts: Parts,
        forms: Forms,
    ) -> Response<Body> {
        let own = Arc::clone(self);
        let answering = async move {
            let answers =
                batch.into_iter().map(|read| own.part(client.clone(), read, parts.clone()));
            let answers: Vec<_> = join_all(answers).await.into_iter().flatten().collect();
            match answers.is_empty() {
                true => StatusCode::ACCEPTED.into_response(),
                false => json_response(StatusCode::OK, array(&answers)),
            }
        };
        in_time(Box::pin(answering), forms).await
    }

    /// The answer to a part of a batch, where there is one.
    async fn part(
        &self,
        client: Client,
        read: Result<Message, Box<Answer>>,
        parts: Parts,
    ) -> Option<Vec<u8>> {
        let read = match read {
            Ok(read) => read,
            Err(answer) => return Some(error_text(answer.id, answer.error)),
        };
        let id = match &read.message {
            JsonRpcMessage::Request(request) => Some(request.id.clone()),
            _ => None,
        };
        if begins_session(&read.message) {
            let answer = Answer::initialize_in_batch(id?);
            return Some(error_text(answer.id, answer.error));
        }
        let response = self.answer(client, read, parts, Forms::JSON).await;
        let id = id?;
        if is_of(&response, JSON) {
            return to_bytes(response.into_body(), usize::MAX).await.ok().map(Into::into);
        }
        // One that was taken back has none; what was refused before it was one is a problem.
        let problem = response.extensions().get::<Problem>()?;
        let error = rmcp::ErrorData::invalid_request(problem.detail.clone(), None);
        Some(error_text(Some(id), error))
    }

    /// Ends the open requests of a session.
    pub(super) fn end_session(&self, client: ClientKey, session: &str) {
        self.open.end(client, session);
    }

    fn open(
        &self,
        client: ClientKey,
        session: Option<String>,
        message: &ClientJsonRpcMessage,
    ) -> OpenRequest {
        match (session, message) {
            (Some(session), JsonRpcMessage::Request(request)) => {
                OpenRequests::enter(&self.open, client, session, request.id.clone())
            }
            _ => OpenRequest::unnamed(),
        }
    }
}

/// The forms of an answer that a client takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forms {
    json: bool,
    events: bool,
}

impl Forms {
    const JSON: Self = Self { json: true, events: false };

    /// Those of a request's headers.
    ///
    /// # Errors
    /// It takes neither of the two that there are.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let accept = Accept::of(headers);
        let forms = Self { json: accept.takes(JSON), events: accept.takes(EVENTS) };
        match forms {
            Self { json: false, events: false } => Err(not_acceptable("JSON or events")),
            forms => Ok(forms),
        }
    }
}

fn not_acceptable(what: &str) -> Problem {
    let message = format!("what this path answers with is {what}");
    let suggestion = "Send the header `Accept: application/json, text/event-stream`.";
    Problem::new(Kind::NotAcceptable, message, suggestion)
}

/// Why a message is not given to the library.
fn refusal(
    message: &ClientJsonRpcMessage,
    headers: &HeaderMap,
    forms: Forms,
) -> Option<Response<Body>> {
    let JsonRpcMessage::Request(request) = message else { return None };
    match &request.request {
        ClientRequest::SubscriptionsListenRequest(_) if !forms.events => {
            Some(not_acceptable("events").into_response())
        }
        ClientRequest::InitializeRequest(initialize) => {
            // In that version it is a method as unknown as any other.
            let header = headers.get(PROTOCOL_VERSION).is_some_and(|it| *it == *WITHOUT_SESSIONS);
            let meta = initialize.params.meta.as_ref();
            let version = meta.and_then(RequestMetaObject::protocol_version);
            let is_unknown =
                header || version.is_some_and(|version| version.as_str() >= WITHOUT_SESSIONS);
            let message = format!("there is no method initialize in {WITHOUT_SESSIONS}");
            let error = rmcp::ErrorData::new(ErrorCode::METHOD_NOT_FOUND, message, None);
            let text = || error_text(Some(request.id.clone()), error);
            is_unknown.then(|| json_response(StatusCode::NOT_FOUND, text()))
        }
        _ => None,
    }
}

/// An answer in a form that is taken, and that begins before its client gives up, if it can.
async fn in_time(
    mut answering: Pin<Box<dyn Future<Output = Response<Body>> + Send>>,
    forms: Forms,
) -> Response<Body> {
    if !forms.events {
        return answering.await;
    }
    match timeout(HEAD_PATIENCE, &mut answering).await {
        Err(_) => stream::event_stream(Body::new(Late::new(answering))),
        Ok(response) if !forms.json && is_of(&response, JSON) && response.status().is_success() => {
            stream::event_stream(stream::as_events(response))
        }
        Ok(response) => response,
    }
}

/// An answer with its numbers as they came.
fn restored(response: Response<Body>, is_disguised: bool) -> Response<Body> {
    if !is_disguised {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    // The library writes each message in one piece.
    let pieces = body.into_data_stream().map(|piece| piece.map(restored_bytes));
    Response::from_parts(parts, Body::from_stream(pieces))
}

fn is_of(response: &Response<Body>, media_type: &str) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(media_type.as_bytes()))
}

/// The id that a client of the older era was given and sends along.
pub(super) fn session_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(SESSION_ID)?.to_str().ok()?;
    let is_one =
        (1..=MAX_SESSION_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    is_one.then(|| id.to_owned())
}

/// The answer to a body that is no message.
pub(super) fn no_message(answer: Answer) -> Response<Body> {
    json_response(StatusCode::BAD_REQUEST, error_text(answer.id, answer.error))
}

fn error_text(id: Option<RequestId>, error: rmcp::ErrorData) -> Vec<u8> {
    let text = serde_json::to_vec(&JsonRpcError::new(id, error)).unwrap_or_default();
    restored_bytes(text.into()).into()
}

fn json_response(status: StatusCode, body: Vec<u8>) -> Response<Body> {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static(JSON))], body).into_response()
}

fn begins_session(message: &ClientJsonRpcMessage) -> bool {
    matches!(message, JsonRpcMessage::Request(request)
        if matches!(request.request, ClientRequest::InitializeRequest(_)))
}

/// What the library refuses with a line of text becomes a problem as every other.
async fn presentable(response: Response<Body>) -> Response<Body> {
    const MAX_TEXT: usize = 1024;
    let status = response.status();
    let is_message = is_of(&response, JSON);
    if !status.is_client_error() && !status.is_server_error() || is_message {
        return response;
    }
    let text = to_bytes(response.into_body(), MAX_TEXT).await.unwrap_or_default();
    let text = clean_str(&String::from_utf8_lossy(&text)).into_owned();
    let (kind, suggestion) = match status {
        StatusCode::NOT_ACCEPTABLE => {
            (Kind::NotAcceptable, "Send the header `Accept: application/json, text/event-stream`.")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            (Kind::UnsupportedMediaType, "Send the header `Content-Type: application/json`.")
        }
        status if status.is_client_error() => {
            (Kind::BadRequest, "Send what the protocol's version asks for.")
        }
        // What went wrong in here is nobody else's business.
        _ => {
            let message = "the request could not be answered";
            return Problem::new(Kind::Internal, message, "Try again.").into_response();
        }
    };
    Problem::new(kind, text, suggestion).into_response()
}
