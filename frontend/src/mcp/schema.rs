//! The catalog as MCP tools: what may be asked, typed, and what an answer looks like.
//!
//! The schemas only describe. What is out of range is still sent, and refused by the broker.

use std::sync::Arc;

use probity_protocol::{
    Availability, Catalog, Decimal, MAX_ARGS_BYTES, OptionEntry, TargetKind, Tier, ToolEntry,
    ValueType,
};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};

use crate::{parsers, result::ErrorType};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// One MCP tool for each tool of the catalog, in the catalog's order.
#[must_use]
pub fn tools(catalog: &Catalog) -> Vec<Tool> {
    catalog.tools.iter().map(|entry| tool(entry, catalog)).collect()
}

fn tool(entry: &ToolEntry, catalog: &Catalog) -> Tool {
    // Probing changes nothing on the target, and probing twice changes nothing more. It does reach
    // out to whatever stands on the network.
    let annotations = ToolAnnotations::new()
        .read_only(entry.tier == Tier::Standard && !entry.intrusive)
        .destructive(false)
        .idempotent(true)
        .open_world(true);
    Tool::new(entry.name.to_string(), description(entry), Arc::new(input(entry, catalog)))
        .with_raw_output_schema(Arc::new(output(entry.parser.as_deref())))
        .with_annotations(annotations)
}

fn description(entry: &ToolEntry) -> String {
    let mut text = entry.summary.clone();
    if let Availability::Unavailable { reason, remedy } = &entry.availability {
        text.push_str(&format!(" NOT AVAILABLE here now: {reason} Remedy: {remedy}"));
    }
    text
}

/// What a call takes.
fn input(entry: &ToolEntry, catalog: &Catalog) -> JsonObject {
    let mut properties = Map::new();
    properties.insert("target".into(), target(entry, catalog));
    for option in &entry.options {
        properties.insert(option.name.to_string(), property(option));
    }
    if !entry.presets.is_empty() {
        properties.insert("preset".into(), preset(entry));
    }
    let ceiling = catalog.timeout_ceiling.as_secs_f64();
    let usual = entry.timeout.as_secs_f64();
    properties.insert(
        "timeout_sec".into(),
        json!({
            "type": "number", "exclusiveMinimum": 0, "maximum": ceiling, "default": usual,
            "description": "Most seconds the run may take. What it wrote until then is returned.",
        }),
    );
    properties.insert(
        "dry_run".into(),
        json!({
            "type": "boolean", "default": false,
            "description": "Return the policy's verdict and the exact command; run nothing.",
        }),
    );
    properties.insert("extra_args".into(), extra_args(entry));
    properties.insert(
        "correlation_id".into(),
        json!({
            "type": "string", "pattern": "^[A-Za-z0-9_.:-]{1,128}$",
            "description": "Your own id for this call, for the audit log. Made when absent.",
        }),
    );
    object(properties, &["target"])
}

fn target(entry: &ToolEntry, catalog: &Catalog) -> Value {
    let networks: Vec<String> = catalog.networks.iter().map(ToString::to_string).collect();
    let names: Vec<String> = catalog.names.iter().map(ToString::to_string).collect();
    let takes_networks = entry.targets.contains(&TargetKind::Network);
    let mut text = String::from("What to aim at: one address");
    if !names.is_empty() {
        text.push_str(" or host name");
    }
    if takes_networks {
        text.push_str(&format!(
            ", or a network in CIDR form of at most {} addresses",
            catalog.max_hosts
        ));
    }
    text.push_str(&format!(". Allowed here: {}", some_of(&networks)));
    if !names.is_empty() {
        text.push_str(&format!("; names {}", some_of(&names)));
    }
    if !catalog.denied.is_empty() {
        let denied: Vec<String> = catalog.denied.iter().map(ToString::to_string).collect();
        text.push_str(&format!("; but never {}", some_of(&denied)));
    }
    text.push_str(". Anything else is refused.");
    let mut schema =
        json!({ "type": "string", "minLength": 1, "maxLength": 253, "description": text });
    let first = catalog.networks.first().and_then(|network| network.hosts().next());
    if let Some(example) = first {
        schema["examples"] = json!([example.to_string()]);
    }
    schema
}

/// A list that is not cut by clients that cut long descriptions.
fn some_of(texts: &[String]) -> String {
    const MOST: usize = 12;
    if texts.len() <= MOST {
        return texts.join(", ");
    }
    format!("{} and {} more", texts[..MOST].join(", "), texts.len() - MOST)
}

fn preset(entry: &ToolEntry) -> Value {
    let names: Vec<&str> = entry.presets.iter().map(|preset| preset.name.as_str()).collect();
    let helps: Vec<String> = entry
        .presets
        .iter()
        .map(|preset| format!("{}: {}{}", preset.name, preset.help, tier_note(preset.tier)))
        .collect();
    let text = format!("A named set of options; options given beside it win. {}", helps.join(" "));
    json!({ "type": "string", "enum": names, "description": text })
}

fn extra_args(entry: &ToolEntry) -> Value {
    let flags: Vec<&str> = entry.options.iter().map(|option| option.flag.as_str()).collect();
    let text = match flags.as_slice() {
        [] => String::from("This tool takes no flags."),
        flags => format!(
            "The tool's own flags as text, where the typed options are not enough. Give no option \
             both ways. Accepted: {}",
            flags.join(" ")
        ),
    };
    json!({ "type": "string", "maxLength": MAX_ARGS_BYTES, "description": text })
}

