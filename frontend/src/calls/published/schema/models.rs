//! The schemas as a model gets them: in the keywords that all hosts take, and no longer than they have
//! to be, since they stand in each of its conversations.
//!
//! They only describe. What is checked is the full schema, which says everything that this form leaves
//! out; nothing is accepted here that it refuses.

use serde_json::{Map, Value, json};

use super::JsonObject;

/// Keywords that hosts of all large models take in the schema of a call. Several refuse a tool, or the
/// whole list, for one of `$schema`, `examples`, `additionalProperties`, `const`, `anyOf` or
/// `exclusiveMinimum`.
const TAKEN: [&str; 9] = [
    "type",
    "description",
    "enum",
    "items",
    "minimum",
    "maximum",
    "minItems",
    "pattern",
    "default",
];

/// Properties for programs, which a model has no use for. They are accepted all the same.
const FOR_PROGRAMS: [&str; 1] = ["correlation_id"];

/// What a call takes, for a model.
#[must_use]
pub fn for_models(input: &JsonObject) -> JsonObject {
    let properties = input.get("properties").and_then(Value::as_object);
    let properties = properties.into_iter().flatten();
    let shown: JsonObject = properties
        // What a tool's file has no word for is accepted, and nobody has to know of it.
        .filter(|(_, schema)| schema["description"].is_string())
        .filter(|(name, _)| !FOR_PROGRAMS.contains(&name.as_str()))
        .map(|(name, schema)| (name.clone(), plain(schema)))
        .collect();
    let mut schema = Map::new();
    schema.insert("type".into(), json!("object"));
    schema.insert("properties".into(), Value::Object(shown));
    schema.insert("required".into(), input.get("required").cloned().unwrap_or_else(|| json!([])));
    schema
}

/// A property in the keywords that are taken, with an example in its description where nobody guesses
/// how it is written.
fn plain(schema: &Value) -> Value {
    let Value::Object(members) = schema else { return schema.clone() };
    let mut plain: JsonObject = members
        .iter()
        // What everybody assumes.
        .filter(|(key, value)| TAKEN.contains(&key.as_str()) && **value != json!(false))
        .map(|(key, value)| {
            (key.clone(), if key == "items" { self::plain(value) } else { value.clone() })
        })
        .collect();
    let example = schema["examples"][0].as_str().filter(|_| schema["pattern"].is_string());
    if let (Some(example), Some(Value::String(text))) = (example, plain.get_mut("description")) {
        text.push_str(&format!(" Example: {example}"));
    }
    Value::Object(plain)
}

/// What a call gives, for a client of MCP: the same as `output`, of which the members that say nothing
/// are left out.
#[must_use]
pub fn brief_output(output: &JsonObject) -> JsonObject {
    let mut brief = match optional(&Value::Object(output.clone())) {
        Value::Object(brief) => brief,
        _ => Map::new(),
    };
    if let Some(properties) = brief.get_mut("properties").and_then(Value::as_object_mut) {
        // One that is always null.
        properties.retain(|_, schema| schema["type"] != "null");
        properties.insert(
            "truncated_answer".into(),
            json!({
                "type": "boolean",
                "description": "This answer leaves out part of the result; read_result gives it.",
            }),
        );
    }
    brief.insert("required".into(), json!(["tool", "target"]));
    brief.insert(
        "description".into(),
        json!("What is null or empty is left out, and stdout and stderr where parsed has what they say."),
    );
    brief
}

/// A schema whose members may all be missing, and are never null.
fn optional(schema: &Value) -> Value {
    let Value::Object(members) = schema else { return schema.clone() };
    if let Some([either, _null]) = members.get("anyOf").and_then(Value::as_array).map(Vec::as_slice)
    {
        return optional(either);
    }
    let mut shown = Map::new();
    for (key, value) in members {
        let value = match (key.as_str(), value) {
            ("$schema" | "required", _) => continue,
            ("properties", Value::Object(properties)) => {
                let properties = properties.iter();
                properties.map(|(name, schema)| (name.clone(), optional(schema))).collect()
            }
            ("items", schema) => optional(schema),
            ("type", Value::Array(kinds)) => kinds.first().cloned().unwrap_or(Value::Null),
            ("enum", Value::Array(words)) => {
                words.iter().filter(|word| !word.is_null()).cloned().collect()
            }
            (_, value) => value.clone(),
        };
        shown.insert(key.clone(), value);
    }
    Value::Object(shown)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::calls::published::schema;
    use probity_output::parsers::Parser;

    /// Every recorded output, with the parser that its name tells.
    fn recorded() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../output/src/parsers/fixtures");
        fs::read_dir(folder).unwrap().filter_map(|file| {
            let path = file.unwrap().path();
            let name = path.file_name()?.to_str()?;
            let parsers = [
                ("arping", "arping"),
                ("curl", "curl"),
                ("dig", "dig"),
                ("ip_", "ip-json"),
                ("mtr", "mtr"),
                ("nmap", "nmap-xml"),
                ("ping", "ping"),
                ("tcpdump", "tcpdump"),
                ("tls", "tls"),
                ("tracepath", "tracepath"),
                ("traceroute", "traceroute"),
            ];
            let (_, parser) = parsers.into_iter().find(|(begin, _)| name.starts_with(begin))?;
            Some((parser, fs::read(&path).unwrap()))
        })
    }

    #[test]
    fn the_brief_form_of_a_report_fits_its_schema_and_is_shorter() {
        let mut seen = 0;
        for (name, output) in recorded() {
            let parser = Parser::named(name).unwrap();
            let output_schema = brief_output(&schema::output(Some(&parser)));
            let validator = jsonschema::draft202012::new(&Value::Object(output_schema)).unwrap();
            // curl's figures are on standard error.
            let (stdout, stderr) = if name == "curl" { (vec![], output) } else { (output, vec![]) };
            let report = parser.read(&stdout, &stderr, true).unwrap();
            let long = serde_json::to_string(&report).unwrap();
            for most in [usize::MAX, 4096, 2048] {
                let (brief, dropped) = report.brief_within(most);
                let text = brief.to_string();
                assert!(text.len() < long.len() && text.len() <= most, "{text}");
                assert_eq!(
                    dropped,
                    brief["truncated"] == true && !long.contains("\"truncated\":true"),
                    "{text}"
                );
                assert!(!text.contains("null") && !text.contains("[]"), "{text}");
                let result = json!({ "tool": "t", "target": "x", "parsed": brief });
                let errors: Vec<_> =
                    validator.iter_errors(&result).map(|e| e.to_string()).collect();
                assert!(errors.is_empty(), "{errors:?} in {text}");
            }
            seen += 1;
        }
        assert!(seen > 80, "{seen}");
    }
}
