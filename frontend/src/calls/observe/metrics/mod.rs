//! What is counted and timed, for Prometheus and as JSON.
//!
//! Everything is recorded where the service is done with a call, so that each way in counts alike.
//! Labels come from closed sets: tools by the name that the catalog has, codes and states from their
//! enums, and custom counters from what was declared. Nothing that a caller sends makes a series.

mod configured;
mod custom;
pub(crate) mod families;
mod report;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use probity_protocol::DenialCode;
use prometheus::{
    Encoder as _, Histogram, HistogramVec, IntCounterVec, IntGaugeVec, Registry, TEXT_FORMAT,
    TextEncoder,
    proto::{Metric, MetricFamily},
};

use self::configured::Configured;
pub use crate::config::{CounterError, Label};

pub use self::{
    custom::CustomCounter,
    report::{Count, Load, MetricsReport, Timing, ToolFigures},
};
use self::{
    families::{counters, gauges, histogram, histograms},
    report::{mean, tool_of},
};
use crate::{
    calls::{
        control::Controls,
        observe::health::HealthReport,
        published::registry::{Listing, Published},
        result::{APPROVAL_EXPIRED, ErrorType, NOT_APPROVED, ToolResult},
    },
    config::CounterSettings,
};

/// The media type of the text form.
pub const TEXT: &str = TEXT_FORMAT;

/// What every name that is no tool's counts as. No tool can be called that: names that begin so are
/// not loaded.
pub const UNKNOWN_TOOL: &str = "_unknown";

/// Upper bounds for the time of a run, in seconds: 1 ms to 1 h.
const RUN_BUCKETS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    120.0, 300.0, 600.0, 1800.0, 3600.0,
];

/// The same for an answer of the broker's, which decides in microseconds.
const ANSWER_BUCKETS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0,
    10.0,
];

/// How a call that was to run a tool ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It has a result.
    Success,
    /// The tool failed, or the broker did.
    Failure,
    /// Its time was up.
    Timeout,
    /// The policy said no.
    Denied,
    /// It was not tried: no room, an open breaker, a disabled tool.
    Rejected,
    /// The client took it back, or left.
    Cancelled,
}

/// Which tools are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tools {
    /// Every one that was ever counted.
    All,
    /// Those of the listing only: for somebody who is not to know of others.
    Listed,
}

impl Status {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Success,
        Self::Failure,
        Self::Timeout,
        Self::Denied,
        Self::Rejected,
        Self::Cancelled,
    ];

    /// As the label has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Timeout => "timeout",
            Self::Denied => "denied",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
        }
    }

    /// How a call with this result ended.
    #[must_use]
    pub fn of(result: &ToolResult) -> Self {
        if result.is_cancelled() {
            return Self::Cancelled;
        }
        match result.error_type {
            None => Self::Success,
            Some(ErrorType::Timeout) => Self::Timeout,
            Some(_) if result.denial_code().is_some() => Self::Denied,
            Some(
                ErrorType::CircuitBreakerOpen | ErrorType::Disabled | ErrorType::ResourceExhausted,
            ) => Self::Rejected,
            Some(_) => Self::Failure,
        }
    }
}

/// What is counted and timed in this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    executions: IntCounterVec,
    durations: HistogramVec,
    active: IntGaugeVec,
    timeouts: IntCounterVec,
    denials: IntCounterVec,
    rate_limited: IntCounterVec,
    violations: IntCounterVec,
    queue_waits: HistogramVec,
    round_trips: Histogram,
    configured: Vec<Configured>,
    controls: Arc<Controls>,
    more: More,
}

/// Families of somebody else's, gathered when the text is asked for.
#[derive(Default)]
struct More(OnceLock<Gatherer>);

type Gatherer = Box<dyn Fn() -> Vec<MetricFamily> + Send + Sync>;

impl fmt::Debug for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("More").field(&self.0.get().is_some()).finish()
    }
}

