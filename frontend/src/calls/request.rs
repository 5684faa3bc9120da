//! Reads what a client asked for into the broker's terms.
//!
//! It checks form and nothing else: what cannot be put on the wire is marked as malformed and still
//! sent, so that the broker refuses and records it. Only what has no place in a call at all (a
//! timeout that is no number) is answered here.

use std::time::Duration;

use probity_advice::Advice;
use probity_protocol::{
    Arguments, Call, ClientLabel, CorrelationId, DenialCode, GivenOption, Identifier,
    LexicalDefect, MAX_ARGS_BYTES, MAX_OPTIONS, OptionText, RequestedLimits, Target, ToolEntry,
    ToolName, split_extra_args,
};
use serde_json::{Map, Number, Value};

use probity_output::parsers::one_line;

/// What is said of a call wherever it is spoken of: in its result, in the log, to whoever watches.
/// The call itself is the protocol's [`Call`].
#[derive(Debug, Clone)]
pub struct Asked {
    /// The tool's name: its own, where there is such a tool.
    pub tool: String,
    /// The target as the client wrote it, cleaned: it is shown even where it is malformed.
    pub target: String,
    /// The call's id.
    pub correlation_id: String,
    /// The preset, where one was given.
    pub preset: Option<String>,
    /// Only the verdict was asked for.
    pub dry_run: bool,
}

impl Asked {
    fn of(call: &Call, target: &str, dry_run: bool) -> Self {
        let preset = match &call.arguments {
            Arguments::Given { preset, .. } => preset.as_ref().map(ToString::to_string),
            Arguments::Malformed(_) => None,
        };
        Self {
            tool: call.tool.to_string(),
            target: shown(target),
            correlation_id: call.correlation_id.to_string(),
            preset,
            dry_run,
        }
    }

    /// The same by its tool's own name, where an alias was given.
    #[must_use]
    pub fn named_by(self, tool: Option<&ToolEntry>) -> Self {
        match tool {
            Some(tool) => Self { tool: tool.name.to_string(), ..self },
            None => self,
        }
    }

    /// Of a request of which no call can be made.
    #[must_use]
    pub fn unread(tool: &str, arguments: &Map<String, Value>) -> Self {
        let target = arguments.get("target").and_then(Value::as_str).unwrap_or_default();
        // The client's own id where it gave one that can be one, so that it finds its call in the log.
        let given = arguments.get("correlation_id").and_then(Value::as_str);
        let given = given.and_then(|id| CorrelationId::new(id).ok());
        Self {
            tool: one_line(tool).chars().take(64).collect(),
            target: one_line(target).chars().take(256).collect(),
            correlation_id: given.map_or_else(new_correlation_id, |id| id.to_string()),
            preset: None,
            dry_run: arguments.get("dry_run") == Some(&Value::Bool(true)),
        }
    }
}

/// Why a request cannot even be put to the broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Nothing that could be a tool's name.
    #[error("there is no such tool: a tool's name is 1 to 64 visible ASCII characters")]
    ToolName,
    /// A property of the wrong type or form.
    #[error("{property}: {message}")]
    Property {
        /// The property.
        property: &'static str,
        /// What it has to be.
        message: String,
    },
    /// An option whose value is no text, number, boolean or list of them.
    #[error("{0}: give a text, a number, true, false, or a list of texts and numbers")]
    OptionType(Identifier),
}

impl RequestError {
    /// The same, in the form in which the broker says no.
    #[must_use]
    pub fn denial(&self) -> Advice {
        let (code, recovery_suggestion, metadata) = match self {
            Self::ToolName => (
                DenialCode::UnknownTool,
                String::from("List the tools and use one of those names."),
                vec![],
            ),
            Self::Property { property, .. } => (
                DenialCode::ArgumentSyntax,
                format!("Correct `{property}`, or leave it out."),
                vec![(String::from("property"), String::from(*property))],
            ),
            Self::OptionType(option) => (
                DenialCode::ArgumentSyntax,
                format!("Correct `{option}`, or leave it out."),
                vec![(String::from("property"), option.to_string())],
            ),
        };
        let message = self.to_string();
        Advice { code, message, recovery_suggestion, metadata, suggestion: None }
    }
}

/// What the configuration puts into each call. It can only tighten what the policy has.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// The limits asked for; a time limit only where the client names none.
    pub limits: RequestedLimits,
    /// The tool takes no target.
    pub without_target: bool,
    /// Most bytes of `extra_args`; [`MAX_ARGS_BYTES`] where there is none.
    pub max_args_bytes: Option<usize>,
}

