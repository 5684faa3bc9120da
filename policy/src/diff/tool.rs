//! One tool, in both policies.

use std::{collections::BTreeMap, time::Duration};

use humantime::format_duration;
use probity_protocol::{Identifier, TargetKind, Tier};

use super::{AboutTool, Dimension, Effect, by_size, confinement, cover, option, some};
use crate::{
    policy::Policy,
    targets::Scope,
    tool::{ArgvPart, Preset, Setting, Tool},
};

pub(super) fn compare(
    (old_policy, old): (&Policy, &Tool),
    (new_policy, new): (&Policy, &Tool),
    about: &mut AboutTool<'_>,
) {
    match (old.tier, new.tier) {
        (Tier::Intrusive, Tier::Standard) => {
            let text = "is of the standard tier as a whole, was of the intrusive one";
            about.widens(Dimension::Tier, Tier::Standard, text);
        }
        (Tier::Standard, Tier::Intrusive) => {
            about.narrows(Dimension::Tier, "is of the intrusive tier as a whole");
        }
        _ => {}
    }
    aliases(old, new, about);
    target_kinds(old, new, about);
    scope((old_policy, old), (new_policy, new), about);
    command(old, new, about);
    timeout((old_policy, old), (new_policy, new), about);
    let (was, is) = (old.concurrency, new.concurrency);
    let text = format!("runs at once: {}, was {}", is.value, was.value);
    match by_size(&was.value, &is.value) {
        Some(Effect::Widens) => about.widens(Dimension::Concurrency, Tier::Standard, text),
        Some(_) => about.narrows(Dimension::Concurrency, text),
        None if was != is => {
            let text = "whether a frontend's own default may lower the runs at once";
            about.differs(Dimension::Concurrency, text);
        }
        None => {}
    }
    option::compare_all(old, new, about);
    presets(old, new, about);
    confinement::compare(old, new, about);
    cache(old, new, about);
    description(old, new, about);
}

/// What its file leaves of the policy's targets.
fn scope(
    (old_policy, old): (&Policy, &Tool),
    (new_policy, new): (&Policy, &Tool),
    about: &mut AboutTool<'_>,
) {
    type Covers = fn(&Scope, &Scope, &Policy) -> bool;
    let parts: [(Dimension, Covers, &str); 4] = [
        (Dimension::Networks, cover::networks, "networks"),
        (Dimension::Networks, cover::denied, "networks that it never aims at"),
        (Dimension::Names, cover::names, "names"),
        (Dimension::MaxHosts, cover::max_hosts, "addresses in one call"),
    ];
    let told = |scope: &Scope| match cover::scope_parts(scope).as_slice() {
        [] => "all that the policy allows".to_owned(),
        parts => parts.join("; "),
    };
    let [is, was] = [new, old].map(|tool| told(&tool.scope));
    for (dimension, covers, what) in parts {
        let text = format!("its {what}: {is}, was {was}");
        if !covers(&old.scope, &new.scope, new_policy) {
            about.widens(dimension, Tier::Standard, text);
        } else if !covers(&new.scope, &old.scope, old_policy) {
            about.narrows(dimension, text);
        }
    }
}

fn aliases(old: &Tool, new: &Tool, about: &mut AboutTool<'_>) {
    let beyond = |these: &Tool, those: &Tool| {
        let names = these.aliases.iter().filter(|alias| !those.aliases.contains(alias));
        names.cloned().collect::<Vec<_>>()
    };
    let (gained, lost) = (beyond(new, old), beyond(old, new));
    if !gained.is_empty() {
        let text = format!("may be asked for as {}", some(gained));
        about.widens(Dimension::Alias, Tier::Standard, text);
    }
    if !lost.is_empty() {
        about.narrows(Dimension::Alias, format!("may no longer be asked for as {}", some(lost)));
    }
}

fn target_kinds(old: &Tool, new: &Tool, about: &mut AboutTool<'_>) {
    match (old.targets.is_empty(), new.targets.is_empty()) {
        (false, true) => {
            about.widens(Dimension::TargetKinds, Tier::Standard, "runs without a target");
        }
        (true, false) => {
            about.narrows(Dimension::TargetKinds, "no longer runs without a target");
        }
        _ => {}
    }
    for (kind, word) in
        [(TargetKind::Address, "single addresses"), (TargetKind::Network, "networks")]
    {
        match (old.targets.contains(&kind), new.targets.contains(&kind)) {
            (false, true) => {
                about.widens(Dimension::TargetKinds, Tier::Standard, format!("takes {word}"));
            }
            (true, false) => {
                about.narrows(Dimension::TargetKinds, format!("no longer takes {word}"))
            }
            _ => {}
        }
    }
}

