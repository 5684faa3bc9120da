//! The decision.
//!
//! Everything Probity promises an administrator hangs on this one function: no call reaches a
//! tool but through an [`Approved`], and nothing else makes one. The steps stand in the order in
//! which a denial speaks, and each finds the line that refuses where it refuses.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use probity_protocol::{
    Arguments, Beyond, Call, HostName, Reason, RequestedLimits, Target, TargetKind, Tier, Weight,
};

use crate::{
    arguments::{Settings, merge_arguments},
    beyond::beyond,
    denied::Denied,
    policy::Policy,
    source::Place,
    subject::Subject,
    subject_grants::{Granted, SubjectGrants},
    tool::Tool,
    work::{self, Kind},
};

/// A call that the policy approves of, parsed and merged. The only way to a [`crate::Plan`].
#[derive(Debug, Clone)]
#[must_use = "an approval that is not turned into a plan runs nothing"]
pub struct Approved<'p> {
    pub(crate) policy: &'p Policy,
    pub(crate) tool: &'p Tool,
    /// What the tool is aimed at: an address or a network, never a name.
    pub(crate) target: IpNet,
    /// The name it was asked by, as claimed.
    pub(crate) name: Option<HostName>,
    pub(crate) settings: Settings,
    pub(crate) tier: Tier,
    pub(crate) timeout: Duration,
    pub(crate) requested: RequestedLimits,
    /// The grant that allowed it.
    pub(crate) rule: &'p Place,
}

/// Decides whether `subject` may make `call`.
///
/// # Errors
/// The first reason against it, in the order of the steps below, and the line that gives it.
pub fn decide<'p>(
    policy: &'p Policy,
    subject: &Subject,
    call: &Call,
) -> Result<Approved<'p>, Denied<'p>> {
    work::done(Kind::Judged);
    let grants = SubjectGrants::of(policy, subject, call.limits.tier);
    let (tool, granted) = granted_tool(&grants, call.tool.as_str())?;
    let tier = granted.tier;
    judge(policy, tool, granted, call).map_err(|mut denied| {
        denied.denial.beyond = beyond(tool, tier, &call.arguments);
        denied
    })
}

fn judge<'p>(
    policy: &'p Policy,
    tool: &'p Tool,
    granted: Granted<'p>,
    call: &Call,
) -> Result<Approved<'p>, Denied<'p>> {
    let (target, name) = allowed_target(policy, tool, &call.target)?;
    let settings = merge_arguments(tool, &call.arguments)?;
    let tier = allowed_tier(tool, &settings, &granted, &call.arguments)?;
    let timeout = allowed_time(policy, tool, &call.limits)?;
    let requested = call.limits.clone();
    let rule = granted.place;
    Ok(Approved { policy, tool, target, name, settings, tier, timeout, requested, rule })
}

/// The tool, if it exists and a grant covers it. Who is granted nothing does not learn what exists.
pub(crate) fn granted_tool<'p>(
    grants: &SubjectGrants<'p>,
    name: &str,
) -> Result<(&'p Tool, Granted<'p>), Denied<'p>> {
    let policy = grants.policy;
    let at = policy.tool_number(name);
    let tool = at.and_then(|at| policy.tools.get(at));
    let Some(granted) = grants.granted(at) else {
        let known = tool.filter(|_| !grants.is_empty());
        let weight = known.map(|tool| Weight {
            tier: tool.tier,
            timeout: tool.timeout.value.min(policy.ceilings.timeout),
        });
        let grants_nothing = policy.grants.is_empty();
        return Err(Denied::by_no_line(Reason::NotGranted { grants_nothing, weight }));
    };
    let tool = tool.ok_or_else(|| Denied::by_no_line(Reason::UnknownTool))?;
    Ok((tool, granted))
}

/// The one address or network that the tool will be given, and the name it came by.
pub(crate) fn allowed_target<'p>(
    policy: &'p Policy,
    tool: &'p Tool,
    asked: &Target,
) -> Result<(IpNet, Option<HostName>), Denied<'p>> {
    // A frontend may have built the value by hand, so its form is settled here once more.
    match asked {
        Target::Malformed(defect) => Err(Denied::by_no_line(Reason::TargetSyntax(defect.clone()))),
        Target::Address(_) | Target::Network(_) => {
            let (network, kind) = match asked.canonical() {
                Target::Address(address) => (IpNet::from(address), TargetKind::Address),
                Target::Network(network) => (network, TargetKind::Network),
                Target::Name { .. } | Target::Malformed(_) => return Err(wrong_kind(tool)),
            };
            expect_kind(tool, kind)?;
            policy.targets.admits(network).map_err(|excluded| {
                let reason = Reason::Target { network, excluded };
                Denied::new(reason, policy.lines.excluding(network, excluded))
            })?;
            Ok((network, None))
        }
        Target::Name { name, addresses } => {
            expect_kind(tool, TargetKind::Address)?;
            let address = allowed_name(policy, name, addresses)?;
            Ok((IpNet::from(address), Some(name.clone())))
        }
    }
}

