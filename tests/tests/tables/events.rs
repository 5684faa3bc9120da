//! What `probity` logs is what the table of events says: each event with its level and its fields,
//! nothing else, and never what a tool wrote, what a call's arguments were, or a secret.
//!
//! A few frontends are driven through everything that is worth an event, and their logs are held
//! against the table.

mod scenarios;

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
};

use nix::sys::signal::Signal;
use probity::process::events::{EVENTS, Event};
use probity_tests::{needs, rig::Rig};
use scenarios::*;
use serde_json::{Value, json};

/// A name, and what gives a log.
type Scenario = (&'static str, fn() -> String);

/// Events that no frontend can be driven to from outside, and where they are shown.
const SHOWN_ELSEWHERE: &[(&str, &str)] = &[
    ("log.lost", "a log that nobody reads: frontend/tests/it/log.rs"),
    ("broker.embedded", "where nothing is installed: tests/tests/lab/first_run.rs"),
    ("resolve.timeout", "a resolver that hangs: frontend/src/broker/resolve.rs"),
    (
        "health.degraded",
        "asked for over HTTP: tests/tests/it/monitoring.rs, frontend/src/calls/observe/health/tests.rs",
    ),
    ("health.unhealthy", "the same"),
    ("health.recovered", "the same"),
    ("watch.webhook_failed", "a receiver that hangs: frontend/src/watches/webhook_tests.rs"),
    ("history.not_kept", "a full disk: frontend/tests/it/http_runs.rs"),
    ("telemetry.failed", "a collector that is away: tests/tests/it/traces.rs"),
    ("telemetry.no_traces", "a build without traces"),
    ("schema.invalid", "a fault in Probity: frontend/src/calls/published/arguments_tests.rs"),
];

#[test]
fn every_event_is_emitted_as_the_table_has_it_and_nothing_else_is() {
    let scenarios: &[Scenario] = &[
        ("a session", || a_session("json")),
        ("a broken file", a_broken_file),
        ("the end of input", the_end_of_input),
        ("no session at all", no_session),
        ("an interrupt", an_interrupt),
        ("a broker that goes and comes", a_broker_that_goes_and_comes),
        ("a broker of its own that is killed", an_own_broker_that_is_killed),
        ("a client that asks too often", a_client_that_asks_too_often),
        ("a tool that fails", a_tool_that_fails_and_recovers),
        ("results that are kept", results_that_are_kept),
        ("a file of runs that is none", a_file_of_runs_that_is_none),
        ("a server over HTTP", a_server_over_http),
        ("watches", watches),
        ("a name in the lab", a_name_without_addresses),
    ];
    let logs = thread::scope(|scope| {
        let running: Vec<_> =
            scenarios.iter().map(|(name, drive)| (*name, scope.spawn(drive))).collect();
        running.into_iter().map(|(name, log)| (name, log.join().unwrap())).collect::<Vec<_>>()
    });
    let mut emitted = BTreeSet::new();
    let mut reasons = BTreeSet::new();
    for (scenario, log) in &logs {
        assert_no_marks(log);
        let events = events(log);
        assert!(!events.is_empty() || log.is_empty(), "{scenario}: {log}");
        emitted.extend(events.iter().map(|event| row_of(event).name));
        let of = |name: &str| events.iter().filter(|event| event["event"] == name).count();
        assert!(of("shutdown.started") <= 1, "{scenario}: {log}");
        assert_eq!(of("shutdown.started"), of("shutdown.finished"), "{scenario}: {log}");
        let ends = events.iter().filter(|event| event["event"] == "shutdown.started");
        reasons.extend(ends.map(|event| event["reason"].as_str().unwrap().to_owned()));
        assert_calls_are_whole(scenario, &events);
    }
    let elsewhere = SHOWN_ELSEWHERE.iter().map(|(name, _)| *name);
    let unseen_without_root = (!needs::root()).then_some("resolve.failed");
    emitted.extend(elsewhere.chain(unseen_without_root));
    let table: BTreeSet<&str> = EVENTS.iter().map(|event| event.name).collect();
    let missing: Vec<_> = table.difference(&emitted).collect();
    assert!(missing.is_empty(), "never emitted: {missing:?}");
    let expected = ["SIGINT", "SIGTERM", "end of input", "failure"].map(String::from);
    assert_eq!(reasons, BTreeSet::from(expected));
}

#[test]
fn the_text_form_shows_no_output_no_arguments_and_no_secrets_either() {
    let log = a_session("text");
    for event in ["tool.finish", "output.parse_failed", "security.injection_attempt"] {
        assert!(log.contains(event), "{event}: {log}");
    }
    assert_no_marks(&log);
}

#[test]
fn even_at_the_least_level_no_library_repeats_what_was_said() {
    let rig = Rig::new(&transcript()).unwrap();
    let mut session = Driven::start(&rig, &variables(&[("LOG_LEVEL", "TRACE")]));
    session.call("replay", json!({}));
    session.call("loud", json!({"extra_args": format!("--{ARGUMENT}")}));
    let log = session.end_by(Signal::SIGTERM);
    assert!(log.contains("output.parsed"), "{log}");
    assert_no_marks(&log);
}

#[test]
fn a_call_is_told_under_the_id_that_its_client_gave() {
    let rig = Rig::new("").unwrap();
    let mut session = Driven::start(&rig, &log_in("json"));
    let calls = [
        ("id-run", json!({}), vec!["tool.start", "optimization.added_default", "tool.error"]),
        ("id-checked", json!({"dry_run": true}), vec!["tool.checked"]),
        ("id-schema", json!({"what": 5}), vec!["tool.error"]),
        ("id-type", json!({"dry_run": "perhaps"}), vec!["tool.error"]),
        (
            "id-flag",
            json!({"extra_args": "--x", "dry_run": true}),
            vec!["security.blocked_flag", "tool.error"],
        ),
        (
            "id-shell",
            json!({"extra_args": ";x", "dry_run": true}),
            vec!["security.injection_attempt", "tool.error"],
        ),
    ];
    for (id, arguments, _) in &calls {
        let mut arguments = arguments.clone();
        arguments["correlation_id"] = json!(id);
        session.call("loud", arguments);
    }
    let events = events(&session.end_by(Signal::SIGTERM));
    for (id, _, expected) in &calls {
        let of_call = events.iter().filter(|event| event["correlation_id"] == *id);
        let names: Vec<_> = of_call.map(|event| event["event"].as_str().unwrap()).collect();
        assert_eq!(&names, expected, "{id}");
    }
}

#[test]
fn the_end_is_told_last_and_after_every_call() {
    let rig = Rig::new("").unwrap();
    let mut session = Driven::start(&rig, &log_in("json"));
    session.begin_to_sleep("id-sleep");
    let log = session.end_by(Signal::SIGTERM);
    let names: Vec<_> = events(&log).iter().map(|event| event["event"].clone()).collect();
    let expected = ["shutdown.started", "shutdown.waiting", "tool.cancelled", "shutdown.finished"];
    let expected = expected.map(Value::from);
    assert_eq!(names[names.len() - 4..], expected, "{log}");
}

/// The program's own events. A library's line names it, and the broker's is no JSON.
fn events(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line.get("library").is_none()).collect()
}

