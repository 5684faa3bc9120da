//! The options of a tool file, and the presets made of them: every default, example and preset holds
//! values that the option itself accepts.

use std::collections::BTreeMap;

use probity_protocol::{Identifier, OptionEntry, Tier};
use toml::Spanned;

use super::Validation;
use crate::{
    raw::{RawJoin, RawOption, RawPreset, RawScalar, Text},
    tool::{Preset, Setting, ToolOption},
    value::{Value, ValueKind},
};

/// Property names that every tool has, whatever its file says.
const RESERVED: [&str; 7] =
    ["target", "preset", "timeout_sec", "dry_run", "background", "extra_args", "correlation_id"];

/// Longest help, in characters. A model reads it with every list of tools.
const MAX_HELP: usize = 600;

impl Validation<'_> {
    pub(super) fn options(&mut self, raw: &[Spanned<RawOption>]) -> Vec<ToolOption> {
        let mut options = Vec::<ToolOption>::new();
        for raw in raw.iter().map(Spanned::get_ref) {
            if let Some(earlier) = options.iter().find(|o| o.name.as_str() == raw.name.get_ref()) {
                let message = format!("the option's name is taken at {}", earlier.place);
                self.defect(raw.name.span(), message);
            }
            if let Some(flag) = &raw.flag {
                let same = |o: &&ToolOption| o.flag.as_ref() == Some(flag.get_ref());
                if let Some(earlier) = options.iter().find(same) {
                    let message = format!("the option's flag is taken at {}", earlier.place);
                    self.defect(flag.span(), message);
                }
            }
            options.extend(self.option(raw));
        }
        options
    }

    fn option(&mut self, raw: &RawOption) -> Option<ToolOption> {
        let name = self.accept(raw.name.span(), Identifier::new(raw.name.get_ref().clone()))?;
        if RESERVED.contains(&name.as_str()) {
            self.defect(
                raw.name.span(),
                format!("{name:?} is a property of every tool", name = name.as_str()),
            );
        }
        match &raw.flag {
            Some(flag) if !is_flag(flag.get_ref()) => {
                self.defect(flag.span(), "a flag is - or -- with letters, digits and inner dashes");
            }
            Some(flag) if raw.join == RawJoin::Equals && !flag.get_ref().starts_with("--") => {
                let message = "join = \"equals\" is for flags that begin with --";
                self.defect(flag.span(), message);
            }
            None if raw.join != RawJoin::Separate => {
                self.defect(raw.name.span(), "join is about a flag, and there is none");
            }
            Some(_) | None => {}
        }
        let kind = match &raw.value {
            Some(value) => self.value_kind(value.get_ref(), &value.span())?,
            None => ValueKind::None,
        };
        if matches!(kind, ValueKind::None) && raw.flag.is_none() && raw.renders.is_none() {
            let message = "missing field `flag`: an option without a value has one, or the words \
                           that it renders";
            self.defect(raw.name.span(), message);
        }
        if let Some(renders) = raw.renders.as_ref().filter(|_| !matches!(kind, ValueKind::None)) {
            self.defect(renders.span(), "renders is for an option without a value");
        }
        let mut option = ToolOption {
            name,
            flag: raw.flag.as_ref().map(|flag| flag.get_ref().clone()),
            join: raw.join,
            // What they name is looked up once every option is known.
            renders: None,
            is_placed: false,
            excludes: Vec::new(),
            requires: Vec::new(),
            tier: raw.tier.into(),
            net_raw: raw.net_raw.as_ref().is_some_and(|n| *n.get_ref()),
            default: None,
            host_is_default: false,
            required: raw.required.as_ref().is_some_and(|required| *required.get_ref()),
            example: None,
            // One without is accepted, and models are not told of it.
            help: raw.help.as_ref().map(|help| self.line(help, MAX_HELP)).unwrap_or_default(),
            place: self.source.place(&raw.name.span()),
            kind,
        };
        if let Some(required) = raw.required.as_ref().filter(|_| option.required) {
            if !option.takes_value() {
                self.defect(required.span(), "required is for an option with a value");
            } else if raw.default.is_some() {
                self.defect(required.span(), "an option with a default is always given");
            }
        }
        let is_host = |default: &Spanned<RawScalar>| {
            matches!(option.kind, ValueKind::DnsName)
                && default.get_ref().text() == OptionEntry::HOST
        };
        option.host_is_default = raw.default.as_ref().is_some_and(is_host);
        if let Some(default) = raw.default.as_ref().filter(|_| !option.host_is_default) {
            let setting = self.setting(&option, default)?;
            if let Setting::On(value) = setting {
                if option.tier_with(&value) > Tier::Standard {
                    self.defect(default.span(), "a default cannot be of the intrusive tier");
                }
                option.default = Some(value);
            }
        }
        option.example = raw.example.as_ref().and_then(|example| self.example(&option, example));
        Some(option)
    }

    /// A value that everybody who may use the option may give.
    fn example(&mut self, option: &ToolOption, example: &Spanned<RawScalar>) -> Option<Value> {
        if matches!(option.kind, ValueKind::None) {
            self.defect(example.span(), "an option without a value needs no example");
            return None;
        }
        match self.setting(option, example)? {
            Setting::On(value) if option.kind.tier(&value) <= option.tier => Some(value),
            _ => {
                self.defect(example.span(), "an example cannot go beyond its option's tier");
                None
            }
        }
    }

    fn setting(&mut self, option: &ToolOption, value: &Spanned<RawScalar>) -> Option<Setting> {
        let text = value.get_ref().text();
        let parsed = option.parse(Some(&text));
        let message = |_| {
            let expected = option.kind.expected(Tier::Intrusive);
            format!("{text:?} does not fit {}: expected {expected}", option.name.as_str())
        };
        self.accept(value.span(), parsed.map_err(message))
    }

    pub(super) fn presets(
        &mut self,
        raw: &BTreeMap<Text, RawPreset>,
        options: &[ToolOption],
    ) -> BTreeMap<Identifier, Preset> {
        let mut presets = BTreeMap::new();
        for (name, raw) in raw {
            let Some(identifier) =
                self.accept(name.span(), Identifier::new(name.get_ref().clone()))
            else {
                continue;
            };
            let mut preset = Preset {
                help: self.line(&raw.help, MAX_HELP),
                settings: Vec::new(),
                tier: Tier::Standard,
            };
            for (option, value) in &raw.options {
                let known =
                    options.iter().enumerate().find(|(_, o)| o.name.as_str() == option.get_ref());
                let Some((at, known)) = known else {
                    if self.incomplete {
                        continue;
                    }
                    let message = format!("the tool has no option {:?}", option.get_ref());
                    self.defect(option.span(), message);
                    continue;
                };
                let Some(setting) = self.setting(known, value) else { continue };
                if let Setting::On(value) = &setting {
                    preset.tier = preset.tier.max(known.tier_with(value));
                }
                preset.settings.push((at, setting));
            }
            presets.insert(identifier, preset);
        }
        presets
    }
}

/// `-c`, `-sV`, `--top-ports`.
fn is_flag(text: &str) -> bool {
    let name = text.strip_prefix("--").or_else(|| text.strip_prefix('-'));
    name.is_some_and(|name| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    })
}
