//! What a call gives: [`crate::calls::result::ToolResult`], with the parser's own schema inside.

use probity_output::parsers::Parser;
use serde_json::{Value, json};

use super::{DIALECT, JsonObject, object};
use crate::calls::error_type::ErrorType;

/// The schema of every result of a tool whose output `parser` reads.
#[must_use]
pub fn output(parser: Option<&Parser>) -> JsonObject {
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

fn parsed(parser: Option<&Parser>) -> Value {
    let Some(mut schema) = parser.map(Parser::schema) else {
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
