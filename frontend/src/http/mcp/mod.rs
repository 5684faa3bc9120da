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

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{
        HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header, request::Parts,
    },
    response::IntoResponse as _,
};
use http_body_util::Full;
use rmcp::{
    model::{ClientJsonRpcMessage, ClientRequest, JsonRpcError, JsonRpcMessage, RequestId},
    transport::{
        StreamableHttpServerConfig, StreamableHttpService,
        streamable_http_server::session::never::NeverSessionManager,
    },
};
use tokio::time::timeout;

pub(super) use self::stream::{Withdrawable, news};
use self::{
    open::{OpenRequest, OpenRequests},
    stream::Late,
};
use super::{Kind, Problem, body::MAX_BODY_BYTES};
use crate::{
    clean::clean_str,
    gate::ClientKey,
    mcp::{Client, Server, Shared, cancelled_id},
};

pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Both forms that an answer may have.
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

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
            .with_max_request_body_bytes(usize::try_from(MAX_BODY_BYTES).unwrap_or(usize::MAX));
        Self { shared, config, open: Arc::default() }
    }

    /// Answers a message that was read from `text`.
    pub(super) async fn answer(
        &self,
        client: Client,
        message: &ClientJsonRpcMessage,
        parts: Parts,
        text: Bytes,
    ) -> Response<Body> {
        let (key, session) = (client.key(), session_id(&parts.headers));
        if let (Some(session), Some(id)) = (&session, cancelled_id(message)) {
            self.open.withdraw(key, session, &id);
        }
        let open = self.open(key, session, message);
        let server = Server::for_client(&self.shared, client);
        let sessions = Arc::new(NeverSessionManager::default());
        let service =
            StreamableHttpService::new(move || Ok(server.clone()), sessions, self.config.clone());
        let mut request = Request::from_parts(parts, Full::new(text));
        if takes_anything(request.headers()) {
            request.headers_mut().insert(header::ACCEPT, BOTH);
        }
        let mut answering =
            Box::pin(
                async move { presentable(service.handle(request).await.map(Body::new)).await },
            );
        let head = tokio::select! {
            biased;
            () = open.withdrawn() => return stream::event_stream(Body::empty()),
            head = timeout(HEAD_PATIENCE, &mut answering) => head,
        };
        let mut response =
            head.unwrap_or_else(|_| stream::event_stream(Body::new(Late::new(answering))));
        if begins_session(message) && response.status() == StatusCode::OK {
            let id = uuid::Uuid::new_v4().to_string();
            response.headers_mut().extend(HeaderValue::from_str(&id).map(|id| (SESSION_ID, id)));
        }
        // It is open until its body is dropped.
        response
            .map(|body| Body::new(Withdrawable::new(body, async move { open.withdrawn().await })))
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

/// The library wants both named, as the protocol does. Who takes anything takes them.
fn takes_anything(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT);
    accepted.is_none_or(|accepted| accepted.as_bytes().starts_with(b"*/*"))
}

/// The id that a client of the older era was given and sends along.
pub(super) fn session_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(SESSION_ID)?.to_str().ok()?;
    let is_one =
        (1..=MAX_SESSION_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    is_one.then(|| id.to_owned())
}

/// The answer to a body that is no message.
pub(super) fn no_message(id: Option<RequestId>, error: rmcp::ErrorData) -> Response<Body> {
    let body = serde_json::to_vec(&JsonRpcError::new(id, error)).unwrap_or_default();
    let json = HeaderValue::from_static("application/json");
    (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, json)], body).into_response()
}

fn begins_session(message: &ClientJsonRpcMessage) -> bool {
    matches!(message, JsonRpcMessage::Request(request)
        if matches!(request.request, ClientRequest::InitializeRequest(_)))
}

/// What the library refuses with a line of text becomes a problem as every other.
async fn presentable(response: Response<Body>) -> Response<Body> {
    const MAX_TEXT: usize = 1024;
    let status = response.status();
    let is_json = |kind: &HeaderValue| kind.as_bytes().starts_with(b"application/json");
    let is_message = response.headers().get(header::CONTENT_TYPE).is_some_and(is_json);
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
