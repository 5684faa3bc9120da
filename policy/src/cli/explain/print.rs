//! An explanation in words, and as JSON.

use std::io::{self, Write};

use humantime::{format_duration, format_rfc3339_seconds};
use probity_advice::SuggestedCall;
use probity_protocol::{Arguments, Call, DenialCode, Target};
use serde_json::{Value, json};

use super::{Args, Denied, Explanation, Weighed, Which};
use crate::{
    EnvironmentValue, NetRaw, PacketsTo, Plan, Scratch,
    cli::{output, show},
    effective::size,
    source::{Place, printable},
};

pub(super) fn print(explanation: &Explanation<'_>, args: &Args, which: &Which) -> io::Result<()> {
    let Explanation { who, call, steps, grants, verdict, .. } = explanation;
    let mut out = anstream::stdout().lock();
    let on = match &call.target {
        Target::None => String::new(),
        target => format!(" on {target}"),
    };
    let asked = printable(&format!("{}{on} for {}", call.tool, who.name));
    match verdict {
        Ok(_) => writeln!(out, "{}: {asked}\n", output::good("approved"))?,
        Err(Denied { advice, .. }) => {
            writeln!(out, "{}: {asked}: {}\n", output::error("denied"), advice.code)?;
        }
    }
    let mut table = output::table(["STEP", "", "WHAT", "RULE"]);
    table.add_row(["asked by", "", &asked_by(explanation), ""].map(output::cell));
    for step in steps {
        for (number, said) in step.said.iter().enumerate() {
            let mark = if step.passed { "ok" } else { "no" };
            let [what, mark] = if number == 0 { [step.what, mark] } else { [""; 2] };
            let rule = said.place.as_ref().map(ToString::to_string).unwrap_or_default();
            table.add_row([what, mark, &said.text, &rule].map(output::cell));
        }
    }
    output::print_table(&mut out, table)?;
    if !grants.is_empty() {
        let mut table = output::table(["GRANT", "", "WHY", "NARROWED TO"]);
        for Weighed { grant, covers, why } in grants {
            let mark = if *covers { "ok" } else { "no" };
            let place = grant.place.to_string();
            let tool = explanation.policy.tool(call.tool.as_str()).map(|tool| &tool.name);
            let narrowed = show::narrowed(grant, tool);
            table.add_row([&place, mark, why, &narrowed].map(output::cell));
        }
        writeln!(out)?;
        output::print_table(&mut out, table)?;
    }
    writeln!(out)?;
    match verdict {
        Ok(plan) => print_plan(&mut out, plan),
        Err(denied) => print_denied(&mut out, denied, args, which),
    }
}

fn asked_by(explanation: &Explanation<'_>) -> String {
    let who = &explanation.who;
    let groups = match who.groups.as_slice() {
        [] => "no group".to_owned(),
        groups => format!("groups {}", groups.join(", ")),
    };
    let owner = if who.subject.owner { ", of an embedded broker" } else { "" };
    format!("{} (uid {}), {groups}{owner}", who.name, who.subject.uid)
}

fn print_plan(out: &mut impl Write, plan: &Plan) -> io::Result<()> {
    let limits = plan.limits();
    let environment = plan.environment().map(|(name, value)| format!("{name}={}", shown(value)));
    let paths = |paths: &[std::path::PathBuf]| match paths {
        [] => "nothing beyond its profile".to_owned(),
        paths => paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", "),
    };
    let profile = plan.profile();
    let rows = [
        ("runs", command_line(plan.argv().iter().map(String::as_str))),
        ("environment", environment.collect::<Vec<_>>().join(" ")),
        ("time", format_duration(limits.timeout).to_string()),
        ("processor time", format!("{} s", limits.cpu_seconds)),
        ("address space", size(limits.memory_bytes)),
        ("open files", limits.open_files.to_string()),
        (
            "output kept",
            format!("{}, and {} of errors", size(limits.stdout_bytes), size(limits.stderr_bytes)),
        ),
        ("at once", plan.concurrency().to_string()),
        ("CAP_NET_RAW", net_raw(plan.net_raw()).to_owned()),
        ("system calls", format!("{} ({})", profile.syscalls.len(), profile.name)),
        ("reads", paths(plan.read())),
        ("executes", paths(plan.execute())),
        ("writes", scratch(plan)),
        ("sends packets to", reach(plan)),
    ];
    let mut table = output::bare_table();
    for (name, value) in rows {
        table.add_row([name, &value].map(output::cell));
    }
    output::print_table(out, table)
}

