//! `probity doctor` at sockets where something is wrong, without root and without a broker: those that
//! answer are in the suite of the tests crate.
//!
//! - a socket that is missing, deserted, no socket, or served by something else
//! - the same as text and as data, on a terminal and in a pipe
//! - exit statuses

use std::{
    fs,
    os::unix::net::UnixListener,
    path::Path,
    process::Output,
    time::{Duration, Instant},
};

use crate::support::{
    Script, ScriptedBroker,
    command::*,
    pty::{On, Terminal},
    samples::*,
};
use probity_protocol::*;
use serde_json::Value;

fn doctor(socket: &Path) -> (i32, Value) {
    let output = probity(socket, &["doctor", "--json"]);
    (status(&output), report(&output))
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(output)))
}

fn check<'r>(report: &'r Value, name: &str) -> &'r Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name}: {report}"))
}

fn found<'r>(report: &'r Value, name: &str) -> &'r str {
    check(report, name)["found"].as_str().unwrap()
}

fn commands(report: &Value, name: &str) -> String {
    check(report, name)["remedy"]["commands"].to_string()
}

#[test]
fn a_socket_that_is_not_there_is_said_with_how_to_start_a_broker() {
    let (status, report) = doctor(Path::new("/nonexistent/broker.sock"));
    assert_eq!((status, &report["ok"]), (1, &Value::Bool(false)));
    assert_eq!(check(&report, "socket")["state"], "failed");
    assert_eq!(found(&report, "socket"), "there is no /nonexistent/broker.sock");
    assert!(commands(&report, "socket").contains("probity-broker"), "{report}");
    for name in ["broker", "audit_log", "capability", "grants", "self_test"] {
        assert_eq!(check(&report, name)["state"], "not_checked", "{name}");
    }
    assert!(report["summary"].as_str().unwrap().contains("mend socket"), "{report}");
}

#[test]
fn a_socket_that_nobody_listens_at_any_more_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("broker.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let (status, report) = doctor(&socket);
    assert_eq!(status, 1);
    assert!(found(&report, "socket").contains("nobody listens"), "{report}");
    assert!(commands(&report, "socket").contains("probity-broker"), "{report}");
}

#[test]
fn a_file_in_the_place_of_the_socket_is_called_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broker.sock");
    fs::write(&file, "").unwrap();
    let (status, report) = doctor(&file);
    assert_eq!(status, 1);
    assert!(found(&report, "socket").contains("is no socket"), "{report}");
}

#[test]
fn a_broker_that_takes_connections_and_says_nothing_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("broker.sock");
    // The kernel takes the connection for it.
    let _listener = UnixListener::bind(&socket).unwrap();
    let started = Instant::now();
    let (status, report) = doctor(&socket);
    // The client itself would wait for ten seconds, at each question.
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
    assert_eq!(status, 1);
    assert_eq!(check(&report, "socket")["state"], "ok");
    assert_eq!(check(&report, "broker")["state"], "failed");
    assert!(found(&report, "broker").contains("does not answer in time"), "{report}");
}

#[test]
fn a_broker_of_another_protocol_version_is_mended_by_installing_one_release() {
    let welcome = |protocol| match script().welcome {
        Reply::Welcome(welcome) => Reply::Welcome(Welcome { protocol, ..welcome }),
        other => other,
    };
    let newer = ScriptedBroker::start(Script { welcome: welcome(99), ..script() });
    let (exit, report) = doctor(&newer.socket);
    assert_eq!(exit, 1);
    assert!(found(&report, "broker").contains("protocol 99"), "{report}");
    assert!(commands(&report, "broker").contains("probity-broker --version"), "{report}");

    let refusal = Refusal { kind: RefusalKind::Version, message: "it speaks 99 only".into() };
    let older = ScriptedBroker::start(script());
    older.turn_away(vec![Some(Reply::Refused(refusal))]);
    let (exit, report) = doctor(&older.socket);
    assert_eq!(exit, 1);
    assert!(found(&report, "broker").contains("it speaks 99 only"), "{report}");
}

#[test]
fn a_broker_that_hangs_up_is_looked_for_in_its_own_words() {
    let broker = ScriptedBroker::start(script());
    broker.turn_away(vec![None]);
    let (exit, report) = doctor(&broker.socket);
    assert_eq!(exit, 1);
    assert_eq!(check(&report, "broker")["state"], "failed");
    assert!(commands(&report, "broker").contains("probity-policy check"), "{report}");
}

#[test]
fn the_text_says_what_the_data_say() {
    let nowhere = Path::new("/nonexistent/broker.sock");
    let (_, report) = doctor(nowhere);
    let output = probity(nowhere, &["doctor"]);
    assert_eq!((status(&output), stderr(&output).as_str()), (1, ""));
    let text = stdout(&output);
    for check in report["checks"].as_array().unwrap() {
        let word = match check["state"].as_str().unwrap() {
            "failed" => "FAILED",
            "not_checked" => "not checked",
            word => word,
        };
        let name = check["name"].as_str().unwrap();
        let begins = |line: &&str| {
            let rest = line.strip_prefix(word).unwrap_or_default();
            rest.split_whitespace().next() == Some(name)
        };
        assert!(text.lines().any(|line| begins(&line)), "{word} {name}\n{text}");
        for command in check["remedy"]["commands"].as_array().into_iter().flatten() {
            assert!(text.contains(command.as_str().unwrap()), "{command}\n{text}");
        }
    }
    assert_eq!(text.lines().last(), report["summary"].as_str());
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_terminal_gets_colours_unless_they_are_not_wanted_and_words_either_way() {
    let nowhere = Path::new("/nonexistent/broker.sock");
    let seen = |variables: &[(&str, &str)]| {
        Terminal::start((On::Both, 100), nowhere, variables, &["doctor"]).finish()
    };
    let coloured = seen(&[]);
    assert_eq!(coloured.status, 1);
    assert!(coloured.terminal.contains('\u{1b}') && coloured.terminal.contains("FAILED"));
    let plain = seen(&[("NO_COLOR", "1")]).terminal;
    assert!(plain.contains("FAILED") && !plain.contains('\u{1b}'), "{plain}");
    // Commands are there to be copied, so they alone are not broken.
    let long = plain.lines().filter(|line| line.chars().count() > 100);
    assert_eq!(long.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn settings_that_do_not_count_are_a_warning() {
    let nowhere = Path::new("/nonexistent/broker.sock");
    let output =
        probity_with(nowhere, &[("MCP_DEFAULT_TIMEOUT_SEC", "soon")], &["doctor", "--json"]);
    let report = report(&output);
    assert_eq!(check(&report, "configuration")["state"], "warning");
    assert_eq!(commands(&report, "configuration"), "[\"probity config\"]");
    assert_eq!(check(&doctor(nowhere).1, "configuration")["state"], "ok");
}

#[test]
fn wrong_usage_exits_with_2() {
    let nowhere = Path::new("/nonexistent/broker.sock");
    for line in [
        &["doctor", "--policy", "p.toml", "--socket", "s"][..],
        &["doctor", "--embedded", "--socket", "s"],
        &["doctor", "ping"],
        &["doctor", "--config", "/nonexistent/probity.toml"],
    ] {
        assert_eq!(status(&probity(nowhere, line)), 2, "{line:?}");
    }
}
