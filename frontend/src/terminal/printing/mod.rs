//! What a person at a terminal sees, and what a script reads in its place.
//!
//! It only words and aligns. Colours go through `anstream`, which leaves them out where standard
//! output is no terminal, `NO_COLOR` is set or `--color never` is given. Text of the policy's is
//! cleaned here; a result's is clean already.

mod doctor;
pub mod layout;
mod one_tool;
mod own_policy;
mod plan;
pub mod progress;
mod result;
mod settings;
mod tools;

use std::io::Write;

use anstyle::{AnsiColor, Style};
use probity_output::quote::broken;
use serde::Serialize;

use self::layout::Layout;

pub use self::{
    doctor::print_report,
    one_tool::{print_tool, usage_of},
    own_policy::OwnPolicy,
    result::{print_raw, print_result},
    settings::{Effect, print_settings, print_settings_as_json},
    tools::{no_such_tool, nothing_granted, print_tools},
};

const HEAD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const CAUTION: Style = AnsiColor::Yellow.on_default().bold();
const LATE: Style = AnsiColor::Magenta.on_default().bold();
/// Of what failed.
pub const BAD: Style = AnsiColor::Red.on_default().bold();

/// A message for standard error, broken between words where that is a terminal. What is indented is a
/// command or a file's text, and stays whole, to be copied.
#[must_use]
pub fn for_stderr(text: &str) -> String {
    let Layout::Fitted(columns) = Layout::of(&std::io::stderr()) else { return text.to_owned() };
    let lines = text.split('\n').map(|line| match line.starts_with(' ') {
        true => line.to_owned(),
        false => broken(line, columns.into()),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Prints any of the objects as JSON.
///
/// # Errors
/// Those of standard output: a pipe that nobody reads any more.
pub fn print_json(value: &impl Serialize) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}
