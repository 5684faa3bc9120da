//! The schema of what a table gives, made from its columns.

use probity_protocol::ParseKind;
use serde_json::{Value, json};

use super::compile::Table;
use crate::parsers::schema::{count, flag, list, object, or_null, root, string};

impl Table {
    /// The JSON Schema (2020-12, an object) of its results.
    #[must_use]
    pub fn schema(&self) -> Value {
        let column = object(
            "What a column is.",
            &[
                ("name", string("The member of each row.")),
                ("title", string("What people read.")),
                ("type", string("text, integer, number, address or flag.")),
                ("unit", or_null("string", "What its numbers count.")),
            ],
        );
        let cells: Vec<(&str, Value)> = self
            .columns
            .iter()
            .map(|compiled| {
                let kind = match compiled.kind {
                    ParseKind::Text | ParseKind::Address => "string",
                    ParseKind::Integer => "integer",
                    ParseKind::Number => "number",
                    ParseKind::Flag => "boolean",
                };
                let column = &compiled.column;
                let unit = column.unit.as_ref().map(|unit| format!(" ({unit})"));
                let what = format!("{}{}", column.title, unit.unwrap_or_default());
                (column.name.as_str(), json!({"type": [kind, "null"], "description": what}))
            })
            .collect();
        root(object(
            "Rows, as the tool's file says.",
            &[
                ("columns", list("What the columns are.", column)),
                ("rows", list("Rows in the order of the output.", object("A row.", &cells))),
                ("row_count", count("How many rows there were.")),
                ("other", count("Lines, records or values that are no rows.")),
                ("unread", count("Values that are not of their column's type.")),
                ("complete", flag("Whether the output was whole.")),
                ("truncated", flag("Whether rows are left out.")),
            ],
        ))
    }
}
