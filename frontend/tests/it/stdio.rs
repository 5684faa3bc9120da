//! `probity stdio` as MCP clients of both eras see it, against a scripted broker.
//!
//! - the list of tools, and results that keep to the schemas in it
//! - what each ending of a call becomes
//! - progress, cancellation, and the end of the session

use std::{
    path::Path,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use crate::support::{PATIENCE, ScriptedBroker, Step, samples::*, stdio::Session, wait_until};
use probity_protocol::*;
use probity_tests::mcp::{OWN_TOOLS, with_own};
use serde_json::{Value, json};

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
        assert_eq!(names, with_own(&["nmap", "ping"]));
        assert!(tools[0]["description"].as_str().unwrap().contains("apt install nmap"));
        for tool in &tools {
            jsonschema::draft202012::meta::validate(&tool["inputSchema"]).unwrap();
            let name = tool["name"].as_str().unwrap();
            if !OWN_TOOLS.contains(&name) {
                jsonschema::draft202012::meta::validate(&tool["outputSchema"]).unwrap();
            }
            assert_eq!(tool["annotations"]["readOnlyHint"], name != "run_cancel");
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
        assert_eq!(content["stdout"], json!(null), "what it says is parsed");
        assert_eq!((&content["tool"], &content["returncode"]), (&json!("ping"), &json!(0)));
        assert!(content["parsed"].is_object());
        assert_eq!(result.get("resultType").is_some(), modern);
        let call = &broker.runs()[0];
        assert_eq!(call.client.as_ref().unwrap().as_str(), "a test 1");
        let uri = &content["metadata"]["full_result"]["uri"];
        let whole = session.ask(3, "resources/read", json!({ "uri": uri }));
        let whole = whole["result"]["contents"][0]["text"].as_str().unwrap();
        let whole: Value = serde_json::from_str(whole).unwrap();
        assert_eq!((&whole["stdout"], &whole["argv"]), (&json!(PONG), &json!(plan().argv)));
        assert_eq!(whole["metadata"]["policy_digest"], "07".repeat(32));
    }
}

