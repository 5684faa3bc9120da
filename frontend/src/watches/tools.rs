//! The tools that there are to watch with, as far as a file of watches is held against them. It only says
//! early what a call would be told later: a tool that is published and then is not is refused by the call.

use std::{collections::BTreeMap, time::Duration};

use crate::{calls::published::registry::Listing, text::near::nearest};

/// How like a name has to be for it to have been meant.
pub(super) const LIKENESS: f64 = 0.8;

/// What a file of watches has to fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTool {
    /// Its own name.
    pub name: String,
    /// Other names it answers to.
    pub aliases: Vec<String>,
    /// How long a run may take that does not say otherwise.
    pub timeout: Duration,
    /// What reads its output, by its name: `ping`, `nmap-xml`, `table`.
    pub parser: Option<String>,
    /// Whether a call has to name a target.
    pub needs_target: bool,
    /// The names of its options.
    pub options: Vec<String>,
    /// The names of its presets.
    pub presets: Vec<String>,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct Tools(BTreeMap<String, KnownTool>);

impl Tools {
    /// These and no others.
    #[must_use]
    pub fn new(tools: impl IntoIterator<Item = KnownTool>) -> Self {
        Self(tools.into_iter().map(|tool| (tool.name.clone(), tool)).collect())
    }

    /// Those that are published now.
    #[must_use]
    pub fn of(listing: &Listing) -> Self {
        Self::new(listing.tools().map(|tool| {
            let entry = tool.entry;
            KnownTool {
                name: entry.name.to_string(),
                aliases: entry.aliases.iter().map(ToString::to_string).collect(),
                timeout: tool.timeout.unwrap_or(entry.timeout),
                parser: tool.parser.map(|parser| parser.name().to_owned()),
                needs_target: !entry.targets.is_empty() && entry.default_target.is_none(),
                options: entry.options.iter().map(|option| option.name.to_string()).collect(),
                presets: entry.presets.iter().map(|preset| preset.name.to_string()).collect(),
            }
        }))
    }

    /// A tool by its name or an alias.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&KnownTool> {
        let by_alias = || self.0.values().find(|tool| tool.aliases.iter().any(|it| it == name));
        self.0.get(name).or_else(by_alias)
    }

    /// The name that was probably meant by one that there is not.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.0.keys().map(String::as_str), LIKENESS)
    }
}
