//! Checks and runs, the two ways to put a call. A run lives as long as its request: whoever hangs up
//! ends it.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use serde_json::json;

use super::{
    call::Call,
    stream::{self, WantsEvents},
    tools::Named,
};
use crate::{
    calls::result::ToolResult,
    serve::{
        access::Caller,
        http::{
            Problem, Server, body::Properties, request_id::RequestId, sse::ServerSentEvent,
            traced::Traced,
        },
    },
};

/// The verdict, or the denial that the run would have met.
#[utoipa::path(
    post,
    path = "/tools/{name}/check",
    params(("name" = String, Path, description = "A tool's name or alias.")),
    request_body = Properties,
    responses((status = 200, body = ToolResult)),
)]
pub(super) async fn check(
    State(server): State<Arc<Server>>,
    caller: Caller,
    id: RequestId,
    trace: Traced,
    name: Named,
    Properties(mut properties): Properties,
) -> Result<Response, Problem> {
    properties.insert("dry_run".into(), json!(true));
    Call::of(server, &caller, id, trace, name, properties)?.answered().await
}

/// The result of a run, whatever came of it. With `Accept: text/event-stream`, what becomes of the run
/// as it goes, and the result at its end.
#[utoipa::path(
    post,
    path = "/tools/{name}/execute",
    params(("name" = String, Path, description = "A tool's name or alias.")),
    request_body = Properties,
    responses(
        (status = 200, content((ToolResult = "application/json"), (ServerSentEvent = "text/event-stream"))),
    ),
)]
pub(super) async fn execute(
    State(server): State<Arc<Server>>,
    caller: Caller,
    id: RequestId,
    trace: Traced,
    name: Named,
    WantsEvents(wants_events): WantsEvents,
    Properties(properties): Properties,
) -> Result<Response, Problem> {
    let call = Call::of(server, &caller, id, trace, name, properties)?;
    match wants_events {
        true => stream::watched(call).await,
        false => call.answered().await,
    }
}