impl Metrics {
    /// Nothing counted yet. How breakers and lines stand is read from `controls`.
    #[must_use]
    pub fn with(counters_of_the_file: &[CounterSettings], controls: &Arc<Controls>) -> Self {
        let registry = Registry::new();
        // Those that cannot be were left out when the file was read.
        let configured = counters_of_the_file.iter();
        let configured =
            configured.filter_map(|settings| Configured::new(&registry, settings).ok()).collect();
        let tool = &["tool"];
        let metrics = Self {
            executions: counters(
                &registry,
                "mcp_tool_execution_total",
                "Calls that were to run a tool, by how they ended.",
                &["tool", "status"],
            ),
            durations: histograms(
                &registry,
                "mcp_tool_execution_duration_seconds",
                "How long tools ran.",
                RUN_BUCKETS,
                tool,
            ),
            active: gauges(
                &registry,
                "mcp_tool_active_executions",
                "Runs under way: those whose turn has come and that have not ended.",
                tool,
            ),
            timeouts: counters(
                &registry,
                "mcp_tool_timeouts_total",
                "Runs that were ended because their time was up.",
                tool,
            ),
            denials: counters(
                &registry,
                "probity_denials_total",
                "Calls and checks that the policy denied, by code.",
                &["code"],
            ),
            rate_limited: counters(
                &registry,
                "probity_rate_limited_requests_total",
                "Requests that were refused because there were too many.",
                tool,
            ),
            violations: counters(
                &registry,
                "probity_sandbox_violations_total",
                "Runs that were ended for a system call outside their sandbox.",
                tool,
            ),
            queue_waits: histograms(
                &registry,
                "probity_queue_wait_seconds",
                "How long calls waited here for their turn.",
                RUN_BUCKETS,
                tool,
            ),
            round_trips: histogram(
                &registry,
                "probity_broker_round_trip_seconds",
                "From connecting to the broker to its welcome.",
                ANSWER_BUCKETS,
            ),
            configured,
            controls: Arc::clone(controls),
            more: More::default(),
            registry,
        };
        let build = gauges(
            &metrics.registry,
            "probity_build_info",
            "Which version this is; always 1.",
            &["version"],
        );
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let codes = DenialCode::ALL.map(DenialCode::as_str);
        for code in codes.into_iter().chain([NOT_APPROVED, APPROVAL_EXPIRED]) {
            metrics.denials.with_label_values(&[code]);
        }
        metrics
    }

    /// Where the broker's client notes how long its welcome took.
    pub(crate) fn round_trips(&self) -> Histogram {
        self.round_trips.clone()
    }

    /// Follows a call that is to run a tool, until it has a result or is dropped. `tool` is the
    /// catalog's name, or [`UNKNOWN_TOOL`].
    pub(crate) fn execution<'a>(&'a self, tool: &'a str) -> Execution<'a> {
        Execution { metrics: self, tool, is_active: false, has_ended: false }
    }

    /// Notes what became of a call or a check.
    pub(crate) fn finished(&self, tool: &str, result: &ToolResult, listing: &Listing) {
        if let Some(code) = result.denial_code() {
            self.denials.with_label_values(&[code]).inc();
        }
        // Nothing was run: the run that a kept result is of was counted when it was.
        if result.dry_run || result.is_cached() {
            return;
        }
        self.count(tool, Status::of(result));
        let own = self.configured.iter();
        own.filter(|counter| listing.name_of(counter.tool()) == Some(tool))
            .for_each(|counter| counter.count(result));
        if result.timed_out {
            self.timeouts.with_label_values(&[tool]).inc();
        }
        if result.error_type == Some(ErrorType::SandboxViolation) {
            self.violations.with_label_values(&[tool]).inc();
        }
        if result.returncode.is_some() || result.signal.is_some() {
            self.durations.with_label_values(&[tool]).observe(result.execution_time);
        }
    }

    /// Notes how long a call waited for its turn.
    pub(crate) fn waited(&self, tool: &str, time: Duration) {
        self.queue_waits.with_label_values(&[tool]).observe(time.as_secs_f64());
    }

    /// Notes that a request for a tool, by its catalog's name, was refused for there being too many.
    pub fn rate_limited(&self, tool: &str, listing: &Listing) {
        let tool = listing.name_of(tool).unwrap_or(UNKNOWN_TOOL);
        self.rate_limited.with_label_values(&[tool]).inc();
    }

