//! One file of `tools.d`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use probity_protocol::{DefaultTarget, ParserEntry, TargetKind, Tier, ToolName};
use toml::Spanned;

use super::{Validation, scope::Ground};
use crate::{
    lookup::Lookup,
    profile::Profile,
    raw::{RawNetRaw, RawScratch, RawTier, RawTool, Text},
    source::is_printable,
    tool::{BreakerRule, OrDefault, Reach, Scratch, Tool, ToolSandbox},
};

/// A circuit breaker's failures and its time, where neither a file nor a frontend says otherwise.
const DEFAULT_FAILURE_THRESHOLD: u32 = 5;
const DEFAULT_RECOVERY_TIMEOUT: Duration = Duration::from_secs(60);

/// Where a file sets none. The ceiling holds all the same.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

/// Where a file sets none: the most that a frontend may configure.
const DEFAULT_CONCURRENCY: u32 = 5;

/// Longest time for which a result is given again: an hour-old answer about a network is old.
const MAX_CACHE_SECONDS: u32 = 3600;

/// Longest texts, in characters. A model reads them with every list of tools.
const MAX_TITLE: usize = 64;
const MAX_ADVICE: usize = 600;

impl Validation<'_> {
    /// `None` after a defect that leaves no tool to speak of.
    pub(super) fn tool(&mut self, raw: &RawTool, ground: &Ground) -> Option<Tool> {
        let name = self.tool_name(&raw.name, true);
        let aliases = raw.aliases.iter().filter_map(|alias| self.tool_name(alias, false)).collect();
        let targets = self.target_kinds(&raw.targets);
        let mut options = self.options(&raw.options);
        let argv = self.command_line(raw, &targets, &mut options);
        self.relate(&raw.options, &mut options);
        let presets = self.presets(&raw.presets, &options);
        let named = raw.presets.keys().filter_map(|name| {
            let known = presets.iter().find(|(known, _)| known.as_str() == name.get_ref());
            known.map(|(_, preset)| (name, preset))
        });
        self.refuse_broken_settings(&raw.options, &options, named);
        let by_option = options.iter().find(|o| o.net_raw);
        if let Some(option) = by_option.filter(|_| raw.sandbox.net_raw != RawNetRaw::ByOption) {
            let message = format!(
                "the option {:?} has net_raw = true, which needs sandbox.net_raw = \"by-option\"",
                option.name.as_str()
            );
            self.defect(raw.name.span(), message);
        }
        let timeout = raw.timeout.as_ref().and_then(|text| self.duration(text));
        let timeout = OrDefault::new(timeout, DEFAULT_TIMEOUT);
        let max_timeout = self.max_timeout(raw, timeout);
        let intrusive = options.iter().find(|o| o.required && o.tier > raw.tier.into());
        if let Some(option) = intrusive {
            let message = format!(
                "the option {:?} is required and intrusive, so the tool is too: tier = \"intrusive\"",
                option.name.as_str()
            );
            self.defect(raw.name.span(), message);
        }
        Some(Tool {
            argv,
            default_target: self.default_target(raw),
            max_timeout,
            targets,
            scope: self.tool_scope(raw, ground),
            command: self.absolute_path(&raw.command)?,
            package: raw.package.as_ref().map(|text| self.line(text, MAX_TITLE)),
            timeout,
            concurrency: OrDefault::new(
                raw.concurrency.as_ref().map(|n| self.positive(Some(n), DEFAULT_CONCURRENCY)),
                DEFAULT_CONCURRENCY,
            ),
            parser: self.parser(raw),
            cache_seconds: self.cache_seconds(raw),
            tier: raw.tier.into(),
            breaker: self.breaker(raw),
            sandbox: self.sandbox(raw)?,
            title: raw.title.as_ref().map(|text| self.line(text, MAX_TITLE)),
            summary: self.line(&raw.summary, MAX_ADVICE),
            advice: raw.advice.as_ref().map(|text| self.line(text, MAX_ADVICE)),
            metadata: self.metadata(raw),
            place: self.source.place(&raw.name.span()),
            lookup: Lookup::new(options.iter().map(|o| (o.name.as_str(), o.flag.as_deref()))),
            name: name?,
            aliases,
            options,
            presets,
        })
    }

    /// What reads its output. Frontends do, and know what it means; the broker passes it on.
    fn parser(&mut self, raw: &RawTool) -> Option<ParserEntry> {
        let Some(table) = &raw.parse else {
            return raw.parser.as_ref().map(|name| ParserEntry::Named(name.get_ref().clone()));
        };
        if let Some(parser) = &raw.parser {
            self.defect(parser.span(), "a tool has a parser or a table [parse], and not both");
        }
        let help = self.help;
        help.table(self, table);
        Some(ParserEntry::Table(table.get_ref().clone()))
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

    /// A text for people, of one line.
    pub(super) fn line(&mut self, text: &Text, most: usize) -> String {
        let written = text.get_ref();
        if written.trim().is_empty() {
            self.defect(text.span(), "a text that says nothing; leave the key out");
        } else if let Some(c) = written.chars().find(|c| !is_printable(*c)) {
            let message =
                format!("one line of printable characters; U+{:04X} is not", u32::from(c));
            self.defect(text.span(), message);
        } else if written.chars().count() > most {
            let message = format!("{} characters, and at most {most} fit", written.chars().count());
            self.defect(text.span(), message);
        }
        written.clone()
    }

    fn metadata(&mut self, raw: &RawTool) -> BTreeMap<String, String> {
        const MOST: usize = 16;
        const LONGEST_KEY: usize = 32;
        const LONGEST: usize = 200;
        let is_key = |key: &str| {
            key.len() <= LONGEST_KEY
                && key.starts_with(|c: char| c.is_ascii_alphabetic())
                && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        };
        if let Some((key, _)) = raw.metadata.iter().nth(MOST) {
            self.defect(key.span(), format!("a tool has at most {MOST} words of metadata"));
        }
        let mut metadata = BTreeMap::new();
        for (key, text) in &raw.metadata {
            if !is_key(key.get_ref()) {
                let message =
                    "a key is at most 32 letters, digits, - and _, beginning with a letter";
                self.defect(key.span(), message);
            }
            metadata.insert(key.get_ref().clone(), self.line(text, LONGEST));
        }
        metadata
    }

    fn absolute_path(&mut self, text: &Text) -> Option<PathBuf> {
        let path = PathBuf::from(text.get_ref());
        let plain = path.is_absolute()
            && !text.get_ref().contains("..")
            && !text.get_ref().contains(char::is_control);
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
        kinds
    }

    fn default_target(&mut self, raw: &RawTool) -> Option<DefaultTarget> {
        let target = raw.default_target.as_ref()?;
        if !raw.targets.get_ref().iter().any(|kind| kind.get_ref() == "address") {
            self.defect(target.span(), "a name server is an address, and the tool takes none");
        }
        Some(*target.get_ref())
    }

    fn max_timeout(&mut self, raw: &RawTool, usual: OrDefault<Duration>) -> Option<Duration> {
        let text = raw.max_timeout.as_ref()?;
        let longest = self.duration(text)?;
        if usual.written().is_some_and(|usual| usual > longest) {
            self.defect(text.span(), "less than timeout, which a run has that asks for none");
        }
        Some(longest)
    }

    fn cache_seconds(&mut self, raw: &RawTool) -> u32 {
        let Some(seconds) = &raw.cache_seconds else { return 0 };
        if *seconds.get_ref() > MAX_CACHE_SECONDS {
            let message = format!("a result is kept for at most {MAX_CACHE_SECONDS} seconds");
            self.defect(seconds.span(), message);
        }
        *seconds.get_ref()
    }

    fn breaker(&mut self, raw: &RawTool) -> BreakerRule {
        let threshold = raw.breaker.failure_threshold.as_ref();
        let recovery = raw.breaker.recovery_timeout.as_ref();
        BreakerRule {
            failure_threshold: OrDefault {
                value: self.positive(threshold, DEFAULT_FAILURE_THRESHOLD),
                is_default: threshold.is_none(),
            },
            recovery_timeout: OrDefault::new(
                recovery.and_then(|text| self.duration(text)),
                DEFAULT_RECOVERY_TIMEOUT,
            ),
        }
    }

    fn sandbox(&mut self, raw: &RawTool) -> Option<ToolSandbox> {
        let named = &raw.sandbox.syscalls;
        let read = raw.sandbox.read.iter().filter_map(|path| self.absolute_path(path)).collect();
        let execute =
            raw.sandbox.execute.iter().filter_map(|path| self.absolute_path(path)).collect();
        let scratch = raw.sandbox.scratch.as_ref().and_then(|scratch| self.scratch(scratch));
        let profile = self.accept(named.span(), Profile::shared(named.get_ref()))?;
        let (net_raw, reach) = (raw.sandbox.net_raw, raw.sandbox.reach);
        if raw.targets.get_ref().is_empty() && reach == Reach::Any {
            let message = "a tool without a target sends nothing, so it has no reach";
            self.defect(raw.targets.span(), message);
        }
        Some(ToolSandbox { net_raw, profile, reach, read, execute, scratch })
    }

    /// What a run leaves is removed on the broker's one thread, a file at a time: so many, and so
    /// large, that nobody notices.
    fn scratch(&mut self, raw: &Spanned<RawScratch>) -> Option<Scratch> {
        const MOST_FILES: u32 = 256;
        const LARGEST_FILE: u64 = 16 << 20;
        let RawScratch { files, file_size } = raw.get_ref();
        if !(1..=MOST_FILES).contains(files.get_ref()) {
            self.defect(files.span(), format!("a run makes 1 to {MOST_FILES} files"));
        }
        let file_bytes = self.size(Some(file_size), 0);
        if file_bytes > LARGEST_FILE {
            self.defect(file_size.span(), "a file of a run has at most 16 MiB");
        }
        Some(Scratch { files: *files.get_ref(), file_bytes })
    }
}

impl From<Tier> for RawTier {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::Standard => Self::Standard,
            Tier::Intrusive => Self::Intrusive,
        }
    }
}

impl From<RawTier> for Tier {
    fn from(raw: RawTier) -> Self {
        match raw {
            RawTier::Standard => Self::Standard,
            RawTier::Intrusive => Self::Intrusive,
        }
    }
}
