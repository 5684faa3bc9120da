//! What one policy allows that another does not, for an administrator to sign off.
//!
//! The promise, which a property test holds against the broker's own decision: where nothing widens,
//! whatever the new policy approves the old one approved too, as the same command line, within the
//! same or larger limits and in the same or a wider confinement. Whatever cannot be shown to be less
//! counts as more. Nothing is decided here.

mod confinement;
pub(crate) mod cover;
mod everybody;
mod grants;
mod left;
mod option;
mod tool;
mod values;

use probity_protocol::{Tier, ToolName};
use serde::Serialize;

use crate::policy::Policy;
pub(crate) use everybody::without;
use grants::Access;

/// One thing that is not as it was.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub effect: Effect,
    pub affected: Affected,
    pub dimension: Dimension,
    /// What, in words.
    pub text: String,
}

/// Which way a change goes. What both widens and narrows widens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Effect {
    Widens,
    Narrows,
    /// Neither: what is told of a tool, or where the log goes.
    Differs,
}

/// For whom it is a change. Grantees are as the policies name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Affected {
    /// One grantee and one tool.
    Grantee(String, ToolName),
    /// Those whom the new policy grants the tool, in the tier that the change is about.
    Tool(ToolName, Vec<String>),
    Everybody,
}

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Dimension {
    Grant,
    Approval,
    Tier,
    Alias,
    Networks,
    Names,
    MaxHosts,
    TargetKinds,
    Ceiling,
    Timeout,
    Concurrency,
    Command,
    Option,
    Preset,
    NetRaw,
    Confinement,
    Audit,
    /// What people and models read, and what the frontend does with the output.
    Description,
}

/// Everything that differs from `old` to `new`, and who is granted anything in either.
pub(crate) struct Difference {
    /// By grantee, then by tool, then for everybody.
    pub changes: Vec<Change>,
    /// Everybody that either policy names in a grant.
    pub grantees: Vec<String>,
}

/// Compares two policies. No changes if and only if their digests are the same.
pub(crate) fn diff(old: &Policy, new: &Policy) -> Difference {
    let (was, is) = (Access::of(old), Access::of(new));
    let mut changes = grants::compare(old, new, &was, &is);
    let mut new_tools: Vec<_> = new.tools().iter().collect();
    new_tools.sort_by(|a, b| a.name.cmp(&b.name));
    for tool in new_tools {
        let mut about = AboutTool { name: &tool.name, access: &is, changes: &mut changes };
        match old.tools().iter().find(|same| same.name == tool.name) {
            Some(before) => tool::compare((old, before), (new, tool), &mut about),
            None if !about.has_users() => {
                about.differs(Dimension::Grant, "is new, and granted to nobody");
            }
            None => {}
        }
    }
    for tool in old.tools() {
        let gone = !new.tools().iter().any(|same| same.name == tool.name);
        if gone && was.users(&tool.name, Tier::Standard).is_empty() {
            let mut about = AboutTool { name: &tool.name, access: &is, changes: &mut changes };
            about.narrows(Dimension::Grant, "is gone");
        }
    }
    everybody::compare(old, new, &mut changes);
    if changes.is_empty() && old.digest() != new.digest() {
        let text = "grants are written otherwise; who may use what stays as it was";
        changes.push(Change::everybody(Effect::Differs, Dimension::Grant, text));
    }
    Difference { changes, grantees: grants::named(&was, &is) }
}

impl Difference {
    /// Whether anybody may do anything more.
    pub(crate) fn widens(&self) -> bool {
        self.count(Effect::Widens) > 0
    }

    pub(crate) fn count(&self, effect: Effect) -> usize {
        self.changes.iter().filter(|change| change.effect == effect).count()
    }
}

impl Change {
    fn everybody(effect: Effect, dimension: Dimension, text: impl Into<String>) -> Self {
        Self { effect, affected: Affected::Everybody, dimension, text: text.into() }
    }

    /// Whether it is a change for somebody whom a policy names so.
    pub(crate) fn concerns(&self, grantee: &str) -> bool {
        match &self.affected {
            Affected::Grantee(name, _) => name == grantee,
            Affected::Tool(_, names) => names.iter().any(|name| name == grantee),
            Affected::Everybody => true,
        }
    }

    /// The tool it is a change of, if it is of one.
    pub(crate) fn tool(&self) -> Option<&ToolName> {
        match &self.affected {
            Affected::Grantee(_, tool) | Affected::Tool(tool, _) => Some(tool),
            Affected::Everybody => None,
        }
    }
}

/// Where the changes of one tool are collected.
struct AboutTool<'a> {
    name: &'a ToolName,
    /// Under the new policy.
    access: &'a Access<'a>,
    changes: &'a mut Vec<Change>,
}

impl AboutTool<'_> {
    fn has_users(&self) -> bool {
        !self.access.users(self.name, Tier::Standard).is_empty()
    }

    /// More, for whoever is granted the tool in this tier. For nobody it is no more.
    fn widens(&mut self, dimension: Dimension, tier: Tier, text: impl Into<String>) {
        let users = self.access.users(self.name, tier);
        let (effect, text) = if users.is_empty() {
            (Effect::Differs, format!("{} (granted to nobody)", text.into()))
        } else {
            (Effect::Widens, text.into())
        };
        self.add(effect, dimension, users, text);
    }

    fn narrows(&mut self, dimension: Dimension, text: impl Into<String>) {
        let users = self.access.users(self.name, Tier::Standard);
        self.add(Effect::Narrows, dimension, users, text.into());
    }

    fn differs(&mut self, dimension: Dimension, text: impl Into<String>) {
        let users = self.access.users(self.name, Tier::Standard);
        self.add(Effect::Differs, dimension, users, text.into());
    }

    fn add(&mut self, effect: Effect, dimension: Dimension, users: Vec<String>, text: String) {
        let affected = Affected::Tool(self.name.clone(), users);
        self.changes.push(Change { effect, affected, dimension, text });
    }
}

/// Larger widens, smaller narrows.
fn by_size<T: PartialOrd>(old: &T, new: &T) -> Option<Effect> {
    match old.partial_cmp(new) {
        Some(std::cmp::Ordering::Less) => Some(Effect::Widens),
        Some(std::cmp::Ordering::Greater) => Some(Effect::Narrows),
        _ => None,
    }
}

/// Some of a list, and how many more there are.
fn some(items: impl IntoIterator<Item = impl ToString>) -> String {
    const MOST: usize = 12;
    let mut items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    let more = items.len().saturating_sub(MOST);
    items.truncate(MOST);
    match more {
        0 => items.join(", "),
        more => format!("{} and {more} more", items.join(", ")),
    }
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
