//! The resource `probity://policy`: on one page, what this user may do.
//!
//! It shows what is published and no more, so it gives nothing away that the list of tools does not.

use std::fmt::Write as _;

use probity_protocol::{Availability, ToolEntry, ValueType};

use super::tools::targets;
use crate::calls::published::registry::Listing;

/// Its address.
pub const URI: &str = "probity://policy";

/// The page, as Markdown, for a client that sees `listing` of `all` that is published.
#[must_use]
pub fn page(listing: &Listing, all: &Listing) -> String {
    let catalog = &listing.catalog;
    let mut page = String::from("# What you may do\n\n");
    if catalog.tools.is_empty() {
        page.push_str(&why_none(listing, all));
        return page;
    }
    let list = |items: Vec<String>| if items.is_empty() { "none".into() } else { items.join(", ") };
    let networks = list(catalog.allowance.networks.iter().map(ToString::to_string).collect());
    let names = list(catalog.allowance.names.iter().map(ToString::to_string).collect());
    let denied = list(catalog.allowance.denied.iter().map(ToString::to_string).collect());
    let ceiling = catalog.allowance.timeout_ceiling.as_secs_f64();
    // Writing to a String cannot fail.
    let _ = write!(
        page,
        "- Allowed networks: {networks}\n- Allowed host names: {names} (each address must be in an \
         allowed network)\n- Never: {denied}\n- At most {} addresses in one call, and {ceiling} s \
         for one run\n- Policy {}\n",
        catalog.allowance.max_hosts, catalog.policy_digest
    );
    for tool in listing.tools() {
        describe(&mut page, tool.entry, &targets(tool.entry, catalog));
    }
    page.push_str(
        "\n## When something is refused\n\nThe answer says `REFUSED`, a code, and a request that \
         would pass. Asking again, or in another spelling, changes nothing. Only an administrator \
         can change the policy.\n",
    );
    page
}

/// Why there is no tool on the page, and who can change that.
fn why_none(listing: &Listing, all: &Listing) -> String {
    let hidden = listing.all_hidden().map(|(tool, why)| format!("{} {}", tool.name, why.reason()));
    let hidden: Vec<_> = hidden.collect();
    if !hidden.is_empty() {
        return format!("No tool is offered here: {}.\n", hidden.join("; "));
    }
    if !all.catalog.tools.is_empty() {
        return String::from(
            "This token is for none of the tools here. Whoever runs this server can change that.\n",
        );
    }
    String::from(
        "The policy grants no tool to the user that this server runs as. Root, too, is granted what is \
         granted to it by name. `probity tools`, run as that user, says which lines would grant some.\n",
    )
}

fn describe(page: &mut String, tool: &ToolEntry, targets: &str) {
    let tier = if tool.intrusive { "standard and intrusive tier" } else { "standard tier" };
    let seconds = tool.timeout.as_secs_f64();
    let _ = write!(
        page,
        "\n## {} ({tier})\n\n{} Targets: {targets}. {seconds} s for a run, {} at once.\n",
        tool.name, tool.summary, tool.concurrency
    );
    if tool.needs_approval {
        page.push_str("\nEach run waits until another person approves it.\n");
    }
    for (key, text) in &tool.metadata {
        let _ = write!(page, "\n{key}: {text}\n");
    }
    if let Availability::Unavailable { reason, remedy } = &tool.availability {
        let _ = writeln!(page, "\n**Not available now:** {reason} {remedy}");
    }
    if !tool.options.is_empty() {
        page.push_str("\n| property | flag | takes | default |\n|---|---|---|---|\n");
        for option in &tool.options {
            let default = match option.required {
                true => "required",
                false => option.default.as_deref().unwrap_or(""),
            };
            let flag = option.flag.as_ref().map(|flag| format!("`{flag}`")).unwrap_or_default();
            let name = &option.name;
            let _ = writeln!(page, "| {name} | {flag} | {} | {default} |", takes(&option.value));
        }
    }
    for preset in &tool.presets {
        let sets = preset.options.iter().map(|(name, value)| format!("{name}={value}"));
        let sets = sets.collect::<Vec<_>>().join(", ");
        let _ = write!(page, "\nPreset **{}**: {} ({sets})", preset.name, preset.help);
    }
    if !tool.presets.is_empty() {
        page.push('\n');
    }
}

fn takes(value: &ValueType) -> String {
    match value {
        ValueType::None => String::from("nothing"),
        ValueType::Integer { min, max } => format!("{min} to {max}"),
        ValueType::Number { min, max } => format!("{min} to {max}"),
        ValueType::Duration { min, max } => format!("{min} to {max} s"),
        ValueType::Ports { within: None } => String::from("ports, such as 22,80,8000-8100"),
        ValueType::Ports { within: Some(within) } => format!("ports within {within}"),
        ValueType::Enumeration(words) => words.join(", "),
        ValueType::EnumerationList(words) => format!("list of {}", words.join(", ")),
        ValueType::DnsName => String::from("a name, or the reverse name of an address"),
        ValueType::UrlPath { max_length } => format!("path of at most {max_length} characters"),
        ValueType::List { of, max } => format!("list of up to {max}: {}", takes(of)),
        ValueType::Text { max_length, .. } => format!("text of at most {max_length} characters"),
    }
}
