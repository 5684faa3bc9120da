//! The tool of a suggestion: the one that is asked for, the one that was meant by its name, or one
//! that does less.

use probity_protocol::{Call, Target, TargetKind, Tier, ToolName};

use crate::{
    grants::{Standing, weight},
    near::{FEW, closest},
    tool::Tool,
};

/// Names of the tools that somebody can use, aliases among them, that are compared with one.
const MOST_NAMES: usize = 2 * FEW;

/// Words of a name that are tools' names by themselves, as in `nmap_scan`.
const MOST_WORDS: usize = 4;

pub(super) struct Chosen<'p, 'c> {
    pub tool: &'p Tool,
    pub tier: Tier,
    /// As it is to be asked for.
    pub name: &'c ToolName,
    /// It stands in for one that the subject cannot use.
    pub is_lighter: bool,
}

/// The tool, if the subject can use it; else one with a name like the one given; else, for one that
/// exists, the lightest that takes this kind of target, if it takes less than that one would.
pub(super) fn chosen<'p: 'c, 'c>(
    standing: &Standing<'p>,
    call: &'c Call,
) -> Option<Chosen<'p, 'c>> {
    let policy = standing.policy;
    let asked = policy.tool_number(call.tool.as_str());
    let usable = |at: usize| Some((standing.can_use(at)?, policy.tools.get(at)?.as_ref()));
    if let Some((tier, tool)) = asked.and_then(usable) {
        return Some(Chosen { tool, tier, name: &call.tool, is_lighter: false });
    }
    let other = |tool: &'p Tool, is_lighter| {
        let (tier, _) = usable(policy.tool_number(tool.name.as_str())?)?;
        Some(Chosen { tool, tier, name: &tool.name, is_lighter })
    };
    // A name that there is was not meant to be another.
    let Some(asked) = asked else {
        return other(meant(standing, call.tool.as_str())?, false);
    };
    let unusable = policy.tools.get(asked)?;
    let kind = match call.target.canonical() {
        Target::Network(_) => TargetKind::Network,
        Target::Address(_) | Target::Name { .. } => TargetKind::Address,
        Target::Malformed(_) => return None,
    };
    let lightest = standing.lightest(kind, Some(asked))?;
    if weight(lightest) <= weight(unusable) { other(lightest, true) } else { None }
}

/// The tool whose name was probably meant: misspelled, or with something before or after it, as in
/// `ping6` or `nmap_scan`.
fn meant<'p>(standing: &Standing<'p>, given: &str) -> Option<&'p Tool> {
    let policy = standing.policy;
    let (few, are_more) = standing.some_usable();
    if are_more {
        let offered = |at: usize| standing.can_use(at).is_some();
        let near = policy.near.closest(given, offered).or_else(|| {
            let mut words = words_of(given).filter_map(|word| policy.tool_number(&word));
            words.find(|at| offered(*at))
        });
        return near.and_then(|at| policy.tools.get(at)).map(AsRef::as_ref);
    }
    let names = || {
        let names = few.iter().flat_map(|(_, tool)| {
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
