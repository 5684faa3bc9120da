//! What a subject is granted, for the frontend to publish. Options, words and presets beyond the
//! grant are left out: nobody is offered what would be refused.

use probity_protocol::{
    Availability, BreakerSettings, Catalog, Identifier, OptionEntry, PresetEntry, Tier, ToolEntry,
};

use crate::{
    policy::Policy,
    subject::Subject,
    subject_grants::SubjectGrants,
    targets::Targets,
    tool::{Preset, Setting, Tool, ToolOption},
    value::{Value, ValueKind},
};

/// The catalog of one subject. `available` is asked for each granted tool.
#[must_use]
pub fn catalog(
    policy: &Policy,
    subject: &Subject,
    available: impl Fn(&Tool) -> Availability,
) -> Catalog {
    let grants = SubjectGrants::of(policy, subject, None);
    let usable = grants.usable();
    let mut tools: Vec<_> =
        usable.map(|(_, tool, tier)| entry(policy, tool, tier, available(tool))).collect();
    tools.sort_by(|a, b| a.name.cmp(&b.name));
    // Who is granted nothing does not learn what others may aim at either.
    let none = Targets::default();
    let targets = if tools.is_empty() { &none } else { &policy.targets };
    Catalog {
        policy_digest: policy.digest,
        networks: targets.allowed.networks().to_vec(),
        denied: targets.denied.networks().to_vec(),
        names: targets.names.patterns().to_vec(),
        max_hosts: targets.max_hosts,
        timeout_ceiling: policy.ceilings.timeout,
        tools,
    }
}

/// What a subject's catalog depends on besides the policy: subjects with equal keys have equal ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CatalogKey(Box<[u8]>);

impl CatalogKey {
    /// The key of one subject.
    #[must_use]
    pub fn of(policy: &Policy, subject: &Subject) -> Self {
        let grants = SubjectGrants::of(policy, subject, None);
        // For each tool whether it can be used, and in which tier.
        let tiers = (0..policy.tools.len()).map(|at| match grants.can_use(at) {
            None => 0,
            Some(Tier::Standard) => 1,
            Some(Tier::Intrusive) => 2,
        });
        Self(tiers.collect())
    }
}

fn entry(policy: &Policy, tool: &Tool, tier: Tier, availability: Availability) -> ToolEntry {
    let options = tool.options.iter().filter(|option| option.tier <= tier);
    let presets = tool.presets.iter().filter(|(_, preset)| preset.tier <= tier);
    ToolEntry {
        name: tool.name.clone(),
        aliases: tool.aliases.clone(),
        title: tool.title.clone(),
        summary: tool.summary.clone(),
        advice: tool.advice.clone(),
        command: tool.command.display().to_string(),
        targets: tool.targets.clone(),
        tier: tool.tier,
        intrusive: tier == Tier::Intrusive,
        options: options.map(|option| option_entry(option, tier)).collect(),
        presets: presets.map(|(name, preset)| preset_entry(tool, name, preset, tier)).collect(),
        timeout: tool.timeout.value.min(policy.ceilings.timeout),
        timeout_is_default: tool.timeout.is_default,
        concurrency: tool.concurrency.value,
        concurrency_is_default: tool.concurrency.is_default,
        breaker: BreakerSettings {
            failure_threshold: tool.breaker.failure_threshold.written(),
            recovery_timeout: tool.breaker.recovery_timeout.written(),
        },
        parser: tool.parser.clone(),
        cache_seconds: tool.cache_seconds,
        availability,
    }
}

fn option_entry(option: &ToolOption, tier: Tier) -> OptionEntry {
    let written = |value: &Value| option.written(&Setting::On(value.clone()));
    // Nobody guesses how ports are written, so there is always an example of them.
    let derived = || match option.kind {
        ValueKind::Ports => Some("22,80,443".to_owned()),
        _ => None,
    };
    OptionEntry {
        name: option.name.clone(),
        flag: option.flag.clone(),
        help: option.help.clone(),
        tier: option.tier,
        value: option.kind.describe(tier),
        default: option.default.as_ref().map(written),
        example: option.example.as_ref().map(written).or_else(derived),
        intrusive_words: option.kind.words_of(Tier::Intrusive, tier),
    }
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
