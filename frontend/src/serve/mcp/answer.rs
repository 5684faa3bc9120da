//! A result as a client of MCP gets it: a short text, the structured result, and where that is long
//! a link to the whole.
//!
//! A model's context is small, and clients cut what is long wherever it happens to be. So what says
//! nothing is left out, what is said twice is said once, and what is long is shortened on purpose, with a
//! flag and a note that says how to get the rest. HTTP and the command line give the result as it is.

use std::iter;

use probity_output::parsers::{
    self,
    brief::{brief_within, is_nothing},
};
use rmcp::model::{CallToolResult, ContentBlock, Resource};
use serde_json::{Map, Value, json};

use super::store::{LIFETIME, ResultStore};
use crate::calls::{published::registry::READ_RESULT, result::ToolResult, runs::WholeRun};

/// Longest standard output or error in the structured result, in bytes: that of the text.
const STREAM_MAX: usize = 4 * 1024;

/// Longest parsed report in the structured result, in bytes of JSON: some four thousand tokens.
const PARSED_MAX: usize = 12 * 1024;

/// Figures about a run that no model asks for. They are in the whole result.
const FIGURES: [&str; 8] = [
    "cpu_seconds",
    "max_rss_bytes",
    "net_raw",
    "policy_digest",
    "run_id",
    "stderr_bytes",
    "stdout_bytes",
    "timeout_sec",
];

/// What the details of an error say that the result says too, and the time.
const SAID_ALREADY: [&str; 5] = ["error_type", "message", "target", "timestamp", "tool_name"];

/// What a plan says beyond what would be run.
const PLAN_DETAILS: [&str; 3] = ["environment", "limits", "sandbox"];

/// Turns a result into a tool's answer, keeping the whole in `store` where something is left out. Where
/// the client can `read_on` by a tool, it is told so.
pub fn answer(result: &ToolResult, store: &ResultStore, read_on: bool) -> CallToolResult {
    let mut text = result.text();
    let text_is_cut = parsers::is_cut(&text);
    if let Some(suggestion) = result.suggestion() {
        text.push_str(&format!("\nThis would pass: {}", suggestion.as_call()));
    }
    let Brief { mut structured, is_raw_left_out, is_cut } = Brief::of(result);
    let is_cut = is_cut || text_is_cut;
    structured.insert("truncated_answer".into(), json!(is_cut));
    let mut link = None;
    if is_cut || is_raw_left_out {
        let whole = serde_json::to_string(result).unwrap_or_default();
        let lead = Lead::to(whole, &result.tool, &result.target, store);
        link = lead.write(is_cut, read_on, &mut text, &mut structured);
    }
    let content = iter::once(ContentBlock::text(text)).chain(link).collect();
    let mut answer = match result.error_type {
        None => CallToolResult::success(content),
        Some(_) => CallToolResult::error(content),
    };
    answer.structured_content = Some(Value::Object(structured));
    answer
}

/// What a run that is kept came to, as its call would have been answered.
pub fn stored(
    result: &Value,
    run: &WholeRun,
    store: &ResultStore,
    read_on: bool,
) -> CallToolResult {
    let mut text = run.text.clone().unwrap_or_default();
    let mut is_cut = parsers::is_cut(&text);
    let Value::Object(mut structured) = result.clone() else {
        return CallToolResult::error(vec![ContentBlock::text(text)]);
    };
    structured.remove("argv");
    if structured.get("address") == structured.get("target") {
        structured.remove("address");
    }
    let mut is_raw_left_out = false;
    if let Some(parsed) = structured.get("parsed").filter(|parsed| parsed.is_object()) {
        let (parsed, dropped) = brief_within(parsed, PARSED_MAX);
        structured.insert("parsed".into(), parsed);
        is_cut |= dropped;
        // The report stands for it.
        for name in ["stdout", "stderr"] {
            is_raw_left_out |= structured.remove(name).is_some_and(|it| !is_nothing(&it));
        }
    }
    is_cut |= shorten_streams(&mut structured);
    leave_out(&mut structured);
    structured.insert("truncated_answer".into(), json!(is_cut));
    structured.retain(|_, value| !is_nothing(value));
    let mut link = None;
    if is_cut || is_raw_left_out {
        let lead = Lead::to(result.to_string(), &run.run.tool, &run.run.target, store);
        link = lead.write(is_cut, read_on, &mut text, &mut structured);
    }
    let content = iter::once(ContentBlock::text(text)).chain(link).collect();
    let mut answer = match result["error_type"].is_null() {
        true => CallToolResult::success(content),
        false => CallToolResult::error(content),
    };
    answer.structured_content = Some(Value::Object(structured));
    answer
}

/// The way to the whole of a result, where an answer has not all of it.
struct Lead<'a> {
    tool: &'a str,
    target: &'a str,
    uri: String,
    bytes: usize,
}

impl<'a> Lead<'a> {
    /// Keeps the whole.
    fn to(whole: String, tool: &'a str, target: &'a str, store: &ResultStore) -> Self {
        let bytes = whole.len();
        Self { tool, target, uri: store.keep(tool, whole), bytes }
    }

