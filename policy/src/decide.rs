//! The decision.
//!
//! Everything Probity promises an administrator hangs on this one function: no call reaches a
//! tool but through an [`Approved`], and nothing else makes one. The steps stand in the order in
//! which a denial speaks.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use probity_protocol::{
    Arguments, Call, Denial, HostName, Identifier, RequestedLimits, Target, TargetKind, Tier,
};

use crate::{
    arguments::{Settings, settle},
    denial,
    policy::{Granted, Policy},
    source::Place,
    subject::Subject,
    suggest::standard_preset,
    targets::Targets,
    tool::{Tool, ToolOption},
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
    let subject = &*subject.at_most(call.limits.tier);
    let (tool, granted) = granted_tool(policy, subject, call.tool.as_str())?;
    let (target, name) = allowed_target(&policy.targets, tool, &call.target)?;
    let settings = settle(tool, granted.tier, &call.arguments)?;
    let tier = allowed_tier(tool, &settings, granted.tier, &call.arguments)
        .map_err(|beyond| denial::intrusive(policy, subject, tool, &beyond))?;
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
pub(crate) fn granted_tool<'p>(
    policy: &'p Policy,
    subject: &Subject,
    name: &str,
) -> Result<(&'p Tool, Granted<'p>), Denial> {
    let tool = policy.tool(name).map(AsRef::as_ref);
    let granted =
        policy.granted(subject, tool).ok_or_else(|| denial::not_granted(policy, subject, name))?;
    let tool = tool.ok_or_else(|| denial::unknown_tool(policy, subject, name))?;
    Ok((tool, granted))
}

/// The one address or network that the tool will be given, and the name it came by.
pub(crate) fn allowed_target(
    targets: &Targets,
    tool: &Tool,
    asked: &Target,
) -> Result<(IpNet, Option<HostName>), Denial> {
    // A frontend may have built the value by hand, so its form is settled here once more.
    let asked = asked.canonical();
    match &asked {
        Target::Malformed(defect) => Err(denial::target_syntax(targets, tool, defect)),
        Target::Address(address) => {
            expect_kind(targets, tool, TargetKind::Address, &asked)?;
            Ok((allowed_network(targets, tool, IpNet::from(*address), &asked)?, None))
        }
        Target::Network(network) => {
            expect_kind(targets, tool, TargetKind::Network, &asked)?;
            Ok((allowed_network(targets, tool, *network, &asked)?, None))
        }
        Target::Name { name, addresses } => {
            expect_kind(targets, tool, TargetKind::Address, &asked)?;
            let address = allowed_name(targets, tool, name, addresses, &asked)?;
            Ok((IpNet::from(address), Some(name.clone())))
        }
    }
}

fn expect_kind(
    targets: &Targets,
    tool: &Tool,
    kind: TargetKind,
    target: &Target,
) -> Result<(), Denial> {
    if tool.targets.contains(&kind) {
        Ok(())
    } else {
        Err(denial::target_kind(targets, tool, target))
    }
}

fn allowed_network(
    targets: &Targets,
    tool: &Tool,
    network: IpNet,
    asked: &Target,
) -> Result<IpNet, Denial> {
    match targets.admits(network) {
        Ok(()) => Ok(network),
        Err(excluded) => Err(denial::excluded(targets, tool, asked, network, excluded)),
    }
}

/// The name must match a pattern *and* each of its addresses must be allowed. The tool is given
/// the first of them rather than the name, so a second look-up cannot move the target.
fn allowed_name(
    targets: &Targets,
    tool: &Tool,
    name: &HostName,
    addresses: &[IpAddr],
    asked: &Target,
) -> Result<IpAddr, Denial> {
    if !targets.names.contains(name) {
        let because = "it matches no name of this policy";
        return Err(denial::target_not_allowed(targets, tool, asked, because));
    }
    for address in addresses {
        if targets.admits(IpNet::from(*address)).is_err() {
            let because = format!("it has the address {address}, which is not allowed");
            return Err(denial::target_not_allowed(targets, tool, asked, &because));
        }
    }
    addresses.first().copied().ok_or_else(|| denial::name_unresolved(targets, tool, asked))
}

pub(crate) fn allowed_time(
    policy: &Policy,
    tool: &Tool,
    requested: &RequestedLimits,
) -> Result<Duration, Denial> {
    let ceiling = policy.ceilings.timeout;
    match requested.timeout {
        None => Ok(tool.timeout.value.min(ceiling)),
        Some(Duration::ZERO) => Err(denial::no_time()),
        Some(asked) if asked > ceiling => {
            let [asked, ceiling] = [asked, ceiling].map(|d| format!("{} s", d.as_secs_f64()));
            Err(denial::ceiling("A timeout", &asked, &ceiling))
        }
        Some(asked) => Ok(asked),
    }
}

/// What goes beyond the standard tier, and beyond the grant.
pub(crate) enum Beyond<'t> {
    Tool,
    /// A preset, and one to take instead.
    Preset(&'t Identifier, Option<&'t Identifier>),
    Option(&'t ToolOption),
    /// A value of an option that is of the standard tier itself.
    Value(&'t ToolOption),
}

/// The tier of tool and merged options together, if the grant reaches it. A preset is as intrusive
/// as its options, so it is caught here too; it is refused, never silently weakened.
pub(crate) fn allowed_tier<'t>(
    tool: &'t Tool,
    settings: &Settings,
    granted: Tier,
    arguments: &Arguments,
) -> Result<Tier, Beyond<'t>> {
    let used = tool.options.iter().zip(settings);
    let mut used = used.filter_map(|(o, value)| value.as_ref().map(|v| (o, v)));
    let intrusive = used.find(|(o, v)| o.tier_with(v) > Tier::Standard).map(|(o, _)| o);
    let option = match (tool.tier, intrusive) {
        (Tier::Standard, None) => return Ok(Tier::Standard),
        _ if granted == Tier::Intrusive => return Ok(Tier::Intrusive),
        (Tier::Intrusive, _) => return Err(Beyond::Tool),
        (Tier::Standard, Some(option)) => option,
    };
    let preset = match arguments {
        Arguments::Given { preset: Some(name), .. } => tool.presets.get_key_value(name),
        Arguments::Given { preset: None, .. } | Arguments::Malformed(_) => None,
    };
    Err(match preset {
        Some((name, preset)) if preset.tier > Tier::Standard => {
            Beyond::Preset(name, standard_preset(tool, preset))
        }
        _ if option.tier > Tier::Standard => Beyond::Option(option),
        _ => Beyond::Value(option),
    })
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
