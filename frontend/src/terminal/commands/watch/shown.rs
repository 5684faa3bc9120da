//! Watches and what they would tell, for people and as JSON.

use std::io::{self, Write as _};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    calls::result::ToolResult,
    terminal::printing::{
        self,
        layout::{Column, Layout},
    },
    watches::{
        condition::Condition, schedule::Schedule, served::WatchView, told::Ran, watch::Watch,
    },
};

const COLUMNS: [Column; 4] =
    [Column::whole("WATCH"), Column::text("CALLS"), Column::whole("COMES"), Column::text("TELLS")];

/// Lists them.
pub fn list(watches: &[Watch], json: bool) -> io::Result<()> {
    if json {
        let views: Vec<WatchView> =
            watches.iter().map(|watch| WatchView::of(watch, None)).collect();
        return printing::print_json(&json!({ "watches": views }));
    }
    let mut out = anstream::stdout().lock();
    if watches.is_empty() {
        return writeln!(out, "there are no watches");
    }
    let rows: Vec<Vec<String>> = watches.iter().map(row).collect();
    writeln!(out, "{}", Layout::of_stdout().table(&COLUMNS, &rows))
}

fn row(watch: &Watch) -> Vec<String> {
    let tell: Vec<String> = watch.tell().iter().map(ToString::to_string).collect();
    vec![watch.name().to_string(), call(watch), when(watch.schedule()), tell.join(", ")]
}

/// What it calls, on one line.
fn call(watch: &Watch) -> String {
    let mut words = vec![watch.tool().to_owned()];
    words.extend(watch.target().map(str::to_owned));
    let others = watch.arguments();
    let others = others.iter().filter(|(name, _)| *name != "target");
    words.extend(others.map(|(name, value)| match value {
        Value::String(text) => format!("{name}={text}"),
        value => format!("{name}={value}"),
    }));
    words.join(" ")
}

/// When it comes.
pub fn when(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Every(every) => format!("every {}", humantime::format_duration(*every)),
        Schedule::Cron(line) => format!("at {} {}", line.as_str(), line.zone()),
    }
}

/// A condition of a watch after a run of it.
#[derive(Serialize)]
pub struct Judged {
    /// As the file has it.
    condition: String,
    /// Whether it holds; `None` where the result does not tell.
    pub holds: Option<bool>,
    /// The figure that it is about, or what changed.
    value: Option<String>,
}

/// Each condition of a watch, after this run.
pub fn conditions(watch: &Watch, ran: &Ran) -> Vec<Judged> {
    let judged = watch.tell().iter().map(|condition| {
        let (holds, value) = match condition {
            Condition::Changed => (Some(ran.changed.is_some()), ran.changed.clone()),
            condition => match condition.holds(ran) {
                Some((holds, value)) => (Some(holds), value.map(|value| value.to_string())),
                None => (None, None),
            },
        };
        Judged { condition: condition.to_string(), holds, value }
    });
    judged.collect()
}

/// Prints what a watch gave, and which conditions hold.
pub fn print_test(watch: &Watch, result: &ToolResult, conditions: Vec<Judged>) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}\n", result.text().trim_end())?;
    let rows: Vec<Vec<String>> = conditions
        .into_iter()
        .map(|Judged { condition, holds, value }| {
            let holds = match holds {
                Some(true) => "yes",
                Some(false) => "no",
                None => "not told",
            };
            vec![condition, holds.into(), value.unwrap_or_default()]
        })
        .collect();
    if rows.is_empty() {
        return writeln!(out, "{} tells nothing (tell = [])", watch.name());
    }
    let columns = [Column::whole("TELLS"), Column::whole("NOW"), Column::text("IT IS")];
    writeln!(out, "{}", Layout::of_stdout().table(&columns, &rows))
}

/// The same for programs.
pub fn print_test_as_json(watch: &Watch, ran: &Ran, conditions: &[Judged]) -> io::Result<()> {
    let view = WatchView::of(watch, None);
    printing::print_json(&json!({ "watch": view, "conditions": conditions, "result": ran.result }))
}