fn print_denied(
    out: &mut impl Write,
    denied: &Denied,
    args: &Args,
    which: &Which,
) -> io::Result<()> {
    writeln!(out, "{}", printable(&denied.advice.recovery_suggestion))?;
    if denied.advice.code == DenialCode::NameUnresolved {
        writeln!(out, "No name is looked up here: --address gives what a frontend would find.")?;
    }
    match &denied.instead {
        Some(call) => {
            let line = printable(&instead(call, args, which));
            writeln!(out, "\nThis would pass:\n  {}", output::head(line))
        }
        None => writeln!(out, "\nNothing that this user may ask for is near it."),
    }
}

/// The question whose answer is yes, for the same user.
fn instead(call: &Call, args: &Args, which: &Which) -> String {
    let mut words = vec!["probity-policy".to_owned(), "explain".to_owned()];
    let mut add = |flag: &str, value: &str| words.extend([flag.to_owned(), value.to_owned()]);
    if let Some(policy) = &which.policy {
        add("--policy", &policy.to_string_lossy());
    }
    add("--user", &args.user);
    args.groups.iter().for_each(|group| add("--group", group));
    add("--tool", call.tool.as_str());
    match &call.target {
        Target::Name { name, addresses } => {
            add("--target", name.as_str());
            addresses.iter().for_each(|address| add("--address", &address.to_string()));
        }
        Target::None => {}
        target => add("--target", &target.to_string()),
    }
    if let Some(timeout) = call.limits.timeout {
        add("--timeout", &timeout.as_secs_f64().to_string());
    }
    let mut extra = Vec::new();
    if let Arguments::Given { preset, options, tokens } = &call.arguments {
        if let Some(preset) = preset {
            add("--preset", preset.as_str());
        }
        for option in options {
            let value = option.value.as_ref().map(|value| format!("={}", value.as_str()));
            add("--option", &format!("{}{}", option.name, value.unwrap_or_default()));
        }
        extra.extend(tokens.iter().map(|token| token.as_str().to_owned()));
    }
    for (given, flag) in [(which.shipped, "--shipped"), (args.embedded, "--embedded")] {
        words.extend(given.then(|| flag.to_owned()));
    }
    if !extra.is_empty() {
        words.push("--".to_owned());
    }
    command_line(words.iter().chain(&extra).map(String::as_str))
}

/// Words as a shell would take them. A word with a NUL in it, which no shell takes, is none of ours.
fn command_line<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let quoted = words.map(|word| shlex::try_quote(word).unwrap_or_else(|_| word.into()));
    quoted.collect::<Vec<_>>().join(" ")
}

