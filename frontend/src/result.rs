//! The one result object: what a call gives, whoever asked and however it ended.
//!
//! Every string that a tool or a client had a hand in is cleaned here, so that nobody downstream has
//! to think of it. Nothing here decides: a denial is passed on in the broker's words.

use std::{fmt, time::Duration};

use probity_protocol::{
    Availability, Busy, BusyScope, Denial, DenialCode, End, ExitStatus, Exited, Failure,
    FailureKind, Layer, PlanSummary, RefusalKind,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    broker_client::{BrokerError, Output},
    clean::{clean, clean_str},
    parsers::{self, Parsed},
};

/// The kinds of error a client can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorType {
    /// The run's time was up.
    Timeout,
    /// The tool is not installed, or cannot work here.
    NotFound,
    /// The request is not one that the policy can allow.
    ValidationError,
    /// The request is well formed, and beyond what the policy allows.
    PolicyDenied,
    /// The tool failed, and nothing could be read from its output.
    ExecutionError,
    /// No room for a run now.
    ResourceExhausted,
    /// The tool has failed too often lately.
    CircuitBreakerOpen,
    /// The broker went away during the run.
    BrokerLost,
    /// There is no broker to ask.
    BrokerUnreachable,
    /// The tool did what its sandbox ends it for, or the sandbox could not be made.
    SandboxViolation,
    /// Something else.
    Unknown,
}

impl ErrorType {
    /// Every kind, in the order of the schema.
    pub const ALL: [Self; 11] = [
        Self::Timeout,
        Self::NotFound,
        Self::ValidationError,
        Self::PolicyDenied,
        Self::ExecutionError,
        Self::ResourceExhausted,
        Self::CircuitBreakerOpen,
        Self::BrokerLost,
        Self::BrokerUnreachable,
        Self::SandboxViolation,
        Self::Unknown,
    ];

    /// The spelling in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "TIMEOUT",
            Self::NotFound => "NOT_FOUND",
            Self::ValidationError => "VALIDATION_ERROR",
            Self::PolicyDenied => "POLICY_DENIED",
            Self::ExecutionError => "EXECUTION_ERROR",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::CircuitBreakerOpen => "CIRCUIT_BREAKER_OPEN",
            Self::BrokerLost => "BROKER_LOST",
            Self::BrokerUnreachable => "BROKER_UNREACHABLE",
            Self::SandboxViolation => "SANDBOX_VIOLATION",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The kind a denial belongs to.
    #[must_use]
    pub const fn of_denial(code: DenialCode) -> Self {
        match code {
            DenialCode::NotGranted
            | DenialCode::TargetNotAllowed
            | DenialCode::IntrusiveNotGranted => Self::PolicyDenied,
            _ => Self::ValidationError,
        }
    }
}

impl fmt::Display for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a client needs to do better next time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ErrorDetails {
    /// The kind.
    pub error_type: ErrorType,
    /// The denial's stable code, for a denial.
    pub code: Option<&'static str>,
    /// The denial's layer, for a denial.
    pub layer: Option<&'static str>,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What to do instead.
    pub recovery_suggestion: String,
    /// When, in RFC 3339.
    pub timestamp: String,
    /// The tool asked for.
    pub tool_name: String,
    /// The target asked for.
    pub target: String,
    /// Facts for programs.
    pub metadata: Map<String, Value>,
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToolResult {
    /// The tool's name, an alias resolved where the call got that far.
    pub tool: String,
    /// The target as asked for.
    pub target: String,
    /// The address or network aimed at, where the call got that far.
    pub address: Option<String>,
    /// The command, where there was one.
    pub argv: Vec<String>,
    /// Standard output, cleaned.
    pub stdout: String,
    /// Standard error, cleaned.
    pub stderr: String,
    /// The tool's exit code; none where a signal ended it or it did not run.
    pub returncode: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its time was up.
    pub timed_out: bool,
    /// Standard output was cut.
    pub truncated_stdout: bool,
    /// Standard error was cut.
    pub truncated_stderr: bool,
    /// Wall-clock time, in seconds.
    pub execution_time: f64,
    /// Ties this to the broker's audit log.
    pub correlation_id: String,
    /// What went wrong, in a sentence.
    pub error: Option<String>,
    /// What kind of thing went wrong.
    pub error_type: Option<ErrorType>,
    /// The same with everything known about it.
    pub error_details: Option<ErrorDetails>,
    /// The output as the tool's parser reads it.
    pub parsed: Option<Value>,
    /// Figures about the run.
    pub metadata: Map<String, Value>,
    /// Nothing was run: this is what would have happened.
    pub dry_run: bool,
    /// The parser's own words for [`Self::text`].
    #[serde(skip)]
    pub(crate) parsed_text: Option<String>,
}

/// What a result says about its request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The tool's name.
    pub tool: String,
    /// The target as written, cleaned.
    pub target: String,
    /// The call's id.
    pub correlation_id: String,
    /// The preset, where one was given.
    pub preset: Option<String>,
    /// Only the verdict was asked for.
    pub dry_run: bool,
}

