//! The words of `argv` and `renders`: text, and between braces the places where a call's values stand.

use std::ops::Range;

use probity_protocol::{Identifier, TargetKind};

use super::{Slip, Validation};
use crate::{
    template::{Brackets, Piece, Template},
    tool::ToolOption,
};

/// Placeholders that are words of their own, and those that may stand within one.
const WHOLE: [&str; 2] = ["options", "mode"];
const WITHIN: [&str; 3] = ["target", "host", "family"];

/// What the words of one file may name.
#[derive(Clone, Copy)]
pub(super) struct Named<'o> {
    /// What the tool takes.
    pub targets: &'o [TargetKind],
    /// It takes any at all.
    pub has_target: bool,
    /// The options that the file describes soundly.
    pub options: &'o [ToolOption],
    /// Every name that the file gives an option.
    pub written: &'o [&'o str],
    /// They are those of `argv`, of which one may go where its option is not set.
    pub in_argv: bool,
}

/// A part of a word, before it is known what it names.
enum Part {
    Text(String),
    Placeholder(String),
}

/// A brace that neither begins nor ends a placeholder, and is not doubled.
struct LoneBrace;

impl Validation<'_> {
    /// `None` after a defect.
    pub(super) fn template(
        &mut self,
        span: Range<usize>,
        word: &str,
        named: Named<'_>,
    ) -> Option<Template> {
        self.refuse_nul(span.clone(), word);
        let Ok(parts) = split(word) else {
            let message = "a brace begins or ends a placeholder, such as {target}; for one that \
                           stands for itself write {{ or }}";
            self.defect(span, message);
            return None;
        };
        let in_url =
            parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains("://")));
        let text = |at: Option<usize>| match at.and_then(|at| parts.get(at)) {
            Some(Part::Text(text)) => text.as_str(),
            Some(Part::Placeholder(_)) | None => "",
        };
        let mut pieces = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            // An IPv6 address has colons of its own.
            let touched = text(at.checked_sub(1)).ends_with(':')
                || text(Some(at + 1)).starts_with(':')
                || matches!(parts.get(at + 1), Some(Part::Placeholder(next)) if next.starts_with(':'));
            let brackets = if in_url || touched { Brackets::Bracketed } else { Brackets::Bare };
            pieces.push(match part {
                Part::Text(text) => Piece::Text(text.clone()),
                Part::Placeholder(name) => match name.as_str() {
                    name @ ("target" | "host" | "family") if !named.has_target => {
                        let message = format!("{{{name}}}: a tool with targets = [] has none");
                        self.defect(span, message);
                        return None;
                    }
                    "target" => Piece::Target(brackets),
                    "host" if named.targets.contains(&TargetKind::Network) => {
                        let message = "{host} is one name or address, and this tool takes networks";
                        self.defect(span, message);
                        return None;
                    }
                    "host" => Piece::Host(brackets),
                    "family" => Piece::Family,
                    name => match name.strip_prefix(':') {
                        Some(name) => Piece::ColonOption(self.option_of(&span, name, named, true)?),
                        None => {
                            let may_go = named.in_argv && parts.len() == 1;
                            Piece::Option(self.option_of(&span, name, named, may_go)?)
                        }
                    },
                },
            });
        }
        Some(Template::new(pieces))
    }

    /// The option that a placeholder names.
    fn option_of(
        &mut self,
        span: &Range<usize>,
        name: &str,
        named: Named<'_>,
        may_go: bool,
    ) -> Option<Identifier> {
        let Some(option) = named.options.iter().find(|option| option.name.as_str() == name) else {
            let message = if WHOLE.contains(&name) {
                format!("{{{name}}} is a word of its own, and of argv alone")
            } else if named.written.contains(&name) || self.incomplete {
                // That option has a defect of its own.
                return None;
            } else {
                self.unknown(name, named)
            };
            self.defect(span.clone(), message);
            return None;
        };
        if !option.takes_value() {
            self.defect(span.clone(), format!("the option {name:?} has no value to stand there"));
            return None;
        }
        if option.default.is_none() && !option.required && !may_go {
            let place = if named.in_argv { "within a word" } else { "in renders" };
            let message = format!(
                "{name:?} stands {place}, so it needs a default, or required = true: the word is always \
                 there. {{:{name}}} is a colon and its value, or nothing"
            );
            self.defect(span.clone(), message);
            return None;
        }
        Some(option.name.clone())
    }

    fn unknown(&self, name: &str, named: Named<'_>) -> String {
        let with_value = named.options.iter().filter(|option| option.takes_value());
        let known = WHOLE.into_iter().chain(WITHIN);
        let known: Vec<&str> = known.chain(with_value.map(|option| option.name.as_str())).collect();
        let meant = self.help.meant(Slip::Placeholder(name, &known));
        let braced: Vec<String> = known.iter().map(|name| format!("{{{name}}}")).collect();
        let meant = meant.map(|meant| format!(": {meant}")).unwrap_or_default();
        format!("there is no placeholder {{{name}}}; there are {}{meant}", braced.join(", "))
    }
}

/// The parts of a word, in their order. Doubled braces stand for one.
fn split(word: &str) -> Result<Vec<Part>, LoneBrace> {
    let (mut parts, mut text) = (Vec::new(), String::new());
    let mut rest = word;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at(at);
        text.push_str(before);
        if let Some(after) = after.strip_prefix("{{") {
            text.push('{');
            rest = after;
        } else if let Some(after) = after.strip_prefix("}}") {
            text.push('}');
            rest = after;
        } else {
            let (name, after) =
                after.strip_prefix('{').and_then(|a| a.split_once('}')).ok_or(LoneBrace)?;
            if name.is_empty() || name.contains('{') {
                return Err(LoneBrace);
            }
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::Placeholder(name.to_owned()));
            rest = after;
        }
    }
    text.push_str(rest);
    if !text.is_empty() || parts.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(parts)
}
