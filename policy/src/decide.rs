//! The decision.
//!
//! Everything Probity promises an administrator hangs on this one function: no call reaches a
//! tool but through an [`Approved`], and nothing else makes one. The steps stand in the order in
//! which a denial speaks, and each finds the line that refuses where it refuses.

use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use probity_protocol::{
    Arguments, Beyond, Call, DnsName, Exceeded, Excerpt, Excluded, HostName, LexicalDefect,
    LimitedBy, OptionId, Reason, RequestedLimits, Target, TargetKind, Tier, Weight,
};

use crate::{
    approvers::Approver,
    arguments::{Settings, merge_arguments, set_by},
    beyond::beyond,
    denied::Denied,
    granted_options::OptionLeft,
    grants::Grant,
    policy::Policy,
    relations::{Broken, broken},
    subject::Subject,
    subject_grants::{Granted, SubjectGrants},
    targets::Bounds,
    tool::{Setting, Tool, ToolOption},
    value::Value,
    work::{self, Kind},
};

/// A call that the policy approves of, parsed and merged. The only way to a [`crate::Plan`].
#[derive(Debug, Clone)]
#[must_use = "an approval that is not turned into a plan runs nothing"]
pub struct Approved<'p> {
    pub(crate) policy: &'p Policy,
    pub(crate) tool: &'p Tool,
    /// What the tool is aimed at: an address or a network, never a name; nothing where it takes none.
    pub(crate) target: Option<IpNet>,
    /// The name it was asked by, as claimed.
    pub(crate) name: Option<HostName>,
    pub(crate) settings: Settings,
    pub(crate) tier: Tier,
    pub(crate) timeout: Duration,
    pub(crate) requested: RequestedLimits,
    /// The grant that allowed it.
    pub(crate) grant: &'p Grant,
    /// Who may approve it: somebody, where the grant asks for that.
    pub(crate) approvers: Vec<&'p Approver>,
}

/// Decides whether `subject` may make `call` at this moment, by the machine's clock.
///
/// # Errors
/// The first reason against it, in the order of the steps below, and the line that gives it.
pub fn decide<'p>(
    policy: &'p Policy,
    subject: &Subject,
    call: &Call,
    now: SystemTime,
) -> Result<Approved<'p>, Denied<'p>> {
    work::done(Kind::Judged);
    let grants = SubjectGrants::of(policy, subject, call.limits.tier, now);
    let uid = subject.uid;
    let judged = |of: (&'p Tool, Granted<'p>)| (judge(policy, of.0, uid, of.1.clone(), call), of);
    let (verdict, (tool, granted)) = match near(&grants, call).map(judged) {
        // Of a name the others may be refused for a reason of their own.
        Some(near) if near.0.is_ok() || !is_name(call) => near,
        _ => judged(granted_tool(&grants, call.tool.as_str())?),
    };
    verdict.map_err(|mut denied| {
        let leave = |at| granted.leave(tool, at);
        denied.denial.beyond = beyond(tool, granted.tier(), leave, &call.arguments);
        denied
    })
}

fn is_name(call: &Call) -> bool {
    matches!(call.target, Target::Name { .. })
}

/// The tool, and of the grants of one who holds many of it those that may reach the target. Each that covers
/// the call is among them, so that no other has a say in a yes. Nor in a no: the others are refused because the
/// target is outside their networks, and the first of all, which is among them too, stands for those.
fn near<'p>(grants: &SubjectGrants<'p>, call: &Call) -> Option<(&'p Tool, Granted<'p>)> {
    let at = grants.policy.tool_number(call.tool.as_str())?;
    let first = match call.target.canonical() {
        Target::Address(address) => address,
        Target::Network(network) => network.network(),
        Target::Name { addresses, .. } => *addresses.first()?,
        Target::None | Target::Malformed(_) => return None,
    };
    Some((grants.policy.tools.get(at)?, grants.granted_near(at, first)?))
}

