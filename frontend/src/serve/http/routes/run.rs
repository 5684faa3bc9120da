//! Checks and runs, the two ways to put a call. A run lives as long as its request, so that whoever hangs
//! up ends it, unless it was asked to go on by itself.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Query, State},
    http::request::Parts,
    response::Response,
};
use serde::Deserialize;
use serde_json::json;

use super::{
    call::Call,
    stream::{self, WantsEvents},
    tools::Named,
};
use crate::{
    calls::{request::wants_background, result::ToolResult},
    serve::{
        access::Caller,
        http::{
            Kind, Problem, Server, body::Properties, request_id::RequestId, sse::ServerSentEvent,
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
    params(
        ("name" = String, Path, description = "A tool's name or alias."),
        ("wait" = Option<bool>, Query, description = "false: the run goes on by itself, and its place is answered."),
    ),
    request_body = Properties,
    responses(
        (status = 200, content((ToolResult = "application/json"), (ServerSentEvent = "text/event-stream"))),
        (status = 202, body = ToolResult, description = "The run goes on; `Location` is its place."),
    ),
)]
pub(super) async fn execute(
    State(server): State<Arc<Server>>,
    caller: Caller,
    id: RequestId,
    trace: Traced,
    name: Named,
    manner: Manner,
    Properties(properties): Properties,
) -> Result<Response, Problem> {
    let manner = if wants_background(&properties) { Manner::InBackground } else { manner };
    let call = Call::of(server, &caller, id, trace, name, properties)?;
    match manner {
        Manner::InBackground => call.begun().await,
        Manner::Watched => stream::watched(call).await,
        Manner::Waited => call.answered().await,
    }
}

/// What whoever asks does until there is a result.
pub(super) enum Manner {
    /// It waits.
    Waited,
    /// It reads what becomes of the run.
    Watched,
    /// It goes: `?wait=false`.
    InBackground,
}

impl<S: Sync> FromRequestParts<S> for Manner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct Wanted {
            wait: Option<String>,
        }
        let wanted = Query::<Wanted>::try_from_uri(&parts.uri).ok();
        match wanted.and_then(|Query(wanted)| wanted.wait).as_deref() {
            None | Some("true") => {
                let WantsEvents(wants) = WantsEvents::from_request_parts(parts, state).await?;
                Ok(if wants { Self::Watched } else { Self::Waited })
            }
            Some("false") => Ok(Self::InBackground),
            Some(_) => {
                let suggestion = "Ask with ?wait=false, or without it.";
                Err(Problem::new(Kind::BadRequest, "wait: it is true or false", suggestion))
            }
        }
    }
}
