//! What a watch calls: target, options and preset, as the file has them. Whether they may be is the policy's
//! business; here it is only seen that there are such.

use std::ops::Range;

use probity_protocol::Target;
use serde_json::{Map, Number, Value};
use toml::{Spanned, de::DeValue};

use super::{
    KEYS, Reader,
    fields::{Fields, Text, whole_number},
};
use crate::{
    text::near::nearest,
    watches::{
        condition::Meant,
        tools::{KnownTool, LIKENESS},
    },
};

/// Properties of a call that are no options of its tool. `extra_args` may stand among them.
const NO_OPTIONS: [&str; 5] = ["target", "preset", "timeout_sec", "dry_run", "correlation_id"];

impl Reader<'_> {
    /// The outer `None` where it is wrong.
    pub(super) fn target(
        &mut self,
        fields: &mut Fields<'_>,
        tool: Option<&KnownTool>,
        span: &Range<usize>,
    ) -> Option<Option<String>> {
        let Some(text) = self.found.text(fields, "target") else {
            let is_fine = tool.is_none_or(|tool| !tool.needs_target) && !fields.was_given("target");
            if !is_fine && !fields.was_given("target") {
                let message = "this watch has no target: add, for example, target = \"10.0.0.1\"";
                self.found.defect(span, message);
            }
            return is_fine.then_some(None);
        };
        if let Target::Malformed(defect) = Target::as_given(text.value.trim()) {
            let message =
                format!("this is no target: {defect}; give an address, a network or a name");
            self.found.defect(&text.span, &message);
            return None;
        }
        Some(Some(text.value.trim().to_owned()))
    }

    pub(super) fn options(
        &mut self,
        options: &Spanned<DeValue<'_>>,
        tool: Option<&KnownTool>,
    ) -> Option<Map<String, Value>> {
        let DeValue::Table(table) = options.get_ref() else {
            self.found.defect(&options.span(), "write options as a table: options = { count = 5 }");
            return None;
        };
        let mut values = Map::new();
        for (key, value) in table {
            let name: &str = key.get_ref();
            let message = if NO_OPTIONS.contains(&name) {
                let instead = if name == "timeout_sec" { "timeout" } else { name };
                match KEYS.contains(&instead) {
                    true => format!("this is no option: write {instead} beside options"),
                    false => "a watch has no such thing: leave it out".to_owned(),
                }
            } else if let Some(tool) = tool.filter(|tool| !has_option(tool, name)) {
                let known = tool.options.iter().map(String::as_str);
                let meant = Meant(nearest(name, known, LIKENESS).map(str::to_owned));
                format!(
                    "{} has no such option{meant}; `probity tools {}` lists them",
                    tool.name, tool.name
                )
            } else {
                match json(value.get_ref()) {
                    Some(value) => drop(values.insert(name.to_owned(), value)),
                    None => self.found.defect(
                        &value.span(),
                        "an option is a text, a number, true, false, or a list of texts and numbers",
                    ),
                }
                continue;
            };
            self.found.defect(&key.span(), &message);
        }
        Some(values)
    }

    pub(super) fn preset(&mut self, preset: &Text<'_>, tool: Option<&KnownTool>) -> Option<String> {
        if let Some(tool) = tool.filter(|tool| !tool.presets.iter().any(|it| it == preset.value)) {
            let known = match tool.presets.as_slice() {
                [] => "it has none: leave this out".to_owned(),
                presets => format!("it has {}", presets.join(", ")),
            };
            self.found.defect(&preset.span, &format!("{} has no such preset; {known}", tool.name));
            return None;
        }
        Some(preset.value.to_owned())
    }
}

fn has_option(tool: &KnownTool, name: &str) -> bool {
    name == "extra_args" || tool.options.iter().any(|option| option == name)
}

/// An option's value as JSON; `None` for what no option can have.
fn json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Integer(number) => Value::Number(whole_number(number)?.into()),
        DeValue::Float(number) => {
            let number: f64 = number.as_str().replace('_', "").parse().ok()?;
            Value::Number(Number::from_f64(number)?)
        }
        DeValue::Array(items) => {
            let scalar = |item: &Spanned<DeValue<'_>>| {
                let is_scalar = matches!(
                    item.get_ref(),
                    DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_)
                );
                json(item.get_ref()).filter(|_| is_scalar)
            };
            Value::Array(items.iter().map(scalar).collect::<Option<_>>()?)
        }
        DeValue::Datetime(_) | DeValue::Table(_) => return None,
    })
}
