//! How answers look: the house's tables, colours on a terminal only, JSON for programs.

use std::{
    fmt::{self, Display},
    io::{self, Write as _},
};

use anstyle::{AnsiColor, Style};
use comfy_table::{Attribute, Cell, ColumnConstraint, ContentArrangement, Table, presets::NOTHING};
use serde::Serialize;

use crate::source::printable;

const HEAD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();

/// A text in a style, which `anstream` takes off where nobody sees it.
pub(super) struct Styled<T>(Style, T);

impl<T: Display> Display for Styled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(style, text) = self;
        write!(f, "{style}{text}{style:#}")
    }
}

/// Text below the options, for any terminal: its paragraphs have no line breaks of their own, which clap
/// would add its own to, and an example that is wider than a small terminal has its comment below it.
pub(super) fn help(text: &str) -> String {
    /// A terminal's usual width, and where comments begin.
    const WIDTH: usize = 80;
    const COMMENT: usize = 45;
    let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let comment = line.split_at_checked(COMMENT).filter(|(before, _)| before.ends_with(' '));
        match (lines.last_mut(), comment) {
            (Some(last), _) if is_prose(line) && is_prose(last) && !last.ends_with(':') => {
                *last = format!("{last} {line}");
            }
            (_, Some((command, comment))) if line.starts_with("  p") && line.len() > WIDTH => {
                lines.extend([command.trim_end().to_owned(), format!("      {comment}")]);
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines.join("\n")
}

pub(super) fn head<T>(text: T) -> Styled<T> {
    Styled(HEAD, text)
}

pub(super) fn good<T>(text: T) -> Styled<T> {
    Styled(GOOD, text)
}

pub(super) fn warning<T>(text: T) -> Styled<T> {
    Styled(WARNING, text)
}

pub(super) fn error<T>(text: T) -> Styled<T> {
    Styled(ERROR, text)
}

/// Prints any of the answers as JSON.
pub(super) fn print_json(value: &impl Serialize) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}

/// A table of the house: no lines, as wide as the terminal.
pub(super) fn table<const N: usize>(heads: [&str; N]) -> Table {
    let mut table = bare_table();
    table.set_header(heads.map(|head| Cell::new(head).add_attribute(Attribute::Bold)));
    table
}

/// The same without heads, for names and values.
pub(super) fn bare_table() -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

/// A cell whose text does nothing to a terminal.
pub(super) fn cell(text: impl ToString) -> Cell {
    let lines: Vec<_> = text.to_string().lines().map(printable).collect();
    Cell::new(lines.join("\n"))
}

/// Prints a table, its first column never broken.
pub(super) fn print_table(out: &mut impl io::Write, mut table: Table) -> io::Result<()> {
    if let Some(names) = table.column_mut(0) {
        names.set_constraint(ColumnConstraint::ContentWidth);
    }
    writeln!(out, "{}", table.trim_fmt())
}
