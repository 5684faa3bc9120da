//! What a grant leaves of its tools' options: never more than their files allow.

use std::collections::BTreeMap;

use probity_protocol::{Decimal, Ports};
use toml::Spanned;

use super::{Slip, ToolSet, Validation};
use crate::{
    granted_options::{GrantedOptions, Left, OptionLeft},
    grants::GrantedTools,
    raw::{RawGrant, RawLeft, RawScalar, Text},
    tool::{Tool, ToolOption},
    value::ValueKind,
};

/// The key that takes options away.
const DENY: &str = "deny";

impl Validation<'_> {
    pub(super) fn grant_options(
        &mut self,
        raw: &RawGrant,
        given: &GrantedTools,
        tools: &ToolSet,
    ) -> GrantedOptions {
        let mut options = GrantedOptions::default();
        for (name, written) in &raw.options {
            let at = tools.names.get(name.get_ref());
            let Some(tool) = at.and_then(|at| tools.tools.get(*at)) else {
                self.unknown_tool(name, tools);
                continue;
            };
            if !given.has(&tool.name) {
                let message = format!(
                    "this grant does not give {}: add it to tools, or take its options out here",
                    tool.name
                );
                self.defect(name.span(), message);
            }
            let left = self.options_left(written, tool, tools);
            if !options.insert(&tool.name, left) {
                let message = format!("the options of {} are there by another name too", tool.name);
                self.defect(name.span(), message);
            }
        }
        options
    }

    fn options_left(
        &mut self,
        written: &BTreeMap<Text, Spanned<RawLeft>>,
        tool: &Tool,
        tools: &ToolSet,
    ) -> Vec<OptionLeft> {
        let mut options: Vec<OptionLeft> = Vec::new();
        for (key, raw) in written {
            let names = match raw.get_ref() {
                RawLeft::List(names) if key.get_ref() == DENY => names.iter().collect(),
                _ if key.get_ref() == DENY => {
                    self.defect(raw.span(), "deny is a list of names of options");
                    continue;
                }
                _ => vec![key],
            };
            for name in names {
                let known = tool.option_index(name.get_ref());
                let known = known.and_then(|at| Some((at, tool.options.get(at)?)));
                let Some((at, option)) = known else {
                    if !tools.incomplete {
                        let meant = self.help.meant(Slip::Option(name.get_ref(), tool));
                        let meant = meant.map_or_else(String::new, |it| format!(": {it}"));
                        let message =
                            format!("{} has no option {:?}{meant}", tool.name, name.get_ref());
                        self.defect(name.span(), message);
                    }
                    continue;
                };
                let left = match key.get_ref() == DENY {
                    true => self.denied(option, name),
                    false => self.left(option, raw),
                };
                if options.iter().any(|earlier| earlier.at == at) {
                    self.defect(name.span(), format!("{} is taken away already", option.name));
                }
                let (name, place) = (option.name.clone(), self.source.place(&name.span()));
                options.extend(left.map(|left| OptionLeft { at, name, left, place }));
            }
        }
        options
    }

    /// What nobody can leave out of a call cannot be taken away.
    fn denied(&mut self, option: &ToolOption, name: &Text) -> Option<Left> {
        if let Some(default) = option.default.as_ref().filter(|_| option.takes_value()) {
            let default = option.kind.render(default).unwrap_or_default();
            let message = format!(
                "{} has the default {default}, which no call can leave out, so each would be refused: \
                 leave some of its values, the default among them",
                option.name
            );
            self.defect(name.span(), message);
        } else if option.required || option.host_is_default {
            let message = format!(
                "no call can leave {} out, so each would be refused: leave some of its values",
                option.name
            );
            self.defect(name.span(), message);
        }
        Some(Left::Nothing)
    }

    fn left(&mut self, option: &ToolOption, raw: &Spanned<RawLeft>) -> Option<Left> {
        let how = match (&option.kind, raw.get_ref()) {
            (ValueKind::Integer { min, max }, RawLeft::Range(_)) => {
                let parse = |text: &str| text.parse::<u64>().ok();
                let (min, max) = self.range_left(raw, (*min, *max), parse)?;
                return Some(Left::Integer { min, max });
            }
            (
                ValueKind::Number { min, max } | ValueKind::Duration { min, max },
                RawLeft::Range(_),
            ) => {
                let parse = |text: &str| text.parse::<Decimal>().ok();
                let (min, max) = self.range_left(raw, (*min, *max), parse)?;
                return Some(Left::Decimal { min, max });
            }
            (ValueKind::Ports, RawLeft::Text(text)) => {
                let message = format!("{text:?} is not ports such as \"22,80,8000-8100\"");
                return self.accept(raw.span(), Ports::parse(text).ok_or(message)).map(Left::Ports);
            }
            (
                ValueKind::Enumeration(words) | ValueKind::EnumerationList(words),
                RawLeft::List(_),
            ) => {
                return self.words_left(option, raw, words.iter().map(String::as_str).collect());
            }
            (ValueKind::Rendered(words), RawLeft::List(_)) => {
                return self.words_left(option, raw, words.keys().map(String::as_str).collect());
            }
            (
                ValueKind::Integer { .. } | ValueKind::Number { .. } | ValueKind::Duration { .. },
                _,
            ) => "is narrowed by a range such as { min = 1, max = 10 }",
            (ValueKind::Ports, _) => "is narrowed by ports such as \"1-1024\"",
            (
                ValueKind::Enumeration(_) | ValueKind::EnumerationList(_) | ValueKind::Rendered(_),
                _,
            ) => "is narrowed by a list of its words",
            _ => "has no values that can be narrowed: to take it away, write its name under deny",
        };
        self.defect(raw.span(), format!("{} {how}", option.name));
        None
    }

    /// A range within the one of the tool's file, which has the end that is not written.
    fn range_left<T: PartialOrd + Copy + std::fmt::Display>(
        &mut self,
        raw: &Spanned<RawLeft>,
        (least, most): (T, T),
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<(T, T)> {
        let RawLeft::Range(range) = raw.get_ref() else { return None };
        let mut end = |written: &Option<Spanned<RawScalar>>, of_file: T| {
            let Some(written) = written else { return Some(of_file) };
            let parsed = parse(&written.get_ref().text());
            let number =
                self.accept(written.span(), parsed.ok_or("not a number this kind can hold"))?;
            if number < least || number > most {
                let message = format!("the tool's file has it from {least} to {most}");
                self.defect(written.span(), message);
            }
            Some(number)
        };
        let (min, max) = (end(&range.min, least)?, end(&range.max, most)?);
        if min > max {
            self.defect(raw.span(), "min is larger than max");
        }
        if range.min.is_none() && range.max.is_none() && !self.incomplete {
            self.defect(raw.span(), "a range has min, max or both");
        }
        Some((min, max))
    }

    fn words_left(
        &mut self,
        option: &ToolOption,
        raw: &Spanned<RawLeft>,
        words: Vec<&str>,
    ) -> Option<Left> {
        let RawLeft::List(kept) = raw.get_ref() else { return None };
        if kept.is_empty() {
            let message = "no word is left: to take the option away, write its name under deny";
            self.defect(raw.span(), message);
        }
        for word in kept.iter().filter(|word| !words.contains(&word.get_ref().as_str())) {
            let meant = self.help.meant(Slip::Word(word.get_ref(), &words));
            let meant = meant.map_or_else(String::new, |it| format!(": {it}"));
            let message = format!("{} has no word {:?}{meant}", option.name, word.get_ref());
            self.defect(word.span(), message);
        }
        Some(Left::Words(kept.iter().map(|word| word.get_ref().clone()).collect()))
    }
}
