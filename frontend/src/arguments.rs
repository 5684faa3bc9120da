//! Holds a call's arguments against the tool's published input schema, before anything else looks
//! at them, and words what is wrong for a model to mend: which property, and what it takes.
//!
//! It refuses, and never repairs a call that is made: [`ArgumentCheck::mended`] only makes a
//! suggestion, which the broker has to approve of before anybody hears of it.

use std::fmt::Write as _;

use jsonschema::{
    Draft, PatternOptions, ValidationError, ValidationOptions, Validator,
    error::ValidationErrorKind,
};
use probity_protocol::{Denial, DenialCode};
use serde_json::{Map, Value, json};

use crate::{clean::clean_str, near::nearest, request::is_reserved, schema::JsonObject};

/// Longest piece of a client's own text that an error repeats, in characters.
const QUOTED_MAX: usize = 48;

/// How like another a name has to be to be taken for a slip of the pen, from 0 to 1.
const NEAR: f64 = 0.85;

/// A tool's input schema, ready to use.
#[derive(Debug)]
pub struct ArgumentCheck {
    schema: Value,
    validator: Option<Validator>,
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
    /// Compiles a schema.
    #[must_use]
    pub fn new(schema: &JsonObject) -> Self {
        let schema = Value::Object(schema.clone());
        let validator = options().build(&schema);
        // The schemas are this program's own, and tests compile each. Without one the broker still
        // checks everything.
        if let Err(error) = &validator {
            tracing::error!(error = error.masked().to_string(), "schema.invalid");
        }
        Self { schema, validator: validator.ok() }
    }

    /// What is wrong with the arguments, if anything. A property that is `null` counts as left out:
    /// many clients write every optional property.
    #[must_use]
    pub fn flaw(&self, arguments: &Map<String, Value>) -> Option<Flaw> {
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

    /// The arguments with everything mended or left out that the schema does not take; `None`
    /// where that is not enough.
    #[must_use]
    pub fn mended(&self, arguments: &Map<String, Value>) -> Option<Map<String, Value>> {
        let validator = self.validator.as_ref()?;
        let mut mended = without_nulls(arguments);
        let given = Value::Object(mended.clone());
        for error in validator.iter_errors(&given) {
            for name in properties(&error) {
                let Some(value) = mended.shift_remove(&name) else { continue };
                let Some(meant) = self.meant(&name) else { continue };
                let fits = coerced(&self.schema["properties"][meant], &value);
                if let Some(value) = fits.filter(|_| !mended.contains_key(meant)) {
                    mended.insert(meant.to_owned(), value);
                }
            }
        }
        if !mended.contains_key("target") {
            let example = self.schema["properties"]["target"]["examples"].get(0)?;
            mended.insert("target".into(), example.clone());
        }
        validator.is_valid(&Value::Object(mended.clone())).then_some(mended)
    }

    /// The property that was meant by a name: itself, or one that is spelled nearly so.
    fn meant<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let properties = self.schema["properties"].as_object()?;
        match properties.contains_key(name) {
            true => Some(name),
            false => nearest(name, properties.keys().map(String::as_str), NEAR),
        }
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
            ValidationErrorKind::Required { .. } => {
                (DenialCode::TargetSyntax, String::from("it is missing"), expected(schema))
            }
            kind @ ValidationErrorKind::Maximum { limit } if property == "timeout_sec" => (
                code_of(&property, kind),
                format!("{} is more than the ceiling of {limit} s", quoted(error.instance())),
                expected(schema),
            ),
            kind => (
                code_of(&property, kind),
                format!("{} is not {}", quoted(error.instance()), expected(schema)),
                expected(schema),
            ),
        };
        let is_known = schema.is_object();
        Some(Flaw { property: shown(&property), problem, expected, code, is_known })
    }
}

impl Flaw {
    /// The flaw in the form in which the broker says no.
    #[must_use]
    pub fn denial(&self) -> Denial {
        let suggestion = match self.is_known {
            false => format!("Leave {} out. The properties are {}.", self.property, self.expected),
            true => format!("Give {} as {}.", self.property, self.expected),
        };
        Denial {
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

/// What a property takes, in words, from its schema.
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
            if let Some(pattern) = schema["pattern"].as_str() {
                let _ = write!(text, " that matches {pattern}");
            }
            text + &example().unwrap_or_default()
        }
    }
}

/// The value that was probably meant, where there is one that fits: itself, `"5"` for 5, `Quick` for
/// quick, the nearer end of a range. What is too low is more likely a way of saying "not at all", so
/// the default stands in for it.
fn coerced(schema: &Value, value: &Value) -> Option<Value> {
    let validator = options().build(schema).ok()?;
    let fits = |value: &Value| validator.is_valid(value);
    let candidates = match value {
        Value::String(text) => {
            let read = serde_json::from_str(text.trim()).unwrap_or(Value::Null);
            let words = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let word = nearest(text.trim(), words, NEAR);
            let list: Vec<&str> = text.split(',').map(str::trim).collect();
            vec![json!(word), read, json!(list), json!(text.replace(' ', ""))]
        }
        Value::Array(items) => {
            let words: Vec<String> = items.iter().map(plain).collect();
            vec![json!(words.join(","))]
        }
        Value::Number(number) => {
            let (given, max) = (number.as_f64(), schema["maximum"].as_f64());
            let bound = match given > max {
                true => &schema["maximum"],
                false => &schema["default"],
            };
            vec![json!(number.to_string()), json!(given == Some(1.0)), bound.clone()]
        }
        Value::Bool(value) => vec![json!(value.to_string())],
        Value::Null | Value::Object(_) => vec![],
    };
    [value.clone()].into_iter().chain(candidates).find(fits)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
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
