//! The fields of a tool's form: how they look, and what they come to as a call.

use maud::{Markup, html};
use probity_protocol::{OptionEntry, PresetEntry, Tier, ToolEntry, ValueType};
use serde_json::{Map, Value, json};

use super::bits::{badge, plain};
use crate::calls::{published::schema::typed, tool_view::takes};

/// Options that are shown at once; the rest is behind a click.
const SHOWN: usize = 6;

/// The fields of one tool, with what is written in them.
pub struct Fields<'a> {
    /// The tool, as far as whoever looks may use it.
    pub tool: &'a ToolEntry,
    /// What stands in the fields, by their names.
    pub values: &'a Map<String, Value>,
}

/// A call by what a form sent: each field in its property's type, empty ones left out. What is no number where
/// one has to be stays as it was written, for the policy to refuse.
#[must_use]
pub fn properties(tool: &ToolEntry, fields: &[(String, String)]) -> Map<String, Value> {
    let mut call = Map::new();
    for (name, text) in fields.iter().filter(|(_, text)| !text.trim().is_empty()) {
        let option = tool.options.iter().find(|option| option.name.as_str() == name);
        let value = match option {
            Some(option) => typed(&option.value, text.trim()),
            None if name == "timeout_sec" => {
                text.trim().parse::<f64>().map_or(json!(text), |seconds| json!(seconds))
            }
            None => json!(text.trim()),
        };
        match (call.get_mut(name), value) {
            // A box for each word of a list.
            (Some(Value::Array(words)), Value::Array(more)) => words.extend(more),
            (_, value) => {
                call.insert(name.clone(), value);
            }
        }
    }
    call
}

