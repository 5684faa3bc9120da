//! The way of a call: read, its tool's circuit breaker asked, its turn waited for, its name looked up,
//! put to the broker, and made a result.
//!
//! A tool that keeps failing is left alone here. Calls queue within bounds, so that the broker sees no
//! more at once than it would take.

use std::{net::IpAddr, ops::ControlFlow, time::Duration};

use probity_output::parsers::Parser;
use probity_protocol::{Arguments, Call, DefaultTarget, RequestedLimits, Tier, Verdict};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use super::{
    Asking, Service,
    kept::{self, Controlled, ToRun},
    outcome::{Choice, Outcome},
    refusal::{Repairs, no_name_server},
    turned_away,
};
use crate::{
    broker::{
        client::{BrokerError, OnEvent, RunEvent, RunOutcome},
        name_servers,
    },
    calls::{
        control::{breaker::Pass, gate::ClientKey},
        observe::{
            call_events as events,
            metrics::{Execution, UNKNOWN_TOOL},
            trace::{CallSpan, Phase},
        },
        published::{
            meant,
            registry::{Listing, Published},
        },
        request::{self, Asked, Defaults},
        result::ToolResult,
    },
};

/// A broker with too many connections is asked again after this time, doubled each time, up to the
/// total: they close at any moment, and there is no line for them.
const FIRST_RETRY: Duration = Duration::from_millis(25);
const RETRY_TOTAL: Duration = Duration::from_secs(2);

/// How a call came to run, and who hears of it.
struct RunContext<'a> {
    /// Its tool; none that is published has that name where there is none.
    tool: Option<Controlled<'a>>,
    /// Its tool's breaker let it through; none where there is no such tool.
    pass: Option<Pass<'a>>,
    session: ClientKey,
    on_event: OnEvent<'a>,
    span: &'a mut CallSpan,
}

impl Service {
    /// Does what a client asks for: checks it where `dry_run` says so, runs it otherwise. Whatever
    /// goes wrong is in the result. Dropping the future ends the run, wherever it is.
    pub async fn call(&self, asking: Asking<'_>, on_event: OnEvent<'_>) -> ToolResult {
        let name = || self.listing().name_of(asking.tool).unwrap_or(UNKNOWN_TOOL).to_owned();
        let mut span = self.tracer.call(name, asking.trace);
        let result = self.call_within(&mut span, asking, on_event).await;
        span.ended(&result);
        result
    }

