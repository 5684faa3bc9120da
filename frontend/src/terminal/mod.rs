//! What a person at a terminal sees, and what a script reads in its place.
//!
//! It only words and aligns. Colours go through `anstream`, which leaves them out where standard
//! output is no terminal, `NO_COLOR` is set or `--color never` is given. Text of the policy's is
//! cleaned here; a result's is clean already.

mod again;
mod doctor;
pub mod layout;
mod one_tool;
mod plan;
pub mod progress;
mod result;
mod tools;
mod tools_json;

use std::io::Write;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

pub use self::{
    again::Again,
    doctor::print_report,
    one_tool::print_tool,
    result::{print_raw, print_result},
    tools::{no_such_tool, nothing_granted, print_tools},
    tools_json::{tool_json, tools_json},
};

const HEAD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const CAUTION: Style = AnsiColor::Yellow.on_default().bold();
const LATE: Style = AnsiColor::Magenta.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Prints any of the objects as JSON.
///
/// # Errors
/// Those of standard output: a pipe that nobody reads any more.
pub fn print_json(value: &impl Serialize) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}
