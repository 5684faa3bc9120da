//! The decision.
//!
//! Everything Probity promises an administrator hangs on this one function: no call reaches a
//! tool but through an [`Approved`], and nothing else makes one. The steps stand in the order in
//! which a denial speaks.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use probity_protocol::{
    Arguments, Call, Denial, HostName, RequestedLimits, Target, TargetKind, Tier,
};

use crate::{
    arguments::{Settings, settle},
    denial,
    networks::address_count,
    policy::{Granted, Policy, Targets},
    source::Place,
    subject::Subject,
    tool::Tool,
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
/// The first reason against it, in the order of the steps below.
pub fn decide<'p>(
    policy: &'p Policy,
    subject: &Subject,
    call: &Call,
) -> Result<Approved<'p>, Denial> {
    let (tool, granted) = granted_tool(policy, subject, call.tool.as_str())?;
    let (target, name) = allowed_target(&policy.targets, tool, &call.target)?;
    let settings = settle(tool, &call.arguments)?;
    let tier = allowed_tier(tool, &settings, &granted, &call.arguments)?;
    let timeout = allowed_time(policy, tool, &call.limits)?;
    Ok(Approved {
        policy,
        tool,
        target,
        name,
        settings,
        tier,
        timeout,
        requested: call.limits.clone(),
        rule: granted.place,
    })
}

/// The tool, if it exists and a grant covers it. Who is granted nothing does not learn what exists.
fn granted_tool<'p>(
    policy: &'p Policy,
    subject: &Subject,
    name: &str,
) -> Result<(&'p Tool, Granted<'p>), Denial> {
    let tool = policy.tool(name).map(AsRef::as_ref);
    let granted = policy.granted(subject, tool).ok_or_else(|| denial::not_granted(policy, name))?;
    let tool = tool.ok_or_else(|| denial::unknown_tool(policy, name))?;
    Ok((tool, granted))
}

/// The one address or network that the tool will be given, and the name it came by.
fn allowed_target(
    targets: &Targets,
    tool: &Tool,
    asked: &Target,
) -> Result<(IpNet, Option<HostName>), Denial> {
    // A frontend may have built the value by hand, so its form is settled here once more.
    let asked = asked.canonical();
    match &asked {
        Target::Malformed(defect) => Err(denial::target_syntax(targets, defect)),
        Target::Address(address) => {
            expect_kind(tool, TargetKind::Address, &asked)?;
            Ok((allowed_network(targets, IpNet::from(*address), &asked)?, None))
        }
        Target::Network(network) => {
            expect_kind(tool, TargetKind::Network, &asked)?;
            Ok((allowed_network(targets, *network, &asked)?, None))
        }
        Target::Name { name, addresses } => {
            expect_kind(tool, TargetKind::Address, &asked)?;
            let address = allowed_name(targets, name, addresses, &asked)?;
            Ok((IpNet::from(address), Some(name.clone())))
        }
    }
}

fn expect_kind(tool: &Tool, kind: TargetKind, target: &Target) -> Result<(), Denial> {
    if tool.targets.contains(&kind) { Ok(()) } else { Err(denial::target_kind(tool, target)) }
}

fn allowed_network(targets: &Targets, network: IpNet, asked: &Target) -> Result<IpNet, Denial> {
    if !targets.allowed.contains(network) {
        let because = "it is outside the networks of this policy";
        return Err(denial::target_not_allowed(targets, asked, because));
    }
    if targets.denied.overlaps(network) {
        let because = "this policy denies it or a part of it";
        return Err(denial::target_not_allowed(targets, asked, because));
    }
    if address_count(network) > u128::from(targets.max_hosts) {
        return Err(denial::target_too_large(targets, network));
    }
    Ok(network)
}

/// The name must match a pattern *and* each of its addresses must be allowed. The tool is given
/// the first of them rather than the name, so a second look-up cannot move the target.
fn allowed_name(
    targets: &Targets,
    name: &HostName,
    addresses: &[IpAddr],
    asked: &Target,
) -> Result<IpAddr, Denial> {
    if !targets.names.iter().any(|pattern| pattern.matches(name)) {
        let because = "it matches no name of this policy";
        return Err(denial::target_not_allowed(targets, asked, because));
    }
    for address in addresses {
        let network = IpNet::from(*address);
        if !targets.allowed.contains(network) || targets.denied.overlaps(network) {
            let because = format!("it has the address {address}, which is not allowed");
            return Err(denial::target_not_allowed(targets, asked, &because));
        }
    }
    addresses.first().copied().ok_or_else(|| denial::name_unresolved(asked))
}

fn allowed_time(
    policy: &Policy,
    tool: &Tool,
    requested: &RequestedLimits,
) -> Result<Duration, Denial> {
    let ceiling = policy.ceilings.timeout;
    match requested.timeout {
        None => Ok(tool.timeout.min(ceiling)),
        Some(Duration::ZERO) => Err(denial::no_time()),
        Some(asked) if asked > ceiling => {
            let [asked, ceiling] = [asked, ceiling].map(|d| format!("{} s", d.as_secs_f64()));
            Err(denial::ceiling("A timeout", &asked, &ceiling))
        }
        Some(asked) => Ok(asked),
    }
}

/// The tier of tool and merged options together, if the grant reaches it. A preset is as intrusive
/// as its options, so it is caught here too; it is refused, never silently weakened.
fn allowed_tier(
    tool: &Tool,
    settings: &Settings,
    granted: &Granted<'_>,
    arguments: &Arguments,
) -> Result<Tier, Denial> {
    let used = tool.options.iter().zip(settings);
    let intrusive = used.filter_map(|(o, value)| value.as_ref().map(|v| (o, v)));
    let intrusive =
        intrusive.filter(|(o, v)| o.tier_with(v) > Tier::Standard).map(|(o, _)| o).next();
    match (tool.tier, intrusive) {
        (Tier::Standard, None) => Ok(Tier::Standard),
        _ if granted.intrusive => Ok(Tier::Intrusive),
        (Tier::Intrusive, _) => Err(denial::intrusive(tool, "All", "Use another tool.")),
        (Tier::Standard, Some(option)) => Err(match arguments {
            Arguments::Given { preset: Some(preset), .. }
                if tool.presets.get(preset).is_some_and(|p| p.tier > Tier::Standard) =>
            {
                let what = format!("The preset {preset}");
                denial::intrusive(tool, &what, "Use a preset of the standard tier.")
            }
            _ if option.tier > Tier::Standard => {
                let without = format!("Leave {} out.", option.flag);
                denial::intrusive(tool, &format!("The option {}", option.flag), &without)
            }
            _ => {
                let without = match option.kind.example() {
                    Some(example) => format!("Use {} {example}.", option.flag),
                    None => format!("Leave {} out.", option.flag),
                };
                denial::intrusive(tool, &format!("This value of {}", option.flag), &without)
            }
        }),
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
