//! Who may use which tool at all, in which tier, and how far each grant of it reaches.
//!
//! A subject has what any of its principals is granted, and a call is allowed by one grant as a whole. So
//! a subject gains something only where one of its principals is given a grant of the tool that no grant of
//! the same principal covered, and comparing them one by one leaves nothing out.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use probity_protocol::{Tier, ToolName};

use super::{
    Affected, Change, Dimension, Effect,
    cover::{grant_covers, narrowing},
};
use crate::{
    grants::{Grant, Grantee},
    policy::Policy,
    subject::Principal,
};

/// What each principal can use of a policy.
pub(super) struct Access<'p>(BTreeMap<Whom, Held<'p>>);

/// By the kernel's number where this machine has the account, so that a name and its number are one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Whom {
    Known(Principal),
    Unknown(Grantee),
}

struct Held<'p> {
    /// As the policy names it.
    name: String,
    tools: BTreeMap<ToolName, Vec<&'p Grant>>,
}

impl Held<'_> {
    fn tier(&self, tool: &ToolName) -> Option<Tier> {
        self.tools.get(tool)?.iter().map(|grant| grant.tier()).max()
    }
}

impl<'p> Access<'p> {
    pub(super) fn of(policy: &'p Policy) -> Self {
        let mut access = BTreeMap::new();
        for grant in &policy.grants {
            let whom = match grant.principal {
                Principal::Nobody => Whom::Unknown(grant.grantee.clone()),
                known => Whom::Known(known),
            };
            let held: &mut Held<'_> = access.entry(whom).or_insert_with(|| Held {
                name: grant.grantee.to_string(),
                tools: BTreeMap::new(),
            });
            let tools = policy.tools().iter().filter(|tool| grant.tools.has(&tool.name));
            for tool in tools.filter(|tool| tool.tier <= grant.tier()) {
                held.tools.entry(tool.name.clone()).or_default().push(grant);
            }
        }
        Self(access)
    }

    /// Those who can use a tool in this tier.
    pub(super) fn users(&self, tool: &ToolName, tier: Tier) -> Vec<String> {
        let can = |held: &&Held<'_>| held.tier(tool).is_some_and(|granted| granted >= tier);
        self.0.values().filter(can).map(|held| held.name.clone()).collect()
    }
}

