//! `probity config`: the settings in force and where each comes from.
//!
//! Neither a broker nor a tool is needed to see what is configured. Which settings come to nothing, as
//! the policy is stricter, is told by whoever has asked a broker.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{Attribute, Cell, ColumnConstraint, ContentArrangement, Table, presets::NOTHING};
use config::ValueKind;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    idle::IdleSetting,
    load::{DEFAULT, Effective, FILE_VARIABLE, Loaded},
    notice::Notice,
    per_tool::Candidate,
    settings::{PER_TOOL, SETTINGS},
};
use crate::{clean::clean_str, terminal::print_json};

const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Prints them for a person.
///
/// # Errors
/// Those of standard output.
pub fn print(loaded: &Loaded, effect: &Effect) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    match &loaded.file {
        Some(path) => writeln!(out, "File: {path}\n")?,
        None => writeln!(out, "File: none ({FILE_VARIABLE} or --config names one)\n")?,
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(
        ["SETTING", "VALUE", "FROM"].map(|head| Cell::new(head).add_attribute(Attribute::Bold)),
    );
    for row in settings(loaded).into_iter().chain(tools(loaded, &[])).chain(of_the_file(loaded)) {
        table.add_row([cell(&row.key), cell(&row.value_text()), cell(&row.source_text())]);
    }
    if let Some(keys) = table.column_mut(0) {
        keys.set_constraint(ColumnConstraint::ContentWidth);
    }
    writeln!(out, "{}", table.trim_fmt())?;
    if !tools(loaded, &[]).is_empty() {
        writeln!(out, "\ntools.* takes effect where a tool that you are granted has that name.")?;
    }
    if let Effect::Unknown = effect {
        writeln!(
            out,
            "\nThe policy may be stricter than tool.default_*, circuit_breaker.* and tools.*, and no broker \
             answers that could say so\n(--embedded starts one)."
        )?;
    }
    let idle = effect.idle().iter().map(ToString::to_string);
    for (number, notice) in warnings(loaded).map(ToString::to_string).chain(idle).enumerate() {
        let gap = if number == 0 { "\n" } else { "" };
        writeln!(out, "{gap}{WARNING}warning{WARNING:#}: {notice}")?;
    }
    Ok(())
}

/// Prints them for programs: `{file, settings, tools, health_checks, counters, warnings, no_effect}`.
///
/// # Errors
/// Those of standard output.
pub fn print_as_json(loaded: &Loaded, effect: &Effect) -> io::Result<()> {
    let mut value = as_json(loaded);
    value["no_effect"] = match effect {
        Effect::Known(idle) => json!(idle),
        Effect::Unknown => Value::Null,
    };
    print_json(&value)
}

/// Which settings come to nothing.
#[derive(Debug, Clone)]
pub enum Effect {
    /// These.
    Known(Vec<IdleSetting>),
    /// No broker has told.
    Unknown,
}

impl Effect {
    fn idle(&self) -> &[IdleSetting] {
        match self {
            Self::Known(idle) => idle,
            Self::Unknown => &[],
        }
    }
}

/// The same as a value. Secrets are left out.
#[must_use]
pub fn as_json(loaded: &Loaded) -> Value {
    json!({
        "file": loaded.file,
        "settings": settings(loaded),
        "tools": tools(loaded, &[]),
        "health_checks": checks(loaded),
        "counters": counters(loaded),
        "warnings": warnings(loaded).map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// The same of a server that listens: with the port that it has, which is another than the one set where
/// that is 0, or where a flag or systemd says otherwise, and with what is set for these tools, too.
#[must_use]
pub fn in_force(loaded: &Loaded, port: Option<u16>, tools: &[String]) -> Value {
    let mut shown = as_json(loaded);
    shown["tools"] = json!(self::tools(loaded, tools));
    let settings = shown["settings"].as_array_mut();
    let of_port = settings.into_iter().flatten().find(|setting| setting["key"] == "server.port");
    if let (Some(setting), Some(port)) = (of_port, port)
        && setting["value"] != port
    {
        setting["value"] = json!(port);
        setting["source"] = json!("bound");
    }
    shown
}

/// One setting as it is shown.
#[derive(Serialize)]
struct Row<'a> {
    key: String,
    value: Value,
    unit: Option<&'static str>,
    /// `default`, a variable, a file with its line, or a flag.
    source: &'a str,
    /// What it was before it was moved into its range.
    clamped_from: Option<String>,
    /// The layer above whose value was none.
    ignored: Option<String>,
}

impl<'a> Row<'a> {
    fn new(
        loaded: &Loaded,
        key: String,
        value: &ValueKind,
        unit: &'static str,
        source: &'a str,
    ) -> Self {
        let (mut clamped_from, mut ignored) = (None, None);
        for notice in warnings(loaded) {
            match notice {
                Notice::Clamped { key: of, old, source: at, .. } if *of == key && at == source => {
                    clamped_from = Some(old.clone());
                }
                Notice::Invalid { key: of, source: at, .. } if *of == key && at != source => {
                    ignored = Some(at.clone());
                }
                _ => {}
            }
        }
        let unit = (!unit.is_empty()).then_some(unit);
        Self { key, value: json_of(value), unit, source, clamped_from, ignored }
    }

    fn value_text(&self) -> String {
        let unit = self.unit.map(|unit| format!(" {unit}")).unwrap_or_default();
        match &self.value {
            Value::Null => "-".into(),
            Value::Array(items) if items.is_empty() => "-".into(),
            Value::Array(items) => {
                items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
            }
            Value::String(text) => text.clone(),
            // 60 rather than 60.0.
            Value::Number(number) => format!("{}{unit}", number.as_f64().unwrap_or_default()),
            other => other.to_string(),
        }
    }

    fn source_text(&self) -> String {
        let source = self.source;
        match (&self.clamped_from, &self.ignored) {
            (Some(old), _) => format!("{source} ({old} is out of range)"),
            (None, Some(ignored)) => format!("{source} ({ignored} does not count)"),
            (None, None) => source.to_owned(),
        }
    }
}

fn settings(loaded: &Loaded) -> Vec<Row<'_>> {
    let rows = loaded.effective.iter().map(|Effective { setting, value, source }| {
        let mut row = Row::new(loaded, setting.key.to_owned(), value, setting.unit, source);
        if let Value::String(text) = row.value {
            row.value = json!(setting.kind.redacted(text));
        }
        row
    });
    rows.collect()
}

fn tools<'a>(loaded: &'a Loaded, known: &[String]) -> Vec<Row<'a>> {
    // What may be another program's variable is nobody's business here.
    let candidates = loaded.config.overrides.candidates().iter();
    let is_shown = |candidate: &&Candidate| !candidate.is_doubtful() || candidate.is_of_any(known);
    let rows = candidates.filter(is_shown).filter_map(|candidate| {
        let (value, unit) = (candidate.value.as_ref()?, candidate.unit());
        Some(Row::new(loaded, candidate.key(), value, unit, &candidate.source))
    });
    rows.collect()
}

