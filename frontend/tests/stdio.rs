//! `probity stdio` as MCP clients of both eras see it, against a scripted broker.
//!
//! - the list of tools, and results that keep to the schemas in it
//! - what each ending of a call becomes
//! - progress, cancellation, and the end of the session

mod support;

use std::{path::Path, time::Duration};

use probity_protocol::*;
use serde_json::{Value, json};
use support::{ScriptedBroker, Step, samples::*, stdio::Session};

const BOTH_ERAS: [bool; 2] = [false, true];

fn tools(session: &mut Session) -> Vec<Value> {
    let answer = session.ask(90, "tools/list", json!({}));
    answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}

fn schema_of(session: &mut Session, tool: &str, which: &str) -> jsonschema::Validator {
    let tool = tools(session).into_iter().find(|t| t["name"] == tool).unwrap();
    jsonschema::draft202012::new(&tool[which]).unwrap()
}

fn keeps_to(validator: &jsonschema::Validator, value: &Value) {
    let errors: Vec<_> =
        validator.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{value:#}");
}

#[test]
fn both_eras_see_the_tools_in_one_order() {
    let broker = ScriptedBroker::start(script());
    for modern in BOTH_ERAS {
        let mut session = Session::start(&broker.socket, modern);
        let tools = tools(&mut session);
        let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["nmap", "ping"]);
        assert!(tools[0]["description"].as_str().unwrap().contains("apt install nmap"));
        for tool in &tools {
            jsonschema::draft202012::meta::validate(&tool["inputSchema"]).unwrap();
            jsonschema::draft202012::meta::validate(&tool["outputSchema"]).unwrap();
            assert_eq!(tool["inputSchema"]["additionalProperties"], false);
            assert_eq!(tool["annotations"]["readOnlyHint"], true);
        }
        assert_eq!(session.close(), 0);
    }
}

#[test]
fn the_input_schema_has_every_type_of_option() {
    let broker = ScriptedBroker::start(script());
    let mut session = Session::start(&broker.socket, false);
    let schema = schema_of(&mut session, "ping", "inputSchema");
    let good = json!({ "target": "10.0.0.1", "count": 5, "interval": 0.2, "quiet": true, "mode": "b",
        "modes": ["a"], "label": "x_1", "timeout_sec": 0.5, "dry_run": false, "extra_args": "-q",
        "correlation_id": "job:1" });
    keeps_to(&schema, &good);
    for (name, bad) in [
        ("count", json!(101)),
        ("count", json!("5")),
        ("interval", json!(0.1)),
        ("mode", json!("c")),
        ("modes", json!([])),
        ("label", json!("a b")),
        ("timeout_sec", json!(0)),
        ("nonsense", json!(1)),
        ("correlation_id", json!("a b")),
    ] {
        let mut arguments = good.clone();
        arguments[name] = bad.clone();
        assert!(!schema.is_valid(&arguments), "{name} {bad}");
    }
    for tool in tools(&mut session) {
        for (name, property) in tool["inputSchema"]["properties"].as_object().unwrap() {
            if let Some(default) = property.get("default") {
                let property = jsonschema::draft202012::new(property).unwrap();
                assert!(property.is_valid(default), "the default of {name}");
            }
        }
    }
}

#[test]
fn a_run_gives_a_short_text_and_a_result_that_keeps_to_its_schema() {
    let broker = ScriptedBroker::start(script());
    for modern in BOTH_ERAS {
        let mut session = Session::start(&broker.socket, modern);
        let schema = schema_of(&mut session, "ping", "outputSchema");
        let answer = session.call(2, "PingTool", json!({ "target": "10.0.0.1", "count": 1 }));
        let result = &answer["result"];
        assert_eq!(result["isError"], false, "{answer}");
        let content = &result["structuredContent"];
        keeps_to(&schema, content);
        assert_eq!(content["stdout"], PONG);
        assert_eq!((&content["tool"], &content["returncode"]), (&json!("ping"), &json!(0)));
        assert!(content["parsed"].is_object());
        assert_eq!(result.get("resultType").is_some(), modern);
        let call = &broker.runs()[0];
        assert_eq!(call.client.as_ref().unwrap().as_str(), "a test 1");
        assert_eq!(content["metadata"]["policy_digest"], "07".repeat(32));
    }
}

