//! `probity doctor`: a line or more for each check, its remedy below.

use std::io::Write;

use anstyle::Style;

use super::{BAD, CAUTION, GOOD, HEAD, layout::Layout};
use crate::admin::doctor::{Check, CheckState, Report};

/// Wider than any word for a state, and than most names.
const STATE_WIDTH: usize = 11;
const NAME_WIDTH: usize = 15;

/// Text narrower than this is not broken any further.
const LEAST_WIDTH: u16 = 30;

/// Before what to do.
const MARK: &str = "->";

const DIM: Style = Style::new().dimmed();

/// Prints what was found, and the sum of it as the last line.
///
/// # Errors
/// Those of standard output.
pub fn print_report(report: &Report) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    let layout = Layout::of_stdout();
    for check in &report.checks {
        print_check(&mut out, check, layout)?;
    }
    let style = if report.ok { GOOD } else { BAD };
    writeln!(out, "\n{style}{}{style:#}", broken(&report.summary, layout, 0).join("\n"))
}

fn print_check(out: &mut impl Write, check: &Check, layout: Layout) -> std::io::Result<()> {
    let (word, style) = match check.state {
        CheckState::Ok => ("ok", GOOD),
        CheckState::Warning => ("warning", CAUTION),
        CheckState::Failed => ("FAILED", BAD),
        CheckState::NotChecked => ("not checked", DIM),
    };
    let indent = STATE_WIDTH + NAME_WIDTH + 2;
    let name = &check.name;
    write!(out, "{style}{word:<STATE_WIDTH$}{style:#} {HEAD}{name:<NAME_WIDTH$}{HEAD:#} ")?;
    let mut lines = broken(&check.found, layout, indent).into_iter();
    writeln!(out, "{}", lines.next().unwrap_or_default())?;
    for line in lines {
        writeln!(out, "{:indent$}{line}", "")?;
    }
    let Some(remedy) = &check.remedy else { return Ok(()) };
    let advice = broken(&remedy.advice, layout, indent + MARK.len() + 1);
    for (number, line) in advice.into_iter().enumerate() {
        let mark = if number == 0 { MARK } else { "  " };
        writeln!(out, "{:indent$}{mark} {line}", "")?;
    }
    // Never broken: they are there to be copied.
    for command in &remedy.commands {
        writeln!(out, "{:indent$}   {HEAD}{command}{HEAD:#}", "")?;
    }
    Ok(())
}

/// The lines of a text, broken between words where a terminal is narrower.
fn broken(text: &str, layout: Layout, indent: usize) -> Vec<String> {
    let Layout::Fitted(width) = layout else {
        return text.lines().map(str::to_owned).collect();
    };
    let indent = u16::try_from(indent).unwrap_or(u16::MAX);
    let narrower = Layout::Fitted(width.saturating_sub(indent).max(LEAST_WIDTH));
    let lines = text.lines().map(|line| narrower.paragraph(line));
    lines.flat_map(|lines| lines.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}
