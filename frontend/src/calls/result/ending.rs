//! What the way a run ended says about it.

use std::time::Duration;

use libc::{SIGXCPU, SIGXFSZ};
use probity_output::{
    parsers::{Parsed, one_line},
    quote::quoted,
};
use probity_protocol::{End, ExitStatus, Exited};

use super::{ErrorType, ToolResult};

/// Most of a complaint that is repeated in a message, in characters.
const COMPLAINT_CHARS: usize = 200;

/// Words of a tool that cannot do what it was asked to. Others say on standard error what they are
/// doing, and may have nothing else to say.
const COMPLAINING: [&str; 20] = [
    "bad ",
    "cannot",
    "can't",
    "could not",
    "denied",
    "error",
    "fail",
    "illegal",
    "invalid",
    "missing",
    "must ",
    "no such",
    "not found",
    "not permitted",
    "not supported",
    "require",
    "unable",
    "unknown",
    "unrecogni",
    "usage",
];

/// How a line begins that tells how the tool is to be called, or that it was not called so.
const BEGINNINGS: [&str; 4] = ["usage", "error", "invalid option", "unknown option"];

const LOOK: &str = "Look at stderr, correct the arguments and try again.";

const MORE_MEMORY: &str = "It had too little memory for what was asked: take fewer hosts or ports at a \
     time, or have the limit raised (the policy's ceiling `memory` and MCP_MAX_MEMORY_MB).";

/// What to do about a run that was out of time.
const TAKES_LONGER: &str = "Give it more time (`--timeout SECONDS` with probity call, `timeout_sec` over MCP and \
     HTTP), or ask for less: fewer ports, packets or hosts.";
const WROTE_NOTHING: &str = "It wrote nothing until then: the host may not answer there, which ping and port tell. Else give \
     it more time (`--timeout SECONDS` with probity call, `timeout_sec` over MCP and HTTP).";

/// What the kernel answers where a sandbox refuses, and elsewhere.
const REFUSED: [&str; 2] = ["Operation not permitted", "Permission denied"];

/// What kept a run from something, as far as the kernel tells: by the layer of its sandbox.
pub(super) fn refused_by(exited: &Exited) -> Vec<&'static str> {
    let layers = [
        ("fence", exited.fence_refusals.is_some()),
        ("seccomp", exited.end == End::SandboxViolation),
        ("cpu_limit", exited.status == ExitStatus::Signal(SIGXCPU)),
        ("file_size_limit", exited.status == ExitStatus::Signal(SIGXFSZ)),
    ];
    layers.into_iter().filter_map(|(layer, refused)| refused.then_some(layer)).collect()
}

/// What is wrong with the way a run ended. A non-zero exit is an answer where the parser understood
/// the output: ping says 1 for a host that did not reply. No exit code makes a result of one that did
/// nothing.
pub(super) fn error_of(
    result: &ToolResult,
    exited: &Exited,
    limit: Duration,
) -> Option<(ErrorType, String, String)> {
    let (kind, message, suggestion) = match (exited.end, exited.status) {
        // Its time is what was asked for.
        (End::TimedOut, _) if result.report.as_ref().is_some_and(Parsed::watches) => return None,
        (End::TimedOut, _) => (
            ErrorType::Timeout,
            match result.notice() {
                Some(notice) => format!("the tool was ended at its time limit: {notice}"),
                None => {
                    format!("the tool was ended after its time limit of {} s", limit.as_secs_f64())
                }
            },
            match result.stdout.is_empty() && result.report.is_none() {
                true => WROTE_NOTHING,
                false => TAKES_LONGER,
            },
        ),
        (End::SandboxViolation, _) => (
            ErrorType::SandboxViolation,
            String::from("the tool made a forbidden system call and was ended"),
            "Tell an administrator: the audit log has the run, and `probity-policy try` with the same \
             words says which call it is.",
        ),
        (End::ShuttingDown, _) => (
            ErrorType::BrokerLost,
            String::from("the broker is stopping and has ended the run"),
            "Try again when the broker is back.",
        ),
        (End::Cancelled, _) => {
            (ErrorType::ExecutionError, String::from("the run was cancelled"), "Start it again.")
        }
        (End::Finished, ExitStatus::Signal(SIGXCPU)) => (
            ErrorType::ExecutionError,
            String::from("the tool used up its processor time and was ended"),
            "Ask for less, or give it more time: its processor time is made from that.",
        ),
        (End::Finished, ExitStatus::Signal(SIGXFSZ)) => (
            ErrorType::ExecutionError,
            String::from("the tool wanted to write a larger file than it may, and was ended"),
            "Tell an administrator: `scratch` in the tool's file says how large.",
        ),
        (End::Finished, ExitStatus::Signal(signal)) => {
            (ErrorType::ExecutionError, format!("signal {signal} ended the tool"), look(result))
        }
        (End::Finished, ExitStatus::Code(code)) => return nothing_done(result, code),
    };
    Some((kind, message, suggestion.to_owned()))
}