#[test]
fn every_ending_keeps_to_the_schema_and_is_an_error_where_it_is_one() {
    let unavailable = Failure {
        kind: FailureKind::NotFound,
        message: "ping is not installed".into(),
        remedy: "apt install iputils-ping".into(),
    };
    let busy = Busy { scope: BusyScope::Tool, limit: 3, expected_wait: None };
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
        (vec![Step::Send(Reply::Busy(busy))], "RESOURCE_EXHAUSTED", "NOT NOW (RESOURCE_EXHAUSTED)"),
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
fn a_busy_broker_is_not_asked_again_and_the_answer_says_how_long_to_wait() {
    let wait = Some(Duration::from_millis(6500));
    let busy = Busy { scope: BusyScope::User, limit: 4, expected_wait: wait };
    let broker = ScriptedBroker::start(script_with(&[vec![Step::Send(Reply::Busy(busy))]]));
    let mut session = Session::start(&broker.socket, false);
    let answer = session.call(2, "ping", json!({ "target": "10.0.0.1" }));
    let content = &answer["result"]["structuredContent"];
    assert_eq!(content["error_type"], "RESOURCE_EXHAUSTED", "{answer}");
    let details = &content["error_details"];
    assert_eq!(details["metadata"], json!({ "expected_wait_sec": 6.5, "retry_after_sec": 7 }));
    assert!(
        details["recovery_suggestion"].as_str().unwrap().contains("Wait about 7 s"),
        "{answer}"
    );
    assert_eq!(broker.runs().len(), 1);
}

#[test]
fn of_500_calls_at_once_those_with_a_place_run_and_the_rest_is_refused_at_once() {
    let run = vec![started(), Step::Wait(Duration::from_millis(20)), exited(0)];
    let broker = ScriptedBroker::start(script_with(&[run]));
    let mut session = Session::start(&broker.socket, true);
    for id in 0..500 {
        let arguments = json!({ "target": "10.0.0.1" });
        session.request(100 + id, "tools/call", json!({ "name": "ping", "arguments": arguments }));
    }
    let (mut ran, mut refused) = (0, 0);
    while ran + refused < 500 {
        let answer = session.next().expect("an answer");
        let content = &answer["result"]["structuredContent"];
        match content["error_type"].as_str() {
            None => ran += 1,
            Some("RESOURCE_EXHAUSTED") => refused += 1,
            other => panic!("{other:?}: {answer}"),
        }
    }
    // At least whoever fits at once: three run, fifty wait. Some places come free meanwhile.
    assert!(ran >= 53 && refused > 0, "{ran} ran, {refused} were refused");
    assert_eq!(broker.runs().len(), ran);
    let answer = session.call(2, "ping", json!({ "target": "10.0.0.1" }));
    assert_eq!(answer["result"]["isError"], false, "no place is stuck: {answer}");
}

#[test]
fn no_caller_shuts_a_tool_for_everybody_by_what_he_asks_for() {
    let timed_out = vec![started(), ended(End::TimedOut, ExitStatus::Signal(15))];
    let broker = ScriptedBroker::start(script_with(&[timed_out]));
    let mut session = Session::start(&broker.socket, true);
    for _ in 0..6 {
        let arguments = json!({ "target": "10.0.0.1", "timeout_sec": 0.01 });
        let answer = session.call(2, "ping", arguments);
        assert_eq!(answer["result"]["structuredContent"]["error_type"], "TIMEOUT", "{answer}");
    }
    // The tool's own time is another matter: five of those open it, and none of the six counts.
    for _ in 0..5 {
        let answer = session.call(2, "ping", json!({ "target": "10.0.0.1" }));
        assert_eq!(answer["result"]["structuredContent"]["error_type"], "TIMEOUT", "{answer}");
    }
    let answer = session.call(2, "ping", json!({ "target": "10.0.0.1" }));
    let error = &answer["result"]["structuredContent"]["error_type"];
    assert_eq!(error, "CIRCUIT_BREAKER_OPEN", "{answer}");
    assert_eq!(broker.runs().len(), 11);
}

#[test]
fn a_try_of_a_half_open_breaker_that_is_cancelled_leaves_its_place_to_the_next() {
    let cannot_start = Failure {
        kind: FailureKind::NotFound,
        message: "/usr/bin/ping is not there.".into(),
        remedy: "Install it.".into(),
    };
    let sleeps = vec![started(), Step::Wait(Duration::from_secs(60))];
    let mut script = script_with(&[
        vec![Step::Send(Reply::Failed(cannot_start))],
        sleeps,
        script().runs[0].clone(),
    ]);
    let mut catalog = catalog();
    catalog.tools[0].breaker = BreakerSettings {
        failure_threshold: Some(1),
        recovery_timeout: Some(Duration::from_secs(1)),
    };
    script.catalog = vec![Step::Send(Reply::Catalog(catalog))];
    let broker = ScriptedBroker::start(script);
    let mut session = Session::start(&broker.socket, false);
    let call = |session: &mut Session| {
        let answer = session.call(2, "ping", json!({ "target": "10.0.0.1" }));
        answer["result"]["structuredContent"]["error_type"].clone()
    };
    assert_eq!(call(&mut session), "NOT_FOUND");
    assert_eq!(call(&mut session), "CIRCUIT_BREAKER_OPEN");
    let patience = Instant::now() + Duration::from_secs(20);
    let arguments = json!({ "target": "10.0.0.1" });
    // Half open once its second is over: this one tries, and is taken back.
    std::thread::sleep(Duration::from_millis(1100));
    session.request(7, "tools/call", json!({ "name": "ping", "arguments": arguments }));
    assert!(broker.await_runs(2), "the try has not begun");
    let params = json!({ "requestId": 7 });
    session
        .send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }));
    loop {
        let error = call(&mut session);
        if error == "CIRCUIT_BREAKER_OPEN" && Instant::now() < patience {
            continue;
        }
        assert_eq!(error, json!(null), "the next one tries, and it works");
        break;
    }
}

