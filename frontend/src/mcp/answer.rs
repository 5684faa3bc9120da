//! A result as a client of MCP gets it: a short text, the structured result, and where that is long
//! a link to the whole.
//!
//! A model's context is small, and clients cut what is long wherever it happens to be. So what is
//! long is shortened here on purpose, with a note that says where the rest is.

use rmcp::model::{CallToolResult, ContentBlock, Resource};
use serde_json::{Value, json};

use super::store::{LIFETIME, ResultStore};
use crate::result::ToolResult;

/// Longest standard output or error in the structured result, in bytes.
const STREAM_MAX: usize = 8 * 1024;

/// Longest parsed report in the structured result, in bytes of JSON.
const PARSED_MAX: usize = 32 * 1024;

/// Turns a result into a tool's answer, keeping the whole of a long one in `store`.
pub fn answer(result: &ToolResult, store: &ResultStore) -> CallToolResult {
    let mut text = result.text();
    if let Some(suggestion) = result.suggestion() {
        text.push_str(&format!("\nThis would pass: {}", suggestion.as_call()));
    }
    let mut content = Vec::new();
    let structured = match shortened(result) {
        None => json!(result),
        Some(mut short) => {
            let whole = serde_json::to_string(result).unwrap_or_default();
            let bytes = whole.len();
            let uri = store.keep(whole);
            let minutes = LIFETIME.as_secs() / 60;
            text.push_str(&format!(
                "\nThe whole result, with all output ({bytes} bytes), is the resource {uri}, for \
                 {minutes} minutes."
            ));
            short["metadata"]["full_result"] =
                json!({ "uri": uri, "bytes": bytes, "lifetime_seconds": LIFETIME.as_secs() });
            content.push(ContentBlock::resource_link(
                Resource::new(uri, format!("{} result", result.tool))
                    .with_title(format!("The whole result of {} {}", result.tool, result.target))
                    .with_mime_type("application/json")
                    .with_size(u32::try_from(bytes).unwrap_or(u32::MAX).into()),
            ));
            short
        }
    };
    content.insert(0, ContentBlock::text(text));
    let mut answer = match result.error_type {
        None => CallToolResult::success(content),
        Some(_) => CallToolResult::error(content),
    };
    answer.structured_content = Some(structured);
    answer
}

/// Keeps what a call that its client cancelled had given, if that is anything: nobody waits for the
/// answer any more, but somebody may want to look.
pub fn keep_cancelled(result: &ToolResult, store: &ResultStore) {
    if result.stdout.is_empty() && result.stderr.is_empty() {
        return;
    }
    let title = format!("What {} {} gave until it was cancelled", result.tool, result.target);
    store.keep_cancelled(serde_json::to_string(result).unwrap_or_default(), title);
}

/// The structured result with its long parts cut; `None` where nothing is long.
fn shortened(result: &ToolResult) -> Option<Value> {
    let long_parsed = result.parsed_within(PARSED_MAX);
    let is_long = |text: &str| text.len() > STREAM_MAX;
    if long_parsed.is_none() && !is_long(&result.stdout) && !is_long(&result.stderr) {
        return None;
    }
    let mut short = json!(result);
    short["stdout"] = json!(middle_out(&result.stdout));
    short["stderr"] = json!(middle_out(&result.stderr));
    if let Some(parsed) = long_parsed {
        short["parsed"] = parsed;
    }
    Some(short)
}

/// A long text without its middle: what a tool says first and last matters most.
fn middle_out(text: &str) -> String {
    if text.len() <= STREAM_MAX {
        return text.to_owned();
    }
    let head = text.floor_char_boundary(STREAM_MAX / 2);
    let tail = text.ceil_char_boundary(text.len() - STREAM_MAX / 2);
    format!(
        "{}\n… {} bytes left out: see metadata.full_result …\n{}",
        &text[..head],
        tail - head,
        &text[tail..]
    )
}
