//! The page `docs/tools.md`, made of the shipped tools' own files, so that it says what they do: for whom,
//! with which values, with which privileges, and what they leave out and why.

use std::{fmt::Write as _, io::Write as _, process::ExitCode};

use probity_protocol::Tier;

use crate::{
    Accounts, Origin, Policy, Source,
    cli::{
        CliError,
        show::tool::{argv, settings, values},
        show::{capability, kinds},
    },
    load,
    tool::{Setting, Tool, ToolOption},
    validate_with_help,
    value::ValueKind,
};

const HEAD: &str = "\
# The tools

What the shipped tools do, as their files in `tools.d` say it. This page is made of them (`probity-policy tools-page`),
and a test holds it to them. `probity tools NAME` shows a tool as you are granted it, `probity-policy show NAME` as the
broker has it. How to add one: [adding-a-tool.md](adding-a-tool.md).

Every tool aims at one target that the policy allows, and a run reaches that target alone. A name is looked up once, by
the frontend, and the tool is given the address.

";

pub(in crate::cli) fn run() -> Result<ExitCode, CliError> {
    let sources = load(&Origin::Shipped)?;
    let policy = validate_with_help(&sources, &Accounts::default())?;
    let mut page = HEAD.to_owned();
    contents(&mut page, &policy);
    for tool in policy.tools() {
        let file = format!("{}.toml", tool.name);
        let source = sources.tools.iter().find(|source| source.name().ends_with(&file));
        section(&mut page, tool, source);
    }
    std::io::stdout().write_all(page.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

// Writing to a String cannot fail, here and below.
fn contents(page: &mut String, policy: &Policy) {
    page.push_str("| tool | what for | privileges |\n|---|---|---|\n");
    for tool in policy.tools() {
        let name = &tool.name;
        let tier = if tool.tier == Tier::Intrusive { ", intrusive" } else { "" };
        let _ = writeln!(
            page,
            "| [`{name}`](#{name}) | {} | {}{tier} |",
            cell(&tool.summary),
            cell(&match capability(tool).as_str() {
                "never" => "none".to_owned(),
                when => format!("CAP_NET_RAW {when}"),
            })
        );
    }
}

fn section(page: &mut String, tool: &Tool, source: Option<&Source>) {
    let _ = writeln!(page, "\n## {}\n\n{}", tool.name, tool.summary);
    if let Some(advice) = &tool.advice {
        let _ = writeln!(page, "\n{advice}");
    }
    let _ = writeln!(page, "\n```\n{} {}\n```\n", tool.name, example(tool));
    page.push_str("| | |\n|---|---|\n");
    let package = tool.package.as_ref().map(|package| format!(" (package `{package}`)"));
    let sandbox = &tool.sandbox;
    let reads: Vec<_> = sandbox.read.iter().map(|path| format!("`{}`", path.display())).collect();
    let starts: Vec<_> =
        sandbox.execute.iter().map(|path| format!("`{}`", path.display())).collect();
    let rows = [
        (
            "runs",
            format!("`{} {}`{}", tool.command.display(), argv(tool), package.unwrap_or_default()),
        ),
        ("targets", kinds(tool)),
        ("CAP_NET_RAW", capability(tool)),
        ("system calls", format!("profile `{}`", sandbox.profile.name)),
        ("reads, besides libraries", reads.join(", ")),
        ("starts", starts.join(", ")),
        ("time", time(tool)),
        ("runs at once", tool.concurrency.value.to_string()),
    ];
    for (what, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(page, "| {what} | {} |", cell(value));
    }
    options(page, tool);
    if !tool.presets.is_empty() {
        page.push_str("\n| preset | sets | |\n|---|---|---|\n");
        for (name, preset) in &tool.presets {
            let help = cell(&preset.help);
            let _ = writeln!(page, "| `{name}` | {} | {help} |", cell(&settings(tool, preset)));
        }
    }
    for text in source.map(left_out).unwrap_or_default() {
        let _ = writeln!(page, "\n{text}");
    }
}

fn time(tool: &Tool) -> String {
    let shown = humantime::format_duration;
    let most = tool.max_timeout.map(|most| format!("; {} at most", shown(most)));
    format!("{}, unless asked otherwise{}", shown(tool.timeout.value), most.unwrap_or_default())
}

fn options(page: &mut String, tool: &Tool) {
    let told: Vec<&ToolOption> =
        tool.options.iter().filter(|option| !option.help.is_empty()).collect();
    if told.is_empty() {
        return;
    }
    page.push_str("\n| option | values | |\n|---|---|---|\n");
    for option in told {
        let mut help = option.help.clone();
        match (option.host_is_default, option.written_default()) {
            (true, _) => help.push_str(" Default: the name that the call asks by."),
            (false, Some(default)) => _ = write!(help, " Default: {default}."),
            (false, None) if option.required => help.push_str(" Required."),
            (false, None) => {}
        }
        if option.tier == Tier::Intrusive {
            help.push_str(" Intrusive.");
        }
        if option.net_raw {
            help.push_str(" Takes CAP_NET_RAW.");
        }
        let values = match &option.kind {
            ValueKind::None => "given or not".to_owned(),
            kind => values(kind),
        };
        let _ = writeln!(page, "| `{}` | {} | {} |", option.name, cell(&values), cell(&help));
    }
}

/// A call as over MCP, with the examples of what it needs, or else of its first option.
fn example(tool: &Tool) -> String {
    let mut words = Vec::new();
    if !tool.targets.is_empty() {
        words.push("\"target\": \"192.168.1.1\"".to_owned());
    }
    let mut shown: Vec<_> = tool.options.iter().filter(|option| option.required).collect();
    if shown.is_empty() {
        shown.extend(tool.options.iter().find(|option| option.example.is_some()));
    }
    for option in shown {
        if let Some(example) = &option.example {
            let written = option.written(&Setting::On(example.clone()));
            let is_number = written.parse::<f64>().is_ok();
            let value = if is_number { written } else { format!("{written:?}") };
            words.push(format!("\"{}\": {value}", option.name));
        }
    }
    format!("{{{}}}", words.join(", "))
}

/// The paragraphs of a file's comments that say what it leaves out.
fn left_out(source: &Source) -> Vec<String> {
    let mut paragraphs = Vec::new();
    let mut lines = source.text().lines().peekable();
    while let Some(line) = lines.next() {
        let Some(begin) = line.strip_prefix("# Left out on purpose: ") else { continue };
        let mut text = format!("**Left out on purpose:** {begin}");
        while let Some(more) = lines.next_if(|line| line.starts_with("# ")) {
            text.push(' ');
            text.push_str(more.trim_start_matches("# "));
        }
        paragraphs.push(text);
    }
    paragraphs
}

/// A text in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