pub(crate) fn judge<'p>(
    policy: &'p Policy,
    tool: &'p Tool,
    uid: u32,
    granted: Granted<'p>,
    call: &Call,
) -> Result<Approved<'p>, Denied<'p>> {
    let aim = allowed_target(policy, tool, &call.target)?;
    let granted = granted_target(granted, &aim)?;
    let settings = merge_arguments(tool, call)?;
    let granted = granted_questions(policy, tool, &settings, granted)?;
    let (tier, granted) = allowed_tier(tool, &settings, granted, &call.arguments)?;
    let granted = granted_options(tool, &settings, granted, &call.arguments)?;
    allowed_together(tool, &settings)?;
    let granted = approvable(policy, tool, uid, granted)?;
    let (timeout, grant) = allowed_time(policy, tool, granted, &call.limits)?;
    let (requested, target, name) = (call.limits.clone(), aim.target, aim.name());
    let needed = Some(&tool.name).filter(|_| grant.needs_approval);
    let approvers = needed.into_iter().flat_map(|tool| policy.approvers(tool, uid)).collect();
    Ok(Approved {
        policy,
        tool,
        target,
        name,
        settings,
        tier,
        timeout,
        requested,
        grant,
        approvers,
    })
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
        // RULE: A grant that has ended gives nothing.
        let last = grants.ended(at).max_by_key(|grant| grant.until);
        if let Some((last, since)) = last.and_then(|last| Some((last, last.until?))) {
            return Err(Denied::new(Reason::Expired { since }, Some(&last.place)));
        }
        let known = tool.filter(|_| !grants.is_empty());
        let weight = known.map(|tool| Weight {
            tier: tool.tier,
            timeout: tool.timeout.value.min(policy.longest(tool)),
        });
        let grants_nothing = policy.grants.is_empty();
        return Err(Denied::by_no_line(Reason::NotGranted { grants_nothing, weight }));
    };
    let tool = tool.ok_or_else(|| Denied::by_no_line(Reason::UnknownTool))?;
    Ok((tool, granted))
}

/// The grants by which it can come to a run: where another person has to approve, there is one.
pub(crate) fn approvable<'p>(
    policy: &'p Policy,
    tool: &'p Tool,
    uid: u32,
    granted: Granted<'p>,
) -> Result<Granted<'p>, Denied<'p>> {
    let check = |grant: &'p Grant, _| {
        let can = !grant.needs_approval || policy.approvers(&tool.name, uid).next().is_some();
        can.then_some(()).ok_or_else(|| Denied::new(Reason::NoApprover, Some(&grant.place)))
    };
    granted.keep(check, |_| ())
}

/// What a call aims at, checked.
#[derive(Debug)]
pub(crate) struct Aimed {
    /// As it was asked for, in its canonical form.
    pub asked: Target,
    /// The one address or network that the tool will be given. A name goes by the first of its addresses,
    /// so a second look-up cannot move the target. `None` of a tool that takes none.
    pub target: Option<IpNet>,
}

impl Aimed {
    pub(crate) fn name(self) -> Option<HostName> {
        match self.asked {
            Target::Name { name, .. } => Some(name),
            _ => None,
        }
    }
}

/// What the policy and the tool's file leave to everybody.
pub(crate) fn allowed_target<'p>(
    policy: &'p Policy,
    tool: &'p Tool,
    asked: &Target,
) -> Result<Aimed, Denied<'p>> {
    // A frontend may have built the value by hand, so its form is settled here once more.
    let asked = asked.canonical();
    let (kind, target) = match &asked {
        Target::None if tool.targets.is_empty() => return Ok(Aimed { asked, target: None }),
        Target::None => {
            return Err(Denied::by_no_line(Reason::TargetSyntax(LexicalDefect::Empty)));
        }
        Target::Malformed(defect) => {
            return Err(Denied::by_no_line(Reason::TargetSyntax(defect.clone())));
        }
        Target::Address(address) => (TargetKind::Address, Some(IpNet::from(*address))),
        Target::Network(network) => (TargetKind::Network, Some(*network)),
        // RULE: The tool is given an address that was checked.
        Target::Name { addresses, .. } => {
            (TargetKind::Address, addresses.first().copied().map(IpNet::from))
        }
    };
    if !tool.targets.contains(&kind) {
        return Err(Denied::new(Reason::TargetKind, Some(&tool.place)));
    }
    policy.targets.bounds(&policy.lines).check(&asked)?;
    tool.scope.bounds(LimitedBy::Tool).check(&asked)?;
    let target = target.ok_or_else(|| Denied::by_no_line(Reason::NameUnresolved))?;
    Ok(Aimed { asked, target: Some(target) })
}

/// The grants that reach the target.
pub(crate) fn granted_target<'p>(
    granted: Granted<'p>,
    aim: &Aimed,
) -> Result<Granted<'p>, Denied<'p>> {
    // RULE: A grant reaches its own networks and names alone.
    let check = |grant: &'p Grant, _| grant.scope.bounds(LimitedBy::Grant).check(&aim.asked);
    granted.keep(check, |denied| match denied.denial.reason {
        // A smaller part of it would pass.
        Reason::Target { excluded: Excluded::TooLarge, .. } => 2,
        Reason::Target { excluded: Excluded::Outside, .. } | Reason::Name(_) => 0,
        _ => 1,
    })
}

