//! Two tables of a tool's own file. Where the first column tells each row from the others in both, a row is
//! known by it, and its other cells may change. Otherwise a row is all of its cells, and either there or not.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{CompareError, found::Found, side::Run};
use crate::parsers::page::{count, word};

#[derive(Default, Deserialize)]
#[serde(default)]
struct View {
    columns: Vec<Column>,
    rows: Vec<Map<String, Value>>,
    other: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Column {
    name: String,
    title: String,
}

impl View {
    /// Rows by what stands in a column, if that tells them apart.
    fn by(&self, column: &str) -> Option<HashMap<String, &Map<String, Value>>> {
        let mut rows = HashMap::with_capacity(self.rows.len());
        for row in &self.rows {
            let key = row.get(column).filter(|key| !key.is_null()).map(cell)?;
            if rows.insert(key, row).is_some() {
                return None;
            }
        }
        Some(rows)
    }
}

/// A cell as people read it.
fn cell(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn compare(
    before: &Run<'_>,
    after: &Run<'_>,
    found: &mut Found,
) -> Result<(), CompareError> {
    let (was, is): (View, View) = (before.read()?, after.read()?);
    found.nouns = Some(("row", "rows"));
    let names = |view: &View| -> Vec<String> {
        view.columns.iter().map(|column| column.name.clone()).collect()
    };
    if !was.columns.is_empty() && !is.columns.is_empty() && names(&was) != names(&is) {
        found.changed("columns", &names(&was).join(", "), &names(&is).join(", "));
        found.note("The tool's file was changed between the runs, so their rows are not compared.");
        return Ok(());
    }
    if was.other != is.other {
        found.note(format!(
            "The first output had {} that no row was made of, the second {}; they are not compared.",
            count(was.other, "line"),
            is.other
        ));
    }
    let columns = if is.columns.is_empty() { &was.columns } else { &is.columns };
    let key = columns.first();
    match key.and_then(|key| Some((key, was.by(&key.name)?, is.by(&key.name)?))) {
        Some((key, old, new)) => {
            by_key(before, after, (&was, &is), (key, &old, &new), columns, found);
        }
        None => as_multiset(before, after, &was, &is, columns, found),
    }
    Ok(())
}

type Rows<'v> = HashMap<String, &'v Map<String, Value>>;

fn by_key(
    before: &Run<'_>,
    after: &Run<'_>,
    (was, is): (&View, &View),
    (key, old, new): (&Column, &Rows<'_>, &Rows<'_>),
    columns: &[Column],
    found: &mut Found,
) {
    // In the order of the output, and not of a map.
    let keys = |view: &View| -> Vec<String> {
        view.rows.iter().filter_map(|row| row.get(&key.name).map(cell)).collect()
    };
    for name in keys(was) {
        let Some(row) = old.get(&name) else { continue };
        let Some(now) = new.get(&name) else {
            found.gone(after, &format!("row {}", word(&name)), None);
            continue;
        };
        for column in columns.iter().skip(1) {
            let (one, other) = (row.get(&column.name), now.get(&column.name));
            let (one, other) = (one.unwrap_or(&Value::Null), other.unwrap_or(&Value::Null));
            if one != other {
                let title = if column.title.is_empty() { &column.name } else { &column.title };
                let shown =
                    |value: &Value| if value.is_null() { "nothing".into() } else { cell(value) };
                let subject = format!("row {}, {}", word(&name), word(title));
                found.changed(&subject, &shown(one), &shown(other));
            }
        }
    }
    for name in keys(is).iter().filter(|name| !old.contains_key(*name)) {
        found.came(before, &format!("row {}", word(name)), None);
    }
}

fn as_multiset(
    before: &Run<'_>,
    after: &Run<'_>,
    was: &View,
    is: &View,
    columns: &[Column],
    found: &mut Found,
) {
    let mut balance: BTreeMap<String, (i64, &Map<String, Value>)> = BTreeMap::new();
    for (view, step) in [(was, -1), (is, 1)] {
        for row in &view.rows {
            let cells: Vec<(&String, &Value)> = row.iter().collect();
            balance.entry(json!(cells).to_string()).or_insert((0, row)).0 += step;
        }
    }
    for (number, row) in balance.into_values().filter(|(number, _)| *number != 0) {
        let subject = subject(row, columns);
        let times = number.unsigned_abs();
        let more = (times > 1).then(|| format!("{times} times"));
        match number > 0 {
            true => found.came(before, &subject, more).in_our_words(),
            false => found.gone(after, &subject, more).in_our_words(),
        }
    }
}

/// A row by its cells: the columns in their order, or what is there.
fn subject(row: &Map<String, Value>, columns: &[Column]) -> String {
    let shown = |value: &Value| if value.is_null() { "-".to_owned() } else { word(&cell(value)) };
    let cells: Vec<String> = match columns.is_empty() {
        true => row.values().map(shown).collect(),
        false => columns.iter().map(|it| row.get(&it.name).map_or("-".into(), shown)).collect(),
    };
    format!("row {}", cells.join(" "))
}