#[test]
fn a_tool_that_keeps_failing_is_left_alone_then_tried_once_and_trusted_again() {
    let failed = vec![started(), ended(End::TimedOut, ExitStatus::Signal(15))];
    let mut runs = vec![failed; 6];
    runs.push(script().runs[0].clone());
    let mut script = script_with(&runs);
    let mut catalog = catalog();
    catalog.tools[0].breaker.recovery_timeout = Some(Duration::from_secs(1));
    script.catalog = vec![Step::Send(Reply::Catalog(catalog))];
    let broker = ScriptedBroker::start(script);
    let mut session = Session::start(&broker.socket, true);
    let call = |session: &mut Session| {
        let answer = session.call(2, "ping", json!({ "target": "10.0.0.1" }));
        answer["result"]["structuredContent"].clone()
    };
    for _ in 0..5 {
        assert_eq!(call(&mut session)["error_type"], "TIMEOUT");
    }
    let refused = call(&mut session);
    assert_eq!(refused["error_type"], "CIRCUIT_BREAKER_OPEN", "{refused}");
    let details = &refused["error_details"];
    let metadata = json!({ "state": "open", "failures": 5, "retry_after_sec": 1 });
    assert_eq!(details["metadata"], metadata);
    assert!(refused["error"].as_str().unwrap().contains("time limit"), "{refused}");
    assert!(details["recovery_suggestion"].as_str().unwrap().contains("Wait 1 s"), "{refused}");
    assert_eq!(broker.runs().len(), 5, "it fails fast, without asking the broker");
    let dry = session.call(3, "ping", json!({ "target": "10.0.0.1", "dry_run": true }));
    assert_eq!(dry["result"]["isError"], false, "a breaker guards runs alone: {dry}");
    // Half open: one is let through, which fails, and the breaker is open again.
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(call(&mut session)["error_type"], "TIMEOUT");
    assert_eq!(call(&mut session)["error_type"], "CIRCUIT_BREAKER_OPEN");
    std::thread::sleep(Duration::from_millis(1100));
    for _ in 0..2 {
        assert_eq!(call(&mut session)["error_type"], json!(null));
    }
    assert_eq!(broker.runs().len(), 8);
}

