//! What the policy says of a call: the exact command, or the refusal with the call that passes.

use maud::{Markup, html};
use probity_protocol::DenialCode;
use serde_json::Value;

use super::bits::{badge, form_url, hidden_fields, plain, sentence};
use crate::calls::{request::join_words, result::ToolResult};

/// Where no call passes that aims at a target, the advice is what a model is to tell its user.
const NO_TARGET: &str = DenialCode::TargetNotAllowed.as_str();

/// The verdict of a dry run, and what comes of a call that was turned away.
#[must_use]
pub fn verdict(result: &ToolResult) -> Markup {
    match &result.error_details {
        None => allowed(result),
        Some(details) => {
            let word = if details.code.is_some() { "refused" } else { "not now" };
            html! {
                p { (badge("bad", word)) @if let Some(code) = details.code { " " code { (code) } } }
                p { (sentence(&details.message)) }
                @if result.suggestion().is_some() || details.code != Some(NO_TARGET) { p.help { (details.recovery_suggestion) } }
                @if let Some(suggestion) = result.suggestion() {
                    (passing(&suggestion.tool, &suggestion.arguments))
                }
            }
        }
    }
}

fn allowed(result: &ToolResult) -> Markup {
    let plan = result.metadata.get("plan");
    let said = |name: &str| plan.and_then(|plan| plan.get(name));
    let seconds = said("timeout_sec").and_then(Value::as_f64);
    let approvers: Vec<&str> = said("approvers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let available = result.metadata.get("availability");
    let reason = available.and_then(|it| it.get("reason")).and_then(Value::as_str);
    html! {
        p {
            (badge("good", "allowed"))
            @if let Some(tier) = said("tier").and_then(Value::as_str) { " " (tier) " tier" }
            @if let Some(seconds) = seconds { ", at most " (seconds) " s" }
        }
        pre.code tabindex="0" { (join_words(&result.argv).unwrap_or_default()) }
        @if let Some(address) = result.address.as_ref().filter(|address| **address != result.target) {
            p.help { (result.target) " is " (address) "." }
        }
        @if !approvers.is_empty() { p { (badge("warn", "waits for another person")) " " (approvers.join(" or ")) } }
        @if let Some(reason) = reason { p { (badge("bad", "cannot run now")) " " (reason) } }
    }
}

/// A call that the broker approves of, to be run or looked at.
fn passing(tool: &str, arguments: &serde_json::Map<String, Value>) -> Markup {
    let mut arguments = arguments.clone();
    arguments.remove("dry_run");
    let said: Vec<String> =
        arguments.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
    html! {
        form.inline method="post" action={ "/ui/tools/" (tool) } {
            p { "This would pass: " code { (tool) " " (said.join(" ")) } }
            (hidden_fields(&arguments))
            button type="submit" { "Run this instead" } " "
            a.button.quiet href=(form_url(tool, &arguments)) { "Change it first" }
        }
    }
}