fn property(option: &OptionEntry) -> Value {
    let mut schema = value_type(&option.value);
    schema["description"] = json!(format!("{}{}", option.help, tier_note(option.tier)));
    if let Some(default) = &option.default {
        schema["default"] = default_value(&option.value, default);
    }
    schema
}

fn tier_note(tier: Tier) -> &'static str {
    match tier {
        Tier::Standard => "",
        Tier::Intrusive => " (intrusive)",
    }
}

fn value_type(value: &ValueType) -> Value {
    match value {
        ValueType::None => json!({ "type": "boolean" }),
        ValueType::Integer { min, max } => {
            json!({ "type": "integer", "minimum": min, "maximum": max })
        }
        ValueType::Number { min, max } | ValueType::Duration { min, max } => {
            json!({ "type": "number", "minimum": number(*min), "maximum": number(*max) })
        }
        ValueType::Ports => json!({
            "type": "string", "pattern": "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$",
            "examples": ["22,80,8000-8100"],
        }),
        ValueType::Enumeration(words) => json!({ "type": "string", "enum": words }),
        ValueType::EnumerationList(words) => json!({
            "type": "array", "minItems": 1, "uniqueItems": true,
            "items": { "type": "string", "enum": words },
        }),
        ValueType::Text { class, max_length } => json!({
            "type": "string", "pattern": format!("^{class}+$"), "maxLength": max_length,
        }),
    }
}

fn default_value(value: &ValueType, text: &str) -> Value {
    match value {
        ValueType::None => json!(text != "false"),
        ValueType::Integer { .. } => text.parse::<u64>().map_or(json!(text), |n| json!(n)),
        ValueType::Number { .. } | ValueType::Duration { .. } => {
            text.parse::<Decimal>().map_or(json!(text), number)
        }
        ValueType::EnumerationList(_) => json!(text.split(',').collect::<Vec<_>>()),
        ValueType::Ports | ValueType::Enumeration(_) | ValueType::Text { .. } => json!(text),
    }
}

/// A whole number without a point: models copy what they see.
fn number(decimal: Decimal) -> Value {
    decimal.to_string().parse::<u64>().map_or(json!(decimal.to_f64()), |whole| json!(whole))
}

/// What a call gives: [`crate::result::ToolResult`], with the parser's own schema inside.
fn output(parser: Option<&str>) -> JsonObject {
    let text = || json!({ "type": "string" });
    let flag = || json!({ "type": "boolean" });
    let facts = || json!({ "type": "object" });
    let or_null = |kind: &str| json!({ "type": [kind, "null"] });
    let kinds: Vec<&str> = ErrorType::ALL.iter().map(|kind| kind.as_str()).collect();
    let mut kinds_or_null: Vec<Value> = kinds.iter().map(|kind| json!(kind)).collect();
    kinds_or_null.push(Value::Null);
    let details = [
        ("error_type", json!({ "enum": kinds })),
        ("code", or_null("string")),
        ("layer", json!({ "enum": ["tool", "target", "argument", "intrusive", null] })),
        ("message", text()),
        ("recovery_suggestion", text()),
        ("timestamp", json!({ "type": "string", "format": "date-time" })),
        ("tool_name", text()),
        ("target", text()),
        ("metadata", facts()),
    ];
    let properties = [
        ("tool", text()),
        ("target", text()),
        ("address", or_null("string")),
        ("argv", json!({ "type": "array", "items": { "type": "string" } })),
        ("stdout", text()),
        ("stderr", text()),
        ("returncode", or_null("integer")),
        ("signal", or_null("integer")),
        ("timed_out", flag()),
        ("truncated_stdout", flag()),
        ("truncated_stderr", flag()),
        ("execution_time", json!({ "type": "number", "minimum": 0 })),
        ("correlation_id", text()),
        ("error", or_null("string")),
        ("error_type", json!({ "enum": kinds_or_null })),
        ("error_details", nullable(json!(closed(details)))),
        ("parsed", parsed(parser)),
        ("metadata", facts()),
        ("dry_run", flag()),
    ];
    let mut schema = closed(properties);
    schema.insert("$schema".into(), json!(DIALECT));
    schema
}

fn parsed(parser: Option<&str>) -> Value {
    let Some(mut schema) = parser.and_then(parsers::schema) else {
        return json!({ "type": "null" });
    };
    if let Value::Object(members) = &mut schema {
        // The dialect is named once, at the root.
        members.remove("$schema");
    }
    nullable(schema)
}

fn nullable(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// An object that always has all of its properties.
fn closed<const N: usize>(properties: [(&str, Value); N]) -> JsonObject {
    let names = properties.each_ref().map(|(name, _)| *name);
    let members = properties.into_iter().map(|(name, schema)| (name.to_owned(), schema));
    let mut schema = object(members.collect(), &names);
    schema.remove("$schema");
    schema
}

fn object(properties: Map<String, Value>, required: &[&str]) -> JsonObject {
    let mut schema = Map::new();
    schema.insert("$schema".into(), json!(DIALECT));
    schema.insert("type".into(), json!("object"));
    schema.insert("properties".into(), Value::Object(properties));
    schema.insert("required".into(), json!(required));
    schema.insert("additionalProperties".into(), json!(false));
    schema
}
