//! Server-sent events: each message is one `{type, data}` in JSON, on one line.
//!
//! There is no `event:` line, so that a browser's `onmessage` gets all of them. Where something is kept for
//! readers who come back there is an `id:` line.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use futures_util::Stream;
use serde::Serialize;
use utoipa::ToSchema;

/// The media type.
pub const MEDIA_TYPE: &str = "text/event-stream";

/// A stream that has said nothing for so long says that it lives.
pub const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(15);

/// A comment, which readers pass over: it shows proxies and whoever waits that the stream lives.
pub const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// nginx would hold events back until its buffer is full.
const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Each event of a stream, as readers of server-sent events have it.
#[derive(ToSchema)]
#[allow(dead_code)] // It is described, and written by hand.
pub struct ServerSentEvent {
    /// JSON: a message `{type, data}`, or over MCP one of its own.
    #[schema(content_media_type = "application/json")]
    data: String,
}

#[derive(Serialize)]
struct Message<'a, T> {
    #[serde(rename = "type")]
    kind: &'a str,
    data: T,
}

/// One message.
pub fn message(kind: &str, data: impl Serialize) -> Bytes {
    let mut text = b"data: ".to_vec();
    // What is sent has no keys but texts, and JSON has no line ends of its own.
    let _ = serde_json::to_writer(&mut text, &Message { kind, data });
    text.extend_from_slice(b"\n\n");
    text.into()
}

/// One message that a reader can go on after.
pub fn numbered(id: &str, kind: &str, data: impl Serialize) -> Bytes {
    let mut text = format!("id: {id}\n").into_bytes();
    text.extend_from_slice(&message(kind, data));
    text.into()
}

/// An answer that goes on for as long as `messages` does.
pub fn response(messages: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    use futures_util::StreamExt as _;
    let body = Body::from_stream(messages.map(Ok::<_, std::convert::Infallible>));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(NO_BUFFERING, HeaderValue::from_static("no"));
    response
}
