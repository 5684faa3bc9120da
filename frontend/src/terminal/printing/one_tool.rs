//! `probity tools NAME`: one tool in full, ending with commands that can be copied.

use std::io::Write;

use probity_output::clean::clean_str;
use probity_protocol::{OptionEntry, PresetEntry, TargetKind, Tier, ToolEntry, ValueType};
use serde_json::{Map, Value, json};

use super::{
    BAD, GOOD, HEAD,
    layout::{Column, Layout, NOTHING_TO_SAY},
    tools::{list, unavailable},
};
use crate::{
    calls::{
        published::{
            registry::{Listing, Published},
            schema::{in_words, typed},
            suggestion::Suggestion,
        },
        tool_view,
    },
    terminal::cli::ConnectionFlags,
};

const OPTIONS: [Column; 7] = [
    Column::whole("OPTION"),
    Column::whole("FLAG"),
    Column::text("TAKES"),
    Column::text("DEFAULT"),
    Column::whole("EXAMPLE"),
    Column::whole("TIER").usually("standard"),
    Column::text("WHAT IT DOES"),
];

const PRESETS: [Column; 4] = [
    Column::whole("PRESET"),
    Column::text("SETS"),
    Column::whole("TIER").usually("standard"),
    Column::text("WHAT IT IS FOR"),
];

/// How a tool is called, above the list of its options.
#[must_use]
pub fn usage_of(tool: &str) -> String {
    format!(
        "{HEAD}Usage:{HEAD:#} probity {tool} TARGET [--OPTION [VALUE]]...\n\n`probity call --help` has \
         Probity's own options: --preset, --timeout, --dry-run, --json ...\n"
    )
}

/// Prints one tool. `flags` complete the commands that are shown.
///
/// # Errors
/// Those of standard output.
pub fn print_tool(
    tool: Published<'_>,
    listing: &Listing,
    flags: &ConnectionFlags,
) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    let (layout, entry) = (Layout::of_stdout(), tool.entry);
    let title = entry.title.as_deref().map(|title| format!(": {}", clean_str(title)));
    writeln!(out, "{HEAD}{}{HEAD:#}{}", entry.name, title.unwrap_or_default())?;
    writeln!(out, "{}\n", layout.paragraph(&entry.summary))?;
    match unavailable(entry) {
        Some((reason, remedy)) => {
            writeln!(out, "{BAD}Unavailable{BAD:#}: {reason}\n  Remedy: {remedy}\n")?;
        }
        None => writeln!(out, "{GOOD}Ready{GOOD:#}\n")?,
    }
    writeln!(out, "{}", layout.facts(&facts(entry, listing)))?;
    if !entry.options.is_empty() {
        let rows: Vec<_> = entry.options.iter().map(|one| option(one, layout)).collect();
        writeln!(out, "\n{}", layout.table(&OPTIONS, &rows))?;
    }
    if !entry.presets.is_empty() {
        let rows: Vec<_> = entry.presets.iter().map(|one| preset(one, layout)).collect();
        writeln!(out, "\n{}", layout.table(&PRESETS, &rows))?;
    }
    let examples = examples(tool, listing);
    if !examples.is_empty() {
        writeln!(out, "\n{HEAD}Examples{HEAD:#}")?;
    }
    for example in examples {
        writeln!(out, "  {}", flags.command(&example))?;
    }
    Ok(())
}

/// What an option takes: where a terminal breaks lines, alternatives stand apart.
fn takes(value: &ValueType, layout: Layout) -> String {
    match layout {
        Layout::Stable => tool_view::takes(value, "|"),
        Layout::Fitted(_) => tool_view::takes(value, " | "),
    }
}

const fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Standard => "standard",
        Tier::Intrusive => "intrusive",
    }
}

