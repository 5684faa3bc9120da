//! The table of events: what this process logs, at which level, with which fields.
//!
//! Who watches the logs relies on these names. `docs/events.md` is held against the table.

use tracing::Level;

/// One event.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// Its name. A `*` stands for the rest of a family's names.
    pub name: &'static str,
    /// At which level it is logged.
    pub level: Level,
    /// Its fields. One that has nothing to say is left out.
    pub fields: &'static [&'static str],
    /// What it says.
    pub what: &'static str,
}

/// Every event of this program's own, by topic.
pub const EVENTS: &[Event] = &[
    event("tool.start", Level::INFO, &["tool", "target", "correlation_id"], "A call begins."),
    event(
        "tool.finish",
        Level::INFO,
        &["tool", "correlation_id", "seconds", "code"],
        "The tool ran and ended by itself, with this exit code.",
    ),
    event(
        "tool.error",
        Level::WARN,
        &["tool", "correlation_id", "error_type", "code"],
        "The call failed, or the policy denied it with this code.",
    ),
    event("tool.cancelled", Level::INFO, &["tool"], "The client took the call back."),
    event(
        "security.blocked_flag",
        Level::WARN,
        &["tool", "correlation_id", "code"],
        "A flag was refused: unknown, or intrusive without the grant.",
    ),
    event(
        "security.injection_attempt",
        Level::ERROR,
        &["tool", "correlation_id", "place", "defect"],
        "The target or the arguments held a character that a shell would act on.",
    ),
    event("config.applied", Level::INFO, &["path"], "A configuration file was read."),
    event(
        "config.clamped",
        Level::WARN,
        &["key", "old", "new", "source"],
        "A number was out of range and was moved into it.",
    ),
    event(
        "config.unknown_key",
        Level::WARN,
        &["key", "source", "nearest"],
        "The file has a key that means nothing; `nearest` is what it may have meant.",
    ),
    event(
        "config.apply_failed",
        Level::ERROR,
        &["error"],
        "The configuration file cannot be read or parsed. Nothing starts.",
    ),
    event(
        "env.override",
        Level::DEBUG,
        &["key", "variable", "value"],
        "An environment variable took effect.",
    ),
    event(
        "env.invalid_*",
        Level::WARN,
        &["key", "value", "expected", "source"],
        "A value, of the environment or the file, is none; the next layer's holds. The rest of the \
         name is the key with `_` for `.`, or `timeout` and `concurrency` of a single tool.",
    ),
    event(
        "env.invalid_tools_package",
        Level::WARN,
        &["value", "expected"],
        "`TOOLS_PACKAGE` is set. It is ignored: only root chooses tools.",
    ),
    event(
        "policy.configured",
        Level::INFO,
        &["digest", "tools"],
        "The broker answered with what this user is granted.",
    ),
    event(
        "policy.intrusive_enabled",
        Level::WARN,
        &["tool"],
        "Intrusive use of the tool is granted, and not forbidden by a setting.",
    ),
    event(
        "template.scan",
        Level::INFO,
        &["tool", "target", "correlation_id", "preset"],
        "A call uses a preset.",
    ),
    event(
        "output.parsed",
        Level::INFO,
        &["tool", "correlation_id"],
        "The tool's output became data.",
    ),
    event(
        "output.parse_failed",
        Level::WARN,
        &["tool", "correlation_id", "error"],
        "The tool's output could not be read as expected. The result has the raw text.",
    ),
    event(
        "optimization.added_default",
        Level::DEBUG,
        &["tool", "correlation_id", "option", "value"],
        "The tool's file added an option that the call left out.",
    ),
    event("resolve.failed", Level::INFO, &["name", "error"], "A name has no address."),
    event("resolve.timeout", Level::WARN, &["name"], "A name's look-up took too long."),
    event("shutdown.started", Level::INFO, &["reason"], "No new call is taken."),
    event("shutdown.finished", Level::INFO, &[], "Every call has ended."),
    event(
        "shutdown.forced",
        Level::WARN,
        &["running"],
        "The grace period is over: the calls that still run are ended.",
    ),
];

const fn event(
    name: &'static str,
    level: Level,
    fields: &'static [&'static str],
    what: &'static str,
) -> Event {
    Event { name, level, fields, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_every_event_as_it_is() {
        let row = |event: &Event| {
            let fields: Vec<String> = event.fields.iter().map(|name| format!("`{name}`")).collect();
            let (name, level, what) = (event.name, event.level, event.what);
            format!("| `{name}` | {level} | {} | {what} |\n", fields.join(" "))
        };
        let table: String = EVENTS.iter().map(row).collect();
        let page = include_str!("../../docs/events.md");
        assert!(page.contains(&table), "docs/events.md is to have these rows:\n{table}");
    }
}
