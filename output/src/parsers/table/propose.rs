//! A table for a sample of output, to begin with: an administrator looks at it, and gives its columns
//! titles and units.

use std::collections::HashSet;

use probity_protocol::{ParseColumn, ParseFormat, ParseKind, ParseTable};
use serde_json::Value;

use super::{cell, compile::Table};

/// Most columns that are proposed, and rows that their types are taken from.
const COLUMNS_MAX: usize = 32;
const ROWS_MAX: usize = 200;

/// What stands between fields, most usual first.
const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];

/// The table that makes most of a sample, if one makes rows of it: of JSON with objects, of CSV with a
/// header, or of lines with as many words each.
#[must_use]
pub fn propose(sample: &str) -> Option<ParseTable> {
    let table = json(sample).or_else(|| csv(sample)).or_else(|| words(sample))?;
    let compiled = Table::new(&table).ok()?;
    let is_of_use = compiled.read(&format!("{}\n", sample.trim_end()))?.row_count > 0;
    is_of_use.then_some(table)
}

fn empty(format: ParseFormat) -> ParseTable {
    ParseTable {
        format,
        pattern: None,
        rows: None,
        header: None,
        separator: None,
        columns: Vec::new(),
    }
}

fn json(sample: &str) -> Option<ParseTable> {
    let mut values = serde_json::Deserializer::from_str(sample).into_iter::<Value>();
    let first = values.next()?.ok()?;
    let (pointer, rows) = match &first {
        Value::Array(rows) => (String::new(), rows.clone()),
        // The longest list of objects in it, or else the object is the row.
        Value::Object(members) => {
            let lists = members.iter().filter_map(|(name, value)| {
                let rows = value.as_array().filter(|rows| rows.iter().any(Value::is_object))?;
                Some((step(name), rows.clone()))
            });
            let longest = lists.max_by_key(|(_, rows)| rows.len());
            longest.unwrap_or_else(|| (String::new(), vec![first.clone()]))
        }
        _ => return None,
    };
    let more: Vec<Value> = values.map_while(Result::ok).take(ROWS_MAX).collect();
    let rows: Vec<&Value> = rows.iter().chain(&more).filter(|row| row.is_object()).collect();
    let mut names = Names::default();
    let mut columns: Vec<ParseColumn> = Vec::new();
    for (way, value) in rows.iter().take(ROWS_MAX).flat_map(|row| leaves(row)) {
        if columns.len() == COLUMNS_MAX || columns.iter().any(|c| c.from.as_ref() == Some(&way)) {
            continue;
        }
        let of = |kind: ParseKind| {
            let values = rows.iter().take(ROWS_MAX).filter_map(|row| row.pointer(&way));
            values.map(|value| cell::of_json(kind, value)).all(|read| read.is_some())
        };
        let kind = match value {
            Value::Bool(_) => ParseKind::Flag,
            _ => kind_of(of),
        };
        columns.push(ParseColumn { from: Some(way.clone()), ..column(names.new_one(&way), kind) });
    }
    for column in &mut columns {
        if column.from.as_deref() == Some(&format!("/{}", column.name)) {
            column.from = None;
        }
    }
    let rows = (!pointer.is_empty()).then_some(pointer);
    (!columns.is_empty()).then(|| ParseTable { rows, columns, ..empty(ParseFormat::Json) })
}

/// What of a row has no members, and of its members what has none.
fn leaves(row: &Value) -> Vec<(String, Value)> {
    let members = |value: &Value, before: &str| -> Vec<(String, Value)> {
        let members = value.as_object().into_iter().flatten();
        members.map(|(name, value)| (format!("{before}{}", step(name)), value.clone())).collect()
    };
    let mut leaves = Vec::new();
    for (way, value) in members(row, "") {
        match &value {
            Value::Object(_) => leaves.extend(members(&value, &way)),
            _ => leaves.push((way, value)),
        }
    }
    leaves.retain(|(_, value)| !value.is_object() && !value.is_null());
    leaves
}

