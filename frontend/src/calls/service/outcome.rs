//! What the end of a run says of its tool, for the tool's circuit breaker.
//!
//! A breaker is everybody's, so one caller's doing teaches it nothing: the time that he gave or did
//! not give, options that ask for more than there is time for, a run that he took back. What counts is
//! what the next caller would meet too.

use libc::{SIGABRT, SIGXCPU};
use probity_protocol::{Arguments, Call, End, ExitStatus, Exited, FailureKind, Target};

use crate::{
    broker::client::{BrokerError, Output, RunOutcome},
    calls::{
        control::breaker::Pass,
        published::registry::Published,
        result::{ToolResult, is_short_of_memory},
    },
    output::progress,
};

/// What the end of a run says of its tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It ran to its end and has a result, whatever its exit code: a host that is down is an answer.
    Success,
    /// It could not start, crashed, was killed by its sandbox, or used up its own time.
    Failure,
    /// Nothing: it did not come to run, somebody else ended it, its caller asked for too much, or it
    /// complained of what it was asked to do and did nothing.
    Nothing,
}

/// What of a run's length is its caller's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    /// Less time than the tool's own.
    less_time: bool,
    /// Other options than the tool's defaults, or more hosts than one.
    more_work: bool,
}

impl Choice {
    /// What a call of this tool chooses.
    pub(super) fn of(call: &Call, tool: Published<'_>) -> Self {
        let has_options = match &call.arguments {
            Arguments::Given { preset, options, tokens } => {
                preset.is_some() || !options.is_empty() || !tokens.is_empty()
            }
            Arguments::Malformed(_) => false,
        };
        Self {
            less_time: call.limits.timeout.is_some_and(|asked| asked < tool.entry.timeout),
            more_work: has_options || matches!(call.target.canonical(), Target::Network(_)),
        }
    }

    /// Whether a run that was out of time, or of memory, says nothing of its tool.
    fn explains(self, (output, exited): &(Output, Exited), parser: Option<&str>) -> bool {
        let plan = &output.started.plan;
        let takes_longer = || progress::takes_longer(parser, plan, &output.stdout);
        match is_out_of_time(exited) {
            true => self.less_time || self.more_work && takes_longer(),
            false => self.more_work && is_out_of_memory(output, exited),
        }
    }
}

impl Outcome {
    pub(super) fn of(
        outcome: &Result<RunOutcome, BrokerError>,
        choice: Option<Choice>,
        parser: Option<&str>,
    ) -> Self {
        match outcome {
            Ok(RunOutcome::Finished(run)) => match Self::of_run(&run.1) {
                // RULE: Nothing that a caller chose opens a circuit breaker.
                Self::Failure if choice.is_some_and(|it| it.explains(run, parser)) => Self::Nothing,
                other => other,
            },
            Ok(RunOutcome::Failed(failure)) => match failure.kind {
                FailureKind::NotFound | FailureKind::Sandbox | FailureKind::Resources => {
                    Self::Failure
                }
                // The broker refuses every call of every tool then.
                FailureKind::Audit => Self::Nothing,
            },
            Ok(RunOutcome::Denied(_) | RunOutcome::NotApproved(_) | RunOutcome::Busy(_)) => {
                Self::Nothing
            }
            // A broker that is away or was lost says nothing of this tool: it takes all with it.
            Err(_) => Self::Nothing,
        }
    }

    fn of_run(exited: &Exited) -> Self {
        match (exited.end, exited.status) {
            (End::Finished, ExitStatus::Code(_)) => Self::Success,
            (End::Finished, ExitStatus::Signal(_)) | (End::TimedOut | End::SandboxViolation, _) => {
                Self::Failure
            }
            (End::Cancelled | End::ShuttingDown, _) => Self::Nothing,
        }
    }

    /// What is left of it where the run gave this. Whoever asks for what a tool does not do learns
    /// neither that it works nor that it does not.
    pub(super) fn in_view_of(self, result: &ToolResult) -> Self {
        match self {
            Self::Success if result.is_complaint() => Self::Nothing,
            other => other,
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

/// By the clock, or by the processor's: the limit of that is made from the same time.
fn is_out_of_time(exited: &Exited) -> bool {
    exited.end == End::TimedOut || exited.status == ExitStatus::Signal(SIGXCPU)
}

/// A C++ program that may have no more ends so.
fn is_out_of_memory(output: &Output, exited: &Exited) -> bool {
    exited.status == ExitStatus::Signal(SIGABRT)
        && is_short_of_memory(&String::from_utf8_lossy(&output.stderr))
}

#[cfg(test)]
#[path = "outcome_tests.rs"]
mod tests;
