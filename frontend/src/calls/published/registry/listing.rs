//! What is published at one moment, with everything worked out once that a call then needs.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    sync::{Arc, OnceLock},
    time::Duration,
};

use probity_output::{clean::clean_str, parsers::Parser};
use probity_protocol::{Availability, Catalog, OptionEntry, ParserEntry, Tier, ToolEntry};

use super::settled::Settled;
use crate::{
    calls::published::{
        arguments::ArgumentCheck,
        schema::{self, JsonObject},
    },
    config::{Config, Thresholds},
};

/// The published tools, by name, and why others are not.
#[derive(Debug)]
pub struct Listing {
    /// The catalog with the published tools only; its ceiling, their times and concurrency are those
    /// that hold here.
    pub catalog: Catalog,
    parts: Vec<Parts>,
    hidden: Vec<(ToolEntry, Hidden)>,
    max_args_bytes: usize,
    /// Those of the frontend's own tools that the configuration excludes.
    excluded_own: Vec<String>,
}

/// The frontend's own tool, by which a client reads on in a result that was too long for an answer.
pub const READ_RESULT: &str = "read_result";

/// All of the frontend's own tools. Of a policy's tool of one of these names there is only that one.
pub const OWN_TOOLS: [&str; 6] =
    [READ_RESULT, "run_status", "run_result", "run_cancel", "run_list", "compare_runs"];

/// What belongs to one published tool, beside its entry in the catalog.
#[derive(Debug)]
struct Parts {
    input_schema: Arc<JsonObject>,
    output_schema: Arc<JsonObject>,
    /// Both as a model gets them. Made once: a client asks as often as it likes.
    for_models: Arc<JsonObject>,
    brief_output: Arc<JsonObject>,
    parser: Option<Parser>,
    check: OnceLock<ArgumentCheck>,
    timeout: Option<Duration>,
    thresholds: Thresholds,
}

/// A published tool.
#[derive(Debug, Clone, Copy)]
pub struct Published<'a> {
    /// What the catalog says, with the times and the concurrency that hold here.
    pub entry: &'a ToolEntry,
    /// What a call takes.
    pub input_schema: &'a Arc<JsonObject>,
    /// What it gives.
    pub output_schema: &'a Arc<JsonObject>,
    /// What a call takes, as a model gets it.
    pub for_models: &'a Arc<JsonObject>,
    /// What it gives over MCP.
    pub brief_output: &'a Arc<JsonObject>,
    /// What reads its output.
    pub parser: Option<&'a Parser>,
    /// The time limit to ask for where the client asks for none; `None` leaves it to the broker.
    pub timeout: Option<Duration>,
    /// When its circuit breaker opens, and for how long.
    pub thresholds: Thresholds,
    check: &'a OnceLock<ArgumentCheck>,
}

/// Why a tool in the catalog is not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// `tool.exclude` names it.
    Excluded,
    /// `tool.include` names others only.
    NotIncluded,
    /// An administrator has disabled it in this process.
    Disabled,
}

impl Hidden {
    /// The reason, to follow the tool's name.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Excluded => "is excluded by this server's configuration (tool.exclude)",
            Self::NotIncluded => "is not among the tools this server offers (tool.include)",
            Self::Disabled => "is disabled on this server",
        }
    }
}

impl Listing {
    /// Applies configuration and registry to a catalog.
    pub(super) fn new(config: &Config, catalog: &Catalog, disabled: &BTreeSet<String>) -> Self {
        let mut published = catalog.clone();
        if let Some(longest) = &config.for_all.timeout {
            published.allowance.timeout_ceiling =
                published.allowance.timeout_ceiling.min(longest.value);
        }
        let mut hidden = Vec::new();
        let mut settled_by_tool = Vec::new();
        let mut tools = std::mem::take(&mut published.tools);
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        for mut entry in tools {
            clean_entry(&mut entry);
            match reason_to_hide(config, &entry, disabled) {
                Some(reason) => hidden.push((entry, reason)),
                None => {
                    let settled =
                        Settled::of(config, &entry, catalog.allowance_of(&entry).timeout_ceiling);
                    entry.timeout = settled.timeout.unwrap_or(entry.timeout);
                    entry.concurrency = settled.concurrency;
                    settled_by_tool.push(settled);
                    published.tools.push(entry);
                }
            }
        }
        let parts = published.tools.iter().zip(settled_by_tool).map(|(entry, settled)| {
            let input = schema::input(entry, &published, config.tools.max_args_bytes);
            let parser = parser_of(entry);
            let output = schema::output(parser.as_ref());
            Parts {
                for_models: Arc::new(schema::for_models(&input)),
                brief_output: Arc::new(schema::brief_output(&output)),
                input_schema: Arc::new(input),
                output_schema: Arc::new(output),
                parser,
                check: OnceLock::new(),
                timeout: settled.timeout,
                thresholds: settled.thresholds,
            }
        });
        let parts = parts.collect();
        let max_args_bytes = config.tools.max_args_bytes;
        let is_own = |name: &&String| OWN_TOOLS.contains(&name.as_str());
        let excluded_own = config.tools.exclude.iter().filter(is_own).cloned().collect();
        Self { catalog: published, parts, hidden, max_args_bytes, excluded_own }
    }