#[test]
fn every_ending_keeps_to_the_schema_and_is_an_error_where_it_is_one() {
    let unavailable = Failure {
        kind: FailureKind::NotFound,
        message: "ping is not installed".into(),
        remedy: "apt install iputils-ping".into(),
    };
    let cases = [
        (
            vec![denied(DenialCode::TargetNotAllowed)],
            "POLICY_DENIED",
            "REFUSED (TARGET_NOT_ALLOWED)",
        ),
        (vec![denied(DenialCode::OptionUnknown)], "VALIDATION_ERROR", "REFUSED (OPTION_UNKNOWN)"),
        (vec![Step::Send(Reply::Failed(unavailable))], "NOT_FOUND", "The tool could not run"),
        (
            vec![
                started(),
                output(Stream::Stdout, PONG),
                ended(End::TimedOut, ExitStatus::Signal(9)),
            ],
            "TIMEOUT",
            "TIMED OUT",
        ),
        (
            vec![started(), output(Stream::Stderr, "bad flag"), exited(2)],
            "EXECUTION_ERROR",
            "FAILED",
        ),
        (vec![started(), output(Stream::Stdout, PONG)], "BROKER_LOST", "INTERRUPTED"),
        (vec![started(), Step::Garbage(vec![0xff; 9])], "BROKER_LOST", "INTERRUPTED"),
        (vec![Step::Garbage(vec![0xff; 9])], "BROKER_UNREACHABLE", "The tool could not run"),
        (vec![], "BROKER_UNREACHABLE", "The tool could not run"),
    ];
    for (steps, kind, words) in cases {
        let broker = ScriptedBroker::start(script_with(&[steps]));
        let mut session = Session::start(&broker.socket, false);
        let schema = schema_of(&mut session, "ping", "outputSchema");
        let answer = session.call(2, "ping", json!({ "target": "10.0.0.1" }));
        let result = &answer["result"];
        assert_eq!(result["isError"], true, "{answer}");
        assert_eq!(result["structuredContent"]["error_type"], kind, "{answer}");
        assert!(result["content"][0]["text"].as_str().unwrap().starts_with(words), "{answer}");
        keeps_to(&schema, &result["structuredContent"]);
    }
}

#[test]
fn a_busy_broker_is_asked_again() {
    let busy =
        Step::Send(Reply::Busy(Busy { scope: BusyScope::User, limit: 4, expected_wait: None }));
    let run = script().runs[0].clone();
    let broker = ScriptedBroker::start(script_with(&[vec![busy.clone()], vec![busy.clone()], run]));
    let mut session = Session::start(&broker.socket, false);
    let answer = session.call(2, "ping", json!({ "target": "10.0.0.1" }));
    assert_eq!(answer["result"]["isError"], false, "{answer}");
    assert_eq!(broker.runs().len(), 3);

    let broker = ScriptedBroker::start(script_with(&[vec![busy]]));
    let mut session = Session::start(&broker.socket, false);
    let answer = session.call(2, "ping", json!({ "target": "10.0.0.1" }));
    let content = &answer["result"]["structuredContent"];
    assert_eq!(content["error_type"], "RESOURCE_EXHAUSTED", "{answer}");
}

#[test]
fn a_dry_run_asks_for_the_verdict_only() {
    let broker = ScriptedBroker::start(script());
    let mut session = Session::start(&broker.socket, true);
    let schema = schema_of(&mut session, "ping", "outputSchema");
    let answer = session.call(2, "ping", json!({ "target": "10.0.0.1", "dry_run": true }));
    let content = &answer["result"]["structuredContent"];
    keeps_to(&schema, content);
    assert_eq!(content["dry_run"], true);
    assert_eq!(content["metadata"]["plan"]["argv"], json!(plan().argv));
    assert_eq!(content["metadata"]["availability"]["available"], true);
    assert!(broker.runs().is_empty());
}

#[test]
fn a_denied_dry_run_answers_as_the_run_would() {
    let verdict = Verdict::Denied(denial(DenialCode::TargetNotAllowed));
    let mut script = script_with(&[vec![denied(DenialCode::TargetNotAllowed)]]);
    script.check = vec![Step::Send(Reply::Verdict(verdict))];
    let broker = ScriptedBroker::start(script);
    let mut session = Session::start(&broker.socket, false);
    let mut answer = |id, dry_run: bool| {
        let arguments = json!({ "target": "8.8.8.8", "dry_run": dry_run, "correlation_id": "c" });
        let mut answer = session.call(id, "ping", arguments)["result"].take();
        let content = answer["structuredContent"].as_object_mut().unwrap();
        assert_eq!(content.remove("dry_run"), Some(json!(dry_run)));
        content["error_details"]["timestamp"].take();
        // What is suggested for a dry run is one, too.
        let suggested = &mut content["error_details"]["metadata"]["suggested_request"];
        let suggested = suggested["arguments"].as_object_mut().unwrap();
        assert_eq!(suggested.shift_remove("dry_run"), dry_run.then(|| json!(true)));
        let text = answer["content"][0]["text"].as_str().unwrap();
        answer["content"][0]["text"] = json!(text.replace(",\"dry_run\":true", ""));
        answer
    };
    assert_eq!(answer(2, true), answer(3, false));
}

#[test]
fn an_unknown_tool_is_an_error_of_the_protocol() {
    let broker = ScriptedBroker::start(script_with(&[vec![denied(DenialCode::UnknownTool)]]));
    for modern in BOTH_ERAS {
        let mut session = Session::start(&broker.socket, modern);
        // The broker hears of a name that it could know; the other cannot be one.
        for (id, name) in [(2, "nosuch"), (3, "no such")] {
            let answer = session.call(id, name, json!({ "target": "10.0.0.1" }));
            assert_eq!(answer["error"]["code"], -32602, "{answer}");
            assert_eq!(answer["error"]["data"]["code"], "UNKNOWN_TOOL");
            assert_eq!(answer["error"]["data"]["layer"], "tool");
        }
    }
    assert_eq!(broker.runs().len(), 2);
}

