//! One subject's share of the grants, worked out once for each call.

use std::{net::IpAddr, time::SystemTime};

use probity_protocol::Tier;

use crate::{
    denied::Denied,
    granted_options::{Left, OptionLeft},
    grants::{Grant, Held},
    policy::Policy,
    subject::{Principal, Subject},
    tool::Tool,
    work::{self, Kind},
};

/// Grants of one tool that are all looked at: to find out which of them may matter costs as much.
const FEW: usize = 8;

/// The grants that give one subject one tool, and still hold. At least one, in the order of the policy.
///
/// A call is allowed by one of them that covers it as a whole: each step of the decision leaves those that
/// cover its part, so that what two of them give is never added up.
#[derive(Debug, Clone)]
pub(crate) struct Granted<'p> {
    /// Each with its place in the list of grants.
    grants: Vec<(usize, &'p Grant)>,
    /// The highest tier that counts.
    most: Tier,
}

/// What one subject is granted by a policy.
#[derive(Debug)]
pub(crate) struct SubjectGrants<'p> {
    pub policy: &'p Policy,
    held: Vec<&'p Held>,
    /// The highest tier that counts.
    most: Tier,
    now: SystemTime,
}

impl<'p> SubjectGrants<'p> {
    pub(crate) fn of(
        policy: &'p Policy,
        subject: &Subject,
        most: Option<Tier>,
        now: SystemTime,
    ) -> Self {
        let groups = subject.gids.iter().map(|gid| Principal::Group(*gid));
        let owner = subject.owner.then_some(Principal::Owner);
        let own = std::iter::once(Principal::User(subject.uid)).chain(owner);
        let held = own.chain(groups).filter_map(|principal| policy.grant_index.held(principal));
        let most = most.map_or(subject.most, |most| most.min(subject.most));
        Self { policy, held: held.collect(), most, now }
    }

    /// No grant is for this subject.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// What is granted for a tool, by its number; for a tool that does not exist where `None`.
    pub(crate) fn granted(&self, tool: Option<usize>) -> Option<Granted<'p>> {
        self.still(self.covering(tool).collect())
    }

    /// The same of one who holds many, without those that cannot reach an address but for the first of all;
    /// `None` where there are few, or none.
    pub(crate) fn granted_near(&self, tool: usize, address: IpAddr) -> Option<Granted<'p>> {
        let lists = || self.held.iter().flat_map(|held| held.lists(Some(tool)));
        if lists().map(<[usize]>::len).sum::<usize>() <= FEW {
            return None;
        }
        let holds = |at: &usize| {
            self.policy.grants.get(*at).is_some_and(|grant| grant.ended(self.now).is_none())
        };
        let first = lists().filter_map(|list| list.iter().copied().find(holds)).min();
        let near = self.held.iter().flat_map(|held| held.near(tool, address));
        self.still(near.chain(first).collect())
    }

    fn still(&self, mut numbers: Vec<usize>) -> Option<Granted<'p>> {
        numbers.sort_unstable();
        numbers.dedup();
        let grants = numbers.into_iter().filter_map(|at| Some((at, self.policy.grants.get(at)?)));
        let grants: Vec<_> = grants.filter(|(_, grant)| grant.ended(self.now).is_none()).collect();
        (!grants.is_empty()).then_some(Granted { grants, most: self.most })
    }

    /// The grants of a tool that have ended.
    pub(crate) fn ended(&self, tool: Option<usize>) -> impl Iterator<Item = &'p Grant> {
        let grants = self.covering(tool).filter_map(|at| self.policy.grants.get(at));
        grants.filter(|grant| grant.ended(self.now).is_some())
    }

    fn covering(&self, tool: Option<usize>) -> impl Iterator<Item = usize> {
        self.held.iter().flat_map(move |held| held.covering(tool))
    }

    /// The tier in which a tool can be used at all, if it can.
    pub(crate) fn can_use(&self, at: usize) -> Option<Tier> {
        work::done(Kind::Looked);
        let tool = self.policy.tools.get(at)?;
        let grants = self.covering(Some(at)).filter_map(|at| self.policy.grants.get(at));
        let live = grants.filter(|grant| grant.ended(self.now).is_none());
        let tier = live.map(Grant::tier).max()?.min(self.most);
        (tool.tier <= tier).then_some(tier)
    }

    /// Every tool that can be used, with its tier, in the order of the files.
    pub(crate) fn usable(&self) -> impl Iterator<Item = (usize, &'p Tool, Tier)> {
        let tools = self.policy.tools.iter().enumerate();
        tools.filter_map(|(at, tool)| Some((at, tool.as_ref(), self.can_use(at)?)))
    }
}

impl<'p> Granted<'p> {
    /// The highest tier of any of them.
    pub(crate) fn tier(&self) -> Tier {
        let best = self.grants.iter().map(|(_, grant)| grant.tier()).max();
        best.unwrap_or(Tier::Standard).min(self.most)
    }

    /// Their places in the list of grants.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = usize> {
        self.grants.iter().map(|(at, _)| *at)
    }

    /// Each, with the tier that it gives.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&'p Grant, Tier)> {
        self.grants.iter().map(|(_, grant)| (*grant, grant.tier().min(self.most)))
    }

    /// Whether one of them leaves anything of an option, by its number.
    pub(crate) fn leave(&self, tool: &Tool, at: usize) -> bool {
        let is_gone = |left: &OptionLeft| left.at == at && left.left == Left::Nothing;
        let own = tool.options.get(at).map_or(Tier::Intrusive, |option| option.tier);
        self.each().any(|(grant, tier)| own <= tier && !grant.options.of(tool).iter().any(is_gone))
    }

    /// Each by itself.
    #[cfg(feature = "cli")]
    pub(crate) fn one_by_one(self) -> impl Iterator<Item = (&'p Grant, Self)> {
        let most = self.most;
        self.grants.into_iter().map(move |one| (one.1, Self { grants: vec![one], most }))
    }

    /// Leaves those that pass.
    ///
    /// # Errors
    /// Where none does, the reason that is nearest to a pass: the greatest by `nearness`, and of equals the
    /// first.
    pub(crate) fn keep<N: Ord>(
        self,
        check: impl Fn(&'p Grant, Tier) -> Result<(), Denied<'p>>,
        nearness: impl Fn(&Denied<'p>) -> N,
    ) -> Result<Self, Denied<'p>> {
        let (mut grants, mut nearest) = (Vec::new(), None);
        for (at, grant) in self.grants {
            match (check(grant, grant.tier().min(self.most)), &nearest) {
                (Ok(()), _) => grants.push((at, grant)),
                (Err(denied), Some(known)) if nearness(&denied) <= nearness(known) => {}
                (Err(denied), _) => nearest = Some(denied),
            }
        }
        match nearest {
            Some(denied) if grants.is_empty() => Err(denied),
            _ => Ok(Self { grants, most: self.most }),
        }
    }

    /// The one that gives most, and of equals the first.
    pub(crate) fn most_by<T: Ord>(&self, of: impl Fn(&Grant) -> T) -> Option<(&'p Grant, T)> {
        let each = self.grants.iter().rev().map(|(_, grant)| (*grant, of(grant)));
        each.max_by(|(_, one), (_, other)| one.cmp(other))
    }
}

#[cfg(test)]
#[path = "subject_grants_tests.rs"]
mod tests;
