//! For each refusal a call that would pass: the refused one, changed only where it must be.
//!
//! Nothing is approved here. A call is repaired as a whole, and then judged; what was never approved
//! is never suggested. Repairs offer only what the subject is granted, and take wishes away or
//! tighten them; they add none.
//!
//! Whoever is refused decides how often this is done, so it costs no more than a few approvals,
//! however large the policy or the request: a call is judged twice at most, and what is looked for
//! is looked for among a few.

mod arguments;
mod tool;
mod value;

use probity_protocol::{Arguments, Call, Denial, RequestedLimits, SuggestedCall};

use crate::{
    decide::{allowed_target, judge},
    grants::Standing,
    policy::Policy,
    subject::Subject,
    tool::Tool,
};

pub(crate) use arguments::{flags_of_cluster, meant_option, meant_preset};
pub(crate) use value::nearest_value;

/// The denial as a client is told it: with the nearest call that would pass.
#[must_use]
pub fn with_suggestion(policy: &Policy, subject: &Subject, call: &Call, denial: Denial) -> Denial {
    let suggestion = suggest(policy, subject, call);
    let suggestion = suggestion.and_then(SuggestedCall::of).map(Box::new);
    Denial { suggestion, ..denial }
}

/// The nearest call to a denied one that [`crate::decide`] approves for the same subject. `None`
/// where the subject is granted no tool, or nothing may be aimed at.
#[must_use]
pub fn suggest(policy: &Policy, subject: &Subject, call: &Call) -> Option<Call> {
    let standing = &Standing::of(policy, subject, call.limits.tier);
    let repaired = repaired(standing, call)?;
    if judge(standing, &repaired).is_ok() {
        return Some(repaired);
    }
    let bare = Call { arguments: Arguments::default(), ..repaired };
    judge(standing, &bare).is_ok().then_some(bare)
}

/// The call with each part changed that stands in its way.
fn repaired(standing: &Standing<'_>, call: &Call) -> Option<Call> {
    let targets = &standing.policy.targets;
    let asked = standing.policy.tool_number(call.tool.as_str());
    let usable = asked.and_then(|at| Some((standing.can_use(at)?, standing.policy.tools.get(at)?)));
    // The target as it is, or the nearest that the tool takes.
    let aimed = |tool: &Tool| match allowed_target(targets, tool, &call.target) {
        Ok(_) => Some(call.target.clone()),
        Err(_) => targets.nearest(&tool.targets, &call.target),
    };
    let own = usable.and_then(|(tier, tool)| Some((tier, &**tool, aimed(tool)?)));
    let (name, tier, tool, target, keeps_words) = match own {
        Some((tier, tool, target)) => (&call.tool, tier, tool, target, true),
        None => {
            let tool::Other { tool, tier, is_meant } = tool::other(standing, call, asked)?;
            (&tool.name, tier, tool, aimed(tool)?, is_meant)
        }
    };
    let timeout = call.limits.timeout.filter(|asked| !asked.is_zero());
    let timeout = timeout.map(|asked| asked.min(standing.policy.ceilings.timeout));
    Some(Call {
        tool: name.clone(),
        target,
        // Flags of one program say nothing to another; properties that both have may stay.
        arguments: arguments::repaired(tool, tier, &call.arguments, keeps_words),
        limits: RequestedLimits { timeout, ..call.limits.clone() },
        correlation_id: call.correlation_id.clone(),
        client: call.client.clone(),
    })
}

#[cfg(test)]
#[path = "../suggest_tests.rs"]
mod tests;