#[test]
fn a_complaint_of_the_arguments_is_an_error_and_says_nothing_to_the_breaker() {
    let failed = vec![started(), ended(End::TimedOut, ExitStatus::Signal(15))];
    let complaint = "ping: invalid argument: 'x'\n";
    let complained = vec![started(), output(Stream::Stderr, complaint), exited(2)];
    let mut runs = vec![failed.clone(); 4];
    runs.push(complained);
    runs.push(failed);
    let broker = ScriptedBroker::start(script_with(&runs));
    let mut session = Session::start(&broker.socket, true);
    let call = |session: &mut Session| session.call(2, "ping", json!({ "target": "10.0.0.1" }));
    for _ in 0..4 {
        call(&mut session);
    }
    let answer = call(&mut session)["result"].clone();
    assert_eq!(answer["isError"], true, "{answer}");
    let result = &answer["structuredContent"];
    assert_eq!(result["error_type"], "EXECUTION_ERROR", "{answer}");
    assert!(result["error"].as_str().unwrap().contains("ping: invalid argument: 'x'"), "{answer}");
    call(&mut session);
    // Four failures before it and one after are five in a row.
    let refused = call(&mut session);
    let kind = &refused["result"]["structuredContent"]["error_type"];
    assert_eq!(kind, "CIRCUIT_BREAKER_OPEN", "{refused}");
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
        let arguments =
            json!({ "target": "10.0.0.1/8", "dry_run": dry_run, "correlation_id": "c" });
        let mut answer = session.call(id, "ping", arguments)["result"].take();
        let content = answer["structuredContent"].as_object_mut().unwrap();
        assert_eq!(content.remove("dry_run"), Some(json!(dry_run)));
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
fn cancelling_ends_the_run_without_an_answer_and_keeps_what_there_was() {
    for modern in BOTH_ERAS {
        let run = vec![
            started(),
            output(Stream::Stdout, &PONG[..110]),
            Step::AwaitCancel,
            ended(End::Cancelled, ExitStatus::Signal(15)),
        ];
        let broker = ScriptedBroker::start(script_with(&[run]));
        let mut session = Session::start(&broker.socket, modern);
        let arguments = json!({ "name": "ping", "arguments": { "target": "10.0.0.1" },
            "_meta": { "progressToken": 7 } });
        session.request(2, "tools/call", arguments);
        // It is running when its reply is told.
        while session.next().unwrap()["params"]["message"] != "reply 1 of 1 from 10.0.0.1: 0.031 ms"
        {
        }
        session.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": { "requestId": 2, "reason": "changed my mind" } }));
        assert!(broker.await_cancel());

        // The session goes on, and has what was there.
        let uri = (3..100).find_map(|id| {
            let list = session.ask(id, "resources/list", json!({}));
            let resource = list["result"]["resources"].as_array().unwrap().get(1)?.clone();
            assert_eq!(resource["title"], "What ping 10.0.0.1 gave until it was cancelled");
            Some(resource["uri"].as_str().unwrap().to_owned())
        });
        let read = session.ask(101, "resources/read", json!({ "uri": uri.unwrap() }));
        let text = read["result"]["contents"][0]["text"].as_str().unwrap();
        let result: Value = serde_json::from_str(text).unwrap();
        assert_eq!(result["parsed"]["received"], 1, "{result}");
        assert_eq!(result["metadata"]["cancelled"], true);
        let about_it = |message: &Value| message["params"]["progressToken"] == 7;
        assert!(!session.notifications.iter().any(about_it), "{:?}", session.notifications);
    }
}

#[test]
fn a_call_that_is_cancelled_before_its_tool_runs_leaves_the_line() {
    let place = Queued { ahead: 1, expected_wait: None };
    for modern in BOTH_ERAS {
        let run = vec![Step::Send(Reply::Queued(place)), Step::AwaitHangUp];
        let broker = ScriptedBroker::start(script_with(&[run]));
        let mut session = Session::start(&broker.socket, modern);
        let arguments = json!({ "name": "ping", "arguments": { "target": "10.0.0.1" },
            "_meta": { "progressToken": 7 } });
        session.request(2, "tools/call", arguments);
        while session.next().unwrap()["params"]["message"] != "waiting for its turn: 1 run is ahead"
        {
        }
        session.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": { "requestId": 2 } }));
        assert!(broker.await_hang_up());
        let list = session.ask(3, "resources/list", json!({}));
        assert_eq!(list["result"]["resources"].as_array().unwrap().len(), 1, "{list}");
    }
}

#[test]
fn a_client_that_goes_ends_its_run() {
    let broker = ScriptedBroker::start(script_with(&[vec![started(), Step::AwaitHangUp]]));
    let mut session = Session::start(&broker.socket, false);
    let arguments = json!({ "name": "ping", "arguments": { "target": "10.0.0.1" } });
    session.request(2, "tools/call", arguments);
    assert!(broker.await_run());
    drop(session);
    assert!(broker.await_hang_up());
}

#[test]
fn progress_is_the_place_in_the_line_then_the_tools_own_word_and_never_goes_back() {
    let wait = |milliseconds| Step::Wait(Duration::from_millis(milliseconds));
    let plan =
        PlanSummary { argv: ["ping", "-c", "4", "10.0.0.1"].map(String::from).into(), ..plan() };
    let reply = |number| {
        let line = format!("64 bytes from 10.0.0.1: icmp_seq={number} ttl=64 time=0.1 ms\n");
        output(Stream::Stdout, &line)
    };
    let place = Queued { ahead: 2, expected_wait: Some(Duration::from_secs(40)) };
    let run = vec![
        wait(150),
        Step::Send(Reply::Queued(place)),
        wait(150),
        Step::Send(Reply::Started(Started { pid: 1, plan })),
        wait(2_300),
        reply(1),
        wait(300),
        reply(2),
        // Faster than anybody reads: the latest counts.
        reply(3),
        reply(4),
        wait(200),
        exited(0),
    ];
    for modern in BOTH_ERAS {
        let broker = ScriptedBroker::start(script_with(std::slice::from_ref(&run)));
        let mut session = Session::start(&broker.socket, modern);
        let params = json!({ "name": "ping", "arguments": { "target": "10.0.0.1" },
            "_meta": { "progressToken": "p1" } });
        let answer = session.ask(2, "tools/call", params);
        assert_eq!(answer["result"]["structuredContent"]["returncode"], 0, "{answer}");
        let news: Vec<_> = session.notifications.iter().map(|n| &n["params"]).collect();
        assert!(news.iter().all(|n| n["progressToken"] == "p1"), "{news:?}");
        let done: Vec<f64> = news.iter().map(|n| n["progress"].as_f64().unwrap()).collect();
        assert!(done.is_sorted_by(|a, b| a < b), "{done:?}");
        let said: Vec<_> = news.iter().map(|n| n["message"].as_str().unwrap()).collect();
        let expected = [
            "starting",
            "waiting for its turn: 2 runs are ahead, about 40 s",
            "running for 0 s",
            // No news for two seconds, and a sign of life all the same.
            "running for 2 s",
            "reply 1 of 4 from 10.0.0.1: 0.1 ms",
            "reply 4 of 4 from 10.0.0.1: 0.1 ms",
        ];
        // On a busy machine what comes at once takes longer than the pause between two pieces of news.
        let between = |word: &&&str| !word.starts_with("reply 2") && !word.starts_with("reply 3");
        let said: Vec<_> = said.iter().filter(between).copied().collect();
        assert_eq!(said, expected);
        // Nothing to count towards in the line; then the time limit; then the tool's own share.
        let share = |at: usize| done[at] / news[at]["total"].as_f64().unwrap();
        assert!(news[1]["total"].is_null(), "{news:?}");
        assert!((30.0..31.0).contains(&news[3]["total"].as_f64().unwrap()), "{news:?}");
        assert!(
            (share(4) - 0.25).abs() < 0.01 && (share(done.len() - 1) - 1.0).abs() < 0.01,
            "{news:?}"
        );
    }
}

#[test]
fn progress_is_told_only_where_it_is_asked_for() {
    let run = vec![started(), Step::Wait(Duration::from_millis(300)), exited(0)];
    let broker = ScriptedBroker::start(script_with(&[run]));
    for modern in BOTH_ERAS {
        let mut session = Session::start(&broker.socket, modern);
        session.call(2, "ping", json!({ "target": "10.0.0.1" }));
        assert!(session.notifications.is_empty(), "{:?}", session.notifications);
    }
}

#[test]
fn a_client_that_reads_no_progress_does_not_hold_up_its_runs() {
    let run = vec![started(), output(Stream::Stdout, PONG), exited(0), Step::AwaitHangUp];
    let broker = ScriptedBroker::start(script_with(&[run]));
    let mut session = Session::unread(&broker.socket);
    // More than a pipe holds: nothing that is written after this is ever read.
    for id in 0..60 {
        session.request(id, "tools/list", json!({}));
    }
    for id in 100..112 {
        let params = json!({ "name": "ping", "arguments": { "target": "10.0.0.1" },
            "_meta": { "progressToken": id } });
        session.request(id, "tools/call", params);
    }
    // Three run at once, so that these have had their turns one after the other.
    let over = || broker.hang_ups.load(Ordering::SeqCst) == 12;
    assert!(wait_until(PATIENCE, over), "{:?} of the runs are over", broker.hang_ups);
    session.abandon();
}

#[test]
fn calls_run_side_by_side_up_to_the_concurrency_of_the_tool() {
    let run = vec![
        started(),
        Step::Wait(Duration::from_secs(1)),
        output(Stream::Stdout, PONG),
        exited(0),
    ];
    let broker = ScriptedBroker::start(script_with(&[run]));
    let mut session = Session::start(&broker.socket, false);
    for id in 10..14 {
        let arguments = json!({ "name": "ping", "arguments": { "target": "10.0.0.1" } });
        session.request(id, "tools/call", arguments);
    }
    // All four are read once this is answered.
    assert_eq!(session.ask(20, "ping", json!({}))["result"], json!({}));
    assert!(broker.await_runs(3));
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
    assert_eq!(tools(&mut session).len(), 2 + OWN_TOOLS.len());
}

#[test]
fn a_session_without_a_broker_does_not_begin() {
    let session = Session::silent(Path::new("/nonexistent/broker.sock"), false);
    assert_eq!(session.close(), 4);
}

#[test]
fn a_session_begins_whatever_its_initialize_lacks_and_works_whole() {
    let broker = ScriptedBroker::start(script());
    for params in [
        json!(null),
        json!([]),
        json!({ "capabilities": null, "clientInfo": {}, "_meta": null }),
        json!({ "protocolVersion": "2025-06-18", "capabilities": { "experimental": { "x": 1 },
            "extensions": 7, "roots": true, "sampling": null }, "clientInfo": "t" }),
        json!({ "protocolVersion": [], "capabilities": [], "clientInfo": { "name": "t", "version": 1.0,
            "icons": [{ "theme": "auto" }] }, "more": 1 }),
    ] {
        let mut session = Session::silent(&broker.socket, false);
        session
            .send(&json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }));
        let answer = session.next().unwrap();
        assert_eq!(answer["result"]["serverInfo"]["name"], "probity", "{params}: {answer}");
        session.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        assert_eq!(tools(&mut session).len(), 2 + OWN_TOOLS.len());
        for (id, meta) in [(5, json!(null)), (6, json!(7)), (7, json!({ "progressToken": {} }))] {
            let arguments = json!({ "target": "10.0.0.1" });
            let call = json!({ "name": "ping", "arguments": arguments, "_meta": meta });
            let result = session.ask(id, "tools/call", call);
            assert_eq!(result["result"]["structuredContent"]["returncode"], 0, "{result}");
        }
        for (id, method, params, named) in [
            (8, "tools/call", json!({}), "params.name"),
            (9, "prompts/get", json!({ "name": "x", "arguments": 7 }), "params.arguments"),
            (10, "resources/read", json!({ "uri": {} }), "params.uri"),
        ] {
            let error = &session.ask(id, method, params)["error"];
            assert_eq!(error["code"], -32602, "{error}");
            assert!(error["message"].as_str().unwrap().contains(named), "{error}");
        }
    }
}

