//! The plan of a dry run: everything that the broker would hold the tool to.

use std::io::{self, Write};

use serde_json::Value;

use super::layout::Layout;

/// Prints a plan as the result has it, below the command and its time limit.
pub(super) fn print(out: &mut impl Write, plan: &Value) -> io::Result<()> {
    let layout = Layout::of_stdout();
    let (limits, sandbox) = (&plan["limits"], &plan["sandbox"]);
    let environment = plan["environment"].as_object().into_iter().flatten();
    let environment: Vec<String> = environment
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    let capability = if sandbox["net_raw"] == true { "CAP_NET_RAW" } else { "none" };
    let output = format!(
        "{} of standard output, {} of standard error",
        size(&limits["stdout_bytes"]),
        size(&limits["stderr_bytes"])
    );
    let facts = [
        ("Tier", word(&plan["tier"])),
        ("Memory", size(&limits["memory_bytes"])),
        ("Open files", limits["open_files"].to_string()),
        ("Output kept", output),
        ("Environment", environment.join(" ")),
        ("Capability", capability.into()),
        ("System calls", format!("profile {}", word(&sandbox["syscalls"]))),
        ("May read", words(&sandbox["read"])),
        ("May execute", words(&sandbox["execute"])),
    ];
    let facts: Vec<_> = facts.into_iter().filter(|(_, fact)| !fact.is_empty()).collect();
    writeln!(out, "\n{}", layout.facts(&facts))
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn words(value: &Value) -> String {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}

/// A number of bytes in the largest unit that divides it.
fn size(bytes: &Value) -> String {
    const UNITS: [(u64, &str); 2] = [(1024 * 1024, "MiB"), (1024, "KiB")];
    let bytes = bytes.as_u64().unwrap_or(0);
    let unit = UNITS.iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    match unit {
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}