/// The row of the table that an event goes by, its level and its fields being as they stand there.
fn row_of(event: &Value) -> &'static Event {
    let name = event["event"].as_str().unwrap();
    let is_family =
        |row: &&Event| row.name.strip_suffix('*').is_some_and(|it| name.starts_with(it));
    let exact = EVENTS.iter().find(|row| row.name == name);
    let row = exact.or_else(|| EVENTS.iter().find(is_family));
    let row = row.unwrap_or_else(|| panic!("not in the table: {event}"));
    assert_eq!(event["level"], row.level.as_str(), "{event}");
    for field in event.as_object().unwrap().keys() {
        let is_known = ["timestamp", "level", "event"].contains(&field.as_str());
        assert!(is_known || row.fields.contains(&field.as_str()), "{field} of {event}");
    }
    row
}

/// Each event of a call has its id, and each call that starts ends once.
fn assert_calls_are_whole(scenario: &str, events: &[Value]) {
    let mut calls: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in events {
        let name = event["event"].as_str().unwrap();
        let family = name.split('.').next().unwrap();
        if ["tool", "security", "template", "output", "optimization"].contains(&family) {
            let id = event["correlation_id"].as_str().unwrap_or_else(|| panic!("{event}"));
            calls.entry(id).or_default().push(name);
        }
    }
    for (id, names) in calls {
        let ends = ["tool.finish", "tool.error", "tool.cancelled", "tool.checked"];
        let count = names.iter().filter(|name| ends.contains(name)).count();
        assert_eq!(count, 1, "{scenario}, {id}: {names:?}");
        assert!(ends.contains(names.last().unwrap()), "{scenario}, {id}: {names:?}");
    }
}

fn assert_no_marks(log: &str) {
    for mark in [OUTPUT, ARGUMENT, SECRET] {
        let line = log.lines().find(|line| line.contains(mark));
        assert_eq!(line, None, "{mark} is in the log");
    }
}