#[test]
fn any_id_comes_back_as_it_was_written() {
    let broker = ScriptedBroker::start(script());
    let mut session = Session::start(&broker.socket, false);
    let mut input = session.detached_input();
    for id in ["1.0", "9223372036854775808", "1.5", "-7", "\"a\""] {
        for (method, is_served) in [("ping", true), ("no/such", false)] {
            input
                .line(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"}}"#).as_bytes())
                .unwrap();
            let answer = session.next().unwrap();
            assert_eq!(answer["id"].to_string(), id, "{answer}");
            assert_eq!(answer.get("result").is_some(), is_served, "{answer}");
        }
    }
    input.line(br#"{"jsonrpc":"1.0","id":2.5,"method":"ping"}"#).unwrap();
    assert_eq!(session.next().unwrap()["id"].to_string(), "2.5");
}

#[test]
fn a_batch_is_answered_as_one_array_in_the_version_that_has_them() {
    let broker = ScriptedBroker::start(script());
    let batch = br#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"x"},7,
        {"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":"ping","arguments":{"target":"10.0.0.1"}}}]"#;
    let batch: Vec<u8> = batch.iter().copied().filter(|byte| *byte != b'\n').collect();
    for (version, is_served) in [("2025-03-26", true), ("2025-06-18", false)] {
        let mut session = Session::silent(&broker.socket, false);
        let params = json!({ "protocolVersion": version });
        assert_eq!(session.ask(1, "initialize", params)["result"]["protocolVersion"], version);
        let mut input = session.detached_input();
        input.line(&batch).unwrap();
        if !is_served {
            assert_eq!(session.next().unwrap()["error"]["code"], -32600);
            continue;
        }
        let answers: Vec<Value> = serde_json::from_str(&session.next_line().unwrap()).unwrap();
        assert_eq!(answers.len(), 3, "{answers:?}");
        let called = answers.iter().find(|answer| answer["id"] == "c").unwrap();
        assert_eq!(called["result"]["structuredContent"]["returncode"], 0, "{called}");
        input.line(br#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#).unwrap();
        assert_eq!(session.next().unwrap()["id"], 9);
    }
}