    /// Says in an answer where the whole is; of one that is shortened in words too, and by the link that is
    /// given back.
    fn write(
        self,
        is_cut: bool,
        read_on: bool,
        text: &mut String,
        structured: &mut Map<String, Value>,
    ) -> Option<ContentBlock> {
        let mut full_result = json!({ "uri": self.uri });
        if is_cut {
            full_result["bytes"] = json!(self.bytes);
            full_result["lifetime_seconds"] = json!(LIFETIME.as_secs());
            text.push_str(&shortened(&self.uri, read_on));
        }
        let metadata = structured.entry("metadata").or_insert_with(|| json!({}));
        metadata["full_result"] = full_result;
        is_cut.then(|| {
            ContentBlock::resource_link(
                Resource::new(self.uri, format!("{} result", self.tool))
                    .with_title(format!("The whole result of {} {}", self.tool, self.target))
                    .with_mime_type("application/json")
                    .with_size(u32::try_from(self.bytes).unwrap_or(u32::MAX).into()),
            )
        })
    }
}

/// That an answer is not the whole, and how one reads on.
fn shortened(uri: &str, read_on: bool) -> String {
    let minutes = LIFETIME.as_secs() / 60;
    let how = match read_on {
        true => format!("{READ_RESULT} gives the rest of {uri}"),
        false => format!("the rest is in the resource {uri}"),
    };
    format!("\nThis answer is shortened: {how}, for {minutes} minutes.")
}

/// Keeps what a call that its client cancelled had given, if that is anything: nobody waits for the
/// answer any more, but somebody may want to look.
pub fn keep_cancelled(result: &ToolResult, store: &ResultStore) {
    if result.stdout.is_empty() && result.stderr.is_empty() {
        return;
    }
    let title = format!("What {} {} gave until it was cancelled", result.tool, result.target);
    let whole = serde_json::to_string(result).unwrap_or_default();
    store.keep_cancelled(&result.tool, whole, title);
}

/// The structured result without what says nothing, and with its long parts cut.
struct Brief {
    structured: Map<String, Value>,
    /// The parsed report stands for what the tool wrote.
    is_raw_left_out: bool,
    is_cut: bool,
}

impl Brief {
    fn of(result: &ToolResult) -> Self {
        let Value::Object(mut structured) = json!(result) else {
            return Self { structured: Map::new(), is_raw_left_out: false, is_cut: false };
        };
        let mut is_cut = false;
        // Those who ask for the command ask for a dry run, whose plan has it.
        structured.remove("argv");
        if result.address.as_ref() == Some(&result.target) {
            structured.remove("address");
        }
        let mut is_raw_left_out = false;
        if let Some((parsed, dropped)) = result.brief_report(PARSED_MAX) {
            structured.insert("parsed".into(), parsed);
            is_cut |= dropped;
            let (stdout, stderr) = result.raw_in_report();
            for (name, is_said) in [("stdout", stdout), ("stderr", stderr)] {
                if is_said {
                    is_raw_left_out |= structured.remove(name).is_some_and(|it| !is_nothing(&it));
                }
            }
        }
        is_cut |= shorten_streams(&mut structured);
        leave_out(&mut structured);
        structured.retain(|_, value| !is_nothing(value));
        Self { structured, is_raw_left_out, is_cut }
    }
}

/// Cuts what a tool wrote; reports whether anything is gone.
fn shorten_streams(structured: &mut Map<String, Value>) -> bool {
    let mut is_cut = false;
    for name in ["stdout", "stderr"] {
        if let Some(Value::String(text)) = structured.get_mut(name)
            && text.len() > STREAM_MAX
        {
            *text = middle_out(text);
            is_cut = true;
        }
    }
    is_cut
}

/// Leaves out what no model asks for, and what is said twice.
fn leave_out(structured: &mut Map<String, Value>) {
    let time = structured.get("execution_time").and_then(Value::as_f64).unwrap_or_default();
    structured.insert("execution_time".into(), json!((time * 1000.0).round() / 1000.0));
    let is = |name: &str| structured.get(name) == Some(&json!(true));
    let (stdout, stderr) = (is("truncated_stdout"), is("truncated_stderr"));
    if let Some(Value::Object(details)) = structured.get_mut("error_details") {
        details.retain(|name, value| !SAID_ALREADY.contains(&name.as_str()) && !is_nothing(value));
    }
    if let Some(Value::Object(metadata)) = structured.get_mut("metadata") {
        let goes_on = metadata.contains_key("goes_on");
        let is_wanted = |name: &str| match name {
            // How much there was.
            "stdout_bytes" => stdout,
            "stderr_bytes" => stderr,
            // What goes on is come back to by it.
            "run_id" => goes_on,
            _ => !FIGURES.contains(&name),
        };
        metadata.retain(|name, _| is_wanted(name));
        if let Some(Value::Object(plan)) = metadata.get_mut("plan") {
            plan.retain(|name, _| !PLAN_DETAILS.contains(&name.as_str()));
        }
    }
}

/// A long text without its middle: what a tool says first and last matters most.
fn middle_out(text: &str) -> String {
    let head = text.floor_char_boundary(STREAM_MAX / 2);
    let tail = text.ceil_char_boundary(text.len() - STREAM_MAX / 2);
    format!(
        "{}\n… {} bytes left out: see metadata.full_result …\n{}",
        &text[..head],
        tail - head,
        &text[tail..]
    )
}
