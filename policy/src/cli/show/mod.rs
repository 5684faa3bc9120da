//! `show`: the effective policy, as a person reviews it and as programs read it. Nothing is shown
//! that the broker would not decide by: defaults are filled in, files are merged.

pub(super) mod tool;
mod user;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use humantime::format_duration;
use probity_protocol::{TargetKind, Tier, ToolName};
use serde::Serialize;
use serde_json::{Value, json};

use super::{CliError, Which, asker::Asker, output, people::People};
use crate::{
    Policy,
    diff::cover::narrowing,
    effective::{self, size},
    grants::{Grant, GrantedTools},
    tool::{CapabilityRule, Tool},
    value::ValueKind,
};

/// Show the policy in effect: files merged, defaults filled in
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::output::help("\
Examples:
  probity-policy show                        who may do what to whom, and what nobody exceeds
  probity-policy show nmap                   one tool: options with ranges, files, system calls
  probity-policy show nmap --syscalls        each system call it may make
  probity-policy show --user ada             all that this user may do, on a page
  probity-policy show --toml > policy.toml   all of it as one file, which a broker reads as the same
                                             policy with the same digest"))]
pub(super) struct Args {
    /// One tool, by its name or an alias
    tool: Option<String>,
    /// All that this user may do: a name of /etc/passwd, or a number
    #[arg(long, value_name = "NAME", conflicts_with_all = ["tool", "toml"])]
    user: Option<String>,
    /// A group to add to the user's; several times for several
    #[arg(long = "group", value_name = "NAME", requires = "user")]
    groups: Vec<String>,
    /// As the user who starts a broker for himself, whom grants with self = true are for
    #[arg(long, requires = "user")]
    embedded: bool,
    /// In the policy's own language: a policy file, or a file of tools.d
    #[arg(long, conflicts_with = "json")]
    toml: bool,
    /// For programs
    #[arg(long)]
    json: bool,
    /// The system calls that the tool may make
    #[arg(long, requires = "tool", conflicts_with = "toml")]
    syscalls: bool,
}

pub(super) fn run(args: &Args, which: &Which) -> Result<ExitCode, CliError> {
    let (_, policy) = which.read()?;
    if let Some(user) = &args.user {
        let who = Asker::of(user, &args.groups, args.embedded, &People::read()?)?;
        match args.json {
            true => output::print_json(&user::as_json(&policy, &who))?,
            false => user::print(&policy, &who)?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let named = |name: &String| {
        let names: Vec<_> = policy.tools().iter().map(|tool| tool.name().as_str()).collect();
        let message = || format!("no tool is called {name:?}; there are {}", names.join(", "));
        policy.tool(name).ok_or_else(|| CliError::Usage(message()))
    };
    let tool = args.tool.as_ref().map(named).transpose()?;
    match tool {
        Some(tool) if args.syscalls => print_syscalls(tool, args.json)?,
        Some(tool) if args.toml => print_toml(toml::to_string(&effective::tool(tool)))?,
        Some(tool) if args.json => output::print_json(&as_json(&effective::tool(tool))?)?,
        Some(tool) => tool::print(&policy, tool)?,
        None if args.toml => print_toml(policy.to_toml())?,
        None if args.json => output::print_json(
            &json!({"digest": policy.digest().to_string(), "policy": as_json(&policy.effective())?}),
        )?,
        None => print_policy(&policy)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// In the policy's own keys, without those that are not set.
fn as_json(written: &impl Serialize) -> io::Result<Value> {
    fn drop_unset(value: &mut Value) {
        match value {
            Value::Object(keys) => {
                keys.retain(|_, value| !value.is_null());
                keys.values_mut().for_each(drop_unset);
            }
            Value::Array(elements) => elements.iter_mut().for_each(drop_unset),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(written)?;
    drop_unset(&mut value);
    Ok(value)
}

fn print_toml(text: Result<String, toml::ser::Error>) -> io::Result<()> {
    let text = text.map_err(io::Error::other)?;
    // As it is: what follows may be a file.
    io::stdout().write_all(text.as_bytes())
}

fn print_syscalls(tool: &Tool, as_json: bool) -> io::Result<()> {
    let profile = &tool.sandbox.profile;
    if as_json {
        return output::print_json(&json!({"profile": profile.name, "syscalls": profile.syscalls}));
    }
    let mut out = anstream::stdout().lock();
    profile.syscalls.iter().try_for_each(|name| writeln!(out, "{name}"))
}

fn print_policy(policy: &Policy) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    let targets = &policy.targets;
    let mut table = output::bare_table();
    table.add_row(["networks", &listed(targets.allowed.networks())].map(output::cell));
    table.add_row(["names", &listed(targets.names.patterns())].map(output::cell));
    table.add_row(["denied", &listed(targets.denied.networks())].map(output::cell));
    table.add_row(["addresses in one call", &targets.max_hosts.to_string()].map(output::cell));
    writeln!(out, "{}", output::head("TARGETS"))?;
    output::print_table(&mut out, table)?;

    let tools = |tools: &GrantedTools| match tools {
        GrantedTools::All => "every tool".to_owned(),
        GrantedTools::Named(names) => listed(names),
    };
    let mut table = output::table(["GRANTED TO", "TOOLS", "TIER", "NARROWED TO", "AT"]);
    for grant in &policy.grants {
        let (tools, place) = (tools(&grant.tools), grant.place.to_string());
        table.add_row(
            [grant.grantee.to_string(), tools, tier(grant.tier()), narrowed(grant, None), place]
                .map(output::cell),
        );
    }
    writeln!(out)?;
    output::print_table(&mut out, table)?;
    if !policy.approvers.is_empty() {
        let mut table = output::table(["MAY APPROVE", "TOOLS", "AT"]);
        for approver in &policy.approvers {
            let (who, place) = (approver.who.to_string(), approver.place.to_string());
            table.add_row([who, tools(&approver.tools), place].map(output::cell));
        }
        writeln!(out)?;
        output::print_table(&mut out, table)?;
    }

    let mut table =
        output::table(["TOOL", "WHO", "TARGETS", "INTRUSIVE", "CAP_NET_RAW", "COMMAND"]);
    for tool in policy.tools() {
        table.add_row(
            [
                tool.name.to_string(),
                granted_to(policy, tool),
                kinds(tool),
                intrusive_parts(tool),
                capability(tool),
                tool.command.display().to_string(),
            ]
            .map(output::cell),
        );
    }
    writeln!(out)?;
    output::print_table(&mut out, table)?;

    writeln!(out, "\n{}", output::head("CEILINGS"))?;
    output::print_table(&mut out, ceilings(policy))?;
    writeln!(out)?;
    let mut table = output::bare_table();
    let abi = format!("ABI {} or newer", policy.landlock_abi_min);
    table.add_row(["Landlock", &abi].map(output::cell));
    table.add_row(["audit log", &policy.audit_path.display().to_string()].map(output::cell));
    table.add_row(["digest", &policy.digest().to_string()].map(output::cell));
    output::print_table(&mut out, table)?;
    for excluded in policy.excluded() {
        writeln!(
            out,
            "{}",
            output::cell(format!("{} is left out: {}", excluded.file, excluded.reason)).content()
        )?;
    }
    Ok(())
}

fn ceilings(policy: &Policy) -> comfy_table::Table {
    let ceilings = policy.ceilings();
    let rows = [
        ("time of a run", format_duration(ceilings.timeout).to_string()),
        ("runs at once", ceilings.concurrency.to_string()),
        ("runs at once of one user", ceilings.concurrency_per_user.to_string()),
        ("runs of one tool that wait", ceilings.queue.to_string()),
        ("connections", ceilings.connections.to_string()),
        ("connections of one user", ceilings.connections_per_user.to_string()),
        ("requests of one user in a second", ceilings.requests_per_second.to_string()),
        ("address space", size(ceilings.memory_bytes)),
        ("wait for an approval", format_duration(ceilings.approval_ttl).to_string()),
        ("open files", ceilings.open_files.to_string()),
        ("standard output kept", size(ceilings.stdout_bytes)),
        ("standard error kept", size(ceilings.stderr_bytes)),
    ];
    let mut table = output::bare_table();
    for (name, value) in rows {
        table.add_row([output::cell(name), output::cell(value)]);
    }
    table
}

/// When a run of the tool is given the capability.
pub(super) fn capability(tool: &Tool) -> String {
    match tool.sandbox.net_raw {
        CapabilityRule::Never => "never".to_owned(),
        CapabilityRule::Always => "always".to_owned(),
        CapabilityRule::UnlessPingSocket => "unless the kernel gives ICMP echo sockets".to_owned(),
        CapabilityRule::ByOption => {
            let options = tool.options.iter().filter(|option| option.net_raw);
            format!("with {}", listed(options.map(|option| &option.name).collect::<Vec<_>>()))
        }
    }
}

/// What of a tool only the intrusive tier has.
fn intrusive_parts(tool: &Tool) -> String {
    if tool.tier == Tier::Intrusive {
        return "all of it".to_owned();
    }
    let options = tool.options.iter().filter_map(|option| match &option.kind {
        _ if option.tier == Tier::Intrusive => Some(option.shown().to_owned()),
        ValueKind::Rendered(words) if words.values().any(|w| w.tier == Tier::Intrusive) => {
            Some(format!("some of {}", option.shown()))
        }
        _ => None,
    });
    let presets = tool.presets.iter().filter(|(_, preset)| preset.tier == Tier::Intrusive);
    let presets = presets.map(|(name, _)| format!("preset {name}"));
    listed(options.chain(presets).collect::<Vec<_>>())
}

fn granted_to(policy: &Policy, tool: &Tool) -> String {
    let covering = policy
        .grants
        .iter()
        .filter(|grant| grant.tools.has(&tool.name) && grant.tier() >= tool.tier);
    let each = covering.map(|g| format!("{} ({})", g.grantee, tier(g.tier())));
    match each.collect::<Vec<_>>().as_slice() {
        [] => "nobody".to_owned(),
        each => each.join("\n"),
    }
}

/// What a grant leaves of what the policy allows, and who asked for it.
pub(super) fn narrowed(grant: &Grant, tool: Option<&ToolName>) -> String {
    let parts = [Some(narrowing(grant, tool)), grant.note.as_ref().map(|note| format!("({note})"))];
    let parts: Vec<_> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join("\n") }
}

/// What a grant leaves of a tool's options, in the policy's own keys.
pub(super) fn options_as_json(grant: &Grant, tool: &Tool) -> Value {
    let left = grant.options.key().remove(&tool.name).unwrap_or_default();
    as_json(&effective::options(left)).unwrap_or_default()
}

pub(super) fn kinds(tool: &Tool) -> String {
    if tool.targets.is_empty() {
        return "none: what it shows is this machine".to_owned();
    }
    let kinds = tool.targets.iter().map(|kind| match kind {
        TargetKind::Address => "address",
        TargetKind::Network => "network",
    });
    listed(kinds.collect::<Vec<_>>())
}

/// A tier's word in the policy's language.
pub(super) fn tier(tier: Tier) -> String {
    match tier {
        Tier::Standard => "standard",
        Tier::Intrusive => "intrusive",
    }
    .to_owned()
}

fn listed(items: impl IntoIterator<Item = impl ToString>) -> String {
    match items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().as_slice() {
        [] => "none".to_owned(),
        items => items.join(", "),
    }
}