pub(super) fn as_json(explanation: &Explanation<'_>) -> Value {
    let Explanation { policy, who, call, steps, grants, verdict } = explanation;
    let steps = steps.iter().map(|step| {
        let said = step
            .said
            .iter()
            .map(|said| json!({"text": said.text, "rule": said.place.as_ref().map(place_as_json)}));
        json!({"step": step.what, "passed": step.passed, "said": said.collect::<Vec<_>>()})
    });
    let tool = policy.tool(call.tool.as_str());
    let grants = grants.iter().map(|Weighed { grant, covers, why }| {
        let until = grant.until.map(|until| format_rfc3339_seconds(until).to_string());
        json!({
            "rule": place_as_json(&grant.place), "for": grant.grantee.to_string(),
            "tier": show::tier(grant.tier()), "covers": covers, "why": why,
            "options": tool.map(|tool| show::options_as_json(grant, tool)),
            "until": until, "note": grant.note,
        })
    });
    let mut answer = json!({
        "approved": verdict.is_ok(),
        "policy_digest": policy.digest().to_string(),
        "subject": {"uid": who.subject.uid, "gids": who.subject.gids, "owner": who.subject.owner},
        "call": {"tool": call.tool.as_str(), "target": call.target.to_string()},
        "steps": steps.collect::<Vec<_>>(),
        "grants": grants.collect::<Vec<_>>(),
    });
    match verdict {
        Ok(plan) => answer["plan"] = plan_as_json(plan),
        Err(Denied { advice, instead }) => {
            answer["denial"] = json!({
                "code": advice.code.as_str(),
                "message": advice.message,
                "recovery_suggestion": advice.recovery_suggestion,
                "metadata": advice.metadata,
            });
            answer["would_pass"] = json!(instead.clone().and_then(SuggestedCall::of));
        }
    }
    answer
}

fn place_as_json(place: &Place) -> Value {
    json!({"file": place.file(), "line": place.line(), "column": place.column()})
}

fn plan_as_json(plan: &Plan) -> Value {
    let limits = plan.limits();
    let profile = plan.profile();
    let environment = plan.environment().map(|(name, value)| (name, shown(value)));
    json!({
        "tool": plan.tool().as_str(),
        "target": plan.target(),
        "claimed_name": plan.claimed_name().map(ToString::to_string),
        "argv": plan.argv(),
        "environment": environment.collect::<std::collections::BTreeMap<_, _>>(),
        "rule": plan.rule().to_string(),
        "tier": show::tier(plan.tier()),
        "concurrency": plan.concurrency(),
        "limits": {
            "timeout_ms": u64::try_from(limits.timeout.as_millis()).unwrap_or(u64::MAX),
            "cpu_seconds": limits.cpu_seconds,
            "memory_bytes": limits.memory_bytes,
            "open_files": limits.open_files,
            "file_bytes": limits.file_bytes,
            "stdout_bytes": limits.stdout_bytes,
            "stderr_bytes": limits.stderr_bytes,
        },
        "sandbox": {
            "net_raw": net_raw(plan.net_raw()),
            "profile": profile.name,
            "syscalls": profile.syscalls.len(),
            "read": plan.read(),
            "execute": plan.execute(),
            "reach": match plan.reach() {
                PacketsTo::Nowhere => "none".to_owned(),
                PacketsTo::Network(_) => plan.target(),
                PacketsTo::Everywhere => "any".to_owned(),
            },
            "scratch": plan.scratch().map(|scratch| {
                json!({"files": scratch.files, "file_bytes": scratch.file_bytes})
            }),
        },
    })
}

fn reach(plan: &Plan) -> String {
    match plan.reach() {
        PacketsTo::Nowhere => "no address".to_owned(),
        PacketsTo::Network(_) => format!("{} alone", plan.target()),
        PacketsTo::Everywhere => "every address".to_owned(),
    }
}

fn scratch(plan: &Plan) -> String {
    plan.scratch().map_or_else(
        || "no file".to_owned(),
        |Scratch { files, file_bytes }| format!("{files} files of at most {}", size(file_bytes)),
    )
}

fn net_raw(net_raw: NetRaw) -> &'static str {
    match net_raw {
        NetRaw::No => "no",
        NetRaw::Yes => "yes",
        NetRaw::UnlessPingSocket => "unless the kernel gives ICMP echo sockets",
    }
}

fn shown(value: EnvironmentValue) -> &'static str {
    match value {
        EnvironmentValue::Text(text) => text,
        EnvironmentValue::PrivateFolder => "(a folder of its own)",
    }
}
