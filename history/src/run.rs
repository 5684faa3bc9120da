//! A run as it is kept: what is known at its begin, what its end adds, and what is asked of it later.

use serde::Serialize;

use crate::{id::RunId, owner::Owner, time::UtcMs};

/// Runs on one page of a list at most.
pub const LISTED_MAX: usize = 1000;

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits for its turn.
    Queued,
    /// It goes on.
    Running,
    /// There is a result, which may be that something went wrong.
    Finished,
    /// There is no result of a run: it was refused, or could not be started.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// The process that made it was gone before its end.
    Interrupted,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Finished,
        Self::Failed,
        Self::Cancelled,
        Self::Interrupted,
    ];

    /// As rows, lists and commands have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether there is an end to come.
    #[must_use]
    pub const fn goes_on(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

/// How a run ended, by the process that made it. Of one that was killed, others find that it was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// There is a result, which may be that something went wrong.
    Finished,
    /// There is no result of a run: it was refused, or could not be started.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// It was ended with its process, or with what ran it.
    Interrupted,
}

impl From<Ended> for State {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Finished => Self::Finished,
            Ended::Failed => Self::Failed,
            Ended::Cancelled => Self::Cancelled,
            Ended::Interrupted => Self::Interrupted,
        }
    }
}

/// What is known of a run besides, as soon as the broker has said it. What its end says stands over what
/// its begin said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The digest of the policy that decided.
    pub policy_digest: Option<String>,
    /// The tier of the call: `standard` or `intrusive`.
    pub tier: Option<String>,
    /// The parser of the tool's output, by which the views find what is in a result.
    pub parser: Option<String>,
    /// The address or network that the tool was aimed at: of a name, the address that it had.
    pub address: Option<String>,
}

/// A run at its begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// Its id, which nothing else has had.
    pub id: RunId,
    /// Whose it is.
    pub owner: Owner,
    /// The tool's name.
    pub tool: String,
    /// The target as asked for.
    pub target: String,
    /// The arguments as asked for, as the text of a JSON object.
    pub arguments: String,
    /// What two runs of the same call have in common: a text of the caller's, made of tool, target and options.
    pub call_key: String,
    /// What the client calls itself.
    pub client: Option<String>,
    /// Ties it to the broker's audit log.
    pub correlation_id: String,
    /// When it was asked for.
    pub queued: UtcMs,
    /// When it was started, where it has been.
    pub started: Option<UtcMs>,
    /// What is known besides.
    pub facts: Facts,
}

/// What the end of a run adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// How it ended.
    pub ended: Ended,
    /// When it was started, where that was not said before.
    pub started: Option<UtcMs>,
    /// When it ended.
    pub at: UtcMs,
    /// The end in a word of the caller's.
    pub status: Option<String>,
    /// What kind of thing went wrong.
    pub error_type: Option<String>,
    /// The tool's exit code.
    pub return_code: Option<i32>,
    /// The first line of what it came to, for lists.
    pub headline: Option<String>,
    /// What it came to, as a text.
    pub text: Option<String>,
    /// The whole result, as the text of a JSON object; none of a run that has none.
    pub result: Option<String>,
    /// What is known besides.
    pub facts: Facts,
}

/// A run as lists have it: all but its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunSummary {
    /// Its id.
    pub id: RunId,
    /// Whose it is.
    pub owner: Owner,
    /// Where it is.
    pub state: State,
    /// The tool's name.
    pub tool: String,
    /// The target as asked for.
    pub target: String,
    /// The arguments as asked for, as the text of a JSON object.
    pub arguments: String,
    /// What two runs of the same call have in common.
    pub call_key: String,
    /// What the client called itself.
    pub client: Option<String>,
    /// Ties it to the broker's audit log.
    pub correlation_id: String,
    /// When it was asked for.
    pub queued_ms: UtcMs,
    /// When it was started.
    pub started_ms: Option<UtcMs>,
    /// When it ended, or was found to have been interrupted.
    pub ended_ms: Option<UtcMs>,
    /// The end in a word.
    pub status: Option<String>,
    /// What kind of thing went wrong.
    pub error_type: Option<String>,
    /// The tool's exit code.
    pub return_code: Option<i32>,
    /// The digest of the policy that decided.
    pub policy_digest: Option<String>,
    /// The tier of the call.
    pub tier: Option<String>,
    /// The parser of the tool's output.
    pub parser: Option<String>,
    /// The address or network that the tool was aimed at.
    pub address: Option<String>,
    /// The first line of what it came to.
    pub headline: Option<String>,
    /// When somebody asked for it to be cancelled.
    pub cancel_asked_ms: Option<UtcMs>,
    /// How far it is, as the text of JSON; where it ended, how far it was.
    pub progress: Option<String>,
    /// Bytes of its arguments, its result and its text.
    pub kept_bytes: u64,
}

/// A run with its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredRun {
    /// All but the result.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// The whole result, as the text of a JSON object; none before its end, or where that was cut.
    pub result: Option<String>,
    /// What it came to, as a text.
    pub text: Option<String>,
}

/// Which runs are listed: those for which all holds that is said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Of this tool.
    pub tool: Option<String>,
    /// Of these targets.
    pub target: Option<TargetFilter>,
    /// In this state.
    pub state: Option<State>,
    /// Asked for at this time or later.
    pub since: Option<UtcMs>,
    /// Asked for before this time.
    pub until: Option<UtcMs>,
}

/// Which targets, as they were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetFilter {
    /// This one.
    Exact(String),
    /// Those that begin so.
    Prefix(String),
}

/// Where the next page of a list begins. It says nothing but the last run of the page before, so that it
/// tells nobody how many runs others have. Where retention has dropped that run, what would follow has
/// gone with it, and the page is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Cursor(pub(crate) RunId);

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for Cursor {
    type Err = crate::id::BadRunId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The runs, the newest first, in the order in which the store was told of them.
    pub runs: Vec<RunSummary>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}
