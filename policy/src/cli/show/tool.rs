//! One tool, with all that a reviewer asks for: who, at what, with which values, in what confinement.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io::{self, Write},
    path::PathBuf,
};

use humantime::format_duration;
use probity_protocol::{ParserEntry, Tier};

use super::{capability, granted_to, intrusive_parts, kinds, listed, tier};
use crate::{
    Policy,
    cli::output,
    diff::cover::scope_parts,
    effective::size,
    tool::{ArgvPart, OrDefault, Preset, Reach, Scratch, Tool, ToolOption},
    value::ValueKind,
};

pub(super) fn print(policy: &Policy, tool: &Tool) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    let title = output::cell(tool.title.as_deref().unwrap_or(&tool.summary)).content();
    writeln!(out, "{}: {title}\n", output::head(&tool.name))?;
    output::print_table(&mut out, facts(policy, tool))?;
    if !tool.options.is_empty() {
        let mut table =
            output::table(["OPTION", "FLAG", "VALUES", "DEFAULT", "TIER", "CAP_NET_RAW"]);
        for option in &tool.options {
            table.add_row(option_row(option).map(output::cell));
        }
        writeln!(out)?;
        output::print_table(&mut out, table)?;
    }
    if !tool.presets.is_empty() {
        let mut table = output::table(["PRESET", "SETS", "TIER"]);
        for (name, preset) in &tool.presets {
            table.add_row(
                [name.to_string(), settings(tool, preset), tier(preset.tier)].map(output::cell),
            );
        }
        writeln!(out)?;
        output::print_table(&mut out, table)?;
    }
    Ok(())
}

/// What its file leaves of what the policy allows.
fn narrowed(tool: &Tool) -> String {
    match scope_parts(&tool.scope).as_slice() {
        [] => "nothing: all that the policy allows".to_owned(),
        parts => parts.join("; "),
    }
}

fn facts(policy: &Policy, tool: &Tool) -> comfy_table::Table {
    let sandbox = &tool.sandbox;
    let profile = &sandbox.profile;
    let paths = |own: &[PathBuf], of_profile: &BTreeSet<_>| {
        let all = own.iter().chain(of_profile).map(|path| path.display());
        listed(all.collect::<Vec<_>>())
    };
    let writes = listed(profile.read_write.iter().map(|path| path.display()).collect::<Vec<_>>());
    let sockets = profile.sockets.iter().map(|s| format!("{:?} {:?}", s.family, s.kind));
    let timeout = tool.timeout.value.min(policy.longest(tool));
    let breaker = tool.breaker;
    let mut rows = vec![
        ("who", granted_to(policy, tool)),
        ("tier", tier(tool.tier)),
        ("intrusive parts", intrusive_parts(tool)),
        ("targets", kinds(tool)),
        ("narrowed to", narrowed(tool)),
        ("command", tool.command.display().to_string()),
        ("package", tool.package.clone().unwrap_or_else(|| "not said".to_owned())),
        ("arguments", argv(tool)),
        ("timeout", default_or(&tool.timeout, format_duration(timeout))),
        ("time at most", format_duration(policy.longest(tool)).to_string()),
        ("runs at once", default_or(&tool.concurrency, tool.concurrency.value)),
        (
            "breaker",
            format!(
                "opens after {} failures, for {}",
                breaker.failure_threshold.value,
                format_duration(breaker.recovery_timeout.value)
            ),
        ),
        (
            "parser",
            match &tool.parser {
                Some(ParserEntry::Named(name)) => name.clone(),
                Some(ParserEntry::Table(_)) => "the table [parse] in its file".to_owned(),
                None => "none".to_owned(),
            },
        ),
        (
            "results kept",
            match tool.cache_seconds {
                0 => "no: each call runs".to_owned(),
                seconds => format!("{seconds} s, for the same call again"),
            },
        ),
        ("CAP_NET_RAW", capability(tool)),
        ("system calls", format!("{} ({})", profile.syscalls.len(), profile.name)),
        ("sockets", listed(sockets.map(|s| s.to_lowercase()).collect::<Vec<_>>())),
        ("reads", paths(&sandbox.read, &profile.read)),
        ("executes", paths(&sandbox.execute, &profile.execute)),
        (
            "writes",
            match sandbox.scratch {
                None => writes,
                Some(Scratch { files, file_bytes }) => format!(
                    "{writes}, and {files} files of at most {} in a folder that ends with the run",
                    size(file_bytes)
                ),
            },
        ),
        (
            "reaches",
            match sandbox.reach {
                _ if tool.targets.is_empty() => "no address",
                Reach::Target => "the target of the call alone",
                Reach::Any => "every address",
            }
            .to_owned(),
        ),
        ("defined at", tool.place.to_string()),
    ];
    let said = tool.metadata.iter().map(|(key, text)| format!("{key}: {text}"));
    let said: Vec<_> = said.collect();
    if !said.is_empty() {
        rows.push(("metadata", said.join("\n")));
    }
    if !tool.aliases.is_empty() {
        rows.insert(0, ("aliases", listed(&tool.aliases)));
    }
    let mut table = output::bare_table();
    for (name, value) in rows {
        table.add_row([output::cell(name), output::cell(value)]);
    }
    table
}

fn option_row(option: &ToolOption) -> [String; 6] {
    let default = match option.required {
        true => Some("required".to_owned()),
        false => option.written_default(),
    };
    [
        option.name.to_string(),
        option.flag.clone().unwrap_or_else(|| "-".to_owned()),
        values(&option.kind),
        default.unwrap_or_else(|| "-".to_owned()),
        tier(option.tier),
        if option.net_raw { "yes" } else { "no" }.to_owned(),
    ]
}

/// What a value may be, the intrusive words apart.
pub(in crate::cli) fn values(kind: &ValueKind) -> String {
    let ValueKind::Rendered(words) = kind else { return kind.expected(Tier::Intrusive) };
    let of = |tier| {
        let words = words.iter().filter(|(_, word)| word.tier == tier);
        words.map(|(name, _)| name.as_str()).collect::<Vec<_>>()
    };
    let (mut text, intrusive) = (kind.expected(Tier::Standard), of(Tier::Intrusive));
    if !intrusive.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(text, "; intrusive: {}", intrusive.join(", "));
    }
    text
}

pub(in crate::cli) fn settings(tool: &Tool, preset: &Preset) -> String {
    let set = preset.settings.iter().filter_map(|(at, setting)| {
        let option = tool.options.get(*at)?;
        Some(format!("{} = {}", option.name, option.written(setting)))
    });
    listed(set.collect::<Vec<_>>())
}

pub(in crate::cli) fn argv(tool: &Tool) -> String {
    let words = tool.argv.iter().map(|part| match part {
        ArgvPart::Mode { raw, plain } => {
            format!("{{with CAP_NET_RAW: {}; else: {}}}", raw.join(" "), plain.join(" "))
        }
        ArgvPart::Options => "{options}".to_owned(),
        ArgvPart::Word(template) => template.to_string(),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn default_or<T>(value: &OrDefault<T>, shown: impl ToString) -> String {
    let note = if value.is_default { " (default; a frontend's own may be less)" } else { "" };
    format!("{}{note}", shown.to_string())
}
