//! Holds a call's arguments against the tool's published input schema, before anything else looks
//! at them, and words what is wrong for a model to mend: which property, and what it takes.
//!
//! It refuses, and never repairs a call that is made: [`ArgumentCheck::liberal`] only writes the same
//! in the schema's types, and [`ArgumentCheck::mended`] only makes a suggestion, which the broker has
//! to approve of before anybody hears of it.

mod liberal;
mod mend;

use std::fmt::Write as _;

use jsonschema::{
    Draft, PatternOptions, ValidationError, ValidationOptions, Validator,
    error::ValidationErrorKind,
};
use probity_advice::Advice;
use probity_output::clean::clean_str;
use probity_protocol::DenialCode;
use serde_json::{Map, Value};

use crate::calls::{
    published::schema::{JsonObject, dns_name_pattern, url_path_pattern},
    request::is_reserved,
};

/// Properties beyond a tool's own that are looked at, to say what was meant by them.
const MOST_STRANGE: usize = 64;

/// Longest piece of a client's own text that an error repeats, in characters.
const QUOTED_MAX: usize = 48;

/// How like another a name has to be to be taken for a slip of the pen, from 0 to 1.
const NEAR: f64 = 0.85;

/// A tool's input schema, ready to use.
#[derive(Debug)]
pub struct ArgumentCheck {
    schema: Value,
    validator: Option<Validator>,
    /// The options' flags, each with the property that it is.
    flags: Vec<(String, String)>,
}

/// The first thing wrong with the arguments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{property}: {problem}.")]
pub struct Flaw {
    /// The property, as the client named it.
    pub property: String,
    /// What is wrong with it.
    pub problem: String,
    /// What it takes.
    pub expected: String,
    /// The kind of denial it is.
    pub code: DenialCode,
    /// The tool has such a property.
    is_known: bool,
}

impl ArgumentCheck {
    /// Compiles a schema. The flags are those of the tool's options, each with its property.
    #[must_use]
    pub fn new(schema: &JsonObject, flags: Vec<(String, String)>) -> Self {
        let mut schema = Value::Object(schema.clone());
        // An option may be given in `extra_args` too, or by a preset: the policy says which is missing.
        if let Some(required) = schema["required"].as_array_mut() {
            required.retain(|name| name == "target");
        }
        let validator = options().build(&schema);
        // The schemas are this program's own, and tests compile each. Without one the broker still
        // checks everything.
        if let Err(error) = &validator {
            tracing::error!(error = error.masked().to_string(), "schema.invalid");
        }
        Self { schema, validator: validator.ok(), flags }
    }

    /// What is wrong with the arguments, if anything. A property that is `null` counts as left out:
    /// many clients write every optional property.
    #[must_use]
    pub fn flaw(&self, arguments: &Map<String, Value>) -> Option<Flaw> {
        if self.has_too_many(arguments) {
            return Some(Flaw {
                property: "arguments".to_owned(),
                problem: format!("{} properties are more than there are", arguments.len()),
                expected: "the properties of this tool alone".to_owned(),
                code: DenialCode::ArgumentSyntax,
                is_known: true,
            });
        }
        let validator = self.validator.as_ref()?;
        let given = Value::Object(without_nulls(arguments));
        if validator.is_valid(&given) {
            return None;
        }
        let mut flaws: Vec<Flaw> =
            validator.iter_errors(&given).filter_map(|error| self.describe(&error)).collect();
        // A target comes first in the order of the decision. Where it is missing, a property that
        // does not exist may be what was meant by it.
        flaws.sort_by_key(|flaw| match flaw.code {
            DenialCode::TargetSyntax => 0,
            DenialCode::OptionUnknown => 1,
            _ => 2,
        });
        let unknown = flaws.iter().find(|flaw| !flaw.is_known).map(|flaw| flaw.property.clone());
        let mut first = flaws.into_iter().next()?;
        if let (DenialCode::TargetSyntax, Some(unknown)) = (first.code, unknown) {
            first.problem.push_str(&format!(", and there is no property {unknown}"));
        }
        Some(first)
    }

    /// Whether there are so many that they are not looked at one by one: nobody is kept waiting by that.
    fn has_too_many(&self, arguments: &Map<String, Value>) -> bool {
        let known = self.schema["properties"].as_object().map_or(0, Map::len);
        arguments.len() > known + MOST_STRANGE
    }

    /// Whether a property's schema takes a value.
    fn fits(&self, name: &str, value: &Value) -> bool {
        let validator = options().build(&self.schema["properties"][name]);
        validator.is_ok_and(|validator| validator.is_valid(value))
    }

