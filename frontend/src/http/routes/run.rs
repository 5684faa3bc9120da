//! Checks and runs. A run lives as long as its request: whoever hangs up ends it.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::HeaderValue,
    response::{IntoResponse as _, Response},
};
use probity_protocol::CorrelationId;
use serde_json::{Map, Value, json};

use super::tools::Named;
use crate::{
    broker_client::RunEvent,
    http::{
        Kind, Problem, Server,
        auth::Caller,
        body::Properties,
        entry::{CORRELATION_ID, RequestId, stopping},
    },
    result::ToolResult,
    service::Asking,
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
    name: Named,
    Properties(mut properties): Properties,
) -> Result<Response, Problem> {
    properties.insert("dry_run".into(), json!(true));
    called(&server, &caller, id, &name, properties).await
}

/// The result of a run, whatever came of it.
#[utoipa::path(
    post,
    path = "/tools/{name}/execute",
    params(("name" = String, Path, description = "A tool's name or alias.")),
    request_body = Properties,
    responses((status = 200, body = ToolResult)),
)]
pub(super) async fn execute(
    State(server): State<Arc<Server>>,
    caller: Caller,
    id: RequestId,
    name: Named,
    Properties(properties): Properties,
) -> Result<Response, Problem> {
    called(&server, &caller, id, &name, properties).await
}

/// Puts a call to the service, as narrowly as the caller's token has it. Dropping the future, as
/// the end of its connection does, ends the run.
async fn called(
    server: &Server,
    caller: &Caller,
    RequestId(id): RequestId,
    Named(name): &Named,
    mut properties: Map<String, Value>,
) -> Result<Response, Problem> {
    covered(server, caller, name)?;
    // The body's own id is the nearer one.
    let own = properties.get("correlation_id").filter(|own| !own.is_null());
    let correlation_id = match own {
        Some(own) => own.as_str().and_then(|own| CorrelationId::new(own).ok()),
        None => CorrelationId::new(id).ok(),
    };
    // One that is none is refused by the service.
    let correlation_id = correlation_id.map(|id| id.to_string());
    if let (None, Some(id)) = (own, &correlation_id) {
        properties.insert("correlation_id".into(), json!(id));
    }
    let (client, address) = (caller.name(), caller.address.to_string());
    let tool: String = name.chars().take(64).collect();
    tracing::info!(client, address, tool, correlation_id, "http.call");
    let label = caller.label();
    let asking = Asking {
        tool: name,
        arguments: &properties,
        client: label.as_ref(),
        session: server.key_of(caller),
        tier: caller.highest_tier(),
    };
    let _open = server.calls.token();
    // Its body may have taken its time.
    if server.shutdown.is_stopping() {
        return Err(stopping());
    }
    let mut on_event = |_: RunEvent<'_>| {};
    let result = tokio::select! {
        biased;
        () = server.shutdown.over() => return Err(stopping()),
        result = server.service.call(asking, &mut on_event) => result,
    };
    let is_listed = server.service.listing().entry(name).is_some();
    Ok(answer(&result, is_listed))
}

/// What is beyond a token is not asked for: the broker knows this process, and nobody behind it.
fn covered(server: &Server, caller: &Caller, name: &str) -> Result<(), Problem> {
    match server.service.listing().entry(name) {
        Some(entry) if !caller.covers(entry) => {
            let client = caller.name();
            tracing::warn!(client, needed = entry.name.as_str(), "http.forbidden");
            let message = format!("this token is not for {}", entry.name);
            let suggestion = "GET /tools lists those that it is for.";
            let mut problem = Problem::new(Kind::Forbidden, message, suggestion);
            problem.tool_name = Some(entry.name.to_string());
            Err(problem)
        }
        // What there is not, the broker refuses and records.
        _ => Ok(()),
    }
}

fn answer(result: &ToolResult, is_listed: bool) -> Response {
    let mut response = match Problem::of_result(result) {
        Some(problem) if is_listed => problem.into_response(),
        Some(problem) => problem.of_no_tool().into_response(),
        None => Json(result).into_response(),
    };
    // The call's own id, which may be the body's.
    if let Ok(id) = HeaderValue::from_str(&result.correlation_id) {
        response.headers_mut().insert(CORRELATION_ID, id);
    }
    response
}
