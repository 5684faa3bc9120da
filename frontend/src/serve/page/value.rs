//! A typed result as tables: whatever a parser gives, for those tools too that have no picture.
//!
//! What is very long is cut, and says so: the whole is behind the link to the JSON.

use std::collections::BTreeSet;

use maud::{Markup, html};
use serde_json::{Map, Value};

/// Most rows of a table, and columns.
const ROWS: usize = 300;
const COLUMNS: usize = 14;

/// Tables within tables no deeper than this.
const DEPTH: usize = 4;

/// A result.
pub fn value(value: &Value) -> Markup {
    shown(value, DEPTH)
}

fn shown(value: &Value, depth: usize) -> Markup {
    match value {
        Value::Object(members) if depth > 0 => object(members, depth),
        Value::Array(items) if depth > 0 => array(items, depth),
        other => html! { (scalar(other)) },
    }
}

/// Its plain members first, then each of the others under its name.
fn object(members: &Map<String, Value>, depth: usize) -> Markup {
    let said = || members.iter().filter(|(_, value)| !is_empty(value));
    let plain: Vec<_> = said().filter(|(_, value)| is_plain(value)).collect();
    let deep = said().filter(|(_, value)| !is_plain(value));
    html! {
        @if !plain.is_empty() {
            dl.facts { @for (name, value) in plain { div { dt { (words(name)) } dd { (scalar(value)) } } } }
        }
        @for (name, value) in deep {
            section.part { h4 { (words(name)) } (shown(value, depth - 1)) }
        }
    }
}

fn array(items: &[Value], depth: usize) -> Markup {
    let objects: Vec<&Map<String, Value>> = items.iter().filter_map(Value::as_object).collect();
    if objects.len() != items.len() || items.is_empty() {
        return html! { ul { @for item in items.iter().take(ROWS) { li { (shown(item, depth - 1)) } } (rest(items)) } };
    }
    let names = columns(&objects);
    html! {
        div.wide tabindex="0" { table {
            thead { tr { @for name in &names { th scope="col" { (words(name)) } } } }
            tbody { @for object in objects.iter().take(ROWS) { tr {
                @for name in &names { td {
                    @if let Some(value) = object.get(*name).filter(|value| !is_empty(value)) {
                        (cell(value, depth))
                    }
                } }
            } } }
        } }
        (rest(items))
    }
}

/// A value in a table: a list of plain ones on a line, and anything larger behind a click.
fn cell(value: &Value, depth: usize) -> Markup {
    match value {
        Value::Array(items) if items.iter().all(is_plain) => {
            html! { (items.iter().map(scalar).collect::<Vec<_>>().join(", ")) }
        }
        Value::Array(items) if depth > 1 => html! {
            details { summary { (items.len()) @if items.len() == 1 { " entry" } @else { " entries" } }
                (shown(value, depth - 1)) }
        },
        Value::Object(_) if depth > 1 => html! { (shown(value, depth - 1)) },
        other => html! { (scalar(other)) },
    }
}

/// The names that objects of one list have, in the order in which they first come.
fn columns<'a>(objects: &[&'a Map<String, Value>]) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    let mut names = Vec::new();
    for object in objects.iter().take(ROWS) {
        let said = object.iter().filter(|(_, value)| !is_empty(value));
        names.extend(said.map(|(name, _)| name.as_str()).filter(|name| seen.insert(*name)));
    }
    names.truncate(COLUMNS);
    names
}

fn rest(items: &[Value]) -> Markup {
    let more = items.len().saturating_sub(ROWS);
    html! { @if more > 0 { p.help { "and " (more) " more: the JSON has all of them" } } }
}

fn is_plain(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Object(_))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A field's name as words: `rtt_avg_ms` is "rtt avg (ms)".
fn words(name: &str) -> String {
    let (bare, unit) = ["ms", "sec", "percent", "bytes", "days"]
        .iter()
        .find_map(|unit| Some((name.strip_suffix(unit)?.strip_suffix('_')?, *unit)))
        .unwrap_or((name, ""));
    let words = bare.replace('_', " ");
    match unit {
        "" => words,
        "percent" => format!("{words} (%)"),
        "sec" => format!("{words} (s)"),
        unit => format!("{words} ({unit})"),
    }
}
