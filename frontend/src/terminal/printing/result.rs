//! What a call gave. The first line says how it ended, and its colour says so again: a refusal is
//! never taken for a host that does not answer. What the tool wrote stands behind marks, on each line that
//! the terminal makes of it.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use anstyle::Style;
use probity_output::quote::{broken, marked};
use probity_protocol::Catalog;

use super::{BAD, CAUTION, GOOD, HEAD, LATE, layout::Layout, plan};
use crate::{
    calls::result::{ErrorType, ToolResult},
    terminal::cli::ConnectionFlags,
};

/// Prints a result in a few lines. `flags` complete the commands that are shown.
///
/// # Errors
/// Those of standard output.
pub fn print_result(
    result: &ToolResult,
    catalog: &Catalog,
    flags: &ConnectionFlags,
) -> io::Result<()> {
    write_result(&mut anstream::stdout().lock(), result, catalog, flags)
}

/// Prints what the tool wrote, as far as it can be shown: its standard output to standard output,
/// its standard error to standard error. How it ended, where it did not end well, follows there. A program
/// gets the tool's lines as they are, a person at a terminal behind marks.
///
/// # Errors
/// Those of both.
pub fn print_raw(
    result: &ToolResult,
    catalog: &Catalog,
    flags: &ConnectionFlags,
) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(seen_at(Layout::of(&io::stdout()), &result.stdout).as_bytes())?;
    out.flush()?;
    let mut err = anstream::stderr().lock();
    err.write_all(seen_at(Layout::of(&io::stderr()), &result.stderr).as_bytes())?;
    if result.truncated_stdout || result.truncated_stderr {
        writeln!(err, "{CAUTION}The tool wrote more than is kept: its output was cut.{CAUTION:#}")?;
    }
    let wrote = !result.stdout.is_empty() || !result.stderr.is_empty();
    match (&result.error, result.error_type) {
        // What it wrote has just been shown.
        (Some(error), Some(kind)) if wrote => {
            let style = style_of(result);
            writeln!(err, "{style}probity: {error} ({kind}){style:#}")?;
            match &result.error_details {
                Some(details) if kind == ErrorType::Timeout => {
                    writeln!(err, "Try: {}", details.recovery_suggestion)
                }
                _ => Ok(()),
            }
        }
        (Some(_), _) => write_result(&mut err, result, catalog, flags),
        (None, _) => Ok(()),
    }
}

/// What a tool wrote, as it is shown at a terminal or given to a program.
fn seen_at(layout: Layout, text: &str) -> Cow<'_, str> {
    match layout {
        Layout::Fitted(columns) if !text.is_empty() => {
            // RULE: What a tool wrote stands behind marks.
            let lines = marked(text.strip_suffix('\n').unwrap_or(text));
            Cow::Owned(broken(&lines, columns.into()) + "\n")
        }
        _ => Cow::Borrowed(text),
    }
}

fn write_result(
    out: &mut impl Write,
    result: &ToolResult,
    catalog: &Catalog,
    flags: &ConnectionFlags,
) -> io::Result<()> {
    let text = result.text();
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let [first, rest] = [first, rest].map(|part| match Layout::of_stdout() {
        // A command is left whole, to be copied.
        Layout::Fitted(columns) if !result.dry_run => broken(part, columns.into()),
        _ => part.to_owned(),
    });
    let style = style_of(result);
    writeln!(out, "{style}{first}{style:#}")?;
    if !rest.is_empty() {
        writeln!(out, "{}", rest.trim_end())?;
    }
    if let Some(suggestion) = result.suggestion() {
        let line = flags.command(&suggestion.as_command(catalog));
        writeln!(out, "This would pass:\n\n  {HEAD}{line}{HEAD:#}")?;
    }
    match result.metadata.get("plan") {
        Some(plan) => plan::print(out, plan),
        None => Ok(()),
    }
}

/// One for each way a call can end.
fn style_of(result: &ToolResult) -> Style {
    match (result.error_type, result.denial_code()) {
        (_, Some(_)) => CAUTION,
        (Some(ErrorType::Timeout), None) => LATE,
        (Some(_), None) => BAD,
        (None, None) if result.is_incomplete() => CAUTION,
        (None, None) if result.has_complained() => BAD,
        // As a silent host: it ran, and the answer is no.
        (None, None) if result.found_nobody() => HEAD,
        (None, None) if result.dry_run || result.returncode == Some(0) => GOOD,
        // It ran, and the answer is no: the host was silent.
        (None, None) => HEAD,
    }
}
