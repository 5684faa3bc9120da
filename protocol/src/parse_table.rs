//! How a tool's file says that its output becomes rows. It is passed on as it was written: only a frontend,
//! and who checks a file, know what it means.

use serde::{Deserialize, Serialize};

/// The table `[parse]` of a tool's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParseTable {
    /// What the output is.
    pub format: ParseFormat,
    /// Of lines: a regular expression with a named group for each column.
    #[serde(default)]
    pub pattern: Option<String>,
    /// Of JSON: a pointer to the rows.
    #[serde(default)]
    pub rows: Option<String>,
    /// Of CSV: whether its first record has the names of the others' fields.
    #[serde(default)]
    pub header: Option<bool>,
    /// Of CSV: what stands between fields.
    #[serde(default)]
    pub separator: Option<String>,
    /// The columns.
    #[serde(default, rename = "column")]
    pub columns: Vec<ParseColumn>,
}

/// What output is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParseFormat {
    /// JSON values.
    Json,
    /// Records with separators between fields.
    Csv,
    /// Lines, each by itself.
    Lines,
}

/// A column of the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParseColumn {
    /// The member of each row.
    pub name: String,
    /// What people read.
    #[serde(default)]
    pub title: Option<String>,
    /// What its values are.
    #[serde(rename = "type", default)]
    pub kind: ParseKind,
    /// What its numbers count.
    #[serde(default)]
    pub unit: Option<String>,
    /// Where its values are: a pointer, a header or a position, a group.
    #[serde(default)]
    pub from: Option<String>,
}

/// What values of a column are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParseKind {
    /// Any text.
    #[default]
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// An IP address.
    Address,
    /// Yes or no.
    Flag,
}