/// A name as a step of a pointer.
fn step(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn csv(sample: &str) -> Option<ParseTable> {
    let lines: Vec<&str> = sample.lines().filter(|line| !line.trim().is_empty()).collect();
    let (header, rest) = lines.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let fits = |separator: &char| {
        let fields = header.matches(*separator).count();
        fields > 0 && rest.iter().all(|line| line.matches(*separator).count() >= fields)
    };
    let separator = SEPARATORS.into_iter().find(fits)?;
    let fields = |line: &str| -> Vec<String> {
        line.split(separator).map(|field| field.trim().trim_matches('"').to_owned()).collect()
    };
    let header = fields(header);
    let has_numbers = header.iter().any(|name| name.parse::<f64>().is_ok() || name.is_empty());
    let rows: Vec<Vec<String>> = rest.iter().take(ROWS_MAX).map(|line| fields(line)).collect();
    let mut names = Names::default();
    // Of fields of one name only the first can be told by it.
    let is_told = |(at, title): &(usize, &String)| has_numbers || !header[..*at].contains(title);
    let titles = header.iter().enumerate().filter(is_told).take(COLUMNS_MAX);
    let columns = titles.map(|(at, title)| {
        let all = |kind| {
            rows.iter().filter_map(|row| row.get(at)).all(|v| cell::of_text(kind, v).is_some())
        };
        match has_numbers {
            true => column(format!("column_{}", at + 1), kind_of(all)),
            false => {
                let name = names.new_one(title);
                let from = (name != *title).then(|| title.clone());
                ParseColumn { from, ..column(name, kind_of(all)) }
            }
        }
    });
    Some(ParseTable {
        columns: columns.collect(),
        header: has_numbers.then_some(false),
        separator: (separator != ',').then(|| separator.to_string()),
        ..empty(ParseFormat::Csv)
    })
}

/// Lines with as many words as most of them have; of a first line that only names them, the names.
fn words(sample: &str) -> Option<ParseTable> {
    let lines: Vec<Vec<&str>> = sample
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| !words.is_empty())
        .take(ROWS_MAX)
        .collect();
    let with = |count: usize| lines.iter().filter(|words| words.len() == count).count();
    let usual = (1..=COLUMNS_MAX).max_by_key(|count| (with(*count), *count))?;
    let rows: Vec<&Vec<&str>> = lines.iter().filter(|words| words.len() == usual).collect();
    let kind_at = |at: usize, from: usize| {
        kind_of(|kind| rows.iter().skip(from).all(|row| cell::of_text(kind, row[at]).is_some()))
    };
    let is_header = rows.len() > 1
        && rows.first().is_some_and(|first| {
            (0..usual).any(|at| {
                let kind = kind_at(at, 1);
                kind != ParseKind::Text && cell::of_text(kind, first[at]).is_none()
            })
        });
    let mut names = Names::default();
    let mut columns = Vec::new();
    let mut pattern = String::from(r"^\s*");
    for (at, word) in rows.first()?.iter().enumerate() {
        let kind = kind_at(at, usize::from(is_header));
        let title = if is_header { (*word).to_owned() } else { format!("column_{}", at + 1) };
        let name = names.new_one(&title);
        let what = match kind {
            ParseKind::Integer => r"[+-]?\d+",
            ParseKind::Number => r"[+-]?[\d.]+(?:[eE][+-]?\d+)?",
            ParseKind::Address => "[0-9A-Fa-f.:]+(?:%\\S+)?",
            ParseKind::Text | ParseKind::Flag => r"\S+",
        };
        pattern.push_str(&format!("{}(?<{name}>{what})", if at > 0 { r"\s+" } else { "" }));
        columns.push(column(name, kind));
    }
    pattern.push_str(r"\s*$");
    Some(ParseTable { pattern: Some(pattern), columns, ..empty(ParseFormat::Lines) })
}

fn column(name: String, kind: ParseKind) -> ParseColumn {
    ParseColumn { name, title: None, kind, unit: None, from: None }
}

/// The narrowest type that all values have.
fn kind_of(all_are: impl Fn(ParseKind) -> bool) -> ParseKind {
    let kinds = [ParseKind::Integer, ParseKind::Number, ParseKind::Address];
    kinds.into_iter().find(|kind| all_are(*kind)).unwrap_or_default()
}

/// Names that are taken.
#[derive(Default)]
struct Names(HashSet<String>);

impl Names {
    /// A name for a column, of what somebody else called it.
    fn new_one(&mut self, title: &str) -> String {
        let mut name = String::new();
        for c in title.chars() {
            match c.to_ascii_lowercase() {
                c if c.is_ascii_lowercase() || c.is_ascii_digit() => name.push(c),
                _ if !name.is_empty() && !name.ends_with('_') => name.push('_'),
                _ => {}
            }
        }
        let name = name.trim_matches('_');
        let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
        let mut name = if starts { name.to_owned() } else { format!("column_{name}") };
        name.truncate(24);
        let name = name.trim_end_matches('_').to_owned();
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let free =
            std::iter::once(name.clone()).chain(numbered).find(|it| self.0.insert(it.clone()));
        free.unwrap_or(name)
    }
}
