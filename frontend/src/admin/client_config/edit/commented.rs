//! JSON with comments and commas at the end, as VS Code, Zed and Gemini CLI read it. A syntax tree keeps
//! all that is not the entry's: comments, commas, layout. Within an entry that is there only the keys
//! that change are touched.

use jsonc_parser::{
    ParseOptions,
    cst::{CstInputValue, CstObject, CstRootNode},
};
use serde_json::Value;

use super::{EditError, Edited, Wanted, changes, merged};

/// What these clients read beside JSON.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Puts the entry, and an input that is wanted, into the text.
pub(super) fn edit(text: &str, wanted: &Wanted<'_>) -> Result<Edited, EditError> {
    let root = CstRootNode::parse(text, &OPTIONS)
        .map_err(|error| EditError::NotCommentedJson(error.to_string()))?;
    let top = match root.value() {
        None => root.object_value_or_set(),
        Some(value) => value.as_object().ok_or_else(|| kind("the top level", "object"))?,
    };
    let changes = put_entry(&top, wanted)?;
    let has_input = wanted.input.map(|input| put_input(&top, input)).transpose()?.unwrap_or(true);
    Ok(match (changes, has_input) {
        (None, true) => Edited::Same,
        (changes, _) => {
            Edited::New { text: root.to_string(), changes: changes.unwrap_or_default() }
        }
    })
}

/// The lines of what changed; `None` where nothing did.
fn put_entry(top: &CstObject, wanted: &Wanted<'_>) -> Result<Option<Vec<String>>, EditError> {
    let entry = Value::Object(wanted.entry.clone());
    let Some(servers) = object_in(top, wanted.section)? else {
        let section = CstInputValue::Object(vec![(wanted.name.to_owned(), input(&entry))]);
        top.append(wanted.section, section);
        return Ok(Some(Vec::new()));
    };
    once(&servers, wanted.name)?;
    let Some(there) = servers.get(wanted.name) else {
        servers.append(wanted.name, input(&entry));
        return Ok(Some(Vec::new()));
    };
    let old = there.value().and_then(|value| value.to_serde_value()).unwrap_or_default();
    let new = merged(&old, wanted.entry);
    if new == old {
        return Ok(None);
    }
    let lines = changes(&old, &new);
    match (there.object_value(), &new) {
        (Some(object), Value::Object(new)) => {
            for property in object.properties() {
                if property.decoded_name().is_none_or(|name| !new.contains_key(&name)) {
                    property.remove();
                }
            }
            for (key, value) in new {
                match object.get(key) {
                    Some(_) if old.get(key) == Some(value) => {}
                    Some(property) => property.set_value(input(value)),
                    None => {
                        object.append(key, input(value));
                    }
                }
            }
        }
        _ => there.set_value(input(&new)),
    }
    Ok(Some(lines))
}

/// Whether the input was there already.
fn put_input(top: &CstObject, wanted: &Value) -> Result<bool, EditError> {
    once(top, "inputs")?;
    let Some(inputs) = top.get("inputs") else {
        top.append("inputs", CstInputValue::Array(vec![input(wanted)]));
        return Ok(false);
    };
    let list = inputs.array_value().ok_or_else(|| kind("\"inputs\"", "list"))?;
    let id = |value: &Value| value.get("id").cloned();
    let is_there = list
        .elements()
        .iter()
        .any(|element| element.to_serde_value().is_some_and(|element| id(&element) == id(wanted)));
    if !is_there {
        list.append(input(wanted));
    }
    Ok(is_there)
}

fn object_in(container: &CstObject, key: &str) -> Result<Option<CstObject>, EditError> {
    once(container, key)?;
    let Some(property) = container.get(key) else { return Ok(None) };
    property.object_value().map(Some).ok_or_else(|| kind(&format!("{key:?}"), "object"))
}

/// Clients differ in which of two they take.
fn once(container: &CstObject, key: &str) -> Result<(), EditError> {
    let is_named = |name: Option<String>| name.as_deref() == Some(key);
    let named = container.properties().into_iter().filter(|it| is_named(it.decoded_name()));
    if named.count() > 1 { Err(EditError::Twice(key.to_owned())) } else { Ok(()) }
}

fn kind(what: &str, expected: &'static str) -> EditError {
    EditError::Kind { what: what.to_owned(), expected }
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(members) => CstInputValue::Object(
            members.iter().map(|(key, value)| (key.clone(), input(value))).collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FILE: &str = "{\n  // Mine.\n  \"theme\": \"dark\", // as it is\n  \"servers\": {\n    /* another */\n    \"other\": { \"command\": \"x\", },\n  },\n}\n";

    fn put(text: &str, entry: Value) -> Result<Edited, EditError> {
        let Value::Object(entry) = entry else { panic!() };
        edit(text, &Wanted { section: "servers", name: "probity", entry: &entry, input: None })
    }

    fn text_of(edited: Result<Edited, EditError>) -> String {
        let Ok(Edited::New { text, .. }) = edited else { panic!("{edited:?}") };
        text
    }

    #[test]
    fn comments_and_commas_at_the_end_stay_whatever_is_put_between_them() {
        let text = text_of(put(FILE, json!({"command": "p", "args": ["stdio"]})));
        for kept in
            ["// Mine.", "// as it is", "/* another */", "\"other\": { \"command\": \"x\", }"]
        {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        let root = CstRootNode::parse(&text, &OPTIONS).unwrap().to_serde_value().unwrap();
        assert_eq!(root["servers"]["probity"], json!({"command": "p", "args": ["stdio"]}));
        assert_eq!(root["theme"], "dark");
        assert_eq!(put(&text, json!({"command": "p", "args": ["stdio"]})).unwrap(), Edited::Same);
    }

    #[test]
    fn a_comment_within_the_entry_stays_and_so_does_what_is_not_ours() {
        let text = "{\"servers\": {\"probity\": {\n  // why\n  \"command\": \"old\",\n  \"env\": {\"A\": \"b\"}, // kept\n  \"url\": \"http://x\"\n}}}";
        let text = text_of(put(text, json!({"command": "new"})));
        assert!(text.contains("// why") && text.contains("// kept"), "{text}");
        let root = CstRootNode::parse(&text, &OPTIONS).unwrap().to_serde_value().unwrap();
        assert_eq!(root["servers"]["probity"], json!({"command": "new", "env": {"A": "b"}}));
    }

    #[test]
    fn what_the_client_would_not_read_is_not_touched() {
        for text in
            ["{servers: {}}", "{\"a\": 'b'}", "{\"a\": 1 \"b\": 2}", "half a", "[]", "{} {}"]
        {
            assert!(put(text, json!({"command": "p"})).is_err(), "{text}");
        }
        let twice = "{\"servers\": {}, // one\n \"servers\": {}}";
        assert!(matches!(put(twice, json!({})), Err(EditError::Twice(_))));
    }
}