impl Fields<'_> {
    /// All of them, what matters most first.
    #[must_use]
    pub fn markup(&self) -> Markup {
        let given = |option: &&OptionEntry| self.values.contains_key(option.name.as_str());
        let usual = |option: &&OptionEntry| option.tier == Tier::Standard || option.required;
        let (first, rest): (Vec<_>, Vec<_>) = self
            .tool
            .options
            .iter()
            .enumerate()
            .partition(|(at, option)| option.required || (*at < SHOWN && usual(option)));
        let has_given = rest.iter().any(|(_, option)| given(option))
            || ["extra_args", "timeout_sec"].iter().any(|name| self.values.contains_key(*name));
        html! {
            div.fields {
                @if !self.tool.targets.is_empty() { (self.target()) }
                @if !self.tool.presets.is_empty() { (self.preset()) }
                @for (_, option) in first { (self.option(option)) }
            }
            details open[has_given] {
                summary { "More options" }
                div.fields {
                    @for (_, option) in rest { (self.option(option)) }
                    (self.rest())
                }
            }
        }
    }

    fn value(&self, name: &str) -> String {
        self.values.get(name).map(plain).unwrap_or_default()
    }

    fn target(&self) -> Markup {
        let has_default = self.tool.default_target.is_some();
        html! { div.field {
            label for="f-target" { "Target" }
            input #f-target name="target" value=(self.value("target")) required[!has_default] maxlength="253"
                spellcheck="false" autocapitalize="none" autocomplete="off";
            @if has_default { p.help { "Left out: this machine's own name server." } }
        } }
    }

    fn preset(&self) -> Markup {
        let chosen = self.value("preset");
        let is_chosen = |preset: &PresetEntry| preset.name.as_str() == chosen;
        html! { div.field {
            label for="f-preset" { "Preset" }
            select #f-preset name="preset" {
                option value="" { "none" }
                @for preset in &self.tool.presets {
                    option value=(preset.name.as_str()) selected[is_chosen(preset)] {
                        (preset.name.as_str()) ": " (preset.help)
                    }
                }
            }
        } }
    }

    fn option(&self, option: &OptionEntry) -> Markup {
        let (name, value) = (option.name.as_str(), self.value(option.name.as_str()));
        let id = format!("f-{name}");
        let help = format!("h-{name}");
        html! { div.field {
            @if matches!(option.value, ValueType::None) {
                label.check {
                    input type="checkbox" name=(name) value="true" checked[value == "true"] aria-describedby=(help);
                    " " (label(name))
                }
            } @else {
                label for=(id) { (label(name)) @if option.required { " (needed)" } }
                (self.input(option, &id, &help, &value))
            }
            p.help #(help) {
                (option.help)
                @if option.tier == Tier::Intrusive { " " (badge("warn", "intrusive")) }
            }
        } }
    }

    fn input(&self, option: &OptionEntry, id: &str, help: &str, value: &str) -> Markup {
        let name = option.name.as_str();
        let hint = match (&option.default, &option.example) {
            (Some(default), _) => format!("default {default}"),
            (None, Some(example)) => format!("e.g. {example}"),
            (None, None) => String::new(),
        };
        match &option.value {
            ValueType::Enumeration(words) => html! {
                select #(id) name=(name) aria-describedby=(help) {
                    option value="" { "–" }
                    @for word in words { option value=(word) selected[word == value] { (word) } }
                }
            },
            ValueType::EnumerationList(words) => html! {
                fieldset #(id) aria-describedby=(help) {
                    legend.skip { (label(name)) }
                    @for word in words { label.check {
                        input type="checkbox" name=(name) value=(word) checked[value.split(',').any(|of| of == word)];
                        " " (word)
                    } }
                }
            },
            // Numbers are held against their ranges by the policy, whose words say more than a browser's.
            ValueType::Integer { .. } | ValueType::Number { .. } | ValueType::Duration { .. } => {
                html! {
                    input #(id) name=(name) value=(value) inputmode="decimal" size="8" placeholder=(hint)
                        aria-describedby=(help) autocomplete="off";
                    " " span.help { (takes(&option.value, "|")) }
                }
            }
            _ => html! {
                input #(id) name=(name) value=(value) placeholder=(hint) aria-describedby=(help)
                    spellcheck="false" autocapitalize="none" autocomplete="off";
            },
        }
    }

    /// What every tool takes.
    fn rest(&self) -> Markup {
        html! {
            div.field {
                label for="f-timeout" { "Time limit (s)" }
                input #f-timeout name="timeout_sec" value=(self.value("timeout_sec")) inputmode="decimal" size="8"
                    placeholder=(self.tool.timeout.as_secs_f64()) autocomplete="off";
            }
            div.field {
                label for="f-extra" { "The tool's own flags" }
                input #f-extra name="extra_args" value=(self.value("extra_args")) spellcheck="false"
                    autocapitalize="none" autocomplete="off" aria-describedby="h-extra";
                p.help #h-extra { "Only those of the options above, as " (self.tool.command) " spells them." }
            }
        }
    }
}

fn label(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use probity_protocol::Identifier;

    use super::*;
    use crate::test_catalog;

    #[test]
    fn a_form_comes_to_the_call_that_is_meant() {
        let mut tool = test_catalog::of(&["ping"]).tools.remove(0);
        tool.options.push(OptionEntry {
            name: Identifier::new("count").unwrap(),
            flag: Some("-c".into()),
            help: String::new(),
            tier: Tier::Standard,
            value: ValueType::Integer { min: 1, max: 100 },
            default: None,
            required: false,
            example: None,
            excludes: vec![],
            requires: vec![],
            intrusive_words: vec![],
        });
        let field = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let fields = [
            field("target", " 10.0.0.1 "),
            field("count", "5"),
            field("preset", ""),
            field("timeout_sec", "2.5"),
            field("unknown", "x"),
        ];
        let call = properties(&tool, &fields);
        let expected =
            json!({"target": "10.0.0.1", "count": 5, "timeout_sec": 2.5, "unknown": "x"});
        assert_eq!(Value::Object(call), expected);
        let call = properties(&tool, &[field("count", "five")]);
        assert_eq!(Value::Object(call), json!({"count": "five"}), "for the policy to refuse");
    }
}