/// Reads a tool's name and the JSON object of its arguments. A name's addresses are still missing.
///
/// # Errors
/// [`RequestError`], for what has no place in a call.
pub fn read(
    tool: &str,
    arguments: &Map<String, Value>,
    client: Option<ClientLabel>,
    defaults: &Defaults,
) -> Result<(Call, Asked), RequestError> {
    let tool = ToolName::new(tool).map_err(|_| RequestError::ToolName)?;
    let target_text = arguments.get("target").and_then(Value::as_str).unwrap_or_default();
    let dry_run = match present(arguments, "dry_run") {
        None => false,
        Some(Value::Bool(dry_run)) => *dry_run,
        Some(_) => return Err(property("dry_run", "give true or false")),
    };
    if !matches!(present(arguments, "background"), None | Some(Value::Bool(_))) {
        return Err(property("background", "give true or false"));
    }
    let call = Call {
        tool,
        target: read_target(target_text, defaults),
        arguments: read_arguments(arguments, defaults.max_args_bytes.unwrap_or(MAX_ARGS_BYTES))?,
        limits: RequestedLimits {
            timeout: read_timeout(arguments)?.or(defaults.limits.timeout),
            ..defaults.limits.clone()
        },
        correlation_id: read_correlation_id(arguments)?,
        client,
    };
    let asked = Asked::of(&call, target_text, dry_run);
    Ok((call, asked))
}

/// What is left of a request with a property that cannot be read at all: the tool, the target, and
/// that its arguments are malformed. `None` for what could not be a tool's name.
#[must_use]
pub fn unreadable(
    tool: &str,
    arguments: &Map<String, Value>,
    client: Option<ClientLabel>,
    defaults: &Defaults,
) -> Option<(Call, Asked)> {
    let target_text = arguments.get("target").and_then(Value::as_str).unwrap_or_default();
    let id = || CorrelationId::new(new_correlation_id());
    let call = Call {
        tool: ToolName::new(tool).ok()?,
        target: read_target(target_text, defaults),
        arguments: Arguments::Malformed(LexicalDefect::Type),
        limits: defaults.limits.clone(),
        correlation_id: read_correlation_id(arguments).ok().or_else(|| id().ok())?,
        client,
    };
    let dry_run = arguments.get("dry_run").is_some_and(|value| *value != Value::Bool(false));
    let asked = Asked::of(&call, target_text, dry_run);
    Some((call, asked))
}

/// Whether a call is to go on by itself. A check needs no background.
#[must_use]
pub fn wants_background(arguments: &Map<String, Value>) -> bool {
    let is = |name: &str| match present(arguments, name) {
        Some(Value::Bool(yes)) => *yes,
        // Some clients write everything as text.
        Some(Value::String(text)) => text.trim().eq_ignore_ascii_case("true"),
        _ => false,
    };
    is("background") && !is("dry_run")
}

fn read_target(text: &str, defaults: &Defaults) -> Target {
    match text.trim() {
        "" if defaults.without_target => Target::None,
        text => Target::as_given(text),
    }
}

/// Joins words to the text that splits into them again, quoted only where that is needed. `None`
/// where no such text exists.
#[must_use]
pub fn join_words(words: &[String]) -> Option<String> {
    // The characters of a token, none of which means anything to a shell inside a word.
    let plain = |c: char| c.is_ascii_alphanumeric() || ".:/=+,-@%_".contains(c);
    let quoted = words.iter().map(|word| match !word.is_empty() && word.chars().all(plain) {
        true => Ok(word.as_str().into()),
        false => shlex::try_quote(word),
    });
    quoted.collect::<Result<Vec<_>, _>>().ok().map(|words| words.join(" "))
}

/// A fresh id for a call that came without one.
#[must_use]
pub fn new_correlation_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// What a client calls itself, as far as it can be logged.
#[must_use]
pub fn client_label(name: &str, version: &str) -> Option<ClientLabel> {
    let printable = |c: &char| c.is_ascii_graphic() || *c == ' ';
    let text = format!("{name} {version}");
    let label: String = text.chars().filter(printable).take(ClientLabel::MAX_BYTES).collect();
    ClientLabel::new(label.trim()).ok()
}

