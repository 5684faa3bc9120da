//! The steps of a decision, one by one, each with the lines it rests on.
//!
//! Nothing is decided here: the steps are the very functions of [`crate::decide`], called in its
//! order, and a test holds their outcome against its verdict.

use std::time::SystemTime;

use std::collections::BTreeSet;

use probity_protocol::{Arguments, Call, Target, Tier};

use super::rules::{intrusive_lines, rules_of};
use crate::{
    Policy, Subject,
    arguments::{Settings, find_first, find_typed, merge_arguments},
    cli::{show, written::Written},
    decide::{
        Aimed, allowed_target, allowed_tier, allowed_time, allowed_together, approvable,
        granted_options, granted_questions, granted_target, granted_tool,
    },
    denied::Denied,
    source::Place,
    subject_grants::{Granted, SubjectGrants},
    template::spelled,
    tool::{Setting, Tool},
};

/// One step that was taken.
pub(super) struct Step {
    pub what: &'static str,
    pub passed: bool,
    /// What came of it.
    pub said: Vec<Said>,
}

/// A fact, and the line it rests on where it rests on one.
pub(super) struct Said {
    pub text: String,
    pub place: Option<Place>,
}

/// The steps up to the first that fails, in the decision's order. `message` is the denial in words.
pub(super) fn trace(
    policy: &Policy,
    written: &Written<'_>,
    subject: &Subject,
    call: &Call,
    message: Option<&str>,
) -> Vec<Step> {
    let mut trace = Trace { policy, written, call, steps: Vec::new() };
    if let Err((what, denied)) = trace.walk(subject) {
        let rules = rules_of(policy, subject, call, &denied);
        let by = rules.iter().map(|place| said("by this line", Some(place)));
        let reason = denied.denial.to_string();
        let message = said(message.unwrap_or(&reason), None);
        let said = std::iter::once(message).chain(by).collect();
        trace.steps.push(Step { what, passed: false, said });
    }
    trace.steps
}

struct Trace<'p> {
    policy: &'p Policy,
    written: &'p Written<'p>,
    call: &'p Call,
    steps: Vec<Step>,
}

/// The step that failed, and how.
type Failed<'p> = (&'static str, Denied<'p>);