fn facts<'e>(entry: &'e ToolEntry, listing: &Listing) -> Vec<(&'e str, String)> {
    let allowance = listing.catalog.allowance_of(entry);
    let takes = |kind| entry.targets.contains(&kind);
    let mut targets = list(&allowance.networks);
    if takes(TargetKind::Address) && !allowance.names.is_empty() {
        targets.push_str(&format!("; names {}", list(&allowance.names)));
    }
    if !allowance.denied.is_empty() {
        targets.push_str(&format!("; never {}", list(&allowance.denied)));
    }
    let aims = match (takes(TargetKind::Address), takes(TargetKind::Network)) {
        (true, true) => {
            format!("one address, or a network of at most {} addresses", allowance.max_hosts)
        }
        (false, true) => format!("a network of at most {} addresses", allowance.max_hosts),
        (true, false) => "one address".into(),
        (false, false) => {
            targets.clear();
            "nothing: what it shows is the machine that it runs on".into()
        }
    };
    let limits = format!(
        "{} s a run, or what --timeout says, up to {} s; {} at once",
        entry.timeout.as_secs_f64(),
        allowance.timeout_ceiling.max(entry.timeout).as_secs_f64(),
        entry.concurrency
    );
    let kept = match entry.cache_seconds {
        0 => String::new(),
        seconds => format!("for {seconds} s, for the same call again"),
    };
    let facts = [
        ("Advice", entry.advice.clone().unwrap_or_default()),
        ("Aims at", aims),
        ("Within", targets),
        ("Limits", limits),
        ("Kept", kept),
        ("Tier", tier(entry.tier).into()),
        ("Also called", list(&entry.aliases)),
    ];
    let facts = facts.into_iter().filter(|(_, fact)| !fact.is_empty());
    let metadata = entry.metadata.iter().map(|(key, text)| (key.as_str(), text.clone()));
    facts.chain(metadata).collect()
}

fn option(option: &OptionEntry, layout: Layout) -> Vec<String> {
    let or_nothing = |text: &Option<String>| text.clone().unwrap_or(NOTHING_TO_SAY.into());
    vec![
        option.name.to_string(),
        or_nothing(&option.flag),
        takes(&option.value, layout),
        if option.required { "required".into() } else { or_nothing(&option.default) },
        or_nothing(&option.example),
        tier(option.tier).into(),
        Some(in_words(option)).filter(|text| !text.is_empty()).unwrap_or(NOTHING_TO_SAY.into()),
    ]
}

fn preset(preset: &PresetEntry, layout: Layout) -> Vec<String> {
    let sets = preset.options.iter().map(|(name, value)| format!("{name}={value}"));
    vec![
        preset.name.to_string(),
        layout.list(&sets.collect::<Vec<_>>()),
        tier(preset.tier).into(),
        preset.help.clone(),
    ]
}

/// A plain call, one with a preset, and one with an option: what applies.
fn examples(tool: Published<'_>, listing: &Listing) -> Vec<String> {
    // The schema knows a target that would pass.
    let target = tool.input_schema["properties"]["target"]["examples"].get(0);
    let entry = tool.entry;
    if target.is_none() && !entry.targets.is_empty() {
        return Vec::new();
    }
    let target = target.map(|target| ("target".to_owned(), target.clone()));
    let required = entry.options.iter().filter(|option| option.required);
    let required = required.filter_map(|option| {
        Some((option.name.to_string(), typed(&option.value, option.example.as_ref()?)))
    });
    let always: Vec<_> = target.into_iter().chain(required).collect();
    let preset = entry.presets.first().map(|one| ("preset".to_owned(), json!(one.name)));
    let option = entry.options.iter().find_map(|option| {
        let value = option.example.as_ref()?;
        Some((option.name.to_string(), typed(&option.value, value)))
    });
    let more = [None].into_iter().chain([preset, option].into_iter().flatten().map(Some));
    let command = |more: Option<(String, Value)>| {
        let arguments: Map<_, _> = always.iter().cloned().chain(more).collect();
        Suggestion { tool: entry.name.to_string(), arguments }.as_command(&listing.catalog)
    };
    more.map(command).collect()
}
