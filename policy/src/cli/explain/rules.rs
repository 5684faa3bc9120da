//! Every line that decided against a call: the broker names the first of them.

use std::time::SystemTime;

use ipnet::IpNet;
use probity_protocol::{Call, Excluded, Reason, Tier};

use crate::{
    Policy, Subject,
    arguments::{Settings, merge_arguments},
    decide::granted_tool,
    denied::Denied,
    source::Place,
    subject_grants::SubjectGrants,
    tool::Tool,
};

/// The line that decided, and those that would have if it were not there.
pub(super) fn rules_of(
    policy: &Policy,
    subject: &Subject,
    call: &Call,
    denied: &Denied<'_>,
) -> Vec<Place> {
    let deny = &policy.lines.deny;
    let touched = match &denied.denial.reason {
        Reason::Target { network, excluded, .. } => by_deny(*network, *excluded),
        Reason::AddressOfName { address, excluded, .. } => {
            by_deny(IpNet::from(*address), *excluded)
        }
        Reason::QuestionAddress { address, excluded, .. } => {
            by_deny(IpNet::from(*address), *excluded)
        }
        _ => None,
    };
    let mut rules: Vec<&Place> = denied.rule.into_iter().collect();
    rules.extend(touched.into_iter().flat_map(|network| deny.all(network)));
    let grants = SubjectGrants::of(policy, subject, call.limits.tier, SystemTime::now());
    if let (Reason::Intrusive(_), Ok((tool, granted))) =
        (&denied.denial.reason, granted_tool(&grants, call.tool.as_str()))
    {
        let settings = merge_arguments(tool, call).unwrap_or_default();
        rules.extend(
            intrusive_lines(tool, &settings).chain(granted.each().map(|(grant, _)| &grant.place)),
        );
    }
    let mut each: Vec<Place> = Vec::new();
    for place in rules {
        if !each.contains(place) {
            each.push(place.clone());
        }
    }
    each
}

/// What lines of `deny` touch, where they decided.
fn by_deny(network: IpNet, excluded: Excluded) -> Option<IpNet> {
    match excluded {
        Excluded::Denied => Some(network),
        Excluded::TakenFor(other) | Excluded::Carries(other) => Some(other),
        Excluded::Outside | Excluded::Many | Excluded::TooLarge => None,
    }
}

/// Where that stands which makes a call intrusive.
pub(super) fn intrusive_lines<'p>(
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
