//! What every way in has in common: list, check and run.
//!
//! Calls queue here, within bounds, so that the broker sees no more at once than it would take. The
//! broker's word is final: nothing is approved or refused here that it has not been asked about.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use probity_protocol::{
    Arguments, Call, Catalog, ClientLabel, FORBIDDEN_CHARACTERS, LexicalDefect, RefusalKind,
    Stream, Target, ToolEntry, Verdict, Welcome,
};
use serde_json::{Map, Value, json};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep},
};

use crate::{
    broker_client::{Broker, BrokerError, RunOutcome},
    clean::clean_str,
    request::{self, ToolRequest},
    resolve::Resolver,
    result::{Asked, ToolResult},
};

/// Most calls that wait for their turn, for each tool. More would only time out in the queue.
const MAX_WAITING: usize = 256;

/// A busy broker is asked again after this time, doubled each time, up to the total.
const FIRST_RETRY: Duration = Duration::from_millis(25);
const RETRY_TOTAL: Duration = Duration::from_secs(2);

/// Receives output while a tool runs.
pub type OnOutput<'a> = &'a mut (dyn FnMut(Stream, &[u8]) + Send);

/// The operations, with one broker behind them.
pub struct Service {
    broker: Broker,
    welcome: Welcome,
    catalog: Catalog,
    resolver: Resolver,
    gates: HashMap<String, Gate>,
}

impl Service {
    /// Asks the broker what this user is granted.
    ///
    /// # Errors
    /// [`BrokerError`] where there is no answer.
    pub async fn start(broker: Broker, resolver: Resolver) -> Result<Self, BrokerError> {
        let (welcome, mut catalog) = broker.catalog().await?;
        catalog.tools.sort_by(|a, b| a.name.cmp(&b.name));
        let gate = |tool: &ToolEntry| (tool.name.to_string(), Gate::new(tool.concurrency));
        let gates = catalog.tools.iter().map(gate).collect();
        Ok(Self { broker, welcome, catalog, resolver, gates })
    }

    /// What may be asked for, the tools by name.
    #[must_use]
    pub fn list(&self) -> &Catalog {
        &self.catalog
    }

    /// Who answers.
    #[must_use]
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// Does what a client asks for: checks it where `dry_run` says so, runs it otherwise. Whatever
    /// goes wrong is in the result.
    pub async fn call(
        &self,
        tool: &str,
        arguments: &Map<String, Value>,
        client: Option<ClientLabel>,
        on_output: OnOutput<'_>,
    ) -> ToolResult {
        match request::read(tool, arguments, client) {
            Ok(request) if request.dry_run => self.check(request).await,
            Ok(request) => self.run(request, on_output).await,
            Err(error) => {
                let text = |name: &str| arguments.get(name).and_then(Value::as_str);
                let asked = Asked {
                    tool: clean_str(tool).chars().take(64).collect(),
                    target: clean_str(text("target").unwrap_or("")).chars().take(256).collect(),
                    correlation_id: request::new_correlation_id(),
                    preset: None,
                    dry_run: false,
                };
                self.finish(ToolResult::denied(&asked, &error.denial()))
            }
        }
    }

    /// The policy's verdict. A denial answers exactly as the run would have.
    pub async fn check(&self, request: ToolRequest) -> ToolResult {
        let asked = self.asked(&request);
        let call = self.resolved(request.call).await;
        self.finish(match self.broker.check(call).await {
            Ok(Verdict::Approved { plan, availability }) => {
                ToolResult::planned(&asked, &plan, &availability)
            }
            Ok(Verdict::Denied(denial)) => ToolResult::denied(&asked, &denial),
            Err(error) => ToolResult::unanswered(&asked, &error, None),
        })
    }

    /// Runs a call when its turn comes. Dropping the future ends the run, wherever it is.
    pub async fn run(&self, request: ToolRequest, on_output: OnOutput<'_>) -> ToolResult {
        let asked = self.asked(&request);
        let (tool, target, id) = (&asked.tool, &asked.target, &asked.correlation_id);
        tracing::info!(tool, target, id, "tool.start");
        warn_of_injection(&request.call, &asked);
        let parser = self.list().tool(tool).and_then(|entry| entry.parser.as_deref());
        let _turn = match self.gates.get(tool).map(Gate::enter) {
            Some(turn) => match turn.await {
                Some(turn) => Some(turn),
                None => {
                    let message = format!("{MAX_WAITING} calls of {tool} are waiting already");
                    return self.finish(ToolResult::exhausted(&asked, message));
                }
            },
            // Not in the catalog: the broker refuses and records it.
            None => None,
        };
        let call = self.resolved(request.call).await;
        let outcome = self.run_when_there_is_room(call, on_output).await;
        self.finish(match outcome {
            Ok(RunOutcome::Finished(run)) => ToolResult::finished(&asked, &run.0, &run.1, parser),
            Ok(RunOutcome::Denied(denial)) => ToolResult::denied(&asked, &denial),
            Ok(RunOutcome::Failed(failure)) => ToolResult::failed(&asked, &failure),
            Ok(RunOutcome::Busy(busy)) => ToolResult::busy(&asked, &busy),
            Err(error) => ToolResult::unanswered(&asked, &error, parser),
        })
    }