    fn describe(&self, error: &ValidationError<'_>) -> Option<Flaw> {
        let property = properties(error).into_iter().next()?;
        let schema = &self.schema["properties"][&property];
        let (code, problem, expected) = match error.kind() {
            ValidationErrorKind::AdditionalProperties { .. } => {
                let names = self.schema["properties"].as_object()?;
                let names = names.keys().map(String::as_str).collect::<Vec<_>>();
                let near = self.meant(&property);
                let hint = match (property.as_str(), near) {
                    ("preset", _) => String::from(" (the tool has no presets)"),
                    (_, Some(near)) => format!(" (did you mean {near}?)"),
                    (_, None) => String::new(),
                };
                (
                    DenialCode::OptionUnknown,
                    format!("there is no such property{hint}"),
                    format!("one of {}", names.join(", ")),
                )
            }
            ValidationErrorKind::Required { .. } => (
                DenialCode::TargetSyntax,
                String::from("it is missing"),
                expected_of(&property, schema),
            ),
            kind @ ValidationErrorKind::Maximum { limit } if property == "timeout_sec" => (
                code_of(&property, kind),
                format!("{} is more than the ceiling of {limit} s", quoted(error.instance())),
                expected(schema),
            ),
            kind => {
                let expected = expected_of(&property, schema);
                let problem = format!("{} is not {expected}", quoted(error.instance()));
                (code_of(&property, kind), problem, expected)
            }
        };
        let is_known = schema.is_object();
        Some(Flaw { property: shown(&property), problem, expected, code, is_known })
    }
}

impl Flaw {
    /// The flaw in the form in which the broker says no.
    #[must_use]
    pub fn denial(&self) -> Advice {
        let suggestion = match self.is_known {
            false => format!(
                "The properties are {}. Leave {} out only where the rest does no more without it than \
                 the user wants.",
                self.expected, self.property
            ),
            true => format!("Give {} as {}.", self.property, self.expected),
        };
        Advice {
            code: self.code,
            message: self.to_string(),
            recovery_suggestion: suggestion,
            metadata: vec![
                (String::from("property"), self.property.clone()),
                (String::from("expected"), self.expected.clone()),
            ],
            suggestion: None,
        }
    }
}

/// How schemas are compiled: patterns without backtracking, and nothing fetched from anywhere.
fn options() -> ValidationOptions<'static> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex())
        .offline()
}

/// The top-level properties an error is about.
fn properties(error: &ValidationError<'_>) -> Vec<String> {
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected.clone(),
        ValidationErrorKind::Required { property } => {
            property.as_str().map(str::to_owned).into_iter().collect()
        }
        _ => {
            let path = error.instance_path().as_str();
            let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
            vec![first.replace("~1", "/").replace("~0", "~")]
        }
    }
}

fn code_of(property: &str, kind: &ValidationErrorKind) -> DenialCode {
    match (property, kind) {
        ("target", _) => DenialCode::TargetSyntax,
        ("timeout_sec", ValidationErrorKind::Maximum { .. }) => DenialCode::Ceiling,
        ("preset", ValidationErrorKind::Enum { .. }) => DenialCode::OptionUnknown,
        (name, _) if is_reserved(name) => DenialCode::ArgumentSyntax,
        _ => DenialCode::OptionValue,
    }
}

/// What a property takes, in words. A target is the user's to choose, so it has no example.
fn expected_of(property: &str, schema: &Value) -> String {
    match property {
        "target" => {
            String::from("one address, network or host name that the user has named, as a text")
        }
        _ => expected(schema),
    }
}

/// The same, from its schema.
fn expected(schema: &Value) -> String {
    let example = || schema["examples"].get(0).map(|example| format!(", such as {example}"));
    let words = |words: &Value| -> Option<String> {
        let words: Vec<&str> = words.as_array()?.iter().filter_map(Value::as_str).collect();
        Some(words.join(", "))
    };
    if let Some(words) = words(&schema["enum"]) {
        return format!("one of {words}");
    }
    match schema["type"].as_str() {
        Some("boolean") => String::from("true or false"),
        Some(kind @ ("integer" | "number")) => {
            let kind = if kind == "integer" { "a whole number" } else { "a number" };
            let mut text = String::from(kind);
            if let (Value::Number(min), Value::Number(max)) =
                (&schema["minimum"], &schema["maximum"])
            {
                // Writing to a String cannot fail.
                let _ = write!(text, " from {min} to {max}");
            }
            text
        }
        Some("array") => match words(&schema["items"]["enum"]) {
            Some(words) => format!("a list of different words out of {words}"),
            None => String::from("a list"),
        },
        _ => {
            let mut text = match &schema["maxLength"] {
                Value::Number(max) => format!("a text of at most {max} characters"),
                _ => String::from("a text"),
            };
            match schema["pattern"].as_str() {
                Some(pattern) if pattern == url_path_pattern() => {
                    text.push_str(
                        ": the path of a URL from its /, without & and what curl expands",
                    );
                }
                Some(pattern) if pattern == dns_name_pattern() => text.push_str(": a host name"),
                Some(pattern) => _ = write!(text, " that matches {pattern}"),
                None => {}
            }
            text + &example().unwrap_or_default()
        }
    }
}

fn without_nulls(arguments: &Map<String, Value>) -> Map<String, Value> {
    let given = arguments.iter().filter(|(_, value)| !value.is_null());
    given.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A value as an error shows it: short, cleaned, and with its type to be seen.
fn quoted(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => String::from("an object"),
        other => shown(&other.to_string()),
    }
}

fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTED_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    clean_str(&short).into_owned()
}

#[cfg(test)]
#[path = "arguments_tests.rs"]
mod tests;
