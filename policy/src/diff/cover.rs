//! Whether one grant gives all that another gives, whatever is asked. What cannot be shown counts as no.

use ipnet::IpNet;
use probity_protocol::{NamePattern, Tier, ToolName};

use crate::{
    granted_options::{Left, OptionLeft},
    grants::Grant,
    networks::NetworkSet,
    policy::Policy,
    targets::Scope,
    tool::{Tool, ToolOption},
};

/// Whether `wide` leaves all that `narrow` leaves under its `policy`, whoever is granted it: of this tool of
/// that policy, or of all that `narrow` gives.
pub(crate) fn grant_covers(
    wide: &Grant,
    narrow: &Grant,
    policy: &Policy,
    tool: Option<&Tool>,
) -> bool {
    let tools = policy.tools.iter().map(AsRef::as_ref);
    let tools = tools.filter(|each: &&Tool| narrow.tools.has(&each.name));
    let mut tools = tools.filter(|each| tool.is_none_or(|tool| tool.name == each.name));
    let lasts = match (wide.until, narrow.until) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => narrow <= wide,
    };
    wide.tier() >= narrow.tier()
        && wide.needs_approval <= narrow.needs_approval
        && lasts
        && no_more(narrow.timeout, wide.timeout, policy.ceilings.timeout)
        && no_more(narrow.concurrency, wide.concurrency, policy.ceilings.concurrency)
        && scope_covers(&wide.scope, &narrow.scope, policy)
        && tools.all(|tool| options_cover(wide, narrow, tool))
}

/// Whether `wide` leaves whatever `narrow` leaves of the options of a tool, as the policy of `narrow` has it.
fn options_cover(wide: &Grant, narrow: &Grant, tool: &Tool) -> bool {
    wide.options.of(tool).iter().all(|wide| {
        let option = tool.option_index(wide.name.as_str()).and_then(|at| tool.options.get(at));
        // What nobody can say anything of under the narrow one.
        let Some(option) = option.filter(|option| option.tier <= narrow.tier()) else {
            return true;
        };
        let said = narrow.options.of(tool).iter().find(|narrow| narrow.name == wide.name);
        match said.map(|narrow| &narrow.left) {
            Some(narrow) => wide.left.covers(narrow),
            None => takes_nothing_away(&wide.left, option, narrow.tier()),
        }
    })
}

/// Whether all values of an option up to a tier are left.
pub(crate) fn takes_nothing_away(left: &Left, option: &ToolOption, tier: Tier) -> bool {
    option.tier > tier || Left::all(&option.kind, tier).is_some_and(|all| left.covers(&all))
}

/// Whether a limit, under the `ceiling` of its policy, is within another.
fn no_more<T: Ord + Copy>(narrow: Option<T>, wide: Option<T>, ceiling: T) -> bool {
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
    no_more(narrow.max_hosts, wide.max_hosts, policy.targets.max_hosts)
}

/// What a grant narrows, of a tool or of all that it gives, in words; empty where nothing.
pub(crate) fn narrowing(grant: &Grant, tool: Option<&ToolName>) -> String {
    let mut parts = scope_parts(&grant.scope);
    let options = grant.options.0.iter().filter(|(name, _)| tool.is_none_or(|tool| tool == *name));
    parts.extend(options.map(|(name, left)| format!("{name}: {}", options_left(left))));
    parts.extend(grant.timeout.map(|t| format!("{} at most", humantime::format_duration(t))));
    parts.extend(grant.concurrency.map(|runs| format!("{runs} at once")));
    parts.extend(grant.needs_approval.then(|| "each call approved by another person".to_owned()));
    parts.extend(grant.until.map(|u| format!("until {}", humantime::format_rfc3339_seconds(u))));
    parts.join("; ")
}

/// What is left of a tool's options, in words.
pub(crate) fn options_left(left: &[OptionLeft]) -> String {
    left.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
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
