//! The published tools as MCP describes them: what a model reads before it chooses one.
//!
//! It stands in each of the model's conversations, so nothing is said twice. Some clients cut
//! descriptions at 2 KB, so what matters comes first: what the tool is for, what its targets are here,
//! and when another is the better choice.

use std::sync::Arc;

use probity_protocol::{Availability, Catalog, TargetKind, Tier, ToolEntry};
use rmcp::model::{Tool, ToolAnnotations};

use crate::calls::published::registry::{Listing, Published};

/// Longest description, in bytes: beyond 2 KB some clients cut.
const DESCRIPTION_MAX: usize = 2000;

/// Most networks or names that a description spells out.
const LISTED_MAX: usize = 8;

/// One MCP tool for each published tool, by name.
#[must_use]
pub fn tools(listing: &Listing) -> Vec<Tool> {
    listing.tools().map(|published| tool(published, &listing.catalog)).collect()
}

/// The one with this very name.
#[must_use]
pub fn named(listing: &Listing, name: &str) -> Option<Tool> {
    let published = listing.tool(name).filter(|published| published.entry.name.as_str() == name);
    published.map(|published| tool(published, &listing.catalog))
}

/// The names of what is published, to be told who asks for something else.
#[must_use]
pub fn names(listing: &Listing) -> String {
    let names: Vec<&str> = listing.catalog.tools.iter().map(|tool| tool.name.as_str()).collect();
    names.join(", ")
}

fn tool(published: Published<'_>, catalog: &Catalog) -> Tool {
    let entry = published.entry;
    let title = title(entry);
    // Probing changes nothing on the target, and probing twice changes nothing more. It does reach
    // out to whatever stands on the network.
    let annotations = ToolAnnotations::with_title(title.clone())
        .read_only(is_read_only(entry))
        .destructive(false)
        .idempotent(true)
        .open_world(true);
    let input = Arc::clone(published.for_models);
    Tool::new(entry.name.to_string(), description(entry, catalog), input)
        .with_title(title)
        .with_raw_output_schema(Arc::clone(published.brief_output))
        .with_annotations(annotations)
}

/// Whether nothing that this client may do with the tool is intrusive: scans that a target may suffer
/// from are not read-only. An intrusive grant changes nothing for a tool that has nothing intrusive.
fn is_read_only(entry: &ToolEntry) -> bool {
    let is_intrusive = |tier| tier == Tier::Intrusive;
    let options = || {
        let mut options = entry.options.iter();
        options.any(|option| is_intrusive(option.tier) || !option.intrusive_words.is_empty())
    };
    let presets = || entry.presets.iter().any(|preset| is_intrusive(preset.tier));
    !(is_intrusive(entry.tier) || options() || presets())
}

fn title(entry: &ToolEntry) -> String {
    entry.title.clone().unwrap_or_else(|| entry.name.to_string())
}

/// One line. The time limit stands in the schema.
fn description(entry: &ToolEntry, catalog: &Catalog) -> String {
    let mut text = entry.summary.clone();
    if let Availability::Unavailable { reason, remedy } = &entry.availability {
        text.push_str(&format!(" NOT AVAILABLE here now: {reason} Remedy: {remedy}"));
    }
    if entry.needs_approval {
        text.push_str(" Each run waits until another person approves it.");
    }
    text.push_str(&format!(" Targets: {}.", targets(entry, catalog)));
    if let Some(advice) = &entry.advice {
        text.push_str(&format!(" {advice}"));
    }
    let mut text = text.replace('\n', " ");
    if text.len() > DESCRIPTION_MAX {
        text.truncate(text.floor_char_boundary(DESCRIPTION_MAX));
        text.push('…');
    }
    text
}

/// What the tool's targets may be here, in words.
pub(super) fn targets(entry: &ToolEntry, catalog: &Catalog) -> String {
    if entry.targets.is_empty() {
        return String::from("none, it shows the machine that it runs on");
    }
    let allowance = catalog.allowance_of(entry);
    let networks = some_of(&allowance.networks);
    let takes = |kind| entry.targets.contains(&kind);
    let mut ways = Vec::new();
    if takes(TargetKind::Address) {
        ways.push(format!("one address in {networks}"));
        if !allowance.names.is_empty() {
            ways.push(format!("a host name {}", some_of(&allowance.names)));
        }
    }
    if takes(TargetKind::Network) {
        let inside = if takes(TargetKind::Address) { "these" } else { &networks };
        let most = allowance.max_hosts;
        ways.push(format!("a network (CIDR) in {inside} of at most {most} addresses"));
    }
    let mut text = ways.join(", or ");
    if !allowance.denied.is_empty() {
        text.push_str(&format!("; never {}", some_of(&allowance.denied)));
    }
    text
}

fn some_of(items: &[impl ToString]) -> String {
    let shown: Vec<String> = items.iter().take(LISTED_MAX).map(ToString::to_string).collect();
    match items.len().saturating_sub(LISTED_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
