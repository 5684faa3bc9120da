//! Arguments in the types that the schema has, where nothing is lost by it: many hosts of models send
//! numbers and booleans as texts, and every optional property, empty.
//!
//! Whatever is changed fits the schema afterwards. What would only fit by a guess stays as it is, to
//! be refused.

use serde_json::{Map, Number, Value, json};

use super::ArgumentCheck;
use crate::calls::request::{is_reserved, number_text};

impl ArgumentCheck {
    /// The same arguments, in the schema's types as far as they say the same.
    #[must_use]
    pub fn liberal(&self, arguments: &Map<String, Value>) -> Map<String, Value> {
        if self.has_too_many(arguments) {
            return arguments.clone();
        }
        let given = arguments.iter().filter_map(|(name, value)| {
            let schema = &self.schema["properties"][name];
            let value = match value {
                // Every tool has these, but for one without presets.
                value if !schema.is_object() && !is_reserved(name) => value.clone(),
                Value::Null => return None,
                Value::String(text) if name == "target" => json!(text.trim()),
                Value::String(text) if text.trim().is_empty() => return None,
                value => self.in_its_type(name, value).unwrap_or_else(|| value.clone()),
            };
            Some((name.clone(), value))
        });
        given.collect()
    }

    /// A value in the type of its property, if it is of another and says the same.
    pub(super) fn in_its_type(&self, name: &str, value: &Value) -> Option<Value> {
        let schema = &self.schema["properties"][name];
        let kind = schema["type"].as_str()?;
        let same = match (kind, value) {
            ("integer" | "number", Value::String(text)) => {
                json!(text.trim().parse::<Number>().ok()?)
            }
            ("boolean", Value::String(text)) => match text.trim().to_ascii_lowercase().as_str() {
                "true" => json!(true),
                "false" => json!(false),
                _ => return None,
            },
            ("string", Value::Array(items)) if !is_reserved(name) => json!(texts(items)?.join(",")),
            ("string", Value::Number(number)) if !is_reserved(name) => json!(number_text(number)),
            ("string", Value::String(text)) => json!(text.trim()),
            ("array", Value::String(text)) => {
                let of = schema["items"]["type"].as_str().unwrap_or_default();
                json!(text.split(',').map(|part| item(of, part.trim())).collect::<Vec<_>>())
            }
            // The one that there is, of a list that may be longer.
            ("array", Value::Number(_)) => json!([value]),
            _ => return None,
        };
        self.fits(name, &same).then_some(same)
    }
}

/// A part of a list that was written as one text.
fn item(of: &str, text: &str) -> Value {
    match of {
        "integer" | "number" => text.parse::<Number>().map_or(json!(text), |number| json!(number)),
        _ => json!(text),
    }
}

/// The texts and numbers of a list.
fn texts(items: &[Value]) -> Option<Vec<String>> {
    let text = |item: &Value| match item {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number_text(number)),
        _ => None,
    };
    items.iter().map(text).collect()
}
