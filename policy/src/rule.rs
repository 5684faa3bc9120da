//! Which lines of the policy a denial rests on: for the audit log and for administrators, never for
//! clients.

use ipnet::IpNet;
use probity_protocol::{Arguments, Call, Denial, DenialCode, Layer, Target, Tier};

use crate::{
    arguments::{Settings, settle},
    decide::granted_tool,
    networks::NetworkSet,
    policy::Policy,
    source::Place,
    subject::Subject,
    targets::Excluded,
    tool::Tool,
};

/// Where those parts of `policy.toml` stand that can refuse a call, as far as they are written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    /// The first of the networks, and of the names: where the list is.
    pub networks: Option<Place>,
    pub names: Option<Place>,
    pub deny: Vec<(IpNet, Place)>,
    pub max_hosts: Option<Place>,
    pub timeout: Option<Place>,
}

/// The line that decided against a call, given the denial that [`crate::decide`] answered: the entry
/// of `deny`, the option, the ceiling. Where a list lacks what it should have, the list's first
/// entry; where the tier does not suffice, what makes the call intrusive. `None` where no line is to
/// blame: there is no grant, or the request cannot be read.
#[must_use]
pub fn rule_of(policy: &Policy, subject: &Subject, call: &Call, denial: &Denial) -> Option<Place> {
    rules_of(policy, subject, call, denial).into_iter().next()
}

/// Every such line, the one that decided first.
pub(crate) fn rules_of(
    policy: &Policy,
    subject: &Subject,
    call: &Call,
    denial: &Denial,
) -> Vec<Place> {
    let subject = &*subject.at_most(call.limits.tier);
    let Ok((tool, granted)) = granted_tool(policy, subject, call.tool.as_str()) else {
        return Vec::new();
    };
    match denial.code {
        DenialCode::TargetKind => vec![tool.place.clone()],
        DenialCode::TargetNotAllowed => not_allowed(policy, &call.target),
        DenialCode::TargetTooLarge => policy.lines.max_hosts.iter().cloned().collect(),
        DenialCode::Ceiling => {
            let asked = call.limits.timeout.is_some_and(|asked| !asked.is_zero());
            policy.lines.timeout.iter().filter(|_| asked).cloned().collect()
        }
        DenialCode::ArgumentSyntax => Vec::new(),
        DenialCode::IntrusiveNotGranted => {
            let mut rules = intrusive_parts(tool, granted.tier, &call.arguments);
            rules.push(granted.place.clone());
            rules
        }
        code if code.layer() == Layer::Argument => {
            let named = denial.metadata.iter().find(|(key, _)| key.as_str() == "option");
            let option = named.and_then(|(_, name)| tool.options.get(tool.option_index(name)?));
            // What no option explains is refused by the tool's file as a whole.
            vec![option.map_or(&tool.place, |option| &option.place).clone()]
        }
        _ => Vec::new(),
    }
}

/// The lines that deny the target; else the list that has it not.
fn not_allowed(policy: &Policy, target: &Target) -> Vec<Place> {
    let lines = &policy.lines;
    let (name, addresses): (_, Vec<IpNet>) = match target.canonical() {
        Target::Address(address) => (None, vec![address.into()]),
        Target::Network(network) => (None, vec![network]),
        Target::Name { name, addresses } => {
            (Some(name), addresses.into_iter().map(IpNet::from).collect())
        }
        Target::Malformed(_) => (None, Vec::new()),
    };
    if name.is_some_and(|name| !policy.targets.names.contains(&name)) {
        return lines.names.iter().cloned().collect();
    }
    // As the decision asks: of the first address that is refused.
    let refused = addresses.iter().find_map(|address| {
        policy.targets.admits(*address).err().map(|excluded| (*address, excluded))
    });
    let refused = match refused {
        Some((address, Excluded::Denied)) => address,
        Some((_, Excluded::TakenFor(other) | Excluded::Carries(other)))
            if policy.targets.denied.overlaps(other) =>
        {
            other
        }
        _ => return lines.networks.iter().cloned().collect(),
    };
    let denies = |network: &IpNet| NetworkSet::new(&[*network]).overlaps(refused);
    let denying = lines.deny.iter().filter(|(network, _)| denies(network));
    denying.map(|(_, place)| place.clone()).collect()
}

/// Where that stands which makes a call intrusive.
fn intrusive_parts(tool: &Tool, granted: Tier, arguments: &Arguments) -> Vec<Place> {
    settle(tool, granted, arguments).map(|set| intrusive_lines(tool, &set)).unwrap_or_default()
}

/// The same of settings.
pub(crate) fn intrusive_lines(tool: &Tool, settings: &Settings) -> Vec<Place> {
    let own = (tool.tier == Tier::Intrusive).then(|| tool.place.clone());
    let used = tool.options.iter().zip(settings);
    let intrusive = used.filter_map(|(option, value)| {
        let tier = option.tier_with(value.as_ref()?);
        (tier == Tier::Intrusive).then(|| option.place.clone())
    });
    own.into_iter().chain(intrusive).collect()
}

#[cfg(test)]
#[path = "rule_tests.rs"]
mod tests;
