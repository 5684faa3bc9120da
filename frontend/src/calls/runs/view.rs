//! A run as clients see it: what every way in shows of one, and of many.

use probity_history::RunSummary;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::when::stamp;

/// Longest first line of what a run came to, in bytes.
const HEADLINE_MAX: usize = 200;

/// A run, without its result.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RunView {
    /// By which it is found again. Nobody guesses it.
    pub run_id: String,
    /// The tool's own name.
    pub tool: String,
    /// The target as asked for.
    pub target: String,
    /// `queued`, `running`, `finished`, `failed` before its tool ran, `cancelled`, or `interrupted` by the end
    /// of what ran it.
    pub state: &'static str,
    /// How far it is, while it goes on and where anything tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<ProgressView>,
    /// When it was asked for.
    pub asked_at: String,
    /// When its tool began to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// The tool's exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returncode: Option<i32>,
    /// What kind of thing went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
    /// The first line of what it came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// What the client calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Whose it is, for administrators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Ties it to the broker's audit log.
    pub correlation_id: String,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProgressView {
    /// Of what it has to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// The time that it still takes, if it goes on as it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining_sec: Option<f64>,
    /// In words.
    pub message: String,
}

/// A run with its result.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WholeRun {
    /// The run.
    #[serde(flatten)]
    pub run: RunView,
    /// What it was asked: the properties of the call.
    #[schema(value_type = Object)]
    pub arguments: Value,
    /// What it came to, as the call itself would have answered; none before its end, and none where it
    /// was ended before its tool ran.
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
    /// The same in words.
    pub text: Option<String>,
}

/// Some runs, the newest first.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RunList {
    /// They.
    pub runs: Vec<RunView>,
    /// Asks for those before them, as `cursor`; none where there are none.
    pub next: Option<String>,
    /// Why they do not outlive this process, where they were meant to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_lasting: Option<String>,
}

impl RunView {
    /// A run that is kept.
    pub(super) fn of(run: &RunSummary, with_owner: bool) -> Self {
        let goes_on = run.state.goes_on();
        let progress = run.progress.as_deref().filter(|_| goes_on);
        Self {
            run_id: run.id.to_string(),
            tool: run.tool.clone(),
            target: run.target.clone(),
            state: run.state.as_str(),
            progress: progress.and_then(|text| serde_json::from_str(text).ok()),
            asked_at: stamp(run.queued_ms),
            started_at: run.started_ms.map(stamp),
            ended_at: run.ended_ms.map(stamp),
            returncode: run.return_code,
            error_type: run.error_type.clone(),
            summary: run.headline.clone(),
            client: run.client.clone(),
            owner: with_owner.then(|| run.owner.to_string()),
            correlation_id: run.correlation_id.clone(),
        }
    }
}

/// The first line of what a run came to.
pub(super) fn headline(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    first[..first.floor_char_boundary(HEADLINE_MAX)].to_owned()
}
