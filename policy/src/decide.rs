//! The decision.
//!
//! Everything Probity promises an administrator hangs on this one function: no call reaches a
//! tool but through an [`Approved`], and nothing else makes one. The steps stand in the order in
//! which a denial speaks.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use probity_protocol::{
    Arguments, Call, Denial, HostName, Identifier, LexicalDefect, RequestedLimits, Target,
    TargetKind, Tier,
};

use crate::{
    arguments::{Settings, settle},
    denial,
    grants::{Granted, Standing},
    policy::Policy,
    source::Place,
    subject::Subject,
    targets::{Excluded, Targets},
    tool::{Tool, ToolOption},
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

/// The first reason against a call. It is put into words only where somebody hears it.
#[derive(Debug)]
pub(crate) enum Reason<'p, 'c> {
    NotGranted,
    UnknownTool,
    TargetSyntax(&'c LexicalDefect),
    TargetKind,
    /// The target itself, in its canonical form.
    Target(IpNet, Excluded),
    /// No pattern has the name.
    Name,
    /// An address of the name.
    AddressOfName(IpAddr, Excluded),
    NameUnresolved,
    ArgumentSyntax(&'c LexicalDefect),
    OptionUnknown(&'c str),
    PresetUnknown(&'c Identifier),
    OptionValue(&'p ToolOption, Option<&'c str>),
    OptionRepeated(&'p ToolOption),
    Operand(&'c str),
    Time(Duration),
    NoTime,
    Intrusive(Beyond<'p>),
}

/// What goes beyond the standard tier, and beyond the grant.
#[derive(Debug)]
pub(crate) enum Beyond<'p> {
    Tool,
    /// A preset, and one to take instead.
    Preset(&'p Identifier, Option<&'p Identifier>),
    Option(&'p ToolOption),
    /// A value of an option that is of the standard tier itself.
    Value(&'p ToolOption),
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
    let standing = Standing::of(policy, subject, call.limits.tier);
    judge(&standing, call).map_err(|reason| denial::of(&standing, call, &reason))
}

/// The same, for whoever stands with the policy so, and without words.
pub(crate) fn judge<'p, 'c>(
    standing: &Standing<'p>,
    call: &'c Call,
) -> Result<Approved<'p>, Reason<'p, 'c>> {
    work::done(Kind::Judged);
    let policy = standing.policy;
    let (tool, granted) = granted_tool(standing, call.tool.as_str())?;
    let (target, name) = allowed_target(&policy.targets, tool, &call.target)?;
    let settings = settle(tool, &call.arguments)?;
    let tier = allowed_tier(tool, &settings, granted.tier, &call.arguments)?;
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
pub(crate) fn granted_tool<'p, 'c>(
    standing: &Standing<'p>,
    name: &str,
) -> Result<(&'p Tool, Granted<'p>), Reason<'p, 'c>> {
    let policy = standing.policy;
    let at = policy.tool_number(name);
    let granted = standing.granted(at).ok_or(Reason::NotGranted)?;
    let tool = at.and_then(|at| policy.tools.get(at)).ok_or(Reason::UnknownTool)?;
    Ok((tool, granted))
}

/// The one address or network that the tool will be given, and the name it came by.
pub(crate) fn allowed_target<'p, 'c>(
    targets: &Targets,
    tool: &Tool,
    asked: &'c Target,
) -> Result<(IpNet, Option<HostName>), Reason<'p, 'c>> {
    // A frontend may have built the value by hand, so its form is settled here once more.
    match asked {
        Target::Malformed(defect) => Err(Reason::TargetSyntax(defect)),
        Target::Address(_) | Target::Network(_) => {
            let (network, kind) = match asked.canonical() {
                Target::Address(address) => (IpNet::from(address), TargetKind::Address),
                Target::Network(network) => (network, TargetKind::Network),
                Target::Name { .. } | Target::Malformed(_) => return Err(Reason::TargetKind),
            };
            expect_kind(tool, kind)?;
            let admitted = targets.admits(network);
            admitted.map_err(|excluded| Reason::Target(network, excluded))?;
            Ok((network, None))
        }
        Target::Name { name, addresses } => {
            expect_kind(tool, TargetKind::Address)?;
            let address = allowed_name(targets, name, addresses)?;
            Ok((IpNet::from(address), Some(name.clone())))
        }
    }
}

fn expect_kind<'p, 'c>(tool: &Tool, kind: TargetKind) -> Result<(), Reason<'p, 'c>> {
    if tool.targets.contains(&kind) { Ok(()) } else { Err(Reason::TargetKind) }
}

/// The name must match a pattern *and* each of its addresses must be allowed. The tool is given
/// the first of them rather than the name, so a second look-up cannot move the target.
fn allowed_name<'p, 'c>(
    targets: &Targets,
    name: &HostName,
    addresses: &[IpAddr],
) -> Result<IpAddr, Reason<'p, 'c>> {
    // RULE: A name must match a pattern, and each of its addresses must be allowed.
    if !targets.names.contains(name) {
        return Err(Reason::Name);
    }
    for address in addresses.iter().map(IpAddr::to_canonical) {
        let admitted = targets.admits(IpNet::from(address));
        admitted.map_err(|excluded| Reason::AddressOfName(address, excluded))?;
    }
    // RULE: The tool is given an address that was checked.
    addresses.first().map(IpAddr::to_canonical).ok_or(Reason::NameUnresolved)
}

pub(crate) fn allowed_time<'p, 'c>(
    policy: &Policy,
    tool: &Tool,
    requested: &RequestedLimits,
) -> Result<Duration, Reason<'p, 'c>> {
    let ceiling = policy.ceilings.timeout;
    match requested.timeout {
        None => Ok(tool.timeout.value.min(ceiling)),
        Some(Duration::ZERO) => Err(Reason::NoTime),
        Some(asked) if asked > ceiling => Err(Reason::Time(asked)),
        Some(asked) => Ok(asked),
    }
}

/// The tier of tool and merged options together, if the grant reaches it. A preset is as intrusive
/// as its options, so it is caught here too; it is refused, never silently weakened.
pub(crate) fn allowed_tier<'p, 'c>(
    tool: &'p Tool,
    settings: &Settings,
    granted: Tier,
    arguments: &Arguments,
) -> Result<Tier, Reason<'p, 'c>> {
    let used = tool.options.iter().zip(settings);
    let mut used = used.filter_map(|(o, value)| value.as_ref().map(|v| (o, v)));
    let intrusive = used.find(|(o, v)| o.tier_with(v) > Tier::Standard).map(|(o, _)| o);
    let option = match (tool.tier, intrusive) {
        (Tier::Standard, None) => return Ok(Tier::Standard),
        _ if granted == Tier::Intrusive => return Ok(Tier::Intrusive),
        (Tier::Intrusive, _) => return Err(Reason::Intrusive(Beyond::Tool)),
        (Tier::Standard, Some(option)) => option,
    };
    let preset = match arguments {
        Arguments::Given { preset: Some(name), .. } => tool.presets.get_key_value(name),
        Arguments::Given { preset: None, .. } | Arguments::Malformed(_) => None,
    };
    Err(Reason::Intrusive(match preset {
        Some((name, preset)) if preset.tier > Tier::Standard => {
            Beyond::Preset(name, preset.standard.as_ref())
        }
        _ if option.tier > Tier::Standard => Beyond::Option(option),
        _ => Beyond::Value(option),
    }))
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
