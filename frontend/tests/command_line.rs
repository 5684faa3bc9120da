//! `probity tools` and `probity call` as a person or a script sees them, against a scripted broker.
//!
//! - exit statuses 0 to 4
//! - what is printed where
//! - brokers that are not there, embedded or not, or that misbehave

mod support;

use std::{
    path::Path,
    process::{Command, Output},
};

use probity_protocol::*;
use serde_json::Value;
use support::{ScriptedBroker, Step, samples::*};

fn probity(socket: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    command.env("PROBITY_SOCKET", socket).env_remove("LOG_LEVEL").args(arguments);
    command.output().unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn tools_are_listed_with_what_is_missing_and_how_to_mend_it() {
    let broker = ScriptedBroker::start(script());
    let output = probity(&broker.socket, &["tools"]);
    let text = stdout(&output);
    assert_eq!((status(&output), stderr(&output).as_str()), (0, ""));
    for expected in ["ping", "quick", "unavailable", "apt install nmap", "10.0.0.0/8", "1024"] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "no colours into a pipe");
}

#[test]
fn the_catalog_as_json_is_for_programs() {
    let broker = ScriptedBroker::start(script());
    let output = probity(&broker.socket, &["tools", "--json"]);
    let catalog: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(catalog["tools"][1]["name"], "ping");
    assert_eq!(catalog["timeout_ceiling"], 3600.0);
    assert_eq!(catalog["names"][0], "*.lab.internal");
    assert_eq!(catalog["tools"][1]["input_schema"]["type"], "object");
}

#[test]
fn a_run_that_succeeds_exits_with_0_and_carries_what_was_asked() {
    let broker = ScriptedBroker::start(script());
    let line = ["call", "ping", "10.0.0.1", "--timeout", "2.5", "--", "-c", "1"];
    let output = probity(&broker.socket, &line);
    assert_eq!((status(&output), stderr(&output).as_str()), (0, ""), "{}", stdout(&output));
    let call = &broker.runs()[0];
    assert_eq!(call.limits.timeout, Some(std::time::Duration::from_millis(2500)));
    let Arguments::Given { tokens, .. } = &call.arguments else { panic!() };
    assert_eq!(tokens.iter().map(Token::as_str).collect::<Vec<_>>(), ["-c", "1"]);

    let output = probity(&broker.socket, &["call", "ping", "10.0.0.1", "--json"]);
    let result: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(result["returncode"], 0);
}

#[test]
fn a_tool_that_fails_times_out_or_is_lost_exits_with_1() {
    for steps in [
        vec![started(), output(Stream::Stderr, "unknown host"), exited(2)],
        vec![started(), ended(End::TimedOut, ExitStatus::Signal(9))],
        vec![started(), output(Stream::Stdout, PONG)],
    ] {
        let broker = ScriptedBroker::start(script_with(&[steps]));
        assert_eq!(status(&probity(&broker.socket, &["call", "ping", "10.0.0.1"])), 1);
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    let nowhere = Path::new("/nonexistent/broker.sock");
    for line in [
        &["call", "ping"][..],
        &["call", "ping", "10.0.0.1", "--timeout", "0"],
        &["tools", "--policy", "p.toml"],
        &["nosuch"],
    ] {
        assert_eq!(status(&probity(nowhere, line)), 2, "{line:?}");
    }
}

#[test]
fn a_denial_exits_with_3_and_says_what_would_pass() {
    let broker = ScriptedBroker::start(script_with(&[vec![denied(DenialCode::TargetNotAllowed)]]));
    let output = probity(&broker.socket, &["call", "ping", "8.8.8.8"]);
    assert_eq!(status(&output), 3);
    assert!(stdout(&output).starts_with("REFUSED (TARGET_NOT_ALLOWED)"), "{}", stdout(&output));
    assert!(stdout(&output).contains("Try: Aim at an address of 10.0.0.0/8"));
}

#[test]
fn no_broker_exits_with_4_and_names_both_ways_to_one() {
    let output = probity(Path::new("/nonexistent/broker.sock"), &["tools"]);
    assert_eq!((status(&output), stdout(&output).as_str()), (4, ""));
    assert!(stderr(&output).contains("systemctl start probity-broker.socket"));
    assert!(stderr(&output).contains("--embedded"));
}

#[test]
fn a_refused_connection_and_another_version_are_told_apart() {
    let mut refused = script();
    let message = String::from("the peer speaks protocol version 1, and this one speaks 9");
    refused.welcome = Reply::Refused(Refusal { kind: RefusalKind::Version, message });
    let broker = ScriptedBroker::start(refused);
    let output = probity(&broker.socket, &["tools"]);
    assert_eq!(status(&output), 4);
    assert!(stderr(&output).contains("this one speaks 9"), "{}", stderr(&output));

    let mut garbage = script();
    garbage.catalog = vec![Step::Garbage(vec![0xff; 64])];
    let broker = ScriptedBroker::start(garbage);
    let output = probity(&broker.socket, &["tools"]);
    assert_eq!(status(&output), 4);
    assert!(stderr(&output).contains("cannot be read"), "{}", stderr(&output));
}

#[test]
fn a_dry_run_shows_the_exact_command_and_runs_nothing() {
    let broker = ScriptedBroker::start(script());
    let output = probity(&broker.socket, &["call", "ping", "10.0.0.1", "--dry-run"]);
    assert_eq!(status(&output), 0);
    let text = stdout(&output);
    for expected in ["not run", "/usr/bin/ping -n -c 1 10.0.0.1", "30 s", "512 MiB", "echo"] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert!(broker.runs().is_empty());
}

#[test]
fn arguments_that_a_shell_would_act_on_travel_as_malformed() {
    let broker = ScriptedBroker::start(script_with(&[vec![denied(DenialCode::ArgumentSyntax)]]));
    let output = probity(&broker.socket, &["call", "ping", "10.0.0.1", "--", "-c", "1;id"]);
    assert_eq!(status(&output), 3);
    assert!(matches!(broker.runs()[0].arguments, Arguments::Malformed(_)));
    assert!(stderr(&output).contains("security.injection_attempt"), "{}", stderr(&output));
}

/// Runs `probity tools --embedded` with `program` in the broker's place.
fn embedded_with(program: &str) -> Output {
    let state = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    command.args(["tools", "--embedded"]).env("PROBITY_BROKER", program);
    command.env("XDG_STATE_HOME", state.path()).output().unwrap()
}

#[test]
fn an_embedded_broker_that_ends_at_once_is_reported_at_once() {
    let started = std::time::Instant::now();
    let output = embedded_with("/bin/false");
    assert_eq!(status(&output), 4);
    assert!(stderr(&output).contains("ended at once (exit status: 1)"), "{}", stderr(&output));
    assert!(started.elapsed() < std::time::Duration::from_secs(2));
}

#[test]
fn an_embedded_broker_that_is_not_there_is_named() {
    let output = embedded_with("/nonexistent/probity-broker");
    assert_eq!(status(&output), 4);
    assert!(stderr(&output).contains("/nonexistent/probity-broker"), "{}", stderr(&output));
}
