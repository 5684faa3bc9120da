//! Who is granted what, found without a look at everybody else's grants.
//!
//! A call asks this several times, so what each principal holds is worked out once, at load, and a
//! subject's share of it once for each call.

use std::{collections::HashMap, fmt, sync::Arc};

use probity_protocol::{TargetKind, Tier};

use crate::{
    near::FEW,
    policy::Policy,
    raw::RawAccount,
    source::Place,
    subject::{Principal, Subject},
    tool::Tool,
    work::{self, Kind},
};

#[derive(Debug, Clone)]
pub(crate) struct Grant {
    /// As the policy names it.
    pub grantee: Grantee,
    /// As the kernel knows it, on this machine.
    pub principal: Principal,
    pub tools: GrantedTools,
    pub intrusive: bool,
    pub place: Place,
}

/// Whom a grant is for, as the policy names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grantee {
    User(RawAccount),
    Group(RawAccount),
    /// `self = true`
    Owner,
}

impl fmt::Display for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, account) = match self {
            Self::User(account) => ("user", account),
            Self::Group(account) => ("group", account),
            Self::Owner => return f.write_str("self (embedded)"),
        };
        match account {
            RawAccount::Id(id) => write!(f, "{what} {id}"),
            RawAccount::Name(name) => write!(f, "{what} {name}"),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum GrantedTools {
    All,
    /// Short names.
    Named(Vec<String>),
}

/// What the grants give one subject for one tool.
#[derive(Debug, Clone)]
pub(crate) struct Granted<'p> {
    pub tier: Tier,
    /// The grant that decided: an intrusive one where there is one.
    pub place: &'p Place,
}

/// The grants by whom they are for. Numbers are those of the policy's lists.
#[derive(Debug, Clone, Default)]
pub(crate) struct GrantIndex {
    held: HashMap<Principal, Held>,
}

/// What one principal holds.
#[derive(Debug, Clone, Default)]
struct Held {
    every_tool: Rules,
    named: HashMap<usize, Rules>,
    /// What it can use where only the standard tier counts, and where all tiers do.
    usable: [Usable; 2],
}

/// Grants that cover a tool: the first, and the first of the intrusive tier.
#[derive(Debug, Clone, Copy, Default)]
struct Rules {
    first: Option<usize>,
    intrusive: Option<usize>,
}

/// Tools that can be used, as far as somebody is told of them.
#[derive(Debug, Clone, Default)]
struct Usable {
    /// The first of them.
    few: Vec<usize>,
    /// Those are not all.
    are_more: bool,
    /// For each kind of target the two that take least and scan no ports, so that there is another than
    /// any one.
    lightest: [Vec<usize>; 2],
}

impl Rules {
    fn add(&mut self, at: usize, grant: &Grant) {
        self.first = self.first.or(Some(at));
        if grant.intrusive {
            self.intrusive = self.intrusive.or(Some(at));
        }
    }

    fn or(self, other: Self) -> Self {
        let earlier = |one: Option<usize>, other| one.into_iter().chain(other).min();
        Self {
            first: earlier(self.first, other.first),
            intrusive: earlier(self.intrusive, other.intrusive),
        }
    }
}

impl GrantIndex {
    /// `number` is a tool's place in the list of tools, by its short name.
    pub(crate) fn new(
        grants: &[Grant],
        tools: &[Arc<Tool>],
        number: impl Fn(&str) -> Option<usize>,
    ) -> Self {
        let mut index = Self::default();
        for (at, grant) in grants.iter().enumerate() {
            let held = index.held.entry(grant.principal).or_default();
            match &grant.tools {
                GrantedTools::All => held.every_tool.add(at, grant),
                GrantedTools::Named(names) => {
                    for tool in names.iter().filter_map(|name| number(name)) {
                        held.named.entry(tool).or_default().add(at, grant);
                    }
                }
            }
        }
        // Nobody is this one.
        index.held.remove(&Principal::Nobody);
        let orders = Orders::of(tools);
        for held in index.held.values_mut() {
            held.usable =
                [Tier::Standard, Tier::Intrusive].map(|most| held.usable_at(&orders, most));
        }
        index
    }
}

/// Tools by what somebody is told of them first. A principal that holds many needs a look at a few.
struct Orders<'t> {
    tools: &'t [Arc<Tool>],
    by_file: Vec<usize>,
    by_weight: [Vec<usize>; 2],
}

impl<'t> Orders<'t> {
    fn of(tools: &'t [Arc<Tool>]) -> Self {
        let by_file: Vec<usize> = (0..tools.len()).collect();
        Self { tools, by_weight: Self::by_weight(tools, &by_file), by_file }
    }

    /// For each kind of target the tools that take it and scan no ports, the lightest first.
    fn by_weight(tools: &[Arc<Tool>], these: &[usize]) -> [Vec<usize>; 2] {
        KINDS.map(|kind| {
            let each = these.iter().filter_map(|at| Some((*at, tools.get(*at)?)));
            let takers = each.filter(|(_, tool)| takes_lightly(tool, kind));
            let mut takers: Vec<_> = takers.map(|(at, tool)| (weight(tool), at)).collect();
            takers.sort_unstable();
            takers.into_iter().map(|(_, at)| at).collect()
        })
    }
}