fn read_arguments(
    arguments: &Map<String, Value>,
    max_args_bytes: usize,
) -> Result<Arguments, RequestError> {
    let mut given = Vec::new();
    for (name, value) in arguments.iter().filter(|(name, _)| !is_reserved(name)) {
        match read_option(name, value)? {
            Ok(Some(option)) => given.push(option),
            Ok(None) => {}
            Err(defect) => return Ok(Arguments::Malformed(defect)),
        }
    }
    if given.len() > MAX_OPTIONS {
        let count = u32::try_from(given.len()).unwrap_or(u32::MAX);
        let limit = u32::try_from(MAX_OPTIONS).unwrap_or(u32::MAX);
        return Ok(Arguments::Malformed(LexicalDefect::TooMany { count, limit }));
    }
    let preset = text_property(arguments, "preset")?.map(Identifier::new).transpose();
    let extra = text_property(arguments, "extra_args")?.unwrap_or_default();
    let tokens = split_extra_args(extra, max_args_bytes);
    Ok(match (preset, tokens) {
        (Ok(preset), Ok(tokens)) => Arguments::Given { preset, options: given, tokens },
        (Err(defect), _) | (_, Err(defect)) => Arguments::Malformed(defect),
    })
}

/// Properties that every tool has, beside its options.
pub(crate) fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "target"
            | "preset"
            | "timeout_sec"
            | "dry_run"
            | "background"
            | "extra_args"
            | "correlation_id"
    )
}

/// One typed option. The outer error is a wrong type, the inner one a text that cannot travel;
/// `null` and an empty text are the same as leaving it out.
fn read_option(
    name: &str,
    value: &Value,
) -> Result<Result<Option<GivenOption>, LexicalDefect>, RequestError> {
    let name = match Identifier::new(name) {
        Ok(name) => name,
        Err(defect) => return Ok(Err(defect)),
    };
    let text = match value {
        Value::Null => return Ok(Ok(None)),
        Value::String(text) if text.trim().is_empty() => return Ok(Ok(None)),
        Value::Bool(true) => return Ok(Ok(Some(GivenOption { name, value: None }))),
        Value::Array(items) => {
            let texts: Option<Vec<_>> = items.iter().map(scalar).collect();
            texts.map(|texts| texts.join(","))
        }
        other => scalar(other),
    };
    let Some(text) = text else { return Err(RequestError::OptionType(name)) };
    Ok(OptionText::new(text).map(|text| Some(GivenOption { name, value: Some(text) })))
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number_text(number)),
        Value::Bool(boolean) => Some(boolean.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// JSON Schema has `5.0` for a whole number, so it is written as one.
pub(crate) fn number_text(number: &Number) -> String {
    let text = number.to_string();
    let text = if text == "-0" || text == "-0.0" { String::from("0") } else { text };
    match text.strip_suffix(".0") {
        Some(whole) if !whole.contains(['e', 'E']) => whole.to_owned(),
        _ => text,
    }
}

fn read_timeout(arguments: &Map<String, Value>) -> Result<Option<Duration>, RequestError> {
    let wrong = || property("timeout_sec", "give a number of seconds above 0, such as 5 or 0.5");
    let Some(value) = present(arguments, "timeout_sec") else { return Ok(None) };
    let seconds = value.as_f64().ok_or_else(wrong)?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(timeout) if !timeout.is_zero() => Ok(Some(timeout)),
        _ => Err(wrong()),
    }
}

fn read_correlation_id(arguments: &Map<String, Value>) -> Result<CorrelationId, RequestError> {
    let given = text_property(arguments, "correlation_id")?;
    let id = given.map_or_else(new_correlation_id, str::to_owned);
    CorrelationId::new(id).map_err(|defect| {
        property("correlation_id", &format!("{defect}; letters, digits and -_.: are"))
    })
}

fn text_property<'a>(
    arguments: &'a Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'a str>, RequestError> {
    match present(arguments, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(property(name, "give a text")),
    }
}

/// A property that says something: `null` and an empty text are the same as leaving it out.
fn present<'a>(arguments: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let is_empty = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
    arguments.get(name).filter(|value| !value.is_null() && !is_empty(value))
}

fn property(property: &'static str, message: &str) -> RequestError {
    RequestError::Property { property, message: message.to_owned() }
}

/// A target as it can be shown: cleaned, and no longer than one that could be valid.
fn shown(text: &str) -> String {
    one_line(text).chars().take(256).collect()
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