    /// Whether whoever may use these tools, out of `all` that is published, has one of [`OWN_TOOLS`] beside
    /// them.
    #[must_use]
    pub fn offers_own(&self, name: &str, all: &Self) -> bool {
        let is_excluded = self.excluded_own.iter().any(|own| own == name);
        !is_excluded && !self.catalog.tools.is_empty() && all.entry(name).is_none()
    }

    /// The same for somebody who may use these tools only, up to this tier.
    #[must_use]
    pub fn narrowed(&self, covers: impl Fn(&ToolEntry) -> bool, tier: Option<Tier>) -> Self {
        let is_within = |of: Tier| tier != Some(Tier::Standard) || of == Tier::Standard;
        let seen = |entry: &ToolEntry| covers(entry) && is_within(entry.tier);
        let mut catalog = Catalog { tools: Vec::new(), ..self.catalog.clone() };
        let mut parts = Vec::new();
        for (entry, of_tool) in self.catalog.tools.iter().zip(&self.parts) {
            if !seen(entry) {
                continue;
            }
            let mut entry = entry.clone();
            entry.options.retain(|option| is_within(option.tier));
            entry.presets.retain(|preset| is_within(preset.tier));
            entry.intrusive = entry.intrusive && is_within(Tier::Intrusive);
            let input = schema::input(&entry, &self.catalog, self.max_args_bytes);
            catalog.tools.push(entry);
            parts.push(Parts {
                for_models: Arc::new(schema::for_models(&input)),
                brief_output: Arc::clone(&of_tool.brief_output),
                input_schema: Arc::new(input),
                output_schema: Arc::clone(&of_tool.output_schema),
                parser: of_tool.parser.clone(),
                check: OnceLock::new(),
                timeout: of_tool.timeout,
                thresholds: of_tool.thresholds,
            });
        }
        let hidden = self.hidden.iter().filter(|(entry, _)| seen(entry)).cloned().collect();
        let (max_args_bytes, excluded_own) = (self.max_args_bytes, self.excluded_own.clone());
        Self { catalog, parts, hidden, max_args_bytes, excluded_own }
    }

    /// The published tools, by name.
    pub fn tools(&self) -> impl Iterator<Item = Published<'_>> {
        self.catalog.tools.iter().zip(&self.parts).map(|(entry, parts)| Published {
            entry,
            input_schema: &parts.input_schema,
            output_schema: &parts.output_schema,
            for_models: &parts.for_models,
            brief_output: &parts.brief_output,
            parser: parts.parser.as_ref(),
            timeout: parts.timeout,
            thresholds: parts.thresholds,
            check: &parts.check,
        })
    }

    /// A published tool by its name or one of its aliases.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<Published<'_>> {
        self.tools().find(|tool| answers_to(tool.entry, name))
    }

    /// The catalog's own name of a tool, published or not, by its name or alias.
    #[must_use]
    pub fn name_of(&self, name: &str) -> Option<&str> {
        let hidden = self.hidden.iter().map(|(entry, _)| entry);
        let mut all = self.catalog.tools.iter().chain(hidden);
        all.find(|entry| answers_to(entry, name)).map(|entry| entry.name.as_str())
    }

    /// Why a tool of the catalog is not published, by its name or alias.
    #[must_use]
    pub fn hidden(&self, name: &str) -> Option<Hidden> {
        self.hidden.iter().find(|(entry, _)| answers_to(entry, name)).map(|(_, reason)| *reason)
    }

    /// The tools of the catalog that are not published, by name, with the reason.
    pub fn all_hidden(&self) -> impl Iterator<Item = (&ToolEntry, Hidden)> {
        self.hidden.iter().map(|(entry, reason)| (entry, *reason))
    }

    /// What the catalog says of a tool, published or not, by its name or alias.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&ToolEntry> {
        let hidden = self.hidden.iter().map(|(entry, _)| entry);
        self.catalog.tools.iter().chain(hidden).find(|entry| answers_to(entry, name))
    }
}

