//! Repaired calls of which the broker approved a moment ago.
//!
//! A client that makes the same mistake again and again is told the same each time. The broker counts
//! his refusals together, but writes a line for each approval: so it is not asked again at once, and
//! his mistakes leave no more lines than the broker itself allows a refusal that repeats.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use probity_protocol::{Call, Digest, encode};
use tokio::time::Instant;

/// As long as the broker counts a refusal that repeats.
const KEPT: Duration = Duration::from_secs(10);

/// Most that are remembered. Whoever makes as many different mistakes has a line for each.
const MOST: usize = 256;

/// What was approved, and when.
#[derive(Debug, Default)]
pub(super) struct Repaired(Mutex<VecDeque<(Vec<u8>, Instant)>>);

impl Repaired {
    /// Whether the policy with this digest approved of the call a moment ago.
    pub(super) fn knows(&self, policy: Digest, call: &Call) -> bool {
        let key = key(policy, call);
        let mut approved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        approved.retain(|(_, since)| since.elapsed() < KEPT);
        approved.iter().any(|(known, _)| *known == key)
    }

    /// Remembers that it did.
    pub(super) fn note(&self, policy: Digest, call: &Call) {
        let mut approved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        approved.push_back((key(policy, call), Instant::now()));
        if approved.len() > MOST {
            approved.pop_front();
        }
    }
}

/// What a decision depends on: nothing that only says whose call it is.
fn key(policy: Digest, call: &Call) -> Vec<u8> {
    encode(&(policy, &call.tool, &call.target, &call.arguments, &call.limits))
}

#[cfg(test)]
mod tests {
    use probity_protocol::{Arguments, CorrelationId, RequestedLimits, Target, ToolName};

    use super::*;

    fn call(target: &str, id: &str) -> Call {
        Call {
            tool: ToolName::new("ping").unwrap(),
            target: Target::parse(target),
            arguments: Arguments::default(),
            limits: RequestedLimits::default(),
            correlation_id: CorrelationId::new(id).unwrap(),
            client: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_call_is_known_for_a_moment_under_the_same_policy_whoever_asks() {
        let (repaired, policy) = (Repaired::default(), Digest([1; 32]));
        repaired.note(policy, &call("10.0.0.1", "a"));
        assert!(repaired.knows(policy, &call("10.0.0.1", "b")));
        assert!(!repaired.knows(policy, &call("10.0.0.2", "a")));
        assert!(!repaired.knows(Digest([2; 32]), &call("10.0.0.1", "a")));
        tokio::time::advance(KEPT).await;
        assert!(!repaired.knows(policy, &call("10.0.0.1", "a")));
    }

    #[tokio::test]
    async fn no_more_are_kept_than_that() {
        let (repaired, policy) = (Repaired::default(), Digest([1; 32]));
        for at in 0..2 * MOST {
            repaired.note(policy, &call(&format!("10.0.{}.{}", at / 250, at % 250), "a"));
        }
        assert_eq!(repaired.0.lock().unwrap().len(), MOST);
    }
}
