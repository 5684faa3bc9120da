//! What whoever is logged in may do, in words: their tools, targets, options and limits, and no more.

use maud::{Markup, html};
use probity_protocol::{Allowance, Catalog, TargetKind, Tier, ToolEntry};

use super::{Frame, Place, Who, bits::badge};
use crate::calls::{published::registry::Listing, tool_view::takes};

/// The view, of what somebody sees of all that is published.
#[must_use]
pub fn grants(who: &Who, listing: &Listing) -> Markup {
    let catalog = &listing.catalog;
    let view = html! {
        @if !who.may_run() { p.notice { "Your token may look but not run: a tool is run with an operator's." } }
        @if catalog.tools.is_empty() {
            p { "No tool is offered to you here. Whoever runs this server can change that: the policy grants tools to the user "
                "that the server runs as, and a token may be for some of them alone." }
        } @else {
            p { "You may aim at " (aims(&catalog.allowance)) "." }
            p.help { "At most " (catalog.allowance.max_hosts) " addresses in one call, and "
                (catalog.allowance.timeout_ceiling.as_secs_f64()) " s for one run. Policy " code { (catalog.policy_digest) } }
        }
        @for tool in &catalog.tools { (described(tool, catalog)) }
    };
    Frame { follows: "tools", ..Frame::still(Some(who), Place::Grants, "What I may do") }
        .around(&view)
}

fn described(tool: &ToolEntry, catalog: &Catalog) -> Markup {
    let name = tool.name.as_str();
    html! {
        section.card data-part #{ "tool-" (name) } {
            h2 { (tool.title.as_deref().unwrap_or(name)) " " code { (name) } }
            p { (tool.summary) }
            ul {
                li { "Targets: " (targets(tool, catalog)) "." }
                li { (tool.timeout.as_secs_f64()) " s for a run, " (tool.concurrency) " at once." }
                @if tool.intrusive { li { "The intrusive tier, too." } }
                @if tool.needs_approval { li { "Each run waits until another person approves it." } }
                @if !tool.presets.is_empty() {
                    li { "Presets: " @for (at, preset) in tool.presets.iter().enumerate() {
                        @if at > 0 { ", " } b { (preset.name.as_str()) } " (" (preset.help.trim_end_matches('.')) ")" } "." }
                }
            }
            @if !tool.options.is_empty() { details { summary { (tool.options.len()) " options" }
                div.wide tabindex="0" { table {
                    thead { tr { th scope="col" { "Option" } th scope="col" { "Flag" } th scope="col" { "Takes" } th scope="col" { "What it does" } } }
                    tbody { @for option in &tool.options { tr {
                        th scope="row" { (option.name.as_str()) }
                        td { @if let Some(flag) = &option.flag { code { (flag) } } }
                        td { (takes(&option.value, ", ")) }
                        td { (option.help) @if option.tier == Tier::Intrusive { " " (badge("warn", "intrusive")) } }
                    } } }
                } }
            } }
            p { a href={ "/ui/tools/" (name) } { "Ask the policy about a call" } }
        }
    }
}

/// What a tool may be aimed at, in words.
pub fn targets(tool: &ToolEntry, catalog: &Catalog) -> String {
    let kinds = tool.targets.iter().map(|kind| match kind {
        TargetKind::Address => "one address or name",
        TargetKind::Network => "a network",
    });
    let kinds: Vec<&str> = kinds.collect();
    match kinds.is_empty() {
        true => "none: it takes no target".to_owned(),
        false => format!("{} in {}", kinds.join(" or "), aims(catalog.allowance_of(tool))),
    }
}

fn aims(allowance: &Allowance) -> String {
    let networks = allowance.networks.iter().map(ToString::to_string);
    let names = allowance.names.iter().map(ToString::to_string);
    let all: Vec<String> = networks.chain(names).collect();
    let denied: Vec<String> = allowance.denied.iter().map(ToString::to_string).collect();
    let but = if denied.is_empty() {
        String::new()
    } else {
        format!(", but never {}", denied.join(", "))
    };
    match all.is_empty() {
        true => "nothing".to_owned(),
        false => format!("{}{but}", all.join(", ")),
    }
}