fn command(old: &Tool, new: &Tool, about: &mut AboutTool<'_>) {
    if old.command != new.command {
        let text = format!("runs {}, was {}", new.command.display(), old.command.display());
        about.widens(Dimension::Command, Tier::Standard, text);
    }
    if old.argv != new.argv {
        let text = format!("its command line is: {}; was: {}", argv(new), argv(old));
        about.widens(Dimension::Command, Tier::Standard, text);
    }
}

fn argv(tool: &Tool) -> String {
    let words = tool.argv.iter().map(|part| match part {
        ArgvPart::Mode { raw, plain } => {
            format!("{{with CAP_NET_RAW {:?}, else {:?}}}", raw.join(" "), plain.join(" "))
        }
        ArgvPart::Options => "{options}".to_owned(),
        ArgvPart::Word(template) => template.to_string(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The time of a run that asks for none. What a ceiling does to it is said of the ceiling.
fn timeout(
    (old_policy, old): (&Policy, &Tool),
    (new_policy, new): (&Policy, &Tool),
    about: &mut AboutTool<'_>,
) {
    let shown = |time: Duration| format_duration(time).to_string();
    if old.max_timeout != new.max_timeout {
        let (was, is) = (old_policy.longest(old), new_policy.longest(new));
        let text = format!("runs for {} at most, was {}", shown(is), shown(was));
        match by_size(&was, &is) {
            Some(Effect::Widens) => about.widens(Dimension::Timeout, Tier::Standard, text),
            Some(_) => about.narrows(Dimension::Timeout, text),
            None => {
                let text = "its max_timeout is written otherwise, and the ceiling as long";
                about.differs(Dimension::Timeout, text);
            }
        }
    }
    if old.timeout == new.timeout {
        return;
    }
    let was = old.timeout.value.min(old_policy.longest(old));
    let is = new.timeout.value.min(new_policy.longest(new));
    let text = format!("runs for {} unless a call says otherwise, was {}", shown(is), shown(was));
    match by_size(&was, &is) {
        Some(Effect::Widens) => about.widens(Dimension::Timeout, Tier::Standard, text),
        Some(_) => about.narrows(Dimension::Timeout, text),
        None => {
            let text = "its own timeout is written otherwise, and under the ceiling as long";
            about.differs(Dimension::Timeout, text);
        }
    }
}

/// A kept result is given to those only whom the broker would let run the call, so nobody may do more.
fn cache(old: &Tool, new: &Tool, about: &mut AboutTool<'_>) {
    let (was, is) = (old.cache_seconds, new.cache_seconds);
    if was != is {
        let text = format!("its results are kept for {is} s, was {was} s");
        about.differs(Dimension::Description, text);
    }
}

fn presets(old: &Tool, new: &Tool, about: &mut AboutTool<'_>) {
    for (name, preset) in &new.presets {
        let sets = said(new, preset);
        // Of the standard tier: a client may take its intrusive part back.
        match old.presets.get(name) {
            None => {
                let text = format!("has a preset {name}: {sets}");
                about.widens(Dimension::Preset, Tier::Standard, text);
            }
            Some(before) if settings(old, before) != settings(new, preset) => {
                let text = format!("the preset {name} sets {sets}, was {}", said(old, before));
                about.widens(Dimension::Preset, Tier::Standard, text);
            }
            Some(before) if before.help != preset.help => {
                let text = format!("the preset {name} is described otherwise");
                about.differs(Dimension::Description, text);
            }
            Some(_) => {}
        }
    }
    for name in old.presets.keys().filter(|name| !new.presets.contains_key(*name)) {
        about.narrows(Dimension::Preset, format!("no longer has a preset {name}"));
    }
}

fn settings<'t>(tool: &'t Tool, preset: &'t Preset) -> BTreeMap<&'t Identifier, &'t Setting> {
    let set = preset.settings.iter();
    set.filter_map(|(at, setting)| Some((&tool.options.get(*at)?.name, setting))).collect()
}

fn said(tool: &Tool, preset: &Preset) -> String {
    let set = preset.settings.iter().filter_map(|(at, setting)| {
        let option = tool.options.get(*at)?;
        Some(format!("{} = {}", option.name, option.written(setting)))
    });
    let all = set.collect::<Vec<_>>();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

fn description(old: &Tool, new: &Tool, about: &mut AboutTool<'_>) {
    let mut parts = Vec::new();
    for (part, differs) in [
        ("title", old.title != new.title),
        ("summary", old.summary != new.summary),
        ("advice", old.advice != new.advice),
        ("metadata", old.metadata != new.metadata),
        ("package", old.package != new.package),
        ("parser", old.parser != new.parser),
        ("default target", old.default_target != new.default_target),
        ("breaker", old.breaker != new.breaker),
    ] {
        parts.extend(differs.then_some(part));
    }
    if !parts.is_empty() {
        about.differs(Dimension::Description, format!("another {}", some(parts)));
    }
}
