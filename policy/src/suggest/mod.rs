//! For each refusal a call that would pass: the refused one, changed only where it must be.
//!
//! Nothing is approved here. A call is repaired where the denial points, and [`decide`] is asked
//! again until it says yes; what it never approved is never suggested. Repairs offer only what the
//! subject is granted, and take wishes away or tighten them; they add none.

mod arguments;
mod value;

use probity_protocol::{
    Arguments, Call, Denial, DenialCode, Layer, SuggestedCall, Target, TargetKind, Tier,
};

use crate::{decide::decide, policy::Policy, subject::Subject, tool::Tool};

pub(crate) use arguments::{
    closest, flags_of_cluster, meant_option, meant_preset, standard_preset,
};
pub(crate) use value::nearest_value;

/// Most times that the policy is asked. Each layer is repaired as a whole, so that two or three do.
const MOST_DECISIONS: usize = 12;

/// The denial as a client is told it: with the nearest call that would pass.
#[must_use]
pub fn with_suggestion(policy: &Policy, subject: &Subject, call: &Call, denial: Denial) -> Denial {
    let suggestion = suggest(policy, subject, call, &denial);
    let suggestion = suggestion.and_then(SuggestedCall::of).map(Box::new);
    Denial { suggestion, ..denial }
}

/// The nearest call to a denied one that [`decide`] approves for the same subject. `None` where the
/// subject is granted no tool, or nothing may be aimed at.
#[must_use]
pub fn suggest(policy: &Policy, subject: &Subject, call: &Call, denial: &Denial) -> Option<Call> {
    let subject = &*subject.at_most(call.limits.tier);
    let mut repair = Repair { policy, subject, call: call.clone(), arguments_repaired: false };
    let mut code = denial.code;
    for _ in 0..MOST_DECISIONS {
        repair.step(code)?;
        match decide(policy, subject, &repair.call) {
            Ok(_) => return Some(repair.call),
            Err(denial) => code = denial.code,
        }
    }
    None
}

struct Repair<'p> {
    policy: &'p Policy,
    subject: &'p Subject,
    call: Call,
    arguments_repaired: bool,
}

impl<'p> Repair<'p> {
    /// Repairs what the code is about; `None` where nothing is left to try.
    fn step(&mut self, code: DenialCode) -> Option<()> {
        let Some((tool, tier)) = self.tool() else { return self.another_tool() };
        match code.layer() {
            Layer::Tool => self.another_tool(),
            Layer::Target => match self.policy.targets.nearest(&tool.targets, &self.call.target) {
                Some(target) => {
                    self.call.target = target;
                    Some(())
                }
                None => self.another_tool(),
            },
            Layer::Argument if code == DenialCode::Ceiling => {
                let ceiling = self.policy.ceilings.timeout;
                let asked = self.call.limits.timeout.filter(|asked| !asked.is_zero());
                self.call.limits.timeout = asked.map(|asked| asked.min(ceiling));
                Some(())
            }
            Layer::Argument | Layer::Intrusive if self.arguments_repaired => {
                self.call.arguments = arguments::simpler(&self.call.arguments)?;
                Some(())
            }
            Layer::Argument | Layer::Intrusive => {
                self.arguments_repaired = true;
                self.call.arguments = arguments::repaired(tool, tier, &self.call.arguments);
                Some(())
            }
        }
    }

    /// The tool that is asked for, if the subject can use it.
    fn tool(&self) -> Option<(&'p Tool, Tier)> {
        let tool = self.policy.tool(self.call.tool.as_str())?;
        let granted = self.policy.granted(self.subject, Some(tool))?;
        (tool.tier <= granted.tier).then_some((tool.as_ref(), granted.tier))
    }

    /// A tool that the subject can use: one with a name like the one given, else the lightest that
    /// takes this kind of target, else the lightest for which there is any target.
    fn another_tool(&mut self) -> Option<()> {
        let targets = &self.policy.targets;
        let exists = |kind| targets.nearest(&[kind], &self.call.target).is_some();
        let kinds = [TargetKind::Address, TargetKind::Network].map(|k| (k, exists(k)));
        let current = self.policy.tool(self.call.tool.as_str()).map(|tool| &tool.name);
        let usable: Vec<&Tool> = self
            .policy
            .usable(self.subject)
            .map(|(tool, _)| tool)
            .filter(|tool| Some(&tool.name) != current)
            .filter(|tool| {
                kinds.iter().any(|(kind, exists)| *exists && tool.targets.contains(kind))
            })
            .collect();
        let meant = meant_tool(self.call.tool.as_str(), &usable);
        if let Some(tool) = meant {
            self.call.tool = tool.name.clone();
            return Some(());
        }
        let asked = match self.call.target.canonical() {
            Target::Network(_) => TargetKind::Network,
            Target::Address(_) | Target::Name { .. } | Target::Malformed(_) => TargetKind::Address,
        };
        // The lightest, so that nobody is led into more than he asked for.
        let weight = |tool: &&&Tool| (tool.tier, tool.timeout.value);
        let fits = usable.iter().filter(|tool| tool.targets.contains(&asked)).min_by_key(weight);
        let tool = fits.or_else(|| usable.iter().min_by_key(weight))?;
        self.call.tool = tool.name.clone();
        // Flags of one program say nothing to another; properties that both have may stay.
        if let Arguments::Given { tokens, .. } = &mut self.call.arguments {
            tokens.clear();
        }
        Some(())
    }
}

/// The tool whose name was probably meant: misspelled, or with something before or after it, as in
/// `ping6` or `nmap_scan`.
fn meant_tool<'p>(given: &str, usable: &[&'p Tool]) -> Option<&'p Tool> {
    /// Shorter names are within many words.
    const LEAST: usize = 3;
    let names = || {
        usable.iter().flat_map(|tool| {
            let names = std::iter::once(&tool.name).chain(&tool.aliases);
            names.map(|name| (name.as_str(), *tool))
        })
    };
    let within = || {
        let given = given.to_ascii_lowercase();
        let mut long = names().filter(|(name, _)| name.len() >= LEAST);
        long.find(|(name, _)| given.contains(&name.to_ascii_lowercase())).map(|(name, _)| name)
    };
    let meant = closest(given, names().map(|(name, _)| name)).or_else(within)?;
    names().find(|(name, _)| *name == meant).map(|(_, tool)| tool)
}

#[cfg(test)]
#[path = "../suggest_tests.rs"]
mod tests;