impl Held {
    fn rules(&self, tool: usize) -> Rules {
        self.every_tool.or(self.named.get(&tool).copied().unwrap_or_default())
    }

    fn usable_at(&self, orders: &Orders<'_>, most: Tier) -> Usable {
        let can = |at: &usize| {
            let rules = self.rules(*at);
            match orders.tools.get(*at).map(|tool| tool.tier) {
                Some(Tier::Standard) => rules.first.is_some(),
                Some(Tier::Intrusive) => rules.intrusive.is_some() && most == Tier::Intrusive,
                None => false,
            }
        };
        let mut own: Vec<usize> = self.named.keys().copied().collect();
        let all = if self.every_tool.first.is_some() { Some(orders) } else { None };
        own.sort_unstable();
        let few = all.map_or(&own, |orders| &orders.by_file);
        let mut few: Vec<usize> = few.iter().copied().filter(can).take(FEW + 1).collect();
        let are_more = few.len() > FEW;
        few.truncate(FEW);
        let weighed = Orders::by_weight(orders.tools, &own);
        let by_weight = all.map_or(&weighed, |orders| &orders.by_weight);
        let two = |all: &Vec<usize>| all.iter().copied().filter(can).take(2).collect();
        Usable { few, are_more, lightest: by_weight.each_ref().map(two) }
    }
}

const KINDS: [TargetKind; 2] = [TargetKind::Address, TargetKind::Network];

/// A tool that could stand in for another: it takes this kind of target and scans no ports.
fn takes_lightly(tool: &Tool, kind: TargetKind) -> bool {
    tool.targets.contains(&kind) && !tool.lookup.chooses_ports()
}

/// The lightest comes first, so that nobody is led into more than he asked for.
pub(crate) fn weight(tool: &Tool) -> (Tier, std::time::Duration) {
    (tool.tier, tool.timeout.value)
}

/// One subject's share of the grants.
#[derive(Debug)]
pub(crate) struct Standing<'p> {
    pub policy: &'p Policy,
    held: Vec<&'p Held>,
    /// The highest tier that counts.
    pub most: Tier,
}

impl<'p> Standing<'p> {
    pub(crate) fn of(policy: &'p Policy, subject: &Subject, most: Option<Tier>) -> Self {
        let groups = subject.gids.iter().map(|gid| Principal::Group(*gid));
        let owner = subject.owner.then_some(Principal::Owner);
        let own = std::iter::once(Principal::User(subject.uid)).chain(owner);
        let index = &policy.grant_index.held;
        let held = own.chain(groups).filter_map(|principal| index.get(&principal)).collect();
        let most = most.map_or(subject.most, |most| most.min(subject.most));
        Self { policy, held, most }
    }

    /// What is granted for a tool, by its number; for a tool that does not exist where `None`.
    pub(crate) fn granted(&self, tool: Option<usize>) -> Option<Granted<'p>> {
        let rules = self.held.iter().map(|held| match tool {
            Some(tool) => held.rules(tool),
            None => held.every_tool,
        });
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

    /// The first tools that can be used, in the order of the files, and whether there are more.
    pub(crate) fn some_usable(&self) -> (Vec<(usize, &'p Tool)>, bool) {
        let shares =
            || self.held.iter().filter_map(|held| held.usable.get(usize::from(self.tier())));
        let mut some: Vec<usize> =
            shares().flat_map(|usable| &usable.few).copied().take(MOST_SHARES).collect();
        some.sort_unstable();
        some.dedup();
        let are_more = shares().any(|usable| usable.are_more) || some.len() > FEW;
        let tools = some.into_iter().take(FEW).filter_map(|at| {
            work::done(Kind::Looked);
            Some((at, self.policy.tools.get(at)?.as_ref()))
        });
        (tools.collect(), are_more)
    }

    /// The lightest tool but one that takes this kind of target and scans no ports.
    pub(crate) fn lightest(&self, kind: TargetKind, but: Option<usize>) -> Option<&'p Tool> {
        let place = KINDS.iter().position(|known| *known == kind)?;
        let shares = self.held.iter().filter_map(|held| held.usable.get(usize::from(self.tier())));
        let each = shares.filter_map(|usable| usable.lightest.get(place)).flatten();
        let tools = each.filter(|at| Some(**at) != but).filter_map(|at| {
            work::done(Kind::Looked);
            self.policy.tools.get(*at).map(|tool| (*at, tool.as_ref()))
        });
        tools.min_by_key(|(at, tool)| (weight(tool), *at)).map(|(_, tool)| tool)
    }

    fn tier(&self) -> u8 {
        match self.most {
            Tier::Standard => 0,
            Tier::Intrusive => 1,
        }
    }
}

/// Numbers of tools that are put together from what several principals hold.
const MOST_SHARES: usize = 4 * FEW;

#[cfg(test)]
#[path = "grants_tests.rs"]
mod tests;
