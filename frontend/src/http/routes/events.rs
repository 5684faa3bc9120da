//! What goes on in this process, for those who watch it.

use std::sync::Arc;

use axum::{Extension, extract::State, http::HeaderMap, response::Response};

use crate::{
    http::{
        Kind, Problem, ProblemDetails, Server,
        accept::Accept,
        auth::Caller,
        connection::HangUp,
        sse::{self, ServerSentEvent},
    },
    logging::Seldom,
};

#[utoipa::path(
    get,
    path = "/events",
    responses(
        (
            status = 200,
            description = "Messages `{type, data}`, for as long as they are read.",
            body = ServerSentEvent,
            content_type = "text/event-stream",
        ),
        (
            status = 406,
            description = "Events are refused.",
            body = ProblemDetails,
            content_type = "application/problem+json",
        ),
    ),
)]
pub(super) async fn events(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Extension(hang_up): Extension<HangUp>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if Accept::of(&headers).refuses(sse::MEDIA_TYPE) {
        let suggestion = "Send the header `Accept: text/event-stream`.";
        let message = "what this path gives is a stream of events";
        return Err(Problem::new(Kind::NotAcceptable, message, suggestion));
    }
    static LINES: Seldom = Seldom::new();
    let (client, address) = (caller.name(), caller.address.to_string());
    let messages = server.hub.join(&server, caller, hang_up)?;
    LINES.line(&client, |left_out| tracing::info!(client, address, left_out, "events.read"));
    Ok(sse::response(messages))
}
