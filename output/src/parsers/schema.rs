//! What JSON Schemas (2020-12) of typed results are made of, for clients that check or plan by them.
//!
//! Every property is required and no other is allowed: what a tool didn't say is `null` or an
//! empty list. A test holds each schema against parsed output, so the two can't drift apart.

use serde_json::{Value, json};

/// The schema of a whole result.
pub(crate) fn root(mut schema: Value) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    }
    schema
}

/// An object with exactly these members.
pub(crate) fn object(description: &str, properties: &[(&str, Value)]) -> Value {
    let required: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    let properties: serde_json::Map<String, Value> =
        properties.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({
        "type": "object",
        "description": description,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

pub(crate) fn list(description: &str, items: Value) -> Value {
    json!({"type": "array", "description": description, "items": items})
}

pub(crate) fn string(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

pub(crate) fn flag(description: &str) -> Value {
    json!({"type": "boolean", "description": description})
}

/// A number of things.
pub(crate) fn count(description: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "description": description})
}

/// A share, 0 to 100, or null.
pub(crate) fn percent(description: &str) -> Value {
    json!({
        "type": ["number", "null"], "minimum": 0, "maximum": 100, "description": description,
    })
}

/// A value of a JSON type, or null.
pub(crate) fn or_null(kind: &str, description: &str) -> Value {
    json!({"type": [kind, "null"], "description": description})
}
