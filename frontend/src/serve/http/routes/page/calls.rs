//! A tool's form: shown, put to the policy, and run.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, HeaderName, StatusCode, Uri},
    response::{IntoResponse as _, Redirect, Response},
};
use serde_json::{Map, Value, json};

use super::{fields, session::bad_form, who};
use crate::{
    calls::{result::ToolResult, runs::RunFilter},
    serve::{
        access::Caller,
        http::{
            Kind, Problem, Server,
            html::Document,
            request_id::RequestId,
            routes::{call::Call, runs::problem, tools::Named},
            traced::Traced,
        },
        page::{self, ToolPage},
    },
};

/// By which the page's script says that it wants the verdict alone.
const PART: HeaderName = HeaderName::from_static("x-part");

/// Runs of the tool that are shown below its form.
const LATEST: usize = 5;

/// The form, with what the address has for its fields.
pub(in crate::serve::http) async fn form(
    State(server): State<Arc<Server>>,
    caller: Caller,
    name: Named,
    uri: Uri,
) -> Result<Response, Problem> {
    let fields = fields(&uri);
    let page = shown(&server, &caller, &name, |entry| page::properties(entry, &fields), None);
    page.await.map(|document| document.into_response())
}

/// The policy's verdict on what stands in the form.
pub(in crate::serve::http) async fn check(
    State(server): State<Arc<Server>>,
    caller: Caller,
    id: RequestId,
    trace: Traced,
    name: Named,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let call = sent(&server, &caller, &name, body)?;
    let mut asked = call.clone();
    asked.insert("dry_run".into(), json!(true));
    let put = Call::of(Arc::clone(&server), &caller, id, trace, Named(name.0.clone()), asked)?;
    let result = put.result(None).await?;
    if headers.contains_key(PART) {
        return Ok(Document(page::verdict(&result)).into_response());
    }
    let page = shown(&server, &caller, &name, |_| call, Some(&result)).await?;
    Ok(page.into_response())
}

/// Has it run by itself, and goes to where that is shown.
pub(in crate::serve::http) async fn run(
    State(server): State<Arc<Server>>,
    caller: Caller,
    id: RequestId,
    trace: Traced,
    name: Named,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let call = sent(&server, &caller, &name, body)?;
    let put =
        Call::of(Arc::clone(&server), &caller, id, trace, Named(name.0.clone()), call.clone())?;
    let result = put.in_background().await;
    if let Some(run) = result.run_id() {
        return Ok(Redirect::to(&format!("/ui/runs/{run}")).into_response());
    }
    let status =
        Problem::of_result(&result).and_then(|problem| StatusCode::from_u16(problem.status).ok());
    let page = shown(&server, &caller, &name, |_| call, Some(&result)).await?;
    Ok((status.unwrap_or(StatusCode::OK), page).into_response())
}

/// The call that a form has sent.
fn sent(
    server: &Server,
    caller: &Caller,
    Named(name): &Named,
    body: Result<Bytes, BytesRejection>,
) -> Result<Map<String, Value>, Problem> {
    let body = body.map_err(|error| bad_form(&error.body_text()))?;
    let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(&body)
        .map_err(|_| bad_form("what was sent is no form of this page"))?;
    let listing = server.listing_for(caller);
    let tool = listing.tool(name).ok_or_else(no_such_tool)?;
    Ok(page::properties(tool.entry, &fields))
}

async fn shown(
    server: &Server,
    caller: &Caller,
    Named(name): &Named,
    values: impl FnOnce(&probity_protocol::ToolEntry) -> Map<String, Value>,
    answered: Option<&ToolResult>,
) -> Result<Document, Problem> {
    let listing = server.listing_for(caller);
    let tool = listing.tool(name).ok_or_else(no_such_tool)?;
    let filter = RunFilter { tool: Some(tool.entry.name.to_string()), ..RunFilter::default() };
    let viewer = server.viewer(caller);
    let list = server.service.runs().list(&viewer, &filter, LATEST, None).await;
    let latest = list.map_err(problem)?.runs;
    let breaker = server.service.control(tool).breaker.status();
    let values = values(tool.entry);
    let page = ToolPage {
        tool,
        listing: &listing,
        values: &values,
        answered,
        breaker: &breaker,
        latest: &latest,
    };
    Ok(Document(page::tool(&who(caller), &page)))
}

fn no_such_tool() -> Problem {
    let message = "there is no such tool, or it is not for your token";
    Problem::new(Kind::NotFound, message, "The overview lists the tools.")
}
