//! A circuit breaker for each tool: one that keeps failing is left alone for a while, and then tried
//! with a single call.
//!
//! It counts runs and nothing else: a denial, a bad argument, a busy broker or a cancelled call is
//! neither failure nor success, and what a run says of its tool is decided elsewhere. It never decides
//! what may run, and it never ends a run. An open breaker whose time is up becomes half open when
//! somebody next looks at it. A half-open one does not wait for one caller's run longer than it was
//! open: then another call may try too.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::broadcast, time::Instant};

use crate::config::Thresholds;

/// What one who is refused because another call is trying may wait before asking again.
const WHILE_TRYING: Duration = Duration::from_secs(1);

/// Whether calls are let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// All are.
    Closed,
    /// None is, until its time is up.
    Open,
    /// One is, to see whether the tool works again.
    HalfOpen,
}

impl BreakerState {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// As it is written everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// How a breaker stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerStatus {
    /// The tool's name.
    pub tool: String,
    /// Whether calls are let through.
    pub state: BreakerState,
    /// Failures in a row, as far as they are counted.
    pub failures: u32,
    /// When it came into this state.
    pub since: Instant,
    /// How long it still refuses; none where it lets a call through.
    pub retry_after: Option<Duration>,
    /// Why the last failure was one.
    pub last_failure: Option<String>,
}

/// The breaker of one tool.
#[derive(Debug)]
pub struct Breaker {
    tool: String,
    inner: Mutex<Inner>,
    changes: broadcast::Sender<BreakerStatus>,
}

#[derive(Debug)]
struct Inner {
    thresholds: Thresholds,
    state: BreakerState,
    failures: u32,
    since: Instant,
    last_failure: Option<String>,
    /// When the call began that a half-open breaker waits for, and its number.
    trying: Option<(Instant, u64)>,
    /// Calls that were let through.
    passes: u64,
    /// Counts changes of state: what began under an earlier state says nothing of this one.
    epoch: u64,
}

/// A call that was let through. Dropped without a word, it counts for nothing.
#[derive(Debug)]
#[must_use = "dropping it says nothing of how the call went"]
pub struct Pass<'a> {
    breaker: &'a Breaker,
    epoch: u64,
    number: u64,
}

impl Breaker {
    /// A closed breaker, which tells `changes` of each change of its state.
    #[must_use]
    pub fn new(
        tool: &str,
        thresholds: Thresholds,
        changes: broadcast::Sender<BreakerStatus>,
    ) -> Self {
        let inner = Inner {
            thresholds,
            state: BreakerState::Closed,
            failures: 0,
            since: Instant::now(),
            last_failure: None,
            trying: None,
            passes: 0,
            epoch: 0,
        };
        Self { tool: tool.to_owned(), inner: Mutex::new(inner), changes }
    }

    /// Other thresholds hold from now on; what was counted stays.
    pub fn configure(&self, thresholds: Thresholds) {
        self.lock().thresholds = thresholds;
    }

    /// Lets a call through, or says how things stand where it does not.
    ///
    /// # Errors
    /// The status of an open breaker, and of a half-open one whose one call is under way.
    pub fn ask(&self) -> Result<Pass<'_>, BreakerStatus> {
        let mut inner = self.lock();
        self.advance(&mut inner);
        let number = inner.passes;
        match inner.state {
            BreakerState::Closed => {}
            BreakerState::HalfOpen if !inner.is_trying() => {
                inner.trying = Some((Instant::now(), number));
            }
            BreakerState::HalfOpen | BreakerState::Open => return Err(self.status_of(&inner)),
        }
        inner.passes += 1;
        Ok(Pass { breaker: self, epoch: inner.epoch, number })
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> BreakerStatus {
        let mut inner = self.lock();
        self.advance(&mut inner);
        self.status_of(&inner)
    }

    /// Closes it, whatever has happened. Reports whether it was not closed.
    pub fn reset(&self) -> bool {
        let mut inner = self.lock();
        let changed = inner.state != BreakerState::Closed;
        inner.failures = 0;
        inner.last_failure = None;
        if changed {
            self.enter(&mut inner, BreakerState::Closed);
        }
        changed
    }

    /// Opens the way for one call where an open one's time is up.
    fn advance(&self, inner: &mut Inner) {
        if inner.state == BreakerState::Open && inner.since.elapsed() >= inner.thresholds.recovery {
            self.enter(inner, BreakerState::HalfOpen);
        }
    }

    fn enter(&self, inner: &mut Inner, state: BreakerState) {
        inner.state = state;
        inner.since = Instant::now();
        inner.trying = None;
        inner.epoch += 1;
        let status = self.status_of(inner);
        log(&status);
        // Nobody needs to listen.
        let _ = self.changes.send(status);
    }

    fn status_of(&self, inner: &Inner) -> BreakerStatus {
        let recovery = inner.thresholds.recovery;
        BreakerStatus {
            tool: self.tool.clone(),
            state: inner.state,
            failures: inner.failures,
            since: inner.since,
            retry_after: match inner.state {
                BreakerState::Open => Some(recovery.saturating_sub(inner.since.elapsed())),
                BreakerState::HalfOpen if inner.is_trying() => Some(WHILE_TRYING),
                BreakerState::HalfOpen | BreakerState::Closed => None,
            },
            last_failure: inner.last_failure.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held, and it is whole at every moment.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Whether a half-open breaker waits for a call. Not for ever: the call may be one that takes an
    /// hour, and its caller is not to keep the tool from everybody.
    fn is_trying(&self) -> bool {
        self.trying.is_some_and(|(since, _)| since.elapsed() < self.thresholds.recovery)
    }
}

impl Pass<'_> {
    /// Whether the breaker has not changed since: one that opened while the call waited for its turn
    /// is to be asked again.
    #[must_use]
    pub fn still_holds(&self) -> bool {
        self.breaker.lock().epoch == self.epoch
    }

    /// The tool ran to its end.
    pub fn succeeded(self) {
        let mut inner = self.breaker.lock();
        if inner.epoch != self.epoch {
            return;
        }
        inner.failures = 0;
        inner.last_failure = None;
        if inner.state == BreakerState::HalfOpen {
            self.breaker.enter(&mut inner, BreakerState::Closed);
        }
    }

    /// The run failed, for this reason.
    pub fn failed(self, reason: &str) {
        let mut inner = self.breaker.lock();
        if inner.epoch != self.epoch {
            return;
        }
        inner.failures = inner.failures.saturating_add(1);
        inner.last_failure = Some(reason.to_owned());
        let is_probe = inner.state == BreakerState::HalfOpen;
        if is_probe || inner.failures >= inner.thresholds.failures {
            self.breaker.enter(&mut inner, BreakerState::Open);
        }
    }
}

impl Drop for Pass<'_> {
    /// A try that came to nothing leaves the way open for another.
    fn drop(&mut self) {
        let mut inner = self.breaker.lock();
        if inner.epoch == self.epoch && inner.trying.is_some_and(|(_, of)| of == self.number) {
            inner.trying = None;
        }
    }
}

/// What operators read of a breaker that has changed its state.
fn log(status: &BreakerStatus) {
    let BreakerStatus { tool, failures, last_failure, .. } = status;
    match status.state {
        BreakerState::Open => {
            let seconds = status.retry_after.map(|time| time.as_secs_f64());
            let reason = last_failure.as_deref();
            tracing::warn!(tool, failures, seconds, reason, "breaker.opened");
        }
        BreakerState::HalfOpen => tracing::info!(tool, failures, "breaker.half_open"),
        BreakerState::Closed => tracing::info!(tool, "breaker.closed"),
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
