//! Whether one grant gives all that another gives, whatever is asked. What cannot be shown counts as no.

use std::time::Duration;

use ipnet::IpNet;
use probity_protocol::NamePattern;

use crate::{
    grants::{Grant, GrantedTools},
    networks::NetworkSet,
    policy::Policy,
    targets::Scope,
    tool::Tool,
};

/// Whether the grant is of a tool.
pub(crate) fn names_tool(grant: &Grant, tool: &Tool) -> bool {
    match &grant.tools {
        GrantedTools::All => true,
        GrantedTools::Named(names) => names.iter().any(|name| name == tool.name.as_str()),
    }
}

/// Whether `wide` leaves all that `narrow` leaves under its `policy`, whoever is granted it.
pub(crate) fn grant_covers(wide: &Grant, narrow: &Grant, policy: &Policy) -> bool {
    let ceiling = policy.ceilings.timeout;
    let lasts = match (wide.until, narrow.until) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => narrow <= wide,
    };
    wide.tier() >= narrow.tier()
        && lasts
        && longest(wide.timeout, narrow.timeout, ceiling)
        && scope_covers(&wide.scope, &narrow.scope, policy)
}

fn longest(wide: Option<Duration>, narrow: Option<Duration>, ceiling: Duration) -> bool {
    wide.is_none_or(|wide| narrow.unwrap_or(ceiling).min(ceiling) <= wide)
}

/// Whether `wide` admits whatever `narrow` admits under its `policy`.
pub(crate) fn scope_covers(wide: &Scope, narrow: &Scope, policy: &Policy) -> bool {
    networks(wide, narrow, policy)
        && denied(wide, narrow, policy)
        && names(wide, narrow, policy)
        && max_hosts(wide, narrow, policy)
}

pub(crate) fn networks(wide: &Scope, narrow: &Scope, policy: &Policy) -> bool {
    let Some(wide) = &wide.networks else { return true };
    let narrow = narrow.networks.as_ref().unwrap_or(&policy.targets.allowed);
    // What is written for many hosts at once is not covered by a wider network.
    let is_written = |many: &IpNet| wide.networks().iter().any(|each| each.contains(many));
    let many = |network: &&IpNet| probity_protocol::meaning::is_many(**network);
    narrow.networks().iter().all(|network| wide.contains(*network))
        && narrow.networks().iter().filter(many).all(|network| {
            let written = wide.networks().iter().filter(many);
            is_written(network)
                && NetworkSet::new(&written.copied().collect::<Vec<_>>()).contains(*network)
        })
}

/// What the wide one denies has to be denied to the narrow one, by itself or by the policy: also where the
/// networks hold none of it, since other addresses may carry to it.
pub(crate) fn denied(wide: &Scope, narrow: &Scope, policy: &Policy) -> bool {
    let denied = [narrow.denied.networks(), policy.targets.denied.networks()].concat();
    let denied = NetworkSet::new(&denied);
    wide.denied.networks().iter().all(|network| denied.contains(*network))
}

pub(crate) fn names(wide: &Scope, narrow: &Scope, policy: &Policy) -> bool {
    let Some(wide) = &wide.names else { return true };
    let narrow = narrow.names.as_ref().unwrap_or(&policy.targets.names);
    let covered = |name: &NamePattern| wide.patterns().iter().any(|pattern| pattern.covers(name));
    narrow.patterns().iter().all(covered)
}

pub(crate) fn max_hosts(wide: &Scope, narrow: &Scope, policy: &Policy) -> bool {
    let most = policy.targets.max_hosts;
    wide.max_hosts.is_none_or(|wide| narrow.max_hosts.unwrap_or(most).min(most) <= wide)
}

/// What a grant narrows, in words; empty where nothing.
pub(crate) fn narrowing(grant: &Grant) -> String {
    let mut parts = scope_parts(&grant.scope);
    parts.extend(grant.timeout.map(|t| format!("{} at most", humantime::format_duration(t))));
    parts.extend(grant.until.map(|u| format!("until {}", humantime::format_rfc3339_seconds(u))));
    parts.join("; ")
}

/// The same of a scope.
pub(crate) fn scope_parts(scope: &Scope) -> Vec<String> {
    let list = |what: &str, items: Vec<String>| match items.as_slice() {
        [] => format!("no {what}"),
        items => format!("{what} {}", super::some(items)),
    };
    let shown = |set: &NetworkSet| -> Vec<String> {
        set.networks().iter().copied().map(crate::template::spelled).collect()
    };
    let mut parts = Vec::new();
    parts.extend(scope.networks.as_ref().map(|set| list("networks", shown(set))));
    parts.extend(
        scope
            .names
            .as_ref()
            .map(|names| list("names", names.patterns().iter().map(ToString::to_string).collect())),
    );
    if !scope.denied.networks().is_empty() {
        parts.push(list("never", shown(&scope.denied)));
    }
    parts.extend(scope.max_hosts.map(|most| format!("at most {most} addresses in one call")));
    parts
}
