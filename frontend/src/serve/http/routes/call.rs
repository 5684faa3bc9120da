//! One call over HTTP: whose it is, under which id it goes, and what comes of it.
//!
//! Dropping it, as the end of its connection does, ends its run.

use std::{pin::pin, sync::Arc};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use probity_protocol::{ClientLabel, CorrelationId, Tier};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::tools::Named;
use crate::{
    broker::client::RunEvent,
    calls::{
        control::gate::ClientKey,
        result::ToolResult,
        service::{Asking, Lifetime, OwnedAsking},
    },
    output::progress::Watcher,
    serve::{
        access::{Caller, log_forbidden},
        call_end::{CallEnd, to_its_end},
        http::{
            Kind, Problem, Server,
            entry::{stopping, withdrawn},
            feed::{Ending, Teller},
            request_id::{CORRELATION_ID, RequestId},
            traced::Traced,
        },
    },
};

/// A call as narrow as its caller's token has it. While there is one, the server's end waits for it.
pub(super) struct Call {
    server: Arc<Server>,
    caller: Caller,
    tool: String,
    properties: Map<String, Value>,
    /// None where the caller's own is none: the service refuses that.
    pub(super) correlation_id: Option<String>,
    label: Option<ClientLabel>,
    session: ClientKey,
    tier: Option<Tier>,
    trace: Traced,
    kept: bool,
    _open: TaskTrackerToken,
}

impl Call {
    pub(super) fn of(
        server: Arc<Server>,
        caller: &Caller,
        RequestId(id): RequestId,
        trace: Traced,
        Named(tool): Named,
        mut properties: Map<String, Value>,
    ) -> Result<Self, Problem> {
        covered(&server, caller, &tool)?;
        // The body's own id is the nearer one.
        let own = properties.get("correlation_id").filter(|own| !own.is_null());
        let correlation_id = match own {
            Some(own) => own.as_str().and_then(|own| CorrelationId::new(own).ok()),
            None => CorrelationId::new(id).ok(),
        };
        let correlation_id = correlation_id.map(|id| id.to_string());
        if let (None, Some(id)) = (own, &correlation_id) {
            properties.insert("correlation_id".into(), json!(id));
        }
        let (client, address) = (caller.name(), caller.address.to_string());
        let named: String = tool.chars().take(64).collect();
        tracing::info!(client, address, tool = named, correlation_id, "http.call");
        let (session, open) = (server.key_of(caller), server.calls.token());
        // Its body may have taken its time.
        if server.shutdown.is_stopping() {
            return Err(stopping());
        }
        let (caller, label, tier) = (caller.clone(), caller.label(), caller.highest_tier());
        let call = Self {
            server,
            caller,
            tool,
            properties,
            correlation_id,
            label,
            session,
            tier,
            trace,
            kept: true,
            _open: open,
        };
        Ok(call)
    }

    /// The same, of which nothing is kept: what asks again and again keeps the figures itself.
    pub(super) fn unkept(self) -> Self {
        Self { kept: false, ..self }
    }

    /// Does it and answers with what came of it. Dropping the future, as the end of its connection does,
    /// ends the run.
    pub(super) async fn answered(self) -> Result<Response, Problem> {
        let result = self.run(None).await?;
        Ok(with_id(Json(&result).into_response(), Some(&result.correlation_id)))
    }

    /// Has it go on by itself, and answers with its place; or, where it comes to nothing, with what came of
    /// it.
    pub(super) async fn begun(self) -> Result<Response, Problem> {
        let (server, tool) = (Arc::clone(&self.server), self.tool.clone());
        let result = self.in_background().await;
        if let Some(problem) = problem_of(&server, &tool, &result) {
            return Err(problem);
        }
        let id = Some(result.correlation_id.clone());
        let place = result.goes_on().and(result.run_id());
        let place = place.and_then(|id| HeaderValue::from_str(&format!("/runs/{id}")).ok());
        let mut response = Json(&result).into_response();
        if let Some(place) = place {
            *response.status_mut() = StatusCode::ACCEPTED;
            response.headers_mut().insert(header::LOCATION, place);
        }
        Ok(with_id(response, id.as_deref()))
    }