/// The grants that allow each name that the tool is to ask for.
pub(crate) fn granted_questions<'p>(
    policy: &'p Policy,
    tool: &'p Tool,
    settings: &Settings,
    granted: Granted<'p>,
) -> Result<Granted<'p>, Denied<'p>> {
    let set = tool.options.iter().zip(settings);
    let asked = set.flat_map(|(option, value)| {
        value.iter().flat_map(Value::questions).map(move |name| (option, name))
    });
    let asked: Vec<_> = asked.collect();
    if asked.is_empty() {
        return Ok(granted);
    }
    let everybody = [policy.targets.bounds(&policy.lines), tool.scope.bounds(LimitedBy::Tool)];
    let check = |grant: &'p Grant, _| {
        let own = grant.scope.bounds(LimitedBy::Grant);
        asked.iter().try_for_each(|(option, name)| {
            let bounds = || everybody.iter().chain([&own]);
            // RULE: A tool asks for no name but one that the grant allows, or an allowed address's own.
            allowed_question(bounds, option, name)
        })
    };
    granted.keep(check, |denied| match denied.denial.reason {
        Reason::QuestionAddress { excluded, by, .. } => (by, excluded != Excluded::Outside),
        Reason::QuestionName { by, .. } => (by, false),
        _ => (LimitedBy::Policy, false),
    })
}

/// A name that all of them allow by its patterns, or the complete reverse name of an address that all
/// of them allow.
fn allowed_question<'b, 'p: 'b, I: Iterator<Item = &'b Bounds<'p>>>(
    bounds: impl Fn() -> I,
    option: &'p ToolOption,
    name: &DnsName,
) -> Result<(), Denied<'p>> {
    let without = bounds().find(|bounds| !bounds.covers(name.as_str()));
    let Some(address) = name.reversed() else {
        return without.map_or(Ok(()), |without| Err(without.question_name(option.id())));
    };
    let refuse = |bounds: &Bounds<'p>| bounds.question_address(option.id(), address).err();
    // What is denied is denied by its reverse name too, whatever names are allowed.
    let counts = |denied: &Denied<'p>| match denied.denial.reason {
        Reason::QuestionAddress { excluded: Excluded::Outside, .. } => without.is_some(),
        _ => true,
    };
    bounds().filter_map(refuse).find(counts).map_or(Ok(()), Err)
}

/// How long it may run, and the grant that allows the call.
pub(crate) fn allowed_time<'p>(
    policy: &'p Policy,
    tool: &'p Tool,
    granted: Granted<'p>,
    requested: &RequestedLimits,
) -> Result<(Duration, &'p Grant), Denied<'p>> {
    let ceiling = policy.longest(tool);
    let too_long = |asked, most, by, place| Denied::new(Reason::Time { asked, most, by }, place);
    match requested.timeout {
        Some(Duration::ZERO) => return Err(Denied::by_no_line(Reason::NoTime)),
        Some(asked) if asked > ceiling => {
            let (by, place) = match ceiling < policy.ceilings.timeout {
                true => (LimitedBy::Tool, Some(&tool.place)),
                false => (LimitedBy::Policy, policy.lines.timeout.as_ref()),
            };
            return Err(too_long(asked, ceiling, by, place));
        }
        _ => {}
    }
    let check = |grant: &'p Grant, _| match (requested.timeout, grant.timeout) {
        (Some(asked), Some(most)) if asked > most => {
            Err(too_long(asked, most, LimitedBy::Grant, Some(&grant.place)))
        }
        _ => Ok(()),
    };
    let granted = granted.keep(check, |denied| match denied.denial.reason {
        Reason::Time { most, .. } => most,
        _ => Duration::ZERO,
    })?;
    // Of those that are left the one that gives most, and of equals the first: so the order of grants
    // changes nothing but which of equals is named.
    let gives = |grant: &Grant| {
        let most = grant.timeout.unwrap_or(ceiling).min(ceiling);
        let time = requested.timeout.unwrap_or(tool.timeout.value).min(most);
        (!grant.needs_approval, time, grant.concurrency.unwrap_or(u32::MAX))
    };
    granted.most_by(gives).map(|(grant, (_, time, _))| (time, grant)).ok_or_else(|| {
        let reason = Reason::NotGranted { grants_nothing: false, weight: None };
        Denied::by_no_line(reason)
    })
}

