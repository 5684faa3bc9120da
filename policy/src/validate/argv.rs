//! The command line of a tool's file: which words it is made of, and which option stands where.

use std::ops::Range;

use probity_protocol::TargetKind;
use toml::Spanned;

use super::{Validation, template::Named};
use crate::{
    raw::RawTool,
    template::Template,
    tool::{ArgvPart, ToolOption},
};

impl Validation<'_> {
    /// The words of the file, now that it is known which options there are; those of `renders` go to their
    /// options.
    pub(super) fn command_line(
        &mut self,
        raw: &RawTool,
        targets: &[TargetKind],
        options: &mut [ToolOption],
    ) -> Vec<ArgvPart> {
        let written: Vec<&str> =
            raw.options.iter().map(|o| o.get_ref().name.get_ref().as_str()).collect();
        let has_target = !raw.targets.get_ref().is_empty();
        let named = Named { targets, has_target, options, written: &written, in_argv: true };
        let argv = self.argv(raw, named);
        let named = Named { in_argv: false, ..named };
        let written = |option: &ToolOption| {
            let mut each = raw.options.iter().map(Spanned::get_ref);
            each.find(|raw| raw.name.get_ref() == option.name.as_str())?.renders.as_ref()
        };
        let rendered: Vec<Option<Vec<Template>>> = options
            .iter()
            .map(|option| {
                let words = written(option)?.get_ref().iter();
                let words = words.map(|word| self.template(word.span(), word.get_ref(), named));
                Some(words.flatten().collect())
            })
            .collect();
        for (option, words) in options.iter_mut().zip(rendered) {
            option.renders = words;
        }
        for part in &argv {
            let ArgvPart::Word(template) = part else { continue };
            for name in template.options() {
                options.iter_mut().filter(|o| o.name == *name).for_each(|o| o.is_placed = true);
            }
        }
        self.refuse_operands_without_place(raw, options);
        argv
    }

    fn refuse_operands_without_place(&mut self, raw: &RawTool, options: &[ToolOption]) {
        let lost = options.iter().filter(|o| {
            // A word with a defect may have named it.
            let braced = format!("{{{}}}", o.name);
            let is_named =
                || raw.argv.get_ref().iter().any(|word| word.get_ref().contains(&braced));
            o.flag.is_none() && o.takes_value() && !o.is_placed && !is_named()
        });
        let lost: Vec<&str> = lost.map(|option| option.name.as_str()).collect();
        for option in raw.options.iter().map(Spanned::get_ref) {
            let name = option.name.get_ref();
            if lost.contains(&name.as_str()) {
                let message = format!(
                    "missing field `flag`: without one a word of argv names the option, and none has \
                     {{{name}}}"
                );
                self.defect(option.name.span(), message);
            }
        }
    }

    fn argv(&mut self, raw: &RawTool, named: Named<'_>) -> Vec<ArgvPart> {
        let mut parts = Vec::new();
        if let Some(mode) = &raw.mode {
            for word in mode.get_ref().raw.iter().chain(&mode.get_ref().plain) {
                self.refuse_nul(mode.span(), word);
            }
        }
        let sound_so_far = self.defects.len();
        for text in raw.argv.get_ref() {
            let part = match (text.get_ref().as_str(), &raw.mode) {
                ("{options}", _) => ArgvPart::Options,
                ("{mode}", Some(mode)) => ArgvPart::Mode {
                    raw: mode.get_ref().raw.clone(),
                    plain: mode.get_ref().plain.clone(),
                },
                ("{mode}", None) => {
                    self.defect(text.span(), "{mode} is used, but there is no key mode");
                    continue;
                }
                (word, _) => match self.template(text.span(), word, named) {
                    Some(template) => ArgvPart::Word(template),
                    None => continue,
                },
            };
            parts.push(part);
        }
        if self.defects.len() > sound_so_far {
            // What a word that has a defect would have named is not missing.
            return parts;
        }
        let words = || {
            parts.iter().filter_map(|part| match part {
                ArgvPart::Word(template) => Some(template),
                ArgvPart::Mode { .. } | ArgvPart::Options => None,
            })
        };
        let is_placed =
            |option: &ToolOption| words().flat_map(Template::options).any(|n| *n == option.name);
        // One with neither flag nor value renders words of its own there; an operand has a place or a defect.
        let goes_there = |option: &&ToolOption| option.flag.is_some() || !option.takes_value();
        let mut options = named.options.iter().filter(goes_there);
        let unplaced = options.find(|option| !is_placed(option));
        match (parts.iter().filter(|part| matches!(part, ArgvPart::Options)).count(), unplaced) {
            (0, Some(option)) => {
                let name = &option.name;
                let message = format!("argv needs {{options}}: {name} has no other place in it");
                self.defect(raw.argv.span(), message);
            }
            (0 | 1, _) => {}
            (_, _) => self.defect(raw.argv.span(), "argv has {options} at most once"),
        }
        if named.has_target && !words().any(Template::has_target) {
            let message = "argv needs {target}: the address that was checked, so that the tool \
                           looks up no name";
            self.defect(raw.argv.span(), message);
        } else if words().filter(|word| word.is_target()).count() > 1 {
            self.defect(raw.argv.span(), "{target} is a word of its own at most once");
        }
        if raw.mode.is_some() && !parts.iter().any(|p| matches!(p, ArgvPart::Mode { .. })) {
            self.defect(raw.argv.span(), "the key mode is set, but argv has no {mode}");
        }
        parts
    }

    /// A program's text may have lines; only NUL can be in no argument.
    pub(super) fn refuse_nul(&mut self, span: Range<usize>, word: &str) {
        if word.contains('\0') {
            self.defect(span, "a NUL character is never part of an argument");
        }
    }
}
