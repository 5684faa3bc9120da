//! Results of runs that are over, read for whoever compares or draws them.

use probity_history::{State, StoredRun};
use probity_output::{
    compare::Side,
    pictures::{Moment, Shown},
};
use serde::Deserialize;
use serde_json::Value;

use super::{RunsError, stamp};

const NOT_DONE: &str = "this was ended before it was done: try again, or read the texts";

/// Reading and comparing the largest scans takes as long as a hundred short calls: other threads do it, and of
/// two runs both at once.
pub(super) fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = Result<T, RunsError>> {
    let working = tokio::task::spawn_blocking(work);
    // It was ended with the runtime, or there is a fault in it, which is on standard error.
    async { working.await.map_err(|_| RunsError::NotComparable(NOT_DONE.to_owned())) }
}

/// A run, and of its result what is compared.
pub(super) struct Kept {
    pub(super) run: StoredRun,
    /// When it was asked for, in RFC 3339.
    at: String,
    result: Compares,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Compares {
    parsed: Value,
    argv: Vec<String>,
    timed_out: bool,
    truncated_stdout: bool,
    signal: Option<i64>,
}

impl Kept {
    pub(super) fn read(run: StoredRun) -> Self {
        let result = run.result.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let at = stamp(run.summary.queued_ms);
        Self { run, at, result: result.unwrap_or_default() }
    }

    pub(super) fn side(&self) -> Side<'_> {
        let Compares { parsed, argv, timed_out, truncated_stdout, signal } = &self.result;
        let is_whole = !timed_out && !truncated_stdout && signal.is_none();
        let complete = self.run.summary.state == State::Finished && is_whole;
        Side { parsed: Some(parsed).filter(|parsed| parsed.is_object()), complete, command: argv }
    }

    pub(super) fn parser(&self) -> &str {
        self.run.summary.parser.as_deref().unwrap_or("none")
    }

    pub(super) fn moment(&self) -> Moment<'_> {
        let is_good = self.run.summary.error_type.is_none();
        Moment { at: &self.at, parsed: self.side().parsed.filter(|_| is_good), changed: false }
    }

    pub(super) fn shown(&self) -> Shown<'_> {
        let (run, side) = (&self.run.summary, self.side());
        Shown {
            tool: &run.tool,
            target: &run.target,
            at: Some(&self.at),
            parsed: side.parsed.unwrap_or(&Value::Null),
            complete: side.complete,
            command: side.command,
        }
    }
}
