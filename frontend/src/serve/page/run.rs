//! One run: how far it is and what it writes while it goes on; then its picture, its tables, and all it wrote.

use maud::{Markup, html};
use probity_protocol::Catalog;
use serde_json::{Map, Value};

use super::{
    Frame, Place, Who,
    bits::{self, form_url, hidden_fields, moment, state_of},
    commands::same_call,
    overview::how_far,
    value,
};
use crate::calls::runs::WholeRun;

/// Longest text that is shown of what a tool wrote, in bytes.
const SHOWN_MAX: usize = 64 << 10;

/// What it shows.
pub struct RunPage<'a> {
    /// The run.
    pub run: &'a WholeRun,
    /// What its picture says to whoever does not see it; none where there is no picture.
    pub picture: Option<&'a str>,
    /// What whoever looks may use.
    pub catalog: &'a Catalog,
    /// Where this server was asked: `http://localhost:8080`.
    pub origin: &'a str,
}

/// The view.
#[must_use]
pub fn run(who: &Who, page: &RunPage<'_>) -> Markup {
    let run = &page.run.run;
    let title = format!("{} {}", run.tool, run.target);
    let goes_on = run.ended_at.is_none() && matches!(run.state, "queued" | "running");
    let empty = Map::new();
    let arguments = page.run.arguments.as_object().unwrap_or(&empty);
    let view = html! {
        section #state data-part {
            p { (state_of(run)) " asked " (moment(&run.asked_at))
                @if let Some(at) = &run.ended_at { ", ended " (moment(at)) }
                @if let Some(owner) = &run.owner { ", by " (bits::owner(owner)) }
            }
            @if goes_on {
                p #progress role="status" { @if let Some(progress) = &run.progress { (how_far(progress)) } }
            }
            @if let Some(summary) = &run.summary { p.summary { (summary) } }
        }
        (actions(who, page.run, arguments, goes_on))
        @if goes_on {
            section #live hidden data-events={ "/ui/runs/" (run.run_id) "/events" } {
                h2 { "Output" }
                pre #output.code tabindex="0" aria-live="off" {}
            }
        }
        @if let Some(alternative) = page.picture {
            figure { img.picture src={ "/ui/runs/" (run.run_id) "/picture.svg" } alt=(alternative) width="480"; }
        }
        @if let Some(result) = &page.run.result { (what_came(page.run, result)) }
        section { details { summary { "The same call elsewhere" }
            (same_call(&run.tool, arguments, page.catalog, page.origin)) } }
        dl.facts.help {
            div { dt { "Run" } dd { code { (run.run_id) } } }
            div { dt { "In the audit log" } dd { code { (run.correlation_id) } } }
            @if let Some(client) = &run.client { div { dt { "Client" } dd { (client) } } }
        }
    };
    let again_after = if goes_on { 2 } else { 0 };
    Frame { again_after, ..Frame::still(Some(who), Place::Runs, title.trim()) }.around(&view)
}

fn actions(who: &Who, run: &WholeRun, arguments: &Map<String, Value>, goes_on: bool) -> Markup {
    let (id, tool) = (&run.run.run_id, &run.run.tool);
    html! { div.actions {
        @if who.may_run() && goes_on {
            form method="post" action={ "/ui/runs/" (id) "/cancel" } { button.bad type="submit" { "Cancel" } }
        }
        @if who.may_run() && !goes_on {
            form method="post" action={ "/ui/tools/" (tool) } {
                (hidden_fields(arguments))
                button type="submit" { "Run again" }
            }
            a.button.quiet href=(form_url(tool, arguments)) { "Change and run" }
        }
        @if !goes_on { a.button.quiet href={ "/ui/compare?after=" (id) } { "Compare with the one before" } }
    } }
}

fn what_came(run: &WholeRun, result: &Value) -> Markup {
    let text = |name: &str| {
        result.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
    };
    let parsed = result.get("parsed").filter(|parsed| parsed.is_object());
    html! {
        @if let Some(error) = text("error") {
            div.notice.bad { p { (bits::sentence(error)) }
                @if let Some(said) = result.pointer("/error_details/recovery_suggestion").and_then(Value::as_str) {
                    p { (said) }
                }
            }
        }
        @if let Some(words) = &run.text { section { h2 { "In words" } (shown(words)) } }
        @if let Some(parsed) = parsed { section { details open { summary { "Table" } (value::value(parsed)) } } }
        @for (name, title) in [("stdout", "What it wrote"), ("stderr", "What it complained of")] {
            @if let Some(output) = text(name) {
                section { details open[parsed.is_none()] { summary { (title) } (shown(output)) } }
            }
        }
        section { details { summary { "JSON" }
            p { a href={ "/ui/runs/" (run.run.run_id) "/result.json" } download { "Download" } }
            (shown(&serde_json::to_string_pretty(result).unwrap_or_default()))
        } }
    }
}

/// A text, and that it goes on where it is cut.
fn shown(text: &str) -> Markup {
    let first = &text[..text.floor_char_boundary(SHOWN_MAX)];
    html! {
        pre.code tabindex="0" { (first) }
        @if first.len() < text.len() {
            p.help { "The first " (SHOWN_MAX >> 10) " KiB of " (text.len() >> 10) ": the JSON has all of it." }
        }
    }
}
