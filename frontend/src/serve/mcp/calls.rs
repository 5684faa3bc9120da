//! `tools/call`, from the request to the answer, however it ends.
//!
//! What a caller may not do, or does too often, is answered as a result: clients show those to the
//! model, and hide the errors of a transport from it.

use std::{pin::pin, sync::Arc};

use probity_output::parsers::one_line;
use probity_protocol::CorrelationId;
use rmcp::{
    ErrorData, RoleServer,
    model::{CallToolRequestParams, CallToolResponse},
    service::RequestContext,
};
use serde_json::{Map, Value, json};

use super::{
    Asker, Client, Server, Shared, answer, progress, read_result,
    run_tools::{self, Desk},
    tasks, tools,
};
use crate::{
    broker::client::RunEvent,
    calls::{
        published::registry::READ_RESULT,
        request::wants_background,
        result::ToolResult,
        service::{Asking, Lifetime, OwnedAsking},
    },
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
    ) -> Result<CallToolResponse, ErrorData> {
        let Shared { service, shutdown, calls, .. } = &*self.shared;
        let _open = calls.token();
        let mut arguments = request.arguments.clone().unwrap_or_default();
        let label = self.client.label(context);
        let (listing, view) = (service.listing(), self.listing());
        let read_on = self.reads_results(&view);
        if read_on && request.name == READ_RESULT {
            return Ok(read_result::read(&arguments, &self.store, self.may_use()).into());
        }
        if run_tools::NAMES.contains(&&*request.name) && view.offers_own(&request.name, &listing) {
            let viewer = self.client.viewer(Arc::clone(&listing));
            let desk = Desk { runs: service.runs(), viewer: &viewer, store: &self.store, read_on };
            return Ok(run_tools::answer(&request.name, &arguments, &desk).await.into());
        }
        if let Client::Caller(asker) = &self.client {
            name_call(asker, &mut arguments);
        }
        let owner = self.client.owner();
        let asking = Asking {
            tool: &request.name,
            arguments: &arguments,
            client: label.as_ref(),
            session: self.client.key(),
            owner: &owner,
            tier: self.client.highest_tier(),
            trace: self.client.trace(context),
            kept: true,
            live: None,
        };
        if let Some(refused) = self.refusal(asking) {
            return Ok(answer::answer(&refused, &self.store, read_on).into());
        }
        if let Client::Caller(asker) = &self.client {
            log_call(asker, asking);
        }
        if wants_background(&arguments) {
            return self.in_background(asking, context, read_on).await;
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
        Ok(answer::answer(&result, &self.store, read_on).into())
    }

    /// Has a call go on by itself. A client that knows tasks is given one.
    async fn in_background(
        &self,
        asking: Asking<'_>,
        context: &RequestContext<RoleServer>,
        read_on: bool,
    ) -> Result<CallToolResponse, ErrorData> {
        let Shared { service, shutdown, calls, .. } = &*self.shared;
        let owned = OwnedAsking {
            tool: asking.tool.to_owned(),
            arguments: asking.arguments.clone(),
            client: asking.client.cloned(),
            session: asking.session,
            owner: asking.owner.clone(),
            tier: asking.tier,
            trace: self.client.owned_trace(context),
        };
        let lifetime = Lifetime {
            shutdown: shutdown.clone(),
            withdrawn: self.client.withdrawn(),
            open: calls.token(),
            ends_with: self.client.ends_with(),
        };
        let result = service.call_in_background(owned, lifetime).await;
        if result.denial_code() == Some("UNKNOWN_TOOL") {
            return Err(unknown_tool(&result, &tools::names(&self.listing())));
        }
        let knows_tasks = context.client_capabilities().is_some_and(|it| it.supports_tasks());
        match result.goes_on().and(result.run_id()).filter(|_| knows_tasks) {
            Some(id) => tasks::created(service.runs(), &self.viewer(), id).await,
            None => Ok(answer::answer(&result, &self.store, read_on).into()),
        }
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
