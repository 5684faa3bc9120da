//! Families of metrics: those that count, made once, and those that only tell how things stand, made
//! anew each time somebody looks, so that a tool that is gone leaves nothing behind.

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
    core::Collector, proto::MetricFamily,
};

use crate::calls::{
    control::{Controls, breaker::BreakerState},
    observe::health::{HealthReport, State},
    published::registry::Listing,
};

/// Names and labels are this program's own: a test makes them all.
const VALID: &str = "every name and label is valid, and no name is given twice";

pub(crate) fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> IntCounterVec {
    registered(registry, IntCounterVec::new(Opts::new(name, help), labels).expect(VALID))
}

pub(crate) fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    registered(registry, gauges_apart(name, help, labels))
}

/// Gauges of what is no whole number.
pub(crate) fn measures(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    registered(registry, GaugeVec::new(Opts::new(name, help), labels).expect(VALID))
}

pub(crate) fn histograms(
    registry: &Registry,
    name: &str,
    help: &str,
    buckets: &[f64],
    labels: &[&str],
) -> HistogramVec {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    registered(registry, HistogramVec::new(options, labels).expect(VALID))
}

pub(super) fn histogram(registry: &Registry, name: &str, help: &str, buckets: &[f64]) -> Histogram {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    registered(registry, Histogram::with_opts(options).expect(VALID))
}

/// How breakers and lines stand now.
pub(super) fn standing(listing: &Listing, controls: &Controls) -> Vec<MetricFamily> {
    let breakers = gauges_apart(
        "mcp_circuit_breaker_state",
        "1 for the state that a tool's circuit breaker is in, 0 for the others.",
        &["tool", "state"],
    );
    let waiting =
        gauges_apart("probity_queue_waiting", "Calls that wait here for their turn.", &["tool"]);
    for tool in listing.tools() {
        let name = tool.entry.name.as_str();
        let control = controls.of(tool);
        let now = control.breaker.status().state;
        for state in BreakerState::ALL {
            breakers.with_label_values(&[name, state.as_str()]).set(i64::from(state == now));
        }
        let (_, in_line) = control.gate.load();
        waiting.with_label_values(&[name]).set(i64::try_from(in_line).unwrap_or(i64::MAX));
    }
    let families = [breakers, waiting].into_iter().flat_map(|gauges| gauges.collect());
    families.filter(|family| !family.get_metric().is_empty()).collect()
}

/// What each check of this server's health found.
pub(super) fn health(report: &HealthReport) -> Vec<MetricFamily> {
    let checks = gauges_apart(
        "probity_health_check",
        "What a check of this server's health found: 0 healthy, 1 degraded, 2 unhealthy.",
        &["check"],
    );
    for found in &report.checks {
        let state = match found.status {
            State::Healthy => 0,
            State::Degraded => 1,
            State::Unhealthy => 2,
        };
        checks.with_label_values(&[found.name.as_str()]).set(state);
    }
    checks.collect().into_iter().filter(|family| !family.get_metric().is_empty()).collect()
}

fn gauges_apart(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    IntGaugeVec::new(Opts::new(name, help), labels).expect(VALID)
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    registry.register(Box::new(collector.clone())).expect(VALID);
    collector
}
