//! What the way a run ended says about it.

use std::time::Duration;

use probity_protocol::{End, ExitStatus, Exited};

use super::ErrorType;

/// What is wrong with the way a run ended. A non-zero exit is an answer where the parser understood
/// the output: ping says 1 for a host that did not reply.
pub(super) fn error_of(
    exited: &Exited,
    limit: Duration,
    notice: Option<&str>,
    understood: bool,
) -> Option<(ErrorType, String, String)> {
    let look = "Look at stderr, correct the arguments and try again.";
    let (kind, message, suggestion) = match (exited.end, exited.status) {
        (End::TimedOut, _) => (
            ErrorType::Timeout,
            match notice {
                Some(notice) => format!("the tool was ended at its time limit: {notice}"),
                None => {
                    format!("the tool was ended after its time limit of {} s", limit.as_secs_f64())
                }
            },
            "Give it more time (`--timeout SECONDS` with probity call, `timeout_sec` over MCP and \
             HTTP), or ask for less: fewer ports, packets or hosts.",
        ),
        (End::SandboxViolation, _) => (
            ErrorType::SandboxViolation,
            String::from("the tool made a forbidden system call and was ended"),
            "Tell an administrator: the audit log has the details.",
        ),
        (End::ShuttingDown, _) => (
            ErrorType::BrokerLost,
            String::from("the broker is stopping and has ended the run"),
            "Try again when the broker is back.",
        ),
        (End::Cancelled, _) => {
            (ErrorType::ExecutionError, String::from("the run was cancelled"), "Start it again.")
        }
        (End::Finished, ExitStatus::Signal(signal)) => {
            (ErrorType::ExecutionError, format!("signal {signal} ended the tool"), look)
        }
        (End::Finished, ExitStatus::Code(code)) if code != 0 && !understood => {
            (ErrorType::ExecutionError, format!("the tool failed with exit code {code}"), look)
        }
        (End::Finished, ExitStatus::Code(_)) => return None,
    };
    Some((kind, message, suggestion.to_owned()))
}
