//! The options of a tool, by their property names.

use std::collections::BTreeSet;

use probity_protocol::Tier;

use super::{AboutTool, Dimension, confinement::argv_follows_capability, some, values};
use crate::{
    arguments::find_word,
    tool::{Tool, ToolOption},
    value::ValueKind,
};

pub(super) fn compare_all(old: &Tool, new: &Tool, about: &mut AboutTool<'_>) {
    let find = |tool: &Tool, option: &ToolOption| tool.option_index(option.name.as_str());
    let same = |tool: &'_ Tool, option: &ToolOption| {
        find(tool, option).and_then(|at| tool.options.get(at).cloned())
    };
    for option in &new.options {
        match same(old, option) {
            Some(before) => compare((old, &before), (new, option), about),
            None => added(option, about),
        }
    }
    for option in &old.options {
        if find(new, option).is_none() {
            removed(option, new, about);
        }
    }
    let common = |tool: &Tool, other: &Tool| {
        let kept = tool.options.iter().filter(|option| find(other, option).is_some());
        kept.map(|option| option.name.clone()).collect::<Vec<_>>()
    };
    if common(old, new) != common(new, old) {
        let text = "its options stand in another order on the command line";
        about.widens(Dimension::Option, Tier::Standard, text);
    }
}

fn added(option: &ToolOption, about: &mut AboutTool<'_>) {
    let intrusive = if option.tier == Tier::Intrusive { ", intrusive" } else { "" };
    let text = format!("has an option {}{intrusive}: {}", named(option), takes(&option.kind));
    about.widens(Dimension::Option, option.tier, text);
    default(None, option, about);
}

fn removed(option: &ToolOption, new: &Tool, about: &mut AboutTool<'_>) {
    let text = format!("no longer has an option {}", named(option));
    // Its flag may still be read: as another option with a value at once, -c4.
    match option.flag.as_ref().map(|flag| find_word(new, flag)) {
        Some(Ok(_)) => {
            let text = format!("{text}; the flag is read as another option now");
            about.widens(Dimension::Option, Tier::Standard, text);
        }
        Some(Err(_)) | None => about.narrows(Dimension::Option, text),
    }
    if option.written_default().is_some() {
        let text = format!("runs without {}, which was a default", named(option));
        about.widens(Dimension::Option, Tier::Standard, text);
    }
}

fn compare(
    (was, old): (&Tool, &ToolOption),
    (tool, new): (&Tool, &ToolOption),
    about: &mut AboutTool<'_>,
) {
    let name = named(new);
    if (&old.flag, old.join, &old.renders) != (&new.flag, new.join, &new.renders) {
        let text = format!("{name}: is written otherwise on the command line, was {}", old.shown());
        about.widens(Dimension::Option, Tier::Standard, text);
    }
    match (old.tier, new.tier) {
        (Tier::Intrusive, Tier::Standard) => {
            let text = format!("{name}: standard tier, was intrusive");
            about.widens(Dimension::Option, Tier::Standard, text);
        }
        (Tier::Standard, Tier::Intrusive) => {
            about.narrows(Dimension::Option, format!("{name}: intrusive tier, was standard"));
        }
        _ => {}
    }
    match (old.net_raw, new.net_raw) {
        (false, true) => {
            about.widens(Dimension::NetRaw, new.tier, format!("{name}: gets CAP_NET_RAW"));
        }
        (true, false) if argv_follows_capability(tool) => {
            let text =
                format!("{name}: no longer gets CAP_NET_RAW, and runs with other arguments for it");
            about.widens(Dimension::NetRaw, new.tier, text);
        }
        (true, false) => {
            about.narrows(Dimension::NetRaw, format!("{name}: no longer gets CAP_NET_RAW"));
        }
        _ => {}
    }
    values::compare(&old.kind, new, &name, about);
    relations((was, old), (tool, new), about);
    match (old.required, new.required) {
        (true, false) => {
            about.widens(Dimension::Option, new.tier, format!("{name}: may be left out"));
        }
        (false, true) => about.narrows(Dimension::Option, format!("{name}: has to be given")),
        _ => {}
    }
    default(old.written_default(), new, about);
    if old.help != new.help || old.example != new.example {
        about.differs(Dimension::Description, format!("{name}: is described otherwise"));
    }
}

/// What an option excludes and requires. Of options that are gone, or new, that itself is said.
fn relations(
    (old_tool, old): (&Tool, &ToolOption),
    (new_tool, new): (&Tool, &ToolOption),
    about: &mut AboutTool<'_>,
) {
    let names = |tool: &Tool, of: &[usize]| tool.names(of).cloned().collect::<BTreeSet<_>>();
    for (verb, was, is) in [
        ("excludes", names(old_tool, &old.excludes), names(new_tool, &new.excludes)),
        ("requires", names(old_tool, &old.requires), names(new_tool, &new.requires)),
    ] {
        let (gone, added) = (some(was.difference(&is)), some(is.difference(&was)));
        if !gone.is_empty() {
            let text = format!("{}: no longer {verb} {gone}", named(new));
            about.widens(Dimension::Option, new.tier, text);
        }
        if !added.is_empty() {
            about.narrows(Dimension::Option, format!("{}: {verb} {added}", named(new)));
        }
    }
}

/// A default is what runs where a call says nothing, so any other is something else that runs.
fn default(was: Option<String>, option: &ToolOption, about: &mut AboutTool<'_>) {
    let is = option.written_default();
    if was != is {
        let [is, was] = [is, was].map(|value| value.unwrap_or_else(|| "none".to_owned()));
        let text = format!("{}: default {is}, was {was}", named(option));
        about.widens(Dimension::Option, Tier::Standard, text);
    }
}

fn named(option: &ToolOption) -> String {
    match &option.flag {
        Some(flag) => format!("{} ({flag})", option.name),
        None => option.name.to_string(),
    }
}

fn takes(kind: &ValueKind) -> String {
    kind.expected(Tier::Intrusive)
}
