//! Which lines of the policy a denial rests on: for the audit log and for administrators, never for
//! clients.

use std::cmp::Reverse;

use ipnet::IpNet;
use probity_protocol::{Call, Denial, DenialCode, Tier};

use crate::{
    arguments::{Settings, settle},
    decide::{Reason, granted_tool, judge},
    grants::Standing,
    networks::range,
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
    pub deny: DenyLines,
    pub max_hosts: Option<Place>,
    pub timeout: Option<Place>,
}

/// The lines of `deny`, found by what they deny.
#[derive(Debug, Clone, Default)]
pub(crate) struct DenyLines {
    /// As they are written.
    lines: Vec<(IpNet, Place)>,
    /// Of networks that lie in each other the widest, by its number in `lines`, sorted.
    widest: Vec<(IpNet, usize)>,
}

impl DenyLines {
    pub(crate) fn new(lines: Vec<(IpNet, Place)>) -> Self {
        let mut all: Vec<_> = lines.iter().enumerate().map(|(at, (net, _))| (*net, at)).collect();
        all.sort_by_key(|(net, at)| (is_v6(*net), range(*net).0, Reverse(range(*net).1), *at));
        let mut widest: Vec<(IpNet, usize)> = Vec::new();
        for (network, at) in all {
            if widest.last().is_none_or(|(last, _)| !last.contains(&network)) {
                widest.push((network, at));
            }
        }
        Self { lines, widest }
    }

    /// A line that denies some of a network.
    fn first(&self, network: IpNet) -> Option<&Place> {
        let (first, last) = range(network);
        let is_before = |(denied, _): &(IpNet, usize)| {
            (is_v6(*denied), range(*denied).1) < (is_v6(network), first)
        };
        let (denied, at) = self.widest.get(self.widest.partition_point(is_before))?;
        let touches = is_v6(*denied) == is_v6(network) && range(*denied).0 <= last;
        self.lines.get(*at).filter(|_| touches).map(|(_, place)| place)
    }

    /// Every such line.
    #[cfg(feature = "cli")]
    fn all(&self, network: IpNet) -> impl Iterator<Item = &Place> {
        let touching = self
            .lines
            .iter()
            .filter(move |(denied, _)| denied.contains(&network) || network.contains(denied));
        touching.map(|(_, place)| place)
    }
}

fn is_v6(network: IpNet) -> bool {
    matches!(network, IpNet::V6(_))
}

/// The line that decided against a call, given the denial that [`crate::decide`] answered: an entry
/// of `deny`, the option, the ceiling. Where a list lacks what it should have, the list's first
/// entry; where the tier does not suffice, what makes the call intrusive. `None` where no line is to
/// blame: there is no grant, or the request cannot be read.
#[must_use]
pub fn rule_of(policy: &Policy, subject: &Subject, call: &Call, denial: &Denial) -> Option<Place> {
    let standing = Standing::of(policy, subject, call.limits.tier);
    let tool = || granted_tool(&standing, call.tool.as_str()).ok().map(|(tool, _)| tool);
    let lines = &policy.lines;
    match denial.code {
        DenialCode::NotGranted
        | DenialCode::UnknownTool
        | DenialCode::TargetSyntax
        | DenialCode::NameUnresolved
        | DenialCode::ArgumentSyntax => None,
        DenialCode::TargetTooLarge => lines.max_hosts.clone(),
        // What no option explains is refused by the tool's file as a whole.
        DenialCode::TargetKind | DenialCode::OptionUnknown | DenialCode::Operand => {
            tool().map(|tool| tool.place.clone())
        }
        // The denial names the option, so its values need not be read once more.
        DenialCode::OptionValue | DenialCode::OptionRepeated => {
            let named = denial.metadata.iter().find(|(key, _)| key.as_str() == "option");
            let tool = tool()?;
            Some(tool.options.get(tool.option_index(&named?.1)?)?.place.clone())
        }
        DenialCode::TargetNotAllowed | DenialCode::Ceiling | DenialCode::IntrusiveNotGranted => {
            let reason = judge(&standing, call).err()?;
            rule(&standing, call, &reason).cloned()
        }
    }
}

