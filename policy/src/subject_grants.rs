//! One subject's share of the grants, worked out once for each call.

use probity_protocol::Tier;

use crate::{
    grants::{Held, Rules},
    policy::Policy,
    source::Place,
    subject::{Principal, Subject},
    tool::Tool,
    work::{self, Kind},
};

/// What the grants give one subject for one tool.
#[derive(Debug, Clone)]
pub(crate) struct Granted<'p> {
    pub tier: Tier,
    /// The grant that decided: an intrusive one where there is one.
    pub place: &'p Place,
}

/// What one subject is granted by a policy.
#[derive(Debug)]
pub(crate) struct SubjectGrants<'p> {
    pub policy: &'p Policy,
    held: Vec<&'p Held>,
    /// The highest tier that counts.
    most: Tier,
}

impl<'p> SubjectGrants<'p> {
    pub(crate) fn of(policy: &'p Policy, subject: &Subject, most: Option<Tier>) -> Self {
        let groups = subject.gids.iter().map(|gid| Principal::Group(*gid));
        let owner = subject.owner.then_some(Principal::Owner);
        let own = std::iter::once(Principal::User(subject.uid)).chain(owner);
        let held = own.chain(groups).filter_map(|principal| policy.grant_index.held(principal));
        let most = most.map_or(subject.most, |most| most.min(subject.most));
        Self { policy, held: held.collect(), most }
    }

    /// No grant is for this subject.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// What is granted for a tool, by its number; for a tool that does not exist where `None`.
    pub(crate) fn granted(&self, tool: Option<usize>) -> Option<Granted<'p>> {
        let rules = self.held.iter().map(|held| held.rules(tool));
        let rules = rules.fold(Rules::default(), Rules::or);
        let grant = |at: usize| self.policy.grants.get(at);
        let first = grant(rules.first?)?;
        let intrusive = rules.intrusive.and_then(grant);
        let enough = first.intrusive || self.most == Tier::Standard;
        let decides = if enough { first } else { intrusive.unwrap_or(first) };
        let granted = if decides.intrusive { Tier::Intrusive } else { Tier::Standard };
        Some(Granted { tier: granted.min(self.most), place: &decides.place })
    }

    /// The tier in which a tool can be used at all, if it can.
    pub(crate) fn can_use(&self, at: usize) -> Option<Tier> {
        work::done(Kind::Looked);
        let tool = self.policy.tools.get(at)?;
        let granted = self.granted(Some(at))?;
        (tool.tier <= granted.tier).then_some(granted.tier)
    }

    /// Every tool that can be used, with its tier, in the order of the files.
    pub(crate) fn usable(&self) -> impl Iterator<Item = (usize, &'p Tool, Tier)> {
        let tools = self.policy.tools.iter().enumerate();
        tools.filter_map(|(at, tool)| Some((at, tool.as_ref(), self.can_use(at)?)))
    }
}

#[cfg(test)]
#[path = "subject_grants_tests.rs"]
mod tests;
