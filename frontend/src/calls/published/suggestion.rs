//! A request that would pass, in the forms in which it can be made: the arguments of a tool call for
//! a model, a command line for a person.

use probity_advice::SuggestedCall;
use probity_protocol::{Catalog, ToolEntry};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::calls::{
    published::schema::{seconds, typed},
    request::join_words,
};

/// A tool call that the broker has approved of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Suggestion {
    /// The tool.
    pub tool: String,
    /// Its arguments.
    pub arguments: Map<String, Value>,
}

impl Suggestion {
    /// A suggested call as a tool call; the catalog gives each option its type.
    #[must_use]
    pub fn of(call: &SuggestedCall, catalog: &Catalog) -> Self {
        let entry = catalog.tool(call.tool.as_str());
        let mut arguments = Map::new();
        if !call.target.is_empty() {
            arguments.insert("target".into(), json!(call.target));
        }
        if let Some(preset) = &call.preset {
            arguments.insert("preset".into(), json!(preset));
        }
        for option in &call.options {
            let value = match (&option.value, entry.and_then(|e| value_type(e, &option.name))) {
                (None, _) => json!(true),
                (Some(text), Some(kind)) => typed(kind, text.as_str()),
                (Some(text), None) => json!(text),
            };
            arguments.insert(option.name.to_string(), value);
        }
        let words: Vec<String> = call.tokens.iter().map(ToString::to_string).collect();
        if let Some(text) = join_words(&words).filter(|text| !text.is_empty()) {
            arguments.insert("extra_args".into(), json!(text));
        }
        if let Some(timeout) = call.timeout {
            arguments.insert("timeout_sec".into(), seconds(timeout));
        }
        Self { tool: call.tool.to_string(), arguments }
    }

    /// The same call, for its verdict only.
    #[must_use]
    pub fn as_dry_run(mut self) -> Self {
        self.arguments.insert("dry_run".into(), json!(true));
        self
    }

    /// The call for a model: `ping {"target":"10.0.0.1"}`.
    #[must_use]
    pub fn as_call(&self) -> String {
        format!("{} {}", self.tool, Value::Object(self.arguments.clone()))
    }

    /// The call as a command line: `probity call ping 10.0.0.1 -- -c 5`.
    #[must_use]
    pub fn as_command(&self, catalog: &Catalog) -> String {
        let text = |name: &str| self.arguments.get(name).map(plain);
        let mut words = vec!["probity".into(), "call".into(), self.tool.clone()];
        words.extend(text("target"));
        for (name, flag) in [("preset", "--preset"), ("timeout_sec", "--timeout")] {
            words.extend(text(name).into_iter().flat_map(|value| [flag.to_owned(), value]));
        }
        words.extend(self.operands(catalog));
        if self.arguments.get("dry_run") == Some(&json!(true)) {
            words.push("--dry-run".into());
        }
        let mut line = join_words(&words).unwrap_or_default();
        let flags = self.flags(catalog);
        if !flags.is_empty() {
            line.push_str(" -- ");
            line.push_str(&flags);
        }
        line
    }

    /// The options that have no flag, by their properties.
    fn operands(&self, catalog: &Catalog) -> Vec<String> {
        let options = catalog.tool(&self.tool).map(|entry| entry.options.as_slice());
        let without_flag = options.unwrap_or_default().iter().filter(|it| it.flag.is_none());
        let given = without_flag.filter_map(|option| {
            let value = self.arguments.get(option.name.as_str())?;
            let name = format!("--{}", option.name.as_str().replace('_', "-"));
            Some([name, plain(value)])
        });
        given.flatten().collect()
    }

    /// The typed options as the tool's own flags, and the rest of `extra_args`.
    fn flags(&self, catalog: &Catalog) -> String {
        let options = catalog.tool(&self.tool).map(|entry| entry.options.as_slice());
        let mut words = Vec::new();
        for option in options.unwrap_or_default() {
            match self.arguments.get(option.name.as_str()) {
                None | Some(Value::Bool(false)) => {}
                Some(Value::Bool(true)) => words.extend(option.flag.clone()),
                Some(value) => {
                    words.extend(
                        option.flag.clone().into_iter().flat_map(|flag| [flag, plain(value)]),
                    );
                }
            }
        }
        let mut line = join_words(&words).unwrap_or_default();
        if let Some(extra) = self.arguments.get("extra_args").and_then(Value::as_str) {
            line = [line.as_str(), extra].join(" ").trim().to_owned();
        }
        line
    }
}

fn value_type<'a>(
    entry: &'a ToolEntry,
    name: &probity_protocol::Identifier,
) -> Option<&'a probity_protocol::ValueType> {
    entry.options.iter().find(|option| &option.name == name).map(|option| &option.value)
}

/// A value as it stands on a command line.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