pub(super) fn compare(
    old: &Policy,
    new: &Policy,
    was: &Access<'_>,
    is: &Access<'_>,
) -> Vec<Change> {
    let everybody: BTreeSet<_> = was.0.keys().chain(is.0.keys()).collect();
    let mut changes = Vec::new();
    for whom in everybody {
        let (before, after) = (was.0.get(whom), is.0.get(whom));
        let Some(name) = after.or(before).map(|held| &held.name) else { continue };
        let tools = [before, after].into_iter().flatten().flat_map(|held| held.tools.keys());
        for tool in tools.collect::<BTreeSet<_>>() {
            let mut add = |effect, text| {
                let affected = Affected::Grantee(name.clone(), tool.clone());
                changes.push(Change { effect, affected, dimension: Dimension::Grant, text });
            };
            let tier = |held: Option<&Held<'_>>| held.and_then(|held| held.tier(tool));
            let note = match (old.tool(tool.as_str()), new.tool(tool.as_str())) {
                (None, Some(added)) => format!(", a new tool: runs {}", added.command.display()),
                (Some(_), None) => ": the tool is gone".to_owned(),
                _ => String::new(),
            };
            let of = |held: Option<&Held<'_>>| {
                held.and_then(|held| held.tools.get(tool)).map(|grants| described(grants, tool))
            };
            let [before_grants, after_grants] = [before, after].map(|held| {
                let grants = held.and_then(|held| held.tools.get(tool));
                grants.map(Vec::as_slice).unwrap_or_default()
            });
            let others = is.0.values().filter_map(|held| held.tools.get(tool)).flatten();
            let others: Vec<_> = others.collect();
            let is_gone = |lost: &&&Grant| {
                let of = old.tool(tool.as_str()).map(AsRef::as_ref);
                !after_grants.iter().any(|kept| grant_covers(kept, lost, old, of))
            };
            let falls = |lost: &&Grant| others.iter().any(|other| takes_over(lost, other));
            if before_grants.iter().filter(is_gone).any(falls) {
                let text = "calls of a grant that is gone may fall to another, which gives more time or \
                            more runs at once";
                add(Effect::Widens, text.to_owned());
            }
            if let Some((effect, text)) = step(tier(before), tier(after)) {
                let narrowed = match after.and(of(after)).unwrap_or_default() {
                    narrowed if narrowed.is_empty() => narrowed,
                    narrowed => format!(" ({narrowed})"),
                };
                add(effect, format!("{text}{narrowed}{note}"));
                continue;
            }
            let is_beyond = |these: &[&Grant], those: &[&Grant], policy: &Policy| {
                let tool = policy.tool(tool.as_str()).map(AsRef::as_ref);
                let covered =
                    |this: &&Grant| those.iter().any(|that| grant_covers(that, this, policy, tool));
                !these.iter().all(covered)
            };
            let [was, is] = [before, after].map(|held| match of(held) {
                Some(narrowed) if !narrowed.is_empty() => narrowed,
                _ => "all that the policy allows".to_owned(),
            });
            if is_beyond(after_grants, before_grants, new) {
                add(Effect::Widens, format!("reaches further: {is}, was {was}"));
            } else if tier(after) < tier(before) {
                add(Effect::Narrows, "loses the intrusive tier".to_owned());
            } else if is_beyond(before_grants, after_grants, old) {
                add(Effect::Narrows, format!("reaches less far: {is}, was {was}"));
            }
        }
    }
    changes
}

/// Whether calls that `lost` allowed, as it came before `other`, have more of something by that one. Of the
/// grants that allow a call one is taken (`decide`): without approval rather than with, then by time, then
/// by runs at once.
fn takes_over(lost: &Grant, other: &Grant) -> bool {
    let time = |grant: &Grant| grant.timeout.unwrap_or(Duration::MAX);
    let runs = |grant: &Grant| grant.concurrency.unwrap_or(u32::MAX);
    let more_runs = runs(other) > runs(lost);
    match (lost.needs_approval, other.needs_approval) {
        (false, true) => time(other) > time(lost) || more_runs,
        (true, false) => false,
        (false, false) | (true, true) => time(other) < time(lost) && more_runs,
    }
}

/// How far some grants reach; empty where one of them reaches as far as the policy.
fn described(grants: &[&Grant], tool: &ToolName) -> String {
    let each: Vec<_> = grants.iter().map(|grant| narrowing(grant, Some(tool))).collect();
    if each.iter().any(String::is_empty) { String::new() } else { each.join(", or ") }
}

fn step(before: Option<Tier>, after: Option<Tier>) -> Option<(Effect, &'static str)> {
    Some(match (before, after) {
        (None, Some(Tier::Standard)) => (Effect::Widens, "gained, standard tier"),
        (None, Some(Tier::Intrusive)) => (Effect::Widens, "gained, intrusive tier included"),
        (Some(Tier::Standard), Some(Tier::Intrusive)) => {
            (Effect::Widens, "gains the intrusive tier")
        }
        (Some(_), None) => (Effect::Narrows, "lost"),
        // A tier that is lost may come with networks that are gained.
        (Some(_), Some(_)) | (None, None) => return None,
    })
}

/// Everybody that either policy grants anything, each by one name.
pub(super) fn named(was: &Access<'_>, is: &Access<'_>) -> Vec<String> {
    let gone = was.0.iter().filter(|(whom, _)| !is.0.contains_key(whom)).map(|(_, held)| held);
    is.0.values().chain(gone).map(|held| held.name.clone()).collect()
}
