//! A tool's own options on the command line of `call`, as the properties that its catalog has.
//!
//! Only here is it known which of them take a value. It decides nothing else: what a tool does not have
//! is passed on for the service to refuse, so that it is answered and recorded as from any client.

use probity_output::clean::clean_str;
use probity_protocol::{OptionEntry, ToolEntry, ValueType};
use serde_json::{Map, Value};

use crate::{calls::published::schema::typed, terminal::cli::Word};

/// What the words after a tool's name come to.
#[derive(Debug, PartialEq)]
pub(super) struct Given {
    pub target: String,
    pub options: Map<String, Value>,
}

/// Gives each word its meaning.
///
/// # Errors
/// What is wrong with the command line, and how it should be.
pub(super) fn given(words: &[Word], tool: &ToolEntry) -> Result<Given, String> {
    let (mut targets, mut options) = (Vec::new(), Map::new());
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let (name, value) = match word {
            Word::Plain(target) => {
                targets.push(target.clone());
                continue;
            }
            Word::Option { name, value } => (name, value.clone()),
        };
        let known = option_of(tool, name);
        let mut next = || match words.peek() {
            Some(Word::Plain(next)) => {
                words.next();
                Some(next.clone())
            }
            _ => None,
        };
        let value = match (known, value) {
            (Some(OptionEntry { value: ValueType::None, .. }), None) => Value::Bool(true),
            (Some(OptionEntry { value: ValueType::None, .. }), Some(text)) => switch(text),
            (Some(option), value) => match value.or_else(&mut next) {
                Some(text) => typed(&option.value, &text),
                None => return Err(lacks_a_value(name, option)),
            },
            // Refused whatever it is: how much of the line is its own does not matter.
            (None, Some(text)) => Value::String(text),
            (None, None) if !targets.is_empty() => next().map_or(Value::Bool(true), Value::String),
            (None, None) => Value::Bool(true),
        };
        let property =
            known.map_or_else(|| name.replace('-', "_"), |option| option.name.to_string());
        if options.insert(property, value).is_some() {
            return Err(format!("--{} is given twice", clean_str(name)));
        }
    }
    match <[String; 1]>::try_from(targets) {
        Ok([target]) => Ok(Given { target, options }),
        Err(targets) if targets.is_empty() && may_lack_target(tool) => {
            Ok(Given { target: String::new(), options })
        }
        Err(targets) if targets.is_empty() => Err(format!(
            "there is no target, as in: probity {} 192.168.1.1. An option that takes no value has none \
             after it",
            tool.name
        )),
        Err(targets) => {
            let targets: Vec<_> = targets.iter().map(|target| clean_str(target)).collect();
            Err(format!(
                "a call has one target, and here are {}. `probity tools {}` shows which options take a \
                 value",
                targets.join(" and "),
                tool.name
            ))
        }
    }
}

/// Whether a call of it may name no target.
pub(super) fn may_lack_target(tool: &ToolEntry) -> bool {
    tool.targets.is_empty() || tool.default_target.is_some()
}

/// By its property's name, in which a dash is as good as an underscore, or by its flag.
fn option_of<'t>(tool: &'t ToolEntry, name: &str) -> Option<&'t OptionEntry> {
    let property = name.replace('-', "_");
    let by_name = tool.options.iter().find(|option| {
        option.name.as_str() == name || option.name.as_str().replace('-', "_") == property
    });
    by_name.or_else(|| {
        tool.options
            .iter()
            .find(|it| it.flag.as_deref().and_then(|flag| flag.strip_prefix("--")) == Some(name))
    })
}

/// The value of an option that takes none; another word is for the service to refuse.
fn switch(text: String) -> Value {
    match text.as_str() {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => Value::String(text),
    }
}

fn lacks_a_value(name: &str, option: &OptionEntry) -> String {
    let example = option.example.as_deref().or(option.default.as_deref());
    let example = example.map(|value| format!(", as in --{name} {value}")).unwrap_or_default();
    format!("--{} takes a value{}", clean_str(name), clean_str(&example))
}

#[cfg(test)]
mod tests {
    use probity_protocol::{Identifier, Tier};
    use serde_json::json;

    use super::*;
    use crate::test_catalog;

    fn nmap() -> ToolEntry {
        let option = |name: &str, value: ValueType| OptionEntry {
            name: Identifier::new(name).unwrap(),
            flag: Some("-x".into()),
            excludes: Vec::new(),
            required: false,
            requires: Vec::new(),
            help: String::new(),
            tier: Tier::Standard,
            value,
            default: None,
            example: None,
            intrusive_words: Vec::new(),
        };
        let options = vec![
            option("ports", ValueType::Ports { within: None }),
            option("syn_scan", ValueType::None),
        ];
        ToolEntry { options, ..test_catalog::tool("nmap") }
    }

    fn of(words: &str) -> Result<Given, String> {
        let words: Vec<Word> = words
            .split_whitespace()
            .map(|word| match word.strip_prefix("--") {
                Some(flag) => match flag.split_once('=') {
                    Some((name, value)) => {
                        Word::Option { name: name.into(), value: Some(value.into()) }
                    }
                    None => Word::Option { name: flag.into(), value: None },
                },
                None => Word::Plain(word.into()),
            })
            .collect();
        given(&words, &nmap())
    }

    fn options(words: &str) -> Value {
        let Given { target, options } = of(words).unwrap();
        assert_eq!(target, "10.0.0.1", "{words}");
        Value::Object(options)
    }

    #[test]
    fn an_option_takes_the_next_word_where_the_tool_says_so_and_none_otherwise() {
        for words in ["10.0.0.1 --ports 22", "--ports 22 10.0.0.1", "10.0.0.1 --ports=22"] {
            assert_eq!(options(words), json!({"ports": "22"}), "{words}");
        }
        for words in ["--syn-scan 10.0.0.1", "10.0.0.1 --syn_scan", "10.0.0.1 --syn-scan=true"] {
            assert_eq!(options(words), json!({"syn_scan": true}), "{words}");
        }
        assert_eq!(options("10.0.0.1 --syn-scan=false"), json!({"syn_scan": false}));
    }

    #[test]
    fn what_is_no_call_is_said_before_anything_is_asked() {
        for (words, said) in [
            ("10.0.0.1 --ports", "--ports takes a value"),
            ("10.0.0.1 --ports --syn-scan", "--ports takes a value"),
            ("10.0.0.1 --ports 22 --ports 80", "--ports is given twice"),
            ("--ports 10.0.0.1", "there is no target"),
            ("10.0.0.1 --syn-scan 10.0.0.2", "10.0.0.1 and 10.0.0.2"),
        ] {
            let error = of(words).unwrap_err();
            assert!(error.contains(said), "{words}: {error}");
        }
    }

    #[test]
    fn what_the_tool_does_not_have_is_passed_on_to_be_refused() {
        assert_eq!(options("10.0.0.1 --prots 22"), json!({"prots": "22"}));
        assert_eq!(options("--frob=a 10.0.0.1"), json!({"frob": "a"}));
        assert_eq!(options("--no-such 10.0.0.1"), json!({"no_such": true}));
    }
}