    /// Adds a counter of somebody else's, which shows in both forms.
    ///
    /// # Errors
    /// [`CounterError`] for a name that is taken or is none, and for labels that are not closed sets
    /// of a sensible size.
    pub fn register_counter(
        &self,
        name: &str,
        help: &str,
        labels: &[Label<'_>],
    ) -> Result<CustomCounter, CounterError> {
        custom::register(&self.registry, name, help, labels)
    }

    /// Shows these families in the text, too, for whoever may see every tool's. The first to ask for it has it.
    pub fn also(&self, families: impl Fn() -> Vec<MetricFamily> + Send + Sync + 'static) {
        let _ = self.more.0.set(Box::new(families));
    }

    /// The text that Prometheus reads. `health` has no check that is not to be shown.
    #[must_use]
    pub fn text(&self, listing: &Listing, tools: Tools, health: &HealthReport) -> String {
        let mut families = self.gather(listing, tools);
        families.extend(families::health(health));
        if let Some(more) = self.more.0.get().filter(|_| tools == Tools::All) {
            families.extend(more());
        }
        families.sort_by(|a, b| a.name().cmp(b.name()));
        let mut text = Vec::new();
        // It writes to memory, and a family without a metric is not among them.
        let _ = TextEncoder::new().encode(&families, &mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    /// The same as JSON, with how busy the machine is.
    #[must_use]
    pub fn report(&self, listing: &Listing, tools: Tools, system: Load) -> MetricsReport {
        let families = self.gather(listing, tools);
        let series = || families.iter().flat_map(|of| of.get_metric().iter().map(move |m| (of, m)));
        let names: BTreeSet<&str> =
            series().filter_map(|(of, metric)| tool_of(of, metric)).collect();
        let figures = |name: &str| (name.to_owned(), self.figures(name, listing));
        let mut report = MetricsReport::new(system, names.into_iter().map(figures).collect());
        for (family, metric) in series().filter(|(of, metric)| tool_of(of, metric).is_none()) {
            report.take(family, metric);
        }
        report
    }

    /// What is known of one tool, by the catalog's name.
    #[must_use]
    pub fn figures(&self, name: &str, listing: &Listing) -> ToolFigures {
        let count = |counters: &IntCounterVec| counters.with_label_values(&[name]).get();
        let ended =
            |status: Status| self.executions.with_label_values(&[name, status.as_str()]).get();
        let mean = |times: &HistogramVec| {
            let times = times.with_label_values(&[name]);
            mean(times.get_sample_count(), times.get_sample_sum())
        };
        let active = self.active.with_label_values(&[name]).get();
        let control = listing.tool(name).map(|tool| self.controls.of(tool));
        ToolFigures {
            executions: Status::ALL.into_iter().map(ended).sum(),
            successes: ended(Status::Success),
            failures: ended(Status::Failure) + ended(Status::Timeout),
            avg_duration: mean(&self.durations),
            active: u64::try_from(active).unwrap_or_default(),
            timeouts: count(&self.timeouts),
            denied: ended(Status::Denied),
            rejected: ended(Status::Rejected),
            cancelled: ended(Status::Cancelled),
            rate_limited: count(&self.rate_limited),
            sandbox_violations: count(&self.violations),
            waiting: control.as_ref().map_or(0, |tool| tool.gate.load().1 as u64),
            avg_queue_wait: mean(&self.queue_waits),
            breaker: control.map(|tool| tool.breaker.status().state.as_str()),
        }
    }

    /// Everything, with each published tool there from the start: a rate can only be made of a
    /// counter that was seen at 0.
    fn gather(&self, listing: &Listing, tools: Tools) -> Vec<MetricFamily> {
        for tool in listing.tools() {
            self.expect(tool);
        }
        let mut families = self.registry.gather();
        families.extend(families::standing(listing, &self.controls));
        if tools == Tools::Listed {
            for family in &mut families {
                let is_shown = |metric: &Metric| {
                    tool_of(family, metric).is_none_or(|tool| listing.name_of(tool).is_some())
                };
                let shown = family.get_metric().iter().filter(|metric| is_shown(metric)).cloned();
                let shown: Vec<Metric> = shown.collect();
                family.set_metric(shown);
            }
            let is_hidden = |counter: &&Configured| listing.name_of(counter.tool()).is_none();
            for counter in self.configured.iter().filter(is_hidden) {
                families.retain(|family| family.name() != counter.name());
            }
            families.retain(|family| !family.get_metric().is_empty());
        }
        families
    }

    fn expect(&self, tool: Published<'_>) {
        let tool = &[tool.entry.name.as_str()];
        for status in Status::ALL {
            self.executions.with_label_values(&[tool[0], status.as_str()]);
        }
        self.durations.with_label_values(tool);
        self.active.with_label_values(tool);
        self.timeouts.with_label_values(tool);
        self.rate_limited.with_label_values(tool);
        self.violations.with_label_values(tool);
        self.queue_waits.with_label_values(tool);
    }

    fn count(&self, tool: &str, status: Status) {
        self.executions.with_label_values(&[tool, status.as_str()]).inc();
    }
}

/// A call that is to run a tool. Dropped before its end, it counts as cancelled.
#[must_use = "dropping it counts the call as cancelled"]
pub(crate) struct Execution<'a> {
    metrics: &'a Metrics,
    tool: &'a str,
    is_active: bool,
    has_ended: bool,
}

impl Execution<'_> {
    /// Its turn has come.
    pub(crate) fn started(&mut self) {
        if !std::mem::replace(&mut self.is_active, true) {
            self.metrics.active.with_label_values(&[self.tool]).inc();
        }
    }

    /// There is a result, which is counted as [`Metrics::finished`] has it.
    pub(crate) fn ended(mut self) {
        self.has_ended = true;
    }
}

impl Drop for Execution<'_> {
    fn drop(&mut self) {
        if self.is_active {
            self.metrics.active.with_label_values(&[self.tool]).dec();
        }
        if !self.has_ended {
            self.metrics.count(self.tool, Status::Cancelled);
        }
    }
}

#[cfg(test)]
mod tests;
