//! The figures as JSON: of the same series as the text.

use std::collections::BTreeMap;

use prometheus::proto::{Metric, MetricFamily, MetricType};
use serde::Serialize;
use utoipa::ToSchema;

/// Every figure.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MetricsReport {
    /// How busy the machine is.
    pub system: Load,
    /// By the tool's name; `_unknown` for names that are no tool's.
    pub tools: BTreeMap<String, ToolFigures>,
    /// Every other counter, by its name in the text form.
    pub counters: BTreeMap<String, Vec<Count>>,
    /// Everything else that is timed, by its name in the text form.
    pub timings: BTreeMap<String, Timing>,
    /// This program's version.
    pub version: &'static str,
}

/// How busy the machine is, in percent, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, ToSchema)]
pub struct Load {
    /// Of all processors, since somebody looked before.
    pub cpu: Option<f64>,
    /// Of the memory that this process could have.
    pub memory: Option<f64>,
}

/// What is known of one tool.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct ToolFigures {
    /// Calls that were to run it, however they ended.
    pub executions: u64,
    /// Those that have a result.
    pub successes: u64,
    /// Those that failed, or ran out of time.
    pub failures: u64,
    /// Mean time of its runs, in seconds.
    pub avg_duration: f64,
    /// Runs under way.
    pub active: u64,
    /// Failures for which time was up.
    pub timeouts: u64,
    /// Calls that the policy denied.
    pub denied: u64,
    /// Calls that were not tried: no room, an open breaker, a disabled tool.
    pub rejected: u64,
    /// Calls that were taken back.
    pub cancelled: u64,
    /// Requests that were refused because there were too many.
    pub rate_limited: u64,
    /// Runs that were ended for a system call outside their sandbox.
    pub sandbox_violations: u64,
    /// Calls that wait for their turn.
    pub waiting: u64,
    /// Mean wait for a turn, in seconds.
    pub avg_queue_wait: f64,
    /// The circuit breaker's state, of a published tool.
    pub breaker: Option<&'static str>,
}

/// One series of a counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Count {
    /// What it is about.
    pub labels: BTreeMap<String, String>,
    /// How many.
    pub value: u64,
}

/// How long something took, all in all.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Timing {
    /// How often.
    pub count: u64,
    /// Mean time, in seconds.
    pub avg_seconds: f64,
}

impl MetricsReport {
    pub(super) fn new(system: Load, tools: BTreeMap<String, ToolFigures>) -> Self {
        let (counters, timings) = (BTreeMap::new(), BTreeMap::new());
        Self { system, tools, counters, timings, version: env!("CARGO_PKG_VERSION") }
    }

    /// Takes a series that is about no tool.
    pub(super) fn take(&mut self, family: &MetricFamily, metric: &Metric) {
        let name = family.name();
        match family.get_field_type() {
            MetricType::COUNTER => {
                let labels = metric.get_label().iter();
                let labels = labels.map(|pair| (pair.name().into(), pair.value().into())).collect();
                // The library keeps whole numbers as floats in its families.
                let count = Count { labels, value: metric.get_counter().get_value() as u64 };
                self.counters.entry(name.to_owned()).or_default().push(count);
            }
            MetricType::HISTOGRAM => {
                let histogram = metric.get_histogram();
                let count = histogram.get_sample_count();
                let avg_seconds = mean(count, histogram.get_sample_sum());
                self.timings.insert(name.to_owned(), Timing { count, avg_seconds });
            }
            _ => {}
        }
    }
}

/// The mean, which is 0 of nothing.
pub(super) fn mean(count: u64, sum: f64) -> f64 {
    if count == 0 { 0.0 } else { sum / count as f64 }
}

/// Which of our tools a series is about. Somebody else's labels are theirs.
pub(super) fn tool_of<'a>(family: &MetricFamily, metric: &'a Metric) -> Option<&'a str> {
    let is_ours = family.name().starts_with("mcp_") || family.name().starts_with("probity_");
    let label = metric.get_label().iter().find(|pair| pair.name() == "tool");
    label.filter(|_| is_ours).map(|pair| pair.value())
}