impl<'p> Trace<'p> {
    fn walk(&mut self, subject: &Subject) -> Result<(), Failed<'p>> {
        let (policy, call) = (self.policy, self.call);
        let grants = SubjectGrants::of(policy, subject, call.limits.tier, SystemTime::now());
        let (tool, granted) =
            granted_tool(&grants, call.tool.as_str()).map_err(|denied| ("tool", denied))?;
        let mut said_of_tool = vec![said(name_of(tool, call), Some(&tool.place))];
        said_of_tool.extend(granted.each().map(|(grant, tier)| {
            let tier = show::tier(tier);
            let note = grant.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
            said(format!("granted, {tier} tier{note}"), Some(&grant.place))
        }));
        let ended = grants.ended(policy.tool_number(call.tool.as_str()));
        said_of_tool.extend(ended.map(|grant| {
            let until = grant.until.map(humantime::format_rfc3339_seconds);
            let until = until.map(|until| format!(" at {until}")).unwrap_or_default();
            said(format!("a grant of it ended{until}"), Some(&grant.place))
        }));
        self.passed("tool", said_of_tool);
        let aimed =
            allowed_target(policy, tool, &call.target).map_err(|denied| ("target", denied))?;
        let of_target = granted.clone();
        let granted = granted_target(granted, &aimed).map_err(|denied| ("target", denied))?;
        let mut said_of_target = self.target(tool, &aimed);
        said_of_target.extend(left_out(&of_target, &granted, "its grant does not reach that far"));
        self.passed("target", said_of_target);
        let settings = merge_arguments(tool, call).map_err(|denied| ("arguments", denied))?;
        let mut said_of_arguments = self.arguments(tool, &settings);
        let of_questions = granted.clone();
        let granted = granted_questions(policy, tool, &settings, granted)
            .map_err(|denied| ("arguments", denied))?;
        let left =
            left_out(&of_questions, &granted, "its grant does not allow a name that is asked for");
        said_of_arguments.extend(left);
        self.passed("arguments", said_of_arguments);
        let of_tier = granted.clone();
        let (tier, granted) = allowed_tier(tool, &settings, granted, &call.arguments)
            .map_err(|denied| ("tier", denied))?;
        let rules = intrusive_lines(tool, &settings);
        let text = match tier {
            Tier::Standard => "standard: nothing of it is intrusive",
            Tier::Intrusive => "intrusive, and the grant covers that",
        };
        let parts = rules.map(|place| said("intrusive by this line", Some(place)));
        let left = left_out(&of_tier, &granted, "its grant is for the standard tier");
        self.passed("tier", std::iter::once(said(text, None)).chain(parts).chain(left).collect());
        let of_options = granted.clone();
        let granted = granted_options(tool, &settings, granted, &call.arguments)
            .map_err(|denied| ("options", denied))?;
        let left = left_out(&of_options, &granted, "its grant does not leave these options");
        if !left.is_empty() {
            self.passed("options", left);
        }
        allowed_together(tool, &settings).map_err(|denied| ("arguments", denied))?;
        let of_approval = granted.clone();
        let granted = approvable(policy, tool, subject.uid, granted)
            .map_err(|denied| ("approval", denied))?;
        let alone = "its calls need an approval, and nobody else may give one";
        let mut said_of_approval = left_out(&of_approval, &granted, alone);
        let ceiling = self.ceiling();
        let (timeout, grant) =
            allowed_time(policy, tool, granted, &call.limits).map_err(|denied| ("time", denied))?;
        let text = format!("{} at most", humantime::format_duration(timeout));
        let by = said("allowed as a whole by this grant", Some(&grant.place));
        self.passed("time", vec![said(text, ceiling.as_ref()), by]);
        if grant.needs_approval {
            let approvers = policy.approvers(&tool.name, subject.uid);
            let text = |who| format!("it waits for an approval, which {who} may give");
            said_of_approval.extend(approvers.map(|each| said(text(&each.who), Some(&each.place))));
        }
        if !said_of_approval.is_empty() {
            self.passed("approval", said_of_approval);
        }
        Ok(())
    }

    fn passed(&mut self, what: &'static str, said: Vec<Said>) {
        self.steps.push(Step { what, passed: true, said });
    }

    fn target(&self, tool: &Tool, aimed: &Aimed) -> Vec<Said> {
        let Some(target) = aimed.target else {
            return vec![said(format!("{} takes none", tool.name), Some(&tool.place))];
        };
        let mut facts = Vec::new();
        if let Target::Name { name, .. } = &aimed.asked {
            let text = format!("the name {name} is allowed, and so is each address claimed for it");
            facts.push(said(text, self.written.naming(name).as_ref()));
        }
        let is_network = matches!(self.call.target.canonical(), Target::Network(_));
        let kind = if is_network { "a network" } else { "an address" };
        facts.push(said(format!("{} takes {kind}", tool.name), Some(&tool.place)));
        let text = format!("{} is allowed, and no line denies it", spelled(target));
        let lines = self.written.allowing(target);
        facts.extend(lines.iter().map(|place| said(&text, Some(place))));
        let most = self.policy.targets.max_hosts;
        let written = self.written.policy.as_ref().and_then(|p| p.targets.max_hosts.as_ref());
        let place = written.map(|most| self.written.place_of(most));
        facts.push(said(format!("it holds at most {most} addresses"), place.as_ref()));
        facts
    }

    fn arguments(&self, tool: &Tool, settings: &Settings) -> Vec<Said> {
        let given = given(tool, &self.call.arguments);
        let preset = match &self.call.arguments {
            Arguments::Given { preset: Some(name), .. } => tool.presets.get_key_value(name),
            _ => None,
        };
        let set = tool.options.iter().zip(settings).enumerate();
        let facts = set.filter_map(|(at, (option, value))| {
            let value = option.written(&Setting::On(value.clone()?));
            let by_preset = preset.filter(|(_, p)| p.settings.iter().any(|(set, _)| *set == at));
            let by = match by_preset {
                _ if given.contains(&at) => "given".to_owned(),
                Some((name, _)) => format!("by the preset {name}"),
                None => "by default".to_owned(),
            };
            Some(said(format!("{} = {value}, {by}", option.name), Some(&option.place)))
        });
        let facts: Vec<_> = facts.collect();
        if facts.is_empty() { vec![said("no options", None)] } else { facts }
    }

    fn ceiling(&self) -> Option<Place> {
        let written = self.written.policy.as_ref()?.ceilings.timeout.as_ref()?;
        Some(self.written.place_of(written))
    }
}

/// The grants that one step leaves out.
fn left_out(before: &Granted<'_>, after: &Granted<'_>, why: &str) -> Vec<Said> {
    let kept: BTreeSet<usize> = after.numbers().collect();
    let each = before.numbers().zip(before.each());
    let gone = each.filter(|(number, _)| !kept.contains(number));
    gone.map(|(_, (grant, _))| said(why, Some(&grant.place))).collect()
}

fn said(text: impl Into<String>, place: Option<&Place>) -> Said {
    Said { text: text.into(), place: place.cloned() }
}

fn name_of(tool: &Tool, call: &Call) -> String {
    if call.tool == tool.name {
        tool.name.to_string()
    } else {
        format!("{}, by its alias {}", tool.name, call.tool)
    }
}

/// The options that the client itself gave, by index.
fn given(tool: &Tool, arguments: &Arguments) -> BTreeSet<usize> {
    let Arguments::Given { options, tokens, .. } = arguments else { return BTreeSet::new() };
    let typed = options.iter().filter_map(|option| find_typed(tool, option).ok());
    let mut given: BTreeSet<_> = typed.map(|found| found.at).collect();
    let mut words = tokens.as_slice();
    while !words.is_empty() {
        let (found, rest) = find_first(tool, words);
        given.extend(found.ok().map(|found| found.at));
        words = rest;
    }
    given
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
