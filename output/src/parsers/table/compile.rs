//! A table as it can be carried out, or why it cannot.

use probity_protocol::{ParseColumn, ParseFormat, ParseKind, ParseTable};
use regex::{Regex, RegexBuilder};

use super::Column;

/// Most columns.
const COLUMNS_MAX: usize = 32;

/// Longest regular expression, in bytes, and how large it may get when it is compiled.
const PATTERN_MAX: usize = 2048;
const COMPILED_MAX: usize = 1 << 20;

/// Longest title and unit, in characters.
const TITLE_MAX: usize = 64;
const UNIT_MAX: usize = 16;

/// Longest name of a column, and way to its value.
const NAME_MAX: usize = 32;
const FROM_MAX: usize = 128;

/// The farthest position in a record.
const POSITION_MAX: usize = 256;

/// How output becomes rows.
#[derive(Debug, Clone)]
pub struct Table {
    pub(super) columns: Vec<Compiled>,
    pub(super) form: Form,
}

/// A column, and where its values are.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    pub column: Column,
    pub kind: ParseKind,
    pub from: String,
}

/// What the output is.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// JSON values; a pointer to the rows, and from each row one to each value.
    Json { rows: String },
    /// Records. With a header its names are the ways to values, and else their positions from 1.
    Csv { has_header: bool, separator: u8 },
    /// Lines; the groups are the ways to values.
    Lines { pattern: Regex },
}

/// Why a table cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TableError {
    /// Where.
    pub part: Part,
    /// What is wrong, and what to do.
    pub message: String,
}

/// A part of a table, as its file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The table as a whole.
    Table,
    /// A key of it.
    Key(&'static str),
    /// A key of the column at this place.
    Column(usize, ColumnKey),
}

/// A key of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKey {
    /// `name`.
    Name,
    /// `title`.
    Title,
    /// `unit`.
    Unit,
    /// `from`, or the name that stands for it.
    From,
}

fn error(part: Part, message: impl Into<String>) -> TableError {
    TableError { part, message: message.into() }
}

impl Table {
    /// Makes one of what a file says.
    ///
    /// # Errors
    /// The first part that cannot be carried out.
    pub fn new(table: &ParseTable) -> Result<Self, TableError> {
        keys_fit(table)?;
        if !(1..=COLUMNS_MAX).contains(&table.columns.len()) {
            let message = format!("a table has 1 to {COLUMNS_MAX} columns: [[parse.column]]");
            return Err(error(Part::Table, message));
        }
        let form = Form::new(table)?;
        let mut columns: Vec<Compiled> = Vec::new();
        for (at, column) in table.columns.iter().enumerate() {
            if columns.iter().any(|before| before.column.name == column.name) {
                let message = format!("there is a column {:?} already", column.name);
                return Err(error(Part::Column(at, ColumnKey::Name), message));
            }
            columns.push(Compiled::new(at, column, &form)?);
        }
        if let Form::Lines { pattern } = &form {
            let unused = pattern
                .capture_names()
                .flatten()
                .find(|group| !columns.iter().any(|column| column.from == *group));
            if let Some(group) = unused {
                let message = format!(
                    "the group {group:?} has no column; add one, or write (?:…) for a group without a name"
                );
                return Err(error(Part::Key("pattern"), message));
            }
        }
        Ok(Self { columns, form })
    }
}

/// That each key belongs to the format.
fn keys_fit(table: &ParseTable) -> Result<(), TableError> {
    use ParseFormat::{Csv, Json, Lines};
    for (key, is_there, of) in [
        ("pattern", table.pattern.is_some(), Lines),
        ("rows", table.rows.is_some(), Json),
        ("header", table.header.is_some(), Csv),
        ("separator", table.separator.is_some(), Csv),
    ] {
        if is_there && table.format != of {
            let format = match of {
                Json => "json",
                Csv => "csv",
                Lines => "lines",
            };
            let message = format!("{key} is a key of format = {format:?}");
            return Err(error(Part::Key(key), message));
        }
    }
    Ok(())
}

impl Form {
    fn new(table: &ParseTable) -> Result<Self, TableError> {
        Ok(match table.format {
            ParseFormat::Json => {
                let rows = table.rows.clone().unwrap_or_default();
                is_pointer(&rows, Part::Key("rows"))?;
                Self::Json { rows }
            }
            ParseFormat::Csv => {
                let separator = table.separator.as_deref().unwrap_or(",");
                let [separator] = separator.as_bytes() else {
                    return Err(error(Part::Key("separator"), "a separator is one character"));
                };
                if separator.is_ascii_alphanumeric() || b"\"\n\r".contains(separator) {
                    let message = "a separator is no letter, digit, quote or end of a line";
                    return Err(error(Part::Key("separator"), message));
                }
                Self::Csv { has_header: table.header.unwrap_or(true), separator: *separator }
            }
            ParseFormat::Lines => Self::Lines { pattern: pattern(table)? },
        })
    }
}

