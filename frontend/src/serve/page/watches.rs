//! Calls that come by themselves: all of them, and each over time.

use maud::{Markup, html};

use super::{
    Frame, Place, Who,
    bits::{badge, moment, plain, run_link, state_of},
};
use crate::{
    calls::runs::RunView,
    watches::served::{WatchList, WatchView},
};

/// The view of all.
#[must_use]
pub fn watches(who: &Who, list: &WatchList) -> Markup {
    let view = html! {
        @if list.watches.is_empty() {
            p { "There are none yet. " code { "probity watch add" } " adds one; docs/watches.md says how." }
        }
        ul.cards { @for watch in &list.watches { li.card #{ "watch-" (watch.name) } data-part {
            h2 { a href={ "/ui/watches/" (watch.name) } { (watch.name) } }
            p { (stands(watch)) }
            p.help { (what(watch)) }
        } } }
        @if let Some(webhook) = &list.webhook {
            section #webhook data-part {
                h2 { "Webhook" }
                p { "What they tell is sent to " code { (webhook.url) } ": " (webhook.delivered) " taken, " (webhook.waiting)
                    " waiting, " (webhook.given_up) " given up, " (webhook.dropped) " dropped." }
            }
        }
    };
    Frame {
        follows: "watch",
        again_after: 30,
        ..Frame::still(Some(who), Place::Watches, "Watches")
    }
    .around(&view)
}

/// One over time.
pub struct WatchPage<'a> {
    /// The watch.
    pub watch: &'a WatchView,
    /// Its runs, the newest first, each with whether it changed anything.
    pub runs: &'a [RunView],
    /// What the picture of them says to whoever does not see it.
    pub picture: Option<&'a str>,
}

/// The view of one.
#[must_use]
pub fn watch(who: &Who, page: &WatchPage<'_>) -> Markup {
    let watch = page.watch;
    let view = html! {
        section #state data-part { p { (stands(watch)) } p { (what(watch)) } }
        @if let Some(alternative) = page.picture {
            figure { img.picture src={ "/ui/watches/" (watch.name) "/picture.svg" } alt=(alternative) width="480"; }
        }
        section #runs data-part {
            h2 { "Its runs" }
            @if page.runs.is_empty() { p.help { "None is kept yet." } }
            @else { form method="get" action="/ui/compare" {
                ul.plain { @for run in page.runs { li {
                    label.check { input type="checkbox" name="run" value=(run.run_id) aria-label={ "Pick " (run.asked_at) }; }
                    " " (run_link(run)) " " (state_of(run)) " " (moment(&run.asked_at))
                    @if let Some(summary) = &run.summary { br; span.help { (summary) } }
                } } }
                p.actions { button type="submit" { "Compare two" } }
            } }
        }
    };
    Frame {
        follows: "watch",
        again_after: 30,
        ..Frame::still(Some(who), Place::Watches, &watch.name)
    }
    .around(&view)
}

fn stands(watch: &WatchView) -> Markup {
    html! {
        @match &watch.last {
            Some(last) if last.success => (badge("good", "works")),
            Some(_) => (badge("bad", "failed")),
            None => (badge("busy", "not yet run")),
        }
        @if watch.running { " " (badge("busy", "running")) }
        @for held in &watch.holding { " " (badge("warn", held)) }
        @if let Some(last) = &watch.last { " last " (moment(&last.at)) }
    }
}

fn what(watch: &WatchView) -> Markup {
    let arguments: Vec<String> =
        watch.arguments.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
    html! {
        code { (watch.tool) " " (arguments.join(" ")) }
        @if let Some(every) = &watch.every { " every " (every) }
        @if let Some(cron) = &watch.cron { " at " code { (cron) } @if let Some(zone) = &watch.timezone { " (" (zone) ")" } }
        @if !watch.tell.is_empty() { "; tells of " (watch.tell.join(", ")) }
    }
}
