//! Watches as they are written: one that is asked for becomes a table of the file, and one that is there is
//! taken out of it. What else the file has, comments included, stays as it is. Whether a watch makes sense
//! [`file`](super::file) says.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use toml_edit::{
    Array, ArrayOfTables, DocumentMut, Formatted, InlineTable, Item, Table, TomlError,
    Value as TomlValue,
};
use utoipa::ToSchema;

/// The key under which a file has its watches.
const KEY: &str = "watch";

/// A watch as it is asked for: what a file says of one, but for its name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenWatch {
    /// The tool, by its name or an alias.
    pub tool: String,
    /// An address, a network or a name; left out for a tool that takes none.
    pub target: Option<String>,
    /// The tool's options.
    pub options: Option<Map<String, Value>>,
    /// One of the tool's presets.
    pub preset: Option<String>,
    /// How long a run may take: `30s`.
    pub timeout: Option<String>,
    /// The time from one run to the next: `5m`; this or `cron`.
    pub every: Option<String>,
    /// Five fields: minute, hour, day of the month, month, day of the week.
    pub cron: Option<String>,
    /// In which the hours of `cron` are meant; UTC where it is left out.
    pub timezone: Option<String>,
    /// What is told: `changed`, `failed`, `loss > 5 %`.
    pub tell: Option<Vec<String>>,
}

impl WrittenWatch {
    /// The lines of a file that say so.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        let mut table = Table::new();
        let texts = [
            ("name", Some(name)),
            ("tool", Some(self.tool.as_str())),
            ("target", self.target.as_deref()),
            ("preset", self.preset.as_deref()),
            ("timeout", self.timeout.as_deref()),
            ("every", self.every.as_deref()),
            ("cron", self.cron.as_deref()),
            ("timezone", self.timezone.as_deref()),
        ];
        for (key, text) in texts {
            if let Some(text) = text {
                table.insert(key, text.into());
            }
        }
        if let Some(options) = self.options.as_ref().filter(|options| !options.is_empty()) {
            table.insert("options", Item::Value(TomlValue::InlineTable(inline(options))));
        }
        if let Some(tell) = &self.tell {
            table.insert("tell", Item::Value(TomlValue::Array(tell.iter().collect())));
        }
        let mut watches = ArrayOfTables::new();
        watches.push(table);
        let mut document = DocumentMut::new();
        document.insert(KEY, Item::ArrayOfTables(watches));
        document.to_string()
    }
}

/// A file's text with another watch at its end.
#[must_use]
pub fn with(text: &str, name: &str, watch: &WrittenWatch) -> String {
    let gap = match text {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    format!("{text}{gap}{}", watch.text(name))
}

/// A file's text without the watch of this name; `None` where it has none.
///
/// # Errors
/// It is no TOML.
pub fn without(text: &str, name: &str) -> Result<Option<String>, TomlError> {
    let mut document: DocumentMut = text.parse()?;
    let Some(watches) = document.get_mut(KEY).and_then(Item::as_array_of_tables_mut) else {
        return Ok(None);
    };
    let is_it = |table: &Table| table.get("name").and_then(Item::as_str) == Some(name);
    let Some(at) = watches.iter().position(is_it) else { return Ok(None) };
    watches.remove(at);
    Ok(Some(document.to_string()))
}

/// Puts a text in the place of a file's, at once, so that there is never half of it. Whoever may read it is
/// said by `mode`.
///
/// # Errors
/// The file cannot be written, and is as it was.
pub fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(mode).open(&beside)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let replaced = written.and_then(|()| fs::rename(&beside, path));
    replaced.inspect_err(|_| {
        // What is left of it is of no use.
        let _ = fs::remove_file(&beside);
    })
}

fn inline(object: &Map<String, Value>) -> InlineTable {
    object.iter().filter_map(|(key, value)| Some((key.as_str(), toml(value)?))).collect()
}

/// A value of JSON in TOML, which has no null.
fn toml(value: &Value) -> Option<TomlValue> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => TomlValue::Float(Formatted::new(number.as_f64()?)),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => TomlValue::Array(items.iter().filter_map(toml).collect::<Array>()),
        Value::Object(object) => TomlValue::InlineTable(inline(object)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::watches::samples::watches;

    fn written() -> WrittenWatch {
        WrittenWatch {
            tool: "ping".into(),
            target: Some("10.0.0.1".into()),
            options: json!({"count": 5}).as_object().cloned(),
            every: Some("1m".into()),
            tell: Some(vec!["loss > 5 %".into()]),
            ..WrittenWatch::default()
        }
    }

    #[test]
    fn what_is_added_is_read_and_what_was_there_stays_as_it_was() {
        let before = "# Ours.\n[[watch]]\nname = \"a\" # the first\ntool = \"ping\"\ntarget = \"10.0.0.2\"\nevery = \"2m\"";
        let text = with(before, "gateway", &written());
        assert!(text.starts_with(before), "{text}");
        let read = watches(&text);
        assert_eq!(read.len(), 2);
        assert_eq!(Value::Object(read[1].arguments()), json!({"target": "10.0.0.1", "count": 5}));
        let without = without(&text, "gateway").unwrap().unwrap();
        assert_eq!(without.trim_end(), before);
    }

    #[test]
    fn what_is_not_there_is_not_taken_out() {
        for text in ["", "x = 1", "[[watch]]\nname = \"a\"\n"] {
            assert_eq!(without(text, "b").unwrap(), None, "{text}");
        }
        assert!(without("[[", "b").is_err());
    }

    proptest! {
        /// Whatever is asked for is one watch of a file, with just these words in it.
        #[test]
        fn any_text_is_written_so_that_it_is_read_again(target in ".{0,40}", name in "[a-z]{1,8}") {
            let watch = WrittenWatch { target: Some(target.clone()), ..written() };
            let document: DocumentMut = watch.text(&name).parse().unwrap();
            let table = document[KEY].as_array_of_tables().unwrap().get(0).unwrap();
            prop_assert_eq!(table["target"].as_str(), Some(target.as_str()));
            prop_assert_eq!(table["name"].as_str(), Some(name.as_str()));
        }
    }
}