    /// Asks again while the broker is busy: other frontends' runs end at any moment.
    async fn run_when_there_is_room(
        &self,
        call: Call,
        on_output: OnOutput<'_>,
    ) -> Result<RunOutcome, BrokerError> {
        let give_up = Instant::now() + RETRY_TOTAL;
        let mut pause = FIRST_RETRY;
        loop {
            let outcome = self.broker.run(call.clone(), &mut *on_output).await;
            if !is_momentary(&outcome) || Instant::now() + pause > give_up {
                return outcome;
            }
            sleep(pause).await;
            pause *= 2;
        }
    }

    async fn resolved(&self, mut call: Call) -> Call {
        call.target = self.resolver.resolve(call.target, &self.catalog).await;
        call
    }

    /// What the result says about a request, with an alias taken for the tool's own name.
    fn asked(&self, request: &ToolRequest) -> Asked {
        let call = &request.call;
        let entry = self.catalog.tool(call.tool.as_str());
        let preset = match &call.arguments {
            Arguments::Given { preset, .. } => preset.as_ref().map(ToString::to_string),
            Arguments::Malformed(_) => None,
        };
        Asked {
            tool: entry.map_or(&call.tool, |entry| &entry.name).to_string(),
            target: request.target_text.clone(),
            correlation_id: call.correlation_id.to_string(),
            preset,
            dry_run: request.dry_run,
        }
    }

    /// Notes how a call ended, and by which policy it was decided.
    fn finish(&self, mut result: ToolResult) -> ToolResult {
        let digest = self.catalog.policy_digest.to_string();
        result.metadata.insert("policy_digest".into(), json!(digest));
        let (tool, id) = (&result.tool, &result.correlation_id);
        match (result.error_type, result.denial_code()) {
            (None, _) => {
                let (seconds, code) = (result.execution_time, result.returncode);
                tracing::info!(tool, id, seconds, code, "tool.finish");
            }
            (Some(_), Some(code @ ("OPTION_UNKNOWN" | "INTRUSIVE_NOT_GRANTED"))) => {
                tracing::warn!(tool, id, code, "security.blocked_flag");
            }
            (Some(kind), code) => {
                tracing::warn!(tool, id, error_type = kind.as_str(), code, "tool.error");
            }
        }
        result
    }
}

/// The turns of one tool.
struct Gate {
    turns: Semaphore,
    waiting: AtomicUsize,
}

impl Gate {
    fn new(concurrency: u32) -> Self {
        let turns = usize::try_from(concurrency.max(1)).unwrap_or(1).min(Semaphore::MAX_PERMITS);
        Self { turns: Semaphore::new(turns), waiting: AtomicUsize::new(0) }
    }

    /// Waits for a turn; `None` where too many wait already.
    async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Some(turn);
        }
        let _place = Place::take(&self.waiting)?;
        self.turns.acquire().await.ok()
    }
}

/// A place in the queue, given back however the wait ends.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < MAX_WAITING).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn is_momentary(outcome: &Result<RunOutcome, BrokerError>) -> bool {
    match outcome {
        Ok(RunOutcome::Busy(_)) => true,
        Err(BrokerError::Refused(refusal)) => refusal.kind == RefusalKind::TooManyConnections,
        _ => false,
    }
}

/// A character that a shell would act on is no slip of the pen.
fn warn_of_injection(call: &Call, asked: &Asked) {
    let forbidden = |defect: &LexicalDefect| match defect {
        LexicalDefect::Character { character, .. } => {
            character.is_control() || FORBIDDEN_CHARACTERS.contains(*character)
        }
        _ => false,
    };
    let (tool, id) = (&asked.tool, &asked.correlation_id);
    if let Target::Malformed(defect) = &call.target
        && forbidden(defect)
    {
        let defect = defect.to_string();
        tracing::error!(tool, id, place = "target", defect, "security.injection_attempt");
    }
    if let Arguments::Malformed(defect) = &call.arguments
        && forbidden(defect)
    {
        let defect = defect.to_string();
        tracing::error!(tool, id, place = "arguments", defect, "security.injection_attempt");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_turns_calls_away_and_a_cancelled_wait_frees_its_place() {
        let gate = Gate::new(1);
        let turn = gate.enter().await.unwrap();
        let mut waits: Vec<_> = (0..MAX_WAITING).map(|_| Box::pin(gate.enter())).collect();
        for wait in &mut waits {
            assert!(futures_util::poll!(wait).is_pending());
        }
        assert!(gate.enter().await.is_none());
        waits.pop();
        let mut next = Box::pin(gate.enter());
        assert!(futures_util::poll!(&mut next).is_pending());
        drop((waits, turn));
        assert!(next.await.is_some());
        assert_eq!(gate.waiting.load(Ordering::Relaxed), 0);
    }
}
