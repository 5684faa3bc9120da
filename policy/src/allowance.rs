//! What a subject may aim a tool at, for the catalog: what its grants leave of the policy's targets, all of
//! them together. Nothing is decided by this.

use std::time::Duration;

use ipnet::IpNet;
use probity_protocol::{Allowance, NamePattern};

use crate::{
    grants::Grant,
    networks::NetworkSet,
    policy::Policy,
    subject_grants::Granted,
    targets::{Scope, Targets},
    tool::Tool,
};

pub(crate) fn of_everybody(targets: &Targets, timeout_ceiling: Duration) -> Allowance {
    Allowance {
        networks: targets.allowed.networks().to_vec(),
        denied: targets.denied.networks().to_vec(),
        names: targets.names.patterns().to_vec(),
        max_hosts: targets.max_hosts,
        timeout_ceiling,
    }
}

/// The grants by which a tool can be used at all, where each of them narrows what the policy leaves; else
/// there is one that reaches as far as that.
pub(crate) fn narrowing<'p>(tool: &Tool, granted: &Granted<'p>) -> Option<Vec<&'p Grant>> {
    let usable = granted.each().filter(|(_, tier)| tool.tier <= *tier);
    let narrows = |grant: &'p Grant| !grant.scope.is_open() || grant.timeout.is_some();
    usable.map(|(grant, _)| narrows(grant).then_some(grant)).collect()
}

/// `None` where neither the tool nor the grants narrow what the policy leaves to everybody.
pub(crate) fn of(policy: &Policy, tool: &Tool, granted: &Granted<'_>) -> Option<Allowance> {
    let narrowing = narrowing(tool, granted);
    if narrowing.is_none() && tool.scope.is_open() && tool.max_timeout.is_none() {
        return None;
    }
    let everybody = of_everybody(&policy.targets, policy.longest(tool));
    let of_tool = narrowed(&everybody, &tool.scope, None);
    let Some(grants) = narrowing else { return Some(of_tool) };
    let each = grants.into_iter().map(|grant| narrowed(&of_tool, &grant.scope, grant.timeout));
    each.reduce(joined)
}

/// What one grant leaves of a tool.
#[cfg(feature = "cli")]
pub(crate) fn by(policy: &Policy, tool: &Tool, grant: &Grant) -> Allowance {
    let everybody = of_everybody(&policy.targets, policy.longest(tool));
    narrowed(&narrowed(&everybody, &tool.scope, None), &grant.scope, grant.timeout)
}

/// What a scope leaves.
fn narrowed(from: &Allowance, scope: &Scope, timeout: Option<Duration>) -> Allowance {
    let networks = match &scope.networks {
        Some(networks) => common(&from.networks, networks.networks()),
        None => from.networks.clone(),
    };
    let names = match &scope.names {
        Some(names) => both(&from.names, names.patterns(), NamePattern::covers),
        None => from.names.clone(),
    };
    let denied = [from.denied.as_slice(), scope.denied.networks()].concat();
    Allowance {
        networks,
        denied: NetworkSet::new(&denied).networks().to_vec(),
        names,
        max_hosts: scope.max_hosts.map_or(from.max_hosts, |most| most.min(from.max_hosts)),
        timeout_ceiling: timeout.map_or(from.timeout_ceiling, |t| t.min(from.timeout_ceiling)),
    }
}

/// What either leaves. What one of them denies is denied where the other does not reach.
pub(crate) fn joined(one: Allowance, other: Allowance) -> Allowance {
    let mut denied = common(&one.denied, &other.denied);
    for (this, that) in [(&one, &other), (&other, &one)] {
        let reach = NetworkSet::new(&that.networks);
        denied.extend(this.denied.iter().copied().filter(|network| !reach.overlaps(*network)));
    }
    let networks = [one.networks, other.networks].concat();
    let mut names = one.names;
    names.extend(other.names.into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>());
    Allowance {
        networks: NetworkSet::new(&networks).networks().to_vec(),
        denied: NetworkSet::new(&denied).networks().to_vec(),
        names,
        max_hosts: one.max_hosts.max(other.max_hosts),
        timeout_ceiling: one.timeout_ceiling.max(other.timeout_ceiling),
    }
}

/// The networks that are in both lists.
fn common(these: &[IpNet], those: &[IpNet]) -> Vec<IpNet> {
    NetworkSet::new(&both(these, those, |wide, narrow| wide.contains(narrow))).networks().to_vec()
}

/// What is in both lists, each once. Of two entries one covers the other, or they are apart.
fn both<T: Clone + PartialEq>(these: &[T], those: &[T], covers: fn(&T, &T) -> bool) -> Vec<T> {
    let is_in = |list: &[T], one: &T| list.iter().any(|wide| covers(wide, one));
    let of_these = these.iter().filter(|one| is_in(those, one));
    let of_those = those.iter().filter(|one| is_in(these, one) && !these.contains(one));
    of_these.chain(of_those).cloned().collect()
}
