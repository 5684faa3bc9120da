//! The published tools as MCP describes them: what a model reads before it chooses one.
//!
//! Some clients cut descriptions at 2 KB, so what matters comes first: what the tool is for, what it
//! may aim at here, and when another is the better choice.

use std::sync::Arc;

use probity_protocol::{Availability, Catalog, TargetKind, Tier, ToolEntry};
use rmcp::model::{Tool, ToolAnnotations};

use crate::registry::{Listing, Published};

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

fn tool(published: Published<'_>, catalog: &Catalog) -> Tool {
    let entry = published.entry;
    let title = title(entry);
    // Probing changes nothing on the target, and probing twice changes nothing more. It does reach
    // out to whatever stands on the network. Scans that a target may suffer from are not read-only.
    let annotations = ToolAnnotations::with_title(title.clone())
        .read_only(entry.tier == Tier::Standard && !entry.intrusive)
        .destructive(false)
        .idempotent(true)
        .open_world(true);
    let input = Arc::clone(published.input_schema);
    Tool::new(entry.name.to_string(), description(entry, catalog), input)
        .with_title(title)
        .with_raw_output_schema(Arc::clone(published.output_schema))
        .with_annotations(annotations)
}

fn title(entry: &ToolEntry) -> String {
    entry.title.clone().unwrap_or_else(|| entry.name.to_string())
}

fn description(entry: &ToolEntry, catalog: &Catalog) -> String {
    let mut text = entry.summary.clone();
    if let Availability::Unavailable { reason, remedy } = &entry.availability {
        text.push_str(&format!(" NOT AVAILABLE here now: {reason} Remedy: {remedy}"));
    }
    text.push_str(&format!("\nAim at: {}.", aim(entry, catalog)));
    if let Some(advice) = &entry.advice {
        text.push_str(&format!("\n{advice}"));
    }
    let seconds = entry.timeout.as_secs_f64();
    text.push_str(&format!("\nA run may take {seconds} s unless timeout_sec says otherwise."));
    if text.len() > DESCRIPTION_MAX {
        text.truncate(text.floor_char_boundary(DESCRIPTION_MAX));
        text.push('…');
    }
    text
}

/// What the tool may be aimed at here, in words.
pub(super) fn aim(entry: &ToolEntry, catalog: &Catalog) -> String {
    let networks = some_of(&catalog.networks);
    let takes = |kind| entry.targets.contains(&kind);
    let mut ways = Vec::new();
    if takes(TargetKind::Address) {
        ways.push(format!("one address in {networks}"));
        if !catalog.names.is_empty() {
            ways.push(format!("a host name matching {}", some_of(&catalog.names)));
        }
    }
    if takes(TargetKind::Network) {
        let most = catalog.max_hosts;
        ways.push(format!("a network (CIDR) inside these, of at most {most} addresses"));
    }
    let mut text = ways.join(", or ");
    if !catalog.denied.is_empty() {
        text.push_str(&format!("; never {}", some_of(&catalog.denied)));
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
