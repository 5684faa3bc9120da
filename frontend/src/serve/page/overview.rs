//! The first view: how this server is, what runs now, what was run lately, and the tools.

use maud::{Markup, html};
use probity_protocol::{Availability, ToolEntry};

use super::{
    Frame, Place, Who,
    bits::{badge, moment, run_link, state_of},
};
use crate::{
    calls::{
        control::breaker::{BreakerState, BreakerStatus},
        observe::health::{HealthReport, State},
        published::registry::Listing,
        runs::{ProgressView, RunView},
    },
    watches::served::{WatchList, WatchView},
};

/// What it shows.
pub struct Overview<'a> {
    /// How this server is, as far as whoever looks may know.
    pub health: &'a HealthReport,
    /// The tools that they see.
    pub listing: &'a Listing,
    /// The breakers of those.
    pub breakers: &'a [BreakerStatus],
    /// Runs that go on.
    pub running: &'a [RunView],
    /// Runs that are over, the newest first.
    pub latest: &'a [RunView],
    /// Calls that come by themselves, for those who see them.
    pub watches: Option<&'a WatchList>,
}

/// The view.
#[must_use]
pub fn overview(who: &Who, shown: &Overview<'_>) -> Markup {
    let open: Vec<&BreakerStatus> =
        shown.breakers.iter().filter(|breaker| breaker.state != BreakerState::Closed).collect();
    let view = html! {
        section #health data-part { (health(shown.health)) }
        section #breakers data-part {
            @if !open.is_empty() {
                h2 { "Left alone for a while" }
                ul { @for breaker in open { li {
                    b { (breaker.tool) } " " (badge("warn", breaker.state.as_str()))
                    @if let Some(why) = &breaker.last_failure { ": " (why) }
                    @if let Some(time) = breaker.retry_after { " Another try in " (time.as_secs() + 1) " s." }
                } } }
            }
        }
        section #running data-part {
            h2 { "Runs now" }
            @if shown.running.is_empty() { p.help { "Nothing." } }
            @else { ul.plain { @for run in shown.running { li { (going_on(run)) } } } }
        }
        section #latest data-part {
            @if !shown.latest.is_empty() {
                h2 { "Lately" }
                ul.plain { @for run in shown.latest { li {
                    (run_link(run)) " " (state_of(run)) " "
                    @if let Some(at) = &run.ended_at { (moment(at)) }
                    @if let Some(summary) = &run.summary { br; span.help { (summary) } }
                } } }
                p { a href="/ui/runs" { "All runs" } }
            }
        }
        @if let Some(list) = shown.watches.filter(|list| !list.watches.is_empty()) {
            section #watches data-part {
                h2 { "Watches" }
                ul.plain { @for watch in &list.watches { li { (watch_line(watch)) } } }
            }
        }
        section #tools data-part {
            h2 { "Tools" }
            @if shown.listing.catalog.tools.is_empty() {
                p { "No tool is offered to you here. " a href="/ui/grants" { "Why" } }
            }
            ul.cards { @for tool in &shown.listing.catalog.tools { li.card { (tool_card(tool)) } } }
        }
    };
    let frame = Frame {
        follows: "run breaker health tools watch",
        again_after: 15,
        ..Frame::still(Some(who), Place::Overview, "Overview")
    };
    frame.around(&view)
}

fn health(report: &HealthReport) -> Markup {
    let kind = match report.status {
        State::Healthy => "good",
        State::Degraded => "warn",
        State::Unhealthy => "bad",
    };
    let wrong: Vec<_> =
        report.checks.iter().filter(|check| check.status != State::Healthy).collect();
    html! {
        p.state { "This server is " (badge(kind, report.status.as_str())) }
        @if !wrong.is_empty() {
            ul { @for check in wrong { li { b { (check.name) } ": " (check.message) } } }
        }
        details {
            summary { (report.checks.len()) " checks" }
            dl.facts { @for check in &report.checks { div {
                dt { (check.name) } dd { (check.status.as_str()) ": " (check.message) }
            } } }
        }
    }
}

fn going_on(run: &RunView) -> Markup {
    html! {
        (run_link(run)) " " (state_of(run))
        @if let Some(progress) = &run.progress { " " (how_far(progress)) }
    }
}

/// How far a run is, as a bar and in words.
pub fn how_far(progress: &ProgressView) -> Markup {
    html! {
        @if let Some(percent) = progress.percent {
            progress max="100" value=(percent) aria-label="How far it is" {}
        }
        " " span.help {
            (progress.message)
            @if let Some(left) = progress.remaining_sec.filter(|left| *left > 0.0) { ", about " (left) " s left" }
        }
    }
}

fn tool_card(tool: &ToolEntry) -> Markup {
    let name = tool.name.as_str();
    html! {
        h3 { a href={ "/ui/tools/" (name) } { (tool.title.as_deref().unwrap_or(name)) } }
        p.help { (tool.summary) }
        @if let Availability::Unavailable { reason, .. } = &tool.availability {
            p { (badge("bad", "not available")) " " (reason) }
        }
        @if tool.needs_approval { p { (badge("warn", "needs an approval")) } }
    }
}

fn watch_line(watch: &WatchView) -> Markup {
    html! {
        a href={ "/ui/watches/" (watch.name) } { (watch.name) } " "
        @match &watch.last {
            Some(last) if last.success => (badge("good", "works")),
            Some(_) => (badge("bad", "failed")),
            None => (badge("busy", "not yet run")),
        }
        @for held in &watch.holding { " " (badge("warn", held)) }
        @if let Some(last) = &watch.last { " " (moment(&last.at)) }
    }
}
