//! One tool: a form for a call of it, with the policy's verdict while one types.

use maud::{Markup, html};
use probity_protocol::Availability;
use serde_json::{Map, Value};

use super::{
    Fields, Frame, Place, Who,
    bits::{badge, run_link, state_of},
    grants,
    verdict::verdict,
};
use crate::calls::{
    control::breaker::{BreakerState, BreakerStatus},
    published::registry::{Listing, Published},
    result::ToolResult,
    runs::RunView,
};

/// What it shows.
pub struct ToolPage<'a> {
    /// The tool, as whoever looks may use it.
    pub tool: Published<'a>,
    /// What else they may use.
    pub listing: &'a Listing,
    /// What stands in the form.
    pub values: &'a Map<String, Value>,
    /// What came of the call in the form, where it was asked for and did not begin.
    pub answered: Option<&'a ToolResult>,
    /// Whether the tool is left alone now.
    pub breaker: &'a BreakerStatus,
    /// Its latest runs.
    pub latest: &'a [RunView],
}

/// The view.
#[must_use]
pub fn tool(who: &Who, page: &ToolPage<'_>) -> Markup {
    let entry = page.tool.entry;
    let name = entry.name.as_str();
    let title = entry.title.as_deref().unwrap_or(name);
    let action = format!("/ui/tools/{name}");
    let view = html! {
        p { (entry.summary) }
        @if let Some(advice) = &entry.advice { p.help { (advice) } }
        p.help { "Targets: " (grants::targets(entry, &page.listing.catalog)) "." }
        @if let Availability::Unavailable { reason, remedy } = &entry.availability {
            p.notice.bad { (badge("bad", "not available")) " " (reason) " " (remedy) }
        }
        @if page.breaker.state != BreakerState::Closed {
            p.notice { (badge("warn", "left alone")) " It has failed too often lately."
                @if let Some(time) = page.breaker.retry_after { " Another try in " (time.as_secs() + 1) " s." } }
        }
        @if who.may_run() {
            form #call.card method="post" action=(action) data-check={ (action) "/check" } {
                (Fields { tool: entry, values: page.values }.markup())
                p.actions {
                    button type="submit" { "Run" } " "
                    button.quiet type="submit" formaction={ (action) "/check" } { "Ask the policy" }
                }
            }
            div #verdict role="status" { @if let Some(result) = page.answered { (verdict(result)) } }
        } @else {
            p.notice { "Your token may look but not run." }
        }
        @if !page.latest.is_empty() {
            section #latest data-part {
                h2 { "Lately" }
                ul.plain { @for run in page.latest { li {
                    (run_link(run)) " " (state_of(run))
                    @if let Some(summary) = &run.summary { br; span.help { (summary) } }
                } } }
            }
        }
    };
    Frame::still(Some(who), Place::Overview, title).around(&view)
}