/// The tier of tool and merged options together, if the grant reaches it. A preset is as intrusive
/// as its options, so it is caught here too; it is refused, never silently weakened.
pub(crate) fn allowed_tier<'p>(
    tool: &'p Tool,
    settings: &Settings,
    granted: Granted<'p>,
    arguments: &Arguments,
) -> Result<(Tier, Granted<'p>), Denied<'p>> {
    let used = tool.options.iter().zip(settings);
    let mut used = used.filter_map(|(o, value)| value.as_ref().map(|v| (o, v)));
    let intrusive = used.find(|(o, v)| o.tier_with(v) > Tier::Standard).map(|(o, _)| o);
    if tool.tier == Tier::Standard && intrusive.is_none() {
        return Ok((Tier::Standard, granted));
    }
    let check = |_: &Grant, tier| match intrusive.filter(|_| tool.tier == Tier::Standard) {
        _ if tier == Tier::Intrusive => Ok(()),
        None => Err(Denied::new(Reason::Intrusive(Beyond::Tool), Some(&tool.place))),
        Some(option) => {
            let beyond = beyond_by(tool, option, tier, arguments);
            Err(Denied::new(Reason::Intrusive(beyond), Some(&option.place)))
        }
    };
    Ok((Tier::Intrusive, granted.keep(check, |_| ())?))
}

/// The grants that leave each option as it is in this call, whoever set it so: a preset or a default that
/// goes further is refused, never silently changed.
pub(crate) fn granted_options<'p>(
    tool: &'p Tool,
    settings: &Settings,
    granted: Granted<'p>,
    arguments: &Arguments,
) -> Result<Granted<'p>, Denied<'p>> {
    // RULE: An option is used only as far as one grant leaves it.
    let check = |grant: &'p Grant, tier| {
        let exceeded = grant.options.exceeded(tool, settings);
        exceeded.map_or(Ok(()), |(OptionLeft { at, left, place, .. }, option, value)| {
            let exceeded = Exceeded {
                option: option.id(),
                value: Excerpt::of(&option.written(&Setting::On(value.clone()))),
                set_by: set_by(tool, arguments, *at),
                left: left.of(option.kind.describe(tier)),
            };
            Err(Denied::new(Reason::OptionNotGranted(Box::new(exceeded)), Some(place)))
        })
    };
    // Another value would pass.
    let nearness = |denied: &Denied<'p>| match &denied.denial.reason {
        Reason::OptionNotGranted(exceeded) => exceeded.left.is_some(),
        _ => false,
    };
    granted.keep(check, nearness)
}

/// Whether the merged options go together. It speaks after the tier: so it names no option that the grant
/// does not give.
pub(crate) fn allowed_together<'p>(tool: &'p Tool, settings: &Settings) -> Result<(), Denied<'p>> {
    // RULE: Options that exclude one another are never set at once, and none without what it requires.
    let broken = broken(&tool.options, |at| settings.get(at).is_some_and(Option::is_some));
    let (at, other, of): (_, _, fn(OptionId, Box<OptionId>) -> Reason) = match broken {
        None => return Ok(()),
        Some(Broken::Unset(at)) => {
            let unset = tool.options.get(at).map(|option| {
                Denied::new(Reason::OptionRequired(option.id()), Some(&option.place))
            });
            return unset.map_or(Ok(()), Err);
        }
        Some(Broken::Excludes(at, other)) => {
            (at, other, |option, other| Reason::OptionConflict { option, other })
        }
        Some(Broken::Requires(at, other)) => {
            (at, other, |option, needs| Reason::OptionMissing { option, needs })
        }
    };
    match (tool.options.get(at), tool.options.get(other)) {
        (Some(option), Some(other)) => {
            Err(Denied::new(of(option.id(), Box::new(other.id())), Some(&option.place)))
        }
        _ => Ok(()),
    }
}

/// By which of its parts a call is intrusive.
fn beyond_by(tool: &Tool, option: &ToolOption, granted: Tier, arguments: &Arguments) -> Beyond {
    let preset = match arguments {
        Arguments::Given { preset: Some(name), .. } => tool.presets.get_key_value(name),
        Arguments::Given { preset: None, .. } | Arguments::Malformed(_) => None,
    };
    match preset {
        Some((name, preset)) if preset.tier > Tier::Standard => {
            Beyond::Preset { name: name.clone(), options: tool.set_by(preset, granted) }
        }
        _ if option.tier > Tier::Standard => option.beyond(),
        _ => Beyond::Value(option.id()),
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
