//! One file of `tools.d`.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use probity_protocol::{Identifier, TargetKind, Tier, ToolName};
use toml::Spanned;

use super::Validation;
use crate::{
    profile::Profile,
    raw::{RawJoin, RawNetRaw, RawOption, RawPreset, RawScalar, RawTier, RawTool, Text},
    tool::{ArgvPart, Breaker, Preset, Setting, Tool, ToolOption, ToolSandbox},
    value::ValueKind,
};

/// The guide's circuit breaker, where a file says nothing.
const DEFAULT_BREAKER: Breaker =
    Breaker { failure_threshold: 5, recovery_timeout: Duration::from_secs(60) };

/// Property names that every tool has, whatever its file says.
const RESERVED: [&str; 6] =
    ["target", "preset", "timeout_sec", "dry_run", "extra_args", "correlation_id"];

impl Validation<'_> {
    /// `None` after a defect that leaves no tool to speak of.
    pub(super) fn tool(&mut self, raw: &RawTool) -> Option<Tool> {
        let name = self.tool_name(&raw.name, true);
        let aliases = raw.aliases.iter().filter_map(|alias| self.tool_name(alias, false)).collect();
        let options = self.options(&raw.options);
        let presets = self.presets(&raw.presets, &options);
        let by_option = options.iter().find(|o| o.net_raw);
        if let Some(option) = by_option.filter(|_| raw.sandbox.net_raw != RawNetRaw::ByOption) {
            let message = format!(
                "the option {:?} has net_raw = true, which needs sandbox.net_raw = \"by-option\"",
                option.name.as_str()
            );
            self.defect(raw.name.span(), message);
        }
        Some(Tool {
            argv: self.argv(raw),
            targets: self.target_kinds(&raw.targets),
            command: self.absolute_path(&raw.command)?,
            timeout: self.duration(&raw.timeout)?,
            concurrency: self.positive(Some(&raw.concurrency), 1),
            parser: raw.parser.as_ref().map(|p| p.get_ref().clone()),
            tier: raw.tier.into(),
            breaker: self.breaker(raw),
            sandbox: self.sandbox(raw)?,
            summary: raw.summary.get_ref().clone(),
            place: self.source.place(&raw.name.span()),
            name: name?,
            aliases,
            options,
            presets,
        })
    }

    /// A short name is lower case, so that it can be a metric's label and an environment
    /// variable's prefix; an alias may be a class name of the guide's.
    fn tool_name(&mut self, text: &Text, short: bool) -> Option<ToolName> {
        let name = text.get_ref();
        let start = |c: char| c.is_ascii_lowercase() || (!short && c.is_ascii_uppercase());
        let rest = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let form = name.starts_with(start)
            && name.chars().all(|c| rest(c) && (!short || !c.is_ascii_uppercase()));
        if !form {
            let case = if short { "lower-case letters" } else { "letters" };
            let message =
                format!("a tool's name is {case}, digits, - and _, beginning with a letter");
            self.defect(text.span(), message);
            return None;
        }
        self.accept(text.span(), ToolName::new(name.clone()))
    }

    fn absolute_path(&mut self, text: &Text) -> Option<PathBuf> {
        let path = PathBuf::from(text.get_ref());
        let plain =
            path.is_absolute() && !text.get_ref().contains("..") && !text.get_ref().contains('\0');
        if !plain {
            self.defect(text.span(), "a path is absolute and has no \"..\"");
            return None;
        }
        Some(path)
    }

    fn target_kinds(&mut self, raw: &Spanned<Vec<Text>>) -> Vec<TargetKind> {
        let mut kinds = Vec::new();
        for text in raw.get_ref() {
            match text.get_ref().as_str() {
                "address" => kinds.push(TargetKind::Address),
                "network" => kinds.push(TargetKind::Network),
                other => {
                    let message =
                        format!("{other:?} is not a kind of target; there are address, network");
                    self.defect(text.span(), message);
                }
            }
        }
        if raw.get_ref().is_empty() {
            self.defect(raw.span(), "a tool aims at something: address, network");
        }
        kinds
    }

    fn argv(&mut self, raw: &RawTool) -> Vec<ArgvPart> {
        let mut parts = Vec::new();
        for text in raw.argv.get_ref() {
            let part = match (text.get_ref().as_str(), &raw.mode) {
                ("{options}", _) => ArgvPart::Options,
                ("{target}", _) => ArgvPart::Target,
                ("{mode}", Some(mode)) => ArgvPart::Mode {
                    raw: mode.get_ref().raw.clone(),
                    plain: mode.get_ref().plain.clone(),
                },
                ("{mode}", None) => {
                    self.defect(text.span(), "{mode} is used, but there is no key mode");
                    continue;
                }
                (literal, _) if literal.contains(['{', '}']) => {
                    let message =
                        "a placeholder is a word of its own: {options}, {target} or {mode}";
                    self.defect(text.span(), message);
                    continue;
                }
                (literal, _) => ArgvPart::Literal(literal.to_owned()),
            };
            parts.push(part);
        }
        for (part, name) in [(ArgvPart::Options, "{options}"), (ArgvPart::Target, "{target}")] {
            if parts.iter().filter(|p| **p == part).count() != 1 {
                self.defect(raw.argv.span(), format!("argv needs {name} exactly once"));
            }
        }
        if raw.mode.is_some() && !parts.iter().any(|p| matches!(p, ArgvPart::Mode { .. })) {
            self.defect(raw.argv.span(), "the key mode is set, but argv has no {mode}");
        }
        parts
    }

    fn breaker(&mut self, raw: &RawTool) -> Breaker {
        let recovery = raw.breaker.recovery_timeout.as_ref();
        Breaker {
            failure_threshold: self.positive(
                raw.breaker.failure_threshold.as_ref(),
                DEFAULT_BREAKER.failure_threshold,
            ),
            recovery_timeout: recovery
                .and_then(|text| self.duration(text))
                .unwrap_or(DEFAULT_BREAKER.recovery_timeout),
        }
    }

    fn sandbox(&mut self, raw: &RawTool) -> Option<ToolSandbox> {
        let named = &raw.sandbox.syscalls;
        let read = raw.sandbox.read.iter().filter_map(|path| self.absolute_path(path)).collect();
        let execute =
            raw.sandbox.execute.iter().filter_map(|path| self.absolute_path(path)).collect();
        let profile = self.accept(named.span(), Profile::shipped(named.get_ref()))?;
        Some(ToolSandbox {
            net_raw: raw.sandbox.net_raw,
            profile: Arc::new(profile),
            read,
            execute,
        })
    }

    fn options(&mut self, raw: &[Spanned<RawOption>]) -> Vec<ToolOption> {
        let mut options = Vec::<ToolOption>::new();
        for raw in raw.iter().map(Spanned::get_ref) {
            if let Some(earlier) = options.iter().find(|o| o.name.as_str() == raw.name.get_ref()) {
                let message = format!("the option's name is taken at {}", earlier.place);
                self.defect(raw.name.span(), message);
            }
            if let Some(earlier) = options.iter().find(|o| &o.flag == raw.flag.get_ref()) {
                let message = format!("the option's flag is taken at {}", earlier.place);
                self.defect(raw.flag.span(), message);
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
        if !is_flag(raw.flag.get_ref()) {
            self.defect(raw.flag.span(), "a flag is - or -- with letters, digits and inner dashes");
        }
        let kind = match &raw.value {
            Some(value) => self.value_kind(value.get_ref(), &value.span())?,
            None => ValueKind::None,
        };
        if raw.join == RawJoin::Equals && !raw.flag.get_ref().starts_with("--") {
            self.defect(raw.flag.span(), "join = \"equals\" is for flags that begin with --");
        }
        if let Some(renders) = raw.renders.as_ref().filter(|_| !matches!(kind, ValueKind::None)) {
            self.defect(renders.span(), "renders is for an option without a value");
        }
        let mut option = ToolOption {
            name,
            flag: raw.flag.get_ref().clone(),
            join: raw.join,
            renders: raw.renders.as_ref().map(|r| r.get_ref().clone()),
            tier: raw.tier.into(),
            net_raw: raw.net_raw.as_ref().is_some_and(|n| *n.get_ref()),
            default: None,
            help: raw.help.get_ref().clone(),
            place: self.source.place(&raw.name.span()),
            kind,
        };
        if let Some(default) = &raw.default {
            let setting = self.setting(&option, default)?;
            if let Setting::On(value) = setting {
                if option.tier_with(&value) > Tier::Standard {
                    self.defect(default.span(), "a default cannot be of the intrusive tier");
                }
                option.default = Some(value);
            }
        }
        Some(option)
    }

    fn setting(&mut self, option: &ToolOption, value: &Spanned<RawScalar>) -> Option<Setting> {
        let text = value.get_ref().text();
        let parsed = option.parse(Some(&text));
        let message = |expected| {
            format!("{text:?} does not fit {}: expected {expected}", option.name.as_str())
        };
        self.accept(value.span(), parsed.map_err(message))
    }

    fn presets(
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
                help: raw.help.get_ref().clone(),
                settings: Vec::new(),
                tier: Tier::Standard,
            };
            for (option, value) in &raw.options {
                let known =
                    options.iter().enumerate().find(|(_, o)| o.name.as_str() == option.get_ref());
                let Some((at, known)) = known else {
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

impl From<RawTier> for Tier {
    fn from(raw: RawTier) -> Self {
        match raw {
            RawTier::Standard => Self::Standard,
            RawTier::Intrusive => Self::Intrusive,
        }
    }
}
