//! What every way in has in common: list, check and run.
//!
//! [`Service`] holds what calls share; `call.rs` is the way of one. The broker's word is final: what is
//! refused here is put to it all the same, for its log and for its verdict, and nothing is approved
//! here at all.

mod background;
mod call;
mod kept;
mod limits;
mod news;
mod outcome;
mod refusal;
mod repaired;
pub(crate) mod turned_away;

use std::sync::Arc;

use probity_history::Owner;
use probity_protocol::{Catalog, ClientLabel, Tier};
use serde_json::{Map, Value, json};
use tokio::sync::{broadcast, watch};

pub use self::{
    background::{Lifetime, OwnedAsking},
    news::{RunEnd, RunNews},
};
use self::{news::News, repaired::Repaired};
use crate::{
    broker::{client::Broker, resolve::Resolver},
    calls::{
        control::{
            Control, Controls, breaker::BreakerStatus, cache::Cleared, gate::ClientKey,
            limiter::Limiter,
        },
        observe::{
            call_events as events,
            health::{HealthCheck, HealthReport, Machine, Monitor, history},
            metrics::{Load, Metrics, MetricsReport, Tools, UNKNOWN_TOOL},
            trace::{TraceContext, Tracer},
        },
        published::registry::{Listing, NoSuchTool, Published, Registry},
        result::ToolResult,
        runs::{Live, Recorded, Runs},
    },
    config::Config,
};

/// The operations, with one broker behind them.
pub struct Service {
    broker: Broker,
    resolver: Resolver,
    config: Arc<Config>,
    registry: Arc<Registry>,
    controls: Arc<Controls>,
    metrics: Metrics,
    tracer: Tracer,
    machine: Arc<Machine>,
    health: Monitor,
    limiter: Limiter,
    news: News,
    runs: Arc<Runs>,
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
    /// Whose the run is.
    pub owner: &'a Owner,
    /// The highest tier that this client may use; `None` leaves it to configuration and policy.
    pub tier: Option<Tier>,
    /// Which trace it is in, by its own word.
    pub trace: TraceContext<'a>,
    /// What it comes to is kept.
    pub kept: bool,
    /// The run that is to be, where nobody waits for it.
    pub(crate) live: Option<&'a Arc<Live>>,
}

impl<'a> Asking<'a> {
    /// What is written down of it.
    fn recorded(self) -> Recorded<'a> {
        let Self { owner, client, arguments, kept, live, .. } = self;
        Recorded { owner, client, arguments, kept, live }
    }

    /// A call of this process's own user, who waits for it.
    #[must_use]
    pub fn own(tool: &'a str, arguments: &'a Map<String, Value>, owner: &'a Owner) -> Self {
        Self {
            tool,
            arguments,
            client: None,
            session: ClientKey::ONLY,
            owner,
            tier: None,
            trace: TraceContext::default(),
            kept: true,
            live: None,
        }
    }
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
        let tracer = Tracer::to(config.telemetry.otlp.as_ref());
        let machine = Arc::new(Machine::default());
        let health = Monitor::new(broker.clone(), &registry, &controls, &machine, &config.health);
        let limiter = Limiter::new(config.http.rate);
        let news = News::new();
        let runs = Arc::new(Runs::in_memory(None));
        let repaired = Repaired::default();
        Self {
            broker,
            resolver,
            config,
            registry,
            controls,
            metrics,
            tracer,
            machine,
            health,
            limiter,
            news,
            runs,
            repaired,
        }
    }

    /// The same, with its runs kept there.
    #[must_use]
    pub fn keeping(self, runs: Runs) -> Self {
        let runs = Arc::new(runs);
        let health = match history::check(&runs) {
            Some(check) => self.health.including(check),
            None => self.health,
        };
        Self { runs, health, ..self }
    }

    /// The runs that one can come back to.
    #[must_use]
    pub fn runs(&self) -> &Arc<Runs> {
        &self.runs
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

#[cfg(test)]
mod controls_tests;