#[test]
fn malformed_requests_reach_the_broker_as_malformed() {
    let broker = ScriptedBroker::start(script_with(&[vec![denied(DenialCode::ArgumentSyntax)]]));
    let mut session = Session::start(&broker.socket, false);
    session.call(2, "ping", json!({ "target": "10.0.0.1", "extra_args": "-c 1; id" }));
    session.call(3, "ping", json!({ "target": "10.0.0.1 && id" }));
    session.call(4, "ping", json!({ "target": "10.0.0.1", "preset": 7 }));
    let runs = broker.runs();
    assert!(matches!(runs[0].arguments, Arguments::Malformed(_)));
    assert!(matches!(runs[1].target, Target::Malformed(_)));
    assert_eq!(runs.len(), 2, "a preset that is no text has no place in a call");
}

#[test]
fn a_name_outside_the_patterns_travels_without_addresses() {
    let broker = ScriptedBroker::start(script_with(&[vec![denied(DenialCode::TargetNotAllowed)]]));
    let mut session = Session::start(&broker.socket, false);
    session.call(2, "ping", json!({ "target": "www.example.com" }));
    assert_eq!(broker.runs()[0].target, Target::parse("www.example.com"));
}

#[test]
fn cancelling_closes_the_connection_to_the_broker() {
    for modern in BOTH_ERAS {
        let broker = ScriptedBroker::start(script_with(&[vec![started(), Step::AwaitHangUp]]));
        let mut session = Session::start(&broker.socket, modern);
        let arguments = json!({ "name": "ping", "arguments": { "target": "10.0.0.1" } });
        session.request(2, "tools/call", arguments);
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(broker.runs().len(), 1);
        session.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": { "requestId": 2, "reason": "changed my mind" } }));
        assert!(broker.await_hang_up());
        assert_eq!(tools(&mut session).len(), 2, "the session goes on");
    }
}

#[test]
fn a_client_that_goes_ends_its_run() {
    let broker = ScriptedBroker::start(script_with(&[vec![started(), Step::AwaitHangUp]]));
    let mut session = Session::start(&broker.socket, false);
    let arguments = json!({ "name": "ping", "arguments": { "target": "10.0.0.1" } });
    session.request(2, "tools/call", arguments);
    std::thread::sleep(Duration::from_millis(200));
    drop(session);
    assert!(broker.await_hang_up());
}

#[test]
fn a_client_that_asks_for_progress_hears_of_it() {
    let run = vec![
        started(),
        Step::Wait(Duration::from_millis(2500)),
        output(Stream::Stdout, PONG),
        exited(0),
    ];
    let broker = ScriptedBroker::start(script_with(&[run]));
    let mut session = Session::start(&broker.socket, false);
    let params = json!({ "name": "ping", "arguments": { "target": "10.0.0.1" },
        "_meta": { "progressToken": "p1" } });
    let answer = session.ask(2, "tools/call", params);
    assert_eq!(answer["result"]["isError"], false);
    let progress: Vec<_> = session.notifications.iter().map(|n| &n["params"]).collect();
    assert!(progress.len() >= 2, "{progress:?}");
    assert!(progress.iter().all(|p| p["progressToken"] == "p1" && p["total"] == 30.0));
}

#[test]
fn calls_run_side_by_side_up_to_the_tool_s_concurrency() {
    let run = vec![
        started(),
        Step::Wait(Duration::from_millis(300)),
        output(Stream::Stdout, PONG),
        exited(0),
    ];
    let broker = ScriptedBroker::start(script_with(&[run]));
    let mut session = Session::start(&broker.socket, false);
    for id in 10..14 {
        let arguments = json!({ "name": "ping", "arguments": { "target": "10.0.0.1" } });
        session.request(id, "tools/call", arguments);
    }
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(broker.runs().len(), 3);
    let mut answered: Vec<_> =
        (0..4).map(|_| session.next().unwrap()["id"].as_u64().unwrap()).collect();
    answered.sort_unstable();
    assert_eq!(answered, [10, 11, 12, 13]);
}

#[test]
fn junk_on_standard_input_gets_no_junk_on_standard_output() {
    let broker = ScriptedBroker::start(script());
    let mut session = Session::start(&broker.socket, false);
    session.send(&json!("just a string"));
    session.send(&json!({ "jsonrpc": "2.0", "id": 3, "method": "no/such/method" }));
    // `next` checks that each line is JSON-RPC.
    while session.next().unwrap()["id"] != 3 {}
    assert_eq!(tools(&mut session).len(), 2);
}

#[test]
fn a_session_without_a_broker_does_not_begin() {
    let session = Session::silent(Path::new("/nonexistent/broker.sock"), false);
    assert_eq!(session.close(), 4);
}
