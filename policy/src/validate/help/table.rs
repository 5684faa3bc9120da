//! Whether a table `[parse]` can be carried out: compiled by the very code that a frontend reads outputs by,
//! with each defect at its place in the file.

use std::ops::Range;

use probity_output::parsers::table::{ColumnKey, Part, Table};
use probity_protocol::ParseTable;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::Validation;

pub(super) fn check(validation: &mut Validation<'_>, table: &Spanned<ParseTable>) {
    let Err(error) = Table::new(table.get_ref()) else { return };
    let place = place(validation.source.text(), &table.span(), error.part);
    validation.defect(place.unwrap_or(table.span()), error.message);
}

/// Where a part of the table stands that has this span.
fn place(text: &str, span: &Range<usize>, part: Part) -> Option<Range<usize>> {
    let (document, _) = DeTable::parse_recoverable(text);
    let root = document.get_ref();
    let alone = root.get("parse").into_iter();
    let tools = root.get("tool").and_then(|tools| tools.get_ref().as_array()).into_iter().flatten();
    let of_tools = tools.filter_map(|tool| tool.get_ref().as_table()?.get("parse"));
    let found = alone.chain(of_tools).find(|table| table.span() == *span)?.get_ref().as_table()?;
    match part {
        Part::Table => None,
        Part::Key(key) => found.get(key).map(Spanned::span),
        Part::Column(at, key) => {
            let columns = found.get("column")?.get_ref().as_array()?;
            let column = columns.get(at)?.get_ref();
            let of = |key: &str| DeValue::as_table(column)?.get(key).map(Spanned::span);
            match key {
                ColumnKey::Name => of("name"),
                ColumnKey::Title => of("title"),
                ColumnKey::Unit => of("unit"),
                ColumnKey::From => of("from").or_else(|| of("name")),
            }
        }
    }
}
