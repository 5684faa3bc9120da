//! For some refusals a call that would pass: the refused one, with each slip in it repaired.
//!
//! Nothing is approved here. A call is repaired as a whole, and then judged; what was never approved
//! is never suggested. Whoever reads a suggestion may follow it without a thought, so it aims at
//! nothing that was not in the request, and does nothing more: each part of the request is kept,
//! repaired to what was meant by it, or left out where that does less. Where one part is not
//! understood, there is no suggestion, since without it the rest may do more: scan a thousand ports
//! in place of one.
//!
//! Whoever is refused decides how often this is done, so it costs no more than a few approvals,
//! however large the policy or the request: a call is judged once, and what is looked for is looked
//! for among a few.

mod arguments;
mod preset;
mod tool;
mod value;
mod words;

use probity_protocol::{Arguments, Call, Denial, RequestedLimits, SuggestedCall};

use crate::{
    decide::{allowed_target, judge},
    grants::Standing,
    policy::Policy,
    subject::Subject,
};

pub(crate) use arguments::{flags_of_cluster, meant_option};
pub(crate) use preset::meant_preset;
pub(crate) use value::nearest_value;
pub(crate) use words::depth_of;

/// The denial as a client is told it: with the nearest call that would pass.
#[must_use]
pub fn with_suggestion(policy: &Policy, subject: &Subject, call: &Call, denial: Denial) -> Denial {
    let suggestion = suggest(policy, subject, call);
    let suggestion = suggestion.and_then(SuggestedCall::of).map(Box::new);
    Denial { suggestion, ..denial }
}

/// The nearest call to a denied one that [`crate::decide`] approves for the same subject, and that
/// does nothing which was not asked for. `None` where there is no such call.
#[must_use]
pub fn suggest(policy: &Policy, subject: &Subject, call: &Call) -> Option<Call> {
    let standing = &Standing::of(policy, subject, call.limits.tier);
    let repaired = repaired(standing, call)?;
    judge(standing, &repaired).is_ok().then_some(repaired)
}

/// The call with each part changed that stands in its way.
fn repaired(standing: &Standing<'_>, call: &Call) -> Option<Call> {
    let targets = &standing.policy.targets;
    let chosen = tool::chosen(standing, call)?;
    let tool = chosen.tool;
    let target = match allowed_target(targets, tool, &call.target) {
        Ok(_) => call.target.clone(),
        Err(_) => targets.nearest(&tool.targets, &call.target)?,
    };
    let arguments = match chosen.is_lighter {
        // What is said to one program says nothing to another.
        true => Arguments::default(),
        false => arguments::repaired(tool, chosen.tier, &call.arguments)?,
    };
    let timeout = call.limits.timeout.filter(|asked| !asked.is_zero());
    let timeout = timeout.map(|asked| asked.min(standing.policy.ceilings.timeout));
    Some(Call {
        tool: chosen.name.clone(),
        target,
        arguments,
        limits: RequestedLimits { timeout, ..call.limits.clone() },
        correlation_id: call.correlation_id.clone(),
        client: call.client.clone(),
    })
}

#[cfg(test)]
#[path = "../suggest_tests.rs"]
mod tests;
