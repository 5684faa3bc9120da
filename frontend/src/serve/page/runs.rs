//! What was run, the newest first: searched, filtered, and two picked to be compared.

use maud::{Markup, html};
use probity_protocol::Catalog;

use super::{
    Frame, Place, Who,
    bits::{moment, owner, run_link, state_of},
};
use crate::calls::runs::{RunFilter, RunList, RunView};

/// The states that a run can be in.
const STATES: [&str; 6] = ["queued", "running", "finished", "failed", "cancelled", "interrupted"];

/// What it shows.
pub struct RunsPage<'a> {
    /// The runs.
    pub list: &'a RunList,
    /// What was asked for.
    pub filter: &'a RunFilter,
    /// The tools that there are.
    pub catalog: &'a Catalog,
    /// The address of the next page; none after the last.
    pub next: Option<&'a str>,
}

/// The view.
#[must_use]
pub fn runs(who: &Who, page: &RunsPage<'_>) -> Markup {
    let runs = &page.list.runs;
    let has_owners = runs.iter().any(|run| run.owner.is_some());
    let view = html! {
        (search(page))
        @if let Some(reason) = &page.list.not_lasting { p.notice { "They do not outlive this server: " (reason) } }
        @if runs.is_empty() { p.help { "There are no such runs of yours." } }
        @else {
            form #pick method="get" action="/ui/compare" {
                div.wide tabindex="0" { table #runs data-part {
                    thead { tr {
                        th scope="col" { span.skip { "Pick" } }
                        th scope="col" { "Run" } th scope="col" { "State" } th scope="col" { "Asked" }
                        th scope="col" { "What came" }
                        @if has_owners { th scope="col" { "By" } }
                    } }
                    tbody { @for run in runs { (row(run, has_owners)) } }
                } }
                p.actions { button type="submit" { "Compare two" } " " span.help { "Tick two runs of one tool." } }
            }
        }
        @if let Some(next) = page.next { p { a href=(next) rel="next" { "Older runs" } } }
    };
    Frame { follows: "run", ..Frame::still(Some(who), Place::Runs, "Runs") }.around(&view)
}

fn row(run: &RunView, has_owners: bool) -> Markup {
    let label = format!("Pick {} {} of {}", run.tool, run.target, run.asked_at);
    html! { tr {
        td { input type="checkbox" name="run" value=(run.run_id) aria-label=(label); }
        th scope="row" { (run_link(run)) }
        td { (state_of(run)) }
        td { (moment(&run.asked_at)) }
        td { @if let Some(summary) = &run.summary { (summary) } @else if let Some(progress) = &run.progress { (progress.message) } }
        @if has_owners { td { (by(run)) } }
    } }
}

/// Whose it is: a watch's own name says more than the account that it runs as.
fn by(run: &RunView) -> &str {
    let watch = run.client.as_deref().filter(|client| client.starts_with("watch "));
    watch.or(run.owner.as_deref().map(owner)).unwrap_or_default()
}

fn search(page: &RunsPage<'_>) -> Markup {
    let is_tool = |name: &str| page.filter.tool.as_deref() == Some(name);
    let is_state = |name: &str| page.filter.state.as_deref() == Some(name);
    html! {
        form.search method="get" action="/ui/runs" role="search" {
            div.field { label for="s-tool" { "Tool" } select #s-tool name="tool" {
                option value="" { "any" }
                @for tool in &page.catalog.tools {
                    option value=(tool.name.as_str()) selected[is_tool(tool.name.as_str())] { (tool.name.as_str()) }
                }
            } }
            div.field { label for="s-target" { "Target" }
                input #s-target name="target" value=(page.filter.target.as_deref().unwrap_or_default())
                    spellcheck="false" autocapitalize="none"; }
            div.field { label for="s-state" { "State" } select #s-state name="state" {
                option value="" { "any" }
                @for state in STATES { option value=(state) selected[is_state(state)] { (state) } }
            } }
            button.quiet type="submit" { "Show" }
        }
    }
}
