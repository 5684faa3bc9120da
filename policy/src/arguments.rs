//! From what a client gave to one setting per option.
//!
//! The words of `extra_args` are read against the tool file only: a word that no line of the file
//! explains is refused, so that nothing a tool's own parser might make of it matters.

use probity_protocol::{Arguments, Denial, GivenOption, Token};

use crate::{
    denial,
    tool::{Setting, Tool},
    value::{Value, ValueKind},
};

/// What each of a tool's options came to, by index.
pub(crate) type Settings = Vec<Option<Value>>;

/// Reads and merges: defaults, then the preset, then what the client gave.
pub(crate) fn settle(tool: &Tool, arguments: &Arguments) -> Result<Settings, Denial> {
    let (preset, options, tokens) = match arguments {
        Arguments::Malformed(defect) => return Err(denial::argument_syntax(defect)),
        Arguments::Given { preset, options, tokens } => (preset, options, tokens),
    };
    let mut given = Given { tool, settings: vec![None; tool.options.len()] };
    given.typed(options)?;
    given.words(tokens)?;

    let mut settings: Settings = tool.options.iter().map(|o| o.default.clone()).collect();
    if let Some(name) = preset {
        let preset =
            tool.presets.get(name).ok_or_else(|| denial::preset_unknown(tool, name.as_str()))?;
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

fn apply(settings: &mut Settings, at: usize, setting: &Setting) {
    if let Some(slot) = settings.get_mut(at) {
        *slot = match setting {
            Setting::On(value) => Some(value.clone()),
            Setting::Off => None,
        };
    }
}

/// What the client gave so far; each option at most once.
struct Given<'t> {
    tool: &'t Tool,
    settings: Vec<Option<Setting>>,
}

impl Given<'_> {
    fn typed(&mut self, options: &[GivenOption]) -> Result<(), Denial> {
        for option in options {
            let at = self
                .tool
                .option_index(option.name.as_str())
                .ok_or_else(|| denial::option_unknown(self.tool, option.name.as_str()))?;
            self.set(at, option.value.as_ref().map(|v| v.as_str()))?;
        }
        Ok(())
    }

    fn words(&mut self, tokens: &[Token]) -> Result<(), Denial> {
        let mut words = tokens.iter().map(Token::as_str);
        while let Some(word) = words.next() {
            if !word.starts_with('-') || word == "-" || word == "--" {
                return Err(denial::operand(self.tool, word));
            }
            let (at, attached) = self.find(word)?;
            let takes_value =
                self.tool.options.get(at).is_some_and(|o| !matches!(o.kind, ValueKind::None));
            // The tool's own parser would take the next word whatever it is, and so does this one;
            // a value that looks like an option then fails its kind.
            let value = match attached {
                Some(value) => Some(value),
                None if takes_value => words.next(),
                None => None,
            };
            self.set(at, value)?;
        }
        Ok(())
    }

    /// The option a word spells, and the value attached to it: `-c`, `-c4`, `--top-ports=100`.
    fn find<'w>(&self, word: &'w str) -> Result<(usize, Option<&'w str>), Denial> {
        let by_flag = |flag: &str| self.tool.options.iter().position(|o| o.flag == flag);
        if let Some(at) = by_flag(word) {
            return Ok((at, None));
        }
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) if word.starts_with("--") => (flag, value),
            // One dash and one letter, then the value. The word is ASCII, so 2 is a boundary.
            _ => word.split_at_checked(2).unwrap_or((word, "")),
        };
        let takes_value = |at: &usize| {
            self.tool.options.get(*at).is_some_and(|o| !matches!(o.kind, ValueKind::None))
        };
        match by_flag(flag).filter(takes_value) {
            Some(at) => Ok((at, Some(value))),
            None => {
                let shown = if word.starts_with("--") { flag } else { word };
                Err(denial::option_unknown(self.tool, shown))
            }
        }
    }

    fn set(&mut self, at: usize, value: Option<&str>) -> Result<(), Denial> {
        let (Some(option), Some(slot)) = (self.tool.options.get(at), self.settings.get_mut(at))
        else {
            return Ok(());
        };
        if slot.is_some() {
            return Err(denial::option_repeated(option));
        }
        let setting = option
            .parse(value)
            .map_err(|expected| denial::option_value(option, value, &expected))?;
        *slot = Some(setting);
        Ok(())
    }
}