impl PartialEq for Listing {
    /// Whether a client would see any difference.
    fn eq(&self, other: &Self) -> bool {
        self.catalog == other.catalog && self.hidden == other.hidden
    }
}

impl Published<'_> {
    /// Holds arguments against the input schema. It is compiled when first needed, not at start.
    #[must_use]
    pub fn check(&self) -> &ArgumentCheck {
        self.check.get_or_init(|| {
            let flag = |option: &OptionEntry| Some((option.flag.clone()?, option.name.to_string()));
            ArgumentCheck::new(
                self.input_schema,
                self.entry.options.iter().filter_map(flag).collect(),
            )
        })
    }
}

/// Says which configured names no tool answers to: a misspelt exclusion excludes nothing.
pub(super) fn warn_of_unknown_names(config: &Config, catalog: &Catalog) {
    let lists = [("tool.include", &config.tools.include), ("tool.exclude", &config.tools.exclude)];
    for counter in config.counters.iter().filter(|it| catalog.tool(&it.tool).is_none()) {
        tracing::warn!(key = "metrics.counter", tool = counter.tool, "config.unknown_tool");
    }
    for (key, names) in lists {
        let is_unknown =
            |name: &&String| catalog.tool(name).is_none() && !OWN_TOOLS.contains(&name.as_str());
        for name in names.iter().filter(is_unknown) {
            tracing::warn!(key, tool = name, "config.unknown_tool");
        }
    }
}

/// What reads the tool's output, where this version can: a result is never refused for how it is shown.
fn parser_of(entry: &ToolEntry) -> Option<Parser> {
    let found = match entry.parser.as_ref()? {
        ParserEntry::Named(name) => {
            Parser::named(name).ok_or_else(|| format!("there is no parser {name:?}"))
        }
        ParserEntry::Table(table) => Parser::of_table(table).map_err(|error| error.to_string()),
    };
    found
        .inspect_err(|reason| {
            tracing::warn!(tool = entry.name.as_str(), reason, "parser.unusable");
        })
        .ok()
}

/// An administrator wrote these texts, and a model and a terminal will read them: nothing in them
/// may steer either.
fn clean_entry(entry: &mut ToolEntry) {
    let clean = |text: &mut String| {
        if let Cow::Owned(cleaned) = clean_str(text) {
            *text = cleaned;
        }
    };
    clean(&mut entry.summary);
    clean(&mut entry.command);
    entry.title.iter_mut().chain(&mut entry.advice).chain(&mut entry.package).for_each(clean);
    entry.metadata.iter_mut().for_each(|(_, text)| clean(text));
    for option in &mut entry.options {
        option.flag.iter_mut().for_each(clean);
        clean(&mut option.help);
        option.default.iter_mut().chain(&mut option.example).for_each(clean);
    }
    for preset in &mut entry.presets {
        clean(&mut preset.help);
        preset.options.iter_mut().for_each(|(_, value)| clean(value));
    }
    if let Availability::Unavailable { reason, remedy } = &mut entry.availability {
        clean(reason);
        clean(remedy);
    }
}

fn reason_to_hide(
    config: &Config,
    entry: &ToolEntry,
    disabled: &BTreeSet<String>,
) -> Option<Hidden> {
    let named = |list: &[String]| list.iter().any(|name| answers_to(entry, name));
    if named(&config.tools.exclude) {
        return Some(Hidden::Excluded);
    }
    if !config.tools.include.is_empty() && !named(&config.tools.include) {
        return Some(Hidden::NotIncluded);
    }
    disabled.contains(entry.name.as_str()).then_some(Hidden::Disabled)
}

fn answers_to(entry: &ToolEntry, name: &str) -> bool {
    entry.name.as_str() == name || entry.aliases.iter().any(|alias| alias.as_str() == name)
}
