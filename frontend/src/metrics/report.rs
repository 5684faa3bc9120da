//! The figures as JSON, read from the same families as the text: both always say the same.

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
    pub breaker: Option<String>,
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

pub(super) fn of(families: &[MetricFamily], system: Load) -> MetricsReport {
    let mut report = MetricsReport {
        system,
        tools: BTreeMap::new(),
        counters: BTreeMap::new(),
        timings: BTreeMap::new(),
        version: env!("CARGO_PKG_VERSION"),
    };
    for family in families {
        for metric in family.get_metric() {
            report.take(family, metric);
        }
    }
    report
}

impl MetricsReport {
    fn take(&mut self, family: &MetricFamily, metric: &Metric) {
        let name = family.name();
        let ours = name.starts_with("mcp_") || name.starts_with("probity_");
        if let (true, Some(tool)) = (ours, label(metric, "tool")) {
            let figures = self.tools.entry(tool.to_owned()).or_default();
            figures.take(name, metric);
            return;
        }
        match family.get_field_type() {
            MetricType::COUNTER => {
                let labels = metric.get_label().iter();
                let labels = labels.map(|pair| (pair.name().into(), pair.value().into())).collect();
                let count = Count { labels, value: whole(metric.get_counter().get_value()) };
                self.counters.entry(name.to_owned()).or_default().push(count);
            }
            MetricType::HISTOGRAM => {
                let (count, avg_seconds) = mean(metric);
                self.timings.insert(name.to_owned(), Timing { count, avg_seconds });
            }
            _ => {}
        }
    }
}

impl ToolFigures {
    fn take(&mut self, family: &str, metric: &Metric) {
        let count = || whole(metric.get_counter().get_value());
        let level = || whole(metric.get_gauge().get_value());
        match family {
            "mcp_tool_execution_total" => {
                self.executions += count();
                match label(metric, "status") {
                    Some("success") => self.successes += count(),
                    Some("failure" | "timeout") => self.failures += count(),
                    Some("denied") => self.denied += count(),
                    Some("rejected") => self.rejected += count(),
                    Some("cancelled") => self.cancelled += count(),
                    _ => {}
                }
            }
            "mcp_tool_execution_duration_seconds" => self.avg_duration = mean(metric).1,
            "mcp_tool_active_executions" => self.active = level(),
            "mcp_tool_timeouts_total" => self.timeouts = count(),
            "mcp_circuit_breaker_state" if level() == 1 => {
                self.breaker = label(metric, "state").map(String::from);
            }
            "probity_rate_limited_requests_total" => self.rate_limited = count(),
            "probity_sandbox_violations_total" => self.sandbox_violations = count(),
            "probity_queue_waiting" => self.waiting = level(),
            "probity_queue_wait_seconds" => self.avg_queue_wait = mean(metric).1,
            _ => {}
        }
    }
}

fn label<'a>(metric: &'a Metric, name: &str) -> Option<&'a str> {
    metric.get_label().iter().find(|pair| pair.name() == name).map(|pair| pair.value())
}

/// How often, and the mean, which is 0 of nothing.
fn mean(metric: &Metric) -> (u64, f64) {
    let histogram = metric.get_histogram();
    let count = histogram.get_sample_count();
    let sum = histogram.get_sample_sum();
    (count, if count == 0 { 0.0 } else { sum / count as f64 })
}

/// The library keeps whole numbers as floats in its families.
fn whole(value: f64) -> u64 {
    value.max(0.0) as u64
}
