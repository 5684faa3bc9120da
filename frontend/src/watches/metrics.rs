//! What watches counted and measured, for Prometheus: `probity_watch_*`.
//!
//! The one label that anybody chooses is a watch's name, from the file alone: there are as many series as
//! there are watches, a thousand at most. Those of a watch that is gone go with it.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use prometheus::{
    Encoder as _, GaugeVec, HistogramVec, IntCounterVec, IntGaugeVec, Registry, TextEncoder,
    core::{MetricVec, MetricVecBuilder},
    proto::MetricFamily,
};

use super::{
    figures,
    name::WatchName,
    told::{Ran, Skip},
    watch::{MOST_WATCHES, Watch},
};
use crate::calls::observe::metrics::families::{counters, gauges, histograms, measures};

/// Upper bounds of a round trip, in seconds: 0.5 ms to 5 s.
const RTT_BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// The same of a run: 10 ms to 10 minutes.
const RUN_BUCKETS: &[f64] = &[0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 600.0];

const SUCCESS: &str = "success";
const FAILURE: &str = "failure";

/// What watches counted in this process.
#[derive(Debug)]
pub struct WatchMetrics {
    registry: Registry,
    /// Whose series there are.
    known: Mutex<BTreeSet<WatchName>>,
    runs: IntCounterVec,
    changes: IntCounterVec,
    skipped: IntCounterVec,
    last_run: GaugeVec,
    last_success: IntGaugeVec,
    durations: HistogramVec,
    rtt: HistogramVec,
    loss: GaugeVec,
    open_ports: IntGaugeVec,
}

impl Default for WatchMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl WatchMetrics {
    /// Nothing counted yet, and no watch known.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let watch = &["watch"];
        Self {
            known: Mutex::default(),
            runs: counters(
                &registry,
                "probity_watch_runs_total",
                "Runs of a watch, by whether they have a result.",
                &["watch", "result"],
            ),
            changes: counters(
                &registry,
                "probity_watch_changes_total",
                "Runs whose result differs from the one before.",
                watch,
            ),
            skipped: counters(
                &registry,
                "probity_watch_skipped_total",
                "Times that came to nothing: the run before had not ended, or nobody looked in time.",
                &["watch", "reason"],
            ),
            last_run: measures(
                &registry,
                "probity_watch_last_run_timestamp_seconds",
                "When the last run ended, in seconds since 1970.",
                watch,
            ),
            last_success: gauges(
                &registry,
                "probity_watch_last_success",
                "1 if the last run has a result, 0 if it has an error.",
                watch,
            ),
            durations: histograms(
                &registry,
                "probity_watch_duration_seconds",
                "How long runs took, from the call to its result.",
                RUN_BUCKETS,
                watch,
            ),
            rtt: histograms(
                &registry,
                "probity_watch_rtt_seconds",
                "Round trips to the target, one a run: the mean where there are several.",
                RTT_BUCKETS,
                watch,
            ),
            loss: measures(
                &registry,
                "probity_watch_loss_ratio",
                "Packets of the last run that were not answered, 0 to 1.",
                watch,
            ),
            open_ports: gauges(
                &registry,
                "probity_watch_open_ports",
                "Open ports that the last run found.",
                watch,
            ),
            registry,
        }
    }

    /// Makes the series of these watches, from 0 on, and removes those of all others. Of more than
    /// [`MOST_WATCHES`] only the first ones have any.
    pub fn keep<'a>(&self, names: impl IntoIterator<Item = &'a WatchName>) {
        let names: BTreeSet<WatchName> = names.into_iter().take(MOST_WATCHES).cloned().collect();
        let mut known = self.known();
        for gone in known.difference(&names) {
            self.forget(gone.as_str());
        }
        for new in names.difference(&known) {
            let name = new.as_str();
            for result in [SUCCESS, FAILURE] {
                self.runs.with_label_values(&[name, result]);
            }
            for reason in [Skip::Running, Skip::Late] {
                self.skipped.with_label_values(&[name, reason_of(reason)]);
            }
            self.changes.with_label_values(&[name]);
            self.durations.with_label_values(&[name]);
        }
        *known = names;
    }

    /// Counts and measures a run that ended at this time.
    pub fn ran(&self, watch: &Watch, ran: &Ran, at: Timestamp) {
        let known = self.known();
        if !known.contains(watch.name()) {
            return;
        }
        let name = &[watch.name().as_str()];
        let result = if ran.success { SUCCESS } else { FAILURE };
        self.runs.with_label_values(&[name[0], result]).inc();
        self.last_run.with_label_values(name).set(at.as_millisecond() as f64 / 1_000.0);
        self.last_success.with_label_values(name).set(i64::from(ran.success));
        self.durations.with_label_values(name).observe(ran.duration.as_secs_f64());
        if ran.changed.is_some() {
            self.changes.with_label_values(name).inc();
        }
        let figure = |figure: &str| {
            let figure = figures::named(watch.parser(), figure)?;
            figure.of(&ran.result)?.number()
        };
        if let Some(millis) = figure("rtt") {
            self.rtt.with_label_values(name).observe(millis / 1_000.0);
        }
        // What a run does not tell is not what the one before told.
        match figure("loss") {
            Some(percent) => self.loss.with_label_values(name).set(percent / 100.0),
            None => remove(&self.loss, name),
        }
        match figure("open_ports") {
            Some(ports) => self.open_ports.with_label_values(name).set(ports as i64),
            None => remove(&self.open_ports, name),
        }
    }

    /// Counts times that came to nothing.
    pub fn skipped(&self, watch: &Watch, reason: Skip, times: u64) {
        let known = self.known();
        if known.contains(watch.name()) {
            let labels = &[watch.name().as_str(), reason_of(reason)];
            self.skipped.with_label_values(labels).inc_by(times);
        }
    }

    /// Every series there is, to stand beside other families.
    #[must_use]
    pub fn families(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }

    /// The same in Prometheus' text form.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        // It writes to memory, and a family without a metric is not among them.
        let _ = TextEncoder::new().encode(&self.families(), &mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    fn forget(&self, name: &str) {
        for result in [SUCCESS, FAILURE] {
            remove(&self.runs, &[name, result]);
        }
        for reason in [Skip::Running, Skip::Late] {
            remove(&self.skipped, &[name, reason_of(reason)]);
        }
        remove(&self.changes, &[name]);
        remove(&self.last_run, &[name]);
        remove(&self.last_success, &[name]);
        remove(&self.durations, &[name]);
        remove(&self.rtt, &[name]);
        remove(&self.loss, &[name]);
        remove(&self.open_ports, &[name]);
    }

    fn known(&self) -> MutexGuard<'_, BTreeSet<WatchName>> {
        // Nothing panics while it is held.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes a series. One that is not there was never told of.
fn remove<T: MetricVecBuilder>(of: &MetricVec<T>, labels: &[&str]) {
    let _ = of.remove_label_values(labels);
}

const fn reason_of(reason: Skip) -> &'static str {
    match reason {
        Skip::Running => "running",
        Skip::Late => "late",
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
