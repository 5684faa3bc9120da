//! The one result object: what a call gives, whoever asked and however it ended.
//!
//! Every string that a tool or a client had a hand in is cleaned here, so that nobody downstream has
//! to think of it. Nothing here decides: a denial is passed on in the broker's words.

mod answered;
mod ending;
mod error;
mod text;

use std::time::Duration;

use probity_history::RunId;
use probity_output::{clean::clean_str, parsers::Parsed};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

pub use self::error::ErrorDetails;
pub(crate) use self::{answered::plan_json, ending::is_short_of_memory};
pub use crate::calls::{error_type::ErrorType, request::Asked};

use crate::calls::published::suggestion::Suggestion;

/// Says in a result's metadata that its run was cancelled.
const CANCELLED: &str = "cancelled";

/// The code of an allowed call that another person refused.
pub const NOT_APPROVED: &str = "NOT_APPROVED";
/// The code of one that nobody approved in time.
pub const APPROVAL_EXPIRED: &str = "APPROVAL_EXPIRED";

/// Says there what is to be expected of its run beside the verdict.
const NOTICE: &str = "notice";

/// Says there what the run tried to reach beyond its target, and how often.
const FENCE_REFUSALS: &str = "fence_refusals";

/// Says there which layers of its sandbox kept it from something, where the kernel tells.
const REFUSED_BY: &str = "refused_by";

/// Says there that nothing was run for this call, and how old the run is that it is answered with.
const CACHED: &str = "cached";
const CACHED_AGE: &str = "cached_age_sec";

/// Says there by which id the run is found again, and of one that goes on its state and for how long.
const RUN_ID: &str = "run_id";
const STATE: &str = "state";
const GOES_ON: &str = "goes_on";

/// Says there why a run is not found again.
const NOT_KEPT: &str = "not_kept";

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
    /// How long its target's name was looked up; `None` where it did not come so far.
    #[serde(skip)]
    pub lookup: Option<Duration>,
    /// What [`Self::parsed`] is made of.
    #[serde(skip)]
    report: Option<Parsed>,
    /// A request that would pass, for a denial; also in the details' metadata.
    #[serde(skip)]
    suggestion: Option<Suggestion>,
}

impl ToolResult {
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
        self.returncode == Some(0) && self.report.as_ref().is_some_and(Parsed::found_nobody)
    }

    /// A request that would pass, where this is a denial and there is one.
    #[must_use]
    pub fn suggestion(&self) -> Option<&Suggestion> {
        self.suggestion.as_ref()
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

    /// What [`Self::parsed`] is made of.
    #[must_use]
    pub fn report(&self) -> Option<&Parsed> {
        self.report.as_ref()
    }

    /// The parsed output in its shorter form, of at most `most` bytes of JSON, and whether anything was
    /// dropped for that; `None` where there is none.
    #[must_use]
    pub fn brief_report(&self, most: usize) -> Option<(Value, bool)> {
        self.report.as_ref().map(|report| report.brief_within(most))
    }

    /// Whether the report has all that is on standard output, and on standard error.
    #[must_use]
    pub fn raw_in_report(&self) -> (bool, bool) {
        let report = self.report.as_ref();
        let stdout = report.is_some_and(|report| !report.passes_over_output());
        (stdout, report.is_some_and(Parsed::owns_stderr))
    }

    /// Whether the run was cancelled: what it gave is what there was until then.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.metadata.contains_key(CANCELLED)
    }

    /// A call that goes on by itself, and by which id one comes back to it. `ends_with` says how long it
    /// does.
    #[must_use]
    pub fn in_background(asked: &Asked, run: RunId, state: &str, ends_with: &str) -> Self {
        let mut result = Self::empty(asked);
        for (name, value) in
            [(RUN_ID, run.to_string()), (STATE, state.to_owned()), (GOES_ON, ends_with.to_owned())]
        {
            result.metadata.insert(name.into(), json!(value));
        }
        result
    }

    /// The id of the run that this is the result of, or that goes on; none where it is not kept.
    #[must_use]
    pub fn run_id(&self) -> Option<&str> {
        self.metadata.get(RUN_ID).and_then(Value::as_str)
    }

    /// How long the run goes on by itself, where there is no result yet.
    #[must_use]
    pub fn goes_on(&self) -> Option<&str> {
        self.metadata.get(GOES_ON).and_then(Value::as_str)
    }

    /// Notes by which id the run is found again, or why it is not.
    pub(crate) fn note_kept(&mut self, kept: Result<&RunId, &str>) {
        let (name, value) = match kept {
            Ok(id) => (RUN_ID, id.to_string()),
            Err(reason) => (NOT_KEPT, reason.to_owned()),
        };
        self.metadata.insert(name.into(), json!(value));
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

    pub(super) fn empty(asked: &Asked) -> Self {
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
            lookup: None,
            report: None,
            suggestion: None,
        }
    }

    /// What was to be expected of the run.
    pub(super) fn notice(&self) -> Option<&str> {
        self.metadata.get(NOTICE).and_then(Value::as_str)
    }

    pub(super) fn with_error(
        mut self,
        kind: ErrorType,
        message: String,
        suggestion: String,
    ) -> Self {
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

#[cfg(test)]
mod tests;
