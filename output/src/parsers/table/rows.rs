//! Rows of an output, by its form.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use csv::{ReaderBuilder, StringRecord};
use regex::Regex;
use serde_json::{Deserializer, Map, Value};

use super::{
    TableReport, cell,
    compile::{Form, Table},
};
use crate::parsers::{ITEMS_MAX, lines, room::Room};

/// The longest line that is matched, and for how long lines are. An expression takes time linear in a line,
/// and as many steps for each byte as it is large: a megabyte could take minutes.
const LINE_BYTES_MAX: usize = 8 * 1024;
const MATCHING_MAX: Duration = Duration::from_secs(2);

/// What is read as the last record, so that it shows whether a quote that nobody closed took it in. No
/// separator has letters.
const LAST_RECORD: &str = "end";

impl Table {
    /// Reads an output. `None` where nothing in it is of the table's form.
    #[must_use]
    pub fn read(&self, output: &str) -> Option<TableReport> {
        let output = output.strip_prefix('\u{feff}').unwrap_or(output);
        let columns = self.columns.iter().map(|column| column.column.clone()).collect();
        let mut rows = Rows {
            table: self,
            report: TableReport { columns, complete: true, ..TableReport::default() },
            room: Room::default(),
        };
        let is_of_its_form = match &self.form {
            Form::Json { rows: pointer } => rows.json(output, pointer),
            Form::Csv { has_header, separator } => rows.csv(output, *has_header, *separator),
            Form::Lines { pattern } => rows.lines(output, pattern),
        };
        rows.report.truncated |= rows.room.full;
        is_of_its_form.then_some(rows.report)
    }
}

/// A value as the output has it.
enum Found<'a> {
    Text(&'a str),
    Json(&'a Value),
}

impl<'a> From<&'a str> for Found<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

/// The rows so far.
struct Rows<'t> {
    table: &'t Table,
    report: TableReport,
    room: Room,
}

impl Rows<'_> {
    /// Adds a row of what is found on the way to each column.
    fn add<'a>(&mut self, find: impl Fn(&str) -> Option<Found<'a>>) {
        let mut row = Map::new();
        for column in &self.table.columns {
            let value = match find(&column.from) {
                Some(Found::Text(text)) => cell::of_text(column.kind, text),
                Some(Found::Json(value)) => cell::of_json(column.kind, value),
                None => Some(Value::Null),
            };
            self.report.unread += u64::from(value.is_none());
            row.insert(column.column.name.clone(), value.unwrap_or(Value::Null));
        }
        self.report.row_count += 1;
        self.room.push(&mut self.report.rows, row, ITEMS_MAX);
    }

    fn lines(&mut self, output: &str, pattern: &Regex) -> bool {
        let began = Instant::now();
        for line in lines(output).filter(|line| !line.text.trim().is_empty()) {
            if began.elapsed() > MATCHING_MAX {
                self.report.truncated = true;
                break;
            }
            let is_short = line.text.len() <= LINE_BYTES_MAX;
            match is_short.then(|| pattern.captures(line.text)).flatten() {
                // Of a line that was cut, nobody knows what is missing.
                _ if !line.whole => self.report.complete = false,
                Some(found) => self.add(|way| found.name(way).map(|it| it.as_str().into())),
                None => self.report.other += 1,
            }
        }
        self.report.row_count > 0
    }

    /// One value, or several one after another, as tools write that report as they go.
    fn json(&mut self, output: &str, pointer: &str) -> bool {
        // A text may begin with what is a value too: a number, or a word in quotes.
        let mut is_json = false;
        for value in Deserializer::from_str(output).into_iter::<Value>() {
            let Ok(value) = value else {
                self.report.complete = false;
                break;
            };
            is_json |= value.is_object() || value.is_array();
            match value.pointer(pointer) {
                Some(Value::Array(rows)) => rows.iter().for_each(|row| self.json_row(row)),
                Some(row) => self.json_row(row),
                None => self.report.other += 1,
            }
        }
        is_json || self.report.row_count > 0
    }

    fn json_row(&mut self, row: &Value) {
        match row {
            Value::Object(_) | Value::Array(_) => {
                self.add(|way| row.pointer(way).map(Found::Json));
            }
            // A bare value is a row where a column is the row itself.
            _ if self.table.columns.iter().any(|column| column.from.is_empty()) => {
                self.add(|way| row.pointer(way).map(Found::Json));
            }
            _ => self.report.other += 1,
        }
    }

    fn csv(&mut self, output: &str, has_header: bool, separator: u8) -> bool {
        // A record that was cut is none.
        let whole = output.rfind('\n').map_or("", |end| &output[..=end]);
        self.report.complete = whole.len() == output.len();
        let records = format!("{whole}{LAST_RECORD}\n");
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator)
            .from_reader(records.as_bytes());
        let mut records = reader.records().map_while(Result::ok).peekable();
        let header = has_header.then(|| records.next()).flatten();
        if has_header && !header.as_ref().is_some_and(|header| self.names_any_of(header)) {
            return false;
        }
        // Looked for once, and not for each record: a header may have very many names.
        let places: HashMap<&str, usize> = match &header {
            Some(header) => {
                let ways = self.table.columns.iter().map(|column| column.from.as_str());
                let place = |way: &str| header.iter().position(|name| name.trim() == way);
                ways.filter_map(|way| Some((way, place(way)?))).collect()
            }
            None => HashMap::new(),
        };
        let mut is_closed = false;
        while let Some(record) = records.next() {
            if records.peek().is_none() {
                is_closed = record.len() == 1 && record.get(0) == Some(LAST_RECORD);
                self.report.other += u64::from(!is_closed);
                break;
            }
            let place = |way: &str| match has_header {
                true => places.get(way).copied(),
                false => way.parse::<usize>().ok()?.checked_sub(1),
            };
            self.add(|way| record.get(place(way)?).map(Found::Text));
        }
        self.report.complete &= is_closed;
        has_header || self.report.row_count > 0
    }

    fn names_any_of(&self, header: &StringRecord) -> bool {
        let is_column = |name: &str| self.table.columns.iter().any(|c| c.from == name.trim());
        header.iter().any(is_column)
    }
}