impl ToolResult {
    /// A run that is over, with its output read by `parser`.
    #[must_use]
    pub fn finished(asked: &Asked, output: &Output, exited: &Exited, parser: Option<&str>) -> Self {
        let mut result = Self::with_output(asked, output, parser);
        match exited.status {
            ExitStatus::Code(code) => result.returncode = Some(code),
            ExitStatus::Signal(signal) => result.signal = Some(signal),
        }
        result.timed_out = exited.end == End::TimedOut;
        result.truncated_stdout = exited.truncated_stdout;
        result.truncated_stderr = exited.truncated_stderr;
        result.execution_time = exited.duration.as_secs_f64();
        for (name, value) in [
            ("cpu_seconds", json!(exited.cpu.as_secs_f64())),
            ("max_rss_bytes", json!(exited.max_rss_bytes)),
            ("stdout_bytes", json!(exited.stdout_bytes)),
            ("stderr_bytes", json!(exited.stderr_bytes)),
        ] {
            result.metadata.insert(name.to_owned(), value);
        }
        match end_error(exited, output.started.plan.timeout, result.parsed.is_some()) {
            Some((kind, message, suggestion)) => result.with_error(kind, message, suggestion),
            None => result,
        }
    }

    /// A run that the policy refused, or would refuse.
    #[must_use]
    pub fn denied(asked: &Asked, denial: &Denial) -> Self {
        let kind = ErrorType::of_denial(denial.code);
        let mut result = Self::empty(asked).with_error(
            kind,
            clean_str(&denial.message).into_owned(),
            clean_str(&denial.recovery_suggestion).into_owned(),
        );
        if let Some(details) = &mut result.error_details {
            details.code = Some(denial.code.as_str());
            details.layer = Some(Layer::as_str(denial.code.layer()));
            details.metadata = denial
                .metadata
                .iter()
                .map(|(name, value)| (name.clone(), json!(clean_str(value))))
                .collect();
        }
        result
    }

    /// An approved run that could not be started.
    #[must_use]
    pub fn failed(asked: &Asked, failure: &Failure) -> Self {
        let kind = match failure.kind {
            FailureKind::NotFound => ErrorType::NotFound,
            FailureKind::Sandbox => ErrorType::ExecutionError,
            FailureKind::Audit => ErrorType::ExecutionError,
            FailureKind::Resources => ErrorType::ResourceExhausted,
        };
        Self::empty(asked).with_error(kind, failure.message.clone(), failure.remedy.clone())
    }

    /// An approved run for which the broker had no room.
    #[must_use]
    pub fn busy(asked: &Asked, busy: &Busy) -> Self {
        let whose = match busy.scope {
            BusyScope::Tool => "of this tool",
            BusyScope::User => "of this user",
            BusyScope::Broker => "in all",
        };
        let message =
            format!("no room for another run: {} at once {whose} are allowed", busy.limit);
        Self::exhausted(asked, message)
    }

    /// A run for which there is no room, for the reason given.
    #[must_use]
    pub fn exhausted(asked: &Asked, message: String) -> Self {
        let suggestion = String::from("Wait for other runs to finish, then try again.");
        Self::empty(asked).with_error(ErrorType::ResourceExhausted, message, suggestion)
    }

    /// A call that the broker did not answer, or not to the end.
    #[must_use]
    pub fn unanswered(asked: &Asked, error: &BrokerError, parser: Option<&str>) -> Self {
        let (result, kind) = match error {
            BrokerError::Lost(output) => {
                (Self::with_output(asked, output, parser), ErrorType::BrokerLost)
            }
            BrokerError::Refused(refusal) => {
                let kind = match refusal.kind {
                    RefusalKind::TooManyConnections | RefusalKind::RateLimited => {
                        ErrorType::ResourceExhausted
                    }
                    RefusalKind::ShuttingDown => ErrorType::BrokerUnreachable,
                    _ => ErrorType::Unknown,
                };
                (Self::empty(asked), kind)
            }
            BrokerError::RequestTooLarge => (Self::empty(asked), ErrorType::ValidationError),
            _ => (Self::empty(asked), ErrorType::BrokerUnreachable),
        };
        result.with_error(kind, clean_str(&error.to_string()).into_owned(), error.remedy().into())
    }

