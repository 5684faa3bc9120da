//! What a subject is granted, for the frontend to publish. Options, words and presets beyond the
//! grant are left out: nobody is offered what would be refused.

use std::time::SystemTime;

use probity_protocol::{
    Availability, BreakerSettings, Catalog, Identifier, OptionEntry, PresetEntry, Tier, ToolEntry,
    ValueType,
};

use crate::{
    allowance,
    options_left::OptionsLeft,
    policy::Policy,
    subject::Subject,
    subject_grants::{Granted, SubjectGrants},
    targets::Targets,
    tool::{Preset, Setting, Tool, ToolOption},
    value::Value,
};

/// The catalog of one subject. `available` is asked for each granted tool.
#[must_use]
pub fn catalog(
    policy: &Policy,
    subject: &Subject,
    now: SystemTime,
    available: impl Fn(&Tool) -> Availability,
) -> Catalog {
    let grants = SubjectGrants::of(policy, subject, None, now);
    let usable = grants.usable();
    let entry = |(at, tool, tier)| {
        let granted = grants.granted(Some(at))?;
        Some(entry(policy, tool, tier, &granted, available(tool)))
    };
    let mut tools: Vec<_> = usable.filter_map(entry).collect();
    tools.sort_by(|a, b| a.name.cmp(&b.name));
    // Who is granted nothing does not learn what others may aim at either.
    let none = Targets::default();
    let targets = if tools.is_empty() { &none } else { &policy.targets };
    let everybody = allowance::of_everybody(targets, policy.ceilings.timeout);
    let of_tools: Option<Vec<_>> = tools.iter().map(|tool| tool.allowance.clone()).collect();
    let all = of_tools.and_then(|all| all.into_iter().reduce(allowance::joined));
    let allowance = all.unwrap_or(everybody);
    Catalog { policy_digest: policy.digest, allowance, tools }
}

/// What a subject's catalog depends on besides the policy: subjects with equal keys have equal ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CatalogKey(Box<[usize]>);

impl CatalogKey {
    /// The key of one subject.
    #[must_use]
    pub fn of(policy: &Policy, subject: &Subject, now: SystemTime) -> Self {
        let grants = SubjectGrants::of(policy, subject, None, now);
        // For each tool whether it can be used, and in which tier; then the grants that narrow it.
        let tiers = (0..policy.tools.len()).map(|at| match grants.can_use(at) {
            None => 0,
            Some(Tier::Standard) => 1,
            Some(Tier::Intrusive) => 2,
        });
        let mut key: Vec<usize> = tiers.collect();
        for (at, tool, _) in grants.usable() {
            let narrows = |granted: &Granted<'_>| {
                allowance::narrowing(tool, granted).is_some()
                    || OptionsLeft::of(tool, granted).is_less()
            };
            let granted = grants.granted(Some(at));
            key.push(granted.as_ref().is_some_and(|granted| needs_approval(tool, granted)).into());
            let narrowing = granted.filter(narrows);
            key.extend(narrowing.iter().flat_map(Granted::numbers).chain([usize::MAX]));
        }
        Self(key.into())
    }
}

/// Whether no grant by which the tool can be used does without another person.
fn needs_approval(tool: &Tool, granted: &Granted<'_>) -> bool {
    let mut usable = granted.each().filter(|(_, tier)| tool.tier <= *tier);
    usable.all(|(grant, _)| grant.needs_approval)
}

fn entry(
    policy: &Policy,
    tool: &Tool,
    tier: Tier,
    granted: &Granted<'_>,
    availability: Availability,
) -> ToolEntry {
    let allowance = allowance::of(policy, tool, granted);
    let longest = allowance.as_ref().map_or(policy.ceilings.timeout, |a| a.timeout_ceiling);
    let left = OptionsLeft::of(tool, granted);
    let options = tool.options.iter().enumerate().filter(|(_, option)| option.tier <= tier);
    let presets = tool.presets.iter().filter(|(_, preset)| preset.tier <= tier);
    let presets = presets.filter(|(_, preset)| left.has_preset(preset));
    ToolEntry {
        name: tool.name.clone(),
        aliases: tool.aliases.clone(),
        title: tool.title.clone(),
        summary: tool.summary.clone(),
        advice: tool.advice.clone(),
        command: tool.command.display().to_string(),
        package: tool.package.clone(),
        targets: tool.targets.clone(),
        default_target: tool.default_target,
        allowance,
        tier: tool.tier,
        intrusive: tier == Tier::Intrusive,
        needs_approval: needs_approval(tool, granted),
        options: options
            .filter_map(|(at, option)| option_entry(tool, option, tier, (left, at)))
            .collect(),
        presets: presets.map(|(name, preset)| preset_entry(tool, name, preset, tier)).collect(),
        timeout: tool.timeout.value.min(longest),
        timeout_is_default: tool.timeout.is_default,
        concurrency: tool.concurrency.value,
        concurrency_is_default: tool.concurrency.is_default,
        breaker: BreakerSettings {
            failure_threshold: tool.breaker.failure_threshold.written(),
            recovery_timeout: tool.breaker.recovery_timeout.written(),
        },
        metadata: tool.metadata.iter().map(|(key, text)| (key.clone(), text.clone())).collect(),
        parser: tool.parser.clone(),
        cache_seconds: tool.cache_seconds,
        availability,
    }
}

/// `None` where no grant leaves anything of it.
fn option_entry(
    tool: &Tool,
    option: &ToolOption,
    tier: Tier,
    (left, at): (OptionsLeft<'_, '_>, usize),
) -> Option<OptionEntry> {
    let value = left.values(at)?;
    let written = |value: &Value| option.written(&Setting::On(value.clone()));
    let visible = |of: &[usize]| {
        let others = of.iter().filter_map(|at| tool.options.get(*at));
        let within = others.filter(|other| other.tier <= tier);
        within.map(|other| other.name.clone()).collect()
    };
    // Nobody guesses how ports are written, so there is always an example of them.
    let derived = || match &value {
        ValueType::Ports { within: None } => Some("22,80,443".to_owned()),
        // Several may be left by several grants.
        ValueType::Ports { within: Some(within) } => {
            within.ranges().first().map(|(first, _)| first.to_string())
        }
        _ => None,
    };
    let is_left = |value: &&Value| left.has(at, value);
    let mut intrusive_words = option.kind.words_of(Tier::Intrusive, tier);
    if let ValueType::Enumeration(words) = &value {
        intrusive_words.retain(|word| words.contains(word));
    }
    Some(OptionEntry {
        name: option.name.clone(),
        flag: option.flag.clone(),
        help: option.help.clone(),
        tier: option.tier,
        default: match &option.default {
            Some(default) => Some(default).filter(is_left).map(written),
            None => option.written_default(),
        },
        required: option.required,
        example: option.example.as_ref().filter(is_left).map(written).or_else(derived),
        excludes: visible(&option.excludes),
        requires: visible(&option.requires),
        value,
        intrusive_words,
    })
}

fn preset_entry(tool: &Tool, name: &Identifier, preset: &Preset, tier: Tier) -> PresetEntry {
    PresetEntry {
        name: name.clone(),
        help: preset.help.clone(),
        tier: preset.tier,
        options: tool.set_by(preset, tier),
    }
}

#[cfg(test)]
#[path = "catalog_tests.rs"]
mod tests;
