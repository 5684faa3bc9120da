//! What goes on in this process, for those who watch it.

use std::sync::Arc;

use axum::{Extension, Json, extract::State, http::HeaderMap, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    process::logging::Seldom,
    serve::{
        access::Caller,
        http::{
            Kind, Problem, ProblemDetails, Server,
            accept::Accept,
            connection::HangUp,
            sse::{self, ServerSentEvent},
            tickets::GOOD_FOR,
        },
    },
};

#[utoipa::path(
    get,
    path = "/events",
    params((
        "ticket" = Option<String>,
        Query,
        description = "One of `POST /events/ticket`, in place of the header Authorization.",
        pattern = "^[0-9a-f]{64}$",
    )),
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

/// A ticket to read the events with.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventsTicket {
    /// For the parameter `ticket` of `GET /events`, once.
    ticket: String,
    /// How long it waits to be used, in seconds.
    expires_in_sec: u64,
}

/// Browsers read events without headers, so without a token. A ticket is good for what its token is.
#[utoipa::path(
    post,
    path = "/events/ticket",
    responses((status = 200, body = EventsTicket)),
)]
pub(super) async fn ticket(
    State(server): State<Arc<Server>>,
    caller: Caller,
) -> Result<Json<EventsTicket>, Problem> {
    let ticket = caller.token().and_then(|token| server.tickets.issue(token));
    let ticket = ticket.ok_or_else(|| {
        let message = "too many tickets wait to be used";
        Problem::new(Kind::RateLimited, message, "Use one of them.").after(GOOD_FOR)
    })?;
    Ok(Json(EventsTicket { ticket, expires_in_sec: GOOD_FOR.as_secs() }))
}
