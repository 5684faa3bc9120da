//! Whether this server can do its work, told by checks that anybody can add to.
//!
//! A check looks and says what it found; how long it may look, what becomes of one that panics, and
//! when it was asked are not its business. Nothing here mends anything, and nothing is looked at
//! before somebody asks.

mod broker;
mod configured;
pub(in crate::calls) mod history;
mod machine;
mod monitor;
mod recent;
mod tools;

use std::{borrow::Cow, pin::Pin, time::Duration};

use serde::Serialize;
use utoipa::ToSchema;

pub use crate::config::{Priority, USUAL_TIMEOUT};

pub use self::{configured::Configured, machine::Machine, monitor::Monitor};

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Healthy,
    /// Not as it should be, and calls are served all the same.
    Degraded,
    /// Calls cannot be served.
    Unhealthy,
}

impl State {
    /// As it is written everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }

    /// The HTTP status that says so.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Healthy => 200,
            Self::Degraded => 207,
            Self::Unhealthy => 503,
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it is.
    pub state: State,
    /// What there is to say, in a sentence, and what to do about it.
    pub message: String,
}

impl Finding {
    /// As it should be.
    #[must_use]
    pub fn healthy(message: impl Into<String>) -> Self {
        Self { state: State::Healthy, message: message.into() }
    }

    /// Not as it should be.
    #[must_use]
    pub fn degraded(message: impl Into<String>) -> Self {
        Self { state: State::Degraded, message: message.into() }
    }

    /// Calls cannot be served.
    #[must_use]
    pub fn unhealthy(message: impl Into<String>) -> Self {
        Self { state: State::Unhealthy, message: message.into() }
    }
}

/// A look that is under way.
pub type Looking<'a> = Pin<Box<dyn Future<Output = Finding> + Send + 'a>>;

/// Something to look at.
pub trait HealthCheck: Send + Sync {
    /// Its name, in the report and in events.
    fn name(&self) -> Cow<'_, str>;

    /// How much depends on it.
    fn priority(&self) -> Priority;

    /// How long it may take; after that it counts as unhealthy.
    fn timeout(&self) -> Duration {
        USUAL_TIMEOUT
    }

    /// Looks. It shares a thread with everything else, so it never blocks, and it may be dropped at
    /// any moment.
    fn check(&self) -> Looking<'_>;
}

/// How this server is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HealthReport {
    /// As the worst of the checks has it.
    pub status: State,
    /// When the checks were over, in RFC 3339.
    pub timestamp: String,
    /// The checks, the most important first, then by name.
    pub checks: Vec<CheckReport>,
}

/// How a check went.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CheckReport {
    /// What was looked at.
    pub name: String,
    /// What was found.
    pub status: State,
    /// How much depends on it: 1 (everything) to 5 (nothing).
    pub priority: u8,
    /// The same by name: `CRITICAL`, `HIGH`, `MEDIUM`, `LOW`, `INFORMATIONAL`.
    pub priority_name: &'static str,
    /// What there is to say.
    pub message: String,
    /// When it was over, in RFC 3339.
    pub timestamp: String,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
}

impl HealthReport {
    fn new(mut checks: Vec<CheckReport>) -> Self {
        checks.sort_by(|a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
        let status = checks.iter().map(|check| check.status).max().unwrap_or(State::Healthy);
        Self { status, timestamp: now(), checks }
    }

    /// The same without the checks of tools that `covers` does not have.
    #[must_use]
    pub fn narrowed(&self, covers: impl Fn(&str) -> bool) -> Self {
        let is_shown = |check: &&CheckReport| {
            let tool = ["tool.", "breaker."].iter().find_map(|of| check.name.strip_prefix(of));
            tool.is_none_or(&covers)
        };
        let checks = self.checks.iter().filter(is_shown).cloned().collect();
        Self { checks, ..self.clone() }
    }

    /// A check by its name.
    #[must_use]
    pub fn check(&self, name: &str) -> Option<&CheckReport> {
        self.checks.iter().find(|check| check.name == name)
    }
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests;
