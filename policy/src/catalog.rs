//! What a subject is granted, for the frontend to publish. Options, words and presets beyond the
//! grant are left out: nobody is offered what would be refused.

use probity_protocol::{Availability, Catalog, OptionEntry, PresetEntry, Tier, ToolEntry};

use crate::{
    policy::{Policy, Targets},
    subject::Subject,
    tool::{Tool, ToolOption},
    value::Value,
};

/// The catalog of one subject. `available` is asked for each granted tool.
#[must_use]
pub fn catalog(
    policy: &Policy,
    subject: &Subject,
    available: impl Fn(&Tool) -> Availability,
) -> Catalog {
    let granted = policy.tools.iter().filter_map(|tool| {
        let granted = policy.granted(subject, Some(tool))?;
        let tier = if granted.intrusive { Tier::Intrusive } else { Tier::Standard };
        (tool.tier <= tier).then(|| entry(tool, tier, available(tool)))
    });
    let mut tools: Vec<_> = granted.collect();
    tools.sort_by(|a, b| a.name.cmp(&b.name));
    // Who is granted nothing does not learn what others may aim at either.
    let none = Targets::default();
    let targets = if tools.is_empty() { &none } else { &policy.targets };
    Catalog {
        policy_digest: policy.digest,
        networks: targets.allowed.networks().to_vec(),
        denied: targets.denied.networks().to_vec(),
        names: targets.names.clone(),
        max_hosts: targets.max_hosts,
        timeout_ceiling: policy.ceilings.timeout,
        tools,
    }
}

fn entry(tool: &Tool, tier: Tier, availability: Availability) -> ToolEntry {
    let presets = tool.presets.iter().filter(|(_, preset)| preset.tier <= tier);
    ToolEntry {
        name: tool.name.clone(),
        aliases: tool.aliases.clone(),
        summary: tool.summary.clone(),
        targets: tool.targets.clone(),
        tier: tool.tier,
        intrusive: tier == Tier::Intrusive,
        options: tool.options.iter().filter(|o| o.tier <= tier).map(|o| option(o, tier)).collect(),
        presets: presets
            .map(|(name, preset)| PresetEntry {
                name: name.clone(),
                help: preset.help.clone(),
                tier: preset.tier,
            })
            .collect(),
        timeout: tool.timeout,
        concurrency: tool.concurrency,
        parser: tool.parser.clone(),
        availability,
    }
}

fn option(option: &ToolOption, tier: Tier) -> OptionEntry {
    let default = option.default.as_ref().map(|value| match value {
        Value::Given => "true".to_owned(),
        // A rendered word's text is the policy's; clients know the word.
        Value::Word(word) => word.clone(),
        other => option.kind.render(other).unwrap_or_default(),
    });
    OptionEntry {
        name: option.name.clone(),
        flag: option.flag.clone(),
        help: option.help.clone(),
        tier: option.tier,
        value: option.kind.describe(tier),
        default,
    }
}