/// What a tool complains of that came to its end and has done nothing.
fn nothing_done(result: &ToolResult, code: i32) -> Option<(ErrorType, String, String)> {
    let did_nothing = match &result.report {
        // An exit code is part of the answer where the report is whole: nmap gives up half way, too.
        Some(report) if code != 0 => {
            report.is_of_nothing() || report.complaint().is_some() || !report.is_complete()
        }
        // Whoever did nothing of what it was asked to has no result, whatever its exit code.
        Some(report) => report.is_of_nothing(),
        None if code != 0 => true,
        None => only_complains(result),
    };
    if !did_nothing {
        return None;
    }
    let said = result.report.as_ref().and_then(|report| report.complaint());
    let said = said.or_else(|| complaint(result).map(str::to_owned));
    let mut message = match code {
        0 => String::from("the tool did nothing"),
        code => format!("the tool failed with exit code {code}"),
    };
    if let Some(said) = &said {
        let said: String = one_line(said).chars().take(COMPLAINT_CHARS).collect();
        message.push_str(&format!(", and said {}", quoted(&said)));
    }
    Some((
        ErrorType::ExecutionError,
        message,
        advice(result, said.as_deref().unwrap_or_default()).to_owned(),
    ))
}

/// Whether a complaint is all that the tool wrote, and not news of what it does.
pub(super) fn only_complains(result: &ToolResult) -> bool {
    if !result.stdout.trim().is_empty() {
        return false;
    }
    let program = program(result);
    result.stderr.lines().any(|line| {
        let line = line.trim().to_lowercase();
        let own = line.strip_prefix(program).and_then(|rest| rest.strip_prefix(':'));
        let is_own = own.is_some_and(|said| COMPLAINING.iter().any(|word| said.contains(word)));
        is_own || BEGINNINGS.iter().any(|begin| line.starts_with(begin))
    })
}

/// What it says itself last, by its name, or else the first line of standard error.
fn complaint(result: &ToolResult) -> Option<&str> {
    let mut lines = result.stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let program = program(result);
    let is_own = |line: &&str| {
        line.strip_prefix(program).is_some_and(|rest| !program.is_empty() && rest.starts_with(':'))
    };
    lines.clone().rfind(is_own).or_else(|| lines.next())
}

fn program(result: &ToolResult) -> &str {
    result.argv.first().and_then(|path| path.rsplit('/').next()).unwrap_or_default()
}

fn look(result: &ToolResult) -> &'static str {
    if is_short_of_memory(&result.stderr) { MORE_MEMORY } else { LOOK }
}

fn advice(result: &ToolResult, complaint: &str) -> &'static str {
    // nmap's -sn, with -p, -F or a kind of port scan.
    let is_ping_only =
        complaint.contains("when not doing a port scan") || complaint.contains("skip port scan");
    match is_ping_only {
        true => {
            "Leave out the ports and the kinds of port scan, and a preset that has them, or leave out \
             ping_only (-sn): with it no port is looked at."
        }
        false if complaint.is_empty() || is_short_of_memory(&result.stderr) => look(result),
        false if REFUSED.iter().any(|words| complaint.contains(words)) => {
            "If it is not the host that refuses: its sandbox may. An administrator sees what by \
             `probity-policy try` with the same words."
        }
        false => "Mend what it complains of, then try again.",
    }
}

/// What tools write that may have no more memory: nmap, its scripts, C++, C and the loader.
const SHORT_OF_MEMORY: [&str; 5] = [
    "Malloc Failed!",
    "not enough memory",
    "std::bad_alloc",
    "Cannot allocate memory",
    "failed to map segment from shared object",
];

/// Whether a tool says that it has come to the end of its memory.
pub(crate) fn is_short_of_memory(stderr: &str) -> bool {
    SHORT_OF_MEMORY.iter().any(|words| stderr.contains(words))
}
