//! `tools/call`, from the request to the answer, however it ends.
//!
//! What a caller may not do, or does too often, is answered as a result: clients show those to the
//! model, and hide the errors of a transport from it.

use std::pin::pin;

use probity_output::parsers::one_line;
use probity_protocol::CorrelationId;
use rmcp::{
    ErrorData, RoleServer,
    model::{CallToolRequestParams, CallToolResult},
    service::RequestContext,
};
use serde_json::{Map, Value, json};

use super::{Asker, Client, Server, Shared, answer, progress, read_result, tools};
use crate::{
    broker::client::RunEvent,
    calls::{published::registry::READ_RESULT, result::ToolResult, service::Asking},
    output::progress::Watcher,
    serve::{
        access::{Beyond, log_forbidden},
        call_end::{CallEnd, to_its_end},
    },
};

impl Server {
    /// Does what a call asks for.
    pub(super) async fn answer(
        &self,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let Shared { service, shutdown, calls, .. } = &*self.shared;
        let _open = calls.token();
        let mut arguments = request.arguments.clone().unwrap_or_default();
        let label = self.client.label(context);
        let (listing, view) = (service.listing(), self.listing());
        let read_on = self.reads_results(&view);
        if read_on && request.name == READ_RESULT {
            return Ok(read_result::read(&arguments, &self.store, self.may_use()));
        }
        if let Client::Caller(asker) = &self.client {
            name_call(asker, &mut arguments);
        }
        let asking = Asking {
            tool: &request.name,
            arguments: &arguments,
            client: label.as_ref(),
            session: self.client.key(),
            tier: self.client.highest_tier(),
            trace: self.client.trace(context),
        };
        if let Some(refused) = self.refusal(asking) {
            return Ok(answer::answer(&refused, &self.store, read_on));
        }
        if let Client::Caller(asker) = &self.client {
            log_call(asker, asking);
        }
        let parser = listing.tool(&request.name).and_then(|tool| Some(tool.parser?.name()));
        let (mut watcher, status) = Watcher::new(parser);
        let mut on_event = |event: RunEvent<'_>| watcher.hear(event);
        let call = service.call(asking, &mut on_event);
        let mut call = pin!(progress::reporting(call, context, status.clone()));
        let ended = || Err(ErrorData::internal_error("the server ended before the call did", None));
        let cancelled = context.ct.cancelled();
        let result = match to_its_end(call.as_mut(), cancelled, &status, shutdown).await {
            CallEnd::Result(result) => *result,
            CallEnd::ServerEnded => return ended(),
            CallEnd::Interrupted => {
                // Before the tool runs there is nothing to keep, and after the session nobody to read
                // it: dropping the call ends it.
                let cancel = status.borrow().cancel().cloned();
                if let Some(cancel) = cancel.filter(|_| !shutdown.is_stopping()) {
                    cancel.cancel();
                    answer::keep_cancelled(&call.await, &self.store);
                }
                // Nobody waits for this any more.
                return Err(ErrorData::internal_error("the request was cancelled", None));
            }
        };
        if result.denial_code() == Some("UNKNOWN_TOOL") {
            return Err(unknown_tool(&result, &tools::names(&view)));
        }
        Ok(answer::answer(&result, &self.store, read_on))
    }

    /// Why a call does not come to the service, as a result: clients show those to the model. A dry
    /// run runs nothing, so it is not counted.
    fn refusal(&self, asking: Asking<'_>) -> Option<ToolResult> {
        let service = &self.shared.service;
        let is_dry = asking.arguments.get("dry_run") == Some(&json!(true));
        if !is_dry && self.client.is_limited(service) {
            let admitted = service.admit(&self.client.name(), self.client.rate_key(), asking.tool);
            if let Err(exceeded) = admitted {
                return Some(service.rate_limited(asking, &exceeded));
            }
        }
        let Beyond { needed, message, suggestion } =
            self.client.beyond(asking.tool, &service.listing())?;
        log_forbidden(&self.client.name(), &needed);
        Some(service.beyond_caller(asking, &message, suggestion))
    }
}

/// Gives a call over HTTP its request's id, where it has none of its own, which is nearer.
fn name_call(asker: &Asker, arguments: &mut Map<String, Value>) {
    if arguments.get("correlation_id").is_none_or(Value::is_null) {
        arguments.insert("correlation_id".into(), json!(asker.correlation_id));
    }
}

/// Notes that somebody calls a tool over HTTP.
fn log_call(asker: &Asker, asking: Asking<'_>) {
    let correlation_id = asking.arguments.get("correlation_id").and_then(Value::as_str);
    // One that is none is refused by the service.
    let correlation_id = correlation_id.filter(|id| CorrelationId::new(*id).is_ok());
    let (client, address) = (asker.caller.name(), asker.caller.address.to_string());
    let tool: String = one_line(asking.tool).chars().take(64).collect();
    tracing::info!(client, address, tool, correlation_id, "http.call");
}

/// Says which tools there are, to whoever asked for another.
fn unknown_tool(result: &ToolResult, names: &str) -> ErrorData {
    let message = result.error.clone().unwrap_or_default();
    let message = match names {
        "" => message,
        names => format!("{}. The tools are {names}.", message.trim_end_matches('.')),
    };
    ErrorData::invalid_params(message, Some(json!(result.error_details)))
}
