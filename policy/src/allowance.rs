//! What a subject may aim a tool at, for the catalog: what its grants leave of the policy's targets, all of
//! them together. Nothing is decided by this.

use std::time::Duration;

use ipnet::IpNet;
use probity_protocol::{Allowance, NamePattern};

use crate::{
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

/// Whether each of the grants narrows what the policy leaves: where one does not, it is all of that.
pub(crate) fn narrows(granted: &Granted<'_>) -> bool {
    granted.each().all(|(grant, _)| !grant.scope.is_open() || grant.timeout.is_some())
}

/// `None` where neither the tool nor the grants narrow what the policy leaves to everybody.
pub(crate) fn of(policy: &Policy, tool: &Tool, granted: &Granted<'_>) -> Option<Allowance> {
    let everybody = of_everybody(&policy.targets, policy.ceilings.timeout);
    let narrowing = Some(granted).filter(|granted| narrows(granted));
    if narrowing.is_none() && tool.scope.is_open() {
        return None;
    }
    let of_tool = narrowed(&everybody, &tool.scope, None);
    let Some(granted) = narrowing else { return Some(of_tool) };
    let each = granted.each().map(|(grant, _)| narrowed(&of_tool, &grant.scope, grant.timeout));
    each.reduce(joined)
}

/// What a scope leaves.
fn narrowed(from: &Allowance, scope: &Scope, timeout: Option<Duration>) -> Allowance {
    let networks = match &scope.networks {
        Some(networks) => common(&from.networks, networks.networks()),
        None => from.networks.clone(),
    };
    let names = match &scope.names {
        Some(names) => {
            let (ours, theirs) = (&from.names, names.patterns());
            let within = |these: &[NamePattern], those: &[NamePattern]| -> Vec<NamePattern> {
                let covered = |this: &&NamePattern| those.iter().any(|that| that.covers(this));
                these.iter().filter(covered).cloned().collect()
            };
            let mut names = within(theirs, ours);
            names.extend(within(ours, theirs).into_iter().filter(|name| !theirs.contains(name)));
            names
        }
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

/// What either leaves. What only one of them denies is not denied.
pub(crate) fn joined(one: Allowance, other: Allowance) -> Allowance {
    let networks = [one.networks, other.networks].concat();
    let mut names = one.names;
    names.extend(other.names.into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>());
    Allowance {
        networks: NetworkSet::new(&networks).networks().to_vec(),
        denied: common(&one.denied, &other.denied),
        names,
        max_hosts: one.max_hosts.max(other.max_hosts),
        timeout_ceiling: one.timeout_ceiling.max(other.timeout_ceiling),
    }
}

/// The networks that are in both lists. Of two networks one lies within the other, or they are apart.
fn common(these: &[IpNet], those: &[IpNet]) -> Vec<IpNet> {
    let within = |these: &[IpNet], those: &[IpNet]| -> Vec<IpNet> {
        let inside = |this: &&IpNet| those.iter().any(|that| that.contains(*this));
        these.iter().filter(inside).copied().collect()
    };
    NetworkSet::new(&[within(these, those), within(those, these)].concat()).networks().to_vec()
}
