//! Tables: as wide as the terminal, or one row a line where there is none.
//!
//! A pipe gets every column of every row, so that `grep` and `awk` find what they look for where it
//! was yesterday. A terminal gets what fits: columns that say nothing are left out, long texts are
//! broken between words.

use std::{
    env,
    io::{IsTerminal, stdout},
    os::fd::AsFd,
};

use comfy_table::{
    Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, presets::NOTHING,
};
use rustix::termios::tcgetwinsize;

use probity_output::clean::clean_str;

/// What stands where there is nothing to say.
pub const NOTHING_TO_SAY: &str = "-";

/// A terminal that does not know how wide it is.
const USUAL_WIDTH: u16 = 80;

/// Between two columns.
const GAP: u16 = 2;

/// Nothing can be read in less.
const LEAST_WIDTH: u16 = 30;

/// Where the text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A pipe or a file.
    Stable,
    /// A terminal of so many columns.
    Fitted(u16),
}

/// One column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its head.
    pub head: &'static str,
    /// What it says nearly always. A terminal gets no column that says nothing else.
    pub usual: &'static str,
    /// Never broken: a word that somebody may want to copy.
    pub whole: bool,
}

impl Column {
    /// A column of words to copy.
    pub const fn whole(head: &'static str) -> Self {
        Self { head, usual: NOTHING_TO_SAY, whole: true }
    }

    /// A column of text that may be broken.
    pub const fn text(head: &'static str) -> Self {
        Self { head, usual: NOTHING_TO_SAY, whole: false }
    }

    /// The same, with something else that it usually says.
    pub const fn usually(self, usual: &'static str) -> Self {
        Self { usual, ..self }
    }
}

impl Layout {
    /// That of standard output. `COLUMNS` wins over what the terminal says.
    #[must_use]
    pub fn of_stdout() -> Self {
        Self::of(&stdout())
    }

    /// That of a stream.
    #[must_use]
    pub fn of(terminal: &(impl IsTerminal + AsFd)) -> Self {
        if !terminal.is_terminal() {
            return Self::Stable;
        }
        let told = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let measured = || tcgetwinsize(terminal).ok().map(|size| size.ws_col);
        let known = told.or_else(measured).filter(|columns| *columns > 0);
        Self::Fitted(known.unwrap_or(USUAL_WIDTH).max(LEAST_WIDTH))
    }

    /// Several short texts in one cell: a pipe gets no space inside a field.
    #[must_use]
    pub fn list<T: AsRef<str>>(self, items: &[T]) -> String {
        let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
        match self {
            _ if items.is_empty() => NOTHING_TO_SAY.into(),
            Self::Stable => items.join(","),
            Self::Fitted(_) => items.join(", "),
        }
    }

    /// A table with a head. The first column is what each row is about.
    #[must_use]
    pub fn table(self, columns: &[Column], rows: &[Vec<String>]) -> String {
        let says_something = |number: usize| {
            self == Self::Stable || rows.iter().any(|row| row[number] != columns[number].usual)
        };
        let shown: Vec<usize> = (0..columns.len()).filter(|n| says_something(*n)).collect();
        let head = |number: &usize| Cell::new(columns[*number].head).add_attribute(Attribute::Bold);
        let mut table = Table::new();
        table.set_header(shown.iter().map(head));
        for row in rows {
            table.add_row(shown.iter().map(|number| cell(*number, &row[*number])));
        }
        let whole = shown.iter().map(|number| columns[*number].whole);
        self.finish(table, whole)
    }

    /// What each word on the left is or has. No head.
    #[must_use]
    pub fn facts(self, facts: &[(&str, String)]) -> String {
        let mut table = Table::new();
        for (label, fact) in facts {
            table.add_row([cell(0, label), Cell::new(one_line(fact))]);
        }
        self.finish(table, [true, false])
    }

    /// A text of its own, broken between words.
    #[must_use]
    pub fn paragraph(self, text: &str) -> String {
        let mut table = Table::new();
        table.add_row([one_line(text)]);
        self.finish(table, [false])
    }

    fn finish(self, mut table: Table, whole: impl IntoIterator<Item = bool>) -> String {
        // Whether colours reach anybody is decided by `anstream`, on the way out.
        table.load_style(NOTHING).force_no_tty().enforce_styling();
        // Padding without style can be trimmed.
        table.style_text_only();
        for column in table.column_iter_mut() {
            column.set_padding((0, GAP));
        }
        if let Self::Fitted(width) = self {
            // The padding of the last column is trimmed away.
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width + GAP);
            keep_whole(&mut table, whole, width);
        }
        table.trim_fmt()
    }
}

/// Lets columns stay unbroken, where they leave room for the others.
fn keep_whole(table: &mut Table, whole: impl IntoIterator<Item = bool>, width: u16) {
    let widths = table.column_max_content_widths();
    let mut room = width / 3 * 2;
    for ((column, content), whole) in table.column_iter_mut().zip(widths).zip(whole) {
        if whole && content + GAP <= room {
            room -= content + GAP;
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
}

/// States and tiers are told apart at a glance, and so is what a row is about.
fn cell(column: usize, text: &str) -> Cell {
    let cell = Cell::new(one_line(text));
    match text {
        _ if column == 0 => cell.add_attribute(Attribute::Bold),
        "ready" => cell.fg(Color::DarkGreen),
        "unavailable" => cell.fg(Color::DarkRed),
        "intrusive" => cell.fg(Color::DarkYellow),
        NOTHING_TO_SAY => cell.add_attribute(Attribute::Dim),
        _ => cell,
    }
}

/// A row is a line, whatever an administrator wrote.
fn one_line(text: &str) -> String {
    clean_str(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] =
        [Column::whole("A"), Column::text("B").usually("same"), Column::text("C")];

    fn rows() -> Vec<Vec<String>> {
        let row = |c: &str| ["a-word", "same", c].map(String::from).to_vec();
        vec![row("a text of more than one word"), row("-")]
    }

    /// Without the styles, as a pipe gets it.
    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_pipe_gets_every_column_and_one_row_a_line() {
        let text = plain(&Layout::Stable.table(&COLUMNS, &rows()));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            ["A       B     C", "a-word  same  a text of more than one word", "a-word  same  -"]
        );
    }

    #[test]
    fn a_terminal_gets_what_fits_and_no_column_that_says_nothing() {
        let text = plain(&Layout::Fitted(20).table(&COLUMNS, &rows()));
        assert!(!text.contains("same"), "{text}");
        assert!(text.lines().count() > 3, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 20), "{text}");
        assert!(text.lines().all(|line| line.trim_end() == line), "{text:?}");
    }

    #[test]
    fn a_text_of_several_lines_stays_in_its_row() {
        let text = Layout::Stable.facts(&[("what", "one\ntwo\t\u{1b}[31mthree".into())]);
        assert_eq!(plain(&text), "what  one two \\x1b[31mthree");
    }
}
