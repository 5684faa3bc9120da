//! The answers to calls that are turned away here: a hidden tool, no place in the line, a client that
//! asks too often, a tool that is left alone.
//!
//! Each says when or how to come again. The broker does not hear of these calls.

use probity_output::clean::clean_str;
use serde_json::json;

use crate::{
    calls::{
        control::{
            breaker::{BreakerState, BreakerStatus},
            gate::Full,
            limiter::Exceeded,
        },
        published::registry::Hidden,
        result::{Asked, ErrorType, ToolResult, whole_seconds},
    },
    config::RateLimit,
};

/// A call of a tool that this process does not publish.
#[must_use]
pub(crate) fn hidden(asked: &Asked, hidden: Hidden) -> ToolResult {
    ToolResult::turned_away(
        asked,
        ErrorType::Disabled,
        format!("{} {}", asked.tool, hidden.reason()),
        String::from("Use another tool of the list, or ask whoever runs this server."),
    )
}

/// A call for which there was no place in this process's own line.
#[must_use]
pub(crate) fn queue_full(asked: &Asked, full: &Full) -> ToolResult {
    let message =
        format!("{} calls of {} are waiting already, which is the limit", full.waiting, asked.tool);
    ToolResult::exhausted(asked, message, full.expected_wait)
}

/// A call by a client that asks for its tool too often.
#[must_use]
pub(crate) fn rate_limited(asked: &Asked, rate: &RateLimit, exceeded: &Exceeded) -> ToolResult {
    let (requests, window) = (rate.requests, rate.window.as_secs_f64());
    let retry = whole_seconds(Some(exceeded.retry_after));
    let message = format!(
        "{} was asked for too often: {requests} times in {window} s are allowed",
        if asked.tool.is_empty() { "a tool" } else { &asked.tool }
    );
    let suggestion = format!("Wait {retry} s, then try again.");
    let mut result =
        ToolResult::turned_away(asked, ErrorType::ResourceExhausted, message, suggestion);
    result.detail("limit", json!({ "requests": requests, "window_sec": window }));
    result.detail("retry_after_sec", json!(retry));
    result
}

/// A call in the background of somebody who has as many going on as may be.
#[must_use]
pub(crate) fn too_many_runs(asked: &Asked, most: usize) -> ToolResult {
    let message = format!("{most} runs of yours go on in the background, which is the limit");
    let suggestion = String::from("Wait until one is over, or cancel one: run_list has them.");
    ToolResult::turned_away(asked, ErrorType::ResourceExhausted, message, suggestion)
}

/// A call that came at the server's end.
#[must_use]
pub(crate) fn server_ends(asked: &Asked) -> ToolResult {
    let message = String::from("the server is stopping, so nothing new begins");
    let suggestion = String::from("Try again when it is back.");
    ToolResult::turned_away(asked, ErrorType::ResourceExhausted, message, suggestion)
}

/// A call of a tool that is left alone for now.
#[must_use]
pub(crate) fn breaker_open(asked: &Asked, status: &BreakerStatus) -> ToolResult {
    let retry = whole_seconds(status.retry_after);
    let reason = match &status.last_failure {
        Some(reason) => format!("; the last failure: {}", clean_str(reason)),
        None => String::new(),
    };
    let (message, suggestion) = match status.state {
        BreakerState::HalfOpen => (
            format!("{} has failed, and one call is trying it now{reason}", asked.tool),
            String::from("Try again when that call has ended."),
        ),
        BreakerState::Open | BreakerState::Closed => (
            format!(
                "{} has failed {} times in a row and is left alone{reason}",
                asked.tool, status.failures
            ),
            format!(
                "Wait {retry} s, then try once; until then use another tool. If it fails again, \
                 tell whoever runs this server the last failure."
            ),
        ),
    };
    let mut result =
        ToolResult::turned_away(asked, ErrorType::CircuitBreakerOpen, message, suggestion);
    result.detail("state", json!(status.state.as_str()));
    result.detail("failures", json!(status.failures));
    result.detail("retry_after_sec", json!(retry));
    result
}
