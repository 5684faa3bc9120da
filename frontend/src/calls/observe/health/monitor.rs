//! Asks the checks, all at once, and makes their findings a report.
//!
//! A check that takes too long or panics has failed, and nothing else has. Reports stay good for a
//! second and are made once for all who ask, so that a flood of probes costs nothing.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt as _, future::join_all};
use tokio::time::{Instant, timeout};

use super::{
    CheckReport, Configured, Finding, HealthCheck, HealthReport, Machine, Priority, State,
    broker::{self, Pulse},
    machine, now,
    recent::Recent,
    tools,
};
use crate::{
    broker::client::Broker,
    calls::{control::Controls, published::registry::Registry},
    config::Health,
};

/// How long a report stays good.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// Every check, with what they found last.
pub struct Monitor {
    checks: Mutex<Vec<Arc<dyn HealthCheck>>>,
    /// Each tool has checks of its own, and tools come and go.
    registry: Arc<Registry>,
    controls: Arc<Controls>,
    report: Recent<Arc<HealthReport>>,
    /// By the check's name: a change is told of once.
    last: Mutex<HashMap<String, State>>,
}

impl Monitor {
    /// The checks that are built in, and those of the configuration.
    #[must_use]
    pub fn new(
        broker: Broker,
        registry: &Arc<Registry>,
        controls: &Arc<Controls>,
        machine: &Arc<Machine>,
        settings: &Health,
    ) -> Self {
        // A check is not to wait for a broker that is away: that is its news.
        let pulse = Arc::new(Pulse::of(broker.waited_for(Duration::ZERO)));
        let mut checks = machine::checks(machine, settings);
        checks.extend(broker::checks(&pulse, registry));
        let configured = settings.checks.iter().cloned();
        checks.extend(configured.map(|check| Arc::new(Configured::new(check)) as _));
        Self {
            checks: Mutex::new(checks),
            registry: Arc::clone(registry),
            controls: Arc::clone(controls),
            report: Recent::new(GOOD_FOR),
            last: Mutex::default(),
        }
    }

    /// The same with one more.
    #[must_use]
    pub fn including(self, check: Arc<dyn HealthCheck>) -> Self {
        lock(&self.checks).push(check);
        self
    }

    /// Adds a check, in the place of one with the same name. It is asked from the next report on.
    pub async fn add(&self, check: Arc<dyn HealthCheck>) {
        {
            let mut checks = lock(&self.checks);
            checks.retain(|known| known.name() != check.name());
            checks.push(check);
        }
        self.report.forget().await;
    }

    /// How this server is, or was within the last second.
    pub async fn report(&self) -> Arc<HealthReport> {
        self.report.get(self.ask_all()).await
    }

    async fn ask_all(&self) -> Arc<HealthReport> {
        let mut checks = lock(&self.checks).clone();
        checks.extend(tools::checks(&self.registry.listing(), &self.controls));
        let report = HealthReport::new(join_all(checks.iter().map(ask)).await);
        self.tell_changes(&report);
        Arc::new(report)
    }

    fn tell_changes(&self, report: &HealthReport) {
        let mut last = lock(&self.last);
        last.retain(|name, _| report.check(name).is_some());
        for found in &report.checks {
            let before = last.insert(found.name.clone(), found.status).unwrap_or(State::Healthy);
            if before != found.status {
                tell(found);
            }
        }
    }
}

/// Asks one check.
pub(super) async fn ask(check: &Arc<dyn HealthCheck>) -> CheckReport {
    let (begun, limit) = (Instant::now(), check.timeout());
    // Made inside, so that a panic before its first await is caught too.
    let looking = AssertUnwindSafe(async { check.check().await }).catch_unwind();
    let mut found = match timeout(limit, looking).await {
        Ok(Ok(finding)) => finding,
        Ok(Err(_)) => Finding::unhealthy("the check itself failed, which is a fault in it"),
        Err(_) => Finding::unhealthy(format!("no answer within {} s", limit.as_secs_f64())),
    };
    let priority = check.priority();
    if priority == Priority::Informational {
        found.state = found.state.min(State::Degraded);
    }
    CheckReport {
        name: check.name().into_owned(),
        status: found.state,
        priority: priority as u8,
        priority_name: priority.as_str(),
        message: found.message,
        timestamp: now(),
        duration_ms: begun.elapsed().as_micros() as f64 / 1000.0,
    }
}

fn tell(found: &CheckReport) {
    let (check, priority, reason) = (&found.name, found.priority, &found.message);
    match found.status {
        State::Healthy => tracing::info!(check, priority, reason, "health.recovered"),
        State::Degraded => tracing::warn!(check, priority, reason, "health.degraded"),
        State::Unhealthy => tracing::error!(check, priority, reason, "health.unhealthy"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held, and what it holds is whole at every moment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
