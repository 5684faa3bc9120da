//! What a person at a terminal sees.
//!
//! It only words and aligns. Colours go through `anstream`, which leaves them out where standard
//! output is no terminal or `NO_COLOR` is set.

use std::{fmt, io::Write};

use anstyle::{AnsiColor, Style};
use probity_protocol::{Availability, Catalog, TargetKind, ToolEntry};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{registry::Listing, result::ToolResult};

const HEAD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Prints any of the objects as JSON.
///
/// # Errors
/// Those of standard output: a pipe that nobody reads any more.
pub fn print_json(value: &impl Serialize) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}

/// Prints the tools one is granted.
///
/// # Errors
/// Those of standard output.
pub fn print_tools(catalog: &Catalog) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    if catalog.tools.is_empty() {
        return writeln!(out, "The policy grants you no tool. Ask an administrator for a grant.");
    }
    let mut rows = vec![["TOOL", "TARGETS", "PRESETS", "STATE", "WHAT IT DOES"].map(String::from)];
    rows.extend(catalog.tools.iter().map(row));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..4).map(|column| width(column).unwrap_or(0)).collect();
    for (number, row) in rows.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let style = match (number, column, cell.as_str()) {
                (0, ..) | (_, 0, _) => HEAD,
                (_, 3, "ready") => GOOD,
                (_, 3, _) => BAD,
                _ => Style::new(),
            };
            write!(out, "{style}{cell:width$}{style:#}  ")?;
        }
        writeln!(out, "{}", row[4])?;
    }
    for tool in &catalog.tools {
        if let Availability::Unavailable { reason, remedy } = &tool.availability {
            writeln!(out, "\n{HEAD}{}{HEAD:#}: {reason}\n  Remedy: {remedy}", tool.name)?;
        }
    }
    writeln!(out, "\nTargets: {}", list(&catalog.networks))?;
    if !catalog.denied.is_empty() {
        writeln!(out, "Never:   {}", list(&catalog.denied))?;
    }
    if !catalog.names.is_empty() {
        writeln!(out, "Names:   {}", list(&catalog.names))?;
    }
    writeln!(out, "At most {} addresses in one call.", catalog.max_hosts)
}

/// Prints what a call gave, or would do.
///
/// # Errors
/// Those of standard output.
pub fn print_result(result: &ToolResult, catalog: &Catalog) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    let text = result.text();
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let style = match result.error_type {
        Some(_) => BAD,
        None if result.dry_run => GOOD,
        None => Style::new(),
    };
    writeln!(out, "{style}{first}{style:#}")?;
    if !rest.is_empty() {
        writeln!(out, "{}", rest.trim_end())?;
    }
    if let Some(suggestion) = result.suggestion() {
        writeln!(out, "This would pass: {HEAD}{}{HEAD:#}", suggestion.as_command(catalog))?;
    }
    match result.metadata.get("plan") {
        Some(plan) => print_plan(&mut out, plan),
        None => Ok(()),
    }
}

/// The published tools for programs, in the words of the MCP schemas.
#[must_use]
pub fn catalog_json(listing: &Listing) -> Value {
    let catalog = &listing.catalog;
    let mut value = json!(catalog);
    // Bytes and durations serialize for the wire, not for people.
    value["policy_digest"] = json!(catalog.policy_digest.to_string());
    value["timeout_ceiling"] = json!(catalog.timeout_ceiling.as_secs_f64());
    value["names"] = json!(catalog.names.iter().map(ToString::to_string).collect::<Vec<_>>());
    let tools = listing.tools().map(|published| {
        let tool = published.entry;
        let availability = match &tool.availability {
            Availability::Available => json!({ "available": true }),
            Availability::Unavailable { reason, remedy } => {
                json!({ "available": false, "reason": reason, "remedy": remedy })
            }
        };
        json!({
            "name": tool.name,
            "aliases": tool.aliases,
            "title": tool.title,
            "summary": tool.summary,
            "advice": tool.advice,
            "targets": tool.targets,
            "tier": tool.tier,
            "intrusive": tool.intrusive,
            "timeout_sec": tool.timeout.as_secs_f64(),
            "concurrency": tool.concurrency,
            "parser": tool.parser,
            "presets": tool.presets,
            "availability": availability,
            "input_schema": &**published.input_schema,
        })
    });
    value["tools"] = tools.collect();
    value
}

fn row(tool: &ToolEntry) -> [String; 5] {
    let kinds: Vec<&str> = tool
        .targets
        .iter()
        .map(|kind| match kind {
            TargetKind::Address => "address",
            TargetKind::Network => "network",
        })
        .collect();
    let presets: Vec<&str> = tool.presets.iter().map(|preset| preset.name.as_str()).collect();
    let state = match tool.availability {
        Availability::Available => "ready",
        Availability::Unavailable { .. } => "unavailable",
    };
    let or_dash = |list: Vec<&str>| if list.is_empty() { "-".into() } else { list.join(", ") };
    [tool.name.to_string(), or_dash(kinds), or_dash(presets), state.into(), tool.summary.clone()]
}

fn print_plan(out: &mut impl Write, plan: &Value) -> std::io::Result<()> {
    let texts = |value: &Value| -> String {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
    };
    let (limits, sandbox) = (&plan["limits"], &plan["sandbox"]);
    let mebibytes = |value: &Value| value.as_u64().unwrap_or(0) / (1024 * 1024);
    let environment = plan["environment"].as_object().into_iter().flatten();
    let environment: Vec<String> = environment
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    writeln!(
        out,
        "Limits: {} MiB memory, {} open files",
        mebibytes(&limits["memory_bytes"]),
        limits["open_files"]
    )?;
    writeln!(out, "Environment: {}", environment.join(" "))?;
    let raw = if sandbox["net_raw"] == true { "with CAP_NET_RAW" } else { "no capability" };
    let syscalls = sandbox["syscalls"].as_str().unwrap_or_default();
    writeln!(out, "Sandbox: system calls of profile {syscalls}, {raw}")?;
    for (what, paths) in [("reads", &sandbox["read"]), ("executes", &sandbox["execute"])] {
        let paths = texts(paths);
        if !paths.is_empty() {
            writeln!(out, "  {what} {paths}")?;
        }
    }
    Ok(())
}

fn list(items: &[impl fmt::Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
