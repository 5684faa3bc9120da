//! Rows as text: a table that a terminal of 80 columns holds. Each of its lines begins with a mark, since
//! what a row begins with was chosen by somebody else.

use serde_json::Value;

use super::{Column, TableReport};
use crate::parsers::page::{Page, count};

/// As wide as a terminal is at least.
const WIDTH: usize = 80;

const MARK: &str = "| ";
const GAP: &str = "  ";

/// The narrowest that a column is made for others' sake.
const NARROWEST: usize = 6;

pub(super) fn text(report: &TableReport) -> String {
    let mut page = Page::ending_with(summary(report));
    if !report.rows.is_empty() {
        let titles: Vec<String> = report.columns.iter().map(title).collect();
        let rows: Vec<Vec<String>> = report
            .rows
            .iter()
            .map(|row| report.columns.iter().map(|column| shown(row.get(&column.name))).collect())
            .collect();
        let widths = widths(&titles, &rows);
        for row in std::iter::once(&titles).chain(&rows) {
            page.line(&line(row, &widths, &report.columns));
        }
    }
    page.finish("")
}

fn summary(report: &TableReport) -> String {
    let mut line = count(report.row_count as u64, "row");
    if report.other > 0 {
        line.push_str(&format!("; {} of the output are no rows", report.other));
    }
    if report.unread > 0 {
        line.push_str(&format!("; {} not of their column's type", count(report.unread, "value")));
    }
    if !report.complete {
        line.push_str("; the output was cut off");
    }
    if report.truncated {
        line.push_str("; some rows are left out");
    }
    line
}

fn title(column: &Column) -> String {
    match &column.unit {
        Some(unit) => format!("{} ({unit})", column.title),
        None => column.title.clone(),
    }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::from("-"),
        Some(Value::Bool(flag)) => String::from(if *flag { "yes" } else { "no" }),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// As wide as their cells are, and where that is too much the widest narrower first.
fn widths(titles: &[String], rows: &[Vec<String>]) -> Vec<usize> {
    let longest = |at: usize| {
        let cells = rows.iter().map(|row| &row[at]).chain([&titles[at]]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0).min(WIDTH)
    };
    let mut widths: Vec<usize> = (0..titles.len()).map(longest).collect();
    let gaps = GAP.len() * titles.len().saturating_sub(1) + MARK.len();
    while widths.iter().sum::<usize>() + gaps > WIDTH {
        let widest = widths.iter_mut().max().filter(|widest| **widest > NARROWEST);
        // So many columns do not fit, whatever is done.
        let Some(widest) = widest else { break };
        *widest -= 1;
    }
    widths
}

fn line(row: &[String], widths: &[usize], columns: &[Column]) -> String {
    let cells = row.iter().zip(widths).zip(columns).map(|((cell, width), column)| {
        let cell: String = match cell.char_indices().nth(*width) {
            Some(_) => cell.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
            None => cell.clone(),
        };
        match column.kind {
            "integer" | "number" => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        }
    });
    format!("{MARK}{}", cells.collect::<Vec<_>>().join(GAP))
}