    async fn call_within(
        &self,
        span: &mut CallSpan,
        asking: Asking<'_>,
        on_event: OnEvent<'_>,
    ) -> ToolResult {
        let listing = self.listing();
        let tool = listing.tool(asking.tool);
        if let (None, Some(hidden)) = (tool, listing.hidden(asking.tool)) {
            return self.finish(
                turned_away::hidden(&Asked::unread(asking.tool, asking.arguments), hidden),
                &listing,
            );
        }
        // From here on in the types that the schema has, where they say the same.
        let liberal = tool.map(|tool| tool.check().liberal(asking.arguments));
        let arguments = liberal.as_ref().unwrap_or(asking.arguments);
        let aimed = match tool.filter(|tool| leaves_target_to_it(*tool, arguments)) {
            Some(tool) => {
                match name_servers::first_within(listing.catalog.allowance_of(tool.entry)) {
                    Ok(server) => Some(aimed_at(server, arguments)),
                    Err(none) => {
                        let refused = no_name_server(&none);
                        let refused = self.refuse(asking, Some(tool), refused, &listing).await;
                        return self.finish(refused, &listing);
                    }
                }
            }
            None => None,
        };
        let arguments = aimed.as_ref().unwrap_or(arguments);
        let asking = Asking { arguments, ..asking };
        if let Some(tool) = tool
            && let Some(flaw) = tool.check().flaw(asking.arguments)
        {
            let refused = self.refuse(asking, Some(tool), flaw.denial(), &listing).await;
            return self.finish(refused, &listing);
        }
        let (call, asked) = match self.read(asking, tool) {
            Ok(read) => read,
            Err(error) => {
                let refused = self.refuse(asking, tool, error.denial(), &listing).await;
                return self.finish(refused, &listing);
            }
        };
        events::injection_attempts(&call, &asked);
        // What reaches the broker of a text that stands for something else is not what was meant.
        let is_unread = matches!(call.arguments, Arguments::Malformed(_))
            || meant::targets(&asked.target) != [asked.target.as_str()];
        let control = tool.map(|tool| self.control(tool));
        let mut result = match asked.dry_run {
            true => {
                span.enter(Phase::Decide);
                self.check(call, &asked, tool, &listing).await
            }
            // Asked before the queue: a call that would only be refused does not wait.
            false => match control.as_ref().map(|control| control.breaker.ask()).transpose() {
                Err(open) => turned_away::breaker_open(&asked, &open),
                Ok(pass) => {
                    let running = events::tool_start(&asked);
                    let told = self.news.began(&asked, asking.client);
                    let name = tool.map_or(UNKNOWN_TOOL, |tool| tool.entry.name.as_str());
                    let mut execution = self.metrics.execution(name);
                    let tool = tool.zip(control.as_ref());
                    let tool = tool.map(|(published, control)| Controlled { published, control });
                    let mut record = self.runs.record(asking.recorded(), &asked, &listing);
                    let mut heard = |event: RunEvent<'_>| {
                        record.hear(event);
                        on_event(event);
                    };
                    let (session, on_event) = (asking.session, &mut heard);
                    let context = RunContext { tool, pass, session, on_event, span };
                    let mut result =
                        self.run(call, &asked, &listing, context, &mut execution).await;
                    execution.ended();
                    running.ended();
                    told.ended(&result);
                    record.ended(&mut result).await;
                    result
                }
            },
        };
        if let Some(tool) = tool.filter(|_| is_unread && result.denial_code().is_some()) {
            let mut repairs = Repairs { asked: result.suggestion().is_some() };
            self.suggest_meant(&mut result, asking, tool, &listing, &mut repairs).await;
        }
        self.finish(result, &listing)
    }

    /// The policy's verdict. A denial answers exactly as the run would have.
    async fn check(
        &self,
        call: Call,
        asked: &Asked,
        tool: Option<Published<'_>>,
        listing: &Listing,
    ) -> ToolResult {
        let call = self.resolved(call, listing).await;
        match self.broker.check(call.clone()).await {
            Ok(Verdict::Approved { plan, availability }) => {
                let parser = tool.and_then(|tool| tool.parser);
                ToolResult::planned(asked, &plan, &availability, parser)
            }
            Ok(Verdict::Denied(denial)) => self.denied(asked, &call, &denial, listing).await,
            Err(error) => ToolResult::unanswered(asked, &error, None),
        }
    }

    /// Runs a call when its turn comes.
    async fn run(
        &self,
        call: Call,
        asked: &Asked,
        listing: &Listing,
        context: RunContext<'_>,
        execution: &mut Execution<'_>,
    ) -> ToolResult {
        let RunContext { tool, mut pass, session, on_event, span } = context;
        // The pass is dropped with an answer: nothing is learnt of the tool.
        let ToRun { call, is_resolved, vacancy } = match self.kept(call, asked, tool, listing).await
        {
            ControlFlow::Break(answer) => return answer,
            ControlFlow::Continue(to_run) => to_run,
        };
        let mut turn = None;
        // Not in the catalog: the broker refuses and records it.
        if let Some(Controlled { published, control }) = tool {
            let told = |place| on_event(RunEvent::Queued(place));
            let asked_at = Instant::now();
            span.enter(Phase::Queue);
            match control.gate.enter(session, told).await {
                Ok(taken) => turn = Some(taken),
                Err(full) => return turned_away::queue_full(asked, &full),
            }
            // Those that ran while this one waited may have opened it.
            if pass.as_ref().is_some_and(|pass| !pass.still_holds()) {
                match control.breaker.ask() {
                    Ok(again) => pass = Some(again),
                    Err(open) => return turned_away::breaker_open(asked, &open),
                }
            }
            self.metrics.waited(published.entry.name.as_str(), asked_at.elapsed());
            execution.started();
            events::settings(&call, published.entry, asked);
        }
        let parser = tool.and_then(|tool| tool.published.parser);
        let choice = tool.map(|tool| Choice::of(&call, tool.published));
        span.enter(Phase::Resolve);
        let looks_up = Instant::now();
        let call = if is_resolved { call } else { self.resolved(call, listing).await };
        let lookup = looks_up.elapsed();
        span.enter(Phase::Decide);
        let mut heard = |event: RunEvent<'_>| {
            match &event {
                RunEvent::AwaitsApproval(_) => {
                    span.enter(Phase::Queue);
                    // That takes minutes, in which others have their turns. The broker keeps to its limits.
                    turn = None;
                }
                RunEvent::Queued(_) => span.enter(Phase::Queue),
                RunEvent::Started(_) => span.enter(Phase::Run),
                RunEvent::Output(..) => {}
            }
            on_event(event);
        };
        let outcome = self.run_when_connected(&call, &mut heard).await;
        span.enter(Phase::Parse);
        let says = Outcome::of(&outcome, choice, parser.map(Parser::name));
        if let (Ok(RunOutcome::Finished(run)), Some(turn)) = (&outcome, &turn) {
            turn.took(run.1.duration);
        }
        drop(turn);
        let mut result = match outcome {
            Ok(RunOutcome::Finished(run)) => {
                let result = ToolResult::finished(asked, &run.0, &run.1, parser);
                kept::keep(tool, vacancy, &result, *run);
                result
            }
            Ok(RunOutcome::Denied(denial)) => self.denied(asked, &call, &denial, listing).await,
            Ok(RunOutcome::NotApproved(why)) => ToolResult::not_approved(asked, &why),
            Ok(RunOutcome::Failed(failure)) => ToolResult::failed(asked, &failure),
            Ok(RunOutcome::Busy(busy)) => ToolResult::busy(asked, &busy),
            Err(error) => ToolResult::unanswered(asked, &error, parser),
        };
        result.lookup = Some(lookup);
        span.leave();
        if let Some(pass) = pass {
            says.in_view_of(&result).tell(pass, result.error.as_deref());
        }
        result
    }

    /// Asks again while the broker takes no more connections of this user's.
    async fn run_when_connected(
        &self,
        call: &Call,
        on_event: OnEvent<'_>,
    ) -> Result<RunOutcome, BrokerError> {
        let give_up = Instant::now() + RETRY_TOTAL;
        let mut pause = FIRST_RETRY;
        loop {
            let outcome = self.broker.run(call.clone(), &mut *on_event).await;
            if !outcome.as_ref().is_err_and(BrokerError::is_momentary)
                || Instant::now() + pause > give_up
            {
                return outcome;
            }
            sleep(pause).await;
            pause *= 2;
        }
    }

    pub(super) fn read(
        &self,
        asking: Asking<'_>,
        tool: Option<Published<'_>>,
    ) -> Result<(Call, Asked), request::RequestError> {
        let Asking { tool: name, arguments, client, tier, .. } = asking;
        let read = request::read(name, arguments, client.cloned(), &self.defaults(tool, tier));
        read.map(|(call, asked)| (call, asked.named_by(tool.map(|tool| tool.entry))))
    }

    pub(super) fn defaults(&self, tool: Option<Published<'_>>, tier: Option<Tier>) -> Defaults {
        let limits = &self.config.limits;
        Defaults {
            limits: RequestedLimits {
                timeout: tool.and_then(|tool| tool.timeout),
                memory_bytes: Some(limits.memory_bytes),
                open_files: Some(limits.open_files),
                stdout_bytes: Some(limits.stdout_bytes),
                stderr_bytes: Some(limits.stderr_bytes),
                // Each of them is the standard tier or none, so either tightens.
                tier: self.config.security.highest_tier().or(tier),
            },
            without_target: tool.is_some_and(|tool| tool.entry.targets.is_empty()),
            max_args_bytes: Some(self.config.tools.max_args_bytes),
        }
    }

    pub(super) async fn resolved(&self, mut call: Call, listing: &Listing) -> Call {
        let catalog = &listing.catalog;
        let tool = catalog.tool(call.tool.as_str());
        let allowance = tool.map_or(&catalog.allowance, |tool| catalog.allowance_of(tool));
        call.target = self.resolver.resolve(call.target, allowance).await;
        call
    }
}

/// Whether a call names no target, and its tool has one for that case. A property that the tool has not may
/// be what the caller calls the target.
fn leaves_target_to_it(tool: Published<'_>, arguments: &Map<String, Value>) -> bool {
    let has = |name: &String| tool.input_schema["properties"].get(name).is_some();
    let is_left = match arguments.get("target") {
        None | Some(Value::Null) => true,
        Some(target) => target.as_str().is_some_and(|text| text.trim().is_empty()),
    };
    let has_one = tool.entry.default_target == Some(DefaultTarget::NameServer);
    is_left && has_one && arguments.keys().all(has)
}

fn aimed_at(target: IpAddr, arguments: &Map<String, Value>) -> Map<String, Value> {
    let target = ("target".to_owned(), json!(target.to_string()));
    let others = arguments.iter().filter(|(name, _)| *name != "target");
    std::iter::once(target)
        .chain(others.map(|(name, value)| (name.clone(), value.clone())))
        .collect()
}
