//! The published tools: whether each can run here, and how its circuit breaker stands. Neither takes a
//! server out of service: the other tools work.

use std::{borrow::Cow, sync::Arc};

use probity_output::clean::clean_str;
use probity_protocol::Availability;

use super::{Finding, HealthCheck, Looking, Priority};
use crate::calls::{
    control::{
        Controls,
        breaker::{BreakerState, BreakerStatus},
    },
    published::registry::Listing,
};

pub(super) fn checks(listing: &Listing, controls: &Controls) -> Vec<Arc<dyn HealthCheck>> {
    let mut checks: Vec<Arc<dyn HealthCheck>> = vec![];
    for tool in listing.tools() {
        let name = tool.entry.name.to_string();
        let availability = tool.entry.availability.clone();
        checks.push(Arc::new(ToolCheck { name, availability }));
        checks.push(Arc::new(BreakerCheck(controls.of(tool).breaker.status())));
    }
    checks
}

struct ToolCheck {
    name: String,
    availability: Availability,
}

impl HealthCheck for ToolCheck {
    fn name(&self) -> Cow<'_, str> {
        format!("tool.{}", self.name).into()
    }

    fn priority(&self) -> Priority {
        Priority::Medium
    }

    fn check(&self) -> Looking<'_> {
        Box::pin(async {
            match &self.availability {
                Availability::Available => Finding::healthy("it can run"),
                Availability::Unavailable { reason, remedy } => {
                    Finding::degraded(format!("{reason} {remedy}"))
                }
            }
        })
    }
}

struct BreakerCheck(BreakerStatus);

impl HealthCheck for BreakerCheck {
    fn name(&self) -> Cow<'_, str> {
        format!("breaker.{}", self.0.tool).into()
    }

    fn priority(&self) -> Priority {
        Priority::Informational
    }

    fn check(&self) -> Looking<'_> {
        Box::pin(async {
            let BreakerStatus { state, failures, last_failure, .. } = &self.0;
            let reason = last_failure.as_deref().unwrap_or("no reason is known");
            let reason = clean_str(reason);
            match state {
                BreakerState::Closed => Finding::healthy("closed"),
                BreakerState::Open => Finding::degraded(format!(
                    "open after {failures} failures in a row, the last: {reason}"
                )),
                BreakerState::HalfOpen => Finding::degraded(format!(
                    "half open after {failures} failures in a row: one call may try it; the last: {reason}"
                )),
            }
        })
    }
}
