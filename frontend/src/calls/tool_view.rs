//! The published tools for programs, in the words of the MCP schemas: `probity tools --json` and
//! `GET /tools/{name}`.

use std::collections::BTreeMap;

use probity_output::parsers::Parser;
use probity_protocol::{Allowance, Availability, OptionEntry, ValueType};
use serde_json::{Value, json};

use crate::calls::{
    control::{Control, Controls},
    published::registry::{Hidden, Listing, Published},
};

/// Everything that is published, and why the tools of `hidden` are not.
#[must_use]
pub fn tools_json(listing: &Listing, controls: &Controls, hidden: &[(String, Hidden)]) -> Value {
    let catalog = &listing.catalog;
    // Bytes and durations serialize for the wire, not for people.
    let mut value = json!({ "policy_digest": catalog.policy_digest.to_string() });
    let allowed = allowance_json(&catalog.allowance);
    if let (Some(value), Value::Object(allowed)) = (value.as_object_mut(), allowed) {
        value.extend(allowed);
    }
    value["tools"] = listing.tools().map(|tool| tool_json(tool, &controls.of(tool))).collect();
    let hidden = hidden.iter().map(
        |(name, hidden)| json!({ "name": name, "reason": format!("{name} {}", hidden.reason()) }),
    );
    value["hidden"] = hidden.collect();
    value
}

fn allowance_json(allowance: &Allowance) -> Value {
    json!({
        "networks": allowance.networks,
        "denied": allowance.denied,
        "names": allowance.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "max_hosts": allowance.max_hosts,
        "timeout_ceiling": allowance.timeout_ceiling.as_secs_f64(),
    })
}

/// One tool.
#[must_use]
pub fn tool_json(published: Published<'_>, control: &Control) -> Value {
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
        "default_target": tool.default_target,
        "allowance": tool.allowance.as_ref().map(allowance_json),
        "tier": tool.tier,
        "intrusive": tool.intrusive,
        "needs_approval": tool.needs_approval,
        "timeout_sec": tool.timeout.as_secs_f64(),
        "concurrency": tool.concurrency,
        "metadata": tool.metadata.iter().cloned().collect::<BTreeMap<_, _>>(),
        "parser": published.parser.map(Parser::name),
        "cache": cache(published, control),
        "options": tool.options.iter().map(option).collect::<Vec<_>>(),
        "presets": tool.presets,
        "availability": availability,
        "input_schema": &**published.input_schema,
    })
}

/// How the tool's kept results stand; nothing where each call runs.
fn cache(published: Published<'_>, control: &Control) -> Option<Value> {
    let seconds = published.entry.cache_seconds;
    let status = control.cache.status();
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
        "takes": takes(&option.value, "|"),
        "default": option.default,
        "required": option.required,
        "example": option.example,
        "excludes": option.excludes,
        "requires": option.requires,
        "tier": option.tier,
        "help": option.help,
    })
}

/// What an option takes, in the fewest words: `1-65535`, `ports`, `tcp|udp`; `-` where nothing.
#[must_use]
pub fn takes(value: &ValueType, between_words: &str) -> String {
    match value {
        ValueType::None => "-".into(),
        ValueType::Integer { min, max } => format!("{min}-{max}"),
        ValueType::Number { min, max } => format!("{min}-{max}"),
        ValueType::Duration { min, max } => format!("{min}-{max}s"),
        ValueType::Ports { within: None } => "ports".into(),
        ValueType::Ports { within: Some(within) } => format!("ports within {within}"),
        ValueType::Enumeration(words) => words.join(between_words),
        ValueType::EnumerationList(words) => format!("{},…", words.join(between_words)),
        ValueType::DnsName => "name".into(),
        ValueType::UrlPath { .. } => "/path".into(),
        ValueType::List { of, .. } => format!("{},…", takes(of, between_words)),
        ValueType::Text { class, max_length } => format!("{class}{{1,{max_length}}}"),
    }
}
