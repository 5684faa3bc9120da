//! Comparisons of recorded outputs, read by the parsers as any output is. Where nothing recorded differs in the
//! way that a test is about, an output is changed as a tool would have written it.
//!
//! | file | holds |
//! |---|---|
//! | `laws` | what is so of any two results of any parser |
//! | `scans` | hosts and ports |
//! | `measures` | loss and latency, and what is more than noise |
//! | `ways` | hops, MTU, neighbours, routes, captures |
//! | `answers` | DNS, TLS, HTTP, tables |

mod answers;
mod laws;
mod measures;
mod scans;
mod ways;

use serde_json::Value;

use super::{Comparison, Kind, Side, compare};
use crate::parsers::tests::{fixtures, read};

/// The typed result of a recorded output, as it is published.
fn fixture(file: &str) -> Value {
    changed(file, |output| output)
}

/// The same of an output that was changed.
fn changed(file: &str, change: impl Fn(String) -> String) -> Value {
    let (parser, _, bytes) = fixtures().iter().find(|(_, name, _)| name == file).unwrap();
    let output = change(String::from_utf8(bytes.clone()).unwrap());
    serde_json::to_value(read(parser, output.as_bytes()).unwrap().unwrap()).unwrap()
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// Of two runs that came to their end, by commands that nobody knows.
fn of(parser: &str, before: &Value, after: &Value) -> Comparison {
    with_commands(parser, (before, ""), (after, ""))
}

fn with_commands(parser: &str, before: (&Value, &str), after: (&Value, &str)) -> Comparison {
    let commands = [words(before.1), words(after.1)];
    let side = |parsed, command| Side { parsed: Some(parsed), complete: true, command };
    compare(parser, side(before.0, &commands[0]), side(after.0, &commands[1])).unwrap()
}

/// Of two runs the second of which was stopped.
fn cut(parser: &str, before: &Value, after: &Value) -> Comparison {
    let side = |parsed, complete| Side { parsed: Some(parsed), complete, command: &[] };
    compare(parser, side(before, true), side(after, false)).unwrap()
}

/// Changes of a kind, as `subject: before > after`.
fn all(comparison: &Comparison, what: Kind) -> Vec<String> {
    let of_kind = comparison.changes.iter().filter(|change| change.what == what);
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    of_kind
        .map(|it| format!("{}: {} > {}", it.subject, shown(&it.before), shown(&it.after)))
        .collect()
}

/// Changes that are more than noise.
fn kinds(comparison: &Comparison) -> Vec<(Kind, &str)> {
    let shown = comparison.changes.iter().filter(|it| it.what != Kind::Noise);
    shown.map(|it| (it.what, it.subject.as_str())).collect()
}