/// The same, of a reason.
fn rule<'p>(standing: &Standing<'p>, call: &Call, reason: &Reason<'p, '_>) -> Option<&'p Place> {
    let (tool, granted) = granted_tool(standing, call.tool.as_str()).ok()?;
    let lines = &standing.policy.lines;
    match reason {
        Reason::NotGranted
        | Reason::UnknownTool
        | Reason::TargetSyntax(_)
        | Reason::NameUnresolved
        | Reason::ArgumentSyntax(_)
        | Reason::NoTime => None,
        Reason::Target(network, excluded) => excluding(lines, *network, *excluded),
        Reason::Name => lines.names.as_ref(),
        Reason::AddressOfName(address, excluded) => {
            excluding(lines, IpNet::from(*address), *excluded)
        }
        // What no option explains is refused by the tool's file as a whole.
        Reason::TargetKind
        | Reason::OptionUnknown(_)
        | Reason::PresetUnknown(_)
        | Reason::Operand(_) => Some(&tool.place),
        Reason::OptionValue(option, _) | Reason::OptionRepeated(option) => Some(&option.place),
        Reason::Time(_) => lines.timeout.as_ref(),
        Reason::Intrusive(_) => {
            let settings = settle(tool, &call.arguments).ok()?;
            intrusive_lines(tool, &settings).next().or(Some(granted.place))
        }
    }
}

/// The line that excludes a network; else the list that has it not.
fn excluding(lines: &Lines, network: IpNet, excluded: Excluded) -> Option<&Place> {
    match excluded {
        Excluded::Outside | Excluded::Many => lines.networks.as_ref(),
        Excluded::Denied => lines.deny.first(network),
        Excluded::TakenFor(other) => lines.deny.first(other).or(lines.networks.as_ref()),
        Excluded::Carries(other) => lines.deny.first(other),
        Excluded::TooLarge => lines.max_hosts.as_ref(),
    }
}

/// Every line that decided against a call.
#[cfg(feature = "cli")]
pub(crate) fn rules_of<'p>(
    standing: &Standing<'p>,
    call: &Call,
    reason: &Reason<'p, '_>,
) -> Vec<Place> {
    let first = rule(standing, call, reason);
    let deny = &standing.policy.lines.deny;
    let denied = |network: IpNet, excluded: &Excluded| match excluded {
        Excluded::Denied => Some(network),
        Excluded::TakenFor(other) | Excluded::Carries(other) => Some(*other),
        Excluded::Outside | Excluded::Many | Excluded::TooLarge => None,
    };
    let touched = match reason {
        Reason::Target(network, excluded) => denied(*network, excluded),
        Reason::AddressOfName(address, excluded) => denied(IpNet::from(*address), excluded),
        _ => None,
    };
    let mut rules: Vec<&Place> = first.into_iter().collect();
    rules.extend(touched.into_iter().flat_map(|network| deny.all(network)));
    if let (Reason::Intrusive(_), Ok((tool, granted))) =
        (reason, granted_tool(standing, call.tool.as_str()))
    {
        let settings = settle(tool, &call.arguments).unwrap_or_default();
        rules.extend(intrusive_lines(tool, &settings).chain([granted.place]));
    }
    let mut each: Vec<Place> = Vec::new();
    for place in rules {
        if !each.contains(place) {
            each.push(place.clone());
        }
    }
    each
}

/// Where that stands which makes a call intrusive.
pub(crate) fn intrusive_lines<'p>(
    tool: &'p Tool,
    settings: &Settings,
) -> impl Iterator<Item = &'p Place> {
    let own = (tool.tier == Tier::Intrusive).then_some(&tool.place);
    let used = tool.options.iter().zip(settings);
    let intrusive = used.filter_map(|(option, value)| {
        let tier = option.tier_with(value.as_ref()?);
        (tier == Tier::Intrusive).then_some(&option.place)
    });
    own.into_iter().chain(intrusive)
}

#[cfg(test)]
#[path = "rule_tests.rs"]
mod tests;
