//! The tool of a suggestion: the one that is asked for, the one that was meant by its name, or one
//! that does less.

use std::time::Duration;

use probity_protocol::{Call, Reason, Target, TargetKind, Tier, ToolName, Weight};

use crate::{
    granted::{Granted, Tool},
    near::closest,
};

/// Words of a name that are tools' names by themselves, as in `nmap_scan`.
const MOST_WORDS: usize = 4;

pub(super) struct Chosen<'c> {
    pub tool: Tool<'c>,
    /// As it is to be asked for.
    pub name: &'c ToolName,
    /// It stands in for one that the caller cannot use.
    pub is_lighter: bool,
}

/// The tool, if the caller can use it; else one with a name like the one given; else, for one that
/// exists, the lightest that takes this kind of target, if it takes less than that one would.
pub(super) fn chosen<'c>(
    granted: Granted<'c>,
    call: &'c Call,
    reason: &Reason,
) -> Option<Chosen<'c>> {
    if let Some(tool) = granted.tool(call.tool.as_str()) {
        return Some(Chosen { tool, name: &call.tool, is_lighter: false });
    }
    let other = |tool: Tool<'c>, is_lighter| Chosen { tool, name: &tool.entry.name, is_lighter };
    let weight = match reason {
        Reason::UnknownTool | Reason::NotGranted { weight: None, .. } => {
            return Some(other(meant(granted, call.tool.as_str())?, false));
        }
        // A name that there is was not meant to be another.
        Reason::NotGranted { weight: Some(weight), .. } => *weight,
        // All of it is intrusive, and any tool of the standard tier takes less.
        _ => Weight { tier: Tier::Intrusive, timeout: Duration::ZERO },
    };
    let kind = match call.target.canonical() {
        Target::Network(_) => TargetKind::Network,
        Target::Address(_) | Target::Name { .. } => TargetKind::Address,
        Target::Malformed(_) | Target::None => return None,
    };
    let takers = granted.tools().filter(|tool| tool.takes(kind) && !tool.chooses_ports());
    let lightest = takers.min_by_key(|tool| tool.weight())?;
    (lightest.weight() <= weight).then(|| other(lightest, true))
}

/// The tool whose name was probably meant: misspelled, or with something before or after it, as in
/// `ping6` or `nmap_scan`.
fn meant<'c>(granted: Granted<'c>, given: &str) -> Option<Tool<'c>> {
    let names = granted.tools().flat_map(|tool| {
        std::iter::once(&tool.entry.name).chain(&tool.entry.aliases).map(ToolName::as_str)
    });
    let near = closest(given, names).and_then(|name| granted.tool(name));
    near.or_else(|| words_of(given).find_map(|word| granted.tool(&word)))
}

/// The words of a name, folded, as in `nmap_scan`, `NmapScan` and `ping6`.
fn words_of(given: &str) -> impl Iterator<Item = String> {
    /// Shorter ones are within many words.
    const LEAST: usize = 3;
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in given.chars() {
        let goes_on = c.is_ascii_lowercase() && before.is_ascii_alphabetic()
            || c.is_ascii_uppercase() && before.is_ascii_uppercase();
        if !goes_on {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_ascii_alphabetic()) {
            word.push(c.to_ascii_lowercase());
        }
        before = c;
    }
    words.into_iter().filter(|word| word.len() >= LEAST).take(MOST_WORDS)
}
