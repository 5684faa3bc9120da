//! What every way in has in common: list, check and run.
//!
//! A tool that keeps failing is left alone here; its circuit breaker is asked first. Then calls queue,
//! within bounds, so that the broker sees no more at once than it would take. The
//! broker's word is final: what is refused here is put to it all the same, for its log and for its
//! verdict, and nothing is approved here at all.

mod kept;
mod limits;
mod news;
mod outcome;
mod refusal;
mod repaired;
pub(crate) mod turned_away;

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use probity_protocol::{
    Arguments, Call, Catalog, ClientLabel, RefusalKind, RequestedLimits, Tier, Verdict,
};
use serde_json::{Map, Value, json};
use tokio::{
    sync::{broadcast, watch},
    time::{Instant, sleep},
};

pub use self::news::{RunEnd, RunNews};
use self::{
    kept::ToRun,
    news::News,
    outcome::{Choice, Outcome},
    refusal::Repairs,
    repaired::Repaired,
};
use crate::{
    broker::{
        client::{Broker, BrokerError, OnEvent, RunEvent, RunOutcome},
        resolve::Resolver,
    },
    calls::{
        control::{
            Control, Controls,
            breaker::{BreakerStatus, Pass},
            cache::Cleared,
            gate::ClientKey,
            limiter::Limiter,
        },
        observe::{
            call_events as events,
            health::{HealthCheck, HealthReport, Machine, Monitor},
            metrics::{Execution, Load, Metrics, MetricsReport, Tools, UNKNOWN_TOOL},
        },
        published::{
            meant,
            registry::{Listing, NoSuchTool, Published, Registry},
        },
        request::{self, Asked, Defaults},
        result::ToolResult,
    },
    config::Config,
};

/// A broker with too many connections is asked again after this time, doubled each time, up to the
/// total: they close at any moment, and there is no line for them.
const FIRST_RETRY: Duration = Duration::from_millis(25);
const RETRY_TOTAL: Duration = Duration::from_secs(2);

/// The operations, with one broker behind them.
pub struct Service {
    broker: Broker,
    resolver: Resolver,
    config: Arc<Config>,
    registry: Arc<Registry>,
    controls: Arc<Controls>,
    metrics: Metrics,
    machine: Arc<Machine>,
    health: Monitor,
    limiter: Limiter,
    news: News,
    repaired: Repaired,
}

/// What a client asks for, in its own words.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The tool's name or alias.
    pub tool: &'a str,
    /// The properties.
    pub arguments: &'a Map<String, Value>,
    /// What the client calls itself.
    pub client: Option<&'a ClientLabel>,
    /// Whose turn it is to be.
    pub session: ClientKey,
    /// The highest tier that this client may use; `None` leaves it to configuration and policy.
    pub tier: Option<Tier>,
}

/// A published tool, with what holds its calls back.
#[derive(Clone, Copy)]
struct Controlled<'a> {
    published: Published<'a>,
    control: &'a Control,
}

/// How a call came to run, and who hears of it.
struct RunContext<'a> {
    /// Its tool; none that is published has that name where there is none.
    tool: Option<Controlled<'a>>,
    /// Its tool's breaker let it through; none where there is no such tool.
    pass: Option<Pass<'a>>,
    session: ClientKey,
    on_event: OnEvent<'a>,
}

impl Service {
    /// A service over what the broker grants this user, as `catalog` has it.
    #[must_use]
    pub fn new(broker: Broker, resolver: Resolver, config: Arc<Config>, catalog: Catalog) -> Self {
        events::policy_configured(&catalog);
        let registry = Arc::new(Registry::new(Arc::clone(&config), catalog));
        let controls = Arc::new(Controls::new(config.tools.queue, &registry.listing()));
        let metrics = Metrics::with(&config.counters, &controls);
        let broker = broker.timed(metrics.round_trips());
        let machine = Arc::new(Machine::default());
        let health = Monitor::new(broker.clone(), &registry, &controls, &machine, &config.health);
        let limiter = Limiter::new(config.http.rate);
        let news = News::new();
        let repaired = Repaired::default();
        Self {
            broker,
            resolver,
            config,
            registry,
            controls,
            metrics,
            machine,
            health,
            limiter,
            news,
            repaired,
        }
    }