    /// A dry run that was approved.
    #[must_use]
    pub fn planned(asked: &Asked, plan: &PlanSummary, availability: &Availability) -> Self {
        let mut result = Self::empty(asked);
        result.take_plan(plan);
        result.metadata.insert("plan".into(), plan_json(plan));
        let availability = match availability {
            Availability::Available => json!({ "available": true }),
            Availability::Unavailable { reason, remedy } => {
                json!({ "available": false, "reason": reason, "remedy": remedy })
            }
        };
        result.metadata.insert("availability".into(), availability);
        result
    }

    /// Whether this is a denial, by its code.
    #[must_use]
    pub fn denial_code(&self) -> Option<&'static str> {
        self.error_details.as_ref().and_then(|details| details.code)
    }

    fn empty(asked: &Asked) -> Self {
        let mut metadata = Map::new();
        if let Some(preset) = &asked.preset {
            metadata.insert("preset".into(), json!(preset));
        }
        Self {
            tool: asked.tool.clone(),
            target: asked.target.clone(),
            address: None,
            argv: Vec::new(),
            stdout: String::new(),
            stderr: String::new(),
            returncode: None,
            signal: None,
            timed_out: false,
            truncated_stdout: false,
            truncated_stderr: false,
            execution_time: 0.0,
            correlation_id: asked.correlation_id.clone(),
            error: None,
            error_type: None,
            error_details: None,
            parsed: None,
            metadata,
            dry_run: asked.dry_run,
            parsed_text: None,
        }
    }

    fn with_output(asked: &Asked, output: &Output, parser: Option<&str>) -> Self {
        let mut result = Self::empty(asked);
        result.take_plan(&output.started.plan);
        result.stdout = clean(&output.stdout);
        result.stderr = clean(&output.stderr);
        if let Some(parsed) = parse(asked, output, parser) {
            result.parsed_text = Some(parsed.text());
            result.parsed = serde_json::to_value(&parsed).ok();
        }
        result
    }

    fn take_plan(&mut self, plan: &PlanSummary) {
        self.tool = plan.tool.to_string();
        self.address = Some(plan.target.clone());
        self.argv.clone_from(&plan.argv);
        self.metadata.insert("timeout_sec".into(), json!(plan.timeout.as_secs_f64()));
        self.metadata.insert("net_raw".into(), json!(plan.sandbox.net_raw));
    }

    fn with_error(mut self, kind: ErrorType, message: String, suggestion: String) -> Self {
        self.error = Some(message.clone());
        self.error_type = Some(kind);
        self.error_details = Some(ErrorDetails {
            error_type: kind,
            code: None,
            layer: None,
            message,
            recovery_suggestion: suggestion,
            timestamp: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            tool_name: self.tool.clone(),
            target: self.target.clone(),
            metadata: Map::new(),
        });
        self
    }
}

/// Reads the output. A parser that cannot is a warning, never an error: the raw text is there.
fn parse(asked: &Asked, output: &Output, parser: Option<&str>) -> Option<Parsed> {
    match parsers::parse(parser?, &output.stdout, &output.stderr) {
        Ok(parsed) => parsed,
        Err(error) => {
            let error = error.to_string();
            tracing::warn!(
                tool = asked.tool,
                id = asked.correlation_id,
                error,
                "output.parse_failed"
            );
            None
        }
    }
}

/// What is wrong with the way a run ended. A non-zero exit is an answer where the parser understood
/// the output: ping says 1 for a host that did not reply.
fn end_error(
    exited: &Exited,
    limit: Duration,
    understood: bool,
) -> Option<(ErrorType, String, String)> {
    let look = "Look at stderr, correct the arguments and try again.";
    let (kind, message, suggestion) = match (exited.end, exited.status) {
        (End::TimedOut, _) => (
            ErrorType::Timeout,
            format!("the tool was ended after its time limit of {} s", limit.as_secs_f64()),
            "Ask for less (fewer ports, packets or hosts), or give a larger timeout_sec.",
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

fn plan_json(plan: &PlanSummary) -> Value {
    let environment: Map<String, Value> =
        plan.environment.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "argv": plan.argv,
        "environment": environment,
        "tier": plan.tier,
        "timeout_sec": plan.timeout.as_secs_f64(),
        "limits": {
            "memory_bytes": plan.memory_bytes,
            "open_files": plan.open_files,
            "stdout_bytes": plan.stdout_bytes,
            "stderr_bytes": plan.stderr_bytes,
        },
        "sandbox": {
            "net_raw": plan.sandbox.net_raw,
            "syscalls": plan.sandbox.syscalls,
            "read": plan.sandbox.read,
            "execute": plan.sandbox.execute,
        },
    })
}

#[path = "result_text.rs"]
mod text;

#[cfg(test)]
#[path = "result_tests.rs"]
mod tests;
