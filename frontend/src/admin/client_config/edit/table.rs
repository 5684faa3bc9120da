//! TOML, as Codex reads it. What is not the entry's stays: comments, order, layout.

use serde_json::Value;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, value};

use super::{EditError, Edited, Wanted, changes, merged};

/// Puts the entry into the text, which may be empty.
pub(super) fn edit(text: &str, wanted: &Wanted<'_>) -> Result<Edited, EditError> {
    let not_toml = |error: toml_edit::TomlError| EditError::NotToml(error.message().to_owned());
    let mut document: DocumentMut = text.parse().map_err(not_toml)?;
    let old = entry_of(text, wanted);
    let servers = document.entry(wanted.section).or_insert_with(|| {
        let mut table = Table::new();
        // Its own header would say nothing.
        table.set_implicit(true);
        Item::Table(table)
    });
    let is_inline = servers.is_inline_table();
    let servers = servers.as_table_like_mut().ok_or_else(|| kind(wanted.section))?;
    let Some(old) = old else {
        let mut entry = if is_inline {
            Item::Value(InlineTable::new().into())
        } else {
            Item::Table(Table::new())
        };
        if let Some(table) = entry.as_table_like_mut() {
            wanted.entry.iter().for_each(|(key, value)| put(table, key, value));
        }
        servers.insert(wanted.name, entry);
        return Ok(Edited::New { text: document.to_string(), changes: Vec::new() });
    };
    let new = merged(&old, wanted.entry);
    if new == old {
        return Ok(Edited::Same);
    }
    let entry = servers.get_mut(wanted.name).and_then(Item::as_table_like_mut);
    let entry = entry.ok_or_else(|| kind(wanted.name))?;
    let gone = |key: &str| new.get(key).is_none();
    let keys: Vec<_> =
        entry.iter().map(|(key, _)| key.to_owned()).filter(|key| gone(key)).collect();
    keys.iter().for_each(|key| drop(entry.remove(key)));
    for (key, value) in wanted.entry.iter().filter(|(key, value)| old.get(*key) != Some(*value)) {
        put(entry, key, value);
    }
    Ok(Edited::New { text: document.to_string(), changes: changes(&old, &new) })
}

/// The entry that is there.
fn entry_of(text: &str, wanted: &Wanted<'_>) -> Option<Value> {
    let document: toml::Table = text.parse().ok()?;
    serde_json::to_value(document.get(wanted.section)?.get(wanted.name)?).ok()
}

/// An entry has texts and lists of texts.
fn put(table: &mut dyn TableLike, key: &str, new: &Value) {
    let item = match new {
        Value::Array(items) => value(items.iter().filter_map(Value::as_str).collect::<Array>()),
        Value::String(text) => value(text),
        Value::Bool(switch) => value(*switch),
        other => value(other.to_string()),
    };
    // Replaced in place, so that a comment beside it stays.
    match table.get_mut(key) {
        Some(there) => {
            let decor = there.as_value().map(|there| there.decor().clone());
            *there = item;
            if let (Some(decor), Some(there)) = (decor, there.as_value_mut()) {
                *there.decor_mut() = decor;
            }
        }
        None => drop(table.insert(key, item)),
    }
}

fn kind(what: &str) -> EditError {
    EditError::Kind { what: format!("{what:?}"), expected: "table" }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn put_into(text: &str, entry: Value) -> Result<Edited, EditError> {
        let Value::Object(entry) = entry else { panic!() };
        edit(text, &Wanted { section: "mcp_servers", name: "probity", entry: &entry, input: None })
    }

    fn text_of(edited: Result<Edited, EditError>) -> String {
        let Ok(Edited::New { text, .. }) = edited else { panic!("{edited:?}") };
        text
    }

    #[test]
    fn an_entry_is_a_table_of_its_own_and_all_else_stays() {
        let entry = || json!({"command": "/bin/p", "args": ["stdio"]});
        let expected = "[mcp_servers.probity]\ncommand = \"/bin/p\"\nargs = [\"stdio\"]\n";
        assert_eq!(text_of(put_into("", entry())), expected);
        let mine = "# Mine.\nmodel = \"o\" # as it is\n\n[mcp_servers.other]\ncommand = \"x\"\n";
        let text = text_of(put_into(mine, entry()));
        assert_eq!(text, format!("{mine}\n{expected}"));
        assert_eq!(put_into(&text, entry()).unwrap(), Edited::Same);
    }

    #[test]
    fn an_entry_that_is_there_keeps_what_is_not_ours() {
        let text = "[mcp_servers.probity]\n# why\ncommand = \"old\" # beside\nenv = { A = \"b\" }\nargs = [\"a\"]\n";
        let new = text_of(put_into(text, json!({"url": "http://127.0.0.1/mcp"})));
        assert_eq!(new.matches("command").count(), 0, "{new}");
        assert!(
            new.contains("env = { A = \"b\" }") && new.contains("url = \"http://127.0.0.1/mcp\""),
            "{new}"
        );
        let same = text_of(put_into(text, json!({"command": "new", "args": ["a"]})));
        assert_eq!(same, text.replace("\"old\"", "\"new\""));
    }

    #[test]
    fn what_is_no_toml_or_no_table_is_not_touched() {
        for text in ["{}", "mcp_servers = 1", "[mcp_servers]\nprobity = 1", "a = "] {
            assert!(put_into(text, json!({"command": "p"})).is_err(), "{text}");
        }
        let inline = text_of(put_into(
            "mcp_servers = { a = { command = \"x\" } }\n",
            json!({"command": "p"}),
        ));
        assert!(
            inline.parse::<toml::Table>().unwrap()["mcp_servers"]["probity"]["command"].is_str()
        );
    }
}