fn expect_kind(tool: &Tool, kind: TargetKind) -> Result<(), Denied<'_>> {
    if tool.targets.contains(&kind) { Ok(()) } else { Err(wrong_kind(tool)) }
}

fn wrong_kind(tool: &Tool) -> Denied<'_> {
    Denied::new(Reason::TargetKind, Some(&tool.place))
}

/// The name must match a pattern *and* each of its addresses must be allowed. The tool is given
/// the first of them rather than the name, so a second look-up cannot move the target.
fn allowed_name<'p>(
    policy: &'p Policy,
    name: &HostName,
    addresses: &[IpAddr],
) -> Result<IpAddr, Denied<'p>> {
    // RULE: A name must match a pattern, and each of its addresses must be allowed.
    if !policy.targets.names.contains(name) {
        return Err(Denied::new(Reason::Name, policy.lines.names.as_ref()));
    }
    for address in addresses.iter().map(IpAddr::to_canonical) {
        let network = IpNet::from(address);
        policy.targets.admits(network).map_err(|excluded| {
            let reason = Reason::AddressOfName { address, excluded };
            Denied::new(reason, policy.lines.excluding(network, excluded))
        })?;
    }
    // RULE: The tool is given an address that was checked.
    let first = addresses.first().map(IpAddr::to_canonical);
    first.ok_or_else(|| Denied::by_no_line(Reason::NameUnresolved))
}

pub(crate) fn allowed_time<'p>(
    policy: &'p Policy,
    tool: &Tool,
    requested: &RequestedLimits,
) -> Result<Duration, Denied<'p>> {
    let ceiling = policy.ceilings.timeout;
    match requested.timeout {
        None => Ok(tool.timeout.value.min(ceiling)),
        Some(Duration::ZERO) => Err(Denied::by_no_line(Reason::NoTime)),
        Some(asked) if asked > ceiling => {
            Err(Denied::new(Reason::Time(asked), policy.lines.timeout.as_ref()))
        }
        Some(asked) => Ok(asked),
    }
}

/// The tier of tool and merged options together, if the grant reaches it. A preset is as intrusive
/// as its options, so it is caught here too; it is refused, never silently weakened.
pub(crate) fn allowed_tier<'p>(
    tool: &'p Tool,
    settings: &Settings,
    granted: &Granted<'p>,
    arguments: &Arguments,
) -> Result<Tier, Denied<'p>> {
    let used = tool.options.iter().zip(settings);
    let mut used = used.filter_map(|(o, value)| value.as_ref().map(|v| (o, v)));
    let intrusive = used.find(|(o, v)| o.tier_with(v) > Tier::Standard).map(|(o, _)| o);
    let refused = |beyond, rule: &'p Place| Err(Denied::new(Reason::Intrusive(beyond), Some(rule)));
    let option = match (tool.tier, intrusive) {
        (Tier::Standard, None) => return Ok(Tier::Standard),
        _ if granted.tier == Tier::Intrusive => return Ok(Tier::Intrusive),
        (Tier::Intrusive, _) => return refused(Beyond::Tool, &tool.place),
        (Tier::Standard, Some(option)) => option,
    };
    let preset = match arguments {
        Arguments::Given { preset: Some(name), .. } => tool.presets.get_key_value(name),
        Arguments::Given { preset: None, .. } | Arguments::Malformed(_) => None,
    };
    let beyond = match preset {
        Some((name, preset)) if preset.tier > Tier::Standard => {
            Beyond::Preset { name: name.clone(), options: tool.set_by(preset, granted.tier) }
        }
        _ if option.tier > Tier::Standard => {
            Beyond::Option { option: option.id(), takes_value: option.takes_value() }
        }
        _ => Beyond::Value(option.id()),
    };
    refused(beyond, &option.place)
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
