//! Output that a tool's own file says how to read: the table `[parse]`, carried out. It makes rows of JSON,
//! of CSV or of lines, with typed columns; an administrator wrote it, and the broker only passed it on.
//!
//! Whoever checks a tool's file compiles it with this code too, so that what was checked is what is done.
//! A regular expression takes linear time here; its size has a cap, and so has the time of all matches.

mod cell;
mod compile;
mod propose;
mod report;
mod rows;
mod schema;
mod text;

use serde::Serialize;
use serde_json::{Map, Value};

pub use self::compile::{ColumnKey, Part, Table, TableError};
pub use self::propose::propose;

/// Rows, as the tool's file says.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct TableReport {
    /// What the columns are.
    pub columns: Vec<Column>,
    /// The rows, each with a member for each column: null where there was nothing, or nothing of the
    /// column's type.
    pub rows: Vec<Map<String, Value>>,
    /// How many rows there were.
    pub row_count: usize,
    /// Lines, records or values that are no rows.
    pub other: u64,
    /// Values that are not of their column's type.
    pub unread: u64,
    /// Whether the output was whole, as far as its form tells.
    pub complete: bool,
    /// Whether rows are left out.
    pub truncated: bool,
}

/// A column of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// The member of each row.
    pub name: String,
    /// What people read.
    pub title: String,
    /// `text`, `integer`, `number`, `address` or `flag`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What its numbers count.
    pub unit: Option<String>,
}

#[cfg(test)]
mod tests;
