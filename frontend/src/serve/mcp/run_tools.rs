//! The frontend's own tools for runs that one comes back to: how far they are, what they came to, what
//! there is, what changed, and their end.
//!
//! They read what is kept and run nothing, so the broker is not asked. A run that is not its caller's is
//! answered as one that never was.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use probity_output::quote::word;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};

use super::{answer, store::ResultStore};
use crate::calls::runs::{RunFilter, RunView, Runs, RunsError, Viewer, moment};

/// Longest that a result is waited for: some clients give a call no more than a minute.
const WAIT_MAX_SEC: u64 = 50;

/// Runs of a list, and most of them.
const LIST_DEFAULT: u64 = 10;
const LIST_MAX: u64 = 50;

/// Tells of a run.
const STATUS: &str = "run_status";
/// Gives its result.
const RESULT: &str = "run_result";
/// Ends it.
const CANCEL: &str = "run_cancel";
/// Tells which there are.
const LIST: &str = "run_list";
/// Tells what changed from one to another.
const COMPARE: &str = "compare_runs";

/// The names of all of them.
pub const NAMES: [&str; 5] = [STATUS, RESULT, CANCEL, LIST, COMPARE];

/// Their descriptions, as tools beside those of the policy. Whatever stands in them a model reads in each of
/// its conversations.
#[must_use]
pub fn tools() -> Vec<Tool> {
    let id = || json!({ "type": "string" });
    vec![
        tool(
            STATUS,
            "How far a run is that was begun with `background: true`.",
            json!({ "id": id() }),
            &["id"],
            true,
        ),
        tool(
            RESULT,
            "What a run came to.",
            json!({
                "id": id(),
                "wait_sec": {
                    "type": "integer", "minimum": 0, "maximum": WAIT_MAX_SEC, "default": 0,
                    "description": "Waits so long for its end.",
                },
            }),
            &["id"],
            true,
        ),
        tool(
            CANCEL,
            "End a run; what it found until then is its result.",
            json!({ "id": id() }),
            &["id"],
            false,
        ),
        tool(
            LIST,
            "Your runs, newest first, also those of earlier days.",
            json!({
                "tool": { "type": "string" },
                "target": { "type": "string" },
                "since": { "type": "string", "description": "7d, or 2026-11-30." },
                "limit": {
                    "type": "integer", "minimum": 1, "maximum": LIST_MAX, "default": LIST_DEFAULT,
                },
            }),
            &[],
            true,
        ),
        tool(
            COMPARE,
            "What changed from an earlier run to this one of the same tool.",
            json!({
                "id": id(),
                "earlier": {
                    "type": "string",
                    "description": "Left out: the one before it of the same call.",
                },
            }),
            &["id"],
            true,
        ),
    ]
}

fn tool(
    name: &'static str,
    text: &'static str,
    properties: Value,
    required: &[&str],
    reads: bool,
) -> Tool {
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    let Value::Object(schema) = schema else { unreachable!("it is written above") };
    let annotations = ToolAnnotations::new()
        .read_only(reads)
        .destructive(!reads)
        .idempotent(true)
        .open_world(false);
    Tool::new(name, text, Arc::<JsonObject>::new(schema)).with_annotations(annotations)
}

/// What a call needs.
pub struct Desk<'a> {
    /// Where the runs are.
    pub runs: &'a Runs,
    /// Who asks.
    pub viewer: &'a Viewer,
    /// Where what an answer leaves out is kept.
    pub store: &'a ResultStore,
    /// The client can read on by a tool.
    pub read_on: bool,
}

/// Answers a call of one of them.
pub async fn answer(name: &str, arguments: &Map<String, Value>, desk: &Desk<'_>) -> CallToolResult {
    let given = Given { tool: name, arguments };
    match answered(&given, desk).await {
        Ok(result) => result,
        Err(said) => CallToolResult::error(vec![ContentBlock::text(said)]),
    }
}

