//! `probity call`, and what every command line has in common, as a script sees them, against a
//! scripted broker.
//!
//! - exit statuses 0 to 4 (130 needs a run that lasts: `terminal.rs`)
//! - what is printed where, in a pipe: on a terminal, `terminal.rs`
//! - help, and what wrong usage is answered
//! - brokers that are not there, embedded or not, or that misbehave

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::support::{ScriptedBroker, Step, command::*, samples::*};
use probity_protocol::*;
use serde_json::Value;

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

/// What `docs/configuration.md` names as an example of a program of one's own.
#[test]
fn the_example_of_a_health_check_and_a_counter_runs() {
    let program = Path::new(env!("CARGO_BIN_EXE_probity")).with_file_name("examples/own_checks");
    // `cargo test` builds examples, but not where it is asked for this suite alone. Of this package alone
    // it would build most of it again, with other features.
    if !program.is_file() {
        let cargo = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--workspace", "--example", "own_checks"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(cargo.status.success(), "{}", stderr(&cargo));
    }
    let broker = ScriptedBroker::start(script());
    let run = |target: &str| {
        Command::new(&program).arg(&broker.socket).arg(target).env_clear().output().unwrap()
    };
    let output = run("10.0.0.1");
    assert_eq!((status(&output), stderr(&output).as_str()), (0, ""), "{}", stdout(&output));
    let printed = stdout(&output);
    let mut documents = serde_json::Deserializer::from_str(&printed).into_iter::<Value>();
    let health = documents.next().unwrap().unwrap();
    let checks = health["checks"].as_array().unwrap();
    let backlog = checks.iter().find(|check| check["name"] == "backlog").unwrap();
    assert_eq!(backlog["priority_name"], "LOW", "{backlog}");
    assert!(backlog["message"].as_str().unwrap().contains("files wait"), "{backlog}");
    let metrics = documents.next().unwrap().unwrap();
    let answers = metrics["counters"]["office_answers_total"].as_array().unwrap();
    let alive = serde_json::json!({"labels": {"alive": "true"}, "value": 1});
    assert!(answers.contains(&alive), "{answers:?}");
    assert!(printed.contains("office_answers_total{alive=\"true\"} 1\n"), "{printed}");
    assert_eq!(broker.runs().len(), 1);
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

/// ping says no by its exit code, nmap says it in its report alone.
#[test]
fn a_scan_that_finds_no_host_exits_with_1_like_a_ping_that_nobody_answers() {
    let silent = include_str!("../../../output/src/parsers/fixtures/nmap_silent.xml");
    let lively = include_str!("../../../output/src/parsers/fixtures/nmap_ping_scan.xml");
    for (report, expected) in [(silent, 1), (lively, 0)] {
        let steps = vec![started(), output(Stream::Stdout, report), exited(0)];
        let broker = ScriptedBroker::start(script_with(&[steps]));
        for more in [&[][..], &["--json"], &["--raw"]] {
            let output = probity(&broker.socket, &[&["call", "nmap", "10.0.0.1"], more].concat());
            assert_eq!(status(&output), expected, "{more:?}: {}", stdout(&output));
        }
    }
}

/// `probity call … | head`: how the call ended is not how much of it was read.
#[test]
fn a_result_that_nobody_reads_changes_nothing_of_the_exit_status() {
    let denied = script_with(&[vec![denied(DenialCode::TargetNotAllowed)]]);
    for (script, expected) in
        [(script(), 0), (script_with(&[vec![started(), exited(2)]]), 1), (denied, 3)]
    {
        let broker = ScriptedBroker::start(script);
        for more in [&[][..], &["--json"], &["--raw"]] {
            let (_, unread) = std::io::pipe().unwrap();
            let (_, unread_too) = std::io::pipe().unwrap();
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_probity"));
            command.env("PROBITY_SOCKET", &broker.socket).args(["call", "ping", "10.0.0.1"]);
            let status = command.args(more).stdout(unread).stderr(unread_too).status().unwrap();
            assert_eq!(status.code(), Some(expected), "{more:?}");
        }
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    let nowhere = Path::new("/nonexistent/broker.sock");
    for line in [
        &["call", "ping"][..],
        &["call", "ping", "10.0.0.1", "--timeout", "0"],
        &["tools", "--policy", "p.toml", "--socket", "s"],
        &["10.0.0.1"],
        &["call", "ping", "10.0.0.1", "--raw", "--json"],
        &["call", "ping", "10.0.0.1", "--raw", "--dry-run"],
        &["tools", "--color", "sometimes"],
        &["nosuch"],
    ] {
        assert_eq!(status(&probity(nowhere, line)), 2, "{line:?}");
    }
}

#[test]
fn wrong_usage_is_answered_with_an_example_of_right_usage() {
    let nowhere = Path::new("/nonexistent/broker.sock");
    for (line, tip) in [
        (&["call"][..], "for example: probity call ping 192.168.1.1"),
        (&["call", "ping"], "for example: probity call ping 192.168.1.1"),
        (&["10.0.0.1"], "a tool is run by its name, as in: probity ping 192.168.1.1"),
        (&["ping"], "for example: probity call ping 192.168.1.1"),
        (&["tols"], "a similar subcommand exists: 'tools'"),
        (&["call", "ping", "10.0.0.1", "-c", "5"], "probity call ping 192.168.1.1 -- -c 5"),
        (&["call", "ping", "10.0.0.1", "--prest", "q"], "a similar argument exists: '--preset'"),
        (&["call", "ping", "10.0.0.1", "10.0.0.2"], "a call has one target"),
        (&["http", "10.0.0.1"], "the tool is run by: probity call http"),
        (&["--embedded"], "probity stdio --embedded, or probity http --embedded"),
        (&["--policy=p.toml"], "probity stdio --embedded --policy"),
        (&["--socket", "/run/p.sock"], "probity stdio --socket"),
        (&["--listen", "127.0.0.1:0"], "after a subcommand: probity http --listen"),
        (&["--embedded", "tools"], "'tools --embedded' exists"),
    ] {
        let output = probity(nowhere, line);
        assert!(stderr(&output).contains(tip), "{line:?}: {}", stderr(&output));
    }
    // Not where there is something else to say.
    let output = probity(nowhere, &["tools", "ping", "nmap"]);
    assert!(!stderr(&output).contains("one target"), "{}", stderr(&output));
}

#[test]
fn every_subcommand_has_examples_and_the_exit_statuses_are_told() {
    let nowhere = Path::new("/nonexistent/broker.sock");
    for line in [
        &["--help"][..],
        &["help", "call"],
        &["help", "tools"],
        &["help", "stdio"],
        &["help", "config"],
    ] {
        let text = stdout(&probity(nowhere, line));
        assert!(text.contains("Examples:\n  probity "), "{line:?}\n{text}");
    }
    for line in [&["--help"][..], &["help", "call"]] {
        let text = stdout(&probity(nowhere, line));
        let (_, statuses) = text.split_once("Exit status:").unwrap();
        for status in ["0 ", "1 ", "2 ", "3 ", "4 ", "130 "] {
            assert!(statuses.contains(status), "{status}\n{text}");
        }
    }
}

#[test]
fn a_denial_exits_with_3_and_says_what_would_pass() {
    let broker = ScriptedBroker::start(script_with(&[vec![denied(DenialCode::TargetNotAllowed)]]));
    let line = ["call", "ping", "10.0.0.1/8", "--", "-c", "5", "-q"];
    let output = probity(&broker.socket, &line);
    assert_eq!(status(&output), 3);
    assert!(stdout(&output).starts_with("REFUSED (TARGET_NOT_ALLOWED)"), "{}", stdout(&output));
    assert!(stdout(&output).contains("Try: Of it 10.0.0.1 may be aimed at."), "{output:?}");
    assert!(stdout(&output).contains("\n\n  probity call ping 10.0.0.1 -- -c 5 -q\n"));
}

#[test]
fn what_would_pass_asks_the_same_broker_in_the_same_way() {
    let mut script = script_with(&[vec![denied(DenialCode::TargetNotAllowed)]]);
    let verdict = Verdict::Denied(denial(DenialCode::TargetNotAllowed));
    script.check = vec![Step::Send(Reply::Verdict(verdict))];
    let broker = ScriptedBroker::start(script);
    let socket = broker.socket.to_str().unwrap();
    let more = ["--socket", socket, "--dry-run", "--", "-c", "5", "-q"];
    let line = [&["call", "ping", "10.0.0.1/8"][..], &more].concat();
    let text = stdout(&probity(Path::new("/nonexistent"), &line));
    let expected = format!("  probity call ping 10.0.0.1 --dry-run --socket {socket} -- -c 5 -q\n");
    assert!(text.contains(&expected), "{text}");
}

#[test]
fn a_tool_that_is_not_there_is_told_with_the_remedy_and_exits_with_1() {
    let failure = Failure {
        kind: FailureKind::NotFound,
        message: "/usr/bin/nmap is not there".into(),
        remedy: "Run `apt install nmap`.".into(),
    };
    let failed = vec![Step::Send(Reply::Failed(failure))];
    let broker = ScriptedBroker::start(script_with(&[failed]));
    let output = probity(&broker.socket, &["call", "nmap", "10.0.0.1"]);
    assert_eq!(status(&output), 1);
    let text = stdout(&output);
    assert!(text.starts_with("The tool could not run: /usr/bin/nmap is not there"), "{text}");
    assert!(text.contains("Run `apt install nmap`."), "{text}");
}

#[test]
fn raw_is_what_the_tool_wrote_on_the_streams_it_wrote_it_to() {
    let broker = ScriptedBroker::start(script_with(&[vec![
        started(),
        output(Stream::Stdout, PONG),
        output(Stream::Stderr, "ping: \u{1b}[31mWarning\n"),
        exited(0),
    ]]));
    let output = probity(&broker.socket, &["call", "ping", "10.0.0.1", "--raw"]);
    assert_eq!((status(&output), stdout(&output).as_str()), (0, PONG));
    assert_eq!(stderr(&output), "ping: \\x1b[31mWarning\n");
}

#[test]
fn raw_leaves_standard_output_to_the_tool_whatever_happens() {
    let broker = ScriptedBroker::start(script_with(&[
        vec![denied(DenialCode::TargetNotAllowed)],
        vec![
            started(),
            output(Stream::Stdout, "half"),
            ended(End::TimedOut, ExitStatus::Signal(9)),
        ],
    ]));
    let line = ["call", "ping", "10.0.0.1", "--raw"];
    let refused = probity(&broker.socket, &line);
    assert_eq!((status(&refused), stdout(&refused).as_str()), (3, ""));
    assert!(stderr(&refused).starts_with("REFUSED"), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("probity call ping 10.0.0.1"), "{}", stderr(&refused));
    let late = probity(&broker.socket, &line);
    assert_eq!((status(&late), stdout(&late).as_str()), (1, "half"));
    assert!(stderr(&late).contains("time limit of 30 s (TIMEOUT)"), "{}", stderr(&late));
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
fn the_setting_starts_a_broker_as_the_flag_does_and_the_flags_win() {
    let state = tempfile::tempdir().unwrap();
    let with = |embedded: &str, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
        command.args(arguments).env("PROBITY_BROKER", "/bin/false");
        command.env("PROBITY_EMBEDDED", embedded).env("PROBITY_SOCKET", "/nonexistent/broker.sock");
        stderr(&command.env("XDG_STATE_HOME", state.path()).output().unwrap())
    };
    for (embedded, arguments, expected) in [
        ("true", &["tools"][..], "the embedded broker ended at once"),
        ("false", &["tools"], "no broker answers at /nonexistent/broker.sock"),
        ("true", &["tools", "--socket", "/nonexistent/s"], "no broker answers at /nonexistent/s"),
        ("false", &["tools", "--embedded"], "the embedded broker ended at once"),
        ("false", &["tools", "--policy", "p.toml"], "the embedded broker ended at once"),
    ] {
        let said = with(embedded, arguments);
        assert!(said.contains(expected), "{embedded} {arguments:?}: {said}");
        assert!(!said.contains("no broker is installed"), "{embedded} {arguments:?}: {said}");
    }
}

#[test]
fn where_nothing_is_installed_a_broker_is_started_and_that_is_said_once() {
    if Path::new("/etc/probity").exists() || Path::new("/run/probity").exists() {
        eprintln!("skipped: Probity is installed on this machine");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
        command.arg("tools").env("PROBITY_BROKER", "/bin/false").env_remove("PROBITY_SOCKET");
        command.env_remove("PROBITY_EMBEDDED").env_remove("XDG_CONFIG_HOME");
        command.env_remove("XDG_STATE_HOME").env("HOME", home.path()).output().unwrap()
    };
    let output = run();
    assert_eq!(status(&output), 4);
    let said = stderr(&output);
    assert_eq!(said.matches("no broker is installed here").count(), 1, "{said}");
    assert!(said.contains("by the built-in policy"), "{said}");
    assert!(said.contains("the embedded broker ended at once"), "{said}");
    // A policy of one's own is decided by, and named. Even one that leads nowhere.
    let folder = home.path().join(".config/probity");
    std::fs::create_dir_all(&folder).unwrap();
    let policy = folder.join("policy.toml");
    std::os::unix::fs::symlink("/nonexistent", &policy).unwrap();
    let said = stderr(&run());
    assert!(said.contains(&format!("by your policy, {}", policy.display())), "{said}");
}

#[test]
fn a_tool_is_called_by_its_name_with_its_own_options() {
    for line in [
        &["call", "ping", "10.0.0.1", "--count", "3"][..],
        &["ping", "10.0.0.1", "--count=3"],
        &["ping", "--count", "3", "10.0.0.1"],
    ] {
        let broker = ScriptedBroker::start(script());
        let output = probity(&broker.socket, line);
        let runs = broker.runs();
        assert_eq!(runs.len(), 1, "{line:?}: {}", stderr(&output));
        let Arguments::Given { options, .. } = &runs[0].arguments else { panic!("{line:?}") };
        let options: Vec<_> =
            options.iter().map(|one| (one.name.as_str(), one.value.as_ref())).collect();
        assert_eq!(options, [("count", Some(&OptionText::new("3").unwrap()))], "{line:?}");
        assert!(matches!(&runs[0].target, Target::Address(_)), "{line:?}");
    }
}

#[test]
fn a_tool_that_is_asked_for_help_shows_its_own_options() {
    let broker = ScriptedBroker::start(script());
    for line in [&["ping", "--help"][..], &["call", "ping", "10.0.0.1", "-h"]] {
        let output = probity(&broker.socket, line);
        assert_eq!(status(&output), 0, "{}", stderr(&output));
        let text = stdout(&output);
        assert!(text.contains("probity ping TARGET"), "{text}");
        assert!(text.contains("count"), "{text}");
    }
    assert!(broker.runs().is_empty());
}

#[test]
fn an_option_without_its_value_is_wrong_usage_and_asks_for_no_run() {
    let broker = ScriptedBroker::start(script());
    let output = probity(&broker.socket, &["ping", "10.0.0.1", "--count"]);
    assert_eq!(status(&output), 2);
    assert!(stderr(&output).contains("--count takes a value"), "{}", stderr(&output));
    assert!(broker.runs().is_empty());
}

#[test]
fn an_embedded_broker_that_is_not_there_is_named() {
    let output = embedded_with("/nonexistent/probity-broker");
    assert_eq!(status(&output), 4);
    assert!(stderr(&output).contains("/nonexistent/probity-broker"), "{}", stderr(&output));
}
