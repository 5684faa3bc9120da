//! The one result object: what a call gives, whoever asked and however it ended.
//!
//! Every string that a tool or a client had a hand in is cleaned here, so that nobody downstream has
//! to think of it. Nothing here decides: a denial is passed on in the broker's words.

mod ending;
mod error;
mod text;

use std::time::Duration;

use probity_advice::Advice;
use probity_protocol::{
    Availability, Busy, BusyScope, Catalog, End, ExitStatus, Exited, Failure, FailureKind, Layer,
    PlanSummary, RefusalKind,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

pub(crate) use self::ending::is_short_of_memory;
pub use self::error::ErrorDetails;
pub use crate::calls::{error_type::ErrorType, request::Asked};

use crate::{
    broker::client::{BrokerError, Output},
    calls::published::suggestion::Suggestion,
    output::progress,
};
use probity_output::{
    clean::{clean, clean_str},
    parsers::{self, ParseError, Parsed, nmap::NmapReport},
};

/// Says in a result's metadata that its run was cancelled.
const CANCELLED: &str = "cancelled";

/// Says there what is to be expected of its run beside the verdict.
const NOTICE: &str = "notice";

/// Says there what the run tried to reach beyond its target, and how often.
const FENCE_REFUSALS: &str = "fence_refusals";

/// Says there that nothing was run for this call, and how old the run is that it is answered with.
const CACHED: &str = "cached";
const CACHED_AGE: &str = "cached_age_sec";

/// What a call gave.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
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
    #[schema(value_type = Option<Object>)]
    pub parsed: Option<Value>,
    /// Figures about the run.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// Nothing was run: this is what would have happened.
    pub dry_run: bool,
    /// What [`Self::parsed`] is made of.
    #[serde(skip)]
    report: Option<Parsed>,
    /// A request that would pass, for a denial; also in the details' metadata.
    #[serde(skip)]
    suggestion: Option<Suggestion>,
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
        if exited.end == End::Cancelled {
            result.metadata.insert(CANCELLED.to_owned(), json!(true));
        }
        if let Some(refusals) = exited.fence_refusals {
            let refusals = json!({"first": refusals.first(), "count": refusals.count});
            result.metadata.insert(FENCE_REFUSALS.into(), refusals);
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

    /// Adds a request that would pass.
    pub fn suggest(&mut self, suggestion: Option<Suggestion>) {
        // Who asked for a verdict is not to be led into a run.
        let suggestion = suggestion.map(|suggestion| match self.dry_run {
            true => suggestion.as_dry_run(),
            false => suggestion,
        });
        if let (Some(details), Some(suggestion)) = (&mut self.error_details, &suggestion) {
            details.metadata.insert("suggested_request".into(), json!(suggestion));
        }
        self.suggestion = suggestion;
    }

    /// Puts other words in the place of what a refusal says to do.
    pub fn advise(&mut self, advice: &str) {
        if let Some(details) = &mut self.error_details {
            details.recovery_suggestion = clean_str(advice).into_owned();
        }
    }

    /// Whether the run was all right and its answer is that nobody is there. ping says so by its exit
    /// code; nmap has the same one for a network of silent hosts as for one of lively ones.
    #[must_use]
    pub fn found_nobody(&self) -> bool {
        let is_silent = |report: &NmapReport| {
            report.hosts_up == 0 && (report.complete || report.hosts_given_up > 0)
        };
        self.returncode == Some(0)
            && matches!(&self.report, Some(Parsed::Nmap(report)) if is_silent(report))
    }

    /// A request that would pass, where this is a denial and there is one.
    #[must_use]
    pub fn suggestion(&self) -> Option<&Suggestion> {
        self.suggestion.as_ref()
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

    /// An approved run for which the broker had no room.
    #[must_use]
    pub fn busy(asked: &Asked, busy: &Busy) -> Self {
        let whose = match busy.scope {
            BusyScope::Tool => "of this tool",
            BusyScope::User => "of this user",
            BusyScope::Broker => "in all",
        };
        let message = format!(
            "no room for another run: {} at once {whose} are allowed, and nobody else can wait",
            busy.limit
        );
        Self::exhausted(asked, message, busy.expected_wait)
    }

    /// A call that is turned away before the broker hears of it, or whatever the broker says.
    #[must_use]
    pub fn turned_away(
        asked: &Asked,
        kind: ErrorType,
        message: String,
        suggestion: String,
    ) -> Self {
        Self::empty(asked).with_error(kind, message, suggestion)
    }

    /// A run for which there is no room, for the reason given, and when there probably will be.
    #[must_use]
    pub fn exhausted(asked: &Asked, message: String, expected_wait: Option<Duration>) -> Self {
        let retry = whole_seconds(expected_wait);
        let suggestion = match expected_wait {
            Some(_) => format!("Wait about {retry} s for other runs to finish, then try again."),
            None => String::from("Wait for other runs to finish, then try again."),
        };
        let mut result =
            Self::empty(asked).with_error(ErrorType::ResourceExhausted, message, suggestion);
        if let Some(wait) = expected_wait {
            result.detail("expected_wait_sec", json!(wait.as_secs_f64()));
        }
        result.detail("retry_after_sec", json!(retry));
        result
    }

    /// Adds to what is known about the error.
    pub fn detail(&mut self, name: &str, value: Value) {
        if let Some(details) = &mut self.error_details {
            details.metadata.insert(name.to_owned(), value);
        }
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
        parser: Option<&str>,
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

    /// The parsed output in its shorter form, of at most `most` bytes of JSON, and whether anything was
    /// dropped for that; `None` where there is none.
    #[must_use]
    pub fn brief_report(&self, most: usize) -> Option<(Value, bool)> {
        self.report.as_ref().map(|report| report.brief_within(most))
    }

    /// Whether the run was cancelled: what it gave is what there was until then.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.metadata.contains_key(CANCELLED)
    }

    /// Marks the result as that of an earlier run, which ended so long ago.
    #[must_use]
    pub fn from_cache(mut self, age: Duration) -> Self {
        self.metadata.insert(CACHED.into(), json!(true));
        self.metadata.insert(CACHED_AGE.into(), json!(age.as_secs_f64()));
        self
    }

    /// Whether it is that of an earlier run.
    #[must_use]
    pub fn is_cached(&self) -> bool {
        self.metadata.contains_key(CACHED)
    }

    /// Whether it may be given again: the tool succeeded, and nothing of what it said is missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let is_cut = self.truncated_stdout || self.truncated_stderr;
        let is_complete = self.report.as_ref().is_none_or(Parsed::is_complete);
        self.error.is_none()
            && self.returncode == Some(0)
            && !is_cut
            && is_complete
            && !self.dry_run
    }

    /// Whether the tool came to its end and did nothing but complain of what it was asked to do.
    #[must_use]
    pub fn is_complaint(&self) -> bool {
        let is_failed = self.returncode.is_some() && self.error_type.is_some();
        is_failed
            && match &self.report {
                Some(report) => report.is_of_nothing() || report.complaint().is_some(),
                None => ending::only_complains(self),
            }
    }

    /// Whether the tool did only a part of what it was asked to, by its own account.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.report.as_ref().is_some_and(|report| !report.is_complete())
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
            report: None,
            suggestion: None,
        }
    }

    fn with_output(asked: &Asked, output: &Output, parser: Option<&str>) -> Self {
        let mut result = Self::empty(asked);
        result.take_plan(&output.started.plan, parser);
        // RULE: What a tool wrote is cleaned before anybody reads it.
        result.stdout = clean(&output.stdout);
        result.stderr = clean(&output.stderr);
        if let Some(parsed) = parse(asked, output, parser) {
            result.parsed = serde_json::to_value(&parsed).ok();
            result.report = Some(parsed);
        }
        result
    }

    fn take_plan(&mut self, plan: &PlanSummary, parser: Option<&str>) {
        self.tool = plan.tool.to_string();
        self.address = Some(plan.target.clone());
        self.argv = plan.argv.iter().map(|word| clean_str(word).into_owned()).collect();
        self.metadata.insert("timeout_sec".into(), json!(plan.timeout.as_secs_f64()));
        self.metadata.insert("net_raw".into(), json!(plan.sandbox.net_raw));
        if let Some(notice) = progress::shortfall(parser, plan) {
            self.metadata.insert(NOTICE.into(), json!(notice));
        }
    }

    /// What was to be expected of the run.
    fn notice(&self) -> Option<&str> {
        self.metadata.get(NOTICE).and_then(Value::as_str)
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

/// Seconds to wait before another try: whole ones, and at least one.
pub(crate) fn whole_seconds(time: Option<Duration>) -> u64 {
    time.map_or(1, |time| time.as_secs_f64().ceil().max(1.0) as u64)
}

/// Reads the output. A parser that cannot is a warning, never an error: the raw text is there.
fn parse(asked: &Asked, output: &Output, parser: Option<&str>) -> Option<Parsed> {
    let parser = parser?;
    let (tool, correlation_id) = (&asked.tool, &asked.correlation_id);
    match parsers::parse(parser, &output.stdout, &output.stderr) {
        Ok(Some(parsed)) => {
            tracing::info!(tool, parser, correlation_id, "output.parsed");
            Some(parsed)
        }
        Ok(None) => {
            let reason = "there is no such parser";
            tracing::warn!(tool, parser, reason, correlation_id, "output.parse_failed");
            None
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

#[cfg(test)]
mod tests;
