//! For some refusals a call that would pass: the refused one, with each slip in it repaired.
//!
//! Nothing is approved here: whoever asks puts the call to the policy, and tells nobody of one that it
//! does not approve of. Whoever reads a suggestion may follow it without a thought, so it aims at
//! nothing that was not in the request, and does nothing more: each part of the request is kept,
//! repaired to what was meant by it, or left out where that does less. Where one part is not
//! understood, there is no suggestion, since without it the rest may do more: scan a thousand ports
//! in place of one.

mod arguments;
mod preset;
mod tool;
mod value;

use probity_protocol::{Arguments, Call, Catalog, Denial, RequestedLimits, Target};

use crate::{granted::Granted, targets::Targets};

pub(crate) use arguments::{flags_of_cluster, meant_option};
pub(crate) use preset::{instead_of, meant_preset};
pub(crate) use value::nearest_value;

/// The nearest call to a denied one that the policy probably approves of for the same caller, and that
/// does nothing which was not asked for. `None` where there is no such call.
#[must_use]
pub fn repair(catalog: &Catalog, call: &Call, denial: &Denial) -> Option<Call> {
    let granted = Granted::of(catalog, call, denial);
    let chosen = tool::chosen(granted, call, &denial.reason)?;
    let allowance = catalog.allowance_of(chosen.tool.entry);
    let targets = Targets::of(allowance);
    let kinds = &chosen.tool.entry.targets;
    let target = match targets.admits(kinds, &call.target) {
        // What it shows is this machine, whatever was named: nobody is led from another host to that.
        _ if kinds.is_empty() && call.target != Target::None => return None,
        true => call.target.clone(),
        false => targets.nearest(kinds, &call.target)?,
    };
    let arguments = match chosen.is_lighter {
        // What is said to one program says nothing to another.
        true => Arguments::default(),
        false => arguments::repaired(chosen.tool, &call.arguments)?,
    };
    let timeout = call.limits.timeout.filter(|asked| !asked.is_zero());
    let timeout = timeout.map(|asked| asked.min(allowance.timeout_ceiling));
    Some(Call {
        tool: chosen.name.clone(),
        target,
        arguments,
        limits: RequestedLimits { timeout, ..call.limits.clone() },
        correlation_id: call.correlation_id.clone(),
        client: call.client.clone(),
    })
}
