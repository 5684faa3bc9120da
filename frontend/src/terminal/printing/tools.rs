//! `probity tools`: what may be run here, and at what.

use std::{fmt, io::Write, path::Path};

use probity_output::clean::clean_str;
use probity_protocol::{Availability, Catalog, TargetKind, ToolEntry};

use super::{
    HEAD,
    layout::{Column, Layout},
};
use crate::{
    broker::accounts::Whom,
    calls::published::registry::{Hidden, Listing},
    process::confine::NOBODY,
    text::near::nearest,
};

const COLUMNS: [Column; 5] = [
    Column::whole("TOOL"),
    Column::whole("STATE"),
    Column::text("TARGETS"),
    Column::text("PRESETS"),
    Column::text("WHAT IT DOES"),
];

/// How like another a name has to be to be taken for a slip of the pen, from 0 to 1.
const NEAR: f64 = 0.7;

/// Prints the tools one is granted, and why those of `hidden` are not among them.
///
/// # Errors
/// Those of standard output.
pub fn print_tools(listing: &Listing, hidden: &[(String, Hidden)]) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    let (layout, catalog) = (Layout::of_stdout(), &listing.catalog);
    if !catalog.tools.is_empty() {
        let rows: Vec<_> = catalog.tools.iter().map(|tool| row(tool, layout)).collect();
        writeln!(out, "{}\n", layout.table(&COLUMNS, &rows))?;
    }
    for tool in &catalog.tools {
        if let Some((reason, remedy)) = unavailable(tool) {
            writeln!(out, "{HEAD}{}{HEAD:#}: {reason}\n  Remedy: {remedy}\n", tool.name)?;
        }
    }
    if !hidden.is_empty() {
        let reasons = hidden.iter().map(|(name, hidden)| format!("{name} {}", hidden.reason()));
        let reasons = reasons.collect::<Vec<_>>().join("; ");
        writeln!(out, "Not listed: {reasons}.\n")?;
    }
    let facts = [
        ("Targets:", list(&catalog.allowance.networks)),
        ("Never:", list(&catalog.allowance.denied)),
        ("Names:", list(&catalog.allowance.names)),
        ("At most:", format!("{} addresses in one call", catalog.allowance.max_hosts)),
    ];
    let facts: Vec<_> = facts.into_iter().filter(|(_, fact)| !fact.is_empty()).collect();
    writeln!(out, "{}", layout.facts(&facts))?;
    writeln!(out, "\n`probity tools NAME` shows one tool with all its options.")
}

/// What to say where nothing is granted: to whom, and which lines would change it. `policy` is that
/// of an embedded broker, if it has one of its own.
#[must_use]
pub fn nothing_granted(whom: &Whom, embedded: bool, policy: Option<&Path>) -> String {
    let mut text = format!("the policy grants no tool to {whom}.");
    if whom.uid == 0 {
        text.push_str(" Root is granted what is granted to it by name, like everybody else.");
    }
    if whom.uid == NOBODY && !embedded {
        text.push_str(
            " Root's commands ask as nobody, in the group of the broker's socket, where nothing is granted \
             to root\nby name: grant that group something, or ask as a user of your own.",
        );
        return text;
    }
    let (file, grantee, then) = match (embedded, policy) {
        (true, Some(policy)) => (policy.display().to_string(), "self = true".into(), ""),
        (true, None) => ("a policy of your own (--policy)".into(), "self = true".into(), ""),
        (false, _) => {
            let then = "\nand have the broker read it: sudo systemctl reload probity-broker. Or join a \
                        group that has a\ngrant (sudo probity-policy show), and log in again.";
            ("/etc/probity/policy.toml".into(), whom.as_grantee(), then)
        }
    };
    text.push_str(&format!(
        "\nTo grant the tools of the standard tier, add to {file}:\n\n  [[grant]]\n  {grantee}\n  \
         tools = [\"*\"]\n{then}"
    ));
    text.trim_end().to_owned()
}

/// What to say of a name that no granted tool has.
#[must_use]
pub fn no_such_tool(name: &str, catalog: &Catalog) -> String {
    let mut text = format!("no tool called {} is granted to you.", clean_str(name));
    let names = catalog.tools.iter().map(|tool| tool.name.as_str());
    match nearest(name, names, NEAR) {
        Some(tool) => text.push_str(&format!("\nDid you mean {tool}?")),
        None => text.push_str("\n`probity tools` lists those that are."),
    }
    text
}

/// Why a tool cannot run, and what to do about it.
pub(super) fn unavailable(tool: &ToolEntry) -> Option<(String, String)> {
    match &tool.availability {
        Availability::Available => None,
        Availability::Unavailable { reason, remedy } => {
            Some((clean_str(reason).into_owned(), clean_str(remedy).into_owned()))
        }
    }
}

pub(super) fn list(items: &[impl fmt::Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn row(tool: &ToolEntry, layout: Layout) -> Vec<String> {
    let mut kinds: Vec<&str> = tool
        .targets
        .iter()
        .map(|kind| match kind {
            TargetKind::Address => "address",
            TargetKind::Network => "network",
        })
        .collect();
    if kinds.is_empty() {
        kinds.push("none");
    }
    let presets: Vec<&str> = tool.presets.iter().map(|preset| preset.name.as_str()).collect();
    let state = match tool.availability {
        Availability::Available => "ready",
        Availability::Unavailable { .. } => "unavailable",
    };
    vec![
        tool.name.to_string(),
        state.into(),
        layout.list(&kinds),
        layout.list(&presets),
        // A title fits on a line; `probity tools NAME` has the rest.
        tool.title.as_ref().unwrap_or(&tool.summary).clone(),
    ]
}
