//! `[[metrics.counter]]`: what else is counted, of the results of a tool.
//!
//! A counter that is not described as it should be is told of and left out; the others stay. Its
//! labels say only what is declared here, so that nothing that a host answers makes a series.

use std::fmt;

use super::{
    declared::{CounterError, Declared, Label},
    kind::WrittenValue,
    notice::{Notice, shown},
    tables::{Fields, Flaw},
};

/// Where they stand in the file.
pub(super) const COUNTERS: &str = "metrics.counter";

/// Most of them, most of the parts of a field's name, and most values of a label.
const MOST: usize = 32;
const DEEPEST: usize = 4;
const MOST_VALUES: usize = 32;

/// One counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterSettings {
    /// Its name in both forms of the metrics.
    pub name: String,
    /// What it counts, for the text form.
    pub help: String,
    /// The tool whose results are counted, by name or alias.
    pub tool: String,
    /// The field of the typed result that is added, with dots; `None` adds 1 for each result.
    pub field: Option<String>,
    /// Its labels: `tool`, `status`, or fields of the typed result.
    pub labels: Vec<String>,
    /// What those fields may say; everything else is `other`.
    pub values: Vec<String>,
}

/// What the label `status` may say: how a call that was to run a tool ended.
pub const STATUSES: [&str; 6] =
    ["success", "failure", "timeout", "denied", "rejected", "cancelled"];

impl CounterSettings {
    /// Hands over its labels, each with all that it may say.
    pub fn with_labels<T>(&self, take: impl FnOnce(&[Label<'_>]) -> T) -> T {
        let tool = [self.tool.as_str()];
        let values: Vec<&str> = self.values.iter().map(String::as_str).collect();
        let names: Vec<String> = self.labels.iter().map(|label| label.replace('.', "_")).collect();
        let labels = names.iter().map(|name| {
            let values = match name.as_str() {
                "tool" => &tool[..],
                "status" => &STATUSES[..],
                _ => &values,
            };
            Label { name, values }
        });
        take(&labels.collect::<Vec<_>>())
    }
}

impl fmt::Display for CounterSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field.as_deref().unwrap_or("results");
        write!(f, "{field} of {}", self.tool)?;
        match self.labels.as_slice() {
            [] => Ok(()),
            labels => write!(f, " by {}", labels.join(", ")),
        }
    }
}

/// Reads what the file has, and says what is wrong with it.
pub(super) fn read(
    written: &WrittenValue,
    place: &str,
    notices: &mut Vec<Notice>,
) -> Vec<CounterSettings> {
    let mut told = |key: String, (value, expected): (String, String)| {
        notices.push(Notice::Invalid {
            key,
            name: COUNTERS.replace('.', "_"),
            value: shown(&value),
            expected,
            source: place.into(),
            counts_as: "",
        });
    };
    let WrittenValue::Tables(tables) = written else {
        let expected = "tables, as [[metrics.counter]] makes them".into();
        told(COUNTERS.into(), (written.to_string(), expected));
        return vec![];
    };
    if tables.len() > MOST {
        let expected = format!("{MOST} counters at most");
        told(COUNTERS.into(), (format!("{} counters", tables.len()), expected));
    }
    let mut counters: Vec<CounterSettings> = vec![];
    for (number, table) in tables.iter().take(MOST).enumerate() {
        let known = "name, help, tool, field, labels and values only";
        match Fields::read(table, known, described) {
            Ok(counter) => match fits(&counter, &counters) {
                Ok(()) => counters.push(counter),
                Err(error) => {
                    let (key, expected) = (key_of(&error), error.to_string());
                    told(format!("{COUNTERS}[{number}].{key}"), (counter.name, expected));
                }
            },
            Err((key, (value, expected))) => {
                told(format!("{COUNTERS}[{number}].{key}"), (value, expected.into()));
            }
        }
    }
    counters
}

/// Holds one to the rules of the metrics, beside those that were declared before.
fn fits(counter: &CounterSettings, before: &[CounterSettings]) -> Result<(), CounterError> {
    if before.iter().any(|other| other.name == counter.name) {
        let (name, reason) = (counter.name.clone(), "another counter has that name".into());
        return Err(CounterError::Name { name, reason });
    }
    counter.with_labels(|labels| Declared::new(&counter.name, labels)).map(drop)
}

fn key_of(error: &CounterError) -> &'static str {
    match error {
        CounterError::Name { .. } => "name",
        CounterError::TooManySeries(_) | CounterError::Ambiguous(_) => "values",
    }
}

fn described(fields: &mut Fields<'_>) -> Result<CounterSettings, (&'static str, Flaw)> {
    let name =
        fields.required("name", "letters, digits and _, with _total at the end", |name| {
            (name.ends_with("_total") && is_word(name) && name.len() <= 128)
                .then(|| name.to_owned())
        })?;
    let help = fields.optional("help", "a line of up to 200 characters", |help| {
        let fits = help.chars().count() <= 200 && !help.contains(char::is_control);
        fits.then(|| help.to_owned())
    })?;
    let tool = fields.required("tool", "the name of a tool", |tool| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let fits = (1..=64).contains(&tool.len()) && tool.chars().all(plain);
        fits.then(|| tool.to_owned())
    })?;
    let field =
        fields.optional("field", "a field of the typed result, such as open_ports", |field| {
            is_field(field).then(|| field.to_owned())
        })?;
    let labels =
        fields.optional("labels", "tool, status, or fields of the typed result", |labels| {
            let labels = listed(labels);
            let own =
                |label: &String| ["tool", "status"].contains(&label.as_str()) || is_field(label);
            labels.iter().all(own).then_some(labels)
        })?;
    let values = fields.optional("values", "up to 32 values of up to 64 characters", |values| {
        let values = listed(values);
        let fits = |value: &String| value.len() <= 64 && !value.contains(char::is_control);
        (values.len() <= MOST_VALUES && values.iter().all(fits)).then_some(values)
    })?;
    let help = help.unwrap_or_else(|| match &field {
        Some(field) => format!("Sum of {field} in results of {tool}."),
        None => format!("Results of {tool}."),
    });
    let (labels, values) = (labels.unwrap_or_default(), values.unwrap_or_default());
    Ok(CounterSettings { name, help, tool, field, labels, values })
}

fn listed(text: &str) -> Vec<String> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(String::from).collect()
}

fn is_field(text: &str) -> bool {
    text.len() <= 128 && text.split('.').count() <= DEEPEST && text.split('.').all(is_word)
}

/// As a name of Prometheus' is: no digit first.
fn is_word(text: &str) -> bool {
    let of_a_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty()
        && text.chars().all(of_a_word)
        && !text.starts_with(|c: char| c.is_ascii_digit())
}
