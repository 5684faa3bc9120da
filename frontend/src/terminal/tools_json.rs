//! The same as `probity tools` for programs, in the words of the MCP schemas.

use probity_protocol::{Availability, OptionEntry};
use serde_json::{Value, json};

use super::{
    layout::Layout,
    one_tool::{takes, tier},
};
use crate::registry::{Hidden, Listing, Published};

/// Everything that is published, and why the tools of `hidden` are not.
#[must_use]
pub fn tools_json(listing: &Listing, hidden: &[(String, Hidden)]) -> Value {
    let catalog = &listing.catalog;
    let mut value = json!(catalog);
    // Bytes and durations serialize for the wire, not for people.
    value["policy_digest"] = json!(catalog.policy_digest.to_string());
    value["timeout_ceiling"] = json!(catalog.timeout_ceiling.as_secs_f64());
    value["names"] = json!(catalog.names.iter().map(ToString::to_string).collect::<Vec<_>>());
    value["tools"] = listing.tools().map(tool_json).collect();
    let hidden = hidden.iter().map(
        |(name, hidden)| json!({ "name": name, "reason": format!("{name} {}", hidden.reason()) }),
    );
    value["hidden"] = hidden.collect();
    value
}

/// One tool.
#[must_use]
pub fn tool_json(published: Published<'_>) -> Value {
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
        "command": tool.command,
        "targets": tool.targets,
        "tier": tool.tier,
        "intrusive": tool.intrusive,
        "timeout_sec": tool.timeout.as_secs_f64(),
        "concurrency": tool.concurrency,
        "parser": tool.parser,
        "cache": cache(published),
        "options": tool.options.iter().map(option).collect::<Vec<_>>(),
        "presets": tool.presets,
        "availability": availability,
        "input_schema": &**published.input_schema,
    })
}

/// How the tool's kept results stand; nothing where each call runs.
fn cache(published: Published<'_>) -> Option<Value> {
    let seconds = published.entry.cache_seconds;
    let status = published.cache.status();
    (seconds > 0).then(|| {
        json!({
            "seconds": seconds,
            "results": status.results,
            "bytes": status.bytes,
            "hits": status.hits,
            "misses": status.misses,
            "hit_rate": status.hit_rate(),
        })
    })
}

/// Default and example are texts, as they are written on a command line; the schema has them typed.
fn option(option: &OptionEntry) -> Value {
    json!({
        "name": option.name,
        "flag": option.flag,
        "takes": takes(&option.value, Layout::Stable),
        "default": option.default,
        "example": option.example,
        "tier": tier(option.tier),
        "help": option.help,
    })
}
