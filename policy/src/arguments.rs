//! From what a client gave to one setting per option.
//!
//! The words of `extra_args` are read against the tool file only: a word that no line of the file
//! explains is refused, so that nothing a tool's own parser might make of it matters.

use probity_protocol::{
    Arguments, Call, DnsName, Excerpt, GivenOption, Identifier, Reason, SetBy, Target, Token,
};

use crate::{
    denied::Denied,
    tool::{Setting, Tool, ToolOption},
    value::Value,
};

/// What each of a tool's options came to, by index.
pub(crate) type Settings = Vec<Option<Value>>;

/// An option that was given: which, and the text of its value if there is one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'a> {
    pub at: usize,
    pub value: Option<&'a str>,
}

/// What was given is no option of the tool's.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NotFound<'a> {
    /// It looks like one.
    Unknown(&'a str),
    /// It does not even look like one.
    Operand(&'a str),
}

/// Reads and merges: defaults, then the preset, then what the client gave.
pub(crate) fn merge_arguments<'p>(tool: &'p Tool, call: &Call) -> Result<Settings, Denied<'p>> {
    let (preset, options, tokens) = match &call.arguments {
        Arguments::Malformed(defect) => {
            return Err(Denied::by_no_line(Reason::ArgumentSyntax(defect.clone())));
        }
        Arguments::Given { preset, options, tokens } => (preset, options, tokens),
    };
    let mut given = Given { tool, settings: vec![None; tool.options.len()] };
    for option in options {
        given.set(find_typed(tool, option))?;
    }
    let mut words = tokens.as_slice();
    while !words.is_empty() {
        let (found, rest) = find_first(tool, words);
        given.set(found)?;
        words = rest;
    }

    let host = || match &call.target {
        Target::Name { name, .. } => DnsName::parse(name.as_str()).map(Value::DnsName),
        _ => None,
    };
    let default = |option: &ToolOption| {
        if option.host_is_default { host() } else { option.default.clone() }
    };
    let mut settings: Settings = tool.options.iter().map(default).collect();
    if let Some(name) = preset {
        let unknown = || Denied::new(Reason::PresetUnknown(name.clone()), Some(&tool.place));
        let preset = tool.presets.get(name).ok_or_else(unknown)?;
        for (at, setting) in &preset.settings {
            apply(&mut settings, *at, setting);
        }
    }
    for (at, setting) in given.settings.iter().enumerate() {
        if let Some(setting) = setting {
            apply(&mut settings, at, setting);
        }
    }
    Ok(settings)
}

/// Who says what an option is, by its number.
pub(crate) fn set_by(tool: &Tool, arguments: &Arguments, at: usize) -> SetBy {
    let Arguments::Given { preset, options, tokens } = arguments else { return SetBy::Default };
    let is_it = |found: Result<Found<'_>, NotFound<'_>>| found.is_ok_and(|found| found.at == at);
    let mut words = tokens.as_slice();
    let mut is_flag = false;
    while !words.is_empty() {
        let (found, rest) = find_first(tool, words);
        (is_flag, words) = (is_flag || is_it(found), rest);
    }
    if is_flag || options.iter().any(|option| is_it(find_typed(tool, option))) {
        return SetBy::Caller;
    }
    let sets = |name: &&Identifier| {
        let preset = tool.presets.get(*name);
        preset.is_some_and(|preset| preset.settings.iter().any(|(set, _)| *set == at))
    };
    preset.as_ref().filter(sets).map_or(SetBy::Default, |name| SetBy::Preset(name.clone()))
}

fn apply(settings: &mut Settings, at: usize, setting: &Setting) {
    if let Some(slot) = settings.get_mut(at) {
        *slot = match setting {
            Setting::On(value) => Some(value.clone()),
            Setting::Off => None,
        };
    }
}

/// What the client gave so far; each option at most once.
struct Given<'p> {
    tool: &'p Tool,
    settings: Vec<Option<Setting>>,
}

impl<'p> Given<'p> {
    fn set(&mut self, found: Result<Found<'_>, NotFound<'_>>) -> Result<(), Denied<'p>> {
        let tool = self.tool;
        // What no option explains is refused by the tool's file as a whole.
        let Found { at, value } = found.map_err(|not_found| {
            let reason = match not_found {
                NotFound::Unknown(given) => Reason::OptionUnknown(Excerpt::of(given)),
                NotFound::Operand(word) => Reason::Operand(Excerpt::of(word)),
            };
            Denied::new(reason, Some(&tool.place))
        })?;
        let (Some(option), Some(slot)) = (tool.options.get(at), self.settings.get_mut(at)) else {
            return Ok(());
        };
        if slot.is_some() {
            return Err(Denied::new(Reason::OptionRepeated(option.id()), Some(&option.place)));
        }
        let unfit = |_| {
            let reason = Reason::OptionValue { option: option.id(), given: value.map(Excerpt::of) };
            Denied::new(reason, Some(&option.place))
        };
        *slot = Some(option.parse(value).map_err(unfit)?);
        Ok(())
    }
}

/// The option of a property.
pub(crate) fn find_typed<'a>(
    tool: &Tool,
    option: &'a GivenOption,
) -> Result<Found<'a>, NotFound<'a>> {
    let name = option.name.as_str();
    let at = tool.option_index(name).ok_or(NotFound::Unknown(name))?;
    Ok(Found { at, value: option.value.as_ref().map(|value| value.as_str()) })
}

/// The option that the first of some words spells, and the words after it and its value.
pub(crate) fn find_first<'a>(
    tool: &Tool,
    words: &'a [Token],
) -> (Result<Found<'a>, NotFound<'a>>, &'a [Token]) {
    let Some((first, rest)) = words.split_first() else {
        return (Err(NotFound::Operand("")), words);
    };
    let word = first.as_str();
    if !word.starts_with('-') || word == "-" || word == "--" {
        return (Err(NotFound::Operand(word)), rest);
    }
    match find_word(tool, word) {
        // The tool's own parser would take the next word whatever it is, and so does this one; a
        // value that looks like an option then fails its kind.
        Ok(Found { at, value: None }) if takes_value(tool, at) => {
            let (value, rest) = match rest.split_first() {
                Some((value, rest)) => (Some(value.as_str()), rest),
                None => (None, rest),
            };
            (Ok(Found { at, value }), rest)
        }
        found => (found, rest),
    }
}

/// The option a word spells, and the value attached to it: `-c`, `-c4`, `--top-ports=100`.
pub(crate) fn find_word<'a>(tool: &Tool, word: &'a str) -> Result<Found<'a>, NotFound<'a>> {
    if let Some(at) = tool.lookup.flag(word) {
        return Ok(Found { at, value: None });
    }
    let (flag, value) = match word.starts_with("--") {
        true => word.split_once('=').unwrap_or((word, "")),
        // One dash and one letter, then the value. The word is ASCII, so 2 is a boundary.
        false => word.split_at_checked(2).unwrap_or((word, "")),
    };
    match tool.lookup.flag(flag).filter(|at| takes_value(tool, *at)) {
        Some(at) => Ok(Found { at, value: Some(value) }),
        None => Err(NotFound::Unknown(if word.starts_with("--") { flag } else { word })),
    }
}

fn takes_value(tool: &Tool, at: usize) -> bool {
    tool.options.get(at).is_some_and(ToolOption::takes_value)
}
