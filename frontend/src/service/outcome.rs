//! What the end of a run says of its tool, for the tool's circuit breaker.

use probity_protocol::{End, ExitStatus, FailureKind};

use crate::{
    breaker::Pass,
    broker_client::{BrokerError, RunOutcome},
};

/// What the end of a run says of its tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It ran to its end, whatever its exit code: a host that is down is an answer.
    Success,
    /// It could not start, timed out, was killed, broke out of bounds, or took the broker with it.
    Failure,
    /// Nothing: it did not come to run, or somebody else ended it.
    Nothing,
}

impl Outcome {
    pub(super) fn of(outcome: &Result<RunOutcome, BrokerError>) -> Self {
        match outcome {
            Ok(RunOutcome::Finished(run)) => match (run.1.end, run.1.status) {
                (End::Finished, ExitStatus::Code(_)) => Self::Success,
                (End::Finished, ExitStatus::Signal(_))
                | (End::TimedOut | End::SandboxViolation, _) => Self::Failure,
                (End::Cancelled | End::ShuttingDown, _) => Self::Nothing,
            },
            Ok(RunOutcome::Failed(failure)) => match failure.kind {
                FailureKind::NotFound | FailureKind::Sandbox | FailureKind::Resources => {
                    Self::Failure
                }
                // The broker refuses every call of every tool then.
                FailureKind::Audit => Self::Nothing,
            },
            Ok(RunOutcome::Denied(_) | RunOutcome::Busy(_)) => Self::Nothing,
            Err(BrokerError::Lost(_)) => Self::Failure,
            // A broker that does not answer has not begun to run anything.
            Err(_) => Self::Nothing,
        }
    }

    /// Tells the breaker. `reason` is the result's error.
    pub(super) fn tell(self, pass: Pass<'_>, reason: Option<&str>) {
        match self {
            Self::Success => pass.succeeded(),
            Self::Failure => pass.failed(reason.unwrap_or("no reason is known")),
            Self::Nothing => drop(pass),
        }
    }
}
