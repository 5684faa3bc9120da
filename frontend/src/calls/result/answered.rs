//! What the broker answered to a call, as a result: a run that is over, a denial, a plan, a failure, or
//! no answer at all.

use std::time::SystemTime;

use probity_advice::Advice;
use probity_output::{
    clean::{clean, clean_str},
    parsers::{ParseError, Parsed, Parser},
};
use probity_protocol::{
    Availability, Busy, BusyScope, Catalog, End, ExitStatus, Exited, Failure, FailureKind, Layer,
    NotApproved, PlanSummary, RefusalKind,
};
use serde_json::{Map, Value, json};

use super::{
    APPROVAL_EXPIRED, Asked, CANCELLED, ErrorType, FENCE_REFUSALS, NOT_APPROVED, NOTICE,
    REFUSED_BY, ToolResult, ending,
};
use crate::{
    broker::client::{BrokerError, Output},
    calls::published::suggestion::Suggestion,
    output::progress,
};

impl ToolResult {
    /// A run that is over, with its output read by `parser`.
    #[must_use]
    pub fn finished(
        asked: &Asked,
        output: &Output,
        exited: &Exited,
        parser: Option<&Parser>,
    ) -> Self {
        let is_whole = exited.end == End::Finished && !exited.truncated_stdout;
        let mut result = Self::with_output(asked, output, parser, is_whole);
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
        if exited.end == End::Cancelled {
            result.metadata.insert(CANCELLED.to_owned(), json!(true));
        }
        if let Some(refusals) = exited.fence_refusals {
            let refusals = json!({"first": refusals.first(), "count": refusals.count});
            result.metadata.insert(FENCE_REFUSALS.into(), refusals);
        }
        let refused_by = ending::refused_by(exited);
        if !refused_by.is_empty() {
            result.metadata.insert(REFUSED_BY.into(), json!(refused_by));
        }
        match ending::error_of(&result, exited, output.started.plan.timeout) {
            Some((kind, message, suggestion)) => result.with_error(kind, message, suggestion),
            None => result,
        }
    }

    /// A run that the policy refused, or would refuse.
    #[must_use]
    pub fn denied(asked: &Asked, advice: &Advice, catalog: &Catalog) -> Self {
        let kind = ErrorType::of_denial(advice.code);
        let mut result = Self::empty(asked).with_error(
            kind,
            clean_str(&advice.message).into_owned(),
            clean_str(&advice.recovery_suggestion).into_owned(),
        );
        if let Some(details) = &mut result.error_details {
            details.code = Some(advice.code.as_str());
            details.layer = Some(Layer::as_str(advice.code.layer()));
            details.metadata = advice
                .metadata
                .iter()
                .map(|(name, value)| (name.clone(), json!(clean_str(value))))
                .collect();
        }
        let suggestion = advice.suggestion.as_ref();
        result.suggest(suggestion.map(|call| Suggestion::of(call, catalog)));
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
        let clean = |text: &str| clean_str(text).into_owned();
        Self::empty(asked).with_error(kind, clean(&failure.message), clean(&failure.remedy))
    }

    /// An allowed run that no other person approved.
    #[must_use]
    pub fn not_approved(asked: &Asked, why: &NotApproved) -> Self {
        let (code, message, advice) = match why {
            NotApproved::Refused { by, why } => {
                let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
                let message = format!("{by} did not approve it{why}");
                (NOT_APPROVED, message, "Ask that person, or for something else.")
            }
            NotApproved::Expired(after) => {
                let after = progress::rounded(*after);
                let message = format!("nobody approved it within {after}");
                let advice = "Ask again when one of its approvers is there: `probity-policy pending` shows \
                              him what waits.";
                (APPROVAL_EXPIRED, message, advice)
            }
        };
        let message = clean_str(&message).into_owned();
        let mut result =
            Self::empty(asked).with_error(ErrorType::PolicyDenied, message, advice.to_owned());
        if let Some(details) = &mut result.error_details {
            details.code = Some(code);
        }
        result
    }

    /// An approved run for which the broker had no room.
    #[must_use]
    pub fn busy(asked: &Asked, busy: &Busy) -> Self {
        let runs = |whose| {
            let limit = busy.limit;
            format!(
                "no room for another run: {limit} at once {whose} are allowed, and nobody else can wait"
            )
        };
        let message = match busy.scope {
            BusyScope::Grant => runs("by the grant that allows it"),
            BusyScope::Tool => runs("of this tool"),
            BusyScope::User => runs("of this user"),
            BusyScope::Broker => runs("in all"),
            BusyScope::Approval => format!(
                "another person has to approve it, and no more than {} calls wait for that at once",
                busy.limit
            ),
        };
        Self::exhausted(asked, message, busy.expected_wait)
    }

