//! MCP's one path: requests, news for clients of the older era, and the end of their sessions.
//!
//! A viewer may list and read; a call takes an operator, and is refused as a result, which clients
//! show, where a bare status would be an error of the transport to them.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::serve::{
    access::Caller,
    http::{
        Kind, Problem, ProblemDetails, Server,
        accept::Accept,
        body, entry,
        mcp::{self, Forms, PROTOCOL_VERSION, WITHOUT_SESSIONS, Withdrawable},
        request_id::RequestId,
        sse::{self, ServerSentEvent},
        traced::Traced,
    },
    mcp::{
        ASSUMED_VERSION, Answer, Asker, Client, Input, ListenPlaces, News, WITH_BATCHES, read_input,
    },
};

/// What a message is read from.
const BODY: &str = "the body";

/// A message of JSON-RPC 2.0; what MCP has in it stands in its own specification.
#[derive(ToSchema)]
#[allow(dead_code)] // It is described, and read by rmcp.
pub struct JsonRpcMessage {
    /// `2.0`
    #[schema(pattern = "^2\\.0$")]
    jsonrpc: String,
    /// What is asked, where something is.
    #[schema(nullable = false)]
    method: Option<String>,
    /// Under which an answer is awaited, where one is.
    #[schema(nullable = false)]
    id: Option<u32>,
    /// What the method takes.
    params: Option<Map<String, Value>>,
}

/// One message of JSON-RPC, and its answer. What is wrong with the message is told in its own terms,
/// as JSON-RPC; what is wrong with the request as every other problem.
#[utoipa::path(
    post,
    path = "/mcp",
    operation_id = "mcp",
    request_body = JsonRpcMessage,
    responses(
        (
            status = 200,
            description = "The answer; with what comes before it, as events.",
            content((Object = "application/json"), (ServerSentEvent = "text/event-stream")),
        ),
        (status = 202, description = "A notification, taken note of."),
        (
            status = 400,
            description = "No message, or none of a version that is served.",
            content((Object = "application/json"), (ProblemDetails = "application/problem+json")),
        ),
        (
            status = 404,
            description = "There is no such method.",
            content((Object = "application/json"), (ProblemDetails = "application/problem+json")),
        ),
        (
            status = 406,
            description = "The answer is JSON or events, and neither is accepted.",
            body = ProblemDetails,
            content_type = "application/problem+json",
        ),
    ),
)]
pub(super) async fn post(
    State(server): State<Arc<Server>>,
    caller: Caller,
    id: RequestId,
    request: Request,
) -> Result<Response, Problem> {
    let forms = Forms::of(request.headers())?;
    let (parts, text) = body::json_text(request).await?;
    let version = parts.headers.get(PROTOCOL_VERSION).and_then(|version| version.to_str().ok());
    let input = match read_input(&text, BODY, version.unwrap_or(ASSUMED_VERSION)) {
        // Of a client that names no version this one is assumed.
        Ok(Input::Batch(_)) if version.is_some_and(|version| version != WITH_BATCHES) => {
            return Ok(mcp::no_message(*Answer::unwanted_batch()));
        }
        Ok(input) => input,
        Err(answer) => return Ok(mcp::no_message(*answer)),
    };
    let mut withdrawn = Box::pin(caller.withdrawn(&server.tokens));
    let client = client_of(&server, caller, id, Traced::of(&parts.headers));
    let answering = async {
        match input {
            Input::One(message) => server.mcp.answer(client, *message, parts, forms).await,
            Input::Batch(batch) => server.mcp.answer_batch(client, batch, parts, forms).await,
        }
    };
    tokio::select! {
        biased;
        () = &mut withdrawn => Err(entry::withdrawn()),
        response = answering => {
            Ok(response.map(|body| Body::new(Withdrawable::new(body, withdrawn))))
        }
    }
}

