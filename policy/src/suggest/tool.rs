//! Another tool for a call whose own does not exist, is not granted, or can be aimed at nothing.

use probity_protocol::{Call, Target, TargetKind, Tier};

use crate::{
    grants::Standing,
    near::{FEW, closest},
    tool::Tool,
};

/// Names of the tools that somebody can use, aliases among them, that are compared with one.
const MOST_NAMES: usize = 2 * FEW;

/// Words of a name that are tools' names by themselves, as in `nmap_scan`.
const MOST_WORDS: usize = 4;

pub(super) struct Other<'p> {
    pub tool: &'p Tool,
    pub tier: Tier,
    /// Its name is like the one that was given, and not just what it is aimed at.
    pub is_meant: bool,
}

/// A tool that the subject can use: one with a name like the one given, else the lightest that
/// takes this kind of target, else the lightest for which there is any target.
pub(super) fn other<'p>(
    standing: &Standing<'p>,
    call: &Call,
    asked: Option<usize>,
) -> Option<Other<'p>> {
    let policy = standing.policy;
    let exists = |kind| policy.targets.nearest(&[kind], &call.target).is_some();
    let kinds = [TargetKind::Address, TargetKind::Network].map(|k| (k, exists(k)));
    let can_aim =
        |tool: &Tool| kinds.iter().any(|(kind, exists)| *exists && tool.targets.contains(kind));
    let as_other = |tool: &'p Tool, is_meant| {
        let at = policy.tool_number(tool.name.as_str())?;
        Some(Other { tool, tier: standing.can_use(at)?, is_meant })
    };
    let meant = meant(standing, call.tool.as_str(), |at, tool| Some(at) != asked && can_aim(tool));
    if let Some(tool) = meant {
        return as_other(tool, true);
    }
    let asked_kind = match call.target.canonical() {
        Target::Network(_) => TargetKind::Network,
        Target::Address(_) | Target::Name { .. } | Target::Malformed(_) => TargetKind::Address,
    };
    let first_asked = |(kind, _): &(TargetKind, bool)| *kind != asked_kind;
    let mut kinds = kinds.into_iter().filter(|(_, exists)| *exists).collect::<Vec<_>>();
    kinds.sort_by_key(first_asked);
    as_other(kinds.into_iter().find_map(|(kind, _)| standing.lightest(kind, asked))?, false)
}

/// The tool whose name was probably meant: misspelled, or with something before or after it, as in
/// `ping6` or `nmap_scan`.
fn meant<'p>(
    standing: &Standing<'p>,
    given: &str,
    fits: impl Fn(usize, &Tool) -> bool,
) -> Option<&'p Tool> {
    let policy = standing.policy;
    let (few, are_more) = standing.some_usable();
    if are_more {
        let offered = |at: usize| {
            standing.can_use(at).is_some() && policy.tools.get(at).is_some_and(|t| fits(at, t))
        };
        let near = policy.near.closest(given, offered).or_else(|| {
            let mut words = words_of(given).filter_map(|word| policy.tool_number(&word));
            words.find(|at| offered(*at))
        });
        return near.and_then(|at| policy.tools.get(at)).map(AsRef::as_ref);
    }
    let names = || {
        let fitting = few.iter().filter(|(at, tool)| fits(*at, tool));
        let names = fitting.flat_map(|(_, tool)| {
            let names = std::iter::once(&tool.name).chain(&tool.aliases);
            names.map(|name| (name.as_str(), *tool))
        });
        names.take(MOST_NAMES)
    };
    let named = |name: &str| names().find(|(known, _)| *known == name).map(|(_, tool)| tool);
    let near = closest(given, names().map(|(name, _)| name)).and_then(named);
    near.or_else(|| words_of(given).find_map(|word| named(&word)))
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