async fn answered(given: &Given<'_>, desk: &Desk<'_>) -> Result<CallToolResult, String> {
    let Desk { runs, viewer, .. } = desk;
    match given.tool {
        STATUS => {
            given.only(&["id"])?;
            let run = runs.status(viewer, given.id("id")?).await.map_err(said)?;
            Ok(told(in_words(&run), &run))
        }
        RESULT => {
            given.only(&["id", "wait_sec"])?;
            let wait = Duration::from_secs(given.number("wait_sec", 0, 0, WAIT_MAX_SEC)?);
            let id = given.id("id")?;
            runs.await_end(viewer, id, wait).await.map_err(said)?;
            let run = runs.show(viewer, id).await.map_err(said)?;
            match &run.result {
                Some(result) => Ok(answer::stored(result, &run, desk.store, desk.read_on)),
                None => Ok(told(in_words(&run.run), &run.run)),
            }
        }
        CANCEL => {
            given.only(&["id"])?;
            let run = runs.cancel(viewer, given.id("id")?).await.map_err(said)?;
            let words = match run.ended_at {
                None => format!("Run {} is being ended. {RESULT} has what it found.", run.run_id),
                Some(_) => format!("It is over already. {}", in_words(&run)),
            };
            Ok(told(words, &run))
        }
        LIST => {
            given.only(&["tool", "target", "since", "state", "limit"])?;
            let limit = given.number("limit", LIST_DEFAULT, 1, LIST_MAX)?;
            let since = given.text("since")?;
            let since = since.map(|text| moment(text, Timestamp::now())).transpose();
            let filter = RunFilter {
                tool: given.text("tool")?.map(str::to_owned),
                target: given.text("target")?.map(str::to_owned),
                state: given.text("state")?.map(str::to_owned),
                since: since.map_err(|error| format!("since: {error}."))?,
                until: None,
            };
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let list = runs.list(viewer, &filter, limit, None).await.map_err(said)?;
            let lines: Vec<String> = list.runs.iter().map(in_words).collect();
            let text = match lines.as_slice() {
                [] => String::from("There are no such runs of yours."),
                lines => lines.join("\n"),
            };
            Ok(CallToolResult::success(vec![ContentBlock::text(text)]))
        }
        _ => {
            given.only(&["id", "earlier"])?;
            let earlier = given.text("earlier")?;
            let compared = runs.compare(viewer, earlier, given.id("id")?).await.map_err(said)?;
            Ok(told(compared.text(), &compared))
        }
    }
}

/// An answer in words, and the same for programs.
fn told(words: String, value: &impl serde::Serialize) -> CallToolResult {
    let mut answer = CallToolResult::success(vec![ContentBlock::text(words)]);
    answer.structured_content = Some(json!(value));
    answer
}

fn said(error: RunsError) -> String {
    error.in_full()
}

/// A run on one line.
fn in_words(run: &RunView) -> String {
    let mut text = format!("{} {} {}: {}", run.run_id, run.tool, word(&run.target), run.state);
    if let Some(progress) = &run.progress {
        let percent = progress.percent.map(|percent| format!(", {percent} %")).unwrap_or_default();
        text.push_str(&format!("{percent}, {}", word(&progress.message)));
    }
    if let Some(ended_at) = &run.ended_at {
        text.push_str(&format!(" {ended_at}"));
    }
    if let Some(summary) = &run.summary {
        text.push_str(&format!(": {}", word(summary)));
    }
    text
}

/// The arguments of a call.
struct Given<'a> {
    tool: &'a str,
    arguments: &'a Map<String, Value>,
}

impl<'a> Given<'a> {
    fn only(&self, known: &[&str]) -> Result<(), String> {
        let is_known = |name: &str| known.contains(&name) || name == "correlation_id";
        match self.arguments.keys().find(|name| !is_known(name)) {
            None => Ok(()),
            Some(name) => {
                let name: String = name.chars().take(64).collect();
                Err(format!("There is no property {}: {}.", word(&name), known.join(", ")))
            }
        }
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.arguments.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim())),
            Some(_) => Err(format!("{name}: give a text.")),
        }
    }

    fn id(&self, name: &str) -> Result<&'a str, String> {
        let id = self.text(name)?;
        id.ok_or_else(|| format!("{name}: it is missing. {LIST} has the ids of your runs."))
    }

    /// Some clients write numbers as texts.
    fn number(&self, name: &str, default: u64, least: u64, most: u64) -> Result<u64, String> {
        let Some(value) = self.value(name) else { return Ok(default) };
        let text = || value.as_str().and_then(|text| text.trim().parse().ok());
        let number = value.as_u64().or_else(text);
        let number = number.filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| format!("{name}: it is a whole number from {least} to {most}."))
    }
}
