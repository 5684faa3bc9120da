//! `probity config`: the settings in force, printed.
//!
//! Which settings come to nothing, as the policy is stricter, is told by whoever has asked a broker.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{Attribute, Cell, ColumnConstraint, ContentArrangement, Table, presets::NOTHING};
use probity_output::clean::clean_str;
use serde_json::{Value, json};

use super::print_json;
use crate::config::{
    IdleSetting, Loaded,
    load::{DEFAULT, FILE_VARIABLE},
    show::{as_json, rows, sets_single_tools, warnings},
};

const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Prints them for a person.
///
/// # Errors
/// Those of standard output.
pub fn print_settings(loaded: &Loaded, effect: &Effect) -> io::Result<()> {
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
    for row in rows(loaded) {
        table.add_row([cell(&row.key), cell(&row.value_text()), cell(&row.source_text())]);
    }
    if let Some(keys) = table.column_mut(0) {
        keys.set_constraint(ColumnConstraint::ContentWidth);
    }
    writeln!(out, "{}", table.trim_fmt())?;
    if sets_single_tools(loaded) {
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

/// Prints them for programs: `{file, settings, tools, health_checks, counters, probe_modules, warnings, no_effect}`.
///
/// # Errors
/// Those of standard output.
pub fn print_settings_as_json(loaded: &Loaded, effect: &Effect) -> io::Result<()> {
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

fn cell(text: &str) -> Cell {
    // What nobody has set steps back.
    let cell = Cell::new(clean_str(text));
    if text == DEFAULT { cell.add_attribute(Attribute::Dim) } else { cell }
}
