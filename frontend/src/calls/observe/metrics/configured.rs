//! The counters of the configuration file: a field of a tool's typed results is added up, or the
//! results are counted.
//!
//! Whatever a host had the tool write, a counter grows by a bounded number and never by a series: its
//! labels say what the file declared, or `other`.

use prometheus::Registry;
use serde_json::Value;

use super::{
    Status,
    custom::{self, CustomCounter},
};
use crate::{
    calls::result::ToolResult,
    config::{CounterError, CounterSettings},
};

/// The most that one result adds.
const MOST_AT_ONCE: u64 = 1_000_000;

/// One of them.
#[derive(Debug)]
pub(super) struct Configured {
    settings: CounterSettings,
    counter: CustomCounter,
}

impl Configured {
    pub(super) fn new(
        registry: &Registry,
        settings: &CounterSettings,
    ) -> Result<Self, CounterError> {
        let counter = settings.with_labels(|labels| {
            custom::register(registry, &settings.name, &settings.help, labels)
        })?;
        Ok(Self { settings: settings.clone(), counter })
    }

    /// The tool whose results are counted, by name or alias.
    pub(super) fn tool(&self) -> &str {
        &self.settings.tool
    }

    pub(super) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Counts a result of its tool's.
    pub(super) fn count(&self, result: &ToolResult) {
        let amount = match &self.settings.field {
            Some(field) => result.parsed.as_ref().map_or(0, |parsed| amount(parsed, field)),
            None => 1,
        };
        let values = self.settings.labels.iter().map(|label| match label.as_str() {
            "tool" => self.settings.tool.clone(),
            "status" => Status::of(result).as_str().to_owned(),
            field => result.parsed.as_ref().and_then(|it| text(it, field)).unwrap_or_default(),
        });
        let values: Vec<String> = values.collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        self.counter.add(&values, amount.min(MOST_AT_ONCE));
    }
}

/// What a field amounts to: a whole number itself, a list its length, true 1. Through a list it is the
/// sum over what is in it.
fn amount(value: &Value, field: &str) -> u64 {
    let (name, rest) = field.split_once('.').unwrap_or((field, ""));
    match value {
        Value::Array(items) => {
            items.iter().map(|item| amount(item, field)).fold(0, u64::saturating_add)
        }
        Value::Object(fields) => match fields.get(name) {
            Some(value) if !rest.is_empty() => amount(value, rest),
            Some(Value::Number(number)) => number.as_u64().unwrap_or_default(),
            Some(Value::Array(items)) => items.len() as u64,
            Some(Value::Bool(true)) => 1,
            _ => 0,
        },
        _ => 0,
    }
}

/// What a field says, where it is a single value.
fn text(value: &Value, field: &str) -> Option<String> {
    let value = field.split('.').try_fold(value, |value, name| value.get(name))?;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_amounts_to_its_number_its_length_or_whether_it_is_true() {
        let report = json!({
            "open_ports": 3, "alive": true, "down": false, "loss": 0.5, "negative": -2, "name": "x",
            "hosts": [{"ports": [1, 2], "up": true}, {"ports": [], "up": false}, {"up": true}],
        });
        let expected = [
            ("open_ports", 3),
            ("alive", 1),
            ("down", 0),
            ("loss", 0),
            ("negative", 0),
            ("name", 0),
            ("hosts", 3),
            ("hosts.ports", 2),
            ("hosts.up", 2),
            ("hosts.nothing", 0),
            ("open_ports.deeper", 0),
            ("nothing", 0),
        ];
        for (field, amounts_to) in expected {
            assert_eq!(amount(&report, field), amounts_to, "{field}");
        }
        assert_eq!(text(&report, "alive").as_deref(), Some("true"));
        assert_eq!(text(&report, "name").as_deref(), Some("x"));
        assert_eq!(text(&report, "hosts"), None, "a list says nothing in a word");
    }

    #[test]
    fn rows_of_a_tools_own_table_count_as_those_of_ours() {
        let table = serde_json::from_value(json!({
            "format": "csv", "column": [{"name": "host"}, {"name": "lost", "type": "integer"}],
        }));
        let parser = probity_output::parsers::Parser::of_table(&table.unwrap()).unwrap();
        let report = parser.read(b"host,lost\na,2\nb,3\n", b"", true).unwrap();
        let report = serde_json::to_value(report).unwrap();
        for (field, amounts_to) in [("rows", 2), ("row_count", 2), ("rows.lost", 5)] {
            assert_eq!(amount(&report, field), amounts_to, "{field}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-c]".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("[a-c]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_result_breaks_it(value in any_json(), field in "[a-c](\\.[a-c]){0,3}") {
            let _ = amount(&value, &field);
            let _ = text(&value, &field);
        }
    }
}