fn pattern(table: &ParseTable) -> Result<Regex, TableError> {
    let wrong = |message: String| error(Part::Key("pattern"), message);
    let Some(pattern) = &table.pattern else {
        let message = "format = \"lines\" needs a pattern with a named group for each column";
        return Err(error(Part::Table, message));
    };
    if pattern.len() > PATTERN_MAX {
        return Err(wrong(format!("{} bytes, and at most {PATTERN_MAX} fit", pattern.len())));
    }
    let mut builder = RegexBuilder::new(pattern);
    builder.size_limit(COMPILED_MAX).dfa_size_limit(COMPILED_MAX);
    builder.build().map_err(|defect| match defect {
        regex::Error::CompiledTooBig(_) => {
            wrong("it gets too large when it is compiled; repeat less".into())
        }
        // The last line says what is wrong; those before it draw it, which the caller does.
        other => {
            let said = other.to_string();
            let reason = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
            wrong(format!("no regular expression: {reason}"))
        }
    })
}

impl Compiled {
    fn new(at: usize, column: &ParseColumn, form: &Form) -> Result<Self, TableError> {
        let wrong = |key, message: String| Err(error(Part::Column(at, key), message));
        let name = &column.name;
        let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !is_name || name.len() > NAME_MAX {
            let message = format!(
                "a column's name is lower-case letters, digits and _, beginning with a letter, at most \
                 {NAME_MAX} characters"
            );
            return wrong(ColumnKey::Name, message);
        }
        for (key, text, most) in [
            (ColumnKey::Title, &column.title, TITLE_MAX),
            (ColumnKey::Unit, &column.unit, UNIT_MAX),
        ] {
            let Some(text) = text else { continue };
            let is_clean = crate::clean::clean_str(text) == *text && !text.contains(['\n', '\t']);
            if !is_clean || text.trim().is_empty() || text.chars().count() > most {
                let message = format!("one line of 1 to {most} printable characters");
                return wrong(key, message);
            }
        }
        let from = match (&column.from, form) {
            (Some(from), _) if from.len() > FROM_MAX => {
                return wrong(ColumnKey::From, format!("at most {FROM_MAX} bytes"));
            }
            (Some(from), _) => from.clone(),
            (None, Form::Json { .. }) => format!("/{name}"),
            (None, Form::Csv { has_header: false, .. }) => (at + 1).to_string(),
            (None, Form::Csv { .. } | Form::Lines { .. }) => name.clone(),
        };
        match form {
            Form::Json { .. } => is_pointer(&from, Part::Column(at, ColumnKey::From))?,
            Form::Csv { has_header: false, .. } => {
                let position: Option<usize> = from.parse().ok();
                if !position.is_some_and(|position| (1..=POSITION_MAX).contains(&position)) {
                    let message = format!("without a header it is a position, 1 to {POSITION_MAX}");
                    return wrong(ColumnKey::From, message);
                }
            }
            Form::Csv { .. } => {}
            Form::Lines { pattern } => {
                if !pattern.capture_names().flatten().any(|group| group == from) {
                    let message = format!("the pattern has no group {from:?}: (?<{from}>…)");
                    return wrong(ColumnKey::From, message);
                }
            }
        }
        let shown = Column {
            name: name.clone(),
            title: column.title.clone().unwrap_or_else(|| name.clone()),
            kind: kind_name(column.kind),
            unit: column.unit.clone(),
        };
        Ok(Self { column: shown, kind: column.kind, from })
    }
}

fn kind_name(kind: ParseKind) -> &'static str {
    match kind {
        ParseKind::Text => "text",
        ParseKind::Integer => "integer",
        ParseKind::Number => "number",
        ParseKind::Address => "address",
        ParseKind::Flag => "flag",
    }
}

fn is_pointer(pointer: &str, part: Part) -> Result<(), TableError> {
    if pointer.is_empty() || pointer.starts_with('/') {
        return Ok(());
    }
    let message = "a JSON pointer begins with a / and has one before each step: \"/rtt/avg\"";
    Err(error(part, message))
}
