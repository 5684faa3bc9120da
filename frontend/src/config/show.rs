//! The settings in force and where each comes from, as rows and as JSON.
//!
//! Neither a broker nor a tool is needed to see what is configured. Nothing is printed here.

use config::ValueKind;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    load::{DEFAULT, Effective, Loaded},
    notice::Notice,
    per_tool::Candidate,
};

/// All of it as a value: `{file, settings, tools, health_checks, counters, probe_modules, warnings}`. Secrets are left out.
#[must_use]
pub fn as_json(loaded: &Loaded) -> Value {
    json!({
        "file": loaded.file,
        "settings": settings(loaded),
        "tools": tools(loaded, &[]),
        "health_checks": checks(loaded),
        "counters": counters(loaded),
        "probe_modules": probes(loaded),
        "warnings": warnings(loaded).map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// The same of a server that listens: with the port that it has, which is another than the one set where
/// that is 0, or where a flag or systemd says otherwise, and with what is set for these tools, too.
#[must_use]
pub fn in_force(loaded: &Loaded, port: Option<u16>, tools: &[String]) -> Value {
    let mut shown = as_json(loaded);
    shown["tools"] = json!(self::tools(loaded, tools));
    let settings = shown["settings"].as_array_mut();
    let of_port = settings.into_iter().flatten().find(|setting| setting["key"] == "server.port");
    if let (Some(setting), Some(port)) = (of_port, port)
        && setting["value"] != port
    {
        setting["value"] = json!(port);
        setting["source"] = json!("bound");
    }
    shown
}

/// Every row, in the order in which a person reads them.
#[must_use]
pub fn rows(loaded: &Loaded) -> Vec<Row<'_>> {
    let all = settings(loaded).into_iter().chain(tools(loaded, &[])).chain(of_the_file(loaded));
    all.collect()
}

/// Whether something is set for single tools.
#[must_use]
pub fn sets_single_tools(loaded: &Loaded) -> bool {
    !tools(loaded, &[]).is_empty()
}

/// One setting as it is shown.
#[derive(Serialize)]
pub struct Row<'a> {
    /// Its key.
    pub key: String,
    value: Value,
    unit: Option<&'static str>,
    /// `default`, a variable, a file with its line, or a flag.
    source: &'a str,
    /// What it was before it was moved into its range.
    clamped_from: Option<String>,
    /// The layer above whose value was none.
    ignored: Option<String>,
}

impl<'a> Row<'a> {
    fn new(
        loaded: &Loaded,
        key: String,
        value: &ValueKind,
        unit: &'static str,
        source: &'a str,
    ) -> Self {
        let (mut clamped_from, mut ignored) = (None, None);
        for notice in warnings(loaded) {
            match notice {
                Notice::Clamped { key: of, old, source: at, .. } if *of == key && at == source => {
                    clamped_from = Some(old.clone());
                }
                Notice::Invalid { key: of, source: at, .. } if *of == key && at != source => {
                    ignored = Some(at.clone());
                }
                _ => {}
            }
        }
        let unit = (!unit.is_empty()).then_some(unit);
        Self { key, value: json_of(value), unit, source, clamped_from, ignored }
    }

    /// Its value with the unit, for a person.
    #[must_use]
    pub fn value_text(&self) -> String {
        let unit = self.unit.map(|unit| format!(" {unit}")).unwrap_or_default();
        match &self.value {
            Value::Null => "-".into(),
            Value::Array(items) if items.is_empty() => "-".into(),
            Value::Array(items) => {
                items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
            }
            Value::String(text) => text.clone(),
            // 60 rather than 60.0.
            Value::Number(number) => format!("{}{unit}", number.as_f64().unwrap_or_default()),
            other => other.to_string(),
        }
    }

    /// Where it comes from, and what else was said of it.
    #[must_use]
    pub fn source_text(&self) -> String {
        let source = self.source;
        match (&self.clamped_from, &self.ignored) {
            (Some(old), _) => format!("{source} ({old} is out of range)"),
            (None, Some(ignored)) => format!("{source} ({ignored} does not count)"),
            (None, None) => source.to_owned(),
        }
    }
}

fn settings(loaded: &Loaded) -> Vec<Row<'_>> {
    let rows = loaded.effective.iter().map(|Effective { setting, value, source }| {
        let mut row = Row::new(loaded, setting.key.to_owned(), value, setting.unit, source);
        if let Value::String(text) = row.value {
            row.value = json!(setting.kind.redacted(text));
        }
        row
    });
    rows.collect()
}

fn tools<'a>(loaded: &'a Loaded, known: &[String]) -> Vec<Row<'a>> {
    // What may be another program's variable is nobody's business here.
    let candidates = loaded.config.overrides.candidates().iter();
    let is_shown = |candidate: &&Candidate| !candidate.is_doubtful() || candidate.is_of_any(known);
    let rows = candidates.filter(is_shown).filter_map(|candidate| {
        let (value, unit) = (candidate.value.as_ref()?, candidate.unit());
        Some(Row::new(loaded, candidate.key(), value, unit, &candidate.source))
    });
    rows.collect()
}

fn of_the_file(loaded: &Loaded) -> impl Iterator<Item = Row<'_>> {
    checks(loaded).into_iter().chain(counters(loaded)).chain(probes(loaded))
}

/// Only a file has them.
fn counters(loaded: &Loaded) -> Vec<Row<'_>> {
    let source = loaded.file.as_deref().unwrap_or(DEFAULT);
    let rows = loaded.config.counters.iter().map(|counter| {
        let key = format!("metrics.counter.{}", counter.name);
        Row::new(loaded, key, &ValueKind::String(counter.to_string()), "", source)
    });
    rows.collect()
}

/// Those of the file, and those that are shipped.
fn probes(loaded: &Loaded) -> Vec<Row<'_>> {
    let rows = loaded.config.probes.iter().map(|module| {
        let key = format!("probe.modules.{}", module.name);
        let source = module.source.as_deref().unwrap_or(DEFAULT);
        Row::new(loaded, key, &ValueKind::String(module.to_string()), "", source)
    });
    rows.collect()
}

/// Only a file has them.
fn checks(loaded: &Loaded) -> Vec<Row<'_>> {
    let source = loaded.file.as_deref().unwrap_or(DEFAULT);
    let rows = loaded.config.health.checks.iter().map(|check| {
        let key = format!("health.checks.{}", check.name);
        Row::new(loaded, key, &ValueKind::String(check.to_string()), "", source)
    });
    rows.collect()
}

/// Everything that somebody should mend, of variables for shipped tools too. Those of other tools are
/// warned of when such a tool is called.
pub fn warnings(loaded: &Loaded) -> impl Iterator<Item = &Notice> {
    let of_variables = loaded
        .config
        .overrides
        .candidates()
        .iter()
        .filter(|candidate| candidate.from_variable && !candidate.is_doubtful())
        .filter_map(|candidate| candidate.notice.as_ref());
    loaded.notices.iter().filter(|notice| notice.is_warning()).chain(of_variables)
}

fn json_of(value: &ValueKind) -> Value {
    match value {
        ValueKind::Boolean(value) => json!(value),
        ValueKind::I64(value) => json!(value),
        ValueKind::Float(value) => json!(value),
        ValueKind::Array(items) => items.iter().map(|item| json_of(&item.kind)).collect(),
        ValueKind::Nil => Value::Null,
        other => json!(other.to_string()),
    }
}