    /// Has it go on by itself; what the service says of it, or what came of it already.
    pub(super) async fn in_background(self) -> ToolResult {
        let Self { server, caller, tool, properties, label, session, tier, trace, _open, .. } =
            self;
        let asking = OwnedAsking {
            tool,
            arguments: properties,
            client: label,
            session,
            owner: caller.owner(),
            tier,
            trace: trace.0,
        };
        let lifetime = Lifetime {
            shutdown: server.shutdown.clone(),
            withdrawn: Box::pin(caller.withdrawn(&server.tokens)),
            open: _open,
            ends_with: "It goes on when you leave. See it at /runs.",
        };
        server.service.call_in_background(asking, lifetime).await
    }

    /// Puts it to the service, with `teller` hearing of it. What did not run is a problem.
    pub(super) async fn run(&self, teller: Option<&Teller>) -> Ending {
        let result = self.result(teller).await?;
        match self.problem_of(&result) {
            Some(problem) => Err(problem),
            None => Ok(result),
        }
    }

    /// What the service says of it, whether it ran or not. At the server's end a run that has begun is
    /// recalled: what it had found is its result. One whose token is taken back is ended, and says no
    /// more than that.
    pub(super) async fn result(&self, teller: Option<&Teller>) -> Ending {
        let Self { server, caller, tool, properties, label, session, tier, trace, kept, .. } = self;
        let owner = caller.owner();
        let asking = Asking {
            tool,
            arguments: properties,
            client: label.as_ref(),
            session: *session,
            owner: &owner,
            tier: *tier,
            trace: trace.0.borrowed(),
            kept: *kept,
            live: None,
        };
        let listing = server.service.listing();
        // Nobody hears of the progress of a plain call.
        let parser = teller.and(listing.tool(tool)).and_then(|tool| Some(tool.parser?.name()));
        let (mut watcher, status) = Watcher::new(parser);
        let mut news = status.clone();
        let mut on_event = |event: RunEvent<'_>| {
            watcher.hear(event);
            let Some(teller) = teller else { return };
            teller.hear(event);
            let is_news = news.has_changed().unwrap_or(false);
            let progress = news.borrow_and_update().progress_at(Instant::now());
            // That it began is told already.
            if let (true, RunEvent::Output(..), Some(progress)) = (is_news, event, progress) {
                teller.progress(&progress);
            }
        };
        let call = pin!(server.service.call(asking, &mut on_event));
        let withdrawn_token = caller.withdrawn(&server.tokens);
        let ended = to_its_end(call, withdrawn_token, &status, &server.shutdown);
        let ended = match teller {
            Some(teller) => tokio::select! {
                biased;
                ended = ended => ended,
                never = teller.tell_the_time(status.clone()) => match never {},
            },
            None => ended.await,
        };
        match ended {
            CallEnd::Result(result) => Ok(*result),
            CallEnd::ServerEnded => Err(self.named(stopping())),
            CallEnd::Interrupted => Err(self.named(withdrawn())),
        }
    }

    /// What a result says that did not run; `None` of one that did.
    pub(super) fn problem_of(&self, result: &ToolResult) -> Option<Problem> {
        problem_of(&self.server, &self.tool, result)
    }

    pub(super) fn named(&self, mut problem: Problem) -> Problem {
        problem.correlation_id.clone_from(&self.correlation_id);
        problem
    }
}

fn problem_of(server: &Server, tool: &str, result: &ToolResult) -> Option<Problem> {
    let is_listed = server.service.listing().entry(tool).is_some();
    let problem = Problem::of_result(result)?;
    Some(if is_listed { problem } else { problem.of_no_tool() })
}

/// What is beyond a token is not asked for: the broker knows this process, and nobody behind it.
fn covered(server: &Server, caller: &Caller, name: &str) -> Result<(), Problem> {
    match caller.uncovered(name, &server.service.listing()) {
        Some(entry) => {
            log_forbidden(&caller.name(), entry.name.as_str());
            let message = format!("this token is not for {}", entry.name);
            let suggestion = "GET /tools lists those that it is for.";
            let mut problem = Problem::new(Kind::Forbidden, message, suggestion);
            problem.tool_name = Some(entry.name.to_string());
            Err(problem)
        }
        None => Ok(()),
    }
}

/// An answer under a call's own id, which may be its body's.
pub(super) fn with_id(mut response: Response, id: Option<&str>) -> Response {
    if let Some(id) = id.and_then(|id| HeaderValue::from_str(id).ok()) {
        response.headers_mut().insert(CORRELATION_ID, id);
    }
    response
}