fn of_the_file(loaded: &Loaded) -> impl Iterator<Item = Row<'_>> {
    checks(loaded).into_iter().chain(counters(loaded))
}

/// Only a file has them.
fn counters(loaded: &Loaded) -> Vec<Row<'_>> {
    let source = loaded.file.as_deref().unwrap_or(DEFAULT);
    let rows = loaded.config.counters.iter().map(|counter| {
        let key = format!("metrics.counter.{}", counter.name);
        Row::new(loaded, key, &ValueKind::String(counter.to_string()), "", source)
    });
    rows.collect()
}

/// Only a file has them.
fn checks(loaded: &Loaded) -> Vec<Row<'_>> {
    let source = loaded.file.as_deref().unwrap_or(DEFAULT);
    let rows = loaded.config.health.checks.iter().map(|check| {
        let key = format!("health.checks.{}", check.name);
        Row::new(loaded, key, &ValueKind::String(check.to_string()), "", source)
    });
    rows.collect()
}

/// What `probity config --help` says below its options.
#[must_use]
pub fn help() -> String {
    let mut text = String::from(
        "\
Examples:
  probity config                             what is in force, and where it comes from
  probity config --config probity.toml       with this file
  probity config --embedded                  held against the built-in policy, too
  probity config --json | jq '.settings[] | select(.source != \"default\")'

A flag wins over the environment, which wins over the file, which wins over the default.
Variables:
",
    );
    for setting in SETTINGS.iter().chain(PER_TOOL) {
        let (variable, help) = (setting.variable, setting.help);
        text.push_str(&format!("  {variable:<29} {help}"));
        match setting.default {
            "" => {}
            default => text.push_str(&format!(" [{default}]")),
        }
        text.push('\n');
    }
    text.push_str(&format!("  {FILE_VARIABLE:<29} The file: TOML or YAML, by its ending.\n"));
    text.push_str("NAME is a tool's, in capitals. Keys of the file: docs/configuration.md");
    crate::cli::help(&text)
}

/// Everything that somebody should mend, of variables for shipped tools too. Those of other tools are
/// warned of when such a tool is called.
fn warnings(loaded: &Loaded) -> impl Iterator<Item = &Notice> {
    let of_variables = loaded
        .config
        .overrides
        .candidates()
        .iter()
        .filter(|candidate| candidate.from_variable && !candidate.is_doubtful())
        .filter_map(|candidate| candidate.notice.as_ref());
    loaded.notices.iter().filter(|notice| notice.is_warning()).chain(of_variables)
}

fn json_of(value: &ValueKind) -> Value {
    match value {
        ValueKind::Boolean(value) => json!(value),
        ValueKind::I64(value) => json!(value),
        ValueKind::Float(value) => json!(value),
        ValueKind::Array(items) => items.iter().map(|item| json_of(&item.kind)).collect(),
        ValueKind::Nil => Value::Null,
        other => json!(other.to_string()),
    }
}

fn cell(text: &str) -> Cell {
    // What nobody has set steps back.
    let cell = Cell::new(clean_str(text));
    if text == DEFAULT { cell.add_attribute(Attribute::Dim) } else { cell }
}
