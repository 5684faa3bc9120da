//! Who may use which tool at all, and in which tier.
//!
//! A subject has what any of its principals is granted. So it gains a tool or a tier only where one
//! of them does, and comparing them one by one leaves nothing out.

use std::collections::{BTreeMap, BTreeSet};

use probity_protocol::{Tier, ToolName};

use super::{Change, Dimension, Effect, Scope};
use crate::{
    grants::{GrantedTools, Grantee},
    policy::Policy,
    subject::Principal,
};

/// What each principal can use of a policy.
pub(super) struct Access(BTreeMap<Whom, Held>);

/// By the kernel's number where this machine has the account, so that a name and its number are one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Whom {
    Known(Principal),
    Unknown(Grantee),
}

struct Held {
    /// As the policy names it.
    name: String,
    tools: BTreeMap<ToolName, Tier>,
}

impl Access {
    pub(super) fn of(policy: &Policy) -> Self {
        let mut access = BTreeMap::new();
        for grant in &policy.grants {
            let whom = match grant.principal {
                Principal::Nobody => Whom::Unknown(grant.grantee.clone()),
                known => Whom::Known(known),
            };
            let held: &mut Held = access.entry(whom).or_insert_with(|| Held {
                name: grant.grantee.to_string(),
                tools: BTreeMap::new(),
            });
            let tier = if grant.intrusive { Tier::Intrusive } else { Tier::Standard };
            for tool in policy.tools() {
                let covered = match &grant.tools {
                    GrantedTools::All => true,
                    GrantedTools::Named(names) => names.iter().any(|n| n == tool.name.as_str()),
                };
                if covered && tool.tier <= tier {
                    let best = held.tools.entry(tool.name.clone()).or_insert(tier);
                    *best = tier.max(*best);
                }
            }
        }
        Self(access)
    }

    /// Those who can use a tool in this tier.
    pub(super) fn users(&self, tool: &ToolName, tier: Tier) -> Vec<String> {
        let can = |held: &&Held| held.tools.get(tool).is_some_and(|granted| *granted >= tier);
        self.0.values().filter(can).map(|held| held.name.clone()).collect()
    }
}

pub(super) fn compare(old: &Policy, new: &Policy, was: &Access, is: &Access) -> Vec<Change> {
    let everybody: BTreeSet<_> = was.0.keys().chain(is.0.keys()).collect();
    let mut changes = Vec::new();
    for whom in everybody {
        let (before, after) = (was.0.get(whom), is.0.get(whom));
        let Some(name) = after.or(before).map(|held| &held.name) else { continue };
        let tools = [before, after].into_iter().flatten().flat_map(|held| held.tools.keys());
        for tool in tools.collect::<BTreeSet<_>>() {
            let tier = |held: Option<&Held>| held.and_then(|held| held.tools.get(tool).copied());
            let Some((effect, text)) = step(tier(before), tier(after)) else { continue };
            let note = match (old.tool(tool.as_str()), new.tool(tool.as_str())) {
                (None, Some(added)) => format!(", a new tool: runs {}", added.command.display()),
                (Some(_), None) => ": the tool is gone".to_owned(),
                _ => String::new(),
            };
            let scope = Scope::Grantee(name.clone(), tool.clone());
            let text = format!("{text}{note}");
            changes.push(Change { effect, scope, dimension: Dimension::Grant, text });
        }
    }
    changes
}

fn step(before: Option<Tier>, after: Option<Tier>) -> Option<(Effect, &'static str)> {
    Some(match (before, after) {
        (None, Some(Tier::Standard)) => (Effect::Widens, "gained, standard tier"),
        (None, Some(Tier::Intrusive)) => (Effect::Widens, "gained, intrusive tier included"),
        (Some(Tier::Standard), Some(Tier::Intrusive)) => {
            (Effect::Widens, "gains the intrusive tier")
        }
        (Some(Tier::Intrusive), Some(Tier::Standard)) => {
            (Effect::Narrows, "loses the intrusive tier")
        }
        (Some(_), None) => (Effect::Narrows, "lost"),
        (None, None) | (Some(Tier::Standard), Some(Tier::Standard)) => return None,
        (Some(Tier::Intrusive), Some(Tier::Intrusive)) => return None,
    })
}

/// Everybody that either policy grants anything, each by one name.
pub(super) fn named(was: &Access, is: &Access) -> Vec<String> {
    let gone = was.0.iter().filter(|(whom, _)| !is.0.contains_key(whom)).map(|(_, held)| held);
    is.0.values().chain(gone).map(|held| held.name.clone()).collect()
}
