//! One file of `tools.d`.

use std::{collections::BTreeMap, ops::Range, path::PathBuf, sync::Arc, time::Duration};

use probity_protocol::{Decimal, Identifier, TargetKind, Tier, ToolName};
use toml::Spanned;

use super::Validation;
use crate::{
    profile::Profile,
    raw::{RawJoin, RawNetRaw, RawOption, RawPreset, RawScalar, RawTier, RawTool, RawValue, Text},
    tool::{ArgvPart, Breaker, Preset, Setting, Tool, ToolOption, ToolSandbox},
    value::{CharacterClass, RenderedWord, ValueKind},
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

    fn value_kind(&mut self, raw: &RawValue, span: &Range<usize>) -> Option<ValueKind> {
        let kind = raw.kind.get_ref().as_str();
        self.refuse_foreign_keys(raw, kind)?;
        Some(match kind {
            "none" => ValueKind::None,
            "integer" => {
                let (min, max) = self.range(raw, span, |text| text.parse::<u64>().ok())?;
                ValueKind::Integer { min, max }
            }
            "number" => {
                let (min, max) = self.range(raw, span, |text| text.parse::<Decimal>().ok())?;
                ValueKind::Number { min, max }
            }
            "duration" => {
                let (min, max) = self.range(raw, span, |text| text.parse::<Decimal>().ok())?;
                ValueKind::Duration { min, max }
            }
            "ports" => ValueKind::Ports,
            "enumeration" => ValueKind::Enumeration(self.words(raw, span)?),
            "enumeration-list" => ValueKind::EnumerationList(self.words(raw, span)?),
            "rendered" => ValueKind::Rendered(self.rendered(raw, span)?),
            "text" => {
                let (Some(class), Some(max_length)) = (&raw.class, &raw.max_length) else {
                    self.defect(span.clone(), "a text needs class and max_length");
                    return None;
                };
                let known = CharacterClass::ALL.into_iter().find(|c| c.name() == class.get_ref());
                let names = CharacterClass::ALL.map(CharacterClass::name).join(", ");
                let class =
                    self.accept(class.span(), known.ok_or(format!("the classes are {names}")))?;
                ValueKind::Text { class, max_length: *max_length.get_ref() as usize }
            }
            _ => return None,
        })
    }

    /// A key that a kind does not use is a misunderstanding of what the kind does.
    fn refuse_foreign_keys(&mut self, raw: &RawValue, kind: &str) -> Option<()> {
        let used: &[&str] = match kind {
            "none" | "ports" => &[],
            "integer" | "number" | "duration" => &["min", "max"],
            "enumeration" | "enumeration-list" => &["words"],
            "rendered" => &["rendered", "intrusive"],
            "text" => &["class", "max_length"],
            _ => {
                let message = format!(
                    "{kind:?} is not a kind of value; there are none, integer, number, duration, \
                     ports, enumeration, enumeration-list, rendered, text"
                );
                self.defect(raw.kind.span(), message);
                return None;
            }
        };
        let keys = [
            ("min", raw.min.as_ref().map(Spanned::span)),
            ("max", raw.max.as_ref().map(Spanned::span)),
            ("words", raw.words.as_ref().map(Spanned::span)),
            ("rendered", raw.rendered.as_ref().map(Spanned::span)),
            ("intrusive", raw.intrusive.as_ref().map(Spanned::span)),
            ("class", raw.class.as_ref().map(Spanned::span)),
            ("max_length", raw.max_length.as_ref().map(Spanned::span)),
        ];
        for (key, span) in keys {
            if let Some(span) = span.filter(|_| !used.contains(&key)) {
                self.defect(span, format!("a value of kind {kind:?} has no {key}"));
            }
        }
        Some(())
    }

    fn range<T: PartialOrd>(
        &mut self,
        raw: &RawValue,
        span: &Range<usize>,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<(T, T)> {
        let (Some(min), Some(max)) = (&raw.min, &raw.max) else {
            self.defect(span.clone(), "a range needs min and max");
            return None;
        };
        let [low, high] = [min, max].map(|bound| {
            let parsed = parse(&bound.get_ref().text());
            self.accept(bound.span(), parsed.ok_or("not a number this kind can hold"))
        });
        let (low, high) = (low?, high?);
        if low > high {
            self.defect(span.clone(), "min is larger than max");
            return None;
        }
        Some((low, high))
    }

    fn words(&mut self, raw: &RawValue, span: &Range<usize>) -> Option<Vec<String>> {
        let Some(words) = raw.words.as_ref().filter(|w| !w.get_ref().is_empty()) else {
            self.defect(span.clone(), "an enumeration needs words");
            return None;
        };
        for word in words.get_ref() {
            if !is_word(word.get_ref()) {
                self.defect(
                    word.span(),
                    "a word is letters, digits, - _ and ., beginning with no dash",
                );
            }
        }
        Some(words.get_ref().iter().map(|w| w.get_ref().clone()).collect())
    }

    fn rendered(
        &mut self,
        raw: &RawValue,
        span: &Range<usize>,
    ) -> Option<BTreeMap<String, RenderedWord>> {
        let mut words = BTreeMap::new();
        for (table, tier) in [(&raw.rendered, Tier::Standard), (&raw.intrusive, Tier::Intrusive)] {
            for (word, text) in table.iter().flat_map(|t| t.get_ref()) {
                if !is_word(word.get_ref()) {
                    self.defect(
                        word.span(),
                        "a word is letters, digits, - _ and ., beginning with no dash",
                    );
                }
                if text.is_empty() || text.starts_with('-') {
                    self.defect(
                        word.span(),
                        "the text of a word is not empty and begins with no dash",
                    );
                }
                let rendered = RenderedWord { text: text.clone(), tier };
                if words.insert(word.get_ref().clone(), rendered).is_some() {
                    self.defect(word.span(), "the word is both standard and intrusive");
                }
            }
        }
        if words.is_empty() {
            self.defect(span.clone(), "a rendered enumeration needs the table rendered");
            return None;
        }
        Some(words)
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

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

impl From<RawTier> for Tier {
    fn from(raw: RawTier) -> Self {
        match raw {
            RawTier::Standard => Self::Standard,
            RawTier::Intrusive => Self::Intrusive,
        }
    }
}