    /// A call that the broker did not answer, or not to the end.
    #[must_use]
    pub fn unanswered(asked: &Asked, error: &BrokerError, parser: Option<&Parser>) -> Self {
        let (result, kind) = match error {
            BrokerError::Lost(output) => {
                (Self::with_output(asked, output, parser, false), ErrorType::BrokerLost)
            }
            BrokerError::Refused(refusal) => {
                let kind = match refusal.kind {
                    RefusalKind::TooManyConnections | RefusalKind::RateLimited => {
                        ErrorType::ResourceExhausted
                    }
                    RefusalKind::ShuttingDown => ErrorType::BrokerUnreachable,
                    RefusalKind::Cancelled => ErrorType::ExecutionError,
                    _ => ErrorType::Unknown,
                };
                (Self::empty(asked), kind)
            }
            BrokerError::Undecided(failure) => return Self::failed(asked, failure),
            BrokerError::NoDescriptor(_) => (Self::empty(asked), ErrorType::ResourceExhausted),
            BrokerError::RequestTooLarge => (Self::empty(asked), ErrorType::ValidationError),
            _ => (Self::empty(asked), ErrorType::BrokerUnreachable),
        };
        result.with_error(
            kind,
            clean_str(&error.to_string()).into_owned(),
            error.remedy().into_owned(),
        )
    }

    /// A dry run that was approved.
    #[must_use]
    pub fn planned(
        asked: &Asked,
        plan: &PlanSummary,
        availability: &Availability,
        parser: Option<&Parser>,
    ) -> Self {
        let mut result = Self::empty(asked);
        result.take_plan(plan, parser);
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

    fn with_output(
        asked: &Asked,
        output: &Output,
        parser: Option<&Parser>,
        is_whole: bool,
    ) -> Self {
        let mut result = Self::empty(asked);
        result.take_plan(&output.started.plan, parser);
        // RULE: What a tool wrote is cleaned before anybody reads it.
        result.stdout = clean(&output.stdout);
        result.stderr = clean(&output.stderr);
        if let Some(parsed) = parse(asked, output, parser, is_whole) {
            result.parsed = serde_json::to_value(&parsed).ok();
            result.report = Some(parsed);
        }
        result
    }

    fn take_plan(&mut self, plan: &PlanSummary, parser: Option<&Parser>) {
        self.tool = plan.tool.to_string();
        self.address = Some(plan.target.clone()).filter(|target| !target.is_empty());
        self.argv = plan.argv.iter().map(|word| clean_str(word).into_owned()).collect();
        self.metadata.insert("timeout_sec".into(), json!(plan.timeout.as_secs_f64()));
        self.metadata.insert("net_raw".into(), json!(plan.sandbox.net_raw));
        if let Some(notice) = progress::shortfall(parser.map(Parser::name), plan) {
            self.metadata.insert(NOTICE.into(), json!(notice));
        }
    }
}

/// Reads the output. A parser that cannot is a warning, never an error: the raw text is there.
fn parse(
    asked: &Asked,
    output: &Output,
    parser: Option<&Parser>,
    is_whole: bool,
) -> Option<Parsed> {
    let parser = parser?;
    let (tool, correlation_id) = (&asked.tool, &asked.correlation_id);
    let read = parser.read(&output.stdout, &output.stderr, is_whole);
    let parser = parser.name();
    match read {
        Ok(mut parsed) => {
            parsed.tell(&output.started.plan.argv, SystemTime::now());
            tracing::info!(tool, parser, correlation_id, "output.parsed");
            Some(parsed)
        }
        // Without the tool's own words: outputs are not logged.
        Err(error) => {
            let reason = match error {
                ParseError::Empty { .. } => "nothing was written",
                ParseError::NoReport { .. } => "no report was written",
            };
            tracing::warn!(tool, parser, reason, correlation_id, "output.parse_failed");
            None
        }
    }
}

/// A plan for clients.
pub(crate) fn plan_json(plan: &PlanSummary) -> Value {
    let environment: Map<String, Value> =
        plan.environment.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "argv": plan.argv,
        "environment": environment,
        "tier": plan.tier,
        "timeout_sec": plan.timeout.as_secs_f64(),
        "approvers": plan.approvers,
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