/// News, where the protocol's version has them come so: the newer one has `subscriptions/listen`.
#[utoipa::path(
    get,
    path = "/mcp",
    operation_id = "mcp_news",
    responses(
        (
            status = 200,
            description = "Events, until the server stops.",
            body = ServerSentEvent,
            content_type = "text/event-stream",
        ),
        (
            status = 405,
            description = "The protocol's newer version has no such stream.",
            body = ProblemDetails,
            content_type = "application/problem+json",
        ),
        (
            status = 406,
            description = "Events have to be accepted.",
            body = ProblemDetails,
            content_type = "application/problem+json",
        ),
    ),
)]
pub(super) async fn get(
    State(server): State<Arc<Server>>,
    caller: Caller,
    id: RequestId,
    headers: HeaderMap,
) -> Result<Response, Response> {
    if is_without_sessions(&headers) {
        return Err(only_posted());
    }
    if !Accept::of(&headers).takes(sse::MEDIA_TYPE) {
        let message = "what this path gives is a stream of events";
        let suggestion = "Send the header `Accept: text/event-stream`.";
        return Err(Problem::new(Kind::NotAcceptable, message, suggestion).into_response());
    }
    let withdrawn = caller.withdrawn(&server.tokens);
    let client = client_of(&server, caller, id, Traced::default());
    let (shared, most) = (&server.mcp.shared, client.most_listens());
    let Some(place) = ListenPlaces::take(shared.places(), client.key(), most) else {
        let message = format!("at most {most} streams of news are open at once");
        let suggestion = "Close one of them.";
        return Err(Problem::new(Kind::RateLimited, message, suggestion).into_response());
    };
    let news = mcp::news(News::of(shared, &client), place);
    Ok(news.map(|body| Body::new(Withdrawable::new(body, withdrawn))))
}

/// The end of a session, and of what it still waits for.
#[utoipa::path(
    delete,
    path = "/mcp",
    operation_id = "mcp_end",
    params((
        "Mcp-Session-Id" = String,
        Header,
        description = "The session, as `initialize` was answered with it.",
        pattern = "^[!-~]{1,64}$",
    )),
    responses(
        (status = 204, description = "It is over."),
        (
            status = 405,
            description = "The protocol's newer version has no sessions.",
            body = ProblemDetails,
            content_type = "application/problem+json",
        ),
    ),
)]
pub(super) async fn delete(
    State(server): State<Arc<Server>>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<StatusCode, Response> {
    if is_without_sessions(&headers) {
        return Err(only_posted());
    }
    let session = mcp::session_id(&headers).ok_or_else(|| {
        let suggestion = "Send the header `Mcp-Session-Id`.";
        Problem::new(Kind::BadRequest, "no session is named", suggestion).into_response()
    })?;
    server.mcp.end_session(server.key_of(&caller), &session);
    Ok(StatusCode::NO_CONTENT)
}

fn client_of(
    server: &Server,
    caller: Caller,
    RequestId(correlation_id): RequestId,
    Traced(trace): Traced,
) -> Client {
    let (key, rate_key) = (server.key_of(&caller), server.rate_key_of(&caller));
    let tokens = Arc::clone(&server.tokens);
    Client::Caller(Box::new(Asker { caller, key, rate_key, correlation_id, trace, tokens }))
}

/// Dates compare as text does.
fn is_without_sessions(headers: &HeaderMap) -> bool {
    headers.get(PROTOCOL_VERSION).is_some_and(|version| *version >= *WITHOUT_SESSIONS)
}

/// In the newer era this path has nothing but requests.
fn only_posted() -> Response {
    let message = "since version 2026-07-28 of the protocol this path is only posted to";
    let suggestion = "Send `subscriptions/listen` to hear of changes.";
    let problem = Problem::new(Kind::MethodNotAllowed, message, suggestion);
    let allow = HeaderValue::from_static("POST");
    ([(header::ALLOW, allow)], problem).into_response()
}