    /// What is published now, the tools by name.
    #[must_use]
    pub fn listing(&self) -> Arc<Listing> {
        self.registry.listing()
    }

    /// Tells of every change of what is published.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<Listing>> {
        self.registry.changes()
    }

    /// Which tools are published.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// How the circuit breaker of each published tool stands.
    #[must_use]
    pub fn breakers(&self) -> Vec<BreakerStatus> {
        self.listing().tools().map(|tool| self.controls.of(tool).breaker.status()).collect()
    }

    /// Tells of each breaker that changes its state from now on. One whose time is up does when
    /// somebody asks for it next.
    #[must_use]
    pub fn breaker_changes(&self) -> broadcast::Receiver<BreakerStatus> {
        self.controls.breaker_changes()
    }

    /// Tells of runs that begin and end from now on. Whoever falls far behind misses the oldest.
    #[must_use]
    pub fn run_news(&self) -> broadcast::Receiver<Arc<RunNews>> {
        self.news.listen()
    }

    /// What is counted and timed.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Every figure, as JSON has it.
    pub async fn metrics_report(&self) -> MetricsReport {
        self.metrics.report(&self.listing(), Tools::All, self.load().await)
    }

    /// How busy the machine is.
    pub async fn load(&self) -> Load {
        self.machine.load().await
    }

    /// How this server is, or was within the last second.
    pub async fn health(&self) -> Arc<HealthReport> {
        self.health.report().await
    }

    /// Adds a health check, in the place of one with the same name.
    pub async fn add_health_check(&self, check: Arc<dyn HealthCheck>) {
        self.health.add(check).await;
    }

    /// Takes a new catalog of the broker's. The same policy again is no news.
    pub fn take_catalog(&self, catalog: Catalog) {
        if self.listing().catalog.policy_digest != catalog.policy_digest {
            events::policy_configured(&catalog);
        }
        self.registry.replace(catalog);
        self.controls.follow(&self.listing());
    }

    /// Hides a tool, or shows it again, until this process ends. Reports whether that changed
    /// anything. What was kept of one that is hidden is kept no more.
    ///
    /// # Errors
    /// [`NoSuchTool`] for a name or alias that is not in the catalog.
    pub fn set_enabled(&self, name: &str, enabled: bool) -> Result<bool, NoSuchTool> {
        let changed = self.registry.set_enabled(name, enabled)?;
        self.controls.follow(&self.listing());
        if !enabled {
            self.controls.clear_cache(&self.registry.own_name(name)?, Cleared::Disabled);
        }
        Ok(changed)
    }

    /// What holds calls of each tool back.
    #[must_use]
    pub fn controls(&self) -> &Controls {
        &self.controls
    }

    /// What holds calls of a tool back.
    #[must_use]
    pub fn control(&self, tool: Published<'_>) -> Control {
        self.controls.of(tool)
    }

    /// Closes a tool's breaker, published or not. Reports whether it was not closed.
    ///
    /// # Errors
    /// [`NoSuchTool`] for a name or alias that is not in the catalog.
    pub fn reset_breaker(&self, name: &str) -> Result<bool, NoSuchTool> {
        Ok(self.controls.reset_breaker(&self.registry.own_name(name)?))
    }

    /// Drops a tool's kept results, because `client` asked for it. Reports how many there were.
    ///
    /// # Errors
    /// [`NoSuchTool`] for a name or alias that is not in the catalog.
    pub fn clear_cache(&self, name: &str, client: &str) -> Result<usize, NoSuchTool> {
        let tool = self.registry.own_name(name)?;
        Ok(self.controls.clear_cache(&tool, Cleared::Asked(client)))
    }

    /// Does what a client asks for: checks it where `dry_run` says so, runs it otherwise. Whatever
    /// goes wrong is in the result. Dropping the future ends the run, wherever it is.
    pub async fn call(&self, asking: Asking<'_>, on_event: OnEvent<'_>) -> ToolResult {
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
            true => self.check(call, &asked, tool, &listing).await,
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
                    let context = RunContext { tool, pass, session: asking.session, on_event };
                    let result = self.run(call, &asked, &listing, context, &mut execution).await;
                    execution.ended();
                    running.ended();
                    told.ended(&result);
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
                let parser = tool.and_then(|tool| tool.entry.parser.as_deref());
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
        let RunContext { tool, mut pass, session, on_event } = context;
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
        let parser = tool.and_then(|tool| tool.published.entry.parser.as_deref());
        let choice = tool.map(|tool| Choice::of(&call, tool.published));
        let call = if is_resolved { call } else { self.resolved(call, listing).await };
        let outcome = self.run_when_connected(&call, on_event).await;
        let says = Outcome::of(&outcome, choice, parser);
        if let (Ok(RunOutcome::Finished(run)), Some(turn)) = (&outcome, &turn) {
            turn.took(run.1.duration);
        }
        drop(turn);
        let result = match outcome {
            Ok(RunOutcome::Finished(run)) => {
                let result = ToolResult::finished(asked, &run.0, &run.1, parser);
                kept::keep(tool, vacancy, &result, *run);
                result
            }
            Ok(RunOutcome::Denied(denial)) => self.denied(asked, &call, &denial, listing).await,
            Ok(RunOutcome::Failed(failure)) => ToolResult::failed(asked, &failure),
            Ok(RunOutcome::Busy(busy)) => ToolResult::busy(asked, &busy),
            Err(error) => ToolResult::unanswered(asked, &error, parser),
        };
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
            if !outcome.as_ref().is_err_and(is_momentary) || Instant::now() + pause > give_up {
                return outcome;
            }
            sleep(pause).await;
            pause *= 2;
        }
    }

    fn read(
        &self,
        asking: Asking<'_>,
        tool: Option<Published<'_>>,
    ) -> Result<(Call, Asked), request::RequestError> {
        let Asking { tool: name, arguments, client, tier, .. } = asking;
        let read = request::read(name, arguments, client.cloned(), &self.defaults(tool, tier));
        read.map(|(call, asked)| (call, by_own_name(asked, tool)))
    }

    fn defaults(&self, tool: Option<Published<'_>>, tier: Option<Tier>) -> Defaults {
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
            max_args_bytes: Some(self.config.tools.max_args_bytes),
        }
    }

    async fn resolved(&self, mut call: Call, listing: &Listing) -> Call {
        call.target = self.resolver.resolve(call.target, &listing.catalog).await;
        call
    }

    /// Notes how a call ended, and by which policy it was decided. Every way in comes by here.
    fn finish(&self, mut result: ToolResult, listing: &Listing) -> ToolResult {
        let digest = listing.catalog.policy_digest.to_string();
        result.metadata.insert("policy_digest".into(), json!(digest));
        events::tool_end(&result);
        let tool = listing.name_of(&result.tool).unwrap_or(UNKNOWN_TOOL);
        self.metrics.finished(tool, &result, listing);
        result
    }
}

/// An alias is taken for the tool's own name.
fn by_own_name(asked: Asked, tool: Option<Published<'_>>) -> Asked {
    match tool {
        Some(tool) => Asked { tool: tool.entry.name.to_string(), ..asked },
        None => asked,
    }
}

fn is_momentary(error: &BrokerError) -> bool {
    matches!(
        error,
        BrokerError::Refused(refusal) if refusal.kind == RefusalKind::TooManyConnections
    )
}

#[cfg(test)]
mod controls_tests;
