//! A watch: what is called, when, and what is told of it. Only [`file`](super::file) makes one, so each has
//! been checked. Whether the call may be made at all is the policy's business, each time.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{condition::Condition, name::WatchName, schedule::Schedule};

/// Most watches of one server. Each makes series of metrics.
pub const MOST_WATCHES: usize = 1_000;

/// A call that comes again by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    pub(super) name: WatchName,
    pub(super) call: WatchedCall,
    pub(super) schedule: Schedule,
    pub(super) tell: Vec<Condition>,
    pub(super) origin: Origin,
}

/// Who wrote a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Whoever writes the server's file.
    File,
    /// An administrator over HTTP.
    Added,
}

/// What a watch calls.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WatchedCall {
    /// The tool's own name.
    pub tool: String,
    /// What reads its output, by its name.
    pub parser: Option<String>,
    pub target: Option<String>,
    pub options: Map<String, Value>,
    pub preset: Option<String>,
    pub timeout: Option<Duration>,
}

impl Watch {
    /// Its name, which no other watch of its file has.
    #[must_use]
    pub fn name(&self) -> &WatchName {
        &self.name
    }

    /// The tool's own name.
    #[must_use]
    pub fn tool(&self) -> &str {
        &self.call.tool
    }

    /// What reads the tool's output, by its name; `None` where there is no typed result.
    #[must_use]
    pub fn parser(&self) -> Option<&str> {
        self.call.parser.as_deref()
    }

    /// The target as it was written; `None` for a tool that takes none.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.call.target.as_deref()
    }

    /// When it comes.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Who wrote it.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The same, written by somebody else.
    #[must_use]
    pub(super) fn written_by(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// What is told, in the order of the file, each once.
    #[must_use]
    pub fn tell(&self) -> &[Condition] {
        &self.tell
    }

    /// The arguments of its call, as a client would send them: the options, `target`, `preset` and
    /// `timeout_sec`.
    #[must_use]
    pub fn arguments(&self) -> Map<String, Value> {
        let mut arguments = Map::new();
        let call = &self.call;
        arguments.extend(call.target.as_ref().map(|target| ("target".into(), json!(target))));
        arguments.extend(call.options.clone());
        arguments.extend(call.preset.as_ref().map(|preset| ("preset".into(), json!(preset))));
        let timeout = call.timeout.map(|timeout| timeout.as_secs_f64());
        arguments.extend(timeout.map(|seconds| ("timeout_sec".into(), json!(seconds))));
        arguments
    }

    /// Whether another watch makes the same call: then a run of the one is a run of the other.
    #[must_use]
    pub fn calls_the_same(&self, other: &Self) -> bool {
        self.call == other.call && self.origin == other.origin
    }
}
